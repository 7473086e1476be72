package davfs

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"sealdav/providers/providertest"
)

// beforeDelete has somebody else act on the bucket when the next deletion is on
// its way to the store.
func (d *drive) beforeDelete(act func()) {
	d.faults.Hook = func(op providertest.Op) error {
		if op.Name == "delete" && op.When == providertest.Before {
			d.faults.Hook = nil
			act()
		}
		return nil
	}
}

// TestDeleteOfVersion: what another writer has stored between the look at a file
// and its deletion is not deleted, where the client says which version it means.
func TestDeleteOfVersion(t *testing.T) {
	past, future := "Mon, 02 Jan 2006 15:04:05 GMT", "Fri, 02 Jan 2099 15:04:05 GMT"
	for _, tt := range []struct {
		headers    []string // ETAG stands for the file's
		changed    int      // if it is another one by then
		cold, warm string   // what a deletion costs
	}{
		{nil, 204, "1 delete, 1 list", "1 delete"},
		{[]string{"If-Match: *"}, 204, "1 delete, 1 list, 1 stat", "1 delete, 1 stat"},
		{[]string{"If-Match: ETAG"}, 412, "1 delete, 1 list", "1 delete"},
		{[]string{`If-Match: "x", ETAG`}, 412, "1 delete, 1 list, 1 stat", "1 delete, 1 stat"},
		{[]string{`If-None-Match: "x"`}, 412, "1 delete, 1 list, 1 stat", "1 delete, 1 stat"},
		{[]string{"If-Unmodified-Since: " + future}, 412, "1 delete, 1 list, 1 stat", "1 delete, 1 stat"},
		{[]string{"If-Match: ETAG", "If-Unmodified-Since: " + past}, 412, "1 delete, 1 list", "1 delete"},
		{[]string{"If: ([ETAG])"}, 412, "1 delete, 1 list, 1 stat", "1 delete, 1 stat"},
		{[]string{"If: ([ETAG])", "If-Match: ETAG"}, 412, "1 delete, 1 list, 1 stat", "1 delete, 1 stat"},
		{[]string{"If: ([ETAG])", "If-Unmodified-Since: " + future}, 412, "1 delete, 1 list, 2 stat", "1 delete, 2 stat"},
		{[]string{"If: (Not [\"x\"])"}, 204, "1 delete, 1 list, 1 stat", "1 delete, 1 stat"},
	} {
		for _, warm := range []bool{false, true} {
			for _, what := range []string{"stays", "changes", "goes"} {
				d := newDriveWith(t, Options{ListCache: time.Hour}, "d/", "d/f")
				var headers []string
				for _, h := range tt.headers {
					headers = append(headers, strings.ReplaceAll(h, "ETAG", d.bucket.objects["d/f"].ETag))
				}
				if warm {
					d.propfind("/r/d/", "1", "")
				}
				d.bucket.cost()
				want := http.StatusNoContent
				switch what {
				case "changes":
					want = tt.changed
					d.beforeDelete(func() { d.bucket.set("d/f", "of another writer") })
				case "goes":
					d.beforeDelete(func() { d.bucket.unset("d/f") })
				}
				a := d.do("DELETE", "/r/d/f", "", headers...)
				if a.StatusCode != want {
					t.Errorf("DELETE %q, warm %v, the file %s: %d, want %d", headers, warm, what, a.StatusCode, want)
				}
				cost := tt.cold
				if warm {
					cost = tt.warm
				}
				if got := d.bucket.cost(); what == "stays" && got != cost {
					t.Errorf("DELETE %q, warm %v: %s, want %s", headers, warm, got, cost)
				}
				if want == http.StatusPreconditionFailed {
					d.wantContent("d/f", "of another writer")
					d.want(200, "HEAD", "/r/d/f", "") // the listing that was wrong is dropped
				} else {
					d.wantContent("d/f", "(missing)")
				}
			}
		}
	}
}

// TestDeleteRefusedChangesNothing: a folder that exists through one file gets no
// marker for a deletion that a condition refuses.
func TestDeleteRefusedChangesNothing(t *testing.T) {
	for _, header := range []string{`If-Match: "x"`, "If-None-Match: *", "If-Unmodified-Since: Mon, 02 Jan 2006 15:04:05 GMT"} {
		d := newDrive(t, "d/f")
		d.want(412, "DELETE", "/r/d/f", "", header)
		if got := d.bucket.all(); len(got) != 1 {
			t.Errorf("%s: the bucket holds %q", header, got)
		}
	}
}

// TestDeleteFolderUnderConditions: a folder has no version of its own.
func TestDeleteFolderUnderConditions(t *testing.T) {
	for _, tt := range []struct {
		header string
		code   int
	}{
		{"If-Match: *", 204},
		{`If-Match: "x"`, 412},
		{`If-None-Match: "x"`, 204},
		{"If-Unmodified-Since: Fri, 02 Jan 2099 15:04:05 GMT", 204},
		{"If-Unmodified-Since: Mon, 02 Jan 2006 15:04:05 GMT", 412},
		{"Depth: 0", 400},
	} {
		d := newDrive(t, "d/", "d/f", "d/x/g")
		d.want(tt.code, "DELETE", "/r/d/", "", tt.header)
		if left := len(d.bucket.all()); (left == 0) != (tt.code == 204) {
			t.Errorf("%s: %d objects are left", tt.header, left)
		}
	}
}

// TestMoveSparesNewer: the deletion at the end of a MOVE of a file deletes what
// was copied, and not what another writer has stored since.
func TestMoveSparesNewer(t *testing.T) {
	for _, to := range []string{"/r/g", "/r/d/", "/other/g"} {
		for _, headers := range [][]string{nil, {"If-Match: ETAG"}} {
			for _, what := range []string{"stays", "changes", "goes", "changed before"} {
				d := newDrive(t, "f", "d/old")
				headers := append([]string{"Destination: DRIVE" + to}, headers...)
				headers[len(headers)-1] = strings.ReplaceAll(headers[len(headers)-1], "ETAG", d.bucket.objects["f"].ETag)
				newer := func() { d.bucket.set("f", "of another writer") }
				want, source, moved := http.StatusCreated, "(missing)", "content of f"
				if to == "/r/d/" {
					want = http.StatusNoContent
				}
				switch what {
				case "changes":
					d.faults.Hook = func(op providertest.Op) error {
						if op.Name == "delete" && op.Key == "f" && op.When == providertest.Before {
							newer()
						}
						return nil
					}
					want, source = http.StatusMultiStatus, "of another writer"
				case "goes":
					d.faults.Hook = func(op providertest.Op) error {
						if op.Name == "delete" && op.Key == "f" && op.When == providertest.Before {
							d.bucket.unset("f")
						}
						return nil
					}
				case "changed before":
					d.faults.Hook = func(op providertest.Op) error {
						if (op.Name == "copy" || op.Name == "open") && op.When == providertest.Before {
							d.faults.Hook = nil
							newer()
						}
						return nil
					}
					moved = "of another writer"
					if len(headers) > 1 {
						want, source, moved = http.StatusPreconditionFailed, moved, "(missing)"
					}
				}
				a := d.do("MOVE", "/r/f", "", headers...)
				if a.StatusCode != want {
					t.Errorf("MOVE %q, the file %s: %d, want %d: %s", headers, what, a.StatusCode, want, a.body)
				}
				if want == http.StatusMultiStatus && (!strings.Contains(a.body, "<D:href>/r/f</D:href>") || !strings.Contains(a.body, "412")) {
					t.Errorf("MOVE %q, the file %s: the answer does not tell of it: %s", headers, what, a.body)
				}
				d.wantContent("f", source)
				switch to {
				case "/other/g":
					if got := d.other.objects["g"].data; got != moved && (got != "" || moved != "(missing)") {
						t.Errorf("MOVE %q, the file %s: the destination holds %q", headers, what, got)
					}
				case "/r/d/":
					d.wantContent("d", moved)
				default:
					d.wantContent("g", moved)
				}
			}
		}
	}
}
