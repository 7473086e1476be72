package davfs

import (
	"net/http"
	"strconv"
	"sync"
)

// flushAt is how many bytes of a multistatus gather before they are written:
// until then a failure can still become a status of its own.
const flushAt = 32 << 10

// maxPooled bounds the buffers that are kept, in bytes.
const maxPooled = 4 * flushAt

var multistatusBuffers = sync.Pool{New: func() any { return new(make([]byte, 0, flushAt+8<<10)) }}

// multistatus writes a 207 as it grows. The caller appends to b and calls
// grown from time to time, and close at the end. XML is appended byte by byte
// because encoding/xml costs dozens of allocations for each response, and
// listings have many.
type multistatus struct {
	w       http.ResponseWriter
	b       []byte
	pooled  *[]byte
	started bool
}

func newMultistatus(w http.ResponseWriter) *multistatus {
	p := multistatusBuffers.Get().(*[]byte)
	m := &multistatus{w: w, b: (*p)[:0], pooled: p}
	m.b = append(m.b, xmlHeader+`<D:multistatus xmlns:D="DAV:">`...)
	return m
}

const xmlHeader = `<?xml version="1.0" encoding="utf-8"?>` + "\n"

// grown writes what has gathered once it is enough.
func (m *multistatus) grown() error {
	if len(m.b) < flushAt {
		return nil
	}
	if !m.started {
		m.started = true
		m.w.Header().Set("Content-Type", contentTypeXML)
		m.w.WriteHeader(http.StatusMultiStatus)
	}
	_, err := m.w.Write(m.b)
	m.b = m.b[:0]
	return err
}

// close ends the document and writes the rest.
func (m *multistatus) close() error {
	m.b = append(m.b, "</D:multistatus>\n"...)
	if !m.started {
		m.w.Header().Set("Content-Type", contentTypeXML)
		m.w.Header().Set("Content-Length", strconv.Itoa(len(m.b)))
		m.w.WriteHeader(http.StatusMultiStatus)
	}
	_, err := m.w.Write(m.b)
	return err
}

// release gives the buffer back, unless one resource had so much to tell that
// it has become large. The multistatus must not be used after it.
func (m *multistatus) release() {
	if cap(m.b) > maxPooled {
		return
	}
	*m.pooled = m.b[:0]
	multistatusBuffers.Put(m.pooled)
}

const contentTypeXML = `application/xml; charset="utf-8"`

// appendStatus writes the status element for code.
func appendStatus(b []byte, code int) []byte {
	b = append(b, "<D:status>HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(code), 10)
	b = append(b, ' ')
	b = append(b, http.StatusText(code)...)
	return append(b, "</D:status>"...)
}

// answerPartial tells the members of a tree operation that failed, and only
// those: RFC 4918 section 9.6.1 leaves out what went well.
func (q *request) answerPartial(e *partialError) {
	m := newMultistatus(q.w)
	defer m.release()
	for _, f := range e.failures {
		m.b = append(m.b, "<D:response><D:href>"...)
		m.b = q.h.appendHref(m.b, e.tree, f.path, f.dir)
		m.b = append(m.b, "</D:href>"...)
		m.b = appendStatus(m.b, statusOf(f.err))
		if why := explain(f.err); why != "" {
			m.b = append(m.b, "<D:responsedescription>"...)
			m.b = appendText(m.b, why)
			m.b = append(m.b, "</D:responsedescription>"...)
		}
		m.b = append(m.b, "</D:response>"...)
		if err := m.grown(); err != nil {
			return // the client has left
		}
	}
	_ = m.close()
}
