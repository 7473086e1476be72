package davfs

import (
	"context"
	"net/http"
	"strings"

	"sealdav/providers"
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
	if err := q.tree.removeIf(q.r.Context(), q.path, q.asDir, q.checkDelete); err != nil {
		return err
	}
	q.dropLocks(q.place)
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

var errRootStays = &statusError{code: http.StatusForbidden, why: "remotes come and go in the server's configuration"}

// checkDelete looks at what is to be deleted, and was found in its folder's
// listing, where a header wants that, and says which version it may be. A single
// entity tag is left to the store, unless the listing has another one: then, and
// for all other conditions, the file is looked at and deleted as it was seen.
func (q *request) checkDelete(n *node) (only providers.DeleteOptions, err error) {
	if _, err := q.infinite(false); err != nil && n.dir {
		return only, err
	}
	c := q.conditions()
	if c.none() {
		return only, nil
	}
	if n.dir {
		fresh, err := q.tree.stat(q.r.Context(), n.path, true)
		if err != nil {
			return only, err
		}
		return only, q.checkWrite(&fresh)
	}
	if cond, ok := c.forWrite(); ok && cond.IfMatch != "" && (cond.IfMatch == n.obj.ETag || cond.IfMatch == q.ifTag) {
		return providers.DeleteOptions{IfMatch: cond.IfMatch, Seen: cond.IfMatch == q.ifTag}, nil
	}
	if err := q.checkWrite(n); err != nil || c.anyVersion() {
		return only, err
	}
	return providers.DeleteOptions{IfMatch: n.obj.ETag, Seen: true}, nil
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
