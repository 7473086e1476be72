package budget

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"sealdav/internal/testserver"
	"sealdav/tests/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// store is a kind of store, with what its API costs beyond the budget, or
// saves.
type store struct {
	name string
	// large is how many members a large folder has: more than two pages.
	large int
	// page is how many entries a listing has at most, batch how many keys a
	// deletion takes, part how large a part of an upload is, in bytes.
	page, batch, part int
	// around is how many requests an upload in parts takes beside the parts:
	// S3 has one that begins it and one that ends it. On Cloud Storage the last
	// part ends it, on Azure nothing begins it.
	around int
	// lookBack is how many requests the verification of one copied object
	// takes, where the store's answer to the copy does not name the key.
	lookBack int
	// sizeFirst is how many requests come before a range that is counted from
	// the end, where the store knows no such range and its start has to be
	// worked out from the size.
	sizeFirst int
	// undecided is how many requests come before a deletion under a condition
	// that the store does not decide.
	undecided int
	open      func(t *testing.T, sse string) counted
}

// pages is how many requests list n entries.
func (s store) pages(n int) int { return ceil(n, s.page) }

// batches is how many requests delete n keys, which come 1,000 at a time.
func (s store) batches(n int) int {
	const lot = 1000
	return n/lot*ceil(lot, s.batch) + ceil(n%lot, s.batch)
}

// counted is an empty bucket behind a proxy that counts. The store goes away
// with the test.
type counted struct {
	direct, through harness.Remote // past the proxy where that can be, and through it
	requests        func() []request
	reset           func()
	// holdCopies has the store hold the copies of objects until n of them are
	// there.
	holdCopies func(n int)
}

// request is one request to a store.
type request struct {
	op             string
	status         int
	sent, received int64 // bytes of objects' contents
}

// api is how requests to a store are named: all of them, those whose answer is
// the content of an object, those whose body is, and those that copy one.
type api struct {
	name         func(testserver.Request) string
	read, wrote  []string
	copiesObject string
}

var (
	s3API    = api{testserver.Request.Op, []string{"GetObject"}, []string{"PutObject", "UploadPart"}, "CopyObject"}
	gcsAPI   = api{testserver.Request.GCSOp, []string{"read", "readJSON"}, []string{"insert", "upload"}, "rewrite"}
	azureAPI = api{testserver.AzureOp, []string{"GetBlob"}, []string{"PutBlob", "PutBlock"}, "PutBlobFromURL"}
)

// count turns what a proxy saw into requests. What a store refuses is none of
// an object's content.
func (a api) count(all []testserver.Request) (counted []request) {
	for _, r := range all {
		q := request{op: a.name(r), status: r.Status}
		switch {
		case r.Status >= 400:
		case slices.Contains(a.read, q.op):
			q.received = r.Received
		case slices.Contains(a.wrote, q.op):
			q.sent = r.Sent - r.Framing
		}
		counted = append(counted, q)
	}
	return counted
}

// hold is a fault that holds copies of objects until n of them are there.
func (a api) hold(n int) func(*http.Request) *testserver.Fault {
	return testserver.HoldUntil(a.name, a.copiesObject, n)
}

// stores are all that the budget is counted at, each sealed and plain.
var stores = []store{
	{name: "minio", large: 2010, page: 1000, batch: 1000, part: 16 << 20, around: 2, lookBack: 1, undecided: 1, open: openMinIO},
	{name: "gcs", large: 2010, page: 1000, batch: 1000, part: 16 << 20, around: 1, open: openGCS},
	{name: "azure", large: 2010, page: azurePage, batch: 256, part: 16 << 20, around: 1, sizeFirst: 1, open: openAzure},
}

func openMinIO(t *testing.T, sse string) counted {
	s := testserver.SharedMinIO(t)
	proxy := testserver.NewProxy(t, s)
	remote := harness.Remote{Name: "drive", URL: "s3://" + s.NewBucket(t), SSE: sse, Store: s}
	through := remote
	through.Store = proxy.S3
	return counted{
		direct: remote, through: through, reset: proxy.Reset,
		requests:   func() []request { return s3API.count(proxy.Requests()) },
		holdCopies: func(n int) { proxy.SetFault(s3API.hold(n)) },
	}
}

func openGCS(t *testing.T, sse string) counted {
	s := testserver.SharedGCS(t)
	bucket := s.NewBucket(t)
	if sse != "" {
		s.MustSeal(t, bucket)
	}
	t.Cleanup(func() { s.SetFault(nil) })
	remote := harness.Remote{Name: "drive", URL: "gs://" + bucket, SSE: sse,
		More: fmt.Sprintf("endpoint = %q\nca_file = %q\nanonymous = true\n", s.Endpoint, s.CAFile)}
	return counted{
		direct: remote, through: remote, reset: s.Reset,
		requests:   func() []request { return gcsAPI.count(s.Requests()) },
		holdCopies: func(n int) { s.SetFault(gcsAPI.hold(n)) },
	}
}

// azurePage is what a page of a listing is cut to: Azure's own of 5,000 entries
// would take too long to fill.
const azurePage = 1000

func openAzure(t *testing.T, sse string) counted {
	s := testserver.NewAzure(t)
	s.SetQuirks(testserver.AzureQuirks{PageSize: azurePage})
	harness.Canary("the Azure account's key", []byte(s.Key))
	container := s.NewContainer(t)
	if sse != "" {
		s.Seal(container)
	}
	key := filepath.Join(t.TempDir(), "account.key")
	if err := os.WriteFile(key, []byte(s.Key), 0o600); err != nil {
		t.Fatal(err)
	}
	remote := harness.Remote{Name: "drive", URL: "az://" + container, SSE: sse, More: fmt.Sprintf(
		"account = %q\naccount_key = \"file://%s\"\nendpoint = %q\nca_file = %q\n", s.Account, key, s.Endpoint, s.CAFile)}
	return counted{
		direct: remote, through: remote, reset: s.Reset,
		requests:   func() []request { return azureAPI.count(s.Requests()) },
		holdCopies: func(n int) { s.SetFault(azureAPI.hold(n)) },
	}
}
