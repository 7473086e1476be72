package testserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// startTimeout bounds how long a server may take until it answers; RGW needs
// a quarter of a minute on an idle machine.
const startTimeout = 3 * time.Minute

// Process is a program under test control.
type Process struct {
	cmd  *exec.Cmd
	name string
	log  fmt.Stringer
	done chan struct{} // closed once the process has been waited for
}

// Output takes what a Process prints; String gives what of it belongs into an
// error.
type Output interface {
	io.Writer
	fmt.Stringer
}

// Start starts a program that ends with the test binary, at the latest. env is
// the whole of its environment.
func Start(name string, args, env []string, out Output) (*Process, error) {
	p := &Process{name: filepath.Base(name), cmd: exec.Command(name, args...), log: out, done: make(chan struct{})}
	p.cmd.Env = env
	p.cmd.Stdout, p.cmd.Stderr = out, out
	dieWithParent(p.cmd)
	started := make(chan error)
	go func() {
		// The kernel sends the death signal when the thread that started the
		// child ends, so the thread is held as long as the child lives.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // how it ended is in its log
		}
		close(p.done)
	}()
	return p, <-started
}

// startServer starts a server, whose output is of interest if it fails.
func startServer(name string, args, env []string) (*Process, error) {
	return Start(name, args, append(os.Environ(), env...), &logBuffer{})
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends the process a signal; one that has ended does not mind.
func (p *Process) Signal(sig os.Signal) { _ = p.cmd.Process.Signal(sig) }

// Kill kills the process, by its pid, and waits for its end.
func (p *Process) Kill() {
	p.Signal(os.Kill)
	<-p.done
}

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// ExitCode waits for the end of the process and returns its exit code, -1 if a
// signal ended it.
func (p *Process) ExitCode() int {
	<-p.done
	return p.cmd.ProcessState.ExitCode()
}

// WaitFor polls ready until it returns nil, the process dies or time is up.
func (p *Process) WaitFor(ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended (%v) before it was ready: %w\n%s", p.name, p.cmd.ProcessState, err, p.log)
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready after %v: %w\n%s", p.name, startTimeout, err, p.log)
		case <-time.After(30 * time.Millisecond):
		}
	}
}

// FreePort asks the kernel for a loopback port. Another process may take it
// before the server does; then the server fails to start, which is reported.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// tool finds a program that `make tools` has put below .cache.
func tool(elem ...string) (string, error) {
	root, err := ModuleRoot()
	if err != nil {
		return "", err
	}
	path := filepath.Join(append([]string{root, ".cache"}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s is missing: run: make tools", path)
	}
	return path, nil
}

// ModuleRoot is the folder of go.mod, above the test's working directory.
func ModuleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("no go.mod above the working directory")
		}
	}
}

// logBuffer keeps the last of what a server prints.
type logBuffer struct {
	mu  sync.Mutex
	buf []byte
}

const logKept = 64 << 10

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = append(l.buf, p...)
	if over := len(l.buf) - logKept; over > 0 {
		l.buf = append(l.buf[:0], l.buf[over:]...)
	}
	return len(p), nil
}

// String gives the last lines, enough to see why a server did not start.
func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := strings.Split(string(bytes.TrimSpace(l.buf)), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}
