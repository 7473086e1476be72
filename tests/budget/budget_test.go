// Package budget counts what each operation of the built binary costs at the
// store: the budget in docs/design.md, row by row.
package budget

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"sealdav/tests/harness"
)

// row is an operation and what it may cost.
type row struct {
	name string
	// seed makes what the operation needs, past the proxy.
	seed func(t *testing.T, f *folder)
	// warm has the folder listed first, within the time that listings are kept.
	warm bool
	do   func(t *testing.T, f *folder)
	want func(s store) cost
}

// cost is what an operation may cost at the store.
type cost struct {
	requests int
	exactly  bool // otherwise at most
	// sent and received are bytes of the objects' contents, exactly.
	sent, received int64
}

func exactly(n int) func(store) cost {
	return func(store) cost { return cost{requests: n, exactly: true} }
}

func atMost(n int) func(store) cost {
	return func(store) cost { return cost{requests: n} }
}

// get is exactly n requests and the bytes that were asked for.
func get(n int, received int64) func(store) cost {
	return func(store) cost { return cost{requests: n, exactly: true, received: received} }
}

// put is at most n requests, exactly so if exact, and the content sent once.
func put(n int, exact bool, sent int64) func(store) cost {
	return func(store) cost { return cost{requests: n, exactly: exact, sent: sent} }
}

const (
	large   = 2500    // members of a large folder
	copied  = 250     // members of a tree that is copied and moved
	content = 100_000 // bytes of a file
	several = 40 << 20
	atATime = 32 // copies of a tree
)

// ceil is a/b, rounded up.
func ceil(a, b int) int { return (a + b - 1) / b }

var rows = []row{
	{"PROPFIND depth 1", largeFolder, false, list,
		func(s store) cost { return cost{requests: ceil(large, s.page) + 1} }},
	{"PROPFIND depth 1, warm", largeFolder, true, list, exactly(0)},
	{"PROPFIND depth 0 of a file", files(3), false, propfind("0", "/f0000"), exactly(1)},
	{"PROPFIND depth 0 of a file, warm", files(3), true, propfind("0", "/f0000"), exactly(0)},
	{"PROPFIND depth 0 of a folder", files(3), false, propfind("0", ""), exactly(2)},
	{"PROPFIND depth 0 of a folder, named as one", files(3), false, propfind("0", "/"), exactly(1)},
	{"PROPFIND depth 0 of a folder, warm", files(3), true, propfind("0", ""), exactly(0)},

	{"GET", file, false, method(200, "GET", "/file"), get(1, content)},
	{"GET, warm", file, true, method(200, "GET", "/file"), get(1, content)},
	{"GET of a range", file, false, method(206, "GET", "/file", "Range", "bytes=1000-1999"), get(1, 1000)},
	{"GET of the last bytes", file, false, method(206, "GET", "/file", "Range", "bytes=-10"), get(1, 10)},
	{"HEAD", file, false, method(200, "HEAD", "/file"), exactly(1)},
	{"HEAD, warm", file, true, method(200, "HEAD", "/file"), exactly(1)},
	{"GET answered 304", file, false, unmodified, exactly(1)},
	{"GET answered 412", file, false, method(412, "GET", "/file", "If-Match", `"another"`), exactly(1)},
	{"GET of a missing name", file, false, method(404, "GET", "/missing"), exactly(2)},
	{"GET of a missing name, warm", file, true, method(404, "GET", "/missing"), exactly(0)},

	{"PUT", file, false, upload("/new", content), put(3, false, content)},
	{"PUT, warm", file, true, upload("/new", content), put(1, true, content)},
	{"PUT over a file", file, false, upload("/file", content), put(3, false, content)},
	{"PUT over a file, warm", file, true, upload("/file", content), put(1, true, content)},
	{"PUT into a large folder", largeFolder, false, upload("/new", content), put(3, false, content)},
	{"PUT of one part, warm", file, true, uploadPart,
		func(s store) cost { return cost{requests: 1, exactly: true, sent: int64(s.part)} }},
	{"PUT of several parts, warm", file, true, probed(upload("/new", several)), parts},
	{"PUT of several parts in chunks, warm", file, true, probed(uploadChunked("/new", several)), parts},

	{"MKCOL", file, false, method(201, "MKCOL", "/new"), atMost(3)},
	{"MKCOL, warm", file, true, method(201, "MKCOL", "/new"), atMost(2)},
	{"COPY of a file", file, false, transfer("COPY", "/file", "/new"), lookedBack(3, 1)},
	{"COPY of a file, warm", file, true, transfer("COPY", "/file", "/new"), lookedBack(3, 1)},
	{"COPY over a file", files(3), false, transfer("COPY", "/f0000", "/f0001"), lookedBack(3, 1)},
	{"MOVE of a file", file, false, transfer("MOVE", "/file", "/new"), lookedBack(4, 1)},
	{"MOVE of a file, warm", file, true, transfer("MOVE", "/file", "/new"), lookedBack(4, 1)},
	{"MOVE of a file within a large folder", largeFolder, false, transfer("MOVE", "/f0000", "/new"), lookedBack(4, 1)},
	{"COPY of a tree", inFolder(copied), false, transferHeld("COPY"),
		func(s store) cost { return cost{requests: ceil(copied, s.page) + copied*(1+s.lookBack) + 3} }},
	{"MOVE of a tree", inFolder(copied), false, transferHeld("MOVE"),
		func(s store) cost {
			return cost{requests: ceil(copied, s.page) + copied*(1+s.lookBack) + 3 + ceil(copied, s.batch)}
		}},
	{"DELETE of a file", filesAndMarker(3), false, method(204, "DELETE", "/f0000"), atMost(2)},
	{"DELETE of a file, warm", filesAndMarker(3), true, method(204, "DELETE", "/f0000"), exactly(1)},
	// One more than where the store decides.
	{"DELETE of a version", filesAndMarker(3), false, deleteVersion, atMost(3)},
	{"DELETE of a version, warm", filesAndMarker(3), true, deleteVersion, exactly(2)},
	{"DELETE of a tree", largeFolder, false, method(204, "DELETE", "/"),
		func(s store) cost { return cost{requests: ceil(large, s.page) + ceil(large, s.batch) + 2} }},
}

// parts is a warm PUT of several parts.
func parts(s store) cost {
	return cost{requests: 2 + ceil(several, s.part), exactly: true, sent: several}
}

// lookedBack is at most n requests, and what the verification of copies takes.
func lookedBack(n, copies int) func(store) cost {
	return func(s store) cost { return cost{requests: n + copies*s.lookBack} }
}

func TestBudget(t *testing.T) {
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			bucket := s.open(t)
			whole := harness.ServeConfig(t, "", bucket.direct)
			for i, r := range rows {
				t.Run(r.name, func(t *testing.T) {
					f := &folder{Server: whole, store: s, bucket: bucket, name: fmt.Sprintf("/row%02d", i)}
					f.path = "/drive" + f.name
					r.seed(t, f)
					f.Server = harness.ServeWith(t, harness.Settings{ListCache: "10m"}, bucket.through)
					// The first write pays for the probe of a sealed remote.
					f.Put(t, "/drive/first", nil)
					if r.warm {
						list(t, f)
					}
					bucket.reset()
					r.do(t, f)
					r.want(s).check(t, bucket.requests())
				})
			}
		})
	}
}

// check compares what came to the store with what may have.
func (c cost) check(t *testing.T, all []request) {
	t.Helper()
	var sent, received int64
	ops := map[string]int{}
	for _, r := range all {
		ops[fmt.Sprintf("%s %d", r.op, r.status)]++
		if r.object && r.status < 300 {
			sent, received = sent+r.sent, received+r.received
		}
	}
	t.Logf("%d requests (budget %d)", len(all), c.requests)
	if n := len(all); n > c.requests || c.exactly && n < c.requests {
		t.Errorf("%d requests, want %d: %v", n, c.requests, ops)
	}
	if sent != c.sent || received != c.received {
		t.Errorf("%d bytes of objects sent to the store and %d received, want %d and %d", sent, received, c.sent, c.received)
	}
}

// folder is the folder of one row, as a server shows it.
type folder struct {
	*harness.Server
	store      store
	bucket     counted
	name, path string
}

// largeFolder is one folder for all rows that take it, because filling it
// takes its time. The last of them deletes it.
func largeFolder(t *testing.T, f *folder) {
	f.path = "/drive/large"
	if f.Do(t, "PROPFIND", f.path, nil, "Depth", "0").Status == http.StatusNotFound {
		f.fill(t, large, "/large")
	}
}

// files puts n files into the folder, which has no marker.
func files(n int) func(*testing.T, *folder) {
	return func(t *testing.T, f *folder) { f.fill(t, n, f.name) }
}

// filesAndMarker is files in a folder that has one.
func filesAndMarker(n int) func(*testing.T, *folder) {
	return func(t *testing.T, f *folder) {
		f.Want(t, []int{201}, "MKCOL", f.path, nil)
		f.fill(t, n, f.name)
	}
}

// inFolder makes the folder "tree" of n objects: files and a folder of files.
func inFolder(n int) func(*testing.T, *folder) {
	return func(t *testing.T, f *folder) {
		for _, path := range []string{f.path, f.path + "/tree", f.path + "/tree/sub"} {
			f.Want(t, []int{201}, "MKCOL", path, nil)
		}
		f.fill(t, n/2-2, f.name+"/tree")
		f.fill(t, n-n/2, f.name+"/tree/sub")
	}
}

// fill puts n small files into the folder called name. It does so through a
// server of which the folder is the root: a root has no marker.
func (f *folder) fill(t *testing.T, n int, name string) {
	t.Helper()
	remote := f.bucket.direct
	remote.URL += name
	inside := harness.ServeConfig(t, "", remote)
	var wg sync.WaitGroup
	turns := make(chan int)
	for range 16 {
		wg.Go(func() {
			for i := range turns {
				inside.Put(t, fmt.Sprintf("/drive/f%04d", i), []byte("content"))
			}
		})
	}
	for i := range n {
		turns <- i
	}
	close(turns)
	wg.Wait()
}

func file(t *testing.T, f *folder) {
	f.Want(t, []int{201}, "MKCOL", f.path, nil)
	f.Put(t, f.path+"/file", make([]byte, content))
}

func list(t *testing.T, f *folder) { propfind("1", "")(t, f) }

func propfind(depth, name string) func(*testing.T, *folder) {
	return func(t *testing.T, f *folder) { f.Want(t, []int{207}, "PROPFIND", f.path+name, nil, "Depth", depth) }
}

func method(status int, method, name string, header ...string) func(*testing.T, *folder) {
	return func(t *testing.T, f *folder) { f.Want(t, []int{status}, method, f.path+name, nil, header...) }
}

// unmodified asks for a file that the client has; its ETag is learnt past the
// proxy.
func unmodified(t *testing.T, f *folder) {
	etag := f.Want(t, []int{200}, "HEAD", f.path+"/file", nil).Header.Get("ETag")
	f.bucket.reset()
	f.Want(t, []int{304}, "GET", f.path+"/file", nil, "If-None-Match", etag)
}

func deleteVersion(t *testing.T, f *folder) {
	etag := f.Want(t, []int{200}, "HEAD", f.path+"/f0000", nil).Header.Get("ETag")
	f.bucket.reset()
	f.Want(t, []int{204}, "DELETE", f.path+"/f0000", nil, "If-Match", etag)
}

func upload(name string, size int) func(*testing.T, *folder) {
	return func(t *testing.T, f *folder) { f.Put(t, f.path+name, make([]byte, size)) }
}

// probed is do after a first upload in parts, which pays for the probe of
// those.
func probed(do func(*testing.T, *folder)) func(*testing.T, *folder) {
	return func(t *testing.T, f *folder) {
		f.Put(t, "/drive/parts", make([]byte, several))
		f.bucket.reset()
		do(t, f)
	}
}

func uploadPart(t *testing.T, f *folder) { f.Put(t, f.path+"/new", make([]byte, f.store.part)) }

// uploadChunked uploads without a length, as the Finder does.
func uploadChunked(name string, size int64) func(*testing.T, *folder) {
	return func(t *testing.T, f *folder) {
		body := struct{ io.Reader }{bytes.NewReader(make([]byte, size))}
		r, err := f.Try(t, http.MethodPut, f.path+name, body)
		if err != nil || r.Status != http.StatusCreated {
			t.Fatalf("PUT: %d, %v", r.Status, err)
		}
	}
}

func transfer(method, from, to string) func(*testing.T, *folder) {
	return func(t *testing.T, f *folder) {
		f.Want(t, []int{201, 204}, method, f.path+from, nil, "Destination", f.URL+f.path+to)
	}
}

// transferHeld copies or moves the tree while the store holds each copy until
// as many are under way as should be at a time: fewer would wait for ever.
func transferHeld(method string) func(*testing.T, *folder) {
	return func(t *testing.T, f *folder) {
		f.bucket.hold(f.bucket.copy, atATime)
		transfer(method, "/tree/", "/new/")(t, f)
	}
}
