package main

import (
	"os"
	"runtime/debug"
)

// besideTransfers is the memory, in bytes, that the process may take beside the
// buffers of uploads before the collector works harder.
const besideTransfers = 40 << 20

// limitMemory has the collector keep garbage small while uploads take their
// share. Left alone it lets as much gather as is in use, which with 256 MiB of
// buffers, the cheapest of all to collect, is a lot. GOMEMLIMIT wins.
func limitMemory(transfers int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(transfers + besideTransfers)
	}
}
