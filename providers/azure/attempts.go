package azure

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"sealdav/providers"
)

// attempts follows one write through its retries, for the SDK returns only how
// the last of them ended: an earlier one may have been carried out, and its
// answer lost on the way.
type attempts struct {
	start time.Time
	lost  atomic.Bool // one may have been carried out without a good answer
}

type attemptsKey struct{}

// following returns a context for the requests of one write.
func following(ctx context.Context) (context.Context, *attempts) {
	a := &attempts{start: time.Now()}
	return context.WithValue(ctx, attemptsKey{}, a), a
}

// follow looks at each attempt.
type follow struct{}

// Do implements policy.Policy.
func (follow) Do(req *policy.Request) (*http.Response, error) {
	resp, err := req.Next()
	if a, ok := req.Raw().Context().Value(attemptsKey{}).(*attempts); ok && answerLost(resp, err) {
		a.lost.Store(true)
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
