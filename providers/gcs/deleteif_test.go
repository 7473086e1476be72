package gcs_test

import (
	"errors"
	"testing"

	"sealdav/internal/testserver"
	"sealdav/providers"
)

// TestDeleteIf: the version that is meant is a precondition of a deletion, and
// never what is deleted: a bucket that keeps older versions keeps this one too.
func TestDeleteIf(t *testing.T) {
	store := testserver.SharedGCS(t)
	b := open(t, config(store, store.NewBucket(t), customerKey))
	obj := put(t, b, "k", "content")
	deleteIf := func(tag string, kind error) func() {
		return func() {
			err := b.DeleteIf(t.Context(), "k", providers.DeleteOptions{IfMatch: tag})
			if kind == nil && err != nil || !errors.Is(err, kind) {
				t.Errorf("DeleteIf: %v, want %v", err, kind)
			}
		}
	}
	wantOps(t, store, "DeleteIf with a tag that is not Google's", deleteIf(`"abc"`, providers.ErrPrecondition))
	wantOps(t, store, "DeleteIf of another version", deleteIf(`"1"`, providers.ErrPrecondition), "delete", "describe")
	wantOps(t, store, "DeleteIf", deleteIf(obj.ETag, nil), "delete")
	for _, r := range store.Requests() {
		if r.Query.Has("generation") || r.Query.Get("ifGenerationMatch") == "" || r.Header.Get("X-Goog-Encryption-Key") != "" {
			t.Errorf("a deletion was sent with %v", r.Query)
		}
	}
	wantOps(t, store, "DeleteIf of what is gone", deleteIf(obj.ETag, nil), "delete")
	defer store.SetFault(nil)
	store.SetFault(testserver.OnGCSOp("delete", 1, testserver.Fault{Status: 412, Code: "conditionNotMet"}))
	wantOps(t, store, "DeleteIf of what is gone, refused", deleteIf(obj.ETag, nil), "delete", "describe")
}
