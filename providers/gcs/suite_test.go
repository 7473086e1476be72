package gcs_test

import (
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

func TestSuite(t *testing.T) {
	store := testserver.SharedGCS(t)
	for _, tc := range []struct {
		name     string
		settings sse.Settings
		prefix   string
		mode     string
		small    bool // objects of at most one part
	}{
		{name: "plain", mode: providers.ModeSSE},
		{name: "CSEK", settings: customerKey, mode: providers.ModeCustomer},
		{name: "CSEK, two read keys", settings: twoKeys, mode: providers.ModeCustomer, small: true},
		{name: "CSEK with prefix", settings: customerKey, prefix: "a/pre fix", mode: providers.ModeCustomer, small: true},
		{name: "CMEK", settings: sse.Settings{KMSKeyID: store.KMSKey}, mode: providers.ModeCMEK},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var bucket string
			base := ""
			if tc.prefix != "" {
				base = tc.prefix + "/"
			}
			providertest.Run(t, providertest.Config{
				Mode:         tc.mode,
				CustomerKeys: !tc.settings.WriteKey.IsZero(),
				MinimalData:  tc.small,
				MaxKey:       providers.MaxKey - len(base),
				Deviations:   map[string]string{"key/newline": "Cloud Storage takes no line ends in names"},
				Open: func(t testing.TB) providertest.Opener {
					bucket = store.NewBucket(t)
					return func(v providertest.View) providers.Bucket {
						cfg := config(store, bucket, v.Settings(tc.settings))
						cfg.Prefix = tc.prefix
						b, err := gcs.Open(t.Context(), cfg)
						if err != nil {
							t.Fatal(err)
						}
						return b
					}
				},
				Leftovers: func(t testing.TB, _ providers.Bucket) []string { return leftovers(t, store, bucket, base) },
			})
		})
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
