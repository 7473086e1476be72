package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// writeCert writes a certificate for name and its key into dir.
func writeCert(t *testing.T, dir, name string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der},
		keyFile:  {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func TestTLS(t *testing.T) {
	cert, key := writeCert(t, t.TempDir(), "dav")
	s := start(t, Options{Handler: whoami, CertFile: cert, KeyFile: key})
	resp := s.do(t, "GET", "/", "", nil)
	if resp.StatusCode != 200 || resp.TLS == nil || resp.TLS.PeerCertificates[0].Subject.CommonName != "dav" {
		t.Errorf("status %d, TLS %+v", resp.StatusCode, resp.TLS)
	}
	if resp.ProtoMajor != 1 {
		t.Errorf("HTTP/%d was spoken", resp.ProtoMajor)
	}
	// A client of plain http is told so, and not served.
	resp, err := http.Get("http" + s.URL()[len("https"):])
	if err == nil {
		_ = resp.Body.Close()
		if resp.StatusCode != 400 {
			t.Errorf("plain http: %d", resp.StatusCode)
		}
	}
	if _, err := tls.Dial("tcp", s.listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		t.Error("TLS 1.1 was spoken")
	}
}

func TestCertificateIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := writeCert(t, dir, "first")
	c, err := loadCertificates(certFile, keyFile, discard())
	if err != nil {
		t.Fatal(err)
	}
	c.recheck = 0
	name := func() string {
		t.Helper()
		cert, err := c.get(nil)
		if err != nil {
			t.Fatal(err)
		}
		return cert.Leaf.Subject.CommonName
	}
	if got := name(); got != "first" {
		t.Fatalf("certificate of %s", got)
	}
	// Half of a renewal: the new certificate beside the old key.
	old, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	writeCert(t, dir, "second")
	renewed, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	write := func(file string, data []byte, age time.Duration) {
		t.Helper()
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	write(keyFile, old, 2*time.Minute)
	if got := name(); got != "first" {
		t.Errorf("with half a renewal the certificate is of %s", got)
	}
	write(keyFile, renewed, time.Minute)
	if got := name(); got != "second" {
		t.Errorf("after a renewal the certificate is of %s", got)
	}
	if err := os.Remove(certFile); err != nil {
		t.Fatal(err)
	}
	if got := name(); got != "second" {
		t.Errorf("without its file the certificate is of %s", got)
	}
}
