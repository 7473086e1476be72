package main

import (
	"math"
	"runtime/debug"
)

// besideTransfers is what the process may take beside the buffers of uploads,
// in bytes, before garbage is collected sooner.
const besideTransfers = 56 << 20

// limitMemory keeps garbage from doubling what the buffers take: the collector
// else waits until there is as much of it as there is in use. A limit that
// GOMEMLIMIT has set stays.
func limitMemory(transfers int64) {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(transfers + besideTransfers)
	}
}
