package davfs

import (
	"context"
	"fmt"
	"io"
	"iter"
	"sync"
	"testing"
	"time"

	"sealdav/providers"
)

// endless is a bucket with a file and a folder that have no end.
type endless struct {
	*store
	over func() // what was being read is given back
}

func (b *endless) Open(context.Context, string, providers.OpenOptions) (io.ReadCloser, providers.Object, error) {
	return &endlessBody{b}, providers.Object{Key: "f", Size: 1 << 50, ETag: `"f"`}, nil
}

type endlessBody struct{ b *endless }

func (*endlessBody) Read(p []byte) (int, error) { return len(p), nil }
func (r *endlessBody) Close() error             { r.b.over(); return nil }

func (b *endless) List(ctx context.Context, prefix string, _ providers.ListOptions) iter.Seq2[providers.Entry, error] {
	return func(yield func(providers.Entry, error) bool) {
		defer b.over()
		for i := range 1 << 50 {
			key := fmt.Sprintf("%s%016d", prefix, i)
			if !yield(providers.Entry{Object: providers.Object{Key: key, ETag: `"e"`}}, nil) {
				return
			}
		}
	}
}

// TestClientStopsReading: a client that asks and then reads nothing holds
// nothing of the store, and no lock, for longer than the timeout.
func TestClientStopsReading(t *testing.T) {
	for _, request := range []string{
		"GET /r/f HTTP/1.1\nHost: x\n\n",
		"GET /r/f HTTP/1.1\nHost: x\nRange: bytes=0-99999999999,200000000000-999999999999\n\n",
		"GET /r/d/ HTTP/1.1\nHost: x\n\n",
		"PROPFIND /r/d/ HTTP/1.1\nHost: x\nDepth: 1\n\n",
	} {
		over := make(chan struct{})
		d := newDrive(t)
		s := newStore()
		s.objects["f"] = memObject{Object: providers.Object{Key: "f", Size: 1 << 50, ETag: `"f"`}}
		h := handlerOn(t, &endless{store: s, over: sync.OnceFunc(func() { close(over) })})
		h.idle = 20 * time.Millisecond
		d.serve(h)
		d.raw(request)
		<-over
	}
}
