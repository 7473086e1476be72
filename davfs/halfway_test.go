package davfs

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sealdav/providers"
	"sealdav/providers/providertest"
)

// TestListingFailsHalfWay: once anything was done, a listing that fails on a
// later page is a 207 that names the folder beside the members that failed, and
// a MOVE has deleted nothing at the source.
func TestListingFailsHalfWay(t *testing.T) {
	tests := []struct {
		name           string
		method, header string
		fails          string // the prefix whose listing does
		after          int64  // entries
		broken         string // "op key" that fails too
		want           int
		hrefs          string
		gone           int // keys of d/
	}{
		{"delete, nothing done", "DELETE", "", "d/", 900, "", 502, "", 0},
		{"delete", "DELETE", "", "d/", 1200, "", 207, "/r/d/ 502", 1000},
		{"delete and a member", "DELETE", "", "d/", 1200, "delete d/0003", 207, "/r/d/0003 502, /r/d/ 502", 999},
		{"copy, nothing done", "COPY", "/r/e/n", "d/", 0, "", 502, "", 0},
		{"copy", "COPY", "/r/e/n", "d/", 1200, "", 207, "/r/e/n/ 502", 0},
		{"move", "MOVE", "/r/e/n", "d/", 1200, "", 207, "/r/e/n/ 502", 0},
		{"move and a member", "MOVE", "/r/e/n", "d/", 1200, "copy e/n/0003", 207, "/r/e/n/0003 502, /r/e/n/ 502", 0},
		{"move and the marker", "MOVE", "/r/e/n", "d/", 1200, "copy e/n/", 207, "/r/e/n/ 502", 0},
		{"move over a folder", "MOVE", "/r/old", "old/", 1, "", 207, "/r/old/ 502", 0},
		{"copy over a folder and a member", "COPY", "/r/old", "old/", 2700, "delete old/x0003", 207, "/r/old/x0003 502, /r/old/ 502", 0},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			keys := slices.Concat([]string{"d/", "e/", "old/"}, numbered("d/", 1500), numbered("old/x", 1500))
			d := newDrive(t, keys...)
			unavailable := func(op providertest.Op) error {
				return &providers.Error{Op: op.Name, Key: op.Key, Kind: providers.ErrUnavailable}
			}
			d.faults.Hook = func(op providertest.Op) error {
				recursive := op.Name == "list" && op.Key == tc.fails && op.When == providertest.During
				if recursive && op.N == tc.after || op.When == providertest.Before && op.Name+" "+op.Key == tc.broken {
					return unavailable(op)
				}
				return nil
			}
			var header []string
			if tc.header != "" {
				header = []string{"Destination: DRIVE" + tc.header}
			}
			path := "/r/d/"
			a := d.want(tc.want, tc.method, path, "", header...)
			var hrefs []string
			for _, r := range strings.Split(a.body, "<D:href>")[1:] {
				href, rest, _ := strings.Cut(r, "</D:href><D:status>HTTP/1.1 ")
				hrefs = append(hrefs, fmt.Sprintf("%s %.3s", href, rest))
			}
			if got := strings.Join(hrefs, ", "); got != tc.hrefs {
				t.Errorf("it names %s; want %s", got, tc.hrefs)
			}
			left := 0
			for _, key := range d.bucket.all() {
				if strings.HasPrefix(key, "d/") {
					left++
				}
			}
			if gone := 1501 - left; gone != tc.gone {
				t.Errorf("%d of the folder's keys are gone, want %d", gone, tc.gone)
			}
			d.faults.Hook = nil
			d.do(tc.method, path, "", header...)
			for _, line := range d.bucket.all() {
				if tc.method != "COPY" && strings.HasPrefix(line, "d/") || tc.header == "/r/old" && strings.HasPrefix(line, "old/x") {
					t.Fatalf("after another try %s is left", line)
				}
			}
		})
	}
}
