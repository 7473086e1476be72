package bench

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"sealdav/internal/testserver"
	"sealdav/tests/harness"
)

const (
	folderSize = 10_000
	smallCount = 100
	smallSize  = 4 << 10
	rangeFile  = 64 << 20
	rangeSize  = 64 << 10
	treeSize   = 200
)

// largeSize is the size of the large file: SEALDAV_BENCH_MIB makes it smaller.
var largeSize = func() int64 {
	if n, err := strconv.ParseInt(os.Getenv("SEALDAV_BENCH_MIB"), 10, 64); err == nil {
		return n << 20
	}
	return 1 << 30
}()

// connectionRate is about what Amazon S3 gives a connection, in bytes a second;
// its guide to performance counts with 85 to 90 MB/s.
const connectionRate = 90_000_000

var far = []time.Duration{30 * time.Millisecond}

var rows = []*row{
	{name: "PROPFIND of 10,000, cold", unit: "s", samples: 5, rclone: 1, fresh: true, prepare: fillLarge,
		peer: func(b *testing.B, s *site, p *peer) float64 {
			return seconds(func() { propfind(b, p.url+"/large/") })
		},
		limit: func(b *testing.B, s *site, l *limit) float64 {
			return seconds(func() { listObjects(b, l.client, s.bucket, "large/") })
		}},
	{name: "PROPFIND of 10,000, warm", unit: "s", samples: 5, rclone: 5,
		peer: func(b *testing.B, s *site, p *peer) float64 {
			if p.name == "sealdav" || !p.listed {
				propfind(b, p.url+"/large/") // rclone keeps it for minutes
				p.listed = true
			}
			s.proxy.Reset()
			return seconds(func() { propfind(b, p.url+"/large/") })
		}},
	{name: "GET 4 KiB", unit: "ms", delays: both, samples: 3, rclone: 3, per: smallCount, prepare: fillSmall,
		peer: func(b *testing.B, s *site, p *peer) float64 {
			return small(func(i int) { get(b, p.url+smallName(i), "", new(int64(smallSize))) }, 1)
		},
		limit: func(b *testing.B, s *site, l *limit) float64 {
			return small(func(i int) { s.getObject(b, l, smallName(i)[1:], "", smallSize) }, 1)
		}},
	{name: "GET 4 KiB, 16 at a time", unit: "ms", delays: both, samples: 3, rclone: 3, per: smallCount,
		peer: func(b *testing.B, s *site, p *peer) float64 {
			return small(func(i int) { get(b, p.url+smallName(i), "", new(int64(smallSize))) }, 16)
		},
		limit: func(b *testing.B, s *site, l *limit) float64 {
			return small(func(i int) { s.getObject(b, l, smallName(i)[1:], "", smallSize) }, 16)
		}},
	{name: "PUT 4 KiB", unit: "ms", delays: both, samples: 3, rclone: 3, per: smallCount,
		peer: func(b *testing.B, s *site, p *peer) float64 {
			return small(func(i int) { put(b, p.url+smallName(i), smallSize) }, 1)
		},
		limit: func(b *testing.B, s *site, l *limit) float64 {
			return small(func(i int) { s.putObject(b, l, smallName(i)[1:], smallSize) }, 1)
		}},
	{name: "PUT 4 KiB, 16 at a time", unit: "ms", delays: both, samples: 3, rclone: 3, per: smallCount,
		peer: func(b *testing.B, s *site, p *peer) float64 {
			return small(func(i int) { put(b, p.url+smallName(i), smallSize) }, 16)
		},
		limit: func(b *testing.B, s *site, l *limit) float64 {
			return small(func(i int) { s.putObject(b, l, smallName(i)[1:], smallSize) }, 16)
		}},
	{name: "GET of a random 64 KiB", unit: "ms", delays: both, samples: 3, rclone: 1, per: smallCount,
		prepare: func(b *testing.B, s *site) { s.putObject(b, s.fill, "ranges", rangeFile) },
		peer: func(b *testing.B, s *site, p *peer) float64 {
			return small(func(int) { get(b, p.url+"/ranges", randomRange(), new(int64(rangeSize))) }, 1)
		},
		limit: func(b *testing.B, s *site, l *limit) float64 {
			return small(func(int) { s.getObject(b, l, "ranges", randomRange(), rangeSize) }, 1)
		}},
	{name: "GET 1 GiB", unit: "MB/s", more: true, samples: 9, rclone: 9, cpu: true,
		prepare: func(b *testing.B, s *site) { s.putParts(b, s.fill, "big", largeSize) },
		peer: func(b *testing.B, s *site, p *peer) float64 {
			return rate(func() { get(b, p.url+"/big", "", &largeSize) })
		},
		limit: func(b *testing.B, s *site, l *limit) float64 {
			return rate(func() { s.getObject(b, l, "big", "", largeSize) })
		}},
	{name: "PUT 1 GiB", unit: "MB/s", more: true, samples: 5, rclone: 5, cpu: true,
		peer: func(b *testing.B, s *site, p *peer) float64 { return rate(func() { put(b, p.url+"/up", largeSize) }) },
		limit: func(b *testing.B, s *site, l *limit) float64 {
			return rate(func() { s.putObject(b, l, "up", largeSize) })
		}},
	{name: "GET 1 GiB, 90 MB/s a connection", unit: "MB/s", more: true, delays: far, rate: connectionRate, samples: 3, rclone: 3, cpu: true, config: "read_concurrency = 8\n",
		prepare: func(b *testing.B, s *site) { s.putParts(b, s.fill, "big", largeSize) },
		peer: func(b *testing.B, s *site, p *peer) float64 {
			return rate(func() { get(b, p.url+"/big", "", &largeSize) })
		},
		limit: func(b *testing.B, s *site, l *limit) float64 {
			return rate(func() { s.getObject(b, l, "big", "", largeSize) })
		}},
	{name: "PUT 1 GiB, 90 MB/s a connection", unit: "MB/s", more: true, delays: far, rate: connectionRate, samples: 3, rclone: 3, cpu: true,
		peer: func(b *testing.B, s *site, p *peer) float64 { return rate(func() { put(b, p.url+"/up", largeSize) }) },
		limit: func(b *testing.B, s *site, l *limit) float64 {
			return rate(func() { s.putObject(b, l, "up", largeSize) })
		}},
	{name: "COPY of a tree of 200", unit: "s", delays: both, samples: 3, rclone: 1, per: 1, prepare: fillTree,
		peer: func(b *testing.B, s *site, p *peer) float64 {
			return seconds(func() { transfer(b, "COPY", p, "/tree/", "/"+p.name+strconv.Itoa(rand.Int())+"/") })
		}},
	{name: "MOVE of a tree of 200", unit: "s", delays: both, samples: 3, rclone: 1, per: 1, fresh: true, prepare: fillTree, before: ownTree,
		peer: func(b *testing.B, s *site, p *peer) float64 {
			to := "/" + p.name + strconv.Itoa(rand.Int())
			return seconds(func() { transfer(b, "MOVE", p, "/"+p.name+"-own/", to+"/") })
		}},
	{name: "DELETE of a tree of 200", unit: "s", delays: both, samples: 3, rclone: 1, per: 1, fresh: true, prepare: fillTree, before: ownTree,
		peer: func(b *testing.B, s *site, p *peer) float64 {
			return seconds(func() { send(b, http.MethodDelete, p.url+"/"+p.name+"-own/", nil, 0, nil) })
		}},
}

func fillLarge(b *testing.B, s *site) {
	s.fillFolder(b, "large/", folderSize, 1)
}

func fillSmall(b *testing.B, s *site) {
	s.fillFolder(b, "small/", smallCount, smallSize)
}

func fillTree(b *testing.B, s *site) {
	s.fillFolder(b, "tree/", treeSize, smallSize)
}

// ownTree fills a tree of the peer's own, past the proxy.
func ownTree(b *testing.B, s *site, p *peer) { s.fillFolder(b, p.name+"-own/", treeSize, smallSize) }

func smallName(i int) string { return fmt.Sprintf("/small/%06d", i) }

// small is the time of one of smallCount operations, in milliseconds.
func small(do func(i int), atATime int) float64 {
	return seconds(func() { at(atATime, smallCount, do) }) * 1000 / smallCount
}

func rate(do func()) float64 { return float64(largeSize) / seconds(do) / 1e6 }

func randomRange() string {
	from := rand.Int64N(rangeFile - rangeSize)
	return fmt.Sprintf("%d-%d", from, from+rangeSize-1)
}

// memoryRows are the lines on memory, in MiB of resident memory.
var memoryRows = []string{"resident, idle", "peak, 16 uploads of 256 MiB", "growth, PROPFIND of 100,000", "growth, PROPFIND of 1,000,000"}

// memoryBounds are what sealdav may take at most of each, in bytes.
var memoryBounds = []int64{40_000_000, 256<<20 + 64_000_000, 32 << 20, 32 << 20}

var memoryRow = &row{unit: "MiB"}

func memoryResults(b *testing.B, lazy func() *site) []*result {
	var results []*result
	measure := func(name string, do func(b *testing.B, r *result)) {
		b.Run(name, func(b *testing.B) {
			r := &result{row: memoryRow, name: name, samples: map[string][]sample{}}
			if do(b, r); b.Failed() {
				return
			}
			results = append(results, r)
			fmt.Println(r.line())
		})
	}
	add := func(r *result, who string, bytes int64) {
		if most := memoryBounds[slices.Index(memoryRows, r.name)]; who == "sealdav" && bytes > most {
			b.Errorf("%s: %d MiB, and may be %d", r.name, bytes>>20, most>>20)
		}
		r.samples[who] = append(r.samples[who], sample{value: float64(bytes) / (1 << 20)})
	}
	measure(memoryRows[0], func(b *testing.B, r *result) {
		s := lazy()
		for _, p := range s.peers {
			s.restart(b, p)
			add(r, p.name, harness.Memory(b, p.process.PID(), "VmRSS"))
			p.stop()
		}
	})
	measure(memoryRows[1], func(b *testing.B, r *result) {
		s := lazy()
		p := s.peers[0]
		s.restart(b, p)
		at(16, 16, func(i int) { put(b, fmt.Sprintf("%s/up-%d", p.url, i), 256<<20) })
		add(r, p.name, harness.Memory(b, p.process.PID(), "VmHWM"))
		p.stop()
	})
	for i, n := range []int{100_000, 1_000_000} {
		measure(memoryRows[2+i], func(b *testing.B, r *result) {
			store := testserver.Listing(b)
			file, env := harness.ConfigWith(b, harness.Settings{LogLevel: "info", ListCache: "2s"},
				harness.Remote{Name: "drive", URL: "s3://bucket", Store: store, SSE: harness.NewKey(b).Write()})
			addr := freeAddr(b)
			process := launch(b, harness.Binary(), []string{"serve", "--config", file, "--listen", addr}, env, addr)
			propfind(b, "http://"+addr+"/drive/1000/")
			before := harness.Memory(b, process.PID(), "VmHWM")
			client := (&site{store: store}).client(store.Endpoint)
			own := seconds(func() { propfind(b, fmt.Sprintf("http://%s/drive/%d/", addr, n)) })
			sdk := seconds(func() { listObjects(b, client, "bucket", fmt.Sprintf("%d/", n)) })
			add(r, "sealdav", harness.Memory(b, process.PID(), "VmHWM")-before)
			b.Logf("PROPFIND of %d: %.2f s, %.2f of the SDK's listing", n, own, own/sdk)
			fmt.Printf("PROPFIND of %d: %.2f s, %.2f times the SDK's bare listing, which takes %.2f s\n", n, own, own/sdk, sdk)
		})
	}
	return results
}
