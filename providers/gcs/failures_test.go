package gcs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sealdav/internal/testserver"
	"sealdav/providers"
	"sealdav/providers/gcs"
	"sealdav/providers/providertest"
	"sealdav/sse"
)

// wantError fails the test unless err is of the kind and advises what to do
// with a text that holds every part of advice.
func wantError(t testing.TB, what string, err, kind error, advice ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("%s: %v, want %v", what, err, kind)
		return
	}
	for _, part := range advice {
		if got := providers.Advice(err); !strings.Contains(got, part) {
			t.Errorf("%s: the advice %q does not hold %q", what, got, part)
		}
	}
}

func putErr(t testing.TB, b *gcs.Bucket, key, body string) error {
	t.Helper()
	_, err := b.Put(t.Context(), key, strings.NewReader(body), providers.PutOptions{Size: int64(len(body))})
	return err
}

// TestAnswers classifies what a store may answer, by reason first.
func TestAnswers(t *testing.T) {
	store := testserver.SharedGCS(t)
	bucket := store.NewBucket(t)
	b := open(t, config(store, bucket, customerKey))
	obj := put(t, b, "k", "content")
	defer store.SetFault(nil)
	reading := func() error { _, err := read(t, b, "k", providers.OpenOptions{}); return err }
	describing := func() error { _, err := b.Stat(t.Context(), "k"); return err }
	writing := func() error { return putErr(t, b, "k", "new") }
	copying := func() error {
		_, err := b.Copy(t.Context(), "copy", obj, providers.CopyOptions{})
		return err
	}
	listing := func() (err error) {
		for _, err = range b.List(t.Context(), "", providers.ListOptions{}) {
		}
		return err
	}
	for _, tc := range []struct {
		op     string
		status int
		reason string
		do     func() error
		kind   error
		advice []string
	}{
		{"read", 404, "noSuchKey", reading, fs.ErrNotExist, nil},
		{"read", 404, "noSuchBucket", reading, providers.ErrUnavailable, []string{bucket}},
		{"read", 403, "accessDenied", reading, fs.ErrPermission, nil},
		{"read", 401, "authenticationRequired", reading, fs.ErrPermission, []string{"credentials"}},
		{"read", 412, "preconditionFailed", reading, providers.ErrPrecondition, nil},
		{"read", 416, "invalidRange", reading, providers.ErrRange, nil},
		{"read", 307, "temporaryRedirect", reading, providers.ErrUnavailable, []string{"another place"}},
		{"read", 400, "customerEncryptionKeySha256IsInvalid", reading, providers.ErrKey, []string{"key"}},
		{"read", 400, "cloudKmsDisabledKey", reading, providers.ErrKey, []string{"Cloud KMS"}},
		{"describe", 429, "rateLimitExceeded", describing, providers.ErrThrottled, nil},
		{"describe", 503, "backendError", describing, providers.ErrThrottled, nil},
		{"describe", 500, "internalError", describing, providers.ErrUnavailable, nil},
		{"describe", 403, "accountDisabled", describing, fs.ErrPermission, []string{"billing"}},
		{"describe", 404, "notFound", describing, fs.ErrNotExist, nil},
		{"list", 404, "notFound", listing, providers.ErrUnavailable, []string{"no bucket"}},
		{"insert", 404, "notFound", writing, providers.ErrUnavailable, []string{"no bucket"}},
		{"insert", 403, "forbidden", writing, fs.ErrPermission, []string{"storage.objects.create"}},
		{"insert", 403, "retentionPolicyNotMet", writing, fs.ErrPermission, []string{"retention"}},
		{"insert", 412, "orgPolicyConstraintFailed", writing, fs.ErrPermission, []string{"restrictNonCmekServices"}},
		{"insert", 412, "customEnforcement", writing, fs.ErrPermission, []string{"gcloud storage buckets update gs://" + bucket, "csekEnforcement"}},
		{"insert", 412, "conditionNotMet", writing, providers.ErrPrecondition, nil},
		{"insert", 400, "invalid", writing, fs.ErrInvalid, nil},
		{"insert", 413, "uploadTooLarge", writing, providers.ErrTooLarge, nil},
		{"rewrite", 404, "notFound", copying, fs.ErrNotExist, nil},
		{"rewrite", 412, "conditionNotMet", copying, providers.ErrPrecondition, nil},
		{"rewrite", 412, "customEnforcement", copying, fs.ErrPermission, []string{"csekEnforcement"}},
		{"rewrite", 400, "cloudKmsBadKey", copying, providers.ErrKey, []string{"cryptoKeyEncrypterDecrypter"}},
	} {
		store.SetFault(testserver.OnGCSOp(tc.op, 0, testserver.Fault{Status: tc.status, Code: tc.reason}))
		wantError(t, tc.op+" "+tc.reason, tc.do(), tc.kind, tc.advice...)
	}
	store.SetFault(nil)
	if got, err := read(t, b, "k", providers.OpenOptions{}); err != nil || got != "content" {
		t.Errorf("after all failures Open = %q, %v", got, err)
	}
}

// TestPassing: what passes is tried again, a write too, with a token by which
// the store knows it again.
func TestPassing(t *testing.T) {
	store := testserver.SharedGCS(t)
	b := open(t, config(store, store.NewBucket(t), customerKey))
	put(t, b, "k", "content")
	defer store.SetFault(nil)
	for _, f := range []testserver.Fault{{Status: 503, Code: "backendError"}, {Drop: true}} {
		store.SetFault(testserver.OnGCSOp("read", 1, f))
		if got, err := read(t, b, "k", providers.OpenOptions{}); err != nil || got != "content" {
			t.Errorf("Open after %+v = %q, %v", f, got, err)
		}
		store.SetFault(testserver.OnGCSOp("insert", 1, f))
		store.Reset()
		put(t, b, "k", "content")
		requests := store.Requests()
		if len(requests) != 2 {
			t.Fatalf("Put took %d requests, want 2", len(requests))
		}
		const token = "X-Goog-Gcs-Idempotency-Token"
		if one, two := requests[0].Header.Get(token), requests[1].Header.Get(token); one == "" || one != two {
			t.Errorf("the tokens of the two attempts are %q and %q", one, two)
		}
	}
	for range 2 {
		store.SetFault(testserver.OnGCSOp("read", 1, testserver.Fault{CutResponse: 3}))
		if _, err := read(t, b, "k", providers.OpenOptions{}); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("reading a body that was cut: %v", err)
		}
	}
}

// TestUnreachable: no server, and one whose certificate nobody signed.
func TestUnreachable(t *testing.T) {
	store := testserver.SharedGCS(t)
	port, err := testserver.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	away := config(store, "bucket", sse.Settings{})
	away.Endpoint = fmt.Sprintf("https://127.0.0.1:%d", port)
	_, err = open(t, away).Stat(t.Context(), "k")
	wantError(t, "nobody listens", err, providers.ErrUnavailable, "did not answer")
	untrusted := config(store, "bucket", sse.Settings{})
	untrusted.CAFile = ""
	_, err = open(t, untrusted).Stat(t.Context(), "k")
	wantError(t, "unknown authority", err, providers.ErrUnavailable, "not trusted")
}

// TestResume: an upload goes on after a part that failed, from where the store
// has it.
func TestResume(t *testing.T) {
	store := testserver.SharedGCS(t)
	bucket := store.NewBucket(t)
	b := open(t, config(store, bucket, customerKey))
	put(t, b, "warm", "")
	body := strings.Repeat("0123456789abcdef", 40<<16) // 40 MiB
	defer store.SetFault(nil)
	for _, f := range []testserver.Fault{{Status: 503, Code: "backendError"}, {Drop: true}, {CutRequest: 5<<20 + 7}} {
		for part := 1; part <= 3; part++ {
			store.SetFault(testserver.OnGCSOp("upload", part, f))
			if err := putErr(t, b, "large", body); err != nil {
				t.Errorf("part %d, %+v: %v", part, f, err)
				continue
			}
			store.SetFault(nil)
			if got, err := read(t, b, "large", providers.OpenOptions{}); err != nil || got != body {
				t.Errorf("part %d, %+v: reads %d bytes, %v", part, f, len(got), err)
			}
		}
	}
	if left := store.Sessions(bucket); len(left) > 0 {
		t.Errorf("sessions are left: %q", left)
	}
}

// TestInterrupted: an upload that fails for good leaves the old object, no
// session, and no buffer lent.
func TestInterrupted(t *testing.T) {
	store := testserver.SharedGCS(t)
	bucket := store.NewBucket(t)
	cfg := config(store, bucket, customerKey)
	cfg.Buffers = providers.NewBuffers(1<<20, 2<<20)
	b := open(t, cfg)
	body := strings.Repeat("x", 5<<20)
	put(t, b, "k", body) // the probes are behind us
	old := put(t, b, "k", "old")
	defer store.SetFault(nil)
	for _, op := range []string{"startUpload", "upload"} {
		for n := 0; n <= 5; n++ {
			store.SetFault(testserver.OnGCSOp(op, n, testserver.Fault{Status: 403, Code: "forbidden"}))
			if err := putErr(t, b, "k", body); op == "upload" || n < 2 {
				wantError(t, op, err, fs.ErrPermission, "storage.objects.create")
			} else if err != nil {
				t.Errorf("%s %d: %v", op, n, err)
			} else {
				old = put(t, b, "k", "old")
			}
		}
	}
	store.SetFault(nil)
	_, err := b.Put(t.Context(), "k", strings.NewReader(body), providers.PutOptions{Size: int64(len(body)) + 1})
	wantError(t, "short body", err, providers.ErrBody, "send it again")
	ctx, cancel := context.WithCancel(t.Context())
	_, err = b.Put(ctx, "k", io.MultiReader(strings.NewReader(body), readerFunc(func([]byte) (int, error) { cancel(); return 0, nil })), providers.PutOptions{Size: providers.SizeUnknown})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if left := store.Sessions(bucket); len(left) > 0 {
		t.Errorf("sessions are left: %q", left)
	}
	if obj, err := b.Stat(t.Context(), "k"); err != nil || obj.ETag != old.ETag {
		t.Errorf("the old object became %+v, %v", obj, err)
	}
	for range 2 { // both buffers are there
		if _, err := cfg.Buffers.Get(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestFailClosed: a store that drops the encryption, in any of the ways there
// are, is given nothing, or keeps nothing of it.
func TestFailClosed(t *testing.T) {
	store := testserver.SharedGCS(t)
	settings := map[string]sse.Settings{"CSEK": customerKey, "CMEK": {KMSKeyID: store.KMSKey}}
	for name, s := range settings {
		t.Run(name+", ignores all", func(t *testing.T) {
			bucket := store.NewBucket(t)
			b := open(t, gcs.Config{Bucket: bucket, Endpoint: store.Plain(), Anonymous: true, Settings: s, InsecureKeysOverHTTP: true})
			wantError(t, "Put", putErr(t, b, "k", "secret"), providers.ErrUnverified, "takes no writes")
			wantKeys(t, store, bucket)
		})
		for _, op := range []string{"insert", "startUpload", "rewrite"} {
			t.Run(name+", "+op, func(t *testing.T) {
				bucket := store.NewBucket(t)
				b := open(t, config(store, bucket, s))
				src := put(t, b, "src", strings.Repeat("secret..", 4<<20))
				store.Ignore(t, bucket, op)
				var err error
				switch op {
				case "insert":
					err = putErr(t, b, "k", "secret")
				case "startUpload":
					err = putErr(t, b, "k", strings.Repeat("secret..", 4<<20))
				case "rewrite":
					_, err = b.Copy(t.Context(), "k", src, providers.CopyOptions{})
				}
				if op == "startUpload" && name == "CSEK" {
					// The parts' key is refused, as the session has none.
					if err == nil {
						t.Error("Put succeeded")
					}
				} else {
					wantError(t, op, err, providers.ErrUnverified, "nothing was kept")
				}
				wantKeys(t, store, bucket, "src")
			})
		}
	}
	t.Run("names keys and needs none", func(t *testing.T) {
		bucket := store.NewBucket(t)
		store.Leak(t, bucket)
		b := open(t, config(store, bucket, customerKey))
		wantError(t, "Put", putErr(t, b, "k", "secret"), providers.ErrUnverified, "without the customer key")
		wantKeys(t, store, bucket)
	})
}

func wantKeys(t testing.TB, store *testserver.GCS, bucket string, want ...string) {
	t.Helper()
	if got := store.Keys(t, bucket); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("the bucket holds %q, want %q", got, want)
	}
}

// TestRefused: what the store forbids is explained.
func TestRefused(t *testing.T) {
	store := testserver.SharedGCS(t)
	bucket := store.NewBucket(t)
	store.ForbidCustomerKeys(t, bucket)
	err := putErr(t, open(t, config(store, bucket, customerKey)), "k", "x")
	wantError(t, "customer keys forbidden", err, fs.ErrPermission,
		"customer keys (CSEK)", gcs.EnforcementCommand(bucket, "csekEnforcement"))
	other := sse.Settings{KMSKeyID: "projects/p/locations/l/keyRings/r/cryptoKeys/unknown"}
	err = putErr(t, open(t, config(store, bucket, other)), "k", "x")
	wantError(t, "unknown Cloud KMS key", err, providers.ErrKey, "Cloud KMS refused the key", "service agent")
	err = putErr(t, open(t, config(store, "absent", customerKey)), "k", "x")
	wantError(t, "no bucket", err, providers.ErrUnavailable, `no bucket "absent"`)
}

// TestRewriteInSteps: a copy that the store does not finish at once is
// continued, under both keys.
func TestRewriteInSteps(t *testing.T) {
	store := testserver.SharedGCS(t)
	bucket := store.NewBucket(t)
	old := open(t, config(store, bucket, customerKey))
	body := strings.Repeat("0123456789", 10_000)
	src := put(t, old, "src", body)
	second := sse.Settings{WriteKey: providertest.NewKey('2'), ReadKeys: []sse.Key{customerKey.WriteKey}}
	b := open(t, config(store, bucket, second))
	put(t, b, "warm", "")
	store.SetRewriteStep(t, 30_000)
	wantOps(t, store, "Copy in steps", func() {
		obj, err := b.Copy(t.Context(), "dst", src, providers.CopyOptions{Condition: providers.Condition{IfAbsent: true}})
		if err != nil || obj.Encryption.Key != "write key" {
			t.Errorf("Copy = %+v, %v", obj, err)
		}
	}, "rewrite", "describe", "rewrite", "rewrite", "rewrite", "rewrite")
	content, hash := store.Stored(t, bucket, "dst")
	if string(content) != body || hash != second.WriteKey.SHA256() {
		t.Errorf("the copy has %d bytes, under the second key: %v", len(content), hash == second.WriteKey.SHA256())
	}
}

// TestRequireEncrypted refuses what does not lie under the kind of encryption
// the remote names.
func TestRequireEncrypted(t *testing.T) {
	store := testserver.SharedGCS(t)
	bucket := store.NewBucket(t)
	put(t, open(t, config(store, bucket, sse.Settings{})), "plain", "x")
	put(t, open(t, config(store, bucket, sse.Settings{KMSKeyID: store.KMSKey})), "cmek", "x")
	put(t, open(t, config(store, bucket, customerKey)), "csek", "x")
	for _, tc := range []struct {
		name     string
		settings sse.Settings
		refused  string
	}{
		{"CSEK", customerKey, "plain cmek"},
		{"CMEK", sse.Settings{KMSKeyID: store.KMSKey, ReadKeys: []sse.Key{customerKey.WriteKey}}, "plain"},
		{"none", sse.Settings{}, ""},
	} {
		cfg := config(store, bucket, tc.settings)
		cfg.RequireEncrypted = true
		b := open(t, cfg)
		for _, key := range []string{"plain", "cmek", "csek"} {
			for _, opts := range []providers.OpenOptions{{}, {IfNoneMatch: `"1"`}} {
				_, err := read(t, b, key, opts)
				if refused := errors.Is(err, providers.ErrPlain); refused != strings.Contains(tc.refused, key) {
					t.Errorf("%s: Open(%q, %+v): %v", tc.name, key, opts, err)
				}
			}
		}
	}
}

// TestCredentials signs in with a service account; without it the store
// refuses, and says why.
func TestCredentials(t *testing.T) {
	store := testserver.SharedGCS(t)
	bucket := store.NewBucket(t)
	file := store.Credentials(t)
	cfg := config(store, bucket, customerKey)
	wantError(t, "anonymous", putErr(t, open(t, cfg), "k", "x"), fs.ErrPermission, "credentials")
	cfg.Anonymous, cfg.CredentialsFile = false, file
	b := open(t, cfg)
	store.Reset()
	put(t, b, "k", "x")
	put(t, b, "k", "x")
	tokens := 0
	for _, op := range store.Ops() {
		if op == "token" {
			tokens++
		}
	}
	if tokens != 1 {
		t.Errorf("%d tokens were fetched, want 1", tokens)
	}
	defer store.SetFault(nil)
	store.SetFault(testserver.OnGCSOp("token", 0, testserver.Fault{Status: 401, Code: "invalid_grant"}))
	_, err := open(t, cfg).Stat(t.Context(), "k")
	wantError(t, "refused account", err, fs.ErrPermission, "credentials_file")

	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", file)
	cfg.CredentialsFile = ""
	store.SetFault(nil)
	if _, err := open(t, cfg).Stat(t.Context(), "k"); err != nil {
		t.Errorf("with application default credentials: %v", err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent")
	_, err = open(t, cfg).Stat(t.Context(), "k")
	wantError(t, "no such file", err, fs.ErrPermission, "/nonexistent (GOOGLE_APPLICATION_CREDENTIALS) cannot be read")
	broken := filepath.Join(t.TempDir(), "broken.json")
	if err := os.WriteFile(broken, []byte(`{"type": "service_account", "client_email": "CANARY", "private_key": "CANARY"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", broken)
	_, err = open(t, cfg).Stat(t.Context(), "k")
	wantError(t, "broken file", err, fs.ErrPermission, broken+" is that of a service account, and its private_key is broken")
	if strings.Contains(err.Error(), "CANARY") {
		t.Errorf("what is in the file is told: %v", err)
	}
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
	t.Setenv("HOME", t.TempDir())
	t.Setenv("GCE_METADATA_HOST", "127.0.0.1:1")
	_, err = open(t, cfg).Stat(t.Context(), "k")
	wantError(t, "none, and no metadata server", err, fs.ErrPermission, "gcloud auth application-default login")
}

// TestConfig refuses what cannot work before any request.
func TestConfig(t *testing.T) {
	dir := t.TempDir()
	text := dir + "/text"
	if err := os.WriteFile(text, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	key := providertest.NewKey('w')
	for _, tc := range []struct {
		name string
		cfg  gcs.Config
		want string
	}{
		{"no bucket", gcs.Config{}, "not a bucket name"},
		{"bucket with a slash", gcs.Config{Bucket: "a/b"}, "not a bucket name"},
		{"key over http", gcs.Config{Bucket: "b", Endpoint: "http://localhost", Settings: customerKey}, "https"},
		{"two encryptions", gcs.Config{Bucket: "b", Settings: sse.Settings{WriteKey: key, KMSKeyID: "k"}}, "not both"},
		{"another store's", gcs.Config{Bucket: "b", Settings: sse.Settings{Algorithm: sse.AES256}}, "another store"},
		{"no endpoint", gcs.Config{Bucket: "b", Endpoint: "localhost:1"}, "endpoint"},
		{"endpoint with a path", gcs.Config{Bucket: "b", Endpoint: "https://host/path"}, "endpoint"},
		{"endpoint with a password", gcs.Config{Bucket: "b", Endpoint: "https://user:CANARY@host"}, "credentials"},
		{"credentials over http", gcs.Config{Bucket: "b", Endpoint: "http://storage.example.org"}, "over https only"},
		{"no such file", gcs.Config{Bucket: "b", CredentialsFile: dir + "/none"}, "credentials_file"},
		{"no JSON", gcs.Config{Bucket: "b", CredentialsFile: text}, "not JSON"},
		{"both", gcs.Config{Bucket: "b", CredentialsFile: text, Anonymous: true}, "anonymous"},
		{"odd parts", gcs.Config{Bucket: "b", Buffers: providers.NewBuffers(1000, 1000)}, "multiple"},
		{"no authorities", gcs.Config{Bucket: "b", CAFile: text}, "PEM"},
	} {
		b, err := gcs.Open(t.Context(), tc.cfg)
		if err == nil {
			b.Close()
			t.Errorf("%s: opened", tc.name)
		} else if !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
	t.Setenv("STORAGE_EMULATOR_HOST", "localhost:1")
	if _, err := gcs.Open(t.Context(), gcs.Config{Bucket: "b", Settings: customerKey}); err == nil {
		t.Error("a customer key would go to an emulator over http")
	}
}

// TestRedirect: neither a redirect nor the address of an upload session takes
// keys to another host.
func TestRedirect(t *testing.T) {
	store := testserver.SharedGCS(t)
	bucket := store.NewBucket(t)
	b := open(t, config(store, bucket, customerKey))
	// The test server gives every session an address on a host that does not
	// exist.
	if err := putErr(t, b, "large", strings.Repeat("x", 17<<20)); err != nil {
		t.Errorf("Put: %v", err)
	}
	defer store.SetFault(nil)
	store.SetFault(testserver.OnGCSOp("read", 0, testserver.Fault{Status: http.StatusTemporaryRedirect, Code: "temporaryRedirect"}))
	store.Reset()
	_, err := read(t, b, "large", providers.OpenOptions{})
	wantError(t, "Open", err, providers.ErrUnavailable, "keys and credentials are not carried")
	if n := len(store.Requests()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestPanicInPart: a bug in the work on one part is that upload's error.
func TestPanicInPart(t *testing.T) {
	store := testserver.SharedGCS(t)
	bucket := store.NewBucket(t)
	b := warm(t, store, bucket, customerKey)
	b.WrapTransport(func(next http.RoundTripper) http.RoundTripper {
		return transportFunc(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPut {
				panic("a bug")
			}
			return next.RoundTrip(r)
		})
	})
	wantError(t, "Put", putErr(t, b, "k", strings.Repeat("x", 3<<20)), providers.ErrUnavailable, "bug")
	wantKeys(t, store, bucket, "large", "src")
	if left := store.Sessions(bucket); len(left) > 0 {
		t.Errorf("sessions are left: %q", left)
	}
}
