package davfs

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// flushAt is how many bytes of a multistatus gather before they are written:
// until then a failure can still become a status of its own.
const flushAt = 32 << 10

// sendEvery is how many responses wait at most until they are sent on their way,
// once the answer has begun: a quarter of a store's page, so that most of one is
// with the client while the store is asked for the next.
const sendEvery = pageSize / 4

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
	waiting int          // responses since what there is was last sent on its way
	packs   bool         // the client takes gzip
	zip     *gzip.Writer // while it does, and what there is is large enough
}

// gzipAt is the size of a document from which it is compressed: about a packet.
const gzipAt = 1400

// Level 1 halves the time of the next one and packs a listing nearly as well:
// to a tenth.
var gzipWriters = sync.Pool{New: func() any {
	zip, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // fails on a wrong level only
	return zip
}}

// pack has the document compressed, if the client of r takes that.
func (m *multistatus) pack(r *http.Request) {
	m.w.Header().Add("Vary", "Accept-Encoding")
	m.packs = acceptsGzip(r.Header.Values("Accept-Encoding"))
}

// acceptsGzip reads Accept-Encoding (RFC 9110 section 12.5.3), whose weights
// count only where they refuse.
func acceptsGzip(values []string) bool {
	for _, v := range values {
		for coding := range strings.SplitSeq(v, ",") {
			name, params, _ := strings.Cut(coding, ";")
			if name = strings.TrimSpace(name); !strings.EqualFold(name, "gzip") && name != "x-gzip" {
				continue
			}
			weight, ok := strings.CutPrefix(strings.ReplaceAll(params, " ", ""), "q=")
			return !ok || strings.Trim(weight, "0.") != ""
		}
	}
	return false
}

// start sends the header. The length is told where it is known.
func (m *multistatus) start(whole bool) {
	m.started = true
	header := m.w.Header()
	header.Set("Content-Type", contentTypeXML)
	switch {
	case m.packs && len(m.b) >= gzipAt:
		header.Set("Content-Encoding", "gzip")
		m.zip = gzipWriters.Get().(*gzip.Writer)
		m.zip.Reset(m.w)
	case whole:
		header.Set("Content-Length", strconv.Itoa(len(m.b)))
	}
	m.w.WriteHeader(http.StatusMultiStatus)
}

// flush writes what has gathered.
func (m *multistatus) flush() error {
	to := io.Writer(m.w)
	if m.zip != nil {
		to = m.zip
	}
	_, err := to.Write(m.b)
	m.b = m.b[:0]
	return err
}

func newMultistatus(w http.ResponseWriter) *multistatus {
	p := multistatusBuffers.Get().(*[]byte)
	m := &multistatus{w: w, b: (*p)[:0], pooled: p}
	m.b = append(m.b, xmlHeader+`<D:multistatus xmlns:D="DAV:">`...)
	return m
}

const xmlHeader = `<?xml version="1.0" encoding="utf-8"?>` + "\n"

// send is flush past all buffers on the way to the client: a page of a listing
// is so small once it is packed that it would stay in them.
func (m *multistatus) send() error {
	m.waiting = 0
	err := m.flush()
	if err == nil && m.zip != nil {
		err = m.zip.Flush()
	}
	if err != nil {
		return err
	}
	if err := http.NewResponseController(m.w).Flush(); !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// grown is called after each response, and writes what has gathered once it is
// enough.
func (m *multistatus) grown() error {
	m.waiting++
	switch {
	case !m.started && len(m.b) >= flushAt:
		m.start(false)
		return m.send()
	case m.started && m.waiting >= sendEvery:
		return m.send()
	case len(m.b) >= flushAt:
		return m.flush()
	}
	return nil
}

// close ends the document and writes the rest.
func (m *multistatus) close() error {
	m.b = append(m.b, "</D:multistatus>\n"...)
	if !m.started {
		m.start(true)
	}
	err := m.flush()
	if m.zip != nil && err == nil {
		err = m.zip.Close()
	}
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
	if m.zip != nil {
		m.zip.Reset(nil)
		gzipWriters.Put(m.zip)
	}
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
