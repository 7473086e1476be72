package tests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sealdav/internal/testserver"
	"sealdav/tests/harness"
)

// TestRequireEncrypted: on every kind of store, a remote that is set to
// require_encrypted refuses HEAD of a plain object as it does GET, at no
// request more, and lists, copies and deletes it.
func TestRequireEncrypted(t *testing.T) {
	key := harness.NewKey(t)
	for name, open := range map[string]func(t *testing.T) (plain, strict harness.Remote, requests func() int){
		"local": func(t *testing.T) (harness.Remote, harness.Remote, func() int) {
			r, dir := harness.LocalRemote(t, "strict", key.Write())
			if err := os.WriteFile(filepath.Join(dir, "plain"), []byte("plain"), 0o600); err != nil {
				t.Fatal(err)
			}
			return harness.Remote{Name: "plain", URL: r.URL}, r, nil
		},
		"s3": func(t *testing.T) (harness.Remote, harness.Remote, func() int) {
			p := testserver.NewProxy(t, testserver.SharedMinIO(t))
			m := newBucket(t, p.S3)
			return m.remote("plain", ""), m.remote("strict", key.Write()), func() int { n := len(p.Ops()); p.Reset(); return n }
		},
		"azure": func(t *testing.T) (harness.Remote, harness.Remote, func() int) {
			a := newAzure(t)
			return a.remote(t, "plain", ""), a.remote(t, "strict", key.Write()), func() int { n := len(a.Ops()); a.Reset(); return n }
		},
		"gcs": func(t *testing.T) (harness.Remote, harness.Remote, func() int) {
			b := newGCSBucket(t)
			return b.remote("plain", ""), b.remote("strict", gcsWrite(key)), func() int { n := len(b.Ops()); b.Reset(); return n }
		},
	} {
		t.Run(name, func(t *testing.T) {
			plain, strict, requests := open(t)
			strict.More += "require_encrypted = true\n"
			s := harness.ServeConfig(t, "", plain, strict)
			s.Put(t, "/plain/plain", []byte("plain"))
			s.Put(t, "/strict/sealed", []byte("sealed"))
			tag := s.Want(t, []int{200}, "HEAD", "/plain/plain", nil).Header.Get("ETag")
			for range 2 { // what the key is was learnt the first time
				if requests != nil {
					requests()
				}
				s.Want(t, []int{403}, "HEAD", "/strict/plain", nil)
				if requests != nil {
					if n := requests(); n > 2 {
						t.Errorf("HEAD takes %d requests", n)
					}
				}
			}
			if r := s.Want(t, []int{403}, "GET", "/strict/plain", nil); !strings.Contains(string(r.Body), "require_encrypted") {
				t.Errorf("403 without its reason: %s", r.Body)
			}
			for _, method := range []string{"GET", "HEAD"} {
				s.Want(t, []int{304}, method, "/strict/plain", nil, "If-None-Match", tag)
				s.Want(t, []int{200}, method, "/strict/sealed", nil)
			}
			s.Want(t, []int{207}, "PROPFIND", "/strict/plain", nil, "Depth", "0")
			s.Copy(t, "/strict/plain", "/strict/copy")
			s.Want(t, []int{200}, "HEAD", "/strict/copy", nil)
			s.Want(t, []int{403}, "COPY", "/strict/plain", nil, "Destination", s.URL+"/plain/out")
			s.Want(t, []int{204}, "DELETE", "/strict/plain", nil)
		})
	}
}
