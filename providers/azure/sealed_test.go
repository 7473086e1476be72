package azure_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	azlog "github.com/Azure/azure-sdk-for-go/sdk/azcore/log"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"sealdav/internal/testserver"
	"sealdav/providers"
	"sealdav/providers/azure"
	"sealdav/providers/providertest"
	"sealdav/sse"
)

// TestFailsClosed: a store that ignores keys, or only echoes them, gets no
// file, and keeps nothing.
func TestFailsClosed(t *testing.T) {
	for _, tc := range []struct {
		name     string
		quirks   testserver.AzureQuirks
		settings sse.Settings
	}{
		{"ignored key", testserver.AzureQuirks{Ignores: true}, customerKey},
		{"echoed key", testserver.AzureQuirks{EchoesOnly: true}, customerKey},
		{"ignored scope", testserver.AzureQuirks{Ignores: true}, sse.Settings{Scope: "test-scope"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := testserver.NewAzure(t)
			p.SetQuirks(tc.quirks)
			name := p.NewContainer(t)
			b := open(t, config(p, name, tc.settings))
			for range 2 {
				_, err := b.Put(t.Context(), "k", strings.NewReader("x"), providers.PutOptions{Size: 1})
				if !errors.Is(err, providers.ErrUnverified) || providers.Advice(err) == "" {
					t.Errorf("Put: %v", err)
				}
			}
			if keys := p.Keys(t, name); len(keys) > 0 {
				t.Errorf("left behind: %q", keys)
			}
		})
	}
}

// TestUnverifiedAfterProbe: a store that stops sealing after the probe is
// caught at each kind of write.
func TestUnverifiedAfterProbe(t *testing.T) {
	p := testserver.NewAzure(t)
	name := p.NewContainer(t)
	cfg := config(p, name, customerKey)
	cfg.Buffers = smallParts()
	b := open(t, cfg)
	src := put(t, b, "src", noise(5<<19))
	p.SetQuirks(testserver.AzureQuirks{Ignores: true})
	for what, do := range map[string]func() error{
		"put": func() error {
			_, err := b.Put(t.Context(), "new", strings.NewReader("x"), providers.PutOptions{Size: 1})
			return err
		},
		"put of blocks": func() error {
			_, err := b.Put(t.Context(), "new", bytes.NewReader(noise(5<<19)), providers.PutOptions{Size: 5 << 19})
			return err
		},
		"copy": func() error { _, err := b.Copy(t.Context(), "new", src, providers.CopyOptions{}); return err },
	} {
		if err := do(); !errors.Is(err, providers.ErrUnverified) {
			t.Errorf("%s: %v", what, err)
		}
		if keys := p.Keys(t, name); !slices.Equal(keys, []string{"src"}) {
			t.Errorf("%s: there are %q", what, keys)
		}
	}
}

func TestUnknownScope(t *testing.T) {
	p := testserver.NewAzure(t)
	b := open(t, config(p, p.NewContainer(t), sse.Settings{Scope: "no-such-scope"}))
	_, err := b.Put(t.Context(), "k", strings.NewReader("x"), providers.PutOptions{Size: 1})
	if !errors.Is(err, providers.ErrKey) || !strings.Contains(providers.Advice(err), "--sse-scope") {
		t.Errorf("Put: %v", err)
	}
}

func TestRequireEncrypted(t *testing.T) {
	p := testserver.NewAzure(t)
	name := p.NewContainer(t)
	put(t, open(t, config(p, name, sse.Settings{})), "plain", []byte("x"))
	cfg := config(p, name, customerKey)
	cfg.RequireEncrypted = true
	b := open(t, cfg)
	if _, _, err := b.Open(t.Context(), "plain", providers.OpenOptions{}); !errors.Is(err, providers.ErrPlain) {
		t.Errorf("Open of a plain blob: %v", err)
	}
	mustCopy(t, b, "plain", stat(t, b, "plain"), providers.CopyOptions{})
	read(t, b, "plain")
}

// TestInterrupted: whatever cuts an upload, the old blob stays as it was.
func TestInterrupted(t *testing.T) {
	p := testserver.NewAzure(t)
	name := p.NewContainer(t)
	cfg := config(p, name, customerKey)
	cfg.Buffers = smallParts()
	b := open(t, cfg)
	old := put(t, b, "k", []byte("old content"))
	refused := testserver.Fault{Status: 403, Code: "AuthorizationFailure"}
	for _, tc := range []struct {
		name  string
		fault func(*http.Request) *testserver.Fault
		body  io.Reader
		size  int64
		kind  error
	}{
		{"second block refused", testserver.OnAzureOp("PutBlock", 2, refused), bytes.NewReader(noise(3 << 20)), 3 << 20, fs.ErrPermission},
		{"commit refused", testserver.OnAzureOp("PutBlockList", 1, refused), bytes.NewReader(noise(3 << 20)), 3 << 20, fs.ErrPermission},
		{"blob refused", testserver.OnAzureOp("PutBlob", 1, refused), bytes.NewReader(noise(100)), 100, fs.ErrPermission},
		{"blocks lost", testserver.OnAzureOp("PutBlockList", 1, testserver.Fault{Status: 400, Code: "InvalidBlockList"}), bytes.NewReader(noise(3 << 20)), 3 << 20, providers.ErrUnavailable},
		{"body cut after a block", nil, io.MultiReader(bytes.NewReader(noise(2<<20+5)), errReader{}), 3 << 20, providers.ErrBody},
		{"body cut, length unknown", nil, io.MultiReader(bytes.NewReader(noise(2<<20)), errReader{}), -1, providers.ErrBody},
	} {
		p.SetFault(tc.fault)
		_, err := b.Put(t.Context(), "k", tc.body, providers.PutOptions{Size: tc.size})
		p.SetFault(nil)
		if !errors.Is(err, tc.kind) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.kind)
		}
		if got := stat(t, b, "k"); got.ETag != old.ETag || string(read(t, b, "k")) != "old content" {
			t.Errorf("%s: the old blob became %+v", tc.name, got)
		}
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestRetries: an answer that is lost, and a store that is busy, cost another
// request, not the upload.
func TestRetries(t *testing.T) {
	p := testserver.NewAzure(t)
	cfg := config(p, p.NewContainer(t), customerKey)
	cfg.Buffers = smallParts()
	b := open(t, cfg)
	put(t, b, "first", nil)
	for _, tc := range []struct {
		op    string
		fault testserver.Fault
	}{
		{"PutBlob", testserver.Fault{DropAnswer: true}},
		{"PutBlock", testserver.Fault{Status: 503, Code: "ServerBusy"}},
		{"PutBlock", testserver.Fault{CutRequest: 1000}},
		{"PutBlockList", testserver.Fault{Status: 500, Code: "OperationTimedOut"}},
	} {
		data := noise(100)
		if tc.op != "PutBlob" {
			data = noise(5 << 19)
		}
		p.SetFault(testserver.OnAzureOp(tc.op, 1, tc.fault))
		put(t, b, "k", data)
		p.SetFault(nil)
		if !bytes.Equal(read(t, b, "k"), data) {
			t.Errorf("%s: the content differs", tc.op)
		}
	}
	put(t, b, "k", noise(1<<20))
	p.SetFault(testserver.OnAzureOp("GetBlob", 1, testserver.Fault{CutResponse: 1000}))
	body, _, err := b.Open(t.Context(), "k", providers.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if n, err := io.Copy(io.Discard, body); err == nil || n > 1000 {
		t.Errorf("a cut answer reads %d bytes, %v", n, err)
	}
}

func TestTooManyBlocks(t *testing.T) {
	p := testserver.NewAzure(t)
	cfg := config(p, p.NewContainer(t), sse.Settings{})
	cfg.Buffers = smallParts()
	b := open(t, cfg)
	b.SetMaxBlocks(2)
	for _, size := range []int64{3 << 20, providers.SizeUnknown} {
		_, err := b.Put(t.Context(), "k", bytes.NewReader(noise(3<<20)), providers.PutOptions{Size: size})
		if !errors.Is(err, providers.ErrTooLarge) {
			t.Errorf("size %d: %v", size, err)
		}
	}
	if _, err := b.Stat(t.Context(), "k"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat: %v", err)
	}
}

// TestUnspeakable: a name that Azure takes for another is refused where it
// would be written, and is not there where it is looked for.
func TestUnspeakable(t *testing.T) {
	p := testserver.NewAzure(t)
	b := open(t, config(p, p.NewContainer(t), sse.Settings{}))
	src := put(t, b, "a/b", []byte("x"))
	_, statErr := b.Stat(t.Context(), `a\b`)
	_, _, openErr := b.Open(t.Context(), `a\b`, providers.OpenOptions{})
	_, putErr := b.Put(t.Context(), `a\b`, strings.NewReader("y"), providers.PutOptions{Size: 1})
	_, copyErr := b.Copy(t.Context(), `a\b`, src, providers.CopyOptions{})
	for what, tc := range map[string]struct{ err, want error }{
		"Stat": {statErr, fs.ErrNotExist}, "Open": {openErr, fs.ErrNotExist}, "Put": {putErr, fs.ErrInvalid}, "Copy": {copyErr, fs.ErrInvalid},
	} {
		if !errors.Is(tc.err, tc.want) {
			t.Errorf("%s: %v, want %v", what, tc.err, tc.want)
		}
	}
}

// TestFolders: blobs that stand for folders are markers.
func TestFolders(t *testing.T) {
	p := testserver.NewAzure(t)
	name := p.NewContainer(t)
	client := p.Container(t, name)
	put := func(key string, folder bool) {
		meta := map[string]*string{}
		if folder {
			meta["hdi_isfolder"] = new("true")
		}
		if _, err := client.NewBlockBlobClient(key).UploadBuffer(t.Context(), nil, &blockblob.UploadBufferOptions{Metadata: meta}); err != nil {
			t.Fatal(err)
		}
	}
	put("dir", true)
	put("dir/sub", true)
	put("dir/sub/file", false)
	put("dir-x", false)
	put("empty", true)
	b := open(t, config(p, name, sse.Settings{}))
	names := func(prefix string, recursive bool) string {
		var keys []string
		for _, e := range list(t, b, prefix, providers.ListOptions{Recursive: recursive}) {
			if e.Dir {
				e.Key += "*"
			}
			keys = append(keys, e.Key)
		}
		return strings.Join(keys, " ")
	}
	if obj := stat(t, b, "dir/"); obj.Key != "dir/" || obj.Size != 0 || len(obj.Metadata) != 0 {
		t.Errorf("Stat(dir/) = %+v", obj)
	}
	for _, key := range []string{"dir", "empty", "dir-x/"} {
		if _, err := b.Stat(t.Context(), key); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Stat(%s): %v", key, err)
		}
		if _, _, err := b.Open(t.Context(), key, providers.OpenOptions{}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open(%s): %v", key, err)
		}
	}
	for _, tc := range []struct {
		prefix    string
		recursive bool
		want      string
	}{
		{"", false, "dir-x dir/* empty/*"},
		{"", true, "dir-x dir/ dir/sub/ dir/sub/file empty/"},
		{"dir/", false, "dir/ dir/sub/*"},
		{"dir/", true, "dir/ dir/sub/ dir/sub/file"},
		{"dir/sub/", true, "dir/sub/ dir/sub/file"},
		{"dir", true, "dir-x dir/ dir/sub/ dir/sub/file"},
		{"empty/", false, "empty/"},
		{"absent/", false, ""},
	} {
		if got := names(tc.prefix, tc.recursive); got != tc.want {
			t.Errorf("List(%q) = %s, want %s", tc.prefix, got, tc.want)
		}
	}
	mustCopy(t, b, "copied/", stat(t, b, "empty/"), providers.CopyOptions{})
	if got := read(t, b, "copied/"); len(got) != 0 || len(stat(t, b, "copied/").Metadata) != 0 {
		t.Error("a copied marker is not empty")
	}
	p.Reset()
	if err := b.Delete(t.Context(), "dir/", "dir/sub/", "dir/sub/file", "empty/", "copied/"); err != nil {
		t.Fatal(err)
	}
	if got := p.Keys(t, name); !slices.Equal(got, []string{"dir-x"}) {
		t.Errorf("left: %q", got)
	}
	var deleted []string
	for _, r := range p.Requests() {
		if r.Method == http.MethodDelete {
			deleted = append(deleted, r.Path[strings.Index(r.Path, name)+len(name):])
		}
	}
	if slices.Index(deleted, "/dir/sub/file") > slices.Index(deleted, "/dir/sub") || slices.Index(deleted, "/dir/sub") > slices.Index(deleted, "/dir") {
		t.Errorf("deleted in the order %q", deleted)
	}
}

// TestSnapshots: a blob with snapshots stays, and says why.
func TestSnapshots(t *testing.T) {
	p := testserver.NewAzure(t)
	name := p.NewContainer(t)
	b := open(t, config(p, name, sse.Settings{}))
	put(t, b, "k", []byte("x"))
	put(t, b, "other", []byte("x"))
	if _, err := p.Container(t, name).NewBlobClient("k").CreateSnapshot(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for _, keys := range [][]string{{"k"}, {"k", "other"}} {
		err := b.Delete(t.Context(), keys...)
		e, ok := errors.AsType[*providers.DeleteError](err)
		if !ok || len(e.Failed) != 1 || e.Failed[0].Key != "k" || e.Failed[0].Kind != fs.ErrPermission || !strings.Contains(e.Failed[0].Advice, "snapshots") {
			t.Errorf("Delete(%q): %v", keys, err)
		}
	}
	if got := p.Keys(t, name); !slices.Equal(got, []string{"k"}) {
		t.Errorf("left: %q", got)
	}
}

// TestRedirect: neither keys nor credentials follow a redirect.
func TestRedirect(t *testing.T) {
	followed := make(chan string, 10)
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { followed <- r.Method }))
	defer other.Close()
	server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	b := open(t, azure.Config{Container: "box", Account: "a", AccountKey: "a2V5", Endpoint: server.URL, Settings: customerKey, InsecureKeysOverHTTP: true})
	_, statErr := b.Stat(t.Context(), "k")
	_, putErr := b.Put(t.Context(), "k", strings.NewReader("x"), providers.PutOptions{Size: 1})
	for _, err := range []error{statErr, putErr} {
		if !errors.Is(err, providers.ErrUnavailable) || !strings.Contains(providers.Advice(err), "endpoint") {
			t.Errorf("error is %v", err)
		}
	}
	if len(followed) > 0 {
		t.Errorf("%s followed the redirect", <-followed)
	}
}

// TestCanary: no log, ours at its most talkative or the SDK's, and no error
// holds a key, the account's key or a signature.
func TestCanary(t *testing.T) {
	var mu sync.Mutex
	var logged strings.Builder
	azlog.SetListener(func(_ azlog.Event, s string) {
		mu.Lock()
		defer mu.Unlock()
		logged.WriteString(s)
	})
	defer azlog.SetListener(nil)
	p := testserver.NewAzure(t)
	name := p.NewContainer(t)
	var ours bytes.Buffer
	cfg := config(p, name, customerKey)
	cfg.Logger = slog.New(slog.NewTextHandler(&ours, &slog.HandlerOptions{Level: slog.LevelDebug}))
	b := open(t, cfg)
	src := put(t, b, "k", []byte("x"))
	mustCopy(t, b, "copy", src, providers.CopyOptions{})
	read(t, b, "copy")
	locked := open(t, config(p, name, sse.Settings{WriteKey: providertest.NewKey('X')}))
	_, statErr := locked.Stat(t.Context(), "k")
	_, copyErr := locked.Copy(t.Context(), "copy", src, providers.CopyOptions{})
	mu.Lock()
	defer mu.Unlock()
	text := logged.String() + ours.String() + fmt.Sprint(statErr, copyErr)
	if !strings.Contains(text, "REDACTED") {
		t.Error("the SDK logged nothing")
	}
	for _, secret := range []string{customerKey.WriteKey.Base64(), customerKey.WriteKey.SHA256(), strings.Repeat("w", 32), p.Key, "sig="} {
		if i := strings.Index(text, secret); i >= 0 && !strings.HasPrefix(text[i:], "sig=REDACTED") {
			t.Errorf("a secret was logged near %q", text[max(0, i-80):i])
		}
	}
}
