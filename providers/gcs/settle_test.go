package gcs_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sealdav/internal/testserver"
	"sealdav/providers"
	"sealdav/providers/gcs"
	"sealdav/sse"
)

// warm opens a bucket that has passed its probes.
func warm(t *testing.T, store *testserver.GCS, bucket string, settings sse.Settings) *gcs.Bucket {
	t.Helper()
	cfg := config(store, bucket, settings)
	cfg.Buffers = providers.NewBuffers(1<<20, 4<<20)
	b := open(t, cfg)
	put(t, b, "src", "source")
	put(t, b, "large", strings.Repeat("x", 1<<20+1))
	return b
}

// TestLiesUnsealed: a store that stops sealing after the probe, whatever it
// says of the generation it wrote. What lies there in the clear goes again.
func TestLiesUnsealed(t *testing.T) {
	store := testserver.SharedGCS(t)
	putting := func(b *gcs.Bucket, _ providers.Object) error { return putErr(t, b, "k", "secret") }
	large := func(b *gcs.Bucket, _ providers.Object) error {
		return putErr(t, b, "k", strings.Repeat("secret", 200_000))
	}
	copying := func(b *gcs.Bucket, src providers.Object) error {
		_, err := b.Copy(t.Context(), "k", src, providers.CopyOptions{})
		return err
	}
	for _, op := range []struct {
		name string
		do   func(*gcs.Bucket, providers.Object) error
	}{{"insert", putting}, {"startUpload", large}, {"rewrite", copying}} {
		for told, alter := range map[string]func(map[string]any){
			"its generation": nil,
			"none":           func(a map[string]any) { delete(a, "generation") },
			"another":        func(a map[string]any) { a["generation"] = "7" },
		} {
			t.Run(op.name+", told "+told, func(t *testing.T) {
				bucket := store.NewBucket(t)
				b := warm(t, store, bucket, sse.Settings{KMSKeyID: store.KMSKey})
				src, err := b.Stat(t.Context(), "src")
				if err != nil {
					t.Fatal(err)
				}
				store.Ignore(t, bucket, op.name)
				store.Alter(t, bucket, alter)
				wantError(t, op.name, op.do(b, src), providers.ErrUnverified, "nothing was kept")
				wantKeys(t, store, bucket, "large", "src")
			})
		}
	}
}

// TestUnsealedThenReplaced: what another writer has put over a write that the
// store did not seal is left, and told.
func TestUnsealedThenReplaced(t *testing.T) {
	store := testserver.SharedGCS(t)
	defer store.SetFault(nil)
	bucket := store.NewBucket(t)
	b, other := warm(t, store, bucket, customerKey), open(t, config(store, bucket, sse.Settings{}))
	store.Ignore(t, bucket, "insert")
	var once sync.Once
	store.SetFault(func(r *http.Request) *testserver.Fault {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/k") {
			once.Do(func() { put(t, other, "k", "theirs") })
		}
		return nil
	})
	wantError(t, "Put", putErr(t, b, "k", "secret"), providers.ErrUnverified, providers.AdviceAnother)
	if content, _ := store.Stored(t, bucket, "k"); string(content) != "theirs" {
		t.Errorf("what lies there holds %q", content)
	}
}

// TestSealedAllTheSame: an answer that leaves the encryption out is no write,
// but what lies there sealed stays.
func TestSealedAllTheSame(t *testing.T) {
	store := testserver.SharedGCS(t)
	bucket := store.NewBucket(t)
	b := warm(t, store, bucket, customerKey)
	store.Alter(t, bucket, func(a map[string]any) { delete(a, "customerEncryption") })
	wantError(t, "Put", putErr(t, b, "k", "secret"), providers.ErrUnverified, "is encrypted so all the same")
	wantKeys(t, store, bucket, "k", "large", "src")
}

// TestPartsProbed: a store that seals what comes in one request, and not what
// comes in parts, takes small files only.
func TestPartsProbed(t *testing.T) {
	store := testserver.SharedGCS(t)
	bucket := store.NewBucket(t)
	store.Pretend(t, bucket, "upload")
	cfg := config(store, bucket, customerKey)
	cfg.Buffers = providers.NewBuffers(1<<20, 4<<20)
	b := open(t, cfg)
	put(t, b, "small", "secret")
	for range 2 {
		wantError(t, "Put", putErr(t, b, "large", strings.Repeat("x", 1<<20+1)), providers.ErrUnverified, "of more than 1 MiB")
	}
	wantKeys(t, store, bucket, "small")
}

// TestCopiesProbed: a store that copies into the clear, and says that it does
// not, is given the content instead.
func TestCopiesProbed(t *testing.T) {
	store := testserver.SharedGCS(t)
	bucket := store.NewBucket(t)
	store.Pretend(t, bucket, "rewrite")
	cfg := config(store, bucket, customerKey)
	cfg.RequireEncrypted = true
	b := open(t, cfg)
	src := put(t, b, "src", "source")
	obj, err := b.Copy(t.Context(), "k", src, providers.CopyOptions{Replace: true, ContentType: "text/x-odd", Metadata: map[string]string{"a": "b"}})
	if err != nil || obj.ContentType != "text/x-odd" || obj.Metadata["a"] != "b" {
		t.Errorf("Copy = %+v, %v", obj, err)
	}
	if content, hash := store.Stored(t, bucket, "k"); string(content) != "source" || hash != customerKey.WriteKey.SHA256() {
		t.Errorf("the copy holds %q, sealed: %v", content, hash != "")
	}
	src.ETag = `"7"`
	_, err = b.Copy(t.Context(), "k", src, providers.CopyOptions{})
	wantError(t, "Copy of what has changed", err, providers.ErrPrecondition)
}

// TestCopyOntoItselfUnsealed: the only copy of a content neither goes nor
// stays in the clear.
func TestCopyOntoItselfUnsealed(t *testing.T) {
	store := testserver.SharedGCS(t)
	bucket := store.NewBucket(t)
	b := warm(t, store, bucket, customerKey)
	store.Ignore(t, bucket, "rewrite")
	copying := func() error {
		src, err := b.Stat(t.Context(), "src")
		if err != nil {
			return err
		}
		_, err = b.Copy(t.Context(), "src", src, providers.CopyOptions{Condition: providers.Condition{IfMatch: src.ETag}})
		return err
	}
	if err := copying(); err != nil {
		t.Errorf("Copy: %v", err)
	}
	if content, hash := store.Stored(t, bucket, "src"); string(content) != "source" || hash != customerKey.WriteKey.SHA256() {
		t.Errorf("the object holds %q, sealed: %v", content, hash != "")
	}
	store.SetFault(testserver.OnGCSOp("insert", 0, testserver.Fault{Status: 403, Code: "forbidden"}))
	defer store.SetFault(nil)
	wantError(t, "Copy where nothing can be put", copying(), providers.ErrUnverified, "only copy")
	if content, _ := store.Stored(t, bucket, "src"); string(content) != "source" {
		t.Errorf("the object holds %q", content)
	}
}

// TestOutcomeUnknown: the answers to a write are lost, and the store has not
// sealed it. What is new and ours goes; what was there before stays.
func TestOutcomeUnknown(t *testing.T) {
	store := testserver.SharedGCS(t)
	defer store.SetFault(nil)
	lost, dropped := testserver.Fault{CutResponse: 1}, testserver.Fault{Drop: true}
	for _, tc := range []struct {
		name  string
		op    string
		fault testserver.Fault
		old   string
		under sse.Settings // of the old one
		want  []string
	}{
		{"insert", "insert", lost, "", sse.Settings{}, []string{"large", "src"}},
		{"insert that is not carried out", "insert", dropped, "better", sse.Settings{}, []string{"k", "large", "src"}},
		{"insert that is not carried out, over a read key's", "insert", dropped, "secret", sse.Settings{WriteKey: twoKeys.ReadKeys[0]}, []string{"k", "large", "src"}},
		{"rewrite", "rewrite", lost, "", sse.Settings{}, []string{"large", "src"}},
		{"rewrite that is not carried out", "rewrite", dropped, "better", sse.Settings{}, []string{"k", "large", "src"}},
		{"rewrite that is not carried out, over a read key's", "rewrite", dropped, "source", sse.Settings{WriteKey: twoKeys.ReadKeys[0]}, []string{"k", "large", "src"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bucket := store.NewBucket(t)
			b := warm(t, store, bucket, twoKeys)
			if tc.old != "" {
				put(t, open(t, config(store, bucket, tc.under)), "k", tc.old) // just now
			}
			src, err := b.Stat(t.Context(), "src")
			if err != nil {
				t.Fatal(err)
			}
			store.Ignore(t, bucket, tc.op)
			store.SetFault(testserver.OnGCSOp(tc.op, 0, tc.fault))
			if tc.op == "insert" {
				err = putErr(t, b, "k", "secret")
			} else {
				_, err = b.Copy(t.Context(), "k", src, providers.CopyOptions{})
			}
			store.SetFault(nil)
			if !errors.Is(err, providers.ErrUnavailable) {
				t.Errorf("got %v, want ErrUnavailable", err)
			}
			wantKeys(t, store, bucket, tc.want...)
			if tc.old != "" {
				if content, _ := store.Stored(t, bucket, "k"); string(content) != tc.old {
					t.Errorf("the old object holds %q", content)
				}
			}
		})
	}
}

// TestAnswerLostUnderCondition: the answer to a conditional write is lost, and
// its repetition finds its own object in the way.
func TestAnswerLostUnderCondition(t *testing.T) {
	store := testserver.SharedGCS(t)
	defer store.SetFault(nil)
	for _, settings := range []sse.Settings{{}, customerKey, {KMSKeyID: store.KMSKey}} {
		for name, tc := range map[string]struct {
			content string
			theirs  string // what another writer puts there meanwhile
			want    error
		}{
			"folder marker":             {content: ""},
			"content":                   {content: "mine"},
			"another writer came first": {content: "mine", theirs: "them", want: providers.ErrPrecondition},
		} {
			bucket := store.NewBucket(t)
			b := warm(t, store, bucket, settings)
			other := warm(t, store, bucket, settings)
			fault := testserver.Fault{CutResponse: 1}
			if tc.theirs != "" {
				put(t, other, "k", tc.theirs)
				fault = testserver.Fault{Drop: true}
			}
			store.SetFault(testserver.OnGCSOp("insert", 1, fault))
			obj, err := b.Put(t.Context(), "k", strings.NewReader(tc.content), providers.PutOptions{Condition: providers.Condition{IfAbsent: true}, Size: int64(len(tc.content))})
			store.SetFault(nil)
			if !errors.Is(err, tc.want) {
				t.Errorf("%s: %v, want %v", name, err, tc.want)
				continue
			}
			if stands, statErr := b.Stat(t.Context(), "k"); err == nil && (statErr != nil || stands.ETag != obj.ETag) {
				t.Errorf("%s: told %s, it is %s, %v", name, obj.ETag, stands.ETag, statErr)
			}
		}
	}
}

// TestReplaceKeepsHeaders: what other programs have set beside the metadata
// stays when that is replaced, in the store and on the way through it.
func TestReplaceKeepsHeaders(t *testing.T) {
	store := testserver.SharedGCS(t)
	for name, streamed := range map[string]bool{"in the store": false, "streamed": true} {
		t.Run(name, func(t *testing.T) {
			bucket := store.NewBucket(t)
			want := map[string]string{"cache-control": "max-age=5", "content-encoding": "br", "content-disposition": "attachment", "content-language": "de"}
			plain := open(t, config(store, bucket, sse.Settings{}))
			src := put(t, plain, "f", "x")
			src.Headers = want
			if _, err := plain.Copy(t.Context(), "f", src, providers.CopyOptions{Replace: true}); err != nil {
				t.Fatal(err)
			}
			if streamed {
				store.Pretend(t, bucket, "rewrite")
			}
			b := open(t, config(store, bucket, customerKey))
			for _, key := range []string{"f", "g"} {
				src, err := b.Stat(t.Context(), "f")
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, src.Headers); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if key == "g" {
					src.Headers = nil // as a read leaves it
				}
				obj, err := b.Copy(t.Context(), key, src, providers.CopyOptions{Replace: true, ContentType: "text/x-odd", Metadata: map[string]string{"a": key}})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, obj.Headers); diff != "" || obj.Metadata["a"] != key || obj.ContentType != "text/x-odd" {
					t.Errorf("%s is %+v; headers (-want +got):\n%s", key, obj, diff)
				}
			}
		})
	}
}

// TestNames: two buckets that show the same object say so, and a key is named
// without being told.
func TestNames(t *testing.T) {
	store := testserver.SharedGCS(t)
	at := func(prefix string) string {
		cfg := config(store, "b", twoKeys)
		cfg.Prefix = prefix
		return providers.Location(open(t, cfg))
	}
	if whole, part := at(""), at("/dir/sub/"); part != whole+"dir/sub/" || !strings.HasPrefix(whole, "gs://127.0.0.1:") {
		t.Errorf("locations %q and %q", whole, part)
	}
	b := open(t, gcs.Config{Bucket: "b", Anonymous: true, Settings: twoKeys})
	if got := b.Location(); got != "gs://storage.googleapis.com/b/" {
		t.Errorf("location %q", got)
	}
	for place, want := range map[string]string{
		"write key": twoKeys.WriteKey.Fingerprint(), "read key 2": twoKeys.ReadKeys[1].Fingerprint(), "read key 9": "",
	} {
		if got := b.Fingerprint(providers.Encryption{Mode: providers.ModeCustomer, Key: place}); got != want {
			t.Errorf("fingerprint of the %s: %q, want %q", place, got, want)
		}
	}
	if got := b.Fingerprint(providers.Encryption{Mode: providers.ModeSSE, Key: "write key"}); got != "" {
		t.Errorf("fingerprint of no customer key: %q", got)
	}
}
