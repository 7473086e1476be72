package azure_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/google/go-cmp/cmp"

	"sealdav/internal/testserver"
	"sealdav/providers"
	"sealdav/providers/azure"
	"sealdav/sse"
)

// warm opens a container that has passed its probes.
func warm(t *testing.T, p *testserver.Azure, name string, settings sse.Settings) *azure.Bucket {
	t.Helper()
	cfg := config(p, name, settings)
	cfg.Buffers = smallParts()
	b := open(t, cfg)
	src := put(t, b, "src", []byte("source"))
	put(t, b, "large", noise(1<<20+1))
	src.Metadata = nil // not told, so its copy without any takes blocks
	mustCopy(t, b, "large", src, providers.CopyOptions{Replace: true})
	return b
}

func wantError(t *testing.T, what string, err, kind error, advice string) {
	t.Helper()
	if !errors.Is(err, kind) || !strings.Contains(providers.Advice(err), advice) {
		t.Errorf("%s: %v, want %v with advice on %q", what, err, kind, advice)
	}
}

func wantNames(t *testing.T, p *testserver.Azure, container string, want ...string) {
	t.Helper()
	if got := p.Keys(t, container); !slices.Equal(got, want) {
		t.Errorf("the container holds %q, want %q", got, want)
	}
}

// TestLiesUnsealed: a store that stops sealing after the probe, whatever it
// says of the version it wrote. What lies there in the clear goes again.
func TestLiesUnsealed(t *testing.T) {
	for told, etag := range map[string]*string{"its ETag": nil, "none": new(""), "another": new(`"0x1"`)} {
		t.Run("told "+told, func(t *testing.T) {
			p := testserver.NewAzure(t)
			name := p.NewContainer(t)
			b := warm(t, p, name, customerKey)
			src := stat(t, b, "src")
			for what, do := range map[string]func() error{
				"put": func() error {
					_, err := b.Put(t.Context(), "k", strings.NewReader("secret"), providers.PutOptions{Size: 6})
					return err
				},
				"copy": func() error { _, err := b.Copy(t.Context(), "k", src, providers.CopyOptions{}); return err },
			} {
				p.SetQuirks(testserver.AzureQuirks{Ignores: true, ETag: etag})
				wantError(t, what, do(), providers.ErrUnverified, "nothing was kept")
				wantNames(t, p, name, "large", "src")
			}
		})
	}
}

// TestUnsealedThenReplaced: what another writer has put over a write that the
// store did not seal is left, and told.
func TestUnsealedThenReplaced(t *testing.T) {
	p := testserver.NewAzure(t)
	name := p.NewContainer(t)
	b, other := warm(t, p, name, customerKey), open(t, config(p, name, sse.Settings{}))
	p.SetQuirks(testserver.AzureQuirks{Ignores: true})
	var once sync.Once
	p.SetFault(func(r *http.Request) *testserver.Fault {
		if r.Method == http.MethodHead {
			once.Do(func() { put(t, other, "k", []byte("theirs")) })
		}
		return nil
	})
	_, err := b.Put(t.Context(), "k", strings.NewReader("secret"), providers.PutOptions{Size: 6})
	wantError(t, "Put", err, providers.ErrUnverified, providers.AdviceAnother)
	if got := string(read(t, other, "k")); got != "theirs" {
		t.Errorf("what lies there holds %q", got)
	}
}

// TestBlocksProbed: a store that seals what comes in one request, and not what
// comes in blocks, takes small files only.
func TestBlocksProbed(t *testing.T) {
	p := testserver.NewAzure(t)
	p.SetQuirks(testserver.AzureQuirks{Pretends: "PutBlockList"})
	name := p.NewContainer(t)
	cfg := config(p, name, customerKey)
	cfg.Buffers = smallParts()
	b := open(t, cfg)
	src := put(t, b, "small", []byte("secret"))
	for range 2 {
		_, err := b.Put(t.Context(), "large", strings.NewReader(strings.Repeat("x", 1<<20+1)), providers.PutOptions{Size: 1<<20 + 1})
		wantError(t, "Put", err, providers.ErrUnverified, "of more than 1 MiB")
	}
	// A copy in blocks goes through this process.
	b.SetCopyLimits(3, 3)
	p.Reset()
	mustCopy(t, b, "copy", src, providers.CopyOptions{})
	mustCopy(t, b, "copy", src, providers.CopyOptions{})
	wantNames(t, p, name, "copy", "small")
	if got := ops(p); !strings.HasSuffix(got, "PutBlockFromURL PutBlockList") || strings.Count(got, "PutBlockList") != 1 {
		t.Errorf("two copies take %s", got)
	}
}

// TestCopiesProbed: a store that copies into the clear, and says that it does
// not, is given the content instead.
func TestCopiesProbed(t *testing.T) {
	p := testserver.NewAzure(t)
	p.SetQuirks(testserver.AzureQuirks{Pretends: "PutBlobFromURL"})
	name := p.NewContainer(t)
	p.Seal(name)
	cfg := config(p, name, customerKey)
	cfg.RequireEncrypted = true
	b := open(t, cfg)
	src := put(t, b, "src", []byte("source"))
	mustCopy(t, b, "k", src, providers.CopyOptions{})
	if got := read(t, b, "k"); string(got) != "source" || b.CopiesInStore() {
		t.Errorf("the copy holds %q; copied in the store: %v", got, b.CopiesInStore())
	}
}

// TestCopyOntoItselfUnsealed: the only copy of a content neither goes nor
// stays in the clear.
func TestCopyOntoItselfUnsealed(t *testing.T) {
	p := testserver.NewAzure(t)
	name := p.NewContainer(t)
	b := warm(t, p, name, customerKey)
	src := stat(t, b, "src")
	// Only copies are not sealed: the quirk ends with the first of them.
	p.SetQuirks(testserver.AzureQuirks{Ignores: true})
	p.SetFault(func(r *http.Request) *testserver.Fault {
		if r.Method == http.MethodGet {
			p.SetQuirks(testserver.AzureQuirks{})
		}
		return nil
	})
	if _, err := b.Copy(t.Context(), "src", src, providers.CopyOptions{Condition: providers.Condition{IfMatch: src.ETag}}); err != nil {
		t.Errorf("Copy: %v", err)
	}
	p.SetFault(nil)
	if got, obj := read(t, b, "src"), stat(t, b, "src"); string(got) != "source" || obj.Encryption.Mode != providers.ModeCustomer {
		t.Errorf("the blob holds %q, %+v", got, obj.Encryption)
	}
	p.SetQuirks(testserver.AzureQuirks{Ignores: true})
	_, err := b.Copy(t.Context(), "src", stat(t, b, "src"), providers.CopyOptions{})
	if !errors.Is(err, providers.ErrUnverified) {
		t.Errorf("a store that seals nothing: %v", err)
	}
}

// TestOutcomeUnknown: the answers to a write are lost, and the store has not
// sealed it. What is new and ours goes; what was there before stays.
func TestOutcomeUnknown(t *testing.T) {
	for _, tc := range []struct {
		name  string
		op    string
		fault testserver.Fault
		old   string
		want  []string
	}{
		{"blob", "PutBlob", testserver.Fault{DropAnswer: true}, "", []string{"large", "src"}},
		{"blob that is not stored", "PutBlob", testserver.Fault{Drop: true}, "better", []string{"k", "large", "src"}},
		{"copy", "PutBlobFromURL", testserver.Fault{DropAnswer: true}, "", []string{"large", "src"}},
		{"copy that is not made", "PutBlobFromURL", testserver.Fault{Drop: true}, "better", []string{"k", "large", "src"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := testserver.NewAzure(t)
			name := p.NewContainer(t)
			b := warm(t, p, name, customerKey)
			if tc.old != "" {
				put(t, open(t, config(p, name, sse.Settings{})), "k", []byte(tc.old)) // just now
			}
			src := stat(t, b, "src")
			p.SetQuirks(testserver.AzureQuirks{Ignores: true})
			p.SetFault(testserver.OnAzureOp(tc.op, 0, tc.fault))
			var err error
			if tc.op == "PutBlob" {
				_, err = b.Put(t.Context(), "k", strings.NewReader("secret"), providers.PutOptions{Size: 6})
			} else {
				_, err = b.Copy(t.Context(), "k", src, providers.CopyOptions{})
			}
			if !errors.Is(err, providers.ErrUnavailable) {
				t.Errorf("got %v, want ErrUnavailable", err)
			}
			wantNames(t, p, name, tc.want...)
		})
	}
}

// TestAnswerLostUnderCondition: the answer to a conditional write is lost, and
// its repetition finds its own blob in the way.
func TestAnswerLostUnderCondition(t *testing.T) {
	for _, tc := range []struct {
		name, op string
		content  string
		theirs   string // what another writer puts there meanwhile
		want     error
	}{
		{"folder marker", "PutBlob", "", "", nil},
		{"content", "PutBlob", "mine", "", nil},
		{"blocks", "PutBlockList", strings.Repeat("x", 1<<20+1), "", nil},
		{"another writer came first", "PutBlob", "mine", "them", providers.ErrPrecondition},
		{"another writer of blocks came first", "PutBlockList", strings.Repeat("x", 1<<20+1), strings.Repeat("x", 1<<20+1), providers.ErrPrecondition},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := testserver.NewAzure(t)
			name := p.NewContainer(t)
			b := warm(t, p, name, customerKey)
			fault := testserver.Fault{DropAnswer: true}
			if tc.theirs != "" {
				put(t, warm(t, p, name, customerKey), "k", []byte(tc.theirs))
				fault = testserver.Fault{Drop: true}
			}
			p.SetFault(testserver.OnAzureOp(tc.op, 1, fault))
			obj, err := b.Put(t.Context(), "k", strings.NewReader(tc.content), providers.PutOptions{Condition: providers.Condition{IfAbsent: true}, Size: int64(len(tc.content))})
			p.SetFault(nil)
			if !errors.Is(err, tc.want) {
				t.Fatalf("%v, want %v", err, tc.want)
			}
			if stands := stat(t, b, "k"); err == nil && stands.ETag != obj.ETag {
				t.Errorf("told %s, it is %s", obj.ETag, stands.ETag)
			}
		})
	}
}

// TestReplaceKeepsHeaders: what other programs have set beside the metadata
// stays when that is replaced, in the store and on the way through it.
func TestReplaceKeepsHeaders(t *testing.T) {
	for name, quirks := range map[string]testserver.AzureQuirks{"in the store": {}, "streamed": {NoCopyFromURL: true}} {
		t.Run(name, func(t *testing.T) {
			p := testserver.NewAzure(t)
			p.SetQuirks(quirks)
			name := p.NewContainer(t)
			want := map[string]string{"cache-control": "max-age=5", "content-encoding": "br", "content-disposition": "attachment", "content-language": "de"}
			_, err := p.Container(t, name).NewBlockBlobClient("f").UploadBuffer(t.Context(), []byte("x"), &blockblob.UploadBufferOptions{HTTPHeaders: &blob.HTTPHeaders{
				BlobCacheControl: new("max-age=5"), BlobContentEncoding: new("br"), BlobContentDisposition: new("attachment"), BlobContentLanguage: new("de"),
			}})
			if err != nil {
				t.Fatal(err)
			}
			b := open(t, config(p, name, customerKey))
			src := stat(t, b, "f")
			if listed := list(t, b, "", providers.ListOptions{}); !cmp.Equal(listed[0].Headers, want) {
				t.Errorf("listed with %v", listed[0].Headers)
			}
			for _, step := range []struct {
				key      string
				metadata map[string]string
				told     bool
			}{{"f", map[string]string{"a": "b"}, true}, {"g", map[string]string{"a": "b"}, false}, {"h", nil, true}} {
				if diff := cmp.Diff(want, src.Headers); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if !step.told {
					src.Headers = nil
				}
				mustCopy(t, b, step.key, src, providers.CopyOptions{Replace: true, ContentType: "text/x-odd", Metadata: step.metadata})
				if src = stat(t, b, step.key); src.Metadata["a"] != step.metadata["a"] || src.ContentType != "text/x-odd" {
					t.Errorf("%s: %+v", step.key, src)
				}
			}
		})
	}
}

// TestNames: two containers that show the same blob say so, and a key is named
// without being told.
func TestNames(t *testing.T) {
	at := func(cfg azure.Config) string {
		cfg.Container, cfg.AccountKey, cfg.Account = "box", "a2V5", "acc"
		return providers.Location(open(t, cfg))
	}
	whole, part := at(azure.Config{}), at(azure.Config{Prefix: "dir/sub/"})
	if whole != "az://acc.blob.core.windows.net/box/" || part != whole+"dir/sub/" {
		t.Errorf("locations %q and %q", whole, part)
	}
	if got := at(azure.Config{Endpoint: "http://127.0.0.1:10000/acc"}); got != "az://127.0.0.1:10000/acc/box/" {
		t.Errorf("location of an emulator %q", got)
	}
	sas := open(t, azure.Config{Container: "box", Account: "acc", SASToken: "sig=SECRET"})
	if got := sas.Location(); got != whole {
		t.Errorf("location with a SAS %q", got)
	}
	b := open(t, azure.Config{Container: "box", Account: "acc", AccountKey: "a2V5", Settings: twoKeys})
	for place, want := range map[string]string{
		"write key": twoKeys.WriteKey.Fingerprint(), "read key 2": twoKeys.ReadKeys[1].Fingerprint(), "read key 9": "",
	} {
		if got := b.Fingerprint(providers.Encryption{Mode: providers.ModeCustomer, Key: place}); got != want {
			t.Errorf("fingerprint of the %s: %q, want %q", place, got, want)
		}
	}
	if got := b.Fingerprint(providers.Encryption{Mode: providers.ModeScope, Key: "write key"}); got != "" {
		t.Errorf("fingerprint of no customer key: %q", got)
	}
}
