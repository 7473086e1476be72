package davfs

import (
	"net/http"
	"strconv"
	"time"

	"sealdav/davfs/locks"
)

// liveProp is a property that the server computes (RFC 4918 section 15).
type liveProp struct {
	name string // in the namespace DAV:
	// value appends the property's content, and reports whether r has it.
	value func(b []byte, q *request, r *resource) ([]byte, bool)
}

var liveProps = []liveProp{
	{"resourcetype", func(b []byte, _ *request, r *resource) ([]byte, bool) {
		if r.dir {
			b = append(b, "<D:collection/>"...)
		}
		return b, true
	}},
	{"displayname", func(b []byte, _ *request, r *resource) ([]byte, bool) {
		return appendText(b, r.name()), true
	}},
	{"getcontentlength", func(b []byte, _ *request, r *resource) ([]byte, bool) {
		return strconv.AppendInt(b, r.obj.Size, 10), !r.dir
	}},
	{"getcontenttype", func(b []byte, _ *request, r *resource) ([]byte, bool) {
		if r.dir {
			return b, false
		}
		return appendText(b, contentType(r.node)), true
	}},
	{"getlastmodified", func(b []byte, _ *request, r *resource) ([]byte, bool) {
		return r.obj.ModTime.UTC().AppendFormat(b, http.TimeFormat), !r.obj.ModTime.IsZero()
	}},
	// A bucket does not keep when an object of this name first existed; when
	// this one was written is the nearest to it.
	{"creationdate", func(b []byte, _ *request, r *resource) ([]byte, bool) {
		return r.obj.ModTime.UTC().AppendFormat(b, "2006-01-02T15:04:05Z"), !r.obj.ModTime.IsZero()
	}},
	{"getetag", func(b []byte, _ *request, r *resource) ([]byte, bool) {
		return appendText(b, r.obj.ETag), !r.dir && r.obj.ETag != ""
	}},
	{"lockdiscovery", func(b []byte, q *request, r *resource) ([]byte, bool) {
		for _, l := range r.locks {
			b = q.appendActiveLock(b, l)
		}
		return b, true
	}},
	{"supportedlock", func(b []byte, _ *request, _ *resource) ([]byte, bool) {
		return append(b, "<D:lockentry><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>"+
			"<D:lockentry><D:lockscope><D:shared/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>"...), true
	}},
}

// appendActiveLock writes an activelock element. The token of a lock is shown
// only to the user who took it.
func (q *request) appendActiveLock(b []byte, l locks.Lock) []byte {
	b = append(b, "<D:activelock><D:locktype><D:write/></D:locktype><D:lockscope>"...)
	if l.Shared {
		b = append(b, "<D:shared/>"...)
	} else {
		b = append(b, "<D:exclusive/>"...)
	}
	b = append(b, "</D:lockscope><D:depth>"...)
	if l.Infinite {
		b = append(b, "infinity"...)
	} else {
		b = append(b, '0')
	}
	b = append(b, "</D:depth>"...)
	if l.OwnerXML != "" {
		// Written by appendElement when the lock was taken: escaped, and
		// independent of declarations around it.
		b = append(append(append(b, "<D:owner>"...), l.OwnerXML...), "</D:owner>"...)
	}
	b = append(b, "<D:timeout>Second-"...)
	left := max(time.Until(l.Expires), time.Second)
	b = strconv.AppendInt(b, int64(left.Round(time.Second)/time.Second), 10)
	b = append(b, "</D:timeout>"...)
	if mayUse(l, q.access) {
		b = append(append(append(b, "<D:locktoken><D:href>"...), l.Token...), "</D:href></D:locktoken>"...)
	}
	b = append(b, "<D:lockroot><D:href>"...)
	b = q.h.appendLockRoot(b, l.Root)
	return append(b, "</D:href></D:lockroot></D:activelock>"...)
}

// appendLockRoot writes the URL path of a lock's root. Whether that is a folder
// is not known here, so that it has no slash at its end.
func (h *Handler) appendLockRoot(b []byte, root string) []byte {
	return appendEscaped(appendEscaped(b, h.prefix), root)
}
