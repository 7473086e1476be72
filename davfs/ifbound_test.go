package davfs

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"sealdav/providers"
)

// interloper is a bucket in which somebody else writes a file right before it
// is written, or copied from, for the first time.
type interloper struct {
	*store
	once sync.Once
}

func (b *interloper) write(key string) {
	b.once.Do(func() { b.set(key, "of another") })
}

func (b *interloper) Put(ctx context.Context, key string, body io.Reader, opts providers.PutOptions) (providers.Object, error) {
	b.write(key)
	return b.store.Put(ctx, key, body, opts)
}

func (b *interloper) Copy(ctx context.Context, dst string, src providers.Object, opts providers.CopyOptions) (providers.Object, error) {
	b.write(src.Key)
	return b.store.Copy(ctx, dst, src, opts)
}

// TestIfBoundToWrite: an If header with an entity tag is about the version that
// the request replaces, copies or changes, not about one that lay there a
// moment before.
func TestIfBoundToWrite(t *testing.T) {
	for _, tt := range []struct {
		method, header string // of TAG, the file's
		want           int
	}{
		{"PUT", "([TAG])", 412},
		{"PUT", "([W/TAG])", 412},
		{"PUT", "</r/f> ([TAG])", 412},
		{"PUT", `(["x"]) ([TAG])`, 412},
		{"PUT", `([TAG]) (Not <DAV:no-lock>)`, 204}, // holds without the tag
		{"PUT", `(Not ["x"])`, 204},
		{"PUT", `</r/g> (["v2"])`, 204},
		{"COPY", "([TAG])", 412},
		{"MOVE", "([TAG])", 412},
		{"PROPPATCH", "([TAG])", 412},
	} {
		t.Run(tt.method+" "+tt.header, func(t *testing.T) {
			s := newStore("f", "g")
			b := &interloper{store: s}
			h := handlerOn(t, b)
			header := strings.ReplaceAll(tt.header, "TAG", s.objects["f"].ETag)
			body := map[string]string{"PUT": "x", "PROPPATCH": patchBody}[tt.method]
			if got := codeOf(h, tt.method, "/r/f", body, "If", header, "Destination", "/r/new"); got != tt.want {
				t.Errorf("%d, want %d; the store has %q", got, tt.want, s.all())
			}
			if tt.want == http.StatusPreconditionFailed && !s.holds("of another") {
				t.Errorf("the version that came in between is gone: %q", s.all())
			}
		})
	}
}

// TestProppatchIsBound: a PROPPATCH under a condition does not try again on a
// version that the condition is not about.
func TestProppatchIsBound(t *testing.T) {
	s := newStore("f")
	h := handlerOn(t, &interloper{store: s})
	if got := codeOf(h, "PROPPATCH", "/r/f", patchBody, "If-Match", s.objects["f"].ETag); got != http.StatusPreconditionFailed {
		t.Errorf("%d, want 412", got)
	}
	h = handlerOn(t, &interloper{store: s})
	if got := codeOf(h, "PROPPATCH", "/r/f", patchBody); got != http.StatusMultiStatus {
		t.Errorf("without a condition: %d, want 207", got)
	}
}
