package azure_test

import (
	"errors"
	"testing"

	"sealdav/internal/testserver"
	"sealdav/providers"
)

// TestDeleteIf counts what a conditional deletion costs, and has it carried out
// without an answer: the store refuses the next attempt, as nothing is left that
// could meet the condition.
func TestDeleteIf(t *testing.T) {
	p := testserver.NewAzure(t)
	b := open(t, config(p, p.NewContainer(t), customerKey))
	old := put(t, b, "k", []byte("old"))
	now := put(t, b, "k", []byte("now"))
	for _, tc := range []struct {
		name, etag string
		fault      testserver.Fault
		kind       error
		want       string
	}{
		{"another version", old.ETag, testserver.Fault{}, providers.ErrPrecondition, "DeleteBlob GetBlobProperties"},
		{"lost answer", now.ETag, testserver.Fault{DropAnswer: true}, nil, "DeleteBlob DeleteBlob GetBlobProperties"},
		{"gone", now.ETag, testserver.Fault{}, nil, "DeleteBlob GetBlobProperties"},
	} {
		p.Reset()
		p.SetFault(testserver.OnAzureOp("DeleteBlob", 1, tc.fault))
		err := b.DeleteIf(t.Context(), "k", providers.DeleteOptions{IfMatch: tc.etag})
		if tc.kind == nil && err != nil || !errors.Is(err, tc.kind) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.kind)
		}
		if got := ops(p); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
	p.SetFault(nil)
	p.Reset()
	last := put(t, b, "k", []byte("last"))
	p.Reset()
	if err := b.DeleteIf(t.Context(), "k", providers.DeleteOptions{IfMatch: last.ETag}); err != nil || ops(p) != "DeleteBlob" {
		t.Errorf("DeleteIf: %v, %s", err, ops(p))
	}
}
