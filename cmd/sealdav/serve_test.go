package main

import (
	"os/signal"
	"syscall"
	"testing"
)

// TestNohup: a process that nohup started keeps ignoring SIGHUP.
func TestNohup(t *testing.T) {
	signal.Ignore(syscall.SIGHUP)
	defer signal.Reset(syscall.SIGHUP)
	_, _, release := signals(t.Context())
	defer release()
	if !signal.Ignored(syscall.SIGHUP) {
		t.Error("SIGHUP would end the server")
	}
}
