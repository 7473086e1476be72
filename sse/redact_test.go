package sse_test

import (
	"bytes"
	"context"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"html/template"
	"log"
	"log/slog"
	"os"
	"os/exec"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"

	"sealdav/sse"
)

// panicVariable makes the test binary panic with one of the subjects instead
// of testing, for TestPanicHoldsNoKey.
const panicVariable = "SEALDAV_TEST_PANIC"

func TestMain(m *testing.M) {
	if what := os.Getenv(panicVariable); what != "" {
		panicWith(what)
	}
	os.Exit(m.Run())
}

// The ways a key is held.
type (
	exported   struct{ Key sse.Key }
	unexported struct{ key sse.Key }
	pointer    struct{ key *sse.Key }
	embedded   struct{ sse.Key }
	deep       struct {
		Name  string
		inner *unexported
		any   any
		m     map[string]unexported
		list  []pointer
		array [1]sse.Settings
	}
	failure struct{ key sse.Key }
)

func (failure) Error() string { return "it failed" }

func subjects(tb testing.TB) map[string]any {
	k := mustKey(tb, testKeys["K1"])
	s := sse.Settings{WriteKey: k, ReadKeys: []sse.Key{mustKey(tb, testKeys["K2"]), k}, KMSKeyID: "alias/x"}
	return map[string]any{
		"key":                 k,
		"pointer":             &k,
		"pointer to pointer":  new(&k),
		"settings":            s,
		"pointer to settings": &s,
		"candidates":          s.Candidates(),
		"exported field":      exported{k},
		"unexported field":    unexported{k},
		"pointer to struct":   &unexported{k},
		"pointer field":       pointer{&k},
		"embedded":            embedded{k},
		"slice":               []sse.Key{k},
		"array":               [2]sse.Key{k, k},
		"slice of pointers":   []*sse.Key{&k},
		"slice of structs":    []unexported{{k}},
		"map":                 map[string]sse.Key{"a": k},
		"map of pointers":     map[string]*sse.Key{"a": &k},
		"map of any":          map[string]any{"a": k, "b": unexported{k}, "c": []any{s}},
		"any":                 any(&s),
		"function":            func() sse.Key { return k },
		"method":              k.Bytes,
		"error":               failure{k},
		"error around a key":  fmt.Errorf("with %v, %+v and %#v", k, s, unexported{k}),
		"joined error":        errors.Join(failure{k}, failure{k}),
		"deep": &deep{"x", &unexported{k}, s, map[string]unexported{"a": {k}}, []pointer{{&k}},
			[1]sse.Settings{s}},
	}
}

func TestPrintedHoldsNoKey(t *testing.T) {
	for name, v := range subjects(t) {
		t.Run(name, func(t *testing.T) {
			for _, verb := range "vTtbcdoOqxXUeEfFgGspwz" {
				for _, flags := range []string{"", "+", "#", " ", "0", "-", "+#", "# ", "200", ".3", "#.200"} {
					format := "%" + flags + string(verb)
					noKeys(t, fmt.Sprintf(format, v))
					noKeys(t, fmt.Sprintf(format, []any{v}))
					noKeys(t, fmt.Errorf(format, v).Error())
				}
			}
			noKeys(t, fmt.Sprint(v))
			noKeys(t, fmt.Sprintln(v, v))
			for _, wrong := range []string{"", "%", "%!", "%*d", "%[2]d", "%[1]*d", "%z %d"} {
				noKeys(t, fmt.Sprintf(wrong, v))
			}
		})
	}
}

func TestEncodedHoldsNoKey(t *testing.T) {
	encoders := map[string]func(v any) ([]byte, error){
		"json":           json.Marshal,
		"json, indented": func(v any) ([]byte, error) { return json.MarshalIndent(v, "", "\t") },
		"xml":            xml.Marshal,
		"toml":           toml.Marshal,
		"gob": func(v any) ([]byte, error) {
			var b bytes.Buffer
			err := gob.NewEncoder(&b).Encode(v)
			return b.Bytes(), err
		},
		"template": func(v any) ([]byte, error) {
			var b bytes.Buffer
			err := template.Must(template.New("").Parse(`{{.}}<script>{{.}}</script>`)).Execute(&b, v)
			return b.Bytes(), err
		},
		"log": func(v any) ([]byte, error) {
			var b bytes.Buffer
			log.New(&b, "", 0).Print(v)
			return b.Bytes(), nil
		},
		"slog text": func(v any) ([]byte, error) {
			return slogged(v, func(b *bytes.Buffer, o *slog.HandlerOptions) slog.Handler { return slog.NewTextHandler(b, o) })
		},
		"slog json": func(v any) ([]byte, error) {
			return slogged(v, func(b *bytes.Buffer, o *slog.HandlerOptions) slog.Handler { return slog.NewJSONHandler(b, o) })
		},
		"cmp": func(v any) ([]byte, error) {
			return []byte(cmp.Diff(v, "", cmp.Exporter(func(reflect.Type) bool { return true }))), nil
		},
	}
	for encoder, encode := range encoders {
		for name, v := range subjects(t) {
			t.Run(encoder+"/"+name, func(t *testing.T) {
				b, err := encode(v)
				noKeys(t, string(b))
				if err != nil { // not everything can be encoded; the refusal must be silent too
					noKeys(t, err.Error())
				}
			})
		}
	}
}

// slogged is a record that holds v as a value, in a group and as a context's
// attribute of the logger, down to debug level.
func slogged(v any, handler func(*bytes.Buffer, *slog.HandlerOptions) slog.Handler) ([]byte, error) {
	var b bytes.Buffer
	l := slog.New(handler(&b, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}))
	l.With("with", v).WithGroup("g").LogAttrs(context.Background(), slog.LevelDebug, "message",
		slog.Any("value", v), slog.Group("h", "inner", v), slog.Any("list", []any{v}))
	return b.Bytes(), nil
}

// A key is redacted, not lost: whoever looks at a dump sees that one is set.
func TestRedactedIsSaid(t *testing.T) {
	k := mustKey(t, testKeys["K1"])
	asJSON, err := json.Marshal(sse.Settings{WriteKey: k})
	if err != nil {
		t.Fatal(err)
	}
	var asTOML strings.Builder
	if err := toml.NewEncoder(&asTOML).Encode(exported{k}); err != nil {
		t.Fatal(err)
	}
	asXML, err := xml.Marshal(exported{k})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		k.String(), k.GoString(), fmt.Sprintf("%x", k), fmt.Sprintf("%#v", exported{k}),
		string(asJSON), asTOML.String(), string(asXML), k.LogValue().String(),
	} {
		if !strings.Contains(text, "**redacted**") {
			t.Errorf("no redaction in %q", text)
		}
	}
}

func TestPanicHoldsNoKey(t *testing.T) {
	names := []string{"arguments", "fingerprint"}
	for name := range subjects(t) {
		names = append(names, name)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			cmd.Env = append(os.Environ(), panicVariable+"="+name, "GOTRACEBACK=all")
			out, err := cmd.CombinedOutput()
			if _, failed := errors.AsType[*exec.ExitError](err); !failed {
				t.Fatalf("no panic: %v\n%s", err, out)
			}
			if !strings.Contains(string(out), "goroutine 1") {
				t.Fatalf("no stack trace:\n%s", out)
			}
			noKeys(t, string(out))
		})
	}
}

func panicWith(what string) {
	all := subjects(panicTB{})
	s := all["settings"].(sse.Settings)
	switch what {
	case "arguments":
		takesAll(s.WriteKey, s, &s, s.Candidates()[0], all["unexported field"].(unexported))
	case "fingerprint":
		// Stop it in the middle of its work, whose frames are then printed.
		started := make(chan struct{})
		go func() {
			close(started)
			for {
				k, _ := sse.NewKey([]byte(testKeys["K1"]))
				k.Fingerprint()
			}
		}()
		<-started
		for range 100 {
			runtime.Gosched()
		}
		panic("while the fingerprint is made")
	default:
		panic(all[what])
	}
}

//go:noinline
func takesAll(k sse.Key, s sse.Settings, p *sse.Settings, c sse.Candidate, u unexported) {
	defer runtime.KeepAlive([]any{k, s, p, c, u})
	panic("with keys among the arguments")
}

// panicTB is the little of testing.TB that subjects needs outside a test.
type panicTB struct{ testing.TB }

func (panicTB) Helper()           {}
func (panicTB) Fatal(args ...any) { panic(fmt.Sprint(args...)) }
