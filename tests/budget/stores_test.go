package budget

import (
	"testing"

	"sealdav/internal/testserver"
	"sealdav/tests/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// store is a kind of store, under one kind of encryption, with what its API
// costs beyond the budget.
type store struct {
	name string
	// page is how many entries a listing has at most, batch how many keys a
	// deletion takes, part how large a part of an upload is, in bytes.
	page, batch, part int
	// lookBack is how many requests the verification of one copied object
	// takes, where the store's answer to the copy does not name the key.
	lookBack int
	open     func(t *testing.T) counted
}

// counted is an empty bucket behind a proxy that counts. The store goes away
// with the test.
type counted struct {
	direct, through harness.Remote // past the proxy, and through it
	requests        func() []request
	reset           func()
	// hold has the proxy hold the requests named op until n of them are there.
	hold func(op string, n int)
	copy string // the name of a request that copies an object
}

// request is one request to a store.
type request struct {
	op             string
	status         int
	sent, received int64 // bytes of the bodies
	object         bool  // the bodies are an object's content
}

// stores are all that the budget is counted at.
var stores = []store{
	{name: "minio sealed", page: 1000, batch: 1000, part: 16 << 20, lookBack: 1,
		open: func(t *testing.T) counted { return openMinIO(t, harness.NewKey(t).Write()) }},
	{name: "minio plain", page: 1000, batch: 1000, part: 16 << 20,
		open: func(t *testing.T) counted { return openMinIO(t, "") }},
}

func openMinIO(t *testing.T, sse string) counted {
	s := testserver.SharedMinIO(t)
	proxy := testserver.NewProxy(t, s)
	remote := harness.Remote{Name: "drive", URL: "s3://" + s.NewBucket(t), SSE: sse, Store: s}
	through := remote
	through.Store = proxy.S3
	return counted{
		direct: remote, through: through, reset: proxy.Reset, copy: "CopyObject",
		requests: func() (all []request) {
			for _, r := range proxy.Requests() {
				op := r.Op()
				object := op == "GetObject" || op == "PutObject" || op == "UploadPart"
				all = append(all, request{op: op, status: r.Status, sent: r.Sent, received: r.Received, object: object})
			}
			return all
		},
		hold: func(op string, n int) { proxy.SetFault(testserver.HoldUntil(testserver.Request.Op, op, n)) },
	}
}
