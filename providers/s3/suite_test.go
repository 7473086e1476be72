package s3_test

import (
	"fmt"
	"testing"

	"sealdav/internal/testserver"
	"sealdav/providers"
	"sealdav/providers/providertest"
	"sealdav/providers/s3"
	"sealdav/sse"
)

func TestMain(m *testing.M) { testserver.Main(m) }

var customerKey = sse.Settings{WriteKey: providertest.NewKey('w')}

// config opens a bucket of a server.
func config(store *testserver.S3, bucket string, settings sse.Settings) s3.Config {
	return s3.Config{
		Bucket: bucket, Endpoint: store.Endpoint, Region: store.Region, CAFile: store.CAFile,
		AccessKeyID: store.AccessKey, SecretAccessKey: store.SecretKey, Settings: settings,
	}
}

func open(t testing.TB, cfg s3.Config) *s3.Bucket {
	t.Helper()
	b, err := s3.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// suiteCase is one run of the conformance suite.
type suiteCase struct {
	name       string
	settings   sse.Settings
	prefix     string
	mode       string
	small      bool // objects of at most one part
	deviations map[string]string
}

// suite runs the conformance suite on buckets of a server.
func (tc suiteCase) run(t *testing.T, store *testserver.S3) {
	var bucket string
	c := providertest.Config{
		Mode:         tc.mode,
		CustomerKeys: !tc.settings.WriteKey.IsZero(),
		MinimalData:  tc.small,
		Deviations:   tc.deviations,
		Open: func(t testing.TB) providertest.Opener {
			bucket = store.NewBucket(t)
			return func(v providertest.View) providers.Bucket {
				cfg := config(store, bucket, v.Settings(tc.settings))
				cfg.Prefix = tc.prefix
				b, err := s3.Open(t.Context(), cfg)
				if err != nil {
					t.Fatal(err)
				}
				return b
			}
		},
		Leftovers: func(t testing.TB, _ providers.Bucket) []string { return leftovers(t, store, bucket, tc.prefix) },
	}
	if tc.prefix != "" {
		c.MaxKey = providers.MaxKey - len(tc.prefix) - 1
	}
	providertest.Run(t, c)
}

// leftovers are unfinished uploads and sealdav's own objects.
func leftovers(t testing.TB, store *testserver.S3, bucket, prefix string) []string {
	var left []string
	if prefix != "" {
		prefix += "/"
	}
	for _, u := range store.Uploads(t, bucket, prefix+"k", prefix+"old", prefix+"new", prefix+"dst", prefix+"folder/new") {
		left = append(left, "upload of "+*u.Key)
	}
	for _, k := range store.Keys(t, bucket) {
		if len(k) > len(prefix) && fmt.Sprintf("%.9s", k[len(prefix):]) == providers.ReservedPrefix {
			left = append(left, k)
		}
	}
	return left
}

func TestMinIO(t *testing.T) {
	t.Parallel()
	store := testserver.SharedMinIO(t)
	deviations := map[string]string{
		"list/file-beside-folder": "MinIO leaves a/b out of listings where there is an object a",
		"delete/if-match-seen":    "MinIO ignores If-Match on a DELETE",
	}
	for _, tc := range []suiteCase{
		{name: "plain", mode: providers.ModeNone, small: true},
		{name: "SSE-S3", settings: sse.Settings{Algorithm: sse.AES256}, mode: providers.ModeSSE, small: true},
		{name: "SSE-KMS", settings: sse.Settings{Algorithm: sse.KMS, KMSKeyID: store.KMSKey}, mode: providers.ModeKMS, small: true},
		{name: "SSE-C", settings: customerKey, mode: providers.ModeCustomer},
		{name: "SSE-C with prefix", settings: customerKey, prefix: "a/pre fix", mode: providers.ModeCustomer, small: true},
	} {
		tc.deviations = deviations
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.run(t, store)
		})
	}
}

func TestRGW(t *testing.T) {
	t.Parallel()
	store := testserver.SharedRGW(t)
	for _, tc := range []suiteCase{
		{name: "plain", mode: providers.ModeNone, small: true},
		{name: "SSE-C", settings: customerKey, mode: providers.ModeCustomer, small: true},
	} {
		tc.deviations = map[string]string{"delete/if-match-seen": "Ceph ignores If-Match on a DELETE"}
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.run(t, store)
		})
	}
}

func TestVersityGW(t *testing.T) {
	t.Parallel()
	suiteCase{mode: providers.ModeNone, small: true, deviations: map[string]string{
		"read/if-modified-since":   "versitygw compares a date with its own time to the nanosecond",
		"read/if-unmodified-since": "versitygw compares a date with its own time to the nanosecond",
		"list/file-beside-folder":  "versitygw keeps objects as files, and a file is no folder",
		"key/control":              "versitygw does not know EncodingType, and XML cannot hold the key",
		"key/non-characters":       "versitygw does not know EncodingType, and XML cannot hold the key",
	}}.run(t, testserver.SharedVersityGW(t))
}
