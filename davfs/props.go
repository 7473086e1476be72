package davfs

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"net/http"
	"slices"
	"strconv"
	"time"

	"sealdav/davfs/locks"
	"sealdav/providers"
)

// The namespaces of properties that are not RFC 4918's.
const (
	nsWindows = "urn:schemas-microsoft-com:"
	nsSealdav = "urn:x-sealdav:properties"
)

// liveProp is a property that the server computes (RFC 4918 section 15), or
// keeps in a form of its own.
type liveProp struct {
	name  string
	space string // "": DAV:
	when  visibility
	// value appends the property's content, and reports whether r has it.
	value func(b []byte, q *request, r *resource) ([]byte, bool)
}

// visibility says where a property shows beside where it is asked for by name.
type visibility int

const (
	always  visibility = iota // in allprop
	oneself                   // in allprop, of the resource asked for but not of its members
	byName                    // not in allprop
	kept                      // not in allprop; it takes the object's attributes to tell
	keptAll                   // in allprop where it was set; it takes the attributes
)

func (l liveProp) xmlName() xml.Name { return xml.Name{Space: cmp.Or(l.space, nsDAV), Local: l.name} }

var liveProps = []liveProp{
	{name: "resourcetype", value: func(b []byte, _ *request, r *resource) ([]byte, bool) {
		if r.dir {
			b = append(b, "<D:collection/>"...)
		}
		return b, true
	}},
	{name: "displayname", value: func(b []byte, _ *request, r *resource) ([]byte, bool) {
		return appendText(b, r.name()), true
	}},
	{name: "getcontentlength", value: func(b []byte, _ *request, r *resource) ([]byte, bool) {
		return strconv.AppendInt(b, r.obj.Size, 10), !r.dir
	}},
	{name: "getcontenttype", value: func(b []byte, _ *request, r *resource) ([]byte, bool) {
		if r.dir {
			return b, false
		}
		return appendText(b, contentType(r.node)), true
	}},
	{name: "getlastmodified", value: func(b []byte, _ *request, r *resource) ([]byte, bool) {
		return r.modTime().UTC().AppendFormat(b, http.TimeFormat), !r.modTime().IsZero()
	}},
	{name: "creationdate", value: func(b []byte, _ *request, r *resource) ([]byte, bool) {
		return r.birthTime().UTC().AppendFormat(b, "2006-01-02T15:04:05Z"), !r.birthTime().IsZero()
	}},
	{name: "getetag", value: func(b []byte, _ *request, r *resource) ([]byte, bool) {
		return appendText(b, r.obj.ETag), !r.dir && r.obj.ETag != ""
	}},
	{name: "lockdiscovery", value: func(b []byte, q *request, r *resource) ([]byte, bool) {
		for _, l := range r.locks {
			b = q.appendActiveLock(b, l)
		}
		return b, true
	}},
	{name: "supportedlock", value: func(b []byte, _ *request, _ *resource) ([]byte, bool) {
		return append(b, "<D:lockentry><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>"+
			"<D:lockentry><D:lockscope><D:shared/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>"...), true
	}},
	// RFC 4331. Clients that are told nothing invent a size, or take that of
	// the disk C:, and those that are told 0 write nothing.
	{name: "quota-available-bytes", when: oneself, value: func(b []byte, q *request, r *resource) ([]byte, bool) {
		u := q.usage(r)
		return strconv.AppendInt(b, u.available, 10), u.availableKnown
	}},
	{name: "quota-used-bytes", when: oneself, value: func(b []byte, q *request, r *resource) ([]byte, bool) {
		u := q.usage(r)
		return strconv.AppendInt(b, u.used, 10), u.usedKnown
	}},
	// What rclone sets, in seconds.
	{name: "lastmodified", when: kept, value: func(b []byte, _ *request, r *resource) ([]byte, bool) {
		if r.attrs == nil || r.attrs.mtime.IsZero() {
			return b, false
		}
		return strconv.AppendInt(b, r.attrs.mtime.Unix(), 10), true
	}},
	{name: "Win32CreationTime", space: nsWindows, when: keptAll, value: func(b []byte, _ *request, r *resource) ([]byte, bool) {
		set := r.attrs != nil && !r.attrs.btime.IsZero()
		return r.birthTime().UTC().AppendFormat(b, http.TimeFormat), set || r.named && !r.birthTime().IsZero()
	}},
	{name: "Win32LastModifiedTime", space: nsWindows, when: keptAll, value: windowsModified},
	// Reading a file does not change it here.
	{name: "Win32LastAccessTime", space: nsWindows, when: kept, value: windowsModified},
	{name: "Win32FileAttributes", space: nsWindows, when: keptAll, value: func(b []byte, _ *request, r *resource) ([]byte, bool) {
		if r.attrs != nil {
			if i := r.attrs.find(windowsAttributes); i >= 0 {
				return append(b, innerXML(r.attrs.dead[i].xml)...), true
			}
		}
		return append(b, usualAttributes(r.dir)...), r.named && r.path != ""
	}},
	{name: "encryption", space: nsSealdav, when: kept, value: func(b []byte, _ *request, r *resource) ([]byte, bool) {
		return appendText(b, r.obj.Encryption.Mode), r.obj.Encryption.Mode != ""
	}},
	{name: "encryption-key", space: nsSealdav, when: kept, value: func(b []byte, _ *request, r *resource) ([]byte, bool) {
		key := r.obj.Encryption.Key
		if key == "" {
			return b, false
		}
		b = appendText(b, key)
		if f, ok := r.tree.remote.Bucket.(providers.Fingerprinter); ok {
			if print := f.Fingerprint(r.obj.Encryption); print != "" {
				b = appendText(append(b, ' '), print)
			}
		}
		return b, true
	}},
}

func windowsModified(b []byte, _ *request, r *resource) ([]byte, bool) {
	set := r.attrs != nil && !r.attrs.mtime.IsZero()
	return r.modTime().UTC().AppendFormat(b, http.TimeFormat), set || r.named && !r.modTime().IsZero()
}

// windowsAttributes is the property that FILE_ATTRIBUTE_ flags are kept in.
var windowsAttributes = xml.Name{Space: nsWindows, Local: "Win32FileAttributes"}

// usualAttributes are the flags of a file or a folder that nobody has set any
// of, in eight hex digits: ARCHIVE, and DIRECTORY.
func usualAttributes(dir bool) string {
	if dir {
		return "00000010"
	}
	return "00000020"
}

// propTags are the tags of the liveProps: opening, closing and empty.
var propTags = func() (tags [][3][]byte) {
	for _, l := range liveProps {
		start := appendName(nil, l.xmlName())
		if l.space == "" { // declared by the multistatus
			start = append([]byte("D:"), l.name...)
		}
		open := append(append([]byte{'<'}, start...), '>')
		end := append(append(append([]byte("</"), prefixOf(l.xmlName().Space)...), l.name...), '>')
		empty := append(append([]byte{'<'}, start...), "/>"...)
		tags = append(tags, [3][]byte{open, end, empty})
	}
	return tags
}()

// livePropNamed finds a property among the liveProps, -1 if it is not there.
func livePropNamed(name xml.Name) int {
	return slices.IndexFunc(liveProps, func(l liveProp) bool { return l.name == name.Local && name.Space == cmp.Or(l.space, nsDAV) })
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
	if q.owners += len(l.OwnerXML); l.OwnerXML != "" && q.owners <= maxOwners {
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

// innerXML is what is inside an element.
func innerXML(b []byte) []byte {
	start, end := bytes.IndexByte(b, '>'), bytes.LastIndexByte(b, '<')
	if start < 0 || end <= start {
		return nil
	}
	return b[start+1 : end]
}
