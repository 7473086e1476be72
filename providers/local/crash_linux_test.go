package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sealdav/providers"
	"sealdav/providers/providertest"
)

// announcing gives some bytes, says so on standard output, and hangs.
type announcing struct{ left int }

func (r *announcing) Read(p []byte) (int, error) {
	if r.left == 0 {
		fmt.Println("hanging")
		_, _ = io.Copy(io.Discard, os.Stdin) // until the parent ends
		return 0, io.ErrUnexpectedEOF
	}
	n := min(len(p), r.left)
	r.left -= n
	return n, nil
}

func childHangsInPut(dir string) int {
	b, err := Open(context.Background(), Config{Dir: dir, Settings: modes["sealed"]})
	if err != nil {
		return childFails(err)
	}
	_, err = b.Put(context.Background(), "dir/k", &announcing{left: 3 << 20}, providers.PutOptions{Size: 4 << 20})
	return childFails(err)
}

// TestKilledInPut kills a process in the middle of a Put: the old object stays
// whole, and the next to open the bucket removes what is left.
func TestKilledInPut(t *testing.T) {
	dir := t.TempDir()
	b := openDir(t, Config{Dir: dir, Settings: modes["sealed"]})
	defer b.Close()
	if _, err := b.Put(t.Context(), "dir/k", strings.NewReader("old"), providers.PutOptions{Size: 3}); err != nil {
		t.Fatal(err)
	}
	cmd := child(t, "hang", dir)
	if _, err := cmd.StdinPipe(); err != nil { // kept open: the child waits on it
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "hanging\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}

	other := openDir(t, Config{Dir: dir})
	defer other.Close()
	if left := leftovers(t, other); len(left) != 1 {
		t.Errorf("while the child writes: temporary files %q, want its one", left)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if left := leftovers(t, other); len(left) != 1 {
		t.Errorf("after the kill: temporary files %q, want one", left)
	}
	next := openDir(t, Config{Dir: dir, Settings: modes["sealed"]})
	defer next.Close()
	if left := leftovers(t, next); len(left) != 0 {
		t.Errorf("after the next start: temporary files %q, want none", left)
	}
	if got, err := readAll(t, next, "dir/k", providers.Range{}); got != "old" || err != nil {
		t.Errorf("the object reads %q, %v; want the old content", got, err)
	}
}

// TestConcurrentProcesses: separately opened buckets lock each other out as
// processes do, for each opens the lock's file itself.
func TestConcurrentProcesses(t *testing.T) {
	const n = 8
	dir := t.TempDir()
	var buckets []*Bucket
	for range n {
		b := openDir(t, Config{Dir: dir, Settings: modes["sealed"]})
		defer b.Close()
		buckets = append(buckets, b)
	}
	condition := providers.Condition{IfAbsent: true}
	for range 10 { // each round replaces what the round before has written
		results := make(chan providers.Object, n)
		opts := providers.PutOptions{Condition: condition, Size: providers.SizeUnknown}
		for i, b := range buckets {
			go func() {
				obj, _ := b.Put(t.Context(), "dir/k", strings.NewReader(fmt.Sprintf("writer %d", i)), opts)
				results <- obj // zero for those that lose
			}()
		}
		won := 0
		for range n {
			if obj := <-results; obj.ETag != "" {
				won++
				condition = providers.Condition{IfMatch: obj.ETag}
			}
		}
		if won != 1 {
			t.Fatalf("%d of %d writers succeeded, want 1", won, n)
		}
	}
}

// TestSourceChangesDuringCopy: a copy onto itself must not bring back what was
// replaced meanwhile; the last look is under the lock.
func TestSourceChangesDuringCopy(t *testing.T) {
	b := openDir(t, Config{Dir: t.TempDir()})
	defer b.Close()
	old, err := b.Put(t.Context(), "k", strings.NewReader("old"), providers.PutOptions{Size: 3})
	if err != nil {
		t.Fatal(err)
	}
	body := readerFunc(func([]byte) (int, error) {
		if _, err := b.Put(t.Context(), "k", strings.NewReader("new"), providers.PutOptions{Size: 3}); err != nil {
			return 0, err
		}
		return 0, io.EOF
	})
	_, err = b.put(t.Context(), write{key: "k", unchanged: old.ETag}, body, 0)
	if !errors.Is(err, providers.ErrPrecondition) {
		t.Errorf("error is %v, want %v", err, providers.ErrPrecondition)
	}
	if got, err := readAll(t, b, "k", providers.Range{}); got != "new" || err != nil {
		t.Errorf("the object reads %q, %v; want the new content", got, err)
	}
}

// TestTwoNames: a crash between giving a file its new name and taking the old
// one leaves both; the object can still be moved.
func TestTwoNames(t *testing.T) {
	dir := t.TempDir()
	b := openDir(t, Config{Dir: dir})
	defer b.Close()
	writeFile(t, dir, "a", "content")
	if err := os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	src, err := b.Stat(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := providertest.Rename(t.Context(), b, "b", src, providers.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := ls(t, dir); got != "b" {
		t.Errorf("the directory has %q, want b", got)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
