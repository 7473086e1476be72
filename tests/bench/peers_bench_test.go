package bench

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"
)

// row is something that all contenders do.
type row struct {
	name    string
	unit    string
	more    bool            // more is better
	delays  []time.Duration // nil: none
	samples int             // of each contender; rclone has fewer where it takes minutes
	rclone  int
	prepare func(b *testing.B, s *site)                   // once, past the proxy
	fresh   bool                                          // the peers begin with nothing in memory
	before  func(b *testing.B, s *site, p *peer)          // of each measurement of a peer
	peer    func(b *testing.B, s *site, p *peer) float64  // in the unit
	limit   func(b *testing.B, s *site, l *limit) float64 // nil: none
	per     int                                           // operations of one measurement, for the requests
	cpu     bool                                          // the server's processor time is of interest
	rate    int64                                         // bytes of a request in a second at most; 0: no bound
	config  string                                        // further lines of sealdav's remote
}

var both = []time.Duration{0, 30 * time.Millisecond}

func (r *row) names() []string {
	if r.delays == nil {
		return []string{r.name}
	}
	var all []string
	for _, d := range r.delays {
		all = append(all, fmt.Sprintf("%s, %d ms", r.name, d.Milliseconds()))
	}
	return all
}

// names are those of all lines of the table.
func names() []string {
	var all []string
	for _, r := range rows {
		all = append(all, r.names()...)
	}
	return append(all, memoryRows...)
}

// BenchmarkPeers measures sealdav, rclone serve webdav and the two limits side
// by side. One row: -bench 'Peers/GET_1_GiB'.
func BenchmarkPeers(b *testing.B) {
	var results []*result
	site := sync.OnceValue(func() *site { return newSite(b) })
	for _, r := range rows {
		delays := r.delays
		if delays == nil {
			delays = []time.Duration{0}
		}
		prepared := false
		for i, name := range r.names() {
			b.Run(name, func(b *testing.B) {
				s := site()
				if !prepared && r.prepare != nil {
					r.prepare(b, s)
				}
				prepared = true
				s.config = r.config
				s.distance(delays[i], r.rate)
				defer s.distance(0, 0)
				res := &result{row: r, name: name, samples: s.measure(b, r)}
				if b.Failed() {
					return
				}
				results = append(results, res)
				fmt.Println(res.line())
			})
		}
	}
	results = append(results, memoryResults(b, site)...)
	report(b, slices.Clip(results))
}

// measure interleaves the contenders, so that what else the machine does meets
// all of them.
func (s *site) measure(b *testing.B, r *row) map[string][]sample {
	b.Helper()
	samples := map[string][]sample{}
	defer func() {
		for _, p := range s.peers {
			p.stop()
		}
	}()
	for round := range r.samples {
		for _, p := range s.peers {
			if p.name == "rclone" && round >= r.rclone {
				continue
			}
			if r.before != nil {
				r.before(b, s, p)
			}
			if r.fresh || p.process == nil {
				s.restart(b, p)
			}
			samples[p.name] = append(samples[p.name], s.sample(b, r, p.process.PID(), func() float64 { return r.peer(b, s, p) }))
			if b.Failed() {
				b.FailNow()
			}
		}
		for _, l := range []*limit{s.passed, s.direct} {
			if r.limit != nil {
				samples[l.name] = append(samples[l.name], s.sample(b, r, l.pid, func() float64 { return r.limit(b, s, l) }))
			}
		}
	}
	return samples
}

// sample takes one measurement with what it cost.
func (s *site) sample(b *testing.B, r *row, pid int, do func() float64) sample {
	b.Helper()
	var before float64
	if r.cpu && pid != 0 {
		before = cpuSeconds(b, pid)
	}
	s.proxy.Reset()
	m := sample{value: do()}
	requests := s.proxy.Requests()
	m.requests = float64(len(requests)) / float64(max(1, r.per))
	for _, q := range requests {
		if op := q.Op(); op == "GetObject" && r.per > 1 {
			m.bytes += float64(q.Received) / float64(r.per)
		}
	}
	if r.cpu && pid != 0 {
		m.cpu = cpuSeconds(b, pid) - before
	}
	return m
}

// seconds is how long do takes.
func seconds(do func()) float64 {
	start := time.Now()
	do()
	return time.Since(start).Seconds()
}
