package config

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
)

const exampleFile = "../../config.example.toml"

// uncommented is the example with every key in effect.
func uncommented(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^#([a-z\[])`).ReplaceAllString(string(data), "$1")
}

func TestExampleLoads(t *testing.T) {
	c, warnings, err := Load(exampleFile, envOf(nil))
	if err != nil || len(warnings) > 0 {
		t.Fatalf("Load: warnings %v, error %v", warnings, err)
	}
	want := defaults().Server
	if diff := cmp.Diff(want, c.Server, comparable); diff != "" {
		t.Errorf("the example's [server] is not the defaults (-want +got):\n%s", diff)
	}
}

// TestExampleHasEveryKey decodes the example with its commented keys too.
func TestExampleHasEveryKey(t *testing.T) {
	env := envOf(map[string]string{"PHOTOS_ID": "i", "PHOTOS_TOKEN": "t", "AZURE_KEY": "k", "AZURE_SAS": "s"})
	text := uncommented(t)
	for _, secret := range []string{"file:///run/secrets/photos", "file:///run/secrets/azure"} {
		text = strings.ReplaceAll(text, secret, "x") // not on this machine
	}
	var top table
	md, err := toml.Decode(text, &top)
	if err != nil {
		t.Fatal(err)
	}
	b := &binder{file: "example", text: text, env: env, md: md, places: map[string]place{}}
	c := defaults()
	b.bindTable(nil, top, reflect.ValueOf(&c).Elem())
	if len(b.findings) > 0 {
		t.Errorf("findings:\n%v", b.findings)
	}

	present := map[string]bool{}
	for _, key := range md.Keys() {
		if len(key) > 2 && (key[0] == "users" || key[0] == "remotes") {
			key = append(toml.Key{key[0]}, key[2:]...) // without the name
		}
		present[key.String()] = true
	}
	for _, key := range allKeys("", reflect.TypeFor[Config]()) {
		if !present[key] {
			t.Errorf("config.example.toml does not document %s", key)
		}
	}

	// What stands there as commented out holds anyhow.
	c.Server.State, c.Server.Locks, c.Server.TLS = "", Secret{}, TLS{}
	if diff := cmp.Diff(defaults().Server, c.Server, comparable); diff != "" {
		t.Errorf("the commented keys of [server] are not the defaults (-want +got):\n%s", diff)
	}
}

// allKeys are the keys of a struct and of the tables in it, without the names
// of named tables.
func allKeys(prefix string, t reflect.Type) []string {
	var keys []string
	for _, f := range fieldsOf(t) {
		key := prefix + f.Tag.Get("toml")
		switch {
		case isNamed(f.Type):
			keys = append(keys, allKeys(key+".", f.Type.Elem())...)
		case isTable(f.Type):
			keys = append(keys, allKeys(key+".", f.Type)...)
		default:
			keys = append(keys, key)
		}
	}
	return keys
}

// comparable lets cmp look at secrets.
var comparable = cmp.Comparer(func(a, b Secret) bool { return a.Reveal() == b.Reveal() })

func envOf(vars map[string]string) Env {
	return func(name string) (string, bool) {
		v, ok := vars[name]
		return v, ok
	}
}
