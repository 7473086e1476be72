package budget

import "testing"

// row is an operation and what it costs.
type row struct {
	name string
	// seed makes what the operation needs, past the proxy.
	seed func(t *testing.T, f *folder)
	// warm has the folder listed first, within the time that listings are kept.
	warm bool
	do   func(t *testing.T, f *folder)
	want price
}

// cost is what an operation costs at the store.
type cost struct {
	requests int // exactly
	budget   int // what it may cost, by docs/design.md and what the store exceeds it by
	// sent and received are bytes of the objects' contents, exactly.
	sent, received int64
	// wasted is how many more may be received, because they were on their way
	// when it was settled that nobody wants them.
	wasted int64
}

// price is what an operation costs at a store.
type price func(store) cost

// of is n requests, of a budget that is the same at every store.
func of(n, budget int) price {
	return func(store) cost { return cost{requests: n, budget: budget} }
}

// copying is of, and what the verification of copies takes.
func copying(copies, n, budget int) price {
	return func(s store) cost {
		extra := copies * s.lookBack
		return cost{requests: n + extra, budget: budget + extra}
	}
}

// sent is p with that many bytes of objects sent.
func (p price) sent(bytes int64) price {
	return func(s store) cost {
		c := p(s)
		c.sent = bytes
		return c
	}
}

// received is p with that many bytes of objects received.
func (p price) received(bytes int64) price {
	return func(s store) cost {
		c := p(s)
		c.received = bytes
		return c
	}
}

// wasting is p with up to that many bytes of objects received in vain.
func (p price) wasting(bytes int64) price {
	return func(s store) cost {
		c := p(s)
		c.wasted = bytes
		return c
	}
}

const (
	copied  = 260        // members of a tree that is copied and moved: two batches on Azure
	content = 100_000    // bytes of a file
	several = 32<<20 + 1 // of an upload in three parts
	atATime = 32         // copies of a tree
	longAgo = "Sun, 06 Nov 1994 08:49:37 GMT"
)

// ceil is a/b, rounded up.
func ceil(a, b int) int { return (a + b - 1) / b }

// rows begin with those of the large folder, which the last of them deletes:
// the stores for tests are slow with all that comes while it is there.
var rows = []row{
	{"PROPFIND depth 1", largeFolder, false, list, func(s store) cost { return cost{requests: s.pages(s.large), budget: s.pages(s.large) + 1} }},
	{"PROPFIND depth 1, warm", largeFolder, true, list, of(0, 0)},
	{"PUT into a large folder", largeFolder, false, upload("/new", content), of(3, 3).sent(content)},
	{"MOVE of a file within a large folder", largeFolder, false, transfer("MOVE", "/f0000", "/new"), copying(1, 4, 4)},
	{"DELETE of a tree", largeFolder, false, method(204, "DELETE", "/"),
		func(s store) cost {
			n := s.pages(s.large) + s.batches(s.large)
			return cost{requests: n, budget: n + 2}
		}},

	{"PROPFIND depth 0 of a file", files, false, propfind("0", "/f0000"), of(1, 1)},
	{"PROPFIND depth 0 of a file, warm", files, true, propfind("0", "/f0000"), of(0, 0)},
	{"PROPFIND depth 0 of a folder", files, false, propfind("0", ""), of(2, 2)},
	{"PROPFIND depth 0 of a folder, named as one", files, false, propfind("0", "/"), of(1, 2)},
	{"PROPFIND depth 0 of a folder, warm", files, true, propfind("0", ""), of(0, 0)},

	{"GET", file, false, method(200, "GET", "/file"), of(1, 1).received(content)},
	{"GET, warm", file, true, method(200, "GET", "/file"), of(1, 1).received(content)},
	{"GET of a range", file, false, method(206, "GET", "/file", "Range", "bytes=1000-1999"), of(1, 1).received(1000)},
	{"GET of a range, warm", file, true, method(206, "GET", "/file", "Range", "bytes=1000-1999"), of(1, 1).received(1000)},
	{"GET of the last bytes", file, false, method(206, "GET", "/file", "Range", "bytes=-10"), price(lastBytes).received(10)},
	{"GET of the last bytes, warm", file, true, method(206, "GET", "/file", "Range", "bytes=-10"), price(lastBytes).received(10)},
	{"HEAD", file, false, method(200, "HEAD", "/file"), of(1, 1)},
	{"HEAD, warm", file, true, method(200, "HEAD", "/file"), of(1, 1)},
	{"GET answered 304", file, false, unmodified, of(1, 1)},
	{"GET answered 304, warm", file, true, unmodified, of(1, 1)},
	{"GET answered 412", file, false, method(412, "GET", "/file", "If-Match", `"1"`), of(1, 1)},
	{"GET answered 412, warm", file, true, method(412, "GET", "/file", "If-Match", `"1"`), of(1, 1)},
	{"GET answered 304 by a time", file, false, unchangedSince, of(1, 1)},
	{"GET answered 304 by a time that was not known", file, false, unchangedUnmet, of(1, 1).wasting(content)},
	{"GET answered 412 by a time", file, false, method(412, "GET", "/file", "If-Unmodified-Since", longAgo), of(1, 1).wasting(content)},
	{"GET of what is still the same", file, false, matched, of(1, 1).received(content)},
	{"GET of what has changed", file, false, method(200, "GET", "/file", "If-None-Match", `"1"`), of(1, 1).received(content)},
	{"GET of what has changed, by a time", file, false, method(200, "GET", "/file", "If-Modified-Since", longAgo), of(1, 1).received(content)},
	{"GET of a missing name", file, false, method(404, "GET", "/missing"), of(2, 2)},
	{"GET of a missing name, warm", file, true, method(404, "GET", "/missing"), of(0, 0)},

	{"PUT", file, false, upload("/new", content), of(2, 3).sent(content)},
	{"PUT, warm", file, true, upload("/new", content), of(1, 1).sent(content)},
	{"PUT over a file", file, false, upload("/file", content), of(2, 3).sent(content)},
	{"PUT over a file, warm", file, true, upload("/file", content), of(1, 1).sent(content)},
	{"PUT of one part, warm", file, true, uploadPart,
		func(s store) cost { return cost{requests: 1, budget: 1, sent: int64(s.part)} }},
	{"PUT of several parts, warm", file, true, probed(upload("/new", several)), price(parts).sent(several)},
	{"PUT of several parts in chunks, warm", file, true, probed(uploadChunked("/new", several)), price(parts).sent(several)},

	{"MKCOL", file, false, method(201, "MKCOL", "/new"), of(2, 3)},
	{"MKCOL, warm", file, true, method(201, "MKCOL", "/new"), of(1, 2)},
	{"COPY of a file", file, false, transfer("COPY", "/file", "/new"), copying(1, 2, 3)},
	{"COPY of a file, warm", file, true, transfer("COPY", "/file", "/new"), copying(1, 1, 3)},
	{"COPY over a file", files, false, transfer("COPY", "/f0000", "/f0001"), copying(1, 2, 3)},
	{"MOVE of a file", file, false, transfer("MOVE", "/file", "/new"), copying(1, 3, 4)},
	{"MOVE of a file, warm", file, true, transfer("MOVE", "/file", "/new"), copying(1, 2, 4)},
	{"COPY of a tree", inFolder(copied), false, transferHeld("COPY"),
		func(s store) cost {
			n := s.pages(copied) + copied*(1+s.lookBack)
			return cost{requests: n + 1, budget: n + 3}
		}},
	{"MOVE of a tree", inFolder(copied), false, transferHeld("MOVE"),
		func(s store) cost {
			n := s.pages(copied) + copied*(1+s.lookBack) + s.batches(copied)
			return cost{requests: n + 1, budget: n + 3}
		}},
	{"DELETE of a file", filesAndMarker(3), false, method(204, "DELETE", "/f0000"), of(2, 2)},
	{"DELETE of a file, warm", filesAndMarker(3), true, method(204, "DELETE", "/f0000"), of(1, 2)},
	{"DELETE of a version", filesAndMarker(3), false, deleteVersion, undecided(2)},
	{"DELETE of a version, warm", filesAndMarker(3), true, deleteVersion, undecided(1)},
}

// lastBytes is a GET of a range that is counted from the end.
func lastBytes(s store) cost { return cost{requests: 1 + s.sizeFirst, budget: 1 + s.sizeFirst} }

// undecided is n requests, and one where the store does not decide the condition
// of a deletion.
func undecided(n int) func(store) cost {
	return func(s store) cost { return cost{requests: n + s.undecided, budget: 2 + s.undecided} }
}

// parts is a warm PUT of several parts.
func parts(s store) cost {
	n := ceil(several, s.part)
	return cost{requests: s.around + n, budget: 2 + n}
}
