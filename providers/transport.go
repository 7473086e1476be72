package providers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"
)

// ClientOptions describe the HTTP client of a provider.
type ClientOptions struct {
	// CAFiles are the PEM files of authorities trusted beside the system's
	// (SSL_CERT_FILE and SSL_CERT_DIR are honoured there); "" is none.
	CAFiles []string
	// AnswerTimeout bounds the wait for an answer after a request was sent; 0:
	// the provider sees to that itself.
	AnswerTimeout time.Duration
	// Wrap, if not nil, puts a transport of the provider's before the network.
	Wrap func(http.RoundTripper) http.RoundTripper
	Log  *slog.Logger
}

// NewHTTPClient makes the client for all requests to one store.
//
// It speaks HTTP/1.1: HTTP/2 puts every transfer through one connection and
// one flow-control window, and runs at half the rate. It follows no redirect
// at all: Go would send the key headers along to any host, and a signature is
// no use there anyway.
func NewHTTPClient(o ClientOptions) (*http.Client, error) {
	roots, err := rootCAs(o.CAFiles)
	if err != nil {
		return nil, err
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	var transport http.RoundTripper = &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return storeConn{conn}, nil
		},
		Protocols:             protocols,
		TLSClientConfig:       &tls.Config{RootCAs: roots},
		TLSHandshakeTimeout:   10 * time.Second,
		MaxIdleConns:          0, // MaxIdleConnsPerHost is the bound: there is one host
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
		ResponseHeaderTimeout: o.AnswerTimeout,
		// Objects that are stored compressed are served as they are.
		DisableCompression: true,
		WriteBufferSize:    64 << 10,
		ReadBufferSize:     16 << 10, // what TLS gives at a time
	}
	if o.Wrap != nil {
		transport = o.Wrap(transport)
	}
	return &http.Client{
		Transport:     &loggingTransport{next: transport, log: o.Log},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// sendPatience is how long a connection may take nothing of what is sent.
const sendPatience = time.Minute

// storeConn fails when the other side takes nothing for a while. Reading ahead
// of TLS, which asks for a record of 16 KiB at a time, was measured not to pay.
type storeConn struct{ net.Conn }

func (c storeConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(sendPatience)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// Loopback reports whether what is sent to a host, a name or an address without
// a port, stays on this machine.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// rootCAs is the system's pool and the authorities in the given PEM files; nil
// is the system's.
func rootCAs(files []string) (*x509.CertPool, error) {
	var pool *x509.CertPool
	for _, file := range files {
		if file == "" {
			continue
		}
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("certificate authorities: %w", err)
		}
		if pool == nil {
			if pool, err = x509.SystemCertPool(); err != nil {
				pool = x509.NewCertPool()
			}
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("certificate authorities: no PEM certificate in %s", file)
		}
	}
	return pool, nil
}

// loggingTransport notes each request at debug level: never its headers, which
// hold keys and signatures, nor its query.
type loggingTransport struct {
	next http.RoundTripper
	log  *slog.Logger
}

func (t *loggingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	if !t.log.Enabled(ctx, slog.LevelDebug) {
		return t.next.RoundTrip(r)
	}
	start := time.Now()
	resp, err := t.next.RoundTrip(r)
	attrs := []slog.Attr{slog.String("op", r.Method), slog.String("key", r.URL.Path), slog.Duration("dur", time.Since(start))}
	if err != nil {
		attrs = append(attrs, slog.Any("err", err))
	} else {
		attrs = append(attrs, slog.Int("status", resp.StatusCode))
	}
	t.log.LogAttrs(ctx, slog.LevelDebug, "store request", attrs...)
	return resp, err
}

// CloseIdleConnections lets http.Client reach the transport below.
func (t *loggingTransport) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
