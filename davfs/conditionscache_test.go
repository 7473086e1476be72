package davfs

import (
	"net/http"
	"testing"
	"time"
)

const patchBody = `<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><x xmlns="y">1</x></D:prop></D:set></D:propertyupdate>`

// TestConditionsBesideListing: what decides about an entity tag is what the
// store has, not a listing that was kept from before somebody else has written.
func TestConditionsBesideListing(t *testing.T) {
	const other = `, "other"`
	for _, tt := range []struct {
		method, header, more string
		old, now             int // with the tag that the listing has, and with that of the store
	}{
		{"GET", "If-None-Match", "", 200, 304},
		{"GET", "If-None-Match", other, 200, 304},
		{"HEAD", "If-None-Match", other, 200, 304},
		{"GET", "If-Match", "", 412, 200},
		{"GET", "If-Match", other, 412, 200},
		{"GET", "If", "", 412, 200},
		{"PUT", "If-Match", "", 412, 204},
		{"PUT", "If-Match", other, 412, 204},
		{"PUT", "If", "", 412, 204},
		{"PROPPATCH", "If-Match", "", 412, 207},
		{"PROPPATCH", "If", "", 412, 207},
		{"COPY", "If-Match", other, 412, 201},
		{"COPY", "If", "", 412, 201},
		{"MOVE", "If-Match", "", 412, 201},
		{"MOVE", "If", "", 412, 201},
		{"DELETE", "If-Match", "", 412, 204},
		{"DELETE", "If-Match", other, 412, 204},
		{"DELETE", "If", "", 412, 204},
		{"LOCK", "If", "", 412, 200},
	} {
		for _, current := range []bool{false, true} {
			d := newDriveWith(t, Options{ListCache: time.Hour}, "f")
			d.propfind("/r/", "1", "")
			tag, want := d.bucket.objects["f"].ETag, tt.old
			d.object("f", "newer", "")
			if current {
				tag, want = d.bucket.objects["f"].ETag, tt.now
			}
			value := tag + tt.more
			if tt.header == "If" {
				value = "([" + tag + "])"
			}
			body := map[string]string{"PUT": "x", "PROPPATCH": patchBody, "LOCK": lockBody}[tt.method]
			headers := []string{tt.header + ": " + value}
			if tt.method == "COPY" || tt.method == "MOVE" {
				headers = append(headers, "Destination: DRIVE/r/g")
			}
			a := d.do(tt.method, "/r/f", body, headers...)
			if a.StatusCode != want {
				t.Errorf("%s %s (current: %v): %d, want %d", tt.method, headers[0], current, a.StatusCode, want)
			}
			if want == http.StatusPreconditionFailed {
				d.wantContent("f", "newer")
				d.wantContent("g", "(missing)")
			}
		}
	}
}
