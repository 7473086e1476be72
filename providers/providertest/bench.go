package providertest

import (
	"fmt"
	"io"
	"testing"

	"sealdav/providers"
)

// Bench measures a provider: small objects, a large one, and listings.
func Bench(b *testing.B, c Config) {
	b.Run("put-4KiB", func(b *testing.B) { benchPut(b, c, 4<<10) })
	b.Run("put-16MiB", func(b *testing.B) { benchPut(b, c, 16<<20) })
	b.Run("open-4KiB", func(b *testing.B) { benchOpen(b, c, 4<<10, providers.Range{}) })
	b.Run("open-16MiB", func(b *testing.B) { benchOpen(b, c, 16<<20, providers.Range{}) })
	b.Run("open-range-4KiB-of-16MiB", func(b *testing.B) {
		benchOpen(b, c, 16<<20, providers.Range{Offset: 9 << 20, Length: 4 << 10})
	})
	b.Run("stat", func(b *testing.B) {
		bucket := newEnv(b, c).b
		mustPut(b, bucket, "k", "x")
		for b.Loop() {
			mustStat(b, bucket, "k")
		}
	})
	b.Run("list-10k", func(b *testing.B) {
		e := newEnv(b, c)
		n := e.size(10_000, 100)
		for i := range n {
			mustPut(b, e.b, fmt.Sprintf("dir/%05d", i), "x")
		}
		for b.Loop() {
			if got := len(list(b, e.b, "dir/", providers.ListOptions{})); got < n {
				b.Fatalf("List has %d entries, want %d", got, n)
			}
		}
	})
}

func benchPut(b *testing.B, c Config, size int) {
	bucket := newEnv(b, c).b
	body := noise(1, size)
	b.SetBytes(int64(size))
	for b.Loop() {
		mustPut(b, bucket, "k", body)
	}
}

func benchOpen(b *testing.B, c Config, size int, r providers.Range) {
	bucket := newEnv(b, c).b
	mustPut(b, bucket, "k", noise(1, size))
	b.SetBytes(int64(size))
	if r.Length > 0 {
		b.SetBytes(r.Length)
	}
	for b.Loop() {
		body, _, err := bucket.Open(b.Context(), "k", providers.OpenOptions{Range: r})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, body); err != nil {
			b.Fatal(err)
		}
		if err := body.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
