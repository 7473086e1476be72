package davfs

import (
	"testing"
	"time"
)

// BenchmarkChildren yields the 10,000 members of a folder, from the store and
// from the cache.
func BenchmarkChildren(b *testing.B) {
	s := newStore(numbered("d/", 9999)...)
	for name, ttl := range map[string]time.Duration{"store": 0, "cache": time.Hour} {
		tr := treeOn(s, ttl)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				for range tr.children(b.Context(), "d") {
					n++
				}
				if n != 9999 {
					b.Fatal(n)
				}
			}
		})
	}
}
