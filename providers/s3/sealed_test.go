package s3_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"sealdav/internal/testserver"
	"sealdav/providers"
	"sealdav/providers/providertest"
	"sealdav/providers/s3"
	"sealdav/sse"
)

// TestFailsClosed: a store that ignores encryption gets no object.
func TestFailsClosed(t *testing.T) {
	store := testserver.SharedVersityGW(t)
	for name, settings := range map[string]sse.Settings{
		"SSE-S3": {Algorithm: sse.AES256}, "SSE-KMS": {KMSKeyID: "alias/a"}, "DSSE": {Algorithm: sse.KMSDSSE}, "SSE-C": customerKey,
	} {
		t.Run(name, func(t *testing.T) {
			bucket := store.NewBucket(t)
			src := put(t, open(t, config(store, bucket, sse.Settings{})), "src", []byte("x"))
			b := open(t, config(store, bucket, settings))
			_, err := b.Put(t.Context(), "k", strings.NewReader("secret"), providers.PutOptions{Size: 6})
			if !errors.Is(err, providers.ErrUnverified) || providers.Advice(err) == "" {
				t.Errorf("Put: %v, want ErrUnverified with advice", err)
			}
			if _, err := b.Copy(t.Context(), "k", src, providers.CopyOptions{}); !errors.Is(err, providers.ErrUnverified) {
				t.Errorf("Copy: %v, want ErrUnverified", err)
			}
			if keys := store.Keys(t, bucket); len(keys) != 1 {
				t.Errorf("left behind: %q", keys)
			}
		})
	}
}

// TestStopsConfirming: a store that seals the probe and no more. What it does
// not confirm goes again, in every way of writing.
func TestStopsConfirming(t *testing.T) {
	store := testserver.SharedMinIO(t)
	for name, settings := range map[string]sse.Settings{"SSE-C": customerKey, "SSE-KMS": {KMSKeyID: store.KMSKey}, "SSE-S3": {Algorithm: sse.AES256}} {
		t.Run(name, func(t *testing.T) {
			p := newProxy(t, store, nil)
			bucket := store.NewBucket(t)
			cfg := config(&p.S3, bucket, settings)
			cfg.Buffers = smallParts()
			b := open(t, cfg)
			src := put(t, b, "src", noise(6<<20))
			p.mute.Store(true)
			_, err := b.Put(t.Context(), "k", strings.NewReader("secret"), providers.PutOptions{Size: 6})
			wantUnverified(t, "Put", err)
			_, err = b.Put(t.Context(), "k", strings.NewReader(string(noise(6<<20))), providers.PutOptions{Size: 6 << 20})
			wantUnverified(t, "Put in parts", err)
			_, err = b.Copy(t.Context(), "k", src, providers.CopyOptions{})
			wantUnverified(t, "Copy", err)
			b.SetCopyLimits(5<<20, 5<<20)
			_, err = b.Copy(t.Context(), "k", src, providers.CopyOptions{})
			wantUnverified(t, "Copy in parts", err)
			if keys := store.Keys(t, bucket); len(keys) != 1 {
				t.Errorf("left behind: %q", keys)
			}
			if left := store.Uploads(t, bucket, "k"); len(left) > 0 {
				t.Errorf("%d uploads left", len(left))
			}
		})
	}
}

func wantUnverified(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, providers.ErrUnverified) || providers.Advice(err) == "" {
		t.Errorf("%s: %v, want ErrUnverified with advice", what, err)
	}
}

// TestCopiesOnRGW: Ceph stores sealed copies in the clear, or refuses them;
// they are streamed, and the probe has told so before.
func TestCopiesOnRGW(t *testing.T) {
	store := testserver.SharedRGW(t)
	bucket := store.NewBucket(t)
	src := put(t, open(t, config(store, bucket, sse.Settings{})), "src", []byte("plain"))
	b := open(t, config(store, bucket, customerKey))
	dst := put(t, b, "dst", []byte("old"))
	if !b.StreamsCopies() {
		t.Error("the probe did not find out")
	}
	obj, err := b.Copy(t.Context(), "dst", src, providers.CopyOptions{})
	if err != nil || obj.Encryption.Mode != providers.ModeCustomer || obj.ETag == dst.ETag {
		t.Errorf("Copy: %+v, %v", obj, err)
	}
	if _, err := open(t, config(store, bucket, sse.Settings{})).Stat(t.Context(), "dst"); !errors.Is(err, providers.ErrKey) {
		t.Errorf("without the key: %v, want ErrKey", err)
	}
}

// TestBlockedCustomerKeys: what Amazon answers since April 2026.
func TestBlockedCustomerKeys(t *testing.T) {
	store := fake(t, func(w http.ResponseWriter, _ *http.Request) { refuse(w, 403, "AccessDenied", "Access Denied") })
	_, err := open(t, config(store, "photos", customerKey)).Put(t.Context(), "k", strings.NewReader("x"), providers.PutOptions{Size: 1})
	advice := providers.Advice(err)
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(advice, "s3:PutObject") || !strings.Contains(advice, s3.UnblockCommand("photos")) {
		t.Errorf("got %v", err)
	}
	_, err = open(t, config(store, "photos", sse.Settings{Algorithm: sse.AES256})).Put(t.Context(), "k", strings.NewReader("x"), providers.PutOptions{Size: 1})
	if !errors.Is(err, fs.ErrPermission) || strings.Contains(providers.Advice(err), "put-bucket-encryption") {
		t.Errorf("without a customer key: %v", err)
	}
}

func TestRequireEncrypted(t *testing.T) {
	store := testserver.SharedMinIO(t)
	bucket := store.NewBucket(t)
	plain := put(t, open(t, config(store, bucket, sse.Settings{})), "plain", []byte("x"))
	cfg := config(store, bucket, customerKey)
	cfg.RequireEncrypted = true
	b := open(t, cfg)
	if _, _, err := b.Open(t.Context(), "plain", providers.OpenOptions{}); !errors.Is(err, providers.ErrPlain) || providers.Advice(err) == "" {
		t.Errorf("Open: %v, want ErrPlain", err)
	}
	if _, err := b.Copy(t.Context(), "plain", plain, providers.CopyOptions{}); err != nil {
		t.Errorf("sealing it: %v", err)
	}
	if got := string(read(t, b, "plain")); got != "x" {
		t.Errorf("reads %q", got)
	}
}

// TestPermission: a denial is not taken for a wrong key, whatever was tried.
func TestPermission(t *testing.T) {
	store := testserver.SharedMinIO(t)
	bucket := store.NewBucket(t)
	put(t, open(t, config(store, bucket, customerKey)), "sealed", []byte("x"))
	put(t, open(t, config(store, bucket, sse.Settings{})), "plain", []byte("x"))
	for name, settings := range map[string]sse.Settings{"no keys": {}, "keys": {WriteKey: providertest.NewKey('w'), ReadKeys: []sse.Key{providertest.NewKey('1')}}} {
		cfg := config(store, bucket, settings)
		cfg.AccessKeyID, cfg.SecretAccessKey, cfg.Anonymous = "", "", true
		b := open(t, cfg)
		_, err := b.Stat(t.Context(), "sealed")
		if !errors.Is(err, fs.ErrPermission) || errors.Is(err, providers.ErrKey) {
			t.Errorf("%s: Stat: %v, want permission denied", name, err)
		}
		// MinIO looks at the key of a sealed object before the permission.
		if _, _, err = b.Open(t.Context(), "plain", providers.OpenOptions{}); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: Open: %v, want permission denied", name, err)
		}
	}
	gone := open(t, config(store, "no-such-bucket", sse.Settings{}))
	if _, err := gone.Stat(t.Context(), "k"); !errors.Is(err, providers.ErrUnavailable) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat in a missing bucket: %v, want a store that is unavailable", err)
	}
	_, err := open(t, config(store, bucket, sse.Settings{KMSKeyID: "absent"})).Put(t.Context(), "k", strings.NewReader("x"), providers.PutOptions{Size: 1})
	if !errors.Is(err, providers.ErrKey) || !strings.Contains(providers.Advice(err), "--sse-kms-key-id") {
		t.Errorf("a KMS key that is not there: %v", err)
	}
}

// TestRedirect: no key goes to another host, nor to http.
func TestRedirect(t *testing.T) {
	var reached atomic.Int32
	second := fake(t, func(w http.ResponseWriter, r *http.Request) { reached.Add(1) })
	for _, status := range []int{301, 302, 307, 308} {
		first := fake(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Amz-Bucket-Region", "eu-central-1")
			w.Header().Set("Location", second.Endpoint+r.URL.Path)
			w.WriteHeader(status)
		})
		b := open(t, config(first, "photos", sse.Settings{ReadKeys: []sse.Key{providertest.NewKey('r')}}))
		_, _, err := b.Open(t.Context(), "k", providers.OpenOptions{})
		wantMoved(t, fmt.Sprintf("%d: Open", status), err)
		_, err = b.Stat(t.Context(), "k")
		wantMoved(t, fmt.Sprintf("%d: Stat", status), err)
		_, err = b.Put(t.Context(), "k", strings.NewReader("x"), providers.PutOptions{Size: 1})
		wantMoved(t, fmt.Sprintf("%d: Put", status), err)
	}
	if n := reached.Load(); n > 0 {
		t.Errorf("%d requests reached the second host", n)
	}
}

func wantMoved(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, providers.ErrUnavailable) || !strings.Contains(providers.Advice(err), "eu-central-1") {
		t.Errorf("%s: %v, want advice on the region", what, err)
	}
}

// TestUnreviewed: an operation the middleware does not know is not sent, nor
// is a read for which no key was chosen.
func TestUnreviewed(t *testing.T) {
	var requests atomic.Int32
	store := fake(t, func(http.ResponseWriter, *http.Request) { requests.Add(1) })
	client := s3.Client(open(t, config(store, "photos", customerKey)))
	if _, err := client.GetObjectTagging(t.Context(), &awss3.GetObjectTaggingInput{Bucket: aws.String("b"), Key: aws.String("k")}); err == nil || !strings.Contains(err.Error(), "not reviewed") {
		t.Errorf("GetObjectTagging: %v", err)
	}
	if _, err := client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k")}); err == nil || !strings.Contains(err.Error(), "no key was chosen") {
		t.Errorf("GetObject: %v", err)
	}
	if n := requests.Load(); n > 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// TestInsecureEndpoint: rule R9.
func TestInsecureEndpoint(t *testing.T) {
	cfg := s3.Config{Bucket: "b", Endpoint: "http://127.0.0.1:1", Settings: customerKey, AccessKeyID: "a", SecretAccessKey: "s"}
	if _, err := s3.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "https") {
		t.Errorf("a key over http: %v", err)
	}
	t.Setenv("AWS_ENDPOINT_URL", cfg.Endpoint)
	cfg.Endpoint = ""
	if _, err := s3.Open(t.Context(), cfg); err == nil {
		t.Error("a key over http, from the environment, is let pass")
	}
	cfg.InsecureKeysOverHTTP = true
	open(t, cfg)
}

// syncBuilder is a strings.Builder for several goroutines.
type syncBuilder struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuilder) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// TestCanary: no key in any log line or error, at debug level, even if the
// store repeats what it was sent.
func TestCanary(t *testing.T) {
	const canary, canary2 = "canary-write-key-0123456789abcde", "canary-read-key!-0123456789abcde"
	settings := sse.Settings{}
	var forms []string
	for i, text := range []string{canary, canary2} {
		key, err := sse.NewKey([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			settings.WriteKey = key
		} else {
			settings.ReadKeys = []sse.Key{key}
		}
		forms = append(forms, text, base64.StdEncoding.EncodeToString([]byte(text)), hex.EncodeToString([]byte(text)), key.MD5())
	}
	var out syncBuilder
	logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	minio := testserver.SharedMinIO(t)
	echo := fake(t, func(w http.ResponseWriter, r *http.Request) {
		var b strings.Builder
		_ = r.Header.Write(&b)
		for _, k := range forms {
			b.WriteString(k)
		}
		refuse(w, 400, "InvalidRequest", "you sent "+strings.NewReplacer("<", "", "&", "").Replace(b.String()))
	})
	for store, bucket := range map[*testserver.S3]string{minio: minio.NewBucket(t), testserver.SharedVersityGW(t): testserver.SharedVersityGW(t).NewBucket(t), echo: "b"} {
		cfg := config(store, bucket, settings)
		cfg.Logger = logger
		exercise(t.Context(), open(t, cfg), &out)
		fmt.Fprintf(&out, "%+v %#v", cfg, cfg)
	}
	text := out.b.String()
	for _, k := range append(forms, minio.SecretKey) {
		if strings.Contains(text, k) {
			t.Errorf("%q is in the log or an error", k)
		}
	}
	if !strings.Contains(text, "store request") {
		t.Error("nothing was logged")
	}
}

// exercise calls everything and writes down the errors.
func exercise(ctx context.Context, b *s3.Bucket, out *syncBuilder) {
	obj, err := b.Put(ctx, "k", strings.NewReader("x"), providers.PutOptions{Size: 1})
	fmt.Fprintln(out, err)
	_, err = b.Copy(ctx, "k2", obj, providers.CopyOptions{})
	fmt.Fprintf(out, "%v %+v\n", err, err)
	_, err = b.Stat(ctx, "absent")
	fmt.Fprintf(out, "%v %#v\n", err, err)
	_, _, err = b.Open(ctx, "absent", providers.OpenOptions{})
	fmt.Fprintln(out, err, providers.Advice(err))
	for _, err := range b.List(ctx, "", providers.ListOptions{}) {
		fmt.Fprintln(out, err)
	}
	fmt.Fprintln(out, b.Delete(ctx, "k", "k2"), b.Delete(ctx, "k"))
	fmt.Fprintf(out, "%v %+v\n", b, b)
}
