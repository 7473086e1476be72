package davfs

import (
	"context"
	"net/http"
	"strings"
)

// delete answers DELETE. Members of a folder that could not be deleted are told
// in a 207, and what they lie in stays.
func (q *request) delete() error {
	if q.isRoot() {
		return errRootStays
	}
	if err := q.permit(effect{on: q.place, tree: true, member: true}); err != nil {
		return err
	}
	if err := q.checkDelete(); err != nil {
		return err
	}
	if err := q.tree.remove(q.r.Context(), q.path, q.asDir); err != nil {
		return err
	}
	q.dropLocks(q.place)
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

var errRootStays = &statusError{code: http.StatusForbidden, why: "remotes come and go in the server's configuration"}

// checkDelete looks at what is to be deleted, where a header wants that.
func (q *request) checkDelete() error {
	_, depthErr := q.infinite(false)
	c := q.conditions()
	if depthErr == nil && c.none() {
		return nil
	}
	n, err := q.tree.stat(q.r.Context(), q.path, q.asDir)
	if err != nil {
		return err
	}
	if n.dir && depthErr != nil {
		return depthErr
	}
	return q.checkWrite(&n)
}

// dropLocks ends the locks of what is gone. Should that fail, they expire; the
// answer is about the resource.
func (q *request) dropLocks(p place) {
	ctx := context.WithoutCancel(q.r.Context())
	if err := q.h.locks.RemoveTree(ctx, p.lockPath()); err != nil {
		q.h.log.Warn("locks of a deleted resource remain until they expire", "method", q.r.Method, "remote", p.tree.remote.Name, "err", err)
	}
}

// infinite reads a Depth header that may be absent, infinity or, if zero
// allows, 0.
func (q *request) infinite(zero bool) (bool, error) {
	switch depth := q.r.Header.Get("Depth"); {
	case depth == "" || strings.EqualFold(depth, "infinity"):
		return true, nil
	case depth == "0" && zero:
		return false, nil
	}
	return false, errDepth
}
