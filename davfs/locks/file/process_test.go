package file_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sealdav/davfs/locks"
	"sealdav/davfs/locks/file"
)

// childEnv, set to the path of a lock file, makes the test binary the child of
// a test.
const childEnv = "LOCK_FILE_OF_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childEnv); path != "" {
		if err := child(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// child locks and unlocks until its input ends or it is killed. A line on its
// output says what it knows to be so: a lock is on record, or will be or is off
// it.
func child(path string) error {
	s, err := file.Open(path)
	if err != nil {
		return err
	}
	fmt.Println("open")
	for i := range 4 {
		go func() {
			for n := 0; ; n++ {
				if err := session(s, fmt.Sprintf("/%d/%d/%d", os.Getpid(), i, n), n%2 == 0); err != nil {
					fmt.Println("failed", err)
				}
			}
		}()
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func session(s locks.System, root string, remove bool) error {
	l, err := s.Create(context.Background(), locks.Lock{Root: root, Infinite: true, Timeout: time.Hour})
	if err != nil {
		return err
	}
	fmt.Println("granted", root, l.Token)
	if !remove {
		return nil
	}
	fmt.Println("removing", root, l.Token)
	if err := s.Remove(context.Background(), root, l.Token); err != nil {
		return err
	}
	fmt.Println("removed", root, l.Token)
	return nil
}

// process is a running child.
type process struct {
	cmd   *exec.Cmd
	input io.Closer
	lines *bufio.Scanner
}

func start(t *testing.T, path string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), childEnv+"="+path)
	cmd.Stderr = os.Stderr
	input, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd, input, bufio.NewScanner(output)}
	if !p.lines.Scan() || p.lines.Text() != "open" {
		t.Fatalf("the child said %q", p.lines.Text())
	}
	return p
}

// TestKill: what a process that is killed has promised holds.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "locks")
	stands := make(map[string]string) // root to token
	gone := make(map[string]bool)     // roots
	for round := range 5 {
		p := start(t, path)
		for n := 0; p.lines.Scan(); n++ {
			if n == 50+30*round {
				if err := p.cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			// What it said before it died counts to the last line.
			said := strings.Fields(p.lines.Text())
			if len(said) != 3 || said[0] == "failed" {
				t.Fatalf("the child said %q", said)
			}
			switch what, root, token := said[0], said[1], said[2]; what {
			case "granted":
				stands[root] = token
			case "removing":
				delete(stands, root) // or not, from here on
			case "removed":
				gone[root] = true
			}
		}
		if err := p.cmd.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}
		verify(t, path, stands, gone)
	}
	if len(stands) == 0 || len(gone) == 0 {
		t.Fatalf("nothing was tried: %d locks, %d removed", len(stands), len(gone))
	}
}

func verify(t *testing.T, path string, stands map[string]string, gone map[string]bool) {
	t.Helper()
	s := open(t, path)
	defer closeSystem(t, s)
	for root, token := range stands {
		got, err := s.Covering(t.Context(), root+"/member")
		if err != nil || len(got) != 1 || got[0].Token != token || got[0].Timeout != time.Hour {
			t.Errorf("lock on %s: got %+v, error %v; want token %s", root, got, err, token)
		}
	}
	for root := range gone {
		if got, err := s.Covering(t.Context(), root); err != nil || len(got) != 0 {
			t.Errorf("a removed lock on %s is back: %+v, error %v", root, got, err)
		}
	}
}

// TestSecondProcess: a second process is told that there is a first.
func TestSecondProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "locks")
	p := start(t, path)
	var drain sync.WaitGroup
	drain.Go(func() {
		for p.lines.Scan() {
		}
	})
	_, err := file.Open(path)
	if want := "lock file " + path + ": another process has it open"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got error %v, want %q", err, want)
	}
	if err := p.input.Close(); err != nil {
		t.Fatal(err)
	}
	drain.Wait()
	if err := p.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	closeSystem(t, open(t, path))
}
