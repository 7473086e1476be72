package bench

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"testing"

	"sealdav/internal/testserver"
	"sealdav/tests/harness"
)

// The pass-through is this test's binary in another role: plain HTTP in, TLS to
// the store out, and nothing else. It is what a server in sealdav's place can
// reach at best.
const (
	roleListen = "SEALDAV_BENCH_PASS_LISTEN"
	roleStore  = "SEALDAV_BENCH_PASS_STORE"
	roleCA     = "SEALDAV_BENCH_PASS_CA"
)

func TestMain(m *testing.M) {
	if addr := os.Getenv(roleListen); addr != "" {
		fmt.Fprintln(os.Stderr, passThrough(addr, os.Getenv(roleStore), os.Getenv(roleCA)))
		os.Exit(1)
	}
	harness.Main(m)
}

func passThrough(addr, store, caFile string) error {
	upstream, err := url.Parse(store)
	if err != nil {
		return err
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return http.ListenAndServe(addr, &httputil.ReverseProxy{
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots}, Protocols: protocols, MaxIdleConnsPerHost: 64,
			DisableCompression: true, ReadBufferSize: 64 << 10, WriteBufferSize: 64 << 10,
		},
		Rewrite:    func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = upstream.Scheme, upstream.Host },
		BufferPool: &pool{sync.Pool{New: func() any { return new([256 << 10]byte) }}},
		ErrorLog:   log.New(io.Discard, "", 0),
	})
}

type pool struct{ sync.Pool }

func (p *pool) Get() []byte  { return p.Pool.Get().(*[256 << 10]byte)[:] }
func (p *pool) Put(b []byte) { p.Pool.Put((*[256 << 10]byte)(b)) }

func startPassThrough(b *testing.B, store *testserver.S3) (*testserver.Process, string) {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	addr := freeAddr(b)
	env := []string{roleListen + "=" + addr, roleStore + "=" + store.Endpoint, roleCA + "=" + store.CAFile}
	return launch(b, self, nil, env, addr), "http://" + addr
}
