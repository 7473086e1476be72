package azure_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/go-cmp/cmp"

	"sealdav/internal/testserver"
	"sealdav/providers"
	"sealdav/providers/azure"
	"sealdav/providers/providertest"
	"sealdav/sse"
)

// smallParts are buffers that make a large file of a few megabytes.
func smallParts() *providers.Buffers { return providers.NewBuffers(1<<20, 16<<20) }

func noise(n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(data)
	return data
}

func put(t testing.TB, b providers.Bucket, key string, data []byte) providers.Object {
	t.Helper()
	obj, err := b.Put(t.Context(), key, bytes.NewReader(data), providers.PutOptions{Size: int64(len(data))})
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

func readWith(t testing.TB, b providers.Bucket, key string, opts providers.OpenOptions) []byte {
	t.Helper()
	body, _, err := b.Open(t.Context(), key, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func read(t testing.TB, b providers.Bucket, key string) []byte {
	t.Helper()
	return readWith(t, b, key, providers.OpenOptions{})
}

func stat(t testing.TB, b providers.Bucket, key string) providers.Object {
	t.Helper()
	obj, err := b.Stat(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

func list(t testing.TB, b providers.Bucket, prefix string, opts providers.ListOptions) []providers.Entry {
	t.Helper()
	var entries []providers.Entry
	for e, err := range b.List(t.Context(), prefix, opts) {
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	return entries
}

func mustCopy(t testing.TB, b providers.Bucket, dst string, src providers.Object, opts providers.CopyOptions) {
	t.Helper()
	if _, err := b.Copy(t.Context(), dst, src, opts); err != nil {
		t.Fatal(err)
	}
}

// ops are the requests since the last Reset, parallel ones in a fixed order.
func ops(p *testserver.Azure) string {
	names := p.Ops()
	slices.Sort(names)
	return strings.Join(names, " ")
}

// TestRequests counts what each operation costs on a sealed remote.
func TestRequests(t *testing.T) {
	p := testserver.NewAzure(t)
	name := p.NewContainer(t)
	cfg := config(p, name, sse.Settings{WriteKey: providertest.NewKey('w'), ReadKeys: []sse.Key{providertest.NewKey('1'), providertest.NewKey('2')}})
	cfg.Buffers = smallParts()
	b := open(t, cfg)
	old := open(t, config(p, name, sse.Settings{WriteKey: providertest.NewKey('2')}))
	plain := open(t, config(p, name, sse.Settings{}))
	foreign := open(t, config(p, name, sse.Settings{WriteKey: providertest.NewKey('x')}))
	big := noise(5 << 19)
	put(t, old, "old/a", []byte("x"))
	put(t, old, "old/b", []byte("x"))
	oldObject := put(t, old, "other/a", []byte("x"))
	put(t, plain, "plain/a", []byte("x"))
	put(t, foreign, "foreign/a", []byte("x"))
	p.Seal(name)
	var small, large providers.Object
	for _, tc := range []struct {
		name string
		do   func()
		want string
	}{
		{"nothing at open", func() {}, ""},
		{"first put, with the probe", func() { small = put(t, b, "k", []byte("content")) }, "Batch GetBlobProperties PutBlob PutBlob PutBlobFromURL"},
		{"put", func() { put(t, b, "k2", []byte("content")) }, "PutBlob"},
		{"put of unknown size", func() {
			if _, err := b.Put(t.Context(), "k2", strings.NewReader("x"), providers.PutOptions{Size: providers.SizeUnknown}); err != nil {
				t.Error(err)
			}
		}, "PutBlob"},
		{"put of one whole part", func() { put(t, b, "k3", big[:1<<20]) }, "PutBlob"},
		{"put of three parts", func() { large = put(t, b, "large", big) }, "PutBlock PutBlock PutBlock PutBlockList"},
		{"stat", func() { stat(t, b, "k") }, "GetBlobProperties"},
		{"open", func() { read(t, b, "k") }, "GetBlob"},
		{"open of a range", func() { readWith(t, b, "large", providers.OpenOptions{Range: providers.Range{Offset: 9, Length: 9}}) }, "GetBlob"},
		{"open of the last bytes", func() { readWith(t, b, "large", providers.OpenOptions{Range: providers.Range{Offset: -9}}) }, "GetBlob GetBlobProperties"},
		{"copy", func() { mustCopy(t, b, "k4", small, providers.CopyOptions{}) }, "PutBlobFromURL"},
		{"copy with other attributes", func() {
			mustCopy(t, b, "k4", small, providers.CopyOptions{Replace: true, ContentType: "text/x-odd", Metadata: map[string]string{"a": "b"}})
		}, "PutBlobFromURL"},
		{"copy that takes metadata away", func() {
			mustCopy(t, b, "k4", stat(t, b, "k4"), providers.CopyOptions{Replace: true})
		}, "GetBlobProperties GetBlobProperties PutBlockFromURL PutBlockList"},
		{"copy from another key", func() { mustCopy(t, b, "k5", oldObject, providers.CopyOptions{}) }, "GetBlobProperties GetBlobProperties ListBlobs PutBlobFromURL PutBlobFromURL"},
		{"delete", func() { _ = b.Delete(t.Context(), "k4") }, "DeleteBlob"},
		{"delete of many", func() { _ = b.Delete(t.Context(), "k2", "k3", "k4") }, "Batch"},
		{"delete of none", func() { _ = b.Delete(t.Context()) }, ""},
		{"absent", func() { _, _ = b.Stat(t.Context(), "absent") }, "GetBlobProperties"},
		{"absent folder", func() { list(t, b, "absent/", providers.ListOptions{PageSize: 1}) }, "ListBlobs"},
		{"an old key, asked for", func() { read(t, b, "old/a") }, "GetBlob GetBlob ListBlobs"},
		{"an old key, known", func() { read(t, b, "old/a"); stat(t, b, "old/a") }, "GetBlob GetBlobProperties"},
		{"an old key, as its neighbour", func() { read(t, b, "old/b") }, "GetBlob"},
		{"plain, told by the refusal", func() { read(t, b, "plain/a") }, "GetBlob GetBlob"},
		{"plain, known", func() { read(t, b, "plain/a") }, "GetBlob"},
		{"no key fits", func() { _, _ = b.Stat(t.Context(), "foreign/a") }, "GetBlobProperties ListBlobs"},
		{"list", func() { list(t, b, "", providers.ListOptions{Recursive: true}) }, "ListBlobs"},
		{"any key, once listed", func() { read(t, b, "other/a"); read(t, b, "plain/a"); read(t, b, "k") }, "GetBlob GetBlob GetBlob"},
		{"large copy", func() {
			b.SetCopyLimits(1<<20, 1<<20)
			mustCopy(t, b, "large2", large, providers.CopyOptions{})
		}, "GetBlobProperties PutBlockFromURL PutBlockFromURL PutBlockFromURL PutBlockList"},
	} {
		p.Reset()
		tc.do()
		if diff := cmp.Diff(tc.want, ops(p)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
	if !bytes.Equal(read(t, b, "large2"), big) {
		t.Error("the large copy differs")
	}
}

// TestRangesReadNoMore: no byte leaves the store that was not asked for.
func TestRangesReadNoMore(t *testing.T) {
	p := testserver.NewAzure(t)
	b := open(t, config(p, p.NewContainer(t), customerKey))
	put(t, b, "k", noise(1<<20))
	p.Reset()
	readWith(t, b, "k", providers.OpenOptions{Range: providers.Range{Offset: 1000, Length: 100}})
	for _, r := range p.Requests() {
		if r.Received != 100 {
			t.Errorf("%s received %d bytes", testserver.AzureOp(r), r.Received)
		}
	}
}

// TestPagination lists more than one page of Azure's, in order and whole.
func TestPagination(t *testing.T) {
	const n = 5100
	p := testserver.NewAzure(t)
	name := p.NewContainer(t)
	cfg := config(p, name, sse.Settings{})
	cfg.Prefix = "in"
	b := open(t, cfg)
	var work sync.WaitGroup
	client := p.Container(t, name)
	for w := range 8 {
		work.Go(func() {
			for i := w; i < n; i += 8 {
				if _, err := client.NewBlockBlobClient(fmt.Sprintf("in/d%02d/f%04d", i%60, i)).UploadBuffer(t.Context(), nil, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
	p.Reset()
	entries := list(t, b, "", providers.ListOptions{Recursive: true})
	if len(entries) != n || !slices.IsSortedFunc(entries, func(x, y providers.Entry) int { return strings.Compare(x.Key, y.Key) }) {
		t.Errorf("%d entries, want %d in order", len(entries), n)
	}
	if got := ops(p); got != "ListBlobs ListBlobs" {
		t.Errorf("requests: %s", got)
	}
	if folders := list(t, b, "", providers.ListOptions{}); len(folders) != 60 {
		t.Errorf("%d folders, want 60", len(folders))
	}
}

// staticToken is an identity's token.
type staticToken struct{}

func (staticToken) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if !slices.Equal(o.Scopes, []string{"https://storage.azure.com/.default"}) {
		return azcore.AccessToken{}, errors.New("asked for another scope")
	}
	return azcore.AccessToken{Token: "test-token", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// TestSourceAuthorization: a copy's source is signed for, or has the token
// beside it.
func TestSourceAuthorization(t *testing.T) {
	p := testserver.NewAzure(t)
	b := open(t, config(p, p.NewContainer(t), sse.Settings{}))
	src := put(t, b, "a b/ü", []byte("content"))
	mustCopy(t, b, "copy", src, providers.CopyOptions{})
	signed := p.Requests()[1].Header
	if from := signed.Get("X-Ms-Copy-Source"); !strings.Contains(from, "sig=") || !strings.Contains(from, "sp=r&") && !strings.HasSuffix(from, "sp=r") {
		t.Error("the source is not signed for reading alone")
	}
	b.SetToken(staticToken{})
	p.Reset()
	// Azurite knows no tokens, so the store's answer is that it cannot read.
	_, _ = b.Copy(t.Context(), "copy", src, providers.CopyOptions{})
	h := p.Requests()[0].Header
	if strings.Contains(h.Get("X-Ms-Copy-Source"), "sig=") || h.Get("X-Ms-Copy-Source-Authorization") != "Bearer test-token" {
		t.Error("the token does not go with the copy")
	}
}

// TestCredentials opens one container in every way that Azurite knows.
func TestCredentials(t *testing.T) {
	p := testserver.NewAzure(t)
	name := p.NewContainer(t)
	sas := p.SAS(t, name)
	connection := fmt.Sprintf("DefaultEndpointsProtocol=https;AccountName=%s;AccountKey=%s;BlobEndpoint=%s;", p.Account, p.Key, p.Endpoint)
	for _, tc := range []struct {
		name string
		cfg  azure.Config
		env  map[string]string
	}{
		{name: "key", cfg: azure.Config{Account: p.Account, AccountKey: p.Key, Endpoint: p.Endpoint}},
		{name: "sas", cfg: azure.Config{SASToken: sas, Endpoint: p.Endpoint}},
		{name: "sas with ?", cfg: azure.Config{SASToken: "?" + sas, Endpoint: p.Endpoint + "/"}},
		{name: "connection string", cfg: azure.Config{ConnectionString: connection}},
		{name: "connection string with SAS", cfg: azure.Config{ConnectionString: "BlobEndpoint=" + p.Endpoint + ";SharedAccessSignature=" + sas}},
		{name: "variables", env: map[string]string{"AZURE_STORAGE_ACCOUNT": p.Account, "AZURE_STORAGE_KEY": p.Key, "AZURE_STORAGE_BLOB_ENDPOINT": p.Endpoint}},
		{name: "variable", env: map[string]string{"AZURE_STORAGE_CONNECTION_STRING": connection}},
		{name: "SAS variable", cfg: azure.Config{Account: p.Account, Endpoint: p.Endpoint}, env: map[string]string{"AZURE_STORAGE_ACCOUNT": p.Account, "AZURE_STORAGE_SAS_TOKEN": sas}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for k, v := range tc.env {
				t.Setenv(k, v)
			}
			cfg := tc.cfg
			cfg.Container, cfg.CAFile, cfg.Settings = name, p.CAFile, customerKey
			b := open(t, cfg)
			src := put(t, b, tc.name, []byte("content"))
			p.Reset()
			mustCopy(t, b, "copy of "+tc.name, src, providers.CopyOptions{})
			if got := ops(p); got != "PutBlobFromURL" {
				t.Errorf("copy takes %s", got)
			}
			if got := read(t, b, "copy of "+tc.name); string(got) != "content" {
				t.Errorf("reads %q", got)
			}
			list(t, b, "", providers.ListOptions{})
			if err := b.Delete(t.Context(), tc.name, "copy of "+tc.name); err != nil {
				t.Error(err)
			}
		})
	}
}
