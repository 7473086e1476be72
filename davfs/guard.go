package davfs

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"sealdav/davfs/locks"
)

// effect is what a request is about to do to one resource, and so what the
// locks of others may forbid (RFC 4918 section 7).
type effect struct {
	on   place
	tree bool // everything below on changes too
	// member: on may become or cease to be a member of its folder, which a
	// lock of depth 0 on the folder protects (section 7.4).
	member bool
	// mayExist: on becomes a member only if nothing lies there yet.
	mayExist bool
}

// permit returns nil if the request may have its effects: its If header holds,
// and for every lock in the way it submits the token, or where several share a
// resource the token of one of them. An If header that holds by other means
// than the token does not open a lock. The locks whose tokens were submitted
// are held until the request has ended, however long that takes.
func (q *request) permit(effects ...effect) error {
	err := q.permitOnce(effects)
	if errors.Is(err, locks.ErrNoSuchLock) {
		// A lock has ended after it was found and before it could be held:
		// somebody else may have one by now.
		err = q.permitOnce(effects)
	}
	return err
}

func (q *request) permitOnce(effects []effect) error {
	lists, err := q.ifLists()
	if err != nil {
		return err
	}
	if lists != nil {
		if err := q.evaluateIf(lists); err != nil {
			return err
		}
	}
	q.submitted = locks.Tokens(lists)
	g := guard{q: q, submitted: q.submitted, held: make(map[string]bool)}
	for _, e := range effects {
		if err := g.check(e); err != nil {
			return err
		}
	}
	return nil
}

// permitStill is permit for an effect that was permitted when the request
// began: only locks that were taken since can forbid it. It may be called while
// the store reads the body.
func (q *request) permitStill(e effect) error {
	g := guard{q: q, submitted: q.submitted}
	return g.check(e)
}

// ifLists returns the lists of the If header, nil without one.
func (q *request) ifLists() ([]locks.List, error) {
	values := q.r.Header.Values("If")
	if len(values) == 0 {
		return nil, nil
	}
	return locks.ParseIf(strings.Join(values, " "))
}

// evaluateIf returns an error unless an If header holds. If it does by the
// entity tag of what the request is about, that is the only version to which
// the request may do anything: see conditions.
func (q *request) evaluateIf(lists []locks.List) error {
	state := q.ifState()
	found, own := "", q.lockPath()
	state.ETag = func(path string) (string, error) {
		etag, err := q.currentTag(path)
		if path == own {
			found = etag
		}
		return etag, err
	}
	by, ok, err := locks.Evaluate(lists, own, state)
	if err != nil {
		return err
	}
	if !ok {
		return &statusError{code: http.StatusPreconditionFailed, why: "the If header does not hold"}
	}
	path := own
	if by.Tag != "" {
		path, _ = state.Resolve(by.Tag)
	}
	q.ifTag = ""
	if path == own && slices.ContainsFunc(by.Conditions, func(c locks.Condition) bool { return c.ETag != "" && !c.Not }) {
		q.ifTag = found
	}
	return nil
}

// currentTag is the entity tag of what lies at a lock path, "" where that is no
// file. It is the store's: a listing that was kept may be old.
func (q *request) currentTag(path string) (string, error) {
	t, err := q.resolve(q.h.prefix + path)
	if err != nil || t.tree == nil || t.path == "" || t.tree.absent(t.path) {
		return "", err
	}
	n, err := t.tree.statFile(q.r.Context(), t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return n.obj.ETag, err
}

// ifState answers what the conditions of an If header ask. A tag names one of
// our resources by its path alone: behind a proxy the host in it is not ours.
func (q *request) ifState() locks.State {
	ctx := q.r.Context()
	return locks.State{
		Resolve: func(tag string) (string, bool) {
			u, err := url.Parse(tag)
			if err != nil {
				return "", false
			}
			if u.Path == q.r.URL.Path {
				return q.lockPath(), true
			}
			t, err := q.resolve(u.Path)
			return q.spellCached(t).lockPath(), err == nil
		},
		Tokens: func(path string) ([]string, error) {
			covering, err := q.h.locks.Covering(ctx, path)
			if err != nil {
				return nil, err
			}
			tokens := make([]string, len(covering))
			for i, l := range covering {
				tokens[i] = l.Token
			}
			return tokens, nil
		},
	}
}

// guard checks effects against the locks.
type guard struct {
	q         *request
	submitted []string
	held      map[string]bool // tokens; nil: none is to be held
}

func (g *guard) check(e effect) error {
	ctx, path := g.q.r.Context(), e.on.lockPath()
	covering, err := g.q.h.locks.Covering(ctx, path)
	if err != nil {
		return err
	}
	if err := g.demand(ctx, covering); err != nil {
		return err
	}
	if e.member {
		if err := g.checkFolder(ctx, e, parentOf(path)); err != nil {
			return err
		}
	}
	if e.tree {
		return g.checkInside(ctx, path, covering)
	}
	return nil
}

// checkFolder demands a token for the folder whose member comes or goes.
func (g *guard) checkFolder(ctx context.Context, e effect, folder string) error {
	covering, err := g.q.h.locks.Covering(ctx, folder)
	if err != nil {
		return err
	}
	locked := g.demand(ctx, covering)
	if locked == nil || !e.mayExist {
		return locked
	}
	switch _, err := e.on.tree.stat(ctx, e.on.path, e.on.asDir); {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return locked
	default:
		return err
	}
}

// checkInside demands a token for every locked resource below path.
func (g *guard) checkInside(ctx context.Context, path string, covering []locks.Lock) error {
	inside, err := g.q.h.locks.Inside(ctx, path)
	if err != nil {
		return err
	}
	for _, l := range inside {
		if g.has(l) {
			if err := g.hold(ctx, l); err != nil {
				return err
			}
			continue
		}
		// Another lock shared on the same resource will do.
		on := slices.DeleteFunc(slices.Clone(inside), func(o locks.Lock) bool {
			return o.Root != l.Root && !(o.Infinite && strings.HasPrefix(l.Root, o.Root+"/"))
		})
		for _, o := range covering {
			if o.Infinite {
				on = append(on, o)
			}
		}
		if err := g.demand(ctx, on); err != nil {
			return err
		}
	}
	return nil
}

// demand returns an error unless one of the locks on a resource was submitted.
func (g *guard) demand(ctx context.Context, on []locks.Lock) error {
	if len(on) == 0 {
		return nil
	}
	ok := false
	for _, l := range on {
		if g.has(l) {
			if err := g.hold(ctx, l); err != nil {
				return err
			}
			ok = true
		}
	}
	if ok {
		return nil
	}
	return g.q.lockedError("lock-token-submitted", on[0].Root)
}

// has reports whether the token of l was submitted by who took it.
func (g *guard) has(l locks.Lock) bool {
	return slices.Contains(g.submitted, l.Token) && mayUse(l, g.q.access)
}

// mayUse reports whether the lock l is the user's own. Where users are not
// known the token alone is proof.
func mayUse(l locks.Lock, a Access) bool {
	return l.User == "" || a.User == "" || l.User == a.User
}

// hold keeps a lock from ending before the request does. locks.ErrNoSuchLock
// if it has.
func (g *guard) hold(ctx context.Context, l locks.Lock) error {
	if g.held == nil || g.held[l.Token] {
		return nil
	}
	release, err := g.q.h.locks.Hold(ctx, l.Token)
	if err != nil {
		return err
	}
	g.held[l.Token] = true
	g.q.held = append(g.q.held, release)
	return nil
}

// lockedError is a 423 that names the root of the lock in the way.
func (q *request) lockedError(condition, root string) error {
	b := append([]byte(nil), "<D:"+condition+"><D:href>"...)
	b = q.h.appendLockRoot(b, root)
	b = append(b, "</D:href></D:"+condition+">"...)
	return &statusError{code: http.StatusLocked, why: "locked by another client", condition: string(b)}
}

// parentOf returns the folder of a lock path, "/" for "/".
func parentOf(path string) string {
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		return path[:i]
	}
	return "/"
}
