package davfs

import (
	"errors"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"time"

	"sealdav/providers"
)

// put answers PUT. Everything that can refuse it comes before the first byte of
// the body is read, so that a client that waits for 100 Continue sends nothing
// in vain. The body goes straight to the store, which keeps the old object
// until the new one is complete.
func (q *request) put() error {
	if q.isRoot() || q.asDir {
		return errIsDir
	}
	if q.r.Header.Get("Content-Range") != "" {
		return &statusError{code: http.StatusBadRequest, why: "a part of a file cannot be written, only the whole"}
	}
	if err := q.checkEncoding(); err != nil {
		return err
	}
	content, err := q.digested(q.body())
	if err != nil {
		return err
	}
	write := effect{on: q.place, member: true, mayExist: true}
	if err := q.permit(write); err != nil {
		return err
	}
	cond, err := q.writeCondition()
	if err != nil {
		return err
	}
	body := &guardedBody{Reader: content, permit: func() error { return q.permitStill(write) }}
	n, created, err := q.tree.put(q.r.Context(), q.path, body, providers.PutOptions{
		Condition:   cond,
		Size:        q.r.ContentLength, // -1, SizeUnknown, where it is chunked
		ContentType: bodyType(q.r.Header.Get("Content-Type")),
		Metadata:    q.sentMtime(),
	})
	if body.denied != nil {
		return body.denied
	}
	if err != nil {
		return err
	}
	q.acceptMtime()
	header := q.w.Header()
	if n.obj.ETag != "" {
		header.Set("ETag", n.obj.ETag)
	}
	if !n.modTime().IsZero() {
		header.Set("Last-Modified", n.modTime().UTC().Format(http.TimeFormat))
	}
	q.created(created)
	return nil
}

// guardedBody asks at its end, before the store makes a file of it, whether it
// may still be one: while it arrived somebody may have locked the file, and must
// not see it change after that.
type guardedBody struct {
	io.Reader
	permit func() error
	denied error
}

func (b *guardedBody) Read(p []byte) (int, error) {
	if b.denied != nil {
		return 0, b.denied
	}
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		if b.denied = b.permit(); b.denied != nil {
			err = b.denied
		}
	}
	return n, err
}

// created answers 201 or, for what was there before, 204.
func (q *request) created(created bool) {
	if created {
		q.w.Header().Set("Content-Length", "0")
		q.w.WriteHeader(http.StatusCreated)
		return
	}
	q.w.WriteHeader(http.StatusNoContent)
}

// headerMtime tells with a file when it was last changed, in seconds since
// 1970. ownCloud's clients and rclone send it.
const headerMtime = "X-OC-Mtime"

// mtime is the time that the request tells with the file.
func (q *request) mtime() (time.Time, bool) {
	t, ok := parseSeconds(q.r.Header.Get(headerMtime))
	return t, ok && t.Unix() >= 0
}

// sentMtime is the user metadata that says so.
func (q *request) sentMtime() map[string]string {
	if t, ok := q.mtime(); ok {
		return map[string]string{metaMtime: formatSeconds(t)}
	}
	return nil
}

// acceptMtime tells the client that its time is kept.
func (q *request) acceptMtime() {
	if _, ok := q.mtime(); ok {
		q.w.Header()[headerMtime] = []string{"accepted"}
	}
}

// writeCondition hands the conditions of the request to the store. Those that
// no store takes are evaluated here, and the write is then bound to what was
// seen: nobody can slip in between.
func (q *request) writeCondition() (providers.Condition, error) {
	c := q.conditions()
	if cond, ok := c.forWrite(); ok {
		return cond, nil
	}
	n, err := q.tree.statFile(q.r.Context(), q.path)
	if errors.Is(err, fs.ErrNotExist) {
		return providers.Condition{IfAbsent: true}, c.evaluate(nil, false)
	}
	if err != nil {
		return providers.Condition{}, err
	}
	return providers.Condition{IfMatch: n.obj.ETag}, c.evaluate(&n, false)
}

// bodyType is the content type that a client has given a file. What libraries
// send for want of something better counts as none: the file's name tells more.
func bodyType(header string) string {
	t, _, err := mime.ParseMediaType(header)
	if err != nil || len(header) > 255 || t == "application/octet-stream" || t == "application/x-www-form-urlencoded" {
		return ""
	}
	return header
}
