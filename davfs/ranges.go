package davfs

import (
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"sealdav/providers"
)

// maxRanges is how many parts of a file one request may ask for: each is a
// request to the store. Who asks for more gets the whole, as RFC 9110 section
// 14.2 allows.
const maxRanges = 16

// rangeGap is how far apart two parts may lie, in bytes, to be sent as one: about
// what the headers of a part take (RFC 9110 section 15.3.7.2).
const rangeGap = 128

// parseRanges reads a Range header of two or more ranges of bytes; nil for
// anything else.
func parseRanges(s string) []providers.Range {
	spec, ok := strings.CutPrefix(s, "bytes=")
	if !ok || strings.Count(spec, ",") >= 4*maxRanges {
		return nil
	}
	var ranges []providers.Range
	commas := 0
	for one := range strings.SplitSeq(spec, ",") {
		commas++
		if one = strings.TrimSpace(one); one == "" {
			continue // an empty element of a list is none
		}
		rng, ok := parseRange("bytes=" + one)
		if !ok {
			return nil
		}
		ranges = append(ranges, rng)
	}
	if commas < 2 || len(ranges) == 0 || len(ranges) > maxRanges {
		return nil
	}
	return ranges
}

// span is a part of a file: length bytes from start on, at least one.
type span struct{ start, length int64 }

func (s span) contentRange(size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", s.start, s.start+s.length-1, size)
}

// spans are the ranges as they lie in a file of size bytes, in the order asked
// for. Those behind its end are left out; those that overlap or nearly touch
// are one, in the place of the first of them.
func spans(ranges []providers.Range, size int64) []span {
	var all []span
	for _, rng := range ranges {
		start, length := extent(rng, size)
		if length <= 0 {
			continue
		}
		one := span{start, length}
		at := len(all)
		// One that is added may close the gap between others.
		for i := 0; i < len(all); i++ {
			s := all[i]
			if s.start > one.start+one.length+rangeGap || one.start > s.start+s.length+rangeGap {
				continue
			}
			end := max(s.start+s.length, one.start+one.length)
			one.start = min(s.start, one.start)
			one.length = end - one.start
			at = min(at, i)
			all = slices.Delete(all, i, i+1)
			i = -1
		}
		all = slices.Insert(all, min(at, len(all)), one)
	}
	return all
}

// parts answers GET for several parts of a file: a look at it, and a ranged
// request for each. done is false where the whole is to be sent instead.
func (q *request) parts(ranges []providers.Range) (done bool, err error) {
	n, err := q.current()
	if err != nil {
		return false, err
	}
	if err := q.conditions().evaluate(&n, true); err != nil {
		return false, q.notSent(err, n)
	}
	if ifRange := q.r.Header.Get("If-Range"); n.obj.Size == 0 || ifRange != "" && !unchanged(ifRange, n) {
		return false, nil
	}
	all, total := spans(ranges, n.obj.Size), int64(0)
	for _, s := range all {
		total += s.length
	}
	switch {
	case len(all) == 0:
		q.w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", n.obj.Size))
		return false, &providers.Error{Op: "open", Key: q.path, Kind: providers.ErrRange}
	case total >= n.obj.Size:
		return false, nil
	}
	first, err := q.openSpan(n, all[0])
	if errors.Is(err, providers.ErrPrecondition) {
		return false, nil // it was replaced just now, and is sent as it is
	}
	if err != nil {
		return false, err
	}
	q.fileHeaders(n)
	if len(all) == 1 {
		defer first.Close() //nolint:errcheck // was only read
		q.w.Header().Set("Content-Range", all[0].contentRange(n.obj.Size))
		q.w.Header().Set("Content-Length", strconv.FormatInt(all[0].length, 10))
		q.w.WriteHeader(http.StatusPartialContent)
		return true, q.send(first, all[0].length)
	}
	return true, q.sendParts(n, all, first)
}

// current is the file as it is in the store, whatever a cached listing says.
func (q *request) current() (node, error) {
	n, err := q.tree.stat(q.r.Context(), q.path, q.asDir)
	if kept := n.seen != parentUnknown; err == nil && !n.dir && kept {
		n, err = q.tree.statFile(q.r.Context(), q.path)
	}
	if err == nil && n.dir {
		err = errIsDir
	}
	return n, err
}

// openSpan opens a part of the version that n is.
func (q *request) openSpan(n node, s span) (io.ReadCloser, error) {
	body, _, err := q.tree.open(q.r.Context(), q.path, providers.OpenOptions{
		Range: providers.Range{Offset: s.start, Length: s.length}, IfMatch: n.obj.ETag,
	})
	return body, err
}

// sendParts answers with multipart/byteranges.
func (q *request) sendParts(n node, all []span, first io.ReadCloser) error {
	next := first
	defer func() { next.Close() }() //nolint:errcheck // was only read
	header := q.w.Header()
	kind := header.Get("Content-Type")
	mw := multipart.NewWriter(q.w)
	header.Set("Content-Type", "multipart/byteranges; boundary="+mw.Boundary())
	header.Set("Content-Length", strconv.FormatInt(partsLength(mw.Boundary(), kind, all, n.obj.Size), 10))
	q.w.WriteHeader(http.StatusPartialContent)
	for i, s := range all {
		if i > 0 {
			body, err := q.openSpan(n, s)
			if err != nil {
				return err
			}
			next.Close() //nolint:errcheck // was only read
			next = body
		}
		if _, err := mw.CreatePart(partHeader(kind, s, n.obj.Size)); err != nil {
			return err
		}
		if err := q.send(next, s.length); err != nil {
			return err
		}
	}
	return mw.Close()
}

func partHeader(kind string, s span, size int64) textproto.MIMEHeader {
	return textproto.MIMEHeader{"Content-Range": {s.contentRange(size)}, "Content-Type": {kind}}
}

// partsLength is the length of the body, without its content being read.
func partsLength(boundary, kind string, all []span, size int64) int64 {
	var n counted
	mw := multipart.NewWriter(&n)
	// The boundary is another writer's, and the writer never fails.
	_ = mw.SetBoundary(boundary)
	for _, s := range all {
		_, _ = mw.CreatePart(partHeader(kind, s, size))
		n += counted(s.length)
	}
	_ = mw.Close()
	return int64(n)
}

// counted counts the bytes that are written to it.
type counted int64

func (c *counted) Write(p []byte) (int, error) {
	*c += counted(len(p))
	return len(p), nil
}
