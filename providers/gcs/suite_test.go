package gcs_test

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"testing"

	"sealdav/internal/testserver"
	"sealdav/providers"
	"sealdav/providers/gcs"
	"sealdav/providers/providertest"
	"sealdav/sse"
)

func TestMain(m *testing.M) { testserver.Main(m) }

var (
	customerKey = sse.Settings{WriteKey: providertest.NewKey('w')}
	twoKeys     = sse.Settings{WriteKey: providertest.NewKey('w'), ReadKeys: []sse.Key{providertest.NewKey('r'), providertest.NewKey('s')}}
)

// config opens a bucket of the server.
func config(store *testserver.GCS, bucket string, settings sse.Settings) gcs.Config {
	return gcs.Config{Bucket: bucket, Endpoint: store.Endpoint, CAFile: store.CAFile, Anonymous: true, Settings: settings}
}

func open(t testing.TB, cfg gcs.Config) *gcs.Bucket {
	t.Helper()
	b, err := gcs.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// mode is a way to encrypt that the suite runs under.
type mode struct {
	name     string
	settings sse.Settings
	prefix   string
	mode     string
	small    bool // objects of at most one part
}

func TestSuite(t *testing.T) {
	store := testserver.SharedGCS(t)
	for _, m := range []mode{
		{name: "plain", mode: providers.ModeSSE},
		{name: "CSEK", settings: customerKey, mode: providers.ModeCustomer},
		{name: "CSEK, two read keys", settings: twoKeys, mode: providers.ModeCustomer, small: true},
		{name: "CSEK with prefix", settings: customerKey, prefix: "a/pre fix", mode: providers.ModeCustomer, small: true},
		{name: "CMEK", settings: sse.Settings{KMSKeyID: store.KMSKey}, mode: providers.ModeCMEK},
	} {
		t.Run(m.name, func(t *testing.T) {
			var cfg gcs.Config
			c := m.config(func(t testing.TB) gcs.Config {
				cfg = config(store, store.NewBucket(t), m.settings)
				cfg.Prefix = m.prefix
				return cfg
			})
			base := ""
			if m.prefix != "" {
				base = m.prefix + "/"
			}
			c.MaxKey = providers.MaxKey - len(base)
			c.Leftovers = func(t testing.TB, _ providers.Bucket) []string { return leftovers(t, store, cfg.Bucket, base) }
			providertest.Run(t, c)
		})
	}
}

// TestCloud runs the suite on a real bucket, each case under a prefix of its
// own, if SEALDAV_TEST_GCS_BUCKET names one. SEALDAV_TEST_GCS_KMS_KEY is a
// Cloud KMS key that the bucket may use.
func TestCloud(t *testing.T) {
	bucket := os.Getenv("SEALDAV_TEST_GCS_BUCKET")
	if bucket == "" {
		return // there is no cloud to test
	}
	modes := []mode{
		{name: "plain"}, // of a mode that is the bucket's default
		{name: "CSEK", settings: customerKey, mode: providers.ModeCustomer},
		{name: "CSEK, two read keys", settings: twoKeys, mode: providers.ModeCustomer},
	}
	if key := os.Getenv("SEALDAV_TEST_GCS_KMS_KEY"); key != "" {
		modes = append(modes, mode{name: "CMEK", settings: sse.Settings{KMSKeyID: key}, mode: providers.ModeCMEK})
	}
	for _, m := range modes {
		m.small = true
		t.Run(m.name, func(t *testing.T) {
			c := m.config(func(t testing.TB) gcs.Config {
				cfg := gcs.Config{Bucket: bucket, Prefix: "sealdav-test/" + rand.Text(), Settings: m.settings}
				t.Cleanup(func() { empty(t, cfg) })
				return cfg
			})
			c.MaxKey = providers.MaxKey - len("sealdav-test//") - len(rand.Text())
			providertest.Run(t, c)
		})
	}
}

// config is the suite's for a mode; make gives each case its storage.
func (m mode) config(make func(testing.TB) gcs.Config) providertest.Config {
	return providertest.Config{
		Mode:         m.mode,
		CustomerKeys: !m.settings.WriteKey.IsZero(),
		MinimalData:  m.small,
		Deviations:   map[string]string{"key/newline": "Cloud Storage takes no line ends in names"},
		Open: func(t testing.TB) providertest.Opener {
			cfg := make(t)
			return func(v providertest.View) providers.Bucket {
				cfg.Settings = v.Settings(m.settings)
				b, err := gcs.Open(t.Context(), cfg)
				if err != nil {
					t.Fatal(err)
				}
				return b
			}
		},
	}
}

// empty removes what a case has left below its prefix.
func empty(t testing.TB, cfg gcs.Config) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // which has ended by now
	cfg.Settings = sse.Settings{}
	b, err := gcs.Open(ctx, cfg)
	if err != nil {
		t.Error(err)
		return
	}
	defer b.Close()
	var keys []string
	for e, err := range b.List(ctx, "", providers.ListOptions{Recursive: true}) {
		if err != nil {
			t.Error(err)
			return
		}
		keys = append(keys, e.Key)
	}
	if err := b.Delete(ctx, keys...); err != nil {
		t.Error(err)
	}
}

// leftovers are unfinished uploads and sealdav's own objects.
func leftovers(t testing.TB, store *testserver.GCS, bucket, base string) []string {
	left := store.Sessions(bucket)
	for _, key := range store.Keys(t, bucket) {
		if strings.HasPrefix(key, base+providers.ReservedPrefix) {
			left = append(left, key)
		}
	}
	return left
}
