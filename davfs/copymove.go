package davfs

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"

	"sealdav/davfs/locks"
	"sealdav/providers"
)

// copy answers COPY.
func (q *request) copy() error { return q.transfer(false) }

// move answers MOVE.
func (q *request) move() error { return q.transfer(true) }

// transfer answers COPY and MOVE. A source that is missing is told first, and
// nothing is deleted before its replacement stands.
func (q *request) transfer(move bool) error {
	if q.isRoot() || move && q.path == "" {
		return errRootStays
	}
	ctx := q.r.Context()
	n, err := q.tree.lookup(ctx, q.path, q.asDir)
	if err != nil {
		return err
	}
	how, err := q.transferHeaders(move)
	if err != nil {
		return err
	}
	dst, err := q.destination(move)
	if err != nil {
		return err
	}
	if dst.tree.ephemeral && dst.tree != q.tree {
		return errLitter // a file that somebody named so must not be forgotten
	}
	effects := []effect{{on: dst, tree: true, member: true, mayExist: true}}
	if move {
		effects = append(effects, effect{on: q.place, tree: true, member: true})
	}
	if err := q.permit(effects...); err != nil {
		return err
	}
	if err := q.checkWrite(&n); err != nil {
		return err
	}
	how.pinned = !q.conditions().none()
	replaced, err := q.h.locks.Inside(ctx, dst.lockPath())
	if err != nil {
		return err
	}
	if err := q.copyMtime(&n, dst, &how); err != nil {
		return err
	}
	created, err := transferTree(ctx, dst.tree, dst.path, q.tree, n, how)
	if err != nil {
		return err
	}
	q.dropInside(replaced)
	if move {
		q.dropLocks(q.place)
	}
	q.created(created)
	return nil
}

// copyMtime sees to it that the copy of a file shows the time that the request
// tells. That of the source goes along if it was ever set, and with a rename.
func (q *request) copyMtime(n *node, dst place, how *transfer) error {
	t, ok := q.mtime()
	if !ok || n.dir {
		return nil
	}
	q.tree.recall(n)
	_, renames := dst.tree.remote.Bucket.(providers.Renamer)
	same := n.modTime().Unix() == t.Unix()
	if same && (n.attrs != nil && !n.attrs.mtime.IsZero() || how.move && renames && dst.tree == q.tree) {
		q.acceptMtime()
		return nil
	}
	if err := q.tree.examine(q.r.Context(), n); err != nil {
		return err
	}
	attrs := *n.attrs
	attrs.mtime = t
	metadata, err := attrs.metadata(n.obj.Metadata)
	if err != nil {
		return nil // as it is, without the time
	}
	how.replace = &providers.CopyOptions{Replace: true, ContentType: n.obj.ContentType, Metadata: metadata}
	q.acceptMtime()
	return nil
}

// transferHeaders reads Depth and Overwrite, which is T unless it says F; macOS
// sends none with its MOVE and means T.
func (q *request) transferHeaders(move bool) (transfer, error) {
	how := transfer{move: move, overwrite: true}
	infinite, err := q.infinite(!move)
	if err != nil {
		return how, err
	}
	how.shallow = !infinite
	switch v := q.r.Header.Get("Overwrite"); {
	case strings.EqualFold(v, "F"):
		how.overwrite = false
	case v != "" && !strings.EqualFold(v, "T"):
		return how, &statusError{code: http.StatusBadRequest, why: "Overwrite is T or F"}
	}
	return how, nil
}

// dropInside ends the locks on the members of a folder that was replaced. A
// lock on the destination itself stays: who holds it has written a new version
// of what he locked.
func (q *request) dropInside(replaced []locks.Lock) {
	ctx := context.WithoutCancel(q.r.Context())
	for _, l := range replaced {
		if err := q.h.locks.Remove(ctx, l.Root, l.Token); err != nil && !errors.Is(err, locks.ErrNoSuchLock) {
			q.h.log.Warn("a lock on a replaced resource remains until it expires", "method", q.r.Method, "err", err)
		}
	}
}

// destination finds the place that the Destination header names, an absolute
// URL or an absolute path (RFC 4918 section 10.3).
func (q *request) destination(move bool) (place, error) {
	value := q.r.Header.Get("Destination")
	u, err := url.Parse(value)
	if err != nil || value == "" || !strings.HasPrefix(u.Path, "/") || u.Opaque != "" || (u.Host == "") != (u.Scheme == "") {
		return place{}, &statusError{code: http.StatusBadRequest, why: "Destination is neither an absolute URL nor an absolute path"}
	}
	if u.Host != "" && !q.ownHost(u) {
		return place{}, &statusError{code: http.StatusBadGateway, why: "Destination is on another server"}
	}
	p, err := q.resolve(u.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return place{}, errNoRemote
	}
	if err == nil && (p.isRoot() || p.path == "") {
		err = errRootStays
	}
	if err != nil {
		return p, err
	}
	return q.spellDestination(p, move)
}

var errNoRemote = &statusError{code: http.StatusConflict, why: "there is no remote of that name"}

// ownHost reports whether u is on this server. A proxy may have changed Host on
// its way here, and taken TLS off, so schemes are not compared; that decides
// nothing but whether the path of u is looked at.
func (q *request) ownHost(u *url.URL) bool {
	hosts := []string{q.r.Host}
	for _, v := range q.r.Header.Values("X-Forwarded-Host") {
		hosts = append(hosts, strings.Split(v, ",")...)
	}
	if base, err := url.Parse(q.h.baseURL); err == nil {
		hosts = append(hosts, base.Host)
	}
	want := withoutPort(u.Host)
	for _, host := range hosts {
		if host = strings.TrimSpace(host); host != "" && strings.EqualFold(withoutPort(host), want) {
			return true
		}
	}
	return false
}

// withoutPort drops the port that a scheme implies.
func withoutPort(host string) string {
	name, port, err := net.SplitHostPort(host)
	if err == nil && (port == "80" || port == "443") {
		return name
	}
	return host
}
