package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// observe counts the requests under way, writes the access log, and keeps a
// panic from passing by unseen.
func (s *Server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.running.RLock()
		defer s.running.RUnlock()
		seen := &observed{ResponseWriter: w}
		note := new(note)
		body := &countedBody{ReadCloser: r.Body}
		r = r.WithContext(context.WithValue(r.Context(), noteKey{}, note))
		if r.Body != http.NoBody {
			r.Body = body
		}
		start := time.Now()
		defer func() {
			p := recover()
			aborted := p != nil
			if p != nil && !isAbort(p) {
				// The value and the stack, but nothing of the request: its
				// header holds a password.
				s.log.Error("panic", "method", r.Method, "value", fmt.Sprint(p), "stack", string(debug.Stack()))
				if seen.status == 0 {
					http.Error(seen, "Internal error; the server's log says more.", http.StatusInternalServerError)
					aborted = false
				}
			}
			if s.opts.AccessLog {
				s.access(r, seen, body, note, time.Since(start), aborted)
			}
			if aborted {
				panic(http.ErrAbortHandler) // breaks the connection
			}
		}()
		next.ServeHTTP(seen, r)
	})
}

func isAbort(p any) bool {
	err, ok := p.(error)
	return ok && errors.Is(err, http.ErrAbortHandler)
}

// access logs one request. The path is for debugging only: names of files are
// nobody's business but their owner's.
func (s *Server) access(r *http.Request, w *observed, body *countedBody, n *note, dur time.Duration, aborted bool) {
	status := w.status
	if status == 0 {
		status = http.StatusOK // what net/http sends for a handler that sends nothing
	}
	attrs := []slog.Attr{
		slog.String("method", r.Method),
		slog.Int("status", status),
		slog.Duration("dur", dur),
		slog.Int64("in", body.n.Load()),
		slog.Int64("out", w.n),
		slog.String("client", clientIP(r)),
	}
	if remote := s.remote(r.URL.Path); remote != "" {
		attrs = append(attrs, slog.String("remote", remote))
	}
	if n.user != "" {
		attrs = append(attrs, slog.String("user", n.user))
	}
	if aborted {
		attrs = append(attrs, slog.Bool("aborted", true))
	}
	if s.log.Enabled(r.Context(), slog.LevelDebug) {
		attrs = append(attrs, slog.String("path", r.URL.Path))
	}
	s.log.LogAttrs(r.Context(), slog.LevelInfo, "request", attrs...)
}

// remote is the name of the remote that a path is in, or "".
func (s *Server) remote(path string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(path, s.opts.Prefix+"/"), "/")
	if slices.Contains(s.opts.Remotes, name) {
		return name
	}
	return ""
}

func clientIP(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}

// note is what a handler further in learns for the access log.
type note struct{ user string }

type noteKey struct{}

// noteUser tells the access log who makes the request.
func noteUser(ctx context.Context, name string) {
	if n, ok := ctx.Value(noteKey{}).(*note); ok {
		n.user = name
	}
}

// countedBody counts what is read of a request's body. The transport may still
// read it while the request is logged.
type countedBody struct {
	io.ReadCloser
	n atomic.Int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	return n, err
}

// observed is a ResponseWriter that notes status and length.
type observed struct {
	http.ResponseWriter
	status int
	n      int64
}

func (o *observed) WriteHeader(status int) {
	if o.status == 0 && status >= 200 { // 1xx come before the answer
		o.status = status
	}
	o.ResponseWriter.WriteHeader(status)
}

func (o *observed) Write(p []byte) (int, error) {
	o.wrote()
	n, err := o.ResponseWriter.Write(p)
	o.n += int64(n)
	return n, err
}

// ReadFrom hands a copy on to net/http's own.
func (o *observed) ReadFrom(r io.Reader) (int64, error) {
	o.wrote()
	n, err := io.Copy(o.ResponseWriter, r)
	o.n += n
	return n, err
}

func (o *observed) wrote() {
	if o.status == 0 {
		o.status = http.StatusOK
	}
}

// Flush implements http.Flusher for those who do not ask a ResponseController.
func (o *observed) Flush() { _ = http.NewResponseController(o.ResponseWriter).Flush() }

// Unwrap lets http.ResponseController through.
func (o *observed) Unwrap() http.ResponseWriter { return o.ResponseWriter }
