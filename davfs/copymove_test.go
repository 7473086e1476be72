package davfs

import (
	"strings"
	"testing"

	"sealdav/providers"
)

// wantKeys fails unless the bucket holds these objects.
func (d *drive) wantKeys(want string) {
	d.Helper()
	if got := strings.Join(d.bucket.all(), " "); got != want {
		d.Errorf("the bucket holds %q, want %q", got, want)
	}
}

func TestCopyMove(t *testing.T) {
	const start = "dir/ dir/a dir/sub/b f g"
	for _, tt := range []struct {
		name, method, path, dst string
		headers                 []string
		code                    int
		want                    string // "" for start
	}{
		{"copy", "COPY", "/r/f", "DRIVE/r/new", nil, 201, "dir/ dir/a dir/sub/b f g new=content of f"},
		{"copy over", "COPY", "/r/f", "DRIVE/r/g", nil, 204, "dir/ dir/a dir/sub/b f g=content of f"},
		{"copy folder", "COPY", "/r/dir/", "DRIVE/r/new/", nil, 201, "dir/ dir/a dir/sub/b f g new/ new/a=content of dir/a new/sub/b=content of dir/sub/b"},
		{"copy folder alone", "COPY", "/r/dir/", "DRIVE/r/new/", []string{"Depth: 0"}, 201, "dir/ dir/a dir/sub/b f g new/"},
		{"move", "MOVE", "/r/f", "DRIVE/r/new", nil, 201, "dir/ dir/a dir/sub/b g new=content of f"},
		{"move folder", "MOVE", "/r/dir", "DRIVE/r/new", []string{"Overwrite: F"}, 201, "f g new/ new/a=content of dir/a new/sub/b=content of dir/sub/b"},
		{"destination is a path", "MOVE", "/r/f", "/r/new", nil, 201, "dir/ dir/a dir/sub/b g new=content of f"},

		// Item 30: without the header Overwrite is T.
		{"move over without Overwrite", "MOVE", "/r/f", "DRIVE/r/g", nil, 204, "dir/ dir/a dir/sub/b g=content of f"},
		{"move over, Overwrite T", "MOVE", "/r/f", "DRIVE/r/g", []string{"Overwrite: T"}, 204, "dir/ dir/a dir/sub/b g=content of f"},
		{"move over, Overwrite F", "MOVE", "/r/f", "DRIVE/r/g", []string{"Overwrite: F"}, 412, ""},
		{"copy over, Overwrite F", "COPY", "/r/f", "DRIVE/r/g", []string{"Overwrite: F"}, 412, ""},
		{"Overwrite garbage", "COPY", "/r/f", "DRIVE/r/g", []string{"Overwrite: maybe"}, 400, ""},

		// Item 1: the source is looked at before anything is deleted.
		{"move missing", "MOVE", "/r/none", "DRIVE/r/g", nil, 404, ""},
		{"move missing, bad headers", "MOVE", "/r/none", "http://elsewhere/g", []string{"Depth: 1"}, 404, ""},
		{"move onto ancestor", "MOVE", "/r/dir/sub", "DRIVE/r/dir", nil, 403, ""},
		{"move onto itself", "MOVE", "/r/f", "DRIVE/r/f", nil, 403, ""},
		// Item 2: paths are compared as what they mean.
		{"copy onto itself with a slash", "COPY", "/r/dir", "DRIVE/r/dir/", nil, 403, ""},
		{"copy onto itself with two slashes", "COPY", "/r/dir", "DRIVE/r//dir//", nil, 403, ""},
		{"copy onto itself encoded", "COPY", "/r/dir", "DRIVE/r/%64ir", nil, 403, ""},
		// Item 3.
		{"copy into itself", "COPY", "/r/dir/", "DRIVE/r/dir/sub/new/", nil, 403, ""},
		{"move into itself", "MOVE", "/r/dir/", "DRIVE/r/dir/new/", nil, 403, ""},
		// Item 10.
		{"copy without parent", "COPY", "/r/dir/", "DRIVE/r/none/new/", nil, 409, ""},
		{"move without parent", "MOVE", "/r/f", "DRIVE/r/none/new", nil, 409, ""},
		{"no such remote", "MOVE", "/r/f", "DRIVE/nosuch/new", nil, 409, ""},

		{"no Destination", "COPY", "/r/f", "", nil, 400, ""},
		{"relative Destination", "COPY", "/r/f", "g", nil, 400, ""},
		{"unparsable Destination", "COPY", "/r/f", "DRIVE/r/%zz", nil, 400, ""},
		{"climbing Destination", "COPY", "/r/f", "DRIVE/r/dir/../../x", nil, 400, ""},
		{"other host", "COPY", "/r/f", "http://elsewhere.example/r/new", nil, 502, ""},
		{"host behind a proxy", "MOVE", "/r/f", "https://dav.example.org/r/g", []string{"X-Forwarded-Host: dav.example.org:443"}, 204, "dir/ dir/a dir/sub/b g=content of f"},
		{"base URL", "MOVE", "/r/f", "https://base.example.org/r/g", nil, 204, "dir/ dir/a dir/sub/b g=content of f"},
		{"onto the root", "COPY", "/r/f", "DRIVE/", nil, 403, ""},
		{"onto a remote", "COPY", "/r/f", "DRIVE/other/", nil, 403, ""},
		{"move a remote", "MOVE", "/r/", "DRIVE/other/r/", nil, 403, ""},
		{"copy the root", "COPY", "/", "DRIVE/r/all/", nil, 403, ""},
		{"Depth 1", "COPY", "/r/dir/", "DRIVE/r/new/", []string{"Depth: 1"}, 400, ""},
		{"MOVE with Depth 0", "MOVE", "/r/dir/", "DRIVE/r/new/", []string{"Depth: 0"}, 400, ""},
		{"If-Match", "MOVE", "/r/f", "DRIVE/r/g", []string{`If-Match: "other"`}, 412, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDriveWith(t, Options{BaseURL: "https://base.example.org"}, strings.Fields(start)...)
			headers := tt.headers
			if tt.dst != "" {
				headers = append(headers, "Destination: "+tt.dst)
			}
			d.want(tt.code, tt.method, tt.path, "", headers...)
			if tt.want == "" {
				tt.want = start
			}
			d.wantKeys(tt.want)
		})
	}
}

func TestCopyMoveAcrossRemotes(t *testing.T) {
	d := newDrive(t, "dir/a", "dir/b/c", "f")
	d.want(201, "COPY", "/r/dir/", "", "Destination: DRIVE/other/copy/")
	d.want(201, "MOVE", "/r/f", "", "Destination: DRIVE/other/f")
	d.wantKeys("dir/a dir/b/c")
	if got := strings.Join(d.other.all(), " "); got != "copy/a=content of dir/a copy/b/c=content of dir/b/c f" {
		t.Errorf("the other bucket holds %q", got)
	}
	d.as(Access{Remotes: []string{"r"}})
	d.want(409, "COPY", "/r/dir/", "", "Destination: DRIVE/other/again/")
	d.as(Access{ReadOnly: true})
	d.want(403, "COPY", "/r/dir/", "", "Destination: DRIVE/r/again/")
	d.want(403, "MOVE", "/r/dir/", "", "Destination: DRIVE/r/again/")
}

// Item 1: nothing is deleted before its replacement stands. Item 11: what
// failed is told.
func TestMoveFails(t *testing.T) {
	d := newDrive(t, "dst/old", "src/a", "src/b", "dst/a")
	d.fail("copy dst/b", providers.ErrUnavailable)
	a := d.want(207, "MOVE", "/r/src/", "", "Destination: DRIVE/r/dst/")
	if !strings.Contains(a.body, "<D:href>/r/dst/b</D:href><D:status>HTTP/1.1 502 Bad Gateway</D:status>") {
		t.Errorf("body: %s", a.body)
	}
	d.wantContent("src/a", "content of src/a")
	d.wantContent("src/b", "content of src/b")
	d.wantContent("dst/old", "content of dst/old")

	d = newDrive(t, "f", "g")
	d.fail("copy", providers.ErrUnavailable)
	d.want(502, "MOVE", "/r/f", "", "Destination: DRIVE/r/g")
	d.wantKeys("f g")
}

// Locks do not travel (RFC 4918 section 7.6), and nobody copies or moves over
// what another has locked.
func TestCopyMoveLocks(t *testing.T) {
	type step = func(d *drive) (headers []string)
	lock := func(path string, headers ...string) step {
		return func(d *drive) []string { d.lock(path, headers...); return nil }
	}
	submit := func(paths ...string) step {
		return func(d *drive) []string {
			var ifs []string
			for _, p := range paths {
				p, depth, _ := strings.Cut(p, " ")
				ifs = append(ifs, "<"+d.url+p+"> (<"+d.lock(p, "Depth: "+depth)+">)")
			}
			return []string{"If: " + strings.Join(ifs, " ")}
		}
	}
	for _, tt := range []struct {
		name, method string
		before       step
		path, dst    string
		code         int
	}{
		{"move locked source", "MOVE", lock("/r/f"), "/r/f", "/r/new", 423},
		{"copy locked source", "COPY", lock("/r/f"), "/r/f", "/r/new", 201},
		{"move onto locked", "MOVE", lock("/r/g"), "/r/f", "/r/g", 423},
		{"copy onto locked", "COPY", lock("/r/g"), "/r/f", "/r/g", 423},
		// Item 22: the token of the source is enough where only it is locked.
		{"move with token", "MOVE", submit("/r/f 0"), "/r/f", "/r/g", 204},
		{"move with both tokens", "MOVE", submit("/r/f 0", "/r/g 0"), "/r/f", "/r/g", 204},
		{"copy with token of destination", "COPY", submit("/r/g 0"), "/r/f", "/r/g", 204},
		// Item 23: locks inside.
		{"move folder with a locked file", "MOVE", lock("/r/dir/sub/b"), "/r/dir/", "/r/new/", 423},
		{"move folder onto one with a locked file", "MOVE", lock("/r/dir/a"), "/r/f", "/r/dir", 423},
		{"move folder with token of a file in it", "MOVE", submit("/r/dir/a 0"), "/r/dir/", "/r/new/", 201},
		{"delete folder with a locked file", "DELETE", lock("/r/dir/sub/b"), "/r/dir/", "", 423},
		{"delete folder with token", "DELETE", submit("/r/dir/sub/b 0"), "/r/dir/", "", 204},
		// Item 27: a folder locked with depth 0 keeps its members.
		{"move out of locked folder", "MOVE", lock("/r/dir/", "Depth: 0"), "/r/dir/a", "/r/new", 423},
		{"move into locked folder", "MOVE", lock("/r/dir/", "Depth: 0"), "/r/f", "/r/dir/new", 423},
		{"copy over a member of a locked folder", "COPY", lock("/r/dir/", "Depth: 0"), "/r/f", "/r/dir/a", 204},
		{"move into locked folder with token", "MOVE", submit("/r/dir 0"), "/r/f", "/r/dir/new", 201},
		{"delete from locked folder", "DELETE", lock("/r/dir/", "Depth: 0"), "/r/dir/a", "", 423},
		{"delete below locked folder", "DELETE", lock("/r/dir/", "Depth: 0"), "/r/dir/sub/b", "", 204},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDrive(t, "dir/a", "dir/c", "dir/sub/b", "dir/sub/x", "f", "g")
			headers := append(tt.before(d), "Destination: DRIVE"+tt.dst)
			a := d.want(tt.code, tt.method, tt.path, "", headers...)
			if tt.code == 423 && !strings.Contains(a.body, "<D:lock-token-submitted><D:href>/r/") {
				t.Errorf("the answer does not name the lock: %s", a.body)
			}
			if tt.code == 423 {
				d.wantKeys("dir/a dir/c dir/sub/b dir/sub/x f g")
			}
			if tt.method == "COPY" || tt.code >= 300 {
				return
			}
			// Item 23: what is gone is not locked any more.
			for _, path := range []string{tt.path, strings.TrimSuffix(tt.path, "/") + "/sub/b"} {
				ls, err := d.locks.Covering(t.Context(), strings.TrimSuffix(path, "/"))
				if err != nil || len(ls) > 0 && ls[0].Root != "/r/dir" {
					t.Errorf("%s is still locked: %v %v", path, ls, err)
				}
			}
			if ls, _ := d.locks.Covering(t.Context(), "/r/new"); len(ls) > 0 {
				t.Errorf("the lock has travelled: %v", ls)
			}
		})
	}
}
