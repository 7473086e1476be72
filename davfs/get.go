package davfs

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"sealdav/davfs/browse"
	"sealdav/providers"
)

// get answers GET and HEAD. A file costs one request to the store. A folder is
// a page for a browser, at its URL with and without the slash at the end:
// macOS and Windows do not follow a redirect.
func (q *request) get() error {
	if err := q.permit(); err != nil {
		return err
	}
	if q.isRoot() || q.path == "" {
		return q.index()
	}
	if q.asDir {
		if err := q.index(); !errors.Is(err, errNotDir) {
			return err
		}
	}
	serve := q.file
	if q.r.Method == http.MethodHead {
		serve = q.head
	}
	if err := serve(); !errors.Is(err, errIsDir) {
		return err
	}
	return q.index()
}

// head answers HEAD for a file with the headers of GET, and like GET from the
// store: a listing that was kept may be old, and does not know content types.
func (q *request) head() error {
	n, err := q.current()
	if err != nil {
		return err
	}
	if err := q.conditions().evaluate(&n, true); err != nil {
		return q.notSent(err, n)
	}
	if err := providers.MayOpen(q.tree.remote.Bucket, n.obj); err != nil {
		return err // as GET would
	}
	q.fileHeaders(n)
	q.w.Header().Set("Content-Length", strconv.FormatInt(n.obj.Size, 10))
	q.w.WriteHeader(http.StatusOK)
	return nil
}

// file answers GET for a file.
func (q *request) file() error {
	ctx := q.r.Context()
	if ranges := parseRanges(q.r.Header.Get("Range")); ranges != nil {
		if done, err := q.parts(ranges); done || err != nil {
			return err
		}
	}
	c := q.conditions()
	opts, ok := c.forOpen()
	if !ok {
		n, err := q.current()
		if err != nil {
			return err
		}
		if err := c.evaluate(&n, true); err != nil {
			return q.notSent(err, n)
		}
		opts = providers.OpenOptions{}
	}
	if !c.modifiedSince.IsZero() && c.unmodifiedSince.IsZero() && opts.IfNoneMatch == "" {
		// The version that is known to be older, if it is still there, need
		// not be opened.
		opts.IfNoneMatch = q.tree.unmodified(q.path, c.modifiedSince)
	}
	var ranged bool
	opts.Range, ranged = parseRange(q.r.Header.Get("Range"))
	content, n, err := q.tree.open(ctx, q.path, opts)
	if ranged {
		content, n, ranged, err = q.settleRange(ctx, opts, content, n, err)
	}
	if err != nil {
		return q.notSent(err, node{obj: providers.Object{ETag: opts.IfNoneMatch}})
	}
	defer content.Close()
	if err := c.onDates().evaluate(&n, true); err != nil {
		return q.notSent(err, n)
	}
	start, length := int64(0), n.obj.Size
	if ranged {
		start, length = extent(opts.Range, n.obj.Size)
	}
	q.fileHeaders(n)
	header := q.w.Header()
	header.Set("Content-Length", strconv.FormatInt(length, 10))
	if ranged {
		header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, start+length-1, n.obj.Size))
		q.w.WriteHeader(http.StatusPartialContent)
	} else {
		q.w.WriteHeader(http.StatusOK)
	}
	return q.send(content, length)
}

// settleRange decides what a ranged open has come to. If-Range asks for the
// whole when the file is no longer the one that the client has a part of; that
// shows in the answer, and costs another request only then. ranged says whether
// a part is to be sent.
func (q *request) settleRange(ctx context.Context, opts providers.OpenOptions, content io.ReadCloser, n node, openErr error) (io.ReadCloser, node, bool, error) {
	ifRange := q.r.Header.Get("If-Range")
	unsatisfiable := errors.Is(openErr, providers.ErrRange)
	if openErr != nil && !unsatisfiable {
		return nil, n, false, openErr
	}
	if !unsatisfiable && n.obj.Size > 0 && (ifRange == "" || unchanged(ifRange, n)) {
		return content, n, true, nil
	}
	// An empty file has no part to send, so that is sent whole too.
	if !unsatisfiable && opts.Range == (providers.Range{}) {
		return content, n, false, nil
	}
	if !unsatisfiable {
		content.Close()
	}
	opts.Range = providers.Range{}
	if unsatisfiable {
		n, err := q.tree.statFile(ctx, q.path)
		if err == nil {
			err = q.conditions().onDates().evaluate(&n, true)
		}
		if err != nil {
			return nil, n, false, err
		}
		if n.obj.Size > 0 && (ifRange == "" || unchanged(ifRange, n)) {
			q.w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", n.obj.Size))
			return nil, n, false, openErr
		}
	}
	content, n, err := q.tree.open(ctx, q.path, opts)
	return content, n, false, err
}

// unchanged evaluates If-Range, a strong entity tag or exactly the date of
// Last-Modified (RFC 9110 section 13.1.5).
func unchanged(ifRange string, n node) bool {
	if strings.HasPrefix(ifRange, `"`) {
		return ifRange == n.obj.ETag
	}
	t, err := http.ParseTime(ifRange)
	return err == nil && t.Unix() == n.modTime().Unix()
}

// notSent passes on why a file is not sent; a 304 tells the ETag it is about.
func (q *request) notSent(err error, n node) error {
	if errors.Is(err, providers.ErrNotModified) && n.obj.ETag != "" {
		q.w.Header().Set("ETag", n.obj.ETag)
	}
	return err
}

// fileHeaders sets what GET, HEAD and 206 have in common. Files come from
// people: what a browser would run of them runs in a sandbox, without the
// credentials of this origin. PDF is left out, because Chrome shows none in a
// sandbox and has one of its own for it.
func (q *request) fileHeaders(n node) {
	header := q.w.Header()
	header.Set("Content-Type", contentType(n))
	if contentType(n) != "application/pdf" {
		header.Set("Content-Security-Policy", "sandbox")
	}
	header.Set("Accept-Ranges", "bytes")
	header.Set("Cache-Control", "private, no-cache")
	header.Set("X-Content-Type-Options", "nosniff")
	if n.obj.ETag != "" {
		header.Set("ETag", n.obj.ETag)
	}
	if !n.modTime().IsZero() {
		header.Set("Last-Modified", n.modTime().UTC().Format(http.TimeFormat))
	}
}

// parseRange reads a Range header of one range of bytes (RFC 9110 section
// 14.1.2); see parseRanges for several. Everything else is ignored, as section
// 14.2 allows: other units and bad syntax.
func parseRange(s string) (rng providers.Range, ok bool) {
	spec, ok := strings.CutPrefix(s, "bytes=")
	if !ok {
		return rng, false
	}
	first, last, ok := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok || first == "" && last == "" {
		return rng, false
	}
	a, okFirst := parseOffset(first)
	b, okLast := parseOffset(last)
	switch {
	case !okFirst || !okLast || first != "" && last != "" && b < a:
		return rng, false
	case first == "" && b == 0:
		// The last no bytes: no file has them.
		return providers.Range{Offset: math.MaxInt64}, true
	case first == "":
		return providers.Range{Offset: -b}, true
	case last == "" || b == math.MaxInt64:
		return providers.Range{Offset: a}, true
	}
	return providers.Range{Offset: a, Length: b - a + 1}, true
}

// parseOffset reads digits, "" as 0; more than an int64 holds is its maximum,
// which lies behind the end of everything.
func parseOffset(digits string) (int64, bool) {
	if strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(cmp.Or(digits, "0"), 10, 64)
	if err != nil {
		return math.MaxInt64, true
	}
	return n, true
}

// extent is where rng lies in a file of size bytes, which it does.
func extent(rng providers.Range, size int64) (start, length int64) {
	start = rng.Offset
	if start < 0 {
		start = max(0, size+start)
	}
	length = size - start
	if rng.Length > 0 {
		length = min(length, rng.Length)
	}
	return start, length
}

// copyBuffers are large because each Read may be a decrypted package and each
// Write a system call.
var copyBuffers = sync.Pool{New: func() any { return new([256 << 10]byte) }}

// send copies length bytes of content to the client. Whatever goes wrong after
// the header is an error here, and breaks the connection: a file that was cut
// must not look whole.
func (q *request) send(content io.Reader, length int64) error {
	buf := copyBuffers.Get().(*[256 << 10]byte)
	defer copyBuffers.Put(buf)
	// Nothing but Write is shown of the client's side: its ReadFrom would use a
	// small buffer of its own.
	n, err := io.CopyBuffer(struct{ io.Writer }{q.w}, content, buf[:])
	if err == nil && n != length {
		err = fmt.Errorf("store sent %d bytes of %d: %w", n, length, io.ErrUnexpectedEOF)
	}
	return err
}

// index answers GET and HEAD for a folder with a page. It is streamed through
// a buffer, so that a failure of the first page of the listing has a status.
func (q *request) index() error {
	header := q.w.Header()
	if q.r.Method == http.MethodHead {
		if !q.isRoot() {
			n, err := q.tree.stat(q.r.Context(), q.path, q.asDir)
			if err != nil {
				return err
			}
			if !n.dir {
				return errNotDir
			}
		}
		browse.SetHeaders(header)
		q.w.WriteHeader(http.StatusOK)
		return nil
	}
	var failed error
	out := bufio.NewWriterSize(q.w, flushAt)
	browse.SetHeaders(header)
	err := browse.Render(out, browse.Page{Crumbs: q.crumbs(), Entries: q.entries(&failed)})
	if err = cmp.Or(failed, err); err == nil {
		err = out.Flush()
	}
	return err
}

// crumbs are the folders from the root to this one.
func (q *request) crumbs() []browse.Crumb {
	link := func(name string, t *tree, path string) browse.Crumb {
		return browse.Crumb{Name: name, Href: string(q.h.appendHref(nil, t, path, true))}
	}
	crumbs := []browse.Crumb{link("", nil, "")}
	if q.isRoot() {
		return crumbs
	}
	crumbs = append(crumbs, link(q.tree.remote.Name, q.tree, ""))
	for i, c := range q.path + "/" {
		if c == '/' && q.path != "" {
			_, name := splitPath(q.path[:i])
			crumbs = append(crumbs, link(name, q.tree, q.path[:i]))
		}
	}
	return crumbs
}

// entries are the members of the folder. An error ends them and is left in
// failed.
func (q *request) entries(failed *error) iter.Seq[browse.Entry] {
	return func(yield func(browse.Entry) bool) {
		if q.isRoot() {
			for _, t := range q.h.forest.visible(q.r.Context()) {
				if !yield(browse.Entry{Name: t.remote.Name, Dir: true, Href: string(q.h.appendHref(nil, t, "", true))}) {
					return
				}
			}
			return
		}
		for n, err := range q.tree.children(q.r.Context(), q.path) {
			if err != nil {
				*failed = err
				return
			}
			q.tree.recall(&n)
			_, name := splitPath(n.path)
			e := browse.Entry{Name: name, Dir: n.dir, Size: n.obj.Size, ModTime: n.modTime(),
				Href: string(q.h.appendHref(nil, q.tree, n.path, n.dir))}
			if !n.dir {
				e.Encryption = encryptionText(n.obj.Encryption)
			}
			if !yield(e) {
				return
			}
		}
	}
}

// encryptionText says for a person how a file lies in the store, "" where that
// is not known.
func encryptionText(e providers.Encryption) string {
	text := cmp.Or(encryptionNames[e.Mode], e.Mode)
	if e.Key != "" {
		text += " (" + e.Key + ")"
	}
	return text
}

var encryptionNames = map[string]string{
	providers.ModeSSE:      "key of the store",
	providers.ModeKMS:      "AWS KMS",
	providers.ModeDSSE:     "AWS KMS, two layers",
	providers.ModeCMEK:     "Google Cloud KMS",
	providers.ModeCustomer: "customer key",
	providers.ModeScope:    "encryption scope",
}
