package davfs

import (
	"bytes"
	"crypto/md5" //nolint:gosec // RFC 1864; it finds accidents, not attacks
	"encoding/base64"
	"hash"
	"io"
	"net/http"
	"strings"
)

// checkEncoding refuses a body with a content coding: it would be stored as the
// file, and come back as one (RFC 9110 section 8.4).
func (q *request) checkEncoding() error {
	for _, coding := range strings.Split(strings.Join(q.r.Header.Values("Content-Encoding"), ","), ",") {
		if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") {
			q.w.Header().Set("Accept-Encoding", "identity") // section 12.5.3
			return &statusError{code: http.StatusUnsupportedMediaType, why: "a body with a Content-Encoding is not taken; send the file as it is"}
		}
	}
	return nil
}

// digested is body, or body checked against the Content-MD5 of the request.
func (q *request) digested(body io.Reader) (io.Reader, error) {
	sent := q.r.Header.Values("Content-MD5")
	if len(sent) == 0 {
		return body, nil
	}
	want, err := base64.StdEncoding.DecodeString(strings.TrimSpace(sent[0]))
	if err != nil || len(want) != md5.Size || len(sent) > 1 {
		return nil, &statusError{code: http.StatusBadRequest, why: "the Content-MD5 is not the base64 of 16 bytes"}
	}
	return &digestedBody{r: body, sum: md5.New(), want: want}, nil //nolint:gosec // as above
}

// digestedBody fails at its end if it was not what its sender sent. No store
// makes an object of a body that has failed.
type digestedBody struct {
	r    io.Reader
	sum  hash.Hash
	want []byte
}

func (b *digestedBody) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.sum.Write(p[:n])
	if err == io.EOF && !bytes.Equal(b.sum.Sum(nil), b.want) {
		err = &statusError{code: http.StatusBadRequest, why: "what arrived has not the Content-MD5 that was sent, so nothing was stored; send it again"}
	}
	return n, err
}
