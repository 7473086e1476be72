package azure

import (
	"errors"
	"net"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"sealdav/providers"
)

// follow looks at each attempt.
type follow struct{}

// Do implements policy.Policy.
func (follow) Do(req *policy.Request) (*http.Response, error) {
	resp, err := req.Next()
	if a, ok := providers.AttemptsOf(req.Raw().Context()); ok && answerLost(resp, err) {
		a.Lost.Store(true)
	}
	if providers.CertificateAdvice(err) != "" {
		err = errCertificate{err}
	}
	return resp, err
}

// errCertificate is not cured by trying again.
type errCertificate struct{ error }

func (e errCertificate) Unwrap() error { return e.error }

// NonRetriable tells the SDK so.
func (errCertificate) NonRetriable() {}

// answerLost reports whether an attempt may have been carried out although
// nothing says so: it was sent, and no answer says that it was refused.
func answerLost(resp *http.Response, err error) bool {
	if err == nil {
		return resp.StatusCode >= 500
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return false
	}
	return providers.CertificateAdvice(err) == ""
}
