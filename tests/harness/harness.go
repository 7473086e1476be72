// Package harness drives the built sealdav for end-to-end tests: it builds the
// binary once, runs commands, starts servers on free ports, and searches
// everything that they print for the secrets of the tests.
//
// Servers run at debug level, where the most is printed. Only tests import
// this package.
package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"sealdav/internal/testserver"
)

// patience bounds every wait for something that takes no time at all unless it
// is broken.
const patience = 60 * time.Second

// binary is where Main has built sealdav.
var binary string

// Main builds the binary, runs the tests, removes everything and exits.
// TestMain calls it.
func Main(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sealdav-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	root, err := testserver.ModuleRoot()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	binary = filepath.Join(dir, "sealdav")
	build := exec.Command("go", "build", "-trimpath", "-o", binary, "./cmd/sealdav")
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build sealdav: %v\n%s", err, out)
		return 1
	}
	return testserver.Run(m)
}

// Binary is the built sealdav, for those who run it in their own way.
func Binary() string { return binary }

// environ is the environment of every command: little, so that the machine's
// own AWS settings do not matter, and env on top.
func environ(env []string) []string {
	base := []string{"HOME=/nonexistent", "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir(), "AWS_EC2_METADATA_DISABLED=true"}
	return append(base, env...)
}

// Result is how a command ended.
type Result struct {
	Code           int
	Stdout, Stderr string
}

// Run runs sealdav to its end and searches its output for secrets.
func Run(t testing.TB, env []string, args ...string) Result {
	t.Helper()
	return RunInput(t, "", env, args...)
}

// RunInput is Run with something on standard input.
func RunInput(t testing.TB, stdin string, env []string, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Env = environ(env)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatalf("sealdav %q: %v", args, err)
	}
	if ctx.Err() != nil {
		t.Fatalf("sealdav %q did not end within %v; it printed:\n%s%s", args, patience, &stdout, &stderr)
	}
	CheckClean(t, "what sealdav printed", stdout.Bytes())
	CheckClean(t, "what sealdav printed", stderr.Bytes())
	return Result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// Server is a running `sealdav serve`.
type Server struct {
	URL  string // http://127.0.0.1:PORT
	Addr string // 127.0.0.1:PORT

	process *testserver.Process
	out     *capture

	terminated, ended sync.Once
}

// Serve starts `sealdav serve args...` on a free port and waits until it
// answers. At the end of the test it is stopped with SIGTERM, must end with
// status 0, and must not have printed a secret.
func Serve(t testing.TB, env []string, args ...string) *Server {
	t.Helper()
	port, err := testserver.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Addr: fmt.Sprintf("127.0.0.1:%d", port), out: &capture{}}
	s.URL = "http://" + s.Addr
	args = slices.Concat([]string{"serve", "--log-level", "debug", "--listen", s.Addr}, args)
	s.process, err = testserver.Start(binary, args, environ(env), s.out)
	if err != nil {
		t.Fatalf("start sealdav: %v", err)
	}
	t.Cleanup(func() { s.Stop(t) })
	err = s.process.WaitFor(func(context.Context) error {
		conn, err := net.Dial("tcp", s.Addr)
		if err == nil {
			conn.Close()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// PID is the server's process id.
func (s *Server) PID() int { return s.process.PID() }

// Output is what the server has printed so far.
func (s *Server) Output() string { return string(s.out.bytes()) }

// Stop drains and ends the server as a supervisor does. Requests that were
// under way have ended when it returns.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.end(t, func() {
		// A connection that was opened and not used yet would hold the server up
		// for 5 s: a request may be on its way.
		client.CloseIdleConnections()
		s.Terminate()
		select {
		case <-s.process.Done():
		case <-time.After(patience + time.Minute): // it may drain for a minute
			s.process.Signal(syscall.SIGQUIT) // prints where it hangs
			<-s.process.Done()
			t.Errorf("the server did not end after SIGTERM:\n%s", s.out.tail(200))
			return
		}
		if code := s.process.ExitCode(); code != 0 {
			t.Errorf("the server ended with status %d after SIGTERM:\n%s", code, s.out)
		}
	})
}

// Terminate asks the server to end and does not wait; Stop does. It asks once:
// a second signal would break off what is under way.
func (s *Server) Terminate() {
	s.terminated.Do(func() { s.process.Signal(syscall.SIGTERM) })
}

// Kill ends the server as a power cut does.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	s.end(t, s.process.Kill)
}

func (s *Server) end(t testing.TB, how func()) {
	t.Helper()
	s.ended.Do(func() {
		how()
		CheckClean(t, "what the server printed", s.out.bytes())
		if strings.Contains(s.Output(), "goroutine ") {
			t.Errorf("the server printed a stack trace:\n%s", s.out.tail(200))
		}
		if t.Failed() {
			t.Logf("the server printed:\n%s", s.out)
		}
	})
}

// Eventually waits until ok returns "", and fails with what it last returned
// if that takes too long. It is for what no event announces, such as a store's
// clean-up.
func Eventually(t testing.TB, ok func() string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		last := ok()
		if last == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v: %s", patience, last)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// capture keeps all that a server prints, for the search for secrets.
type capture struct {
	mu  sync.Mutex
	buf []byte
}

func (c *capture) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buf = append(c.buf, p...)
	return len(p), nil
}

func (c *capture) bytes() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.buf)
}

// String gives the end of it, for an error.
func (c *capture) String() string { return c.tail(40) }

func (c *capture) tail(lines int) string {
	all := strings.Split(strings.TrimSpace(string(c.bytes())), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
