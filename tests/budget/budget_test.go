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

func TestBudget(t *testing.T) {
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			t.Run("sealed", func(t *testing.T) { s.test(t, harness.NewKey(t).Write()) })
			s.lookBack = 0 // of what would a copy be verified?
			t.Run("plain", func(t *testing.T) { s.test(t, "") })
		})
	}
}

// test counts every row in a bucket with these options.
func (s store) test(t *testing.T, sse string) {
	bucket := s.open(t, sse)
	whole := harness.ServeConfig(t, "", bucket.direct)
	for i, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			f := &folder{Server: whole, another: whole, store: s, bucket: bucket, name: fmt.Sprintf("/row%02d", i)}
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
}

// check compares what came to the store with what should have.
func (c cost) check(t *testing.T, all []request) {
	t.Helper()
	var sent, received int64
	ops := map[string]int{}
	for _, r := range all {
		ops[fmt.Sprintf("%s %d", r.op, r.status)]++
		sent, received = sent+r.sent, received+r.received
	}
	t.Logf("%d requests, of %d: %v", len(all), c.budget, ops)
	if len(all) != c.requests {
		t.Errorf("%d requests, want %d: %v", len(all), c.requests, ops)
	}
	if c.requests > c.budget {
		t.Errorf("%d requests are more than the budget of %d", c.requests, c.budget)
	}
	if sent != c.sent || received < c.received || received > c.received+c.wasted {
		t.Errorf("%d bytes of objects sent to the store and %d received, want %d and %d (and up to %d in vain)",
			sent, received, c.sent, c.received, c.wasted)
	}
}

// folder is the folder of one row, as a server shows it.
type folder struct {
	*harness.Server
	another    *harness.Server // of the same bucket; what it does is not counted
	store      store
	bucket     counted
	name, path string
}

// largeFolder is one folder for all rows that take it, because filling it
// takes its time. The last of them deletes it.
func largeFolder(t *testing.T, f *folder) { f.shared(t, "/large", f.store.large) }

// files is one folder of three files, for all rows that neither add nor remove
// any.
func files(t *testing.T, f *folder) { f.shared(t, "/files", 3) }

// shared has n files in the folder called name, which has no marker.
func (f *folder) shared(t *testing.T, name string, n int) {
	t.Helper()
	f.path = "/drive" + name
	if f.Do(t, "PROPFIND", f.path, nil, "Depth", "0").Status == http.StatusNotFound {
		f.fill(t, n, name)
	}
}

// filesAndMarker puts n files into the folder, which has a marker.
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
	inside := harness.ServeWith(t, harness.Settings{ListCache: "10m", LogLevel: "warn"}, remote)
	inside.Want(t, []int{207}, "PROPFIND", "/drive/", nil, "Depth", "1")
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

// unmodified asks for a file that the client has.
func unmodified(t *testing.T, f *folder) { f.getAgain(t, f.Server, 304, "ETag", "If-None-Match") }

// unchangedSince does so by its time.
func unchangedSince(t *testing.T, f *folder) {
	f.getAgain(t, f.Server, 304, "Last-Modified", "If-Modified-Since")
}

// unchangedUnmet does so where the server has not met the file before.
func unchangedUnmet(t *testing.T, f *folder) {
	f.getAgain(t, f.another, 304, "Last-Modified", "If-Modified-Since")
}

// matched asks for a file on the condition that it is what the client has.
func matched(t *testing.T, f *folder) { f.getAgain(t, f.Server, 200, "ETag", "If-Match") }

// getAgain reads the file on the condition that a HEAD, which goes to a server
// and is not counted, tells.
func (f *folder) getAgain(t *testing.T, head *harness.Server, status int, tells, condition string) {
	t.Helper()
	value := head.Want(t, []int{200}, "HEAD", f.path+"/file", nil).Header.Get(tells)
	f.bucket.reset()
	f.Want(t, []int{status}, "GET", f.path+"/file", nil, condition, value)
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
// those in a sealed remote.
func probed(do func(*testing.T, *folder)) func(*testing.T, *folder) {
	return func(t *testing.T, f *folder) {
		if f.bucket.direct.SSE != "" {
			f.Put(t, "/drive/parts", make([]byte, f.store.part+1))
			f.bucket.reset()
		}
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
		f.bucket.holdCopies(atATime)
		transfer(method, "/tree/", "/new/")(t, f)
	}
}
