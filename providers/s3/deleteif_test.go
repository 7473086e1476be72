package s3_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sealdav/providers"
	"sealdav/sse"
)

// TestDeleteIf: what a conditional deletion costs, and comes to, at stores that
// decide it, that do not, and that get it wrong.
func TestDeleteIf(t *testing.T) {
	const gone, stays = true, false
	refused := providers.ErrPrecondition
	for _, tc := range []struct {
		name   string
		amazon bool
		store  string // what it makes of If-Match on a DELETE
		seen   bool
		tag    string // asked for; the object's is "1", and "" is none there
		want   []string
		after  bool
		kind   error
	}{
		{"Amazon", true, "decides", false, `"1"`, []string{"DELETE"}, gone, nil},
		{"Amazon, another version", true, "decides", false, `"0"`, []string{"DELETE"}, stays, refused},
		{"Amazon, at the same time as a write", true, "conflict", true, `"1"`, []string{"DELETE"}, stays, refused},
		{"Amazon, gone", true, "absent", false, `"1"`, []string{"DELETE"}, gone, nil},
		{"versitygw", false, "decides", false, `"1"`, []string{"HEAD", "DELETE"}, gone, nil},
		{"versitygw, another version", false, "decides", false, `"0"`, []string{"HEAD"}, stays, refused},
		{"versitygw, seen", false, "decides", true, `"1"`, []string{"DELETE"}, gone, nil},
		{"versitygw, another version than seen", false, "decides", true, `"0"`, []string{"DELETE", "HEAD"}, stays, refused},
		{"versitygw, gone", false, "absent", false, `"1"`, []string{"HEAD", "GET"}, gone, nil}, // which tells it from a missing bucket
		{"versitygw, gone since it was seen", false, "absent", true, `"1"`, []string{"DELETE"}, gone, nil},
		{"MinIO", false, "ignores", false, `"1"`, []string{"HEAD", "DELETE"}, gone, nil},
		{"MinIO, another version", false, "ignores", false, `"0"`, []string{"HEAD"}, stays, refused},
		{"MinIO, seen", false, "ignores", true, `"1"`, []string{"DELETE"}, gone, nil},
		{"Ceph", false, "bare", true, `"1"`, []string{"DELETE", "HEAD", "DELETE"}, gone, nil},
		{"Ceph, another version", false, "bare", true, `"0"`, []string{"DELETE", "HEAD"}, stays, refused},
		{"a store without", false, "501", true, `"1"`, []string{"DELETE", "HEAD", "DELETE"}, gone, nil},
		{"a store without, another version", false, "501", true, `"0"`, []string{"DELETE", "HEAD"}, stays, refused},
	} {
		t.Run(tc.name, func(t *testing.T) {
			there := tc.store != "absent"
			var asked []string
			store := fake(t, func(w http.ResponseWriter, r *http.Request) {
				asked = append(asked, r.Method)
				match := r.Header.Get("If-Match")
				if r.Header.Get("X-Amz-Server-Side-Encryption-Customer-Key") != "" && r.Method == http.MethodDelete {
					t.Error("a deletion was sent with a key")
				}
				switch {
				case r.Method == http.MethodHead && there:
					w.Header().Set("ETag", `"1"`)
				case !there && (match != "" || r.Method != http.MethodDelete):
					refuse(w, 404, "NoSuchKey", "")
				case tc.store == "decides" && match != `"1"`, tc.store == "bare" && match != "1":
					refuse(w, 412, "PreconditionFailed", "")
				case tc.store == "conflict":
					refuse(w, 409, "ConditionalRequestConflict", "")
				case tc.store == "501" && match != "":
					refuse(w, 501, "NotImplemented", "")
				default:
					there = false
					w.WriteHeader(http.StatusNoContent)
				}
			})
			b := open(t, config(store, "b", sse.Settings{}))
			if tc.amazon {
				b.SetAmazon()
			}
			err := b.DeleteIf(t.Context(), "k", providers.DeleteOptions{IfMatch: tc.tag, Seen: tc.seen})
			if tc.kind == nil && err != nil || !errors.Is(err, tc.kind) {
				t.Errorf("DeleteIf: %v, want %v", err, tc.kind)
			}
			if there == tc.after {
				t.Errorf("there: %v", there)
			}
			if diff := cmp.Diff(tc.want, asked); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}
