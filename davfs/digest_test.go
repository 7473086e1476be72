package davfs

import (
	"crypto/md5"
	"encoding/base64"
	"strings"
	"testing"

	"sealdav/providers"
)

// TestContentMD5: what did not arrive as it was sent is not stored.
func TestContentMD5(t *testing.T) {
	d := newDrive(t, "old")
	sum := func(s string) string {
		h := md5.Sum([]byte(s))
		return "Content-MD5: " + base64.StdEncoding.EncodeToString(h[:])
	}
	d.want(201, "PUT", "/r/new", "hello", sum("hello"))
	d.want(201, "PUT", "/r/empty", "", sum(""))
	before := d.want(200, "GET", "/r/old", "").body
	for _, header := range []string{sum("hullo"), "Content-MD5: nonsense", "Content-MD5: AAAA"} {
		d.want(400, "PUT", "/r/old", "hello", header)
		d.want(400, "PUT", "/r/none", "hello", header)
		if a := d.send("PUT", "/r/none", strings.NewReader("hello"), -1, header); a.StatusCode != 400 {
			t.Errorf("chunked, %s: %d", header, a.StatusCode)
		}
	}
	d.wantContent("old", before)
	d.want(404, "GET", "/r/none", "")
}

// TestPutEncoded: a coded body is not stored as the file it stands for.
func TestPutEncoded(t *testing.T) {
	d := newDrive(t)
	a := d.want(415, "PUT", "/r/f", "x", "Content-Encoding: gzip")
	if a.Header.Get("Accept-Encoding") != "identity" {
		t.Errorf("the answer does not tell what is accepted: %v", a.Header)
	}
	d.want(404, "GET", "/r/f", "")
	d.want(201, "PUT", "/r/f", "x", "Content-Encoding: identity")
}

// TestGenericType: GET and PROPFIND agree about a file that was put without a
// type, cold and after a listing.
func TestGenericType(t *testing.T) {
	for _, stored := range []string{"", "application/octet-stream", "binary/octet-stream"} {
		d := newDrive(t, "dir/")
		if _, err := d.bucket.Put(t.Context(), "dir/a.txt", strings.NewReader("x"), providers.PutOptions{Size: 1, ContentType: stored}); err != nil {
			t.Fatal(err)
		}
		want := "text/plain; charset=utf-8"
		if got := d.want(200, "GET", "/r/dir/a.txt", "").Header.Get("Content-Type"); got != want {
			t.Errorf("GET of what is stored as %q says %q, want %q", stored, got, want)
		}
		for _, path := range []string{"/r/dir/", "/r/dir/a.txt"} {
			if a := d.want(207, "PROPFIND", path, "", "Depth: 1"); !strings.Contains(a.body, "<D:getcontenttype>"+want+"<") {
				t.Errorf("PROPFIND %s of what is stored as %q does not say %q: %s", path, stored, want, a.body)
			}
		}
	}
}
