package azure

import (
	"io"
	"net/http"

	"sealdav/providers"
)

// lendingTransport takes a request's body back once there is an answer, before
// the SDK sends it again and before its buffer is lent to another upload.
type lendingTransport struct{ http.RoundTripper }

func (t *lendingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return t.RoundTripper.RoundTrip(r)
	}
	var lent []*providers.Lease
	defer func() {
		for _, l := range lent {
			l.Close()
		}
	}()
	lend := func(body io.ReadCloser, err error) (io.ReadCloser, error) {
		l := providers.NewLease(body, r.ContentLength)
		lent = append(lent, l)
		return l, err
	}
	out := r.WithContext(r.Context()) // RoundTrip must not change the request
	out.Body, _ = lend(r.Body, nil)
	if r.GetBody != nil {
		out.GetBody = func() (io.ReadCloser, error) { return lend(r.GetBody()) }
	}
	return t.RoundTripper.RoundTrip(out)
}

// CloseIdleConnections lets http.Client reach the transport below.
func (t *lendingTransport) CloseIdleConnections() {
	if c, ok := t.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
