package s3

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

// newHTTPClient makes the client for all requests to one store.
//
// It speaks HTTP/1.1: HTTP/2 puts every transfer through one connection and
// one flow-control window, and runs at half the rate. It follows no redirect
// at all: Go would send the key headers along to any host, and a signature is
// no use there anyway. The SDK reports the redirect as an error.
func newHTTPClient(caFile, caBundle string, log *slog.Logger) (*http.Client, error) {
	roots, err := rootCAs(caFile, caBundle)
	if err != nil {
		return nil, err
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return sendingConn{conn}, nil
		},
		Protocols:             protocols,
		TLSClientConfig:       &tls.Config{RootCAs: roots},
		TLSHandshakeTimeout:   10 * time.Second,
		MaxIdleConns:          0, // MaxIdleConnsPerHost is the bound: there is one host
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
		// Objects that are stored compressed are served as they are.
		DisableCompression: true,
		WriteBufferSize:    64 << 10,
		ReadBufferSize:     64 << 10,
	}
	return &http.Client{
		Transport:     &loggingTransport{next: transport, log: log},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// rootCAs is the system's pool (SSL_CERT_FILE and SSL_CERT_DIR are honoured
// there) and the authorities in the given PEM files; nil is the system's.
func rootCAs(files ...string) (*x509.CertPool, error) {
	var pool *x509.CertPool
	for _, file := range files {
		if file == "" {
			continue
		}
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("s3: certificate authorities: %w", err)
		}
		if pool == nil {
			if pool, err = x509.SystemCertPool(); err != nil {
				pool = x509.NewCertPool()
			}
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("s3: certificate authorities: no PEM certificate in %s", file)
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
