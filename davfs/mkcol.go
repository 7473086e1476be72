package davfs

import "io/fs"

// mkcol answers MKCOL.
func (q *request) mkcol() error {
	if q.isRoot() {
		return fs.ErrExist
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
