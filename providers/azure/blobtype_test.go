package azure_test

import (
	"io/fs"
	"strings"
	"testing"

	"sealdav/internal/testserver"
	"sealdav/providers"
	"sealdav/sse"
)

// TestAppendBlob: an upload in blocks cannot replace a blob of another type,
// and says so; what was there stays. A smaller one replaces it.
func TestAppendBlob(t *testing.T) {
	p := testserver.NewAzure(t)
	name := p.NewContainer(t)
	if _, err := p.Container(t, name).NewAppendBlobClient("k").Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	cfg := config(p, name, sse.Settings{})
	cfg.Buffers = smallParts()
	b := open(t, cfg)
	before := stat(t, b, "k")
	_, err := b.Put(t.Context(), "k", strings.NewReader(strings.Repeat("x", 1<<20+1)), providers.PutOptions{Size: 1<<20 + 1})
	wantError(t, "Put", err, fs.ErrPermission, "an append blob or a page blob")
	if after := stat(t, b, "k"); after.ETag != before.ETag {
		t.Error("the blob was replaced all the same")
	}
	put(t, b, "k", []byte("small"))
}

// TestWrongAccountKey: Azurite tells a wrong signature with the code that Azure
// has for its firewall.
func TestWrongAccountKey(t *testing.T) {
	p := testserver.NewAzure(t)
	cfg := config(p, p.NewContainer(t), sse.Settings{})
	cfg.AccountKey = "d3Jvbmc="
	b := open(t, cfg)
	var got error
	for _, err := range b.List(t.Context(), "", providers.ListOptions{}) {
		got = err
	}
	wantError(t, "List", got, providers.ErrCredentials, "account_key")
}
