// Package providertest is the contract of providers.Bucket in code: a suite
// that every provider runs once per encryption mode, wrappers that inject
// faults and count calls for the tests of the packages above, and benchmarks.
//
// A provider's test says how to make empty storage and how to open it, and
// which customer key the mode under test writes with:
//
//	providertest.Run(t, providertest.Config{
//		Open: func(t testing.TB) providertest.Opener {
//			dir := t.TempDir()
//			return func(v providertest.View) providers.Bucket {
//				b, err := local.Open(t.Context(), local.Config{Dir: dir, Settings: v.Settings(mode)})
//				if err != nil {
//					t.Fatal(err)
//				}
//				return b
//			}
//		},
//		CustomerKeys: true,
//		Mode:         providers.ModeCustomer,
//	})
package providertest

import (
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"sealdav/providers"
	"sealdav/sse"
)

// Config describes a provider in one encryption mode to the suite.
type Config struct {
	// Open makes fresh, empty storage (a directory, a bucket, a prefix) and
	// returns how to open it. What it needs to clean up it leaves to t.Cleanup.
	Open func(t testing.TB) Opener
	// CustomerKeys says that the mode writes under a customer key; then the
	// other Views are tested too.
	CustomerKeys bool
	// Mode is what Encryption.Mode must be in the answers of Put, Copy and
	// Stat; "" checks nothing.
	Mode string
	// Leftovers lists what the storage holds beside objects: unfinished
	// uploads, temporary files. It is asked after every failed write and must
	// be empty. nil checks nothing.
	Leftovers func(t testing.TB, b providers.Bucket) []string
	// MaxKey is the length in bytes of the longest key; 0 is 1,024. Storage
	// under a prefix has room for that much less.
	MaxKey int
	// MinimalData keeps objects and counts small, for stores that are far away.
	MinimalData bool
	// Deviations are the cases the store cannot pass, by name, with the
	// reason. They run and must fail, so that the list cannot rot.
	Deviations map[string]string
}

// Opener opens the same storage again and again, each time with the settings
// of a View. The suite closes what it opens.
type Opener func(View) providers.Bucket

// View is a way to look at storage: which keys a bucket is opened with.
type View int

// The views. Only Written is used unless Config.CustomerKeys is set.
const (
	Written   View = iota // the settings under test
	SecondKey             // writes under another key, reads both
	WrongKey              // writes and reads under another key than the others
	NoKey                 // knows no customer key and writes plain
	Plain                 // writes plain, reads the customer key too
)

// Settings turns the settings under test into those of the view.
func (v View) Settings(s sse.Settings) sse.Settings {
	reads := slices.Clone(s.ReadKeys)
	if !s.WriteKey.IsZero() {
		reads = append(reads, s.WriteKey)
	}
	switch v {
	case SecondKey:
		return sse.Settings{WriteKey: NewKey('2'), ReadKeys: reads}
	case WrongKey:
		return sse.Settings{WriteKey: NewKey('X')}
	case NoKey:
		return sse.Settings{}
	case Plain:
		return sse.Settings{ReadKeys: reads}
	default:
		return s
	}
}

// NewKey returns a key for tests: 32 times the byte b. The views use '2' and 'X'.
func NewKey(b byte) sse.Key {
	k, err := sse.NewKey([]byte(strings.Repeat(string(rune(b)), sse.KeySize)))
	if err != nil {
		panic(err) // b is no ASCII
	}
	return k
}

// testCase is one entry of the suite.
type testCase struct {
	name string
	run  func(t testing.TB, e *env)
}

// env is what a case works with: fresh storage, and the bucket under test.
type env struct {
	Config
	b    providers.Bucket // the view Written
	view func(View) providers.Bucket
}

func newEnv(t testing.TB, c Config) *env {
	open := c.Open(t)
	view := func(v View) providers.Bucket {
		b := open(v)
		t.Cleanup(func() {
			if err := b.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
		return b
	}
	return &env{Config: c, b: view(Written), view: view}
}

// Run runs the suite, each case on storage of its own.
func Run(t *testing.T, c Config) {
	cases := slices.Concat(basicCases(), readCases(), listCases(), keyNameCases(c),
		putCases(), conditionCases(), copyCases(), renameCases(), deleteCases())
	if c.CustomerKeys {
		cases = append(cases, customerKeyCases()...)
	}
	unknown := maps.Clone(c.Deviations)
	for _, tc := range cases {
		delete(unknown, tc.name)
		t.Run(tc.name, func(t *testing.T) {
			reason, deviates := c.Deviations[tc.name]
			if !deviates {
				tc.run(t, newEnv(t, c))
				return
			}
			if !fails(t, func(t testing.TB) { tc.run(t, newEnv(t, c)) }) {
				t.Errorf("passes, though it is listed as a deviation (%s): take it off the list", reason)
			}
		})
	}
	for name := range unknown {
		t.Errorf("deviation %q is no case of the suite", name)
	}
}

// fails reports whether f fails its test, which must not fail t.
func fails(t testing.TB, f func(testing.TB)) bool {
	r := &recorder{TB: t}
	var wg sync.WaitGroup
	wg.Go(func() { f(r) }) // a goroutine, for FailNow ends it
	wg.Wait()
	return r.Failed()
}

// recorder notes failures instead of failing the test it wraps.
type recorder struct {
	testing.TB
	mu     sync.Mutex
	failed bool
}

func (r *recorder) Fail() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed = true
}

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

func (r *recorder) FailNow() {
	r.Fail()
	runtime.Goexit()
}

func (r *recorder) Error(args ...any) {
	r.Helper()
	r.Log(args...)
	r.Fail()
}

func (r *recorder) Errorf(format string, args ...any) {
	r.Helper()
	r.Logf(format, args...)
	r.Fail()
}

func (r *recorder) Fatal(args ...any) {
	r.Helper()
	r.Log(args...)
	r.FailNow()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Helper()
	r.Logf(format, args...)
	r.FailNow()
}
