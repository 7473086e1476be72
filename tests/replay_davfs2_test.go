package tests

import (
	"strings"
	"testing"

	"sealdav/tests/harness"
)

const (
	davfsLock = `<?xml version="1.0" encoding="utf-8"?>
<lockinfo xmlns='DAV:'>
 <lockscope><exclusive/></lockscope>
<locktype><write/></locktype><owner>root</owner>
</lockinfo>
`
	davfsList = `<?xml version="1.0" encoding="utf-8"?>
<propfind xmlns="DAV:"><prop>
<getetag xmlns="DAV:"/>
<getcontentlength xmlns="DAV:"/>
<creationdate xmlns="DAV:"/>
<getlastmodified xmlns="DAV:"/>
<resourcetype xmlns="DAV:"/>
<executable xmlns="http://apache.org/dav/props/"/>
</prop></propfind>
`
	davfsQuota = `<?xml version="1.0" encoding="utf-8"?>
<propfind xmlns="DAV:"><prop>
<quota-available-bytes xmlns="DAV:"/>
<quota-used-bytes xmlns="DAV:"/>
</prop></propfind>
`
	davfsExecutable = `<?xml version="1.0" encoding="utf-8"?>
<propertyupdate xmlns="DAV:"><set><prop><executable xmlns="http://apache.org/dav/props/">T</executable></prop></set></propertyupdate>
`
)

// mount is davfs2 at work on a drive.
type mount struct{ *wire }

func newMount(t *testing.T, s *harness.Server) mount {
	t.Helper()
	return mount{connect(t, s, "User-Agent: davfs2/1.6.1 neon/0.32.5", "Connection: TE", "TE: trailers")}
}

func (m mount) propfind(status int, path, depth, body string) answer {
	m.t.Helper()
	return m.want(status, "PROPFIND "+path, body, "Depth: "+depth, "Content-Type: application/xml")
}

// lock takes a lock, on a name that need not exist yet: then it does.
func (m mount) lock(status int, path string) string {
	m.t.Helper()
	a := m.want(status, "LOCK "+path, davfsLock, "Depth: 0", "Content-Type: application/xml", "Timeout: Second-1800")
	token := strings.Trim(a.wantHeader("Lock-Token"), "<>")
	l := a.activeLock()
	if l.text(m.t, "locktoken/href") != token || l.text(m.t, "timeout") != "Second-1800" {
		m.t.Errorf("LOCK %s: %s", path, a.Body)
	}
	return token
}

// etag is what HEAD tells of a file: davfs2 writes on that condition.
func (m mount) etag(path string) string {
	m.t.Helper()
	etag := m.want(200, "HEAD "+path, noBody).wantHeader("ETag")
	if !strings.HasPrefix(etag, `"`) {
		m.t.Errorf("HEAD %s: the ETag %s is weak", path, etag)
	}
	return etag
}

// put writes a file that the mount has locked, and checks that all who tell its
// ETag agree.
func (m mount) put(status int, path, token, etag, content string) string {
	m.t.Helper()
	a := m.want(status, "PUT "+path, content, "If-Match: "+etag, "If: <SERVER"+path+"> (<"+token+">)")
	if status >= 300 {
		return etag
	}
	got := a.wantHeader("ETag")
	a.wantHeader("Last-Modified")
	if head := m.etag(path); head != got || got == etag {
		m.t.Errorf("PUT %s: the ETag was %s, is %s, and %s by HEAD", path, etag, got, head)
	}
	r := m.propfind(207, path, "0", davfsList).only(path)
	if prop := r.prop(m.t, "DAV:getetag"); prop != got {
		m.t.Errorf("PUT %s: the ETag is %s, and %s by PROPFIND", path, got, prop)
	}
	return got
}

// TestReplayDavfs2 sends what davfs2 sends.
func TestReplayDavfs2(t *testing.T) {
	for _, remote := range sealedRemotes {
		t.Run(remote.name, func(t *testing.T) {
			s := harness.ServeConfig(t, "", remote.make(t))
			m := newMount(t, s)
			m.want(200, "OPTIONS /drive/", noBody).wantHeader("DAV")
			m.propfind(207, "/drive/", "1", davfsList).wantMembers("/drive/")
			m.propfind(207, "/drive/", "0", davfsQuota).only("/drive/")

			t.Run("create and overwrite", func(t *testing.T) {
				m := newMount(t, s)
				token := m.lock(201, "/drive/f")
				etag := m.put(204, "/drive/f", token, m.etag("/drive/f"), "first")
				same(t, "the file", s.Get(t, "/drive/f"), []byte("first"))
				m.want(204, "UNLOCK /drive/f", noBody, "Lock-Token: <"+token+">")

				token = m.lock(200, "/drive/f")
				old := etag
				etag = m.put(204, "/drive/f", token, etag, "second")
				m.put(412, "/drive/f", token, old, "on top of a version that is gone")
				m.want(204, "UNLOCK /drive/f", noBody, "Lock-Token: <"+token+">")
				m.put(412, "/drive/f", token, etag, "under a lock that is gone")
				same(t, "the file", s.Get(t, "/drive/f"), []byte("second"))
			})
			t.Run("without locks", func(t *testing.T) {
				m := newMount(t, s)
				m.want(201, "PUT /drive/g", "one")
				etag := m.etag("/drive/g")
				m.want(204, "PUT /drive/g", "two", "If-Match: "+etag)
				m.want(412, "PUT /drive/g", "three", "If-Match: "+etag)
				m.want(304, "GET /drive/g", noBody, "If-None-Match: "+m.etag("/drive/g"))
				same(t, "the file", m.want(200, "GET /drive/g", noBody, "If-None-Match: "+etag).Body, []byte("two"))
			})
			t.Run("executable", func(t *testing.T) {
				m := newMount(t, s)
				m.want(201, "PUT /drive/script", "#!/bin/sh\n")
				// davfs2 lives with a refusal, but not with another answer.
				m.want(207, "PROPPATCH /drive/script", davfsExecutable, "Content-Type: application/xml").only("/drive/script")
			})
			t.Run("rename and delete", func(t *testing.T) {
				m := newMount(t, s)
				m.want(201, "PUT /drive/from", "moved")
				m.want(201, "MOVE /drive/from", noBody, "Destination: SERVER/drive/to", "Overwrite: T")
				m.etag("/drive/to")
				m.want(404, "HEAD /drive/from", noBody)
				m.want(201, "MKCOL /drive/d/", noBody)
				m.want(201, "MOVE /drive/to", noBody, "Destination: SERVER/drive/d/to", "Overwrite: T")
				m.propfind(207, "/drive/d/", "1", davfsList).wantMembers("/drive/d/", "/drive/d/to")
				m.want(201, "MOVE /drive/d/", noBody, "Destination: SERVER/drive/e/", "Overwrite: T")
				m.want(204, "DELETE /drive/e/to", noBody)
				m.propfind(207, "/drive/e/", "1", davfsList).wantMembers("/drive/e/")
				m.want(204, "DELETE /drive/e/", noBody)
				m.want(404, "DELETE /drive/e/", noBody)
			})
		})
	}
}
