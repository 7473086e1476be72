package davfs

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"sealdav/davfs/locks"
	"sealdav/providers/providertest"
)

// The precedence of RFC 9110 section 13.2.2, in every method that has
// conditions: each row is what a read and what a write answer when the method
// alone would succeed.
func TestConditions(t *testing.T) {
	past, future := "Mon, 02 Jan 2006 15:04:05 GMT", "Fri, 02 Jan 2099 15:04:05 GMT"
	const fine = 0
	rows := []struct {
		headers     []string // ETAG stands for the file's
		read, write int
	}{
		{[]string{"If-Match: ETAG"}, fine, fine},
		{[]string{"If-Match: *"}, fine, fine},
		{[]string{`If-Match: "x", ETAG`}, fine, fine},
		{[]string{`If-Match: "x"`}, 412, 412},
		{[]string{"If-Match: W/ETAG"}, 412, 412},
		{[]string{"If-Unmodified-Since: " + future}, fine, fine},
		{[]string{"If-Unmodified-Since: " + past}, 412, 412},
		{[]string{"If-Unmodified-Since: yesterday"}, fine, fine},
		// If-Match overrides If-Unmodified-Since.
		{[]string{"If-Match: ETAG", "If-Unmodified-Since: " + past}, fine, fine},
		{[]string{`If-Match: "x"`, "If-Unmodified-Since: " + future}, 412, 412},
		{[]string{"If-None-Match: ETAG"}, 304, 412},
		{[]string{"If-None-Match: W/ETAG"}, 304, 412},
		{[]string{"If-None-Match: *"}, 304, 412},
		{[]string{`If-None-Match: "x"`}, fine, fine},
		{[]string{`If-None-Match: "x", ETAG`}, 304, 412},
		// If-None-Match overrides If-Modified-Since, which only reads have.
		{[]string{"If-Modified-Since: " + future}, 304, fine},
		{[]string{"If-Modified-Since: " + past}, fine, fine},
		{[]string{`If-None-Match: "x"`, "If-Modified-Since: " + future}, fine, fine},
		{[]string{"If-None-Match: ETAG", "If-Modified-Since: " + past}, 304, 412},
		// Both kinds: the first that fails decides.
		{[]string{"If-Match: ETAG", "If-None-Match: ETAG"}, 304, 412},
		{[]string{`If-Match: "x"`, "If-None-Match: ETAG"}, 412, 412},
		{[]string{"If-Match: ETAG", `If-None-Match: "x"`}, fine, fine},
		{[]string{"If-Match: ETAG", "If-Modified-Since: " + future}, 304, fine},
		{[]string{"If-Unmodified-Since: " + past, "If-None-Match: ETAG"}, 412, 412},
		{[]string{"If-Unmodified-Since: " + future, "If-None-Match: ETAG"}, 304, 412},
	}
	methods := []struct {
		method string
		code   int
		read   bool
		body   string
		extra  string
	}{
		{"GET", 200, true, "", ""},
		{"GET", 206, true, "", "Range: bytes=0-1"},
		{"GET", 206, true, "", "Range: bytes=0-1,500-501"},
		{"HEAD", 200, true, "", ""},
		{"PUT", 204, false, "new", ""},
		{"DELETE", 204, false, "", ""},
		{"COPY", 201, false, "", "Destination: /r/d/copy"},
		{"MOVE", 201, false, "", "Destination: /r/d/copy"},
		{"PROPPATCH", 207, false, `<D:propertyupdate xmlns:D="DAV:"/>`, ""},
	}
	content := strings.Repeat("content ", 100)
	for _, m := range methods {
		for _, warm := range []bool{false, true} {
			for _, row := range rows {
				d := newDriveWith(t, Options{ListCache: time.Hour}, "d/")
				d.object("d/f", content, "text/plain")
				etag := d.want(200, "HEAD", "/r/d/f", "").Header.Get("ETag")
				if warm {
					d.propfind("/r/d/", "1", "")
				}
				var headers []string
				for _, h := range row.headers {
					headers = append(headers, strings.ReplaceAll(h, "ETAG", etag))
				}
				want := row.write
				if m.read {
					want = row.read
				}
				if want == fine {
					want = m.code
				}
				if m.extra != "" {
					headers = append(headers, m.extra)
				}
				a := d.do(m.method, "/r/d/f", m.body, headers...)
				if a.StatusCode != want {
					t.Errorf("%s %s, warm %v: %d, want %d", m.method, headers, warm, a.StatusCode, want)
				}
				if want == 412 {
					d.wantContent("d/f", content)
					d.wantContent("d/copy", "(missing)")
				}
			}
		}
	}
}

// Where there is nothing, and where a request fails for another reason.
func TestConditionsOfNothing(t *testing.T) {
	for _, tt := range []struct {
		code         int
		method, path string
		headers      []string
	}{
		{404, "GET", "/r/none", []string{"If-Match: *"}},
		{404, "HEAD", "/r/none", []string{`If-Match: "x"`}},
		{412, "PUT", "/r/none", []string{"If-Match: *"}},
		{412, "PUT", "/r/none", []string{`If-Match: "x"`}},
		{201, "PUT", "/r/none", []string{"If-None-Match: *"}},
		{201, "PUT", "/r/none", []string{`If-None-Match: "x"`}},
		{201, "PUT", "/r/none", []string{"If-Unmodified-Since: Mon, 02 Jan 2006 15:04:05 GMT"}},
		{404, "DELETE", "/r/none", []string{"If-Match: *"}},
		{404, "MOVE", "/r/none", []string{"If-Match: *", "Destination: /r/x"}},
		{412, "MKCOL", "/r/none", []string{"If-Match: *"}},
		{201, "MKCOL", "/r/none", []string{"If-None-Match: *"}},
		{405, "MKCOL", "/r/f", []string{"If-None-Match: *"}},
		{405, "MKCOL", "/r/f", []string{"If-Match: *"}},
		{405, "MKCOL", "/r/d", []string{`If-Match: "x"`}},
		{404, "PROPPATCH", "/r/none", []string{"If-Match: *"}},
	} {
		d := newDrive(t, "f", "d/")
		body := ""
		if tt.method == "PROPPATCH" {
			body = `<D:propertyupdate xmlns:D="DAV:"/>`
		}
		d.want(tt.code, tt.method, tt.path, body, tt.headers...)
	}
}

// A listing that is out of date does not decide a condition.
func TestConditionsBehindTheCache(t *testing.T) {
	for _, tt := range []struct {
		method, body string
		code         int
		headers      []string
	}{
		{"DELETE", "", 204, nil}, {"PUT", "x", 204, nil},
		{"COPY", "", 201, []string{"Destination: /r/d/c"}},
		{"MOVE", "", 201, []string{"Destination: /r/d/c"}},
		{"PROPPATCH", `<D:propertyupdate xmlns:D="DAV:"/>`, 207, nil},
	} {
		d := newDriveWith(t, Options{ListCache: time.Hour}, "d/", "d/f")
		old := d.want(200, "HEAD", "/r/d/f", "").Header.Get("ETag")
		d.propfind("/r/d/", "1", "")
		d.object("d/f", "others were here", "text/plain")
		fresh := d.want(200, "HEAD", "/r/d/f", "").Header.Get("ETag")
		d.want(412, tt.method, "/r/d/f", tt.body, append(tt.headers, "If-Match: "+old)...)
		d.wantContent("d/f", "others were here")
		d.want(tt.code, tt.method, "/r/d/f", tt.body, append(tt.headers, "If-Match: "+fresh)...)
	}
}

// A file that changes between the look at it and the copy is not moved under a
// condition that held for the old version.
func TestConditionsBindTheStore(t *testing.T) {
	for _, method := range []string{"COPY", "MOVE"} {
		d := newDrive(t, "f")
		etag := d.want(200, "HEAD", "/r/f", "").Header.Get("ETag")
		d.faults.Hook = func(op providertest.Op) error {
			if (op.Name == "copy" || op.Name == "rename") && op.When == providertest.Before {
				d.faults.Hook = nil
				d.object("f", "somebody else's", "")
			}
			return nil
		}
		d.want(412, method, "/r/f", "", "Destination: /r/g", "If-Match: "+etag)
		d.wantContent("f", "somebody else's")
		d.wantContent("g", "(missing)")
	}
}

// Two servers on one bucket, each with its own memory: of two that create the
// same name under "only if there is none", one wins.
func TestReplicas(t *testing.T) {
	for _, tt := range []struct {
		name, method, body string
		headers            []string
		won, lost          int
	}{
		{"PUT", "PUT", "from %d", []string{"If-None-Match: *"}, 201, 412},
		{"MKCOL", "MKCOL", "", nil, 201, 405},
		{"COPY", "COPY", "", []string{"Destination: /r/new", "Overwrite: F"}, 201, 412},
		{"MOVE", "MOVE", "", []string{"Destination: /r/new", "Overwrite: F"}, 201, 412},
		{"LOCK", "LOCK", lockBody, nil, 201, 200},
		{"PUT over", "PUT", "from %d", []string{"If-Match: ETAG"}, 204, 412},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newStore("src0", "src1")
			if tt.name == "PUT over" {
				b.set("new", "old")
			}
			// Both have looked before either writes.
			var looked sync.WaitGroup
			looked.Add(2)
			var handlers [2]*Handler
			for i := range handlers {
				var once sync.Once
				f := &providertest.Faults{Bucket: b, Hook: func(op providertest.Op) error {
					if op.When == providertest.Before && (op.Name == "put" || op.Name == "copy") {
						once.Do(func() { looked.Done(); looked.Wait() })
					}
					return nil
				}}
				h, err := New([]Remote{{Name: "r", Bucket: f}}, Options{ListCache: time.Hour, Locks: locks.NewMemory()})
				if err != nil {
					t.Fatal(err)
				}
				handlers[i] = h
			}
			var wg sync.WaitGroup
			var codes [2]int
			for i, h := range handlers {
				wg.Go(func() {
					path, body := "/r/new", tt.body
					if strings.Contains(body, "%d") {
						body = fmt.Sprintf(body, i)
					}
					if tt.method == "COPY" || tt.method == "MOVE" {
						path = fmt.Sprintf("/r/src%d", i)
					}
					r := httptest.NewRequest(tt.method, path, strings.NewReader(body))
					for _, h := range tt.headers {
						name, value, _ := strings.Cut(h, ": ")
						r.Header.Set(name, strings.ReplaceAll(value, "ETAG", `"v3"`))
					}
					w := httptest.NewRecorder()
					h.ServeHTTP(w, r)
					codes[i] = w.Code
				})
			}
			wg.Wait()
			if max(codes[0], codes[1]) != max(tt.won, tt.lost) || min(codes[0], codes[1]) != min(tt.won, tt.lost) {
				t.Errorf("answers %v, want %d and %d", codes, tt.won, tt.lost)
			}
			if tt.method == "MOVE" { // who lost has lost nothing
				for i, code := range codes {
					o, err := b.Stat(t.Context(), fmt.Sprintf("src%d", i))
					if there := err == nil; there != (code == tt.lost) {
						t.Errorf("src%d: %v %v after %d", i, o, err, code)
					}
				}
			}
		})
	}
}
