package davfs

import (
	"io"
	"io/fs"
	"net/http"
)

// mkcol answers MKCOL.
func (q *request) mkcol() error {
	if q.isRoot() {
		return fs.ErrExist
	}
	has, err := q.hasBody()
	if err != nil {
		return err
	}
	if has {
		return &statusError{code: http.StatusUnsupportedMediaType, why: "MKCOL takes no body"}
	}
	if err := q.permit(effect{on: q.place, member: true}); err != nil {
		return err
	}
	if err := q.checkAbsent(); err != nil {
		return err
	}
	if err := q.tree.mkdir(q.r.Context(), q.path); err != nil {
		return err
	}
	q.created(true)
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
