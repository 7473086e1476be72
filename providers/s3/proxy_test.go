package s3_test

import (
	"crypto/tls"
	"encoding/pem"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"sealdav/internal/testserver"
)

// proxy stands between a bucket and its store, behind TLS of its own. It notes
// every request by the name of its operation, and a test may answer some
// itself.
type proxy struct {
	testserver.S3 // as the store, at another address

	// mute takes what it says of encryption out of every answer.
	mute atomic.Bool

	forward http.Handler // to the store

	mu     sync.Mutex
	ops    []string
	answer func(w http.ResponseWriter, r *http.Request, op string) bool
}

// newProxy starts a proxy. answer may be nil; it returns whether it has
// answered the request.
func newProxy(t testing.TB, store *testserver.S3, answer func(w http.ResponseWriter, r *http.Request, op string) bool) *proxy {
	t.Helper()
	p := &proxy{S3: *store, answer: answer}
	target, err := url.Parse(store.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	p.forward = &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host }, // it is signed
		Transport: store.HTTPClient.Transport,
		ErrorLog:  log.New(io.Discard, "", 0), // tests cut connections
		ModifyResponse: func(r *http.Response) error {
			if p.mute.Load() {
				maps.DeleteFunc(r.Header, func(name string, _ []string) bool {
					return strings.HasPrefix(name, "X-Amz-Server-Side-Encryption")
				})
			}
			return nil
		},
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		op := operation(r)
		p.mu.Lock()
		p.ops = append(p.ops, op)
		p.mu.Unlock()
		if p.answer != nil && p.answer(w, r, op) {
			return
		}
		p.forward.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	p.Endpoint, p.CAFile = server.URL, certFile(t, server)
	return p
}

// certFile is the file of a server's certificate.
func certFile(t testing.TB, server *httptest.Server) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// operation names a request as S3 does.
func operation(r *http.Request) string {
	q := r.URL.Query()
	switch copying := r.Header.Get("X-Amz-Copy-Source") != ""; {
	case q.Has("list-type"):
		return "List"
	case q.Has("uploads"):
		return "Create"
	case q.Has("partNumber") && copying:
		return "PartCopy"
	case q.Has("partNumber"):
		return "Part"
	case q.Has("uploadId") && r.Method == http.MethodDelete:
		return "Abort"
	case q.Has("uploadId"):
		return "Complete"
	case q.Has("delete"):
		return "DeleteBatch"
	case copying:
		return "Copy"
	}
	return map[string]string{"HEAD": "Head", "GET": "Get", "PUT": "Put", "DELETE": "Delete"}[r.Method]
}

// take returns the operations since the last call, in alphabetical order.
func (p *proxy) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	ops := p.ops
	p.ops = nil
	slices.Sort(ops)
	return ops
}

// fake is a server that answers everything itself.
func fake(t testing.TB, handler http.HandlerFunc) *testserver.S3 {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	return &testserver.S3{Endpoint: server.URL, Region: "us-east-1", AccessKey: "a", SecretKey: "s", CAFile: certFile(t, server)}
}

// refuse answers with an error of S3.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = w.Write([]byte("<Error><Code>" + code + "</Code><Message>" + message + "</Message></Error>"))
}
