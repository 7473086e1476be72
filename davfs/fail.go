package davfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"

	"sealdav/davfs/locks"
	"sealdav/providers"
)

// statusError is an answer that the handler itself has decided on.
type statusError struct {
	code int
	why  string // for the person at the client; may be ""
	// condition is the element of RFC 4918 section 16 that the answer's body
	// names, "" for a body of text. Its content is complete XML.
	condition string
	err       error // the cause, for the log
}

func (e *statusError) Error() string {
	if e.err != nil {
		return http.StatusText(e.code) + ": " + e.err.Error()
	}
	return http.StatusText(e.code) + ": " + e.why
}

func (e *statusError) Unwrap() error { return e.err }

// retryAfter is what a client is told to wait, in seconds, when the store asks
// for a slower pace.
const retryAfter = "5"

// statusOf is Status, and the codes of errors that only the handler meets.
func statusOf(err error) int {
	if e, ok := errors.AsType[*statusError](err); ok {
		return e.code
	}
	if e, ok := errors.AsType[*bodyError](err); ok && errors.Is(e.err, os.ErrDeadlineExceeded) {
		return http.StatusRequestTimeout
	}
	switch {
	case errors.Is(err, locks.ErrBadHeader):
		return http.StatusBadRequest
	case errors.Is(err, locks.ErrLocked), errors.Is(err, locks.ErrNoSuchLock):
		return http.StatusLocked
	case errors.Is(err, locks.ErrTooMany):
		return http.StatusServiceUnavailable
	}
	return Status(err)
}

// explain returns what err has to say to the person at the client, or "".
// Anything else in an error may name hosts, buckets or keys of the store.
func explain(err error) string {
	if e, ok := errors.AsType[*statusError](err); ok {
		return e.why
	}
	if errors.Is(err, locks.ErrBadHeader) {
		return err.Error() // says what is wrong with what the client sent
	}
	for _, plain := range []error{errIsDir, errNotDir, errSame, errOverlap, errLitter} {
		if errors.Is(err, plain) {
			return plain.Error()
		}
	}
	if err == fs.ErrPermission { // bare, it is a tree's; a store's has an advice
		return "this is read-only"
	}
	if why := providers.Advice(err); why != "" {
		return why
	}
	for _, row := range plainly {
		if errors.Is(err, row.kind) {
			return row.why
		}
	}
	if _, ok := errors.AsType[*bodyError](err); ok {
		return "the upload did not arrive whole, and nothing of it was stored; send it again"
	}
	return ""
}

// plainly says what a person can do about errors that have no advice of their
// own.
var plainly = []struct {
	kind error
	why  string
}{
	{errNoParent, errNoParent.Error() + "; make it first"},
	{locks.ErrTooMany, "there are too many locks; those that no client refreshes end by themselves, so try again later"},
	{providers.ErrPrecondition, "what lies there now is not what the request was meant for; look again before you replace it"},
	{providers.ErrUnverified, "the store did not confirm the encryption that this remote asks for; the log of the server says more"},
	{providers.ErrQuota, "the store has no room left; delete something first, or have its quota raised"},
	{providers.ErrThrottled, "the store asks for a slower pace; try again in a moment"},
	{providers.ErrUnavailable, "the store cannot be reached, or failed; try again, and if that does not help look into the log of the server"},
	{providers.ErrKey, "this is sealed with a key that the remote does not have; it is added as --sse-read-c-key"},
}

// fail answers a request that failed.
func (q *request) fail(err error) {
	q.logFailure(err)
	if q.w.began {
		// What the client has so far must not look like the whole.
		panic(http.ErrAbortHandler)
	}
	if e, ok := errors.AsType[*partialError](err); ok {
		q.answerPartial(e)
		return
	}
	header := q.w.Header()
	code := statusOf(err)
	if code == http.StatusMethodNotAllowed {
		header.Set("Allow", allow)
	}
	if errors.Is(err, providers.ErrThrottled) {
		header.Set("Retry-After", retryAfter)
	}
	if e, ok := errors.AsType[*statusError](err); ok && e.condition != "" {
		b := append([]byte(`<D:error xmlns:D="DAV:">`), e.condition...)
		if e.why != "" { // for people; clients pass by what they do not know (RFC 4918 section 17)
			b = append(appendText(append(b, `<message xmlns="`+nsSealdav+`">`...), e.why), "</message>"...)
		}
		q.answerXML(code, string(b)+"</D:error>\n")
		return
	}
	q.answerError(code, explain(err))
}

// logFailure logs an answer that somebody has to look into, and at debug level
// the others. A client that has left is nobody's fault.
func (q *request) logFailure(err error) {
	q.h.log.LogAttrs(q.r.Context(), q.level(err), "request failed", q.attrs(err)...)
}

func (q *request) level(err error) slog.Level {
	gone := q.w.gone || q.r.Context().Err() != nil || errors.Is(err, context.Canceled) || errors.Is(err, os.ErrDeadlineExceeded)
	code := statusOf(err)
	serious := code >= http.StatusInternalServerError || code == http.StatusMultiStatus || errors.Is(err, providers.ErrKey)
	if serious && !gone {
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// attrs describe a failure. Names of files are nobody's business but their
// owner's: they, and errors in full, are for debugging only.
func (q *request) attrs(err error) []slog.Attr {
	attrs := []slog.Attr{slog.String("method", q.r.Method), slog.Int("status", statusOf(err))}
	debug := q.h.log.Enabled(q.r.Context(), slog.LevelDebug)
	if q.tree != nil {
		attrs = append(attrs, slog.String("remote", q.tree.remote.Name))
		if debug {
			attrs = append(attrs, slog.String("path", q.path))
		}
	}
	if debug {
		return append(attrs, slog.Any("err", err))
	}
	return append(attrs, slog.String("err", nameless(err)))
}

// nameless says of an error what an operator has to know, and which file it was
// about not: the texts of stores and systems have names in them.
func nameless(err error) string {
	text := http.StatusText(statusOf(err))
	e, ok := errors.AsType[*providers.Error](err)
	if ok {
		text = e.Op + ": " + e.Kind.Error()
	}
	if why := explain(err); why != "" {
		text += ": " + why
	}
	if p, ok := errors.AsType[*partialError](err); ok && len(p.failures) > 1 {
		text = fmt.Sprintf("%d members failed, the first: %s", len(p.failures), text)
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		text += " (" + op.Error() + ")"
	} else if code, ok := errors.AsType[interface { // what the store calls it
		error
		ErrorCode() string
	}](err); ok {
		text += " (" + code.ErrorCode() + ")"
	}
	return text
}

// answerError answers code with one line of text for a person.
func (q *request) answerError(code int, why string) {
	header := q.w.Header()
	// What was set for an answer that is not given.
	for _, name := range []string{"Cache-Control", "Content-Security-Policy", "Referrer-Policy"} {
		header.Del(name)
	}
	if code == http.StatusNotModified {
		header.Del("Content-Type")
		q.w.WriteHeader(code)
		return
	}
	text := strconv.Itoa(code) + " " + http.StatusText(code)
	if why != "" {
		text += ": " + why
	}
	text += "\n"
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Length", strconv.Itoa(len(text)))
	q.w.WriteHeader(code)
	if q.r.Method != http.MethodHead {
		_, _ = q.w.Write([]byte(text)) // the client has left; nobody to tell
	}
}

// answerXML answers code with a document, XML declaration added.
func (q *request) answerXML(code int, document string) {
	header := q.w.Header()
	header.Set("Content-Type", contentTypeXML)
	header.Set("Content-Length", strconv.Itoa(len(xmlHeader)+len(document)))
	q.w.WriteHeader(code)
	_, _ = q.w.Write([]byte(xmlHeader + document))
}
