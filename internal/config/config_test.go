package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// canary is a secret that must not turn up anywhere.
const canary = "canary-0123456789-abcdefghijklmn"

func load(t *testing.T, text string, env map[string]string) (*Config, Findings, error) {
	t.Helper()
	return parse("sealdav.toml", []byte(text), 0o600, envOf(env))
}

func mustLoad(t *testing.T, text string, env map[string]string) *Config {
	t.Helper()
	c, _, err := load(t, text, env)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestBad loads each testdata/*.bad.toml. Its comments "#! " are the findings
// that it must have, all of them and in that order.
func TestBad(t *testing.T) {
	files, err := filepath.Glob("testdata/*.bad.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	env := envOf(map[string]string{"SET": "value", "EMPTY": "", "AWS_S3OPTIONS": "--sse AES256"})
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for line := range strings.Lines(string(data)) {
				if finding, ok := strings.CutPrefix(line, "#! "); ok {
					want = append(want, strings.TrimSpace(finding))
				}
			}
			c, warnings, err := parse("f", data, 0o600, env)
			var got []string
			for _, w := range warnings {
				got = append(got, "warning: "+w.String())
			}
			if findings, ok := errors.AsType[Findings](err); ok {
				got = append(got, strings.Split(findings.Error(), "\n")...)
			} else if err != nil {
				t.Fatalf("not Findings: %v", err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if strings.Contains(fmt.Sprint(got), "CANARY") {
				t.Errorf("a finding repeats a value: %v", got)
			}
			if (c == nil) != (err != nil) {
				t.Errorf("config %v with error %v", c, err)
			}
		})
	}
}

func TestGood(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("from a file\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := mustLoad(t, `
[server]
listen = ":8443"
state = "/var/lib/sealdav"
base_url = "https://dav.example.org/dav/"
max_transfer_memory = "1.5 GiB"
list_cache = "0s"
drain_timeout = "5m"
log_level = "debug"
access_log = false
[server.tls]
cert = "/c"
key = "/k"
[users.zoe]
password_hash = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"
remotes = []
[users.alice]
password_hash = "env:HASH"
read_only = true
[remotes.zoo]
url = "s3://zoo/a b/%41//c/"
access_key_id = "env:ID"
secret_access_key = "file://`+secret+`"
[remotes.ape]
url = "file:///srv/../srv/ape"
`, map[string]string{"ID": "id", "HASH": "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"})

	server := Server{
		Listen: ":8443", State: "/var/lib/sealdav", BaseURL: "https://dav.example.org/dav/",
		MaxTransferMemory: 3 << 29, DrainTimeout: 5 * time.Minute, LogLevel: Level(slog.LevelDebug),
		TLS: TLS{Cert: "/c", Key: "/k"},
	}
	if diff := cmp.Diff(server, c.Server, comparable); diff != "" {
		t.Errorf("server (-want +got):\n%s", diff)
	}
	if got := c.Server.BaseURL.Path() + " " + c.Server.BaseURL.Host(); got != "/dav dav.example.org" {
		t.Errorf("base_url: %s", got)
	}
	names := []string{c.Users[0].Name, c.Users[1].Name, c.Remotes[0].Name, c.Remotes[1].Name}
	if want := []string{"zoe", "alice", "zoo", "ape"}; !slices.Equal(names, want) {
		t.Errorf("names %v, want the order of the file %v", names, want)
	}
	if c.Users[0].Remotes == nil || c.Users[1].Remotes != nil {
		t.Error("an empty list of remotes is none of them; no list is all")
	}
	zoo, ape := c.Remotes[0], c.Remotes[1]
	if zoo.URL.Bucket != "zoo" || zoo.URL.Path != "a b/%41//c" || ape.URL.Path != "/srv/ape" {
		t.Errorf("urls %+v, %+v", zoo.URL, ape.URL)
	}
	if zoo.AccessKeyID.Reveal() != "id" || zoo.SecretAccessKey.Reveal() != "from a file" {
		t.Error("secrets were not resolved")
	}
}

func TestPrecedenceOfSSE(t *testing.T) {
	env := map[string]string{"AWS_S3OPTIONS": "--sse AES256", "ALT_AWS_S3OPTIONS": "--sse aws:kms", "MINE": "--sse aws:kms:dsse"}
	for name, tt := range map[string]struct{ remote, want string }{
		"variable":          {`url = "s3://b"`, "AES256"},
		"alternate":         {`url = "alts3://b"`, "aws:kms"},
		"own":               {`url = "s3://b"` + "\n" + `sse = "--sse aws:kms"`, "aws:kms"},
		"own table":         {`url = "s3://b"` + "\n" + `sse = { sse = "aws:kms" }`, "aws:kms"},
		"own from variable": {`url = "s3://b"` + "\n" + `sse = "env:MINE"`, "aws:kms:dsse"},
		"own, empty":        {`url = "s3://b"` + "\n" + `sse = ""`, ""},
		"own, empty table":  {`url = "s3://b"` + "\n" + `sse = {}`, ""},
		"file":              {`url = "file:///d"`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := mustLoad(t, "[remotes.r]\n"+tt.remote, env)
			if got := c.Remotes[0].Settings.Algorithm; got != tt.want {
				t.Errorf("algorithm %q, want %q", got, tt.want)
			}
		})
	}
}

func TestKeysOverHTTP(t *testing.T) {
	const sse = `sse = "--sse-write-c AES256 --sse-write-c-key env:KEY"` + "\n"
	key := strings.Repeat("k", 32)
	for name, tt := range map[string]struct {
		remote   string
		env      map[string]string
		findings int
	}{
		"https":                 {`endpoint = "https://h"`, nil, 0},
		"http":                  {`endpoint = "http://h"`, nil, 1},
		"http on loopback":      {`endpoint = "http://127.0.0.1:9000"`, nil, 1},
		"allowed":               {"endpoint = \"http://h\"\ninsecure_keys_over_http = true", nil, 0},
		"variable":              {"", map[string]string{"AWS_ENDPOINT_URL": "http://h"}, 1},
		"variable of the store": {"", map[string]string{"AWS_ENDPOINT_URL_S3": "http://h", "AWS_ENDPOINT_URL": "https://h"}, 1},
		"own before variable":   {`endpoint = "https://h"`, map[string]string{"AWS_ENDPOINT_URL": "http://h"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{"KEY": key}
			for k, v := range tt.env {
				env[k] = v
			}
			_, _, err := load(t, "[remotes.r]\nurl = \"s3://b\"\n"+sse+tt.remote, env)
			findings, _ := errors.AsType[Findings](err)
			if len(findings) != tt.findings {
				t.Errorf("findings %v", findings)
			}
		})
	}
}

func TestModeOfFileWithSecrets(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		mode os.FileMode
		warn string
	}{
		"literal":      {"access_key_id = \"a\"\nsecret_access_key = \"b\"", 0o640, "remotes.r.access_key_id and 1 more"},
		"own only":     {"access_key_id = \"a\"\nsecret_access_key = \"b\"", 0o600, ""},
		"kept outside": {"access_key_id = \"env:A\"\nsecret_access_key = \"env:B\"", 0o644, ""},
		"key in sse":   {`sse = "--sse-c AES256 --sse-c-key ` + canary + `"`, 0o644, "remotes.r.sse"},
		"key in table": {`sse = { sse-c = true, sse-c-key = "` + canary + `" }`, 0o604, "remotes.r.sse"},
		"keys outside": {`sse = "--sse-c --sse-c-key env:KEY"`, 0o644, ""},
		"no secrets":   {`sse = "--sse-kms-key-id alias/x"`, 0o644, ""},
	} {
		t.Run(name, func(t *testing.T) {
			env := envOf(map[string]string{"A": "a", "B": "b", "KEY": canary})
			_, warnings, err := parse("f", []byte("[remotes.r]\nurl = \"s3://b\"\n"+tt.text), tt.mode, env)
			if err != nil {
				t.Fatal(err)
			}
			var got string
			if len(warnings) > 0 {
				got = warnings[0].String()
			}
			if !strings.Contains(got, tt.warn) || (tt.warn == "") != (got == "") {
				t.Errorf("warning %q, want one of %q", got, tt.warn)
			}
		})
	}
}

func TestLoadReadsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sealdav.toml")
	if err := os.WriteFile(path, []byte("[remotes.r]\nurl = \"file:///d\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c, _, err := Load(path, envOf(nil)); err != nil || len(c.Remotes) != 1 {
		t.Errorf("Load: %v, %v", c, err)
	}
	if _, _, err := Load(path+".not", envOf(nil)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Load of nothing: %v", err)
	}
	if _, _, err := Load(filepath.Dir(path), envOf(nil)); err == nil {
		t.Error("Load of a directory succeeded")
	}
}

func TestFromURLs(t *testing.T) {
	for name, tt := range map[string]struct {
		urls  []string
		names []string
		err   string
	}{
		"several":        {[]string{"s3://a/b/c", "alts3://d", "file:///srv/e/"}, []string{"a", "d", "e"}, ""},
		"alike":          {[]string{"s3://a/x", "alts3://a/y"}, nil, "s3://a/x and alts3://a/y would both be served as /a/; name them apart"},
		"folder alike":   {[]string{"s3://a", "file:///srv/a"}, nil, "would both be served as /a/"},
		"not a URL":      {[]string{"/srv"}, nil, "argument 1 is not s3://"},
		"with password":  {[]string{"s3://" + canary + "@b"}, nil, "argument 1 needs a bucket"},
		"root":           {[]string{"file:///"}, nil, "name it in a configuration file"},
		"space in name":  {[]string{"file:///srv/a b"}, nil, "name it in a configuration file"},
		"encryption bad": {[]string{"altgs://b"}, nil, "b: --sse is not available for Google Cloud Storage"},
	} {
		t.Run(name, func(t *testing.T) {
			c, _, err := FromURLs(tt.urls, envOf(map[string]string{"ALT_GS_ENCRYPTION": "--sse AES256"}))
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || strings.Contains(err.Error(), canary) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, r := range c.Remotes {
				names = append(names, r.Name)
			}
			if !slices.Equal(names, tt.names) {
				t.Errorf("names %v, want %v", names, tt.names)
			}
		})
	}
}

func TestSecretIsNotPrinted(t *testing.T) {
	s := NewSecret(canary)
	c := mustLoad(t, "[remotes.r]\nurl = \"s3://b\"\naccess_key_id = \""+canary+"\"\nsecret_access_key = \""+canary+"\"", nil)
	nested := struct{ s Secret }{s}
	var out strings.Builder
	for _, v := range []any{s, &s, nested, &nested, []Secret{s}, map[string]Secret{"k": s}, c, *c} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
			fmt.Fprintf(&out, verb, v)
		}
		_ = json.NewEncoder(&out).Encode(v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
	}
	for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprint([]byte(canary))} {
		if strings.Contains(out.String(), form) {
			t.Error("a secret was printed")
		}
	}
}
