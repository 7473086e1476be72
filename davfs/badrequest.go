package davfs

import (
	"io"
	"net/http"
	"strings"
)

// takesBody are the methods that a body makes sense for. RFC 4918 section 8.4
// wants one that would be ignored refused: its client expects something of it.
var takesBody = map[string]bool{
	http.MethodPut: true,
	"PROPFIND":     true,
	"PROPPATCH":    true,
	"LOCK":         true,
}

// checkForm refuses requests that cannot be meant, before anything is looked at.
func (q *request) checkForm() error {
	switch depth := q.r.Header.Get("Depth"); {
	case depth == "", depth == "0", depth == "1", strings.EqualFold(depth, "infinity"):
	default:
		return errDepth
	}
	if takesBody[q.r.Method] {
		return nil
	}
	has, err := q.hasBody()
	if err != nil {
		return err
	}
	if has {
		return &statusError{code: http.StatusUnsupportedMediaType, why: q.r.Method + " takes no body"}
	}
	return nil
}

// hasBody reports whether the request has a body of at least a byte.
func (q *request) hasBody() (bool, error) {
	if q.r.ContentLength >= 0 {
		return q.r.ContentLength > 0, nil
	}
	_, err := io.ReadFull(q.body(), make([]byte, 1))
	if err == io.EOF {
		return false, nil
	}
	if err != nil {
		return false, &bodyError{err}
	}
	return true, nil
}
