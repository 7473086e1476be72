package s3_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sealdav/internal/testserver"
	"sealdav/providers"
	"sealdav/sse"
)

// TestCertificates: a certificate that is not accepted is said to be one, and
// is not a store that does not answer.
func TestCertificates(t *testing.T) {
	now := time.Now()
	for _, tc := range []struct {
		name     string
		from, to time.Time
		host     string
		trust    bool
		plain    bool
		advice   string
	}{
		{name: "not trusted", from: now.Add(-time.Hour), to: now.Add(time.Hour), host: "127.0.0.1", advice: "ca_file"},
		{name: "expired", from: now.Add(-2 * time.Hour), to: now.Add(-time.Hour), host: "127.0.0.1", trust: true, advice: "expired"},
		{name: "not valid yet", from: now.Add(time.Hour), to: now.Add(2 * time.Hour), host: "127.0.0.1", trust: true, advice: "not valid yet"},
		{name: "another host", from: now.Add(-time.Hour), to: now.Add(time.Hour), host: "localhost", trust: true, advice: "another host name"},
		{name: "no TLS", host: "127.0.0.1", plain: true, advice: "does not speak TLS"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			caFile := ""
			if tc.plain {
				server.Start()
			} else {
				cert := selfSigned(t, tc.from, tc.to)
				server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
				server.StartTLS()
				if tc.trust {
					caFile = filepath.Join(t.TempDir(), "ca.pem")
					if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			t.Cleanup(server.Close)
			_, port, err := net.SplitHostPort(server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			store := &testserver.S3{Endpoint: "https://" + tc.host + ":" + port, Region: "us-east-1", AccessKey: "a", SecretKey: "s", CAFile: caFile}
			_, err = open(t, config(store, "b", sse.Settings{})).Stat(t.Context(), "k")
			if !errors.Is(err, providers.ErrUnavailable) || !strings.Contains(providers.Advice(err), tc.advice) || strings.Contains(providers.Advice(err), "did not answer") {
				t.Errorf("got %v, want advice with %q", err, tc.advice)
			}
		})
	}
}

// selfSigned is a certificate for 127.0.0.1.
func selfSigned(t *testing.T, from, to time.Time) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: from, NotAfter: to, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
