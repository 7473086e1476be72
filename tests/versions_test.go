package tests

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"sealdav/internal/testserver"
	"sealdav/tests/harness"
)

// heldStore is a store whose proxy can hold requests up.
type heldStore struct {
	remote   func(t testing.TB, name string) harness.Remote
	setFault func(func(*http.Request) *testserver.Fault)
	reset    func()
	ops      func() []string
	deletion string // the name of a request that deletes one object
}

// TestOtherWriters: two servers show one bucket. While the deletion of a file is
// on its way to the store, the other server replaces the file, and says that it
// is stored: then it stays. Where the file is left alone, a listing of its folder
// and the deletion are all that the store is asked for, or that alone.
func TestOtherWriters(t *testing.T) {
	for _, store := range []struct {
		name string
		open func(t *testing.T) heldStore
	}{
		{"gcs", func(t *testing.T) heldStore {
			b, key := newGCSBucket(t), harness.NewKey(t)
			return heldStore{
				remote:   func(_ testing.TB, name string) harness.Remote { return b.remote(name, gcsWrite(key)) },
				setFault: b.SetFault, reset: b.Reset, ops: b.Ops, deletion: "delete",
			}
		}},
		{"azure", func(t *testing.T) heldStore {
			a, key := newAzure(t), harness.NewKey(t)
			return heldStore{
				remote:   func(t testing.TB, name string) harness.Remote { return a.remote(t, name, key.Write()) },
				setFault: a.SetFault, reset: a.Reset, ops: a.Ops, deletion: "DeleteBlob",
			}
		}},
	} {
		t.Run(store.name, func(t *testing.T) {
			h := store.open(t)
			ours := harness.ServeWith(t, harness.Settings{ListCache: "10m"}, h.remote(t, "drive"))
			theirs := harness.ServeConfig(t, "", h.remote(t, "drive"))
			for _, s := range []*harness.Server{ours, theirs} { // both have probed the store then
				s.Put(t, "/drive/probed", nil)
			}
			for i, tc := range []struct {
				method    string
				condition bool
				want      int
			}{
				{"DELETE", true, http.StatusPreconditionFailed},
				{"MOVE", true, http.StatusMultiStatus},
				{"MOVE", false, http.StatusMultiStatus},
			} {
				path := fmt.Sprintf("/drive/file%d", i)
				h.wantNewerStays(t, ours, theirs, tc.method, path, tc.condition, tc.want)
			}
			for _, warm := range []bool{false, true} {
				path := fmt.Sprintf("/drive/d%v/f", warm)
				ours.Want(t, []int{201}, "MKCOL", path[:len(path)-2], nil)
				ours.Put(t, path, []byte("content"))
				tag := ours.Want(t, []int{200}, "HEAD", path, nil).Header.Get("ETag")
				s := ours
				if !warm {
					s = theirs
				}
				h.reset()
				s.Want(t, []int{204}, "DELETE", path, nil, "If-Match", tag)
				if ops := h.ops(); len(ops) > 2 || warm && len(ops) != 1 {
					t.Errorf("a DELETE with If-Match, warm: %v, takes %q", warm, ops)
				}
			}
		})
	}
}

// wantNewerStays holds the deletion of a request of our server up while theirs
// replaces the file.
func (h heldStore) wantNewerStays(t *testing.T, ours, theirs *harness.Server, method, path string, condition bool, want int) {
	t.Helper()
	ours.Put(t, path, []byte("version 1"))
	headers := []string{"Destination", ours.URL + path + "-moved"}
	if condition {
		headers = append(headers, "If-Match", ours.Want(t, []int{200}, "HEAD", path, nil).Header.Get("ETag"))
	}
	hold := make(chan struct{})
	h.reset()
	h.setFault(func(r *http.Request) *testserver.Fault {
		if r.Method == http.MethodDelete && strings.HasSuffix(r.URL.Path, path[len("/drive"):]) {
			return &testserver.Fault{Wait: hold}
		}
		return nil
	})
	defer h.setFault(nil)
	answer := make(chan harness.Response, 1)
	go func() { answer <- ours.Do(t, method, path, nil, headers...) }()
	harness.Eventually(t, func() string {
		if slices.Contains(h.ops(), h.deletion) {
			return ""
		}
		return "no deletion is on its way to the store"
	})
	theirs.Put(t, path, []byte("version 2, of another writer"))
	close(hold)
	if r := <-answer; r.Status != want {
		t.Errorf("%s: %d, want %d: %s", method, r.Status, want, r.Body)
	}
	for _, s := range []*harness.Server{ours, theirs} {
		same(t, path, s.Get(t, path), []byte("version 2, of another writer"))
	}
	if method == "MOVE" {
		same(t, path, ours.Get(t, path+"-moved"), []byte("version 1"))
	}
}
