package davfs

import (
	"context"
	"encoding/xml"
	"errors"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"time"

	"sealdav/davfs/locks"
	"sealdav/providers"
)

// How long locks live. Clients refresh theirs at half of what they were
// granted, unless they are asleep meanwhile: a document that is open over
// lunch, or over night, must still be locked afterwards.
const (
	defaultLockTimeout = 10 * time.Minute
	maxLockTimeout     = 24 * time.Hour
)

// maxOwner is how many bytes the owner of a lock may have, as XML. Every
// listing repeats it.
const maxOwner = 4 << 10

// maxOwners is how many bytes of them one answer tells; later owners are left
// out, as RFC 4918 section 15.8 allows.
const maxOwners = 1 << 20

// lock answers LOCK. Where nothing lies yet it makes an empty file (RFC 4918
// section 7.3), but only if the store says for sure that nothing does.
func (q *request) lock() error {
	if q.isRoot() {
		return &statusError{code: http.StatusForbidden, why: "the list of remotes cannot be locked"}
	}
	infinite, err := q.infinite(true)
	if err != nil {
		return err
	}
	root, _, err := readXML(q.body())
	if err != nil {
		return err
	}
	timeout := locks.ParseTimeout(strings.Join(q.r.Header.Values("Timeout"), ","), defaultLockTimeout, maxLockTimeout)
	if root == nil {
		return q.refresh(timeout)
	}
	l, err := lockInfo(root)
	if err != nil {
		return err
	}
	l.Root, l.Infinite, l.User, l.Timeout = q.lockPath(), infinite, q.access.User, timeout
	// A reader could keep all writers out. On a remote that nobody may write a
	// lock does no harm, and Windows hangs without.
	if q.access.ReadOnly {
		return fs.ErrPermission
	}
	switch _, err := q.tree.stat(q.r.Context(), q.path, q.asDir); {
	case err == nil:
		if err := q.permit(); err != nil {
			return err
		}
		return q.grant(l, false)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	case q.asDir:
		return &statusError{code: http.StatusConflict, why: "there is no such folder; make it with MKCOL first"}
	}
	if err := q.permit(effect{on: q.place, member: true}); err != nil {
		return err
	}
	return q.grant(l, true)
}

// grant takes the lock, and makes the file if there is none.
func (q *request) grant(l locks.Lock, unmapped bool) error {
	ctx := q.r.Context()
	l, err := q.h.locks.Create(ctx, l)
	if conflict, ok := errors.AsType[*locks.ConflictError](err); ok {
		return q.lockedError("no-conflicting-lock", conflict.Root)
	}
	if err != nil {
		return err
	}
	code := http.StatusOK
	if unmapped {
		_, _, err := q.tree.put(ctx, q.path, http.NoBody, providers.PutOptions{Condition: providers.Condition{IfAbsent: true}})
		switch {
		case err == nil:
			code = http.StatusCreated
		case !errors.Is(err, providers.ErrPrecondition): // otherwise somebody was faster, and it is there
			_ = q.h.locks.Remove(context.WithoutCancel(ctx), l.Root, l.Token)
			return err
		}
	}
	q.w.Header().Set("Lock-Token", "<"+l.Token+">")
	q.answerLock(code, l)
	return nil
}

// refresh restarts the timeout of a lock whose token the If header submits.
// macOS does so in the midst of its uploads.
func (q *request) refresh(timeout time.Duration) error {
	lists, err := q.ifLists()
	if err != nil {
		return err
	}
	if len(lists) == 0 {
		return &statusError{code: http.StatusBadRequest, why: "LOCK needs a lockinfo body, or an If header with the lock to refresh"}
	}
	if err := q.permit(); err != nil {
		return err
	}
	l, err := q.own(locks.Tokens(lists)...)
	if err != nil {
		return err
	}
	l, err = q.h.locks.Refresh(q.r.Context(), q.lockPath(), l.Token, timeout)
	if errors.Is(err, locks.ErrNoSuchLock) {
		return errTokenElsewhere(http.StatusPreconditionFailed)
	}
	if err != nil {
		return err
	}
	q.answerLock(http.StatusOK, l)
	return nil
}

// own returns the first of the locks with these tokens that covers the
// request's URL and is the user's.
func (q *request) own(tokens ...string) (locks.Lock, error) {
	covering, err := q.h.locks.Covering(q.r.Context(), q.lockPath())
	if err != nil {
		return locks.Lock{}, err
	}
	for _, token := range tokens {
		i := slices.IndexFunc(covering, func(l locks.Lock) bool { return l.Token == token })
		switch {
		case i < 0:
		case !mayUse(covering[i], q.access):
			return locks.Lock{}, &statusError{code: http.StatusForbidden, why: "the lock is another user's"}
		default:
			return covering[i], nil
		}
	}
	return locks.Lock{}, errTokenElsewhere(http.StatusConflict)
}

// errTokenElsewhere: the lock does not cover the request's URL, or has ended.
func errTokenElsewhere(code int) error {
	return &statusError{code: code, condition: "<D:lock-token-matches-request-uri/>"}
}

// unlock answers UNLOCK.
func (q *request) unlock() error {
	token, err := locks.ParseLockToken(q.r.Header.Get("Lock-Token"))
	if err != nil {
		return err
	}
	if err := q.permit(); err != nil {
		return err
	}
	l, err := q.own(token)
	if err != nil {
		return err
	}
	err = q.h.locks.Remove(q.r.Context(), q.lockPath(), l.Token)
	if errors.Is(err, locks.ErrNoSuchLock) {
		return errTokenElsewhere(http.StatusConflict)
	}
	if err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

// answerLock tells the lock. macOS reads its token from the body alone.
func (q *request) answerLock(code int, l locks.Lock) {
	b := append([]byte(nil), `<D:prop xmlns:D="DAV:"><D:lockdiscovery>`...)
	b = q.appendActiveLock(b, l)
	q.answerXML(code, string(b)+"</D:lockdiscovery></D:prop>\n")
}

// lockInfo reads the body of a LOCK.
func lockInfo(root *element) (l locks.Lock, err error) {
	bad := &statusError{code: http.StatusBadRequest, why: "the body is not a lockinfo element for a write lock"}
	if root.name != (xml.Name{Space: nsDAV, Local: "lockinfo"}) {
		return l, bad
	}
	scope, kind := root.child("lockscope"), root.child("locktype")
	if scope == nil || kind == nil || kind.child("write") == nil {
		return l, bad
	}
	l.Shared = scope.child("shared") != nil
	if l.Shared == (scope.child("exclusive") != nil) {
		return l, bad
	}
	if owner := root.child("owner"); owner != nil {
		var b []byte
		for i := range owner.children {
			b = appendElement(b, &owner.children[i])
		}
		l.OwnerXML = strings.TrimSpace(string(b))
	}
	if len(l.OwnerXML) > maxOwner {
		return l, &statusError{code: http.StatusBadRequest, why: "the owner of a lock may have 4 KiB"}
	}
	return l, nil
}
