package testserver

import (
	"crypto/tls"
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
)

// Azure is Azurite behind TLS and behind a proxy that enforces what Azure
// documents of encryption and Azurite ignores: it notes the SHA-256 of the
// customer key, or the encryption scope, of each blob and each staged block,
// compares it on every read, commit and copy, answers the documented 409s, and
// tells it in answers and listings. It also stands in for Put Blob From URL,
// which Azurite does not have.
//
// This proves that sealdav sends the right headers with the right requests,
// reads the answers, and handles the errors as they are documented. It does
// not prove that anything is encrypted, that the errors look as documented
// (above all those about the source of a copy, of which little is written),
// or how Azure throttles: only a real account can.
//
// Requests go on unchanged, Host and all: the x-ms- headers are signed.
type Azure struct {
	Endpoint string // https://127.0.0.1:PORT/ACCOUNT
	Account  string
	Key      string // the account's, base64
	CAFile   string
	Scope    string // an encryption scope the account has
	// HTTPClient trusts the CA.
	HTTPClient *http.Client

	server  *azurite
	forward http.Handler
	state   *azureState

	mu       sync.Mutex
	log      []*exchange
	fault    func(*http.Request) *Fault
	sealed   map[string]bool // containers that demand encryption
	offences []string
	quirks   AzureQuirks
}

// AzureQuirks are ways in which a proxy behaves unlike Azure, to see what a
// client makes of it.
type AzureQuirks struct {
	// Ignores takes no notice of encryption headers, as Azurite does.
	Ignores bool
	// EchoesOnly tells of keys in its answers, and enforces none.
	EchoesOnly bool
	// NoCopyFromURL answers 501 to Put Blob From URL and Put Block From URL.
	NoCopyFromURL bool
	// NoSourceKey refuses the source key of a copy, as service versions before
	// 2026-02-06 do.
	NoSourceKey bool
	// NoBatch answers 501 to batches.
	NoBatch bool
	// Hierarchical refuses to delete a blob that has others below it, as an
	// account with a hierarchical namespace does.
	Hierarchical bool
	// Pretends is the operation (PutBlob, PutBlockList, PutBlobFromURL) that
	// stores without its key and answers as if it had heeded it.
	Pretends string
	// PageSize, if not 0, is how many entries a page of a listing has at most,
	// as Azure may always give fewer than it is asked for.
	PageSize int
	// ETag, if not nil, is what the answers to writes have in place of the
	// blob's own; "" is none.
	ETag *string
}

// NewAzure starts a proxy in front of the binary's shared Azurite; it ends
// with the test.
func NewAzure(t testing.TB) *Azure {
	t.Helper()
	a := sharedAzurite(t)
	upstream, err := url.Parse(a.endpoint)
	if err != nil {
		t.Fatal(err)
	}
	p := &Azure{
		Account: a.account, Key: a.key, CAFile: a.cert.caFile, Scope: "test-scope",
		HTTPClient: a.cert.client(), server: a, state: newAzureState(), sealed: map[string]bool{},
	}
	p.forward = &httputil.ReverseProxy{
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = upstream.Scheme, upstream.Host
			r.Out.Host = r.In.Host
		},
		ModifyResponse: p.answered,
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ErrorLog:       log.New(io.Discard, "", 0),
		FlushInterval:  -1,
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(p.serve))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{a.cert.tls}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		for _, o := range p.Offences() {
			t.Errorf("%v: %s", errNoKey, o)
		}
	})
	p.Endpoint = server.URL + "/" + a.account
	return p
}

// Seal has every write to a container carry a customer key or a scope from now
// on. One that does not fails the test.
func (p *Azure) Seal(container string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sealed[container] = true
}

// SetQuirks changes how the proxy behaves.
func (p *Azure) SetQuirks(q AzureQuirks) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.quirks = q
}

func (p *Azure) quirk() AzureQuirks {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.quirks
}

// Offences returns the requests that lacked a key, and forgets them.
func (p *Azure) Offences() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.offences
	p.offences = nil
	return o
}

// SetFault has hook decide about each request from now on, as Proxy.SetFault.
func (p *Azure) SetFault(hook func(*http.Request) *Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = hook
}

// Requests returns what came through since the start, or the last Reset.
func (p *Azure) Requests() []Request {
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
func (p *Azure) Ops() []string {
	var ops []string
	for _, r := range p.Requests() {
		ops = append(ops, AzureOp(r))
	}
	return ops
}

// Reset forgets the requests so far.
func (p *Azure) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log = nil
}

// OnAzureOp is OnOp for the operations of AzureOp.
func OnAzureOp(op string, n int, f Fault) func(*http.Request) *Fault {
	var seen atomic.Int64
	return func(r *http.Request) *Fault {
		if azureOp(r.Method, r.URL, r.Header) != op || n != 0 && seen.Add(1) != int64(n) {
			return nil
		}
		return &f
	}
}

// AzureOp names a request as Azure's documentation does, without blanks:
// "GetBlob", "PutBlockList".
func AzureOp(r Request) string {
	return azureOp(r.Method, &url.URL{Path: r.Path, RawQuery: r.Query.Encode()}, r.Header)
}

func azureOp(method string, u *url.URL, h http.Header) string {
	q := u.Query()
	_, blob := blobOf(u)
	fromURL := ""
	if h.Get("X-Ms-Copy-Source") != "" {
		fromURL = "FromURL"
	}
	switch comp := q.Get("comp"); {
	case method == http.MethodPost && comp == "batch":
		return "Batch"
	case blob == "" && comp == "list":
		return "ListBlobs"
	case blob == "":
		return method + " container"
	case method == http.MethodGet && comp == "":
		return "GetBlob"
	case method == http.MethodHead && comp == "":
		return "GetBlobProperties"
	case method == http.MethodDelete:
		return "DeleteBlob"
	case method == http.MethodPut && comp == "":
		return "PutBlob" + fromURL
	case method == http.MethodPut && comp == "block":
		return "PutBlock" + fromURL
	case method == http.MethodPut && comp == "blocklist":
		return "PutBlockList"
	default:
		return method + " " + comp
	}
}

// blobOf splits /ACCOUNT/CONTAINER/BLOB.
func blobOf(u *url.URL) (container, blob string) {
	parts := strings.SplitN(strings.TrimPrefix(u.Path, "/"), "/", 3)
	if len(parts) > 1 {
		container = parts[1]
	}
	if len(parts) > 2 {
		blob = parts[2]
	}
	return container, blob
}

func (p *Azure) serve(w http.ResponseWriter, r *http.Request) {
	x := &exchange{request: Request{
		Method: r.Method, Path: r.URL.Path, Query: r.URL.Query(), Header: r.Header.Clone(),
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
		azureError(w, x.fault.Status, x.fault.Code, "made to fail by the test")
		return
	}
	if r.Body != http.NoBody {
		r.Body = &meter{ReadCloser: r.Body, n: &x.sent, cut: x.fault.CutRequest}
	}
	p.enforce(&statusWriter{w, x}, r.WithContext(withExchange(r.Context(), x)))
}

// statusWriter notes the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	x *exchange
}

func (w *statusWriter) WriteHeader(status int) {
	w.x.status.Store(int64(status))
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets the reverse proxy flush.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// azureError answers as Azure does; HEAD has its code in the header only.
func azureError(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("X-Ms-Error-Code", code)
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="utf-8"?><Error><Code>%s</Code><Message>%s</Message></Error>`, code, message)
}
