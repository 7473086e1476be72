package testserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy stands in front of an S3 server: it records every request and can
// make chosen ones fail. Its S3 is the server as seen through it. The Host
// header goes through unchanged, as signatures cover it.
type Proxy struct {
	*S3

	mu    sync.Mutex
	log   []*exchange
	fault func(*http.Request) *Fault
}

// Request is one request that came through a Proxy.
type Request struct {
	Method string
	Path   string // still escaped
	Query  url.Values
	Header http.Header // holds customer keys: never print it
	// Status is the answer's; 0 while it is under way, or when there is none
	// because the connection was cut.
	Status   int
	Sent     int64 // bytes of the request's body that the client sent
	Received int64 // bytes of the answer's body
	// Framing is how many of the bytes sent are not the content of the object
	// but stand around it, in a whole upload to Cloud Storage; 0 elsewhere.
	Framing int64
}

// Op names the request as the S3 API does, as far as sealdav's requests go:
// "GetObject", "UploadPart".
func (r Request) Op() string {
	_, key, _ := strings.Cut(strings.TrimPrefix(r.Path, "/"), "/")
	has := r.Query.Has
	switch r.Method {
	case http.MethodGet:
		switch {
		case key != "" && has("uploadId"):
			return "ListParts"
		case key != "":
			return "GetObject"
		case has("uploads"):
			return "ListMultipartUploads"
		case has("list-type"):
			return "ListObjectsV2"
		}
	case http.MethodHead:
		if key == "" {
			return "HeadBucket"
		}
		return "HeadObject"
	case http.MethodPut:
		copied := r.Header.Get("X-Amz-Copy-Source") != ""
		switch {
		case has("partNumber") && copied:
			return "UploadPartCopy"
		case has("partNumber"):
			return "UploadPart"
		case copied:
			return "CopyObject"
		case key != "":
			return "PutObject"
		}
	case http.MethodPost:
		switch {
		case has("uploads"):
			return "CreateMultipartUpload"
		case has("uploadId"):
			return "CompleteMultipartUpload"
		case has("delete"):
			return "DeleteObjects"
		}
	case http.MethodDelete:
		if has("uploadId") {
			return "AbortMultipartUpload"
		}
		return "DeleteObject"
	}
	return r.Method + " " + r.Path
}

// Fault is what happens to a request instead of, or on top of, being passed
// on. Its fields combine.
type Fault struct {
	// Wait holds the request until the channel is closed or the client gives
	// up.
	Wait <-chan struct{}
	// Status, if not 0, is answered with an S3 error of the given Code; the
	// server never sees the request.
	Status int
	Code   string
	// CutRequest breaks both connections once that many bytes of the request's
	// body have gone through; CutResponse once that many of the answer's have.
	// 0 does not cut; for "at once" there is Drop.
	CutRequest, CutResponse int64
	// Rate, if not 0, is how many bytes of each body go through in a second, as
	// where the store bounds the rate of a connection.
	Rate int64
	// Drop closes the client's connection without an answer, and without the
	// server seeing the request; DropAnswer once the server has answered.
	Drop, DropAnswer bool
}

// NewProxy starts a proxy in front of s; it ends with the test.
func NewProxy(t testing.TB, s *S3) *Proxy {
	t.Helper()
	upstream, err := url.Parse(s.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	through := *s
	p := &Proxy{S3: &through}
	forward := &httputil.ReverseProxy{
		Transport: s.HTTPClient.Transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = upstream.Scheme, upstream.Host
		},
		ModifyResponse: func(resp *http.Response) error {
			x := resp.Request.Context().Value(exchangeKey{}).(*exchange)
			if x.fault.DropAnswer {
				resp.Body.Close()
				return errCut
			}
			x.status.Store(int64(resp.StatusCode))
			resp.Body = &meter{ReadCloser: resp.Body, n: &x.received, cut: x.fault.CutResponse, rate: x.fault.Rate}
			return nil
		},
		// An error on the way is a broken connection, as it would be without
		// the proxy, not an answer.
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ErrorLog:      log.New(io.Discard, "", 0),
		FlushInterval: -1,
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.serve(w, r, forward) }))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{s.cert.tls}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	through.Endpoint, through.stop = server.URL, nil
	return p
}

func (p *Proxy) serve(w http.ResponseWriter, r *http.Request, forward http.Handler) {
	x := &exchange{request: Request{
		Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.Query(), Header: r.Header.Clone(),
	}}
	p.mu.Lock()
	p.log = append(p.log, x)
	hook := p.fault
	p.mu.Unlock()
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
	if x.fault.Status != 0 {
		x.status.Store(int64(x.fault.Status))
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(x.fault.Status)
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>made to fail by the test</Message></Error>", x.fault.Code)
		return
	}
	if r.Body != http.NoBody {
		r.Body = &meter{ReadCloser: r.Body, n: &x.sent, cut: x.fault.CutRequest, rate: x.fault.Rate}
	}
	forward.ServeHTTP(w, r.WithContext(withExchange(r.Context(), x)))
}

// SetFault has hook decide about each request from now on: nil lets it
// through. Several requests may ask at once. A nil hook ends the faults.
func (p *Proxy) SetFault(hook func(*http.Request) *Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = hook
}

// Requests returns what came through since the start, or the last Reset.
func (p *Proxy) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Request, len(p.log))
	for i, x := range p.log {
		out[i] = x.request
		out[i].Status, out[i].Sent, out[i].Received = int(x.status.Load()), x.sent.Load(), x.received.Load()
	}
	return out
}

// Ops returns the names of the requests, in the order they came.
func (p *Proxy) Ops() []string {
	var ops []string
	for _, r := range p.Requests() {
		ops = append(ops, r.Op())
	}
	return ops
}

// Reset forgets the requests so far.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log = nil
}

// OnOp is a hook for SetFault that gives the nth request (from 1) named op,
// and all later ones where n is 0, the fault f.
func OnOp(op string, n int, f Fault) func(*http.Request) *Fault {
	var seen atomic.Int64
	return func(r *http.Request) *Fault {
		if requestOf(r).Op() != op || n != 0 && seen.Add(1) != int64(n) {
			return nil
		}
		return &f
	}
}

// HoldUntil is a hook for SetFault that holds the requests named op until n of
// them are there, and lets those and all others through then. name is how the
// store names requests: Request.Op, Request.GCSOp, AzureOp.
func HoldUntil(name func(Request) string, op string, n int) func(*http.Request) *Fault {
	var seen atomic.Int64
	all := make(chan struct{})
	return func(r *http.Request) *Fault {
		if name(requestOf(r)) != op {
			return nil
		}
		if seen.Add(1) == int64(n) {
			close(all)
		}
		return &Fault{Wait: all}
	}
}

func requestOf(r *http.Request) Request {
	return Request{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.Query(), Header: r.Header}
}

// errCut is the error of a body that a Fault has cut.
var errCut = errors.New("cut by the test")

// meter counts what is read through it, lets rate bytes through in a second,
// and fails once cut bytes have gone by.
type meter struct {
	io.ReadCloser
	n     *atomic.Int64
	cut   int64
	rate  int64     // 0: as fast as they come
	since time.Time // of the first read
}

func (m *meter) Read(b []byte) (int, error) {
	if m.cut > 0 {
		left := m.cut - m.n.Load()
		if left <= 0 {
			return 0, errCut
		}
		b = b[:min(int64(len(b)), left)]
	}
	n, err := m.ReadCloser.Read(b)
	sum := m.n.Add(int64(n))
	if m.rate > 0 {
		if m.since.IsZero() {
			m.since = time.Now()
		}
		time.Sleep(time.Until(m.since.Add(time.Duration(float64(sum) / float64(m.rate) * float64(time.Second)))))
	}
	return n, err
}

// exchange is a request under way; the counters move while others look.
type exchange struct {
	request        Request
	fault          Fault
	status         atomic.Int64
	sent, received atomic.Int64
	framing        atomic.Int64
}

type exchangeKey struct{}

func withExchange(ctx context.Context, x *exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, x)
}
