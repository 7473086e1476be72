package providers

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"time"
)

// CertificateAdvice says what is wrong with a store's certificate, or "" if
// that is not what an error is about. Trying again does not cure it.
func CertificateAdvice(err error) string {
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		if invalid.Cert != nil && time.Now().Before(invalid.Cert.NotBefore) {
			return "the store's TLS certificate is not valid yet; set the clock of this server, or have the certificate replaced"
		}
		return "the store's TLS certificate has expired; have it renewed, or set the clock of this server if that is wrong"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "the store's TLS certificate is for another host name; set the remote's endpoint to a name that the certificate has"
	}
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, refused := errors.AsType[*tls.CertificateVerificationError](err)
	if unknown || refused {
		return "the store's TLS certificate is not trusted: if it is the right store, name the file of the authority that signed it in the remote's ca_file (or in SSL_CERT_FILE)"
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok || err != nil && strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		return "the store does not speak TLS there; check the port of the remote's endpoint, or whether it is http"
	}
	return ""
}
