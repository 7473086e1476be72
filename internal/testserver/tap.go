package testserver

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
)

// tap records the requests that pass, and makes chosen ones fail.
type tap struct {
	tapMu sync.Mutex
	log   []*exchange
	fault func(*http.Request) *Fault
}

// enter notes a request and lets it suffer the part of its fault that comes
// before an answer. It returns the request to serve, which counts its body.
func (p *tap) enter(r *http.Request) (*http.Request, *exchange) {
	x := &exchange{request: Request{
		Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.Query(), Header: r.Header.Clone(),
	}}
	p.tapMu.Lock()
	p.log = append(p.log, x)
	hook := p.fault
	p.tapMu.Unlock()
	if hook != nil {
		if f := hook(r); f != nil {
			x.fault = *f
		}
	}
	if x.fault.Wait != nil {
		select {
		case <-x.fault.Wait:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	if x.fault.Drop {
		panic(http.ErrAbortHandler)
	}
	if r.Body != http.NoBody {
		r.Body = &meter{ReadCloser: r.Body, n: &x.sent, cut: x.fault.CutRequest}
	}
	return r.WithContext(withExchange(r.Context(), x)), x
}

// SetFault has hook decide about each request from now on: nil lets it
// through. Several requests may ask at once. A nil hook ends the faults.
func (p *tap) SetFault(hook func(*http.Request) *Fault) {
	p.tapMu.Lock()
	defer p.tapMu.Unlock()
	p.fault = hook
}

// Requests returns what came through since the start, or the last Reset.
func (p *tap) Requests() []Request {
	p.tapMu.Lock()
	defer p.tapMu.Unlock()
	out := make([]Request, len(p.log))
	for i, x := range p.log {
		out[i] = x.request
		out[i].Status, out[i].Sent, out[i].Received = int(x.status.Load()), x.sent.Load(), x.received.Load()
		out[i].Framing = x.framing.Load()
	}
	return out
}

// Reset forgets the requests so far.
func (p *tap) Reset() {
	p.tapMu.Lock()
	defer p.tapMu.Unlock()
	p.log = nil
}

// counted is a response writer that notes the status and counts the body, and
// cuts it where the fault says so.
type counted struct {
	http.ResponseWriter
	x *exchange
}

func (w counted) WriteHeader(status int) {
	w.x.status.Store(int64(status))
	w.ResponseWriter.WriteHeader(status)
}

func (w counted) Write(p []byte) (int, error) {
	w.x.status.CompareAndSwap(0, http.StatusOK)
	cut := w.x.fault.CutResponse
	if left := cut - w.x.received.Load(); cut > 0 && int64(len(p)) > left {
		n, _ := w.ResponseWriter.Write(p[:max(left, 0)])
		w.x.received.Add(int64(n))
		if f, ok := w.ResponseWriter.(http.Flusher); ok {
			f.Flush()
		}
		panic(http.ErrAbortHandler)
	}
	// Counted first: who has the bytes may look at the count.
	w.x.received.Add(int64(len(p)))
	n, err := w.ResponseWriter.Write(p)
	w.x.received.Add(int64(n - len(p)))
	return n, err
}

// serveTLS starts a server with a certificate.
func serveTLS(server *httptest.Server, cert *certificate) {
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert.tls}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
}
