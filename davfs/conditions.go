package davfs

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"sealdav/providers"
)

// conditions are the conditional headers of RFC 9110 section 13, those left
// out that another of them overrides (section 13.2.2). Single conditions are
// handed to the store, which decides them in the same request as it reads or
// writes; the others are evaluated here.
type conditions struct {
	match, noneMatch               tagList
	modifiedSince, unmodifiedSince time.Time
}

// tagList is the value of If-Match or If-None-Match.
type tagList struct {
	present bool
	any     bool // "*"
	tags    []string
}

func (q *request) conditions() conditions {
	header := q.r.Header
	c := conditions{match: parseTags(header, "If-Match"), noneMatch: parseTags(header, "If-None-Match")}
	if len(c.match.tags) > 0 && q.tree != nil {
		// A client may know the file by a tag that it had before one of its
		// properties was changed.
		former, now := q.tree.formerTags(q.path)
		for i, tag := range c.match.tags {
			if slices.Contains(former, tag) {
				c.match.tags[i] = now
			}
		}
	}
	if !c.match.present {
		c.unmodifiedSince = parseDate(header, "If-Unmodified-Since")
	}
	if q.ifTag != "" && (!c.match.present || c.match.any) {
		// What makes an If header hold must still be so when the store acts.
		c.match = tagList{present: true, tags: []string{q.ifTag}}
	}
	if !c.noneMatch.present && (q.r.Method == http.MethodGet || q.r.Method == http.MethodHead) {
		c.modifiedSince = parseDate(header, "If-Modified-Since")
	}
	return c
}

// parseTags reads a list of entity tags. What is not one matches nothing.
func parseTags(header http.Header, name string) tagList {
	values := header.Values(name)
	if len(values) == 0 {
		return tagList{}
	}
	rest := strings.TrimSpace(strings.Join(values, ","))
	if rest == "*" {
		return tagList{present: true, any: true}
	}
	l := tagList{present: true}
	for rest != "" {
		opaque := strings.TrimPrefix(rest, "W/")
		if !strings.HasPrefix(opaque, `"`) {
			return l
		}
		end := strings.IndexByte(opaque[1:], '"')
		if end < 0 {
			return l
		}
		n := len(rest) - len(opaque) + end + 2
		l.tags = append(l.tags, rest[:n])
		rest = strings.TrimLeft(rest[n:], " \t,")
	}
	return l
}

// parseDate returns the time of a header, zero where it is none: RFC 9110
// wants an invalid date ignored.
func parseDate(header http.Header, name string) time.Time {
	t, err := http.ParseTime(header.Get(name))
	if err != nil {
		return time.Time{}
	}
	return t
}

func (c conditions) none() bool {
	return !c.match.present && !c.noneMatch.present && c.modifiedSince.IsZero() && c.unmodifiedSince.IsZero()
}

// single returns the one strong tag of the list.
func (l tagList) single() (tag string, ok bool) {
	if l.any || len(l.tags) != 1 || strings.HasPrefix(l.tags[0], "W/") {
		return "", false
	}
	return l.tags[0], true
}

// forOpen returns the conditions on entity tags as a store takes them, false
// if it cannot. Those on dates are about the time that clients are told, which
// a store does not know: they wait for the object.
func (c conditions) forOpen() (opts providers.OpenOptions, ok bool) {
	if c.match.any {
		opts.IfMatch = "*"
	} else if c.match.present {
		if opts.IfMatch, ok = c.match.single(); !ok {
			return opts, false
		}
	}
	if c.noneMatch.present {
		if !c.unmodifiedSince.IsZero() {
			return opts, false // which comes first
		}
		// A weak tag matches its strong one here (RFC 9110 section 13.1.2).
		if c.noneMatch.any || len(c.noneMatch.tags) != 1 {
			return opts, false
		}
		opts.IfNoneMatch = strings.TrimPrefix(c.noneMatch.tags[0], "W/")
	}
	return opts, true
}

// forWrite returns the conditions as a store takes them, false if it cannot.
func (c conditions) forWrite() (cond providers.Condition, ok bool) {
	switch {
	case c.none():
		return cond, true
	case !c.unmodifiedSince.IsZero():
		return cond, false
	case c.match.present && !c.noneMatch.present:
		cond.IfMatch, ok = c.match.single()
		return cond, ok
	case c.noneMatch.any && !c.match.present:
		return providers.Condition{IfAbsent: true}, true
	}
	return cond, false
}

// anyVersion reports whether the conditions only want something to be there.
func (c conditions) anyVersion() bool {
	return c.match.any && !c.noneMatch.present && c.unmodifiedSince.IsZero()
}

// onDates are the conditions on times.
func (c conditions) onDates() conditions {
	return conditions{modifiedSince: c.modifiedSince, unmodifiedSince: c.unmodifiedSince}
}

// checkWrite evaluates the conditions of a request that changes n, which was
// found at its URL: not as a listing has it, that may be old.
func (q *request) checkWrite(n *node) error {
	c := q.conditions()
	if c.none() {
		return nil
	}
	if seen := n.seen; seen != parentUnknown && !n.dir {
		fresh, err := q.tree.statFile(q.r.Context(), n.path)
		if err != nil {
			return err
		}
		*n = fresh
		n.seen = seen
	}
	if !c.unmodifiedSince.IsZero() { // the time that counts may be in the attributes
		if err := q.tree.describe(q.r.Context(), n); err != nil {
			return err
		}
	}
	return c.evaluate(n, false)
}

// checkAbsent evaluates the conditions of a request that makes something where
// there is nothing. Where there is, it fails for that reason, and conditions do
// not count (RFC 9110 section 13.2.1).
func (q *request) checkAbsent() error {
	failed := q.conditions().evaluate(nil, false)
	if failed == nil {
		return nil
	}
	_, err := q.tree.lookup(q.r.Context(), q.path, q.asDir)
	switch {
	case isNotExist(err):
		return failed
	case err != nil:
		return err
	}
	return nil
}

// evaluate returns ErrPrecondition or ErrNotModified unless the conditions hold
// for n, nil where nothing lies.
func (c conditions) evaluate(n *node, read bool) error {
	if c.match.present && (n == nil || !c.match.has(n.obj.ETag, true)) {
		return providers.ErrPrecondition
	}
	if n == nil {
		return nil
	}
	modified := n.modTime().Truncate(time.Second)
	if !c.unmodifiedSince.IsZero() && !modified.IsZero() && modified.After(c.unmodifiedSince) {
		return providers.ErrPrecondition
	}
	if c.noneMatch.present && c.noneMatch.has(n.obj.ETag, false) {
		if read {
			return providers.ErrNotModified
		}
		return providers.ErrPrecondition
	}
	if read && !c.modifiedSince.IsZero() && !modified.IsZero() && !modified.After(c.modifiedSince) {
		return providers.ErrNotModified
	}
	return nil
}

// has reports whether the list has the strong tag etag. Compared weakly, a
// weak tag in the list counts as well.
func (l tagList) has(etag string, strong bool) bool {
	return l.any || etag != "" && slices.ContainsFunc(l.tags, func(tag string) bool {
		return tag == etag || !strong && strings.TrimPrefix(tag, "W/") == etag
	})
}
