package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sealdav": main, "http": httpMain})
}

// TestScripts runs the command itself, as testdata/script/*.txtar say. Beside
// testscript's own commands they use those of scriptServer and http.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Values[serverKey{}] = &scriptServer{}
			return os.Chmod(env.WorkDir, 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve":  func(ts *testscript.TestScript, _ bool, args []string) { serverOf(ts).start(ts, args) },
			"signal": func(ts *testscript.TestScript, _ bool, args []string) { serverOf(ts).signal(ts, args) },
			"await":  func(ts *testscript.TestScript, _ bool, args []string) { serverOf(ts).await(ts, args[0]) },
			"ended":  func(ts *testscript.TestScript, neg bool, _ []string) { serverOf(ts).ended(ts, neg) },
			"upload": func(ts *testscript.TestScript, _ bool, args []string) { serverOf(ts).upload(ts, args[0], args[1]) },
			"finish": func(ts *testscript.TestScript, neg bool, args []string) { serverOf(ts).finish(ts, neg, args) },
			"chmod":  func(ts *testscript.TestScript, _ bool, args []string) { scriptChmod(ts, args[0], args[1]) },
			"expand": func(ts *testscript.TestScript, _ bool, args []string) { scriptExpand(ts, args[0]) },
		},
	})
}

func scriptChmod(ts *testscript.TestScript, mode, file string) {
	var m os.FileMode
	if _, err := fmt.Sscanf(mode, "%o", &m); err != nil {
		ts.Fatalf("mode %s: %v", mode, err)
	}
	ts.Check(os.Chmod(ts.MkAbs(file), m))
}

// scriptExpand replaces $WORK in a file.
func scriptExpand(ts *testscript.TestScript, file string) {
	text := strings.ReplaceAll(ts.ReadFile(file), "$WORK", ts.Getenv("WORK"))
	ts.Check(os.WriteFile(ts.MkAbs(file), []byte(text), 0o600))
}

type serverKey struct{}

func serverOf(ts *testscript.TestScript) *scriptServer {
	return ts.Value(serverKey{}).(*scriptServer)
}

// scriptServer is the sealdav of a script, one at a time:
//
//	serve ARGS...      starts sealdav serve on a free port; $URL is where
//	await REGEXP       waits until what it prints matches
//	signal NAME        sends TERM, INT or KILL
//	[!] ended          waits for its end, which must be good; leaves its
//	                   output in serve.stdout and serve.stderr
//	upload URL TEXT    begins a PUT; the server has read TEXT
//	[!] finish TEXT    sends the rest; the server must have stored it
type scriptServer struct {
	cmd  *exec.Cmd
	done chan error

	mu             sync.Mutex
	stdout, stderr bytes.Buffer

	body   *io.PipeWriter
	status chan string
}

// patience is how long a script waits for what must come, before it fails.
const patience = time.Minute

func (s *scriptServer) start(ts *testscript.TestScript, args []string) {
	path := filepath.Join(strings.Split(ts.Getenv("PATH"), string(filepath.ListSeparator))[0], "sealdav")
	s.cmd = exec.Command(path, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	s.cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"HOME", "TMPDIR", "PATH", "AWS_S3OPTIONS", "SEALDAV_CONFIG", "CANARY_KEY"} {
		if v := ts.Getenv(name); v != "" {
			s.cmd.Env = append(s.cmd.Env, name+"="+v)
		}
	}
	s.stdout.Reset()
	s.stderr.Reset()
	s.cmd.Stdout, s.cmd.Stderr = &lockedWriter{&s.mu, &s.stdout}, &lockedWriter{&s.mu, &s.stderr}
	ts.Check(s.cmd.Start())
	s.done = make(chan error, 1)
	go func() { s.done <- s.cmd.Wait() }()
	ts.Defer(func() { _ = s.cmd.Process.Kill() })
	url := s.await(ts, `(?m)(?:msg=serving url=|browser +)(http\S+)`)
	ts.Setenv("URL", strings.TrimSuffix(url, "/"))
}

// output is all that was printed yet.
func (s *scriptServer) output() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stdout.String() + s.stderr.String()
}

// await returns the first group of the match.
func (s *scriptServer) await(ts *testscript.TestScript, pattern string) string {
	re := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if m := re.FindStringSubmatch(s.output()); m != nil {
			return m[len(m)-1]
		}
		select {
		case err := <-s.done:
			ts.Fatalf("the server ended (%v) before it printed %q:\n%s", err, pattern, s.output())
		default:
		}
	}
	ts.Fatalf("the server did not print %q:\n%s", pattern, s.output())
	return ""
}

func (s *scriptServer) signal(ts *testscript.TestScript, args []string) {
	sig, ok := map[string]os.Signal{"TERM": syscall.SIGTERM, "INT": os.Interrupt, "KILL": os.Kill}[args[0]]
	if !ok {
		ts.Fatalf("unknown signal %s", args[0])
	}
	ts.Check(s.cmd.Process.Signal(sig))
}

func (s *scriptServer) ended(ts *testscript.TestScript, neg bool) {
	select {
	case err := <-s.done:
		if (err != nil) != neg {
			ts.Fatalf("the server ended with %v:\n%s", err, s.output())
		}
	case <-time.After(patience):
		ts.Fatalf("the server does not end:\n%s", s.output())
	}
	ts.Check(os.WriteFile(ts.MkAbs("serve.stdout"), s.stdout.Bytes(), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs("serve.stderr"), s.stderr.Bytes(), 0o600))
}

func (s *scriptServer) upload(ts *testscript.TestScript, url, text string) {
	body, w := io.Pipe()
	s.body, s.status = w, make(chan string, 1)
	req, err := http.NewRequest("PUT", url, body)
	ts.Check(err)
	// The body follows once the server has begun to read it.
	req.Header.Set("Expect", "100-continue")
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: patience}}
	go func() {
		resp, err := client.Do(req)
		if err != nil {
			s.status <- err.Error()
			return
		}
		_ = resp.Body.Close()
		s.status <- resp.Status
	}()
	_, err = io.WriteString(w, text)
	ts.Check(err)
}

func (s *scriptServer) finish(ts *testscript.TestScript, neg bool, args []string) {
	_, err := io.WriteString(s.body, strings.Join(args, " "))
	_ = s.body.Close()
	status := <-s.status
	if stored := err == nil && strings.HasPrefix(status, "20"); stored == neg {
		ts.Fatalf("the upload: %s (%v)", status, err)
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	w  *bytes.Buffer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// httpMain is the program http METHOD URL [-u USER:PASSWORD] [BODY]: it prints
// the status, the header that matters to a client, and the body.
func httpMain() {
	if err := httpRequest(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func httpRequest(args []string) error {
	if len(args) < 2 {
		return errors.New("http METHOD URL [-u USER:PASSWORD] [BODY]")
	}
	method, url, args := args[0], args[1], args[2:]
	login := ""
	if len(args) > 1 && args[0] == "-u" {
		login, args = args[1], args[2:]
	}
	req, err := http.NewRequest(method, url, strings.NewReader(strings.Join(args, " ")))
	if err != nil {
		return err
	}
	req.Header.Set("Depth", "1") // of a PROPFIND
	if user, password, ok := strings.Cut(login, ":"); ok {
		req.SetBasicAuth(user, password)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	fmt.Println(resp.Status)
	for _, name := range []string{"Dav", "Www-Authenticate"} {
		if v := resp.Header.Get(name); v != "" {
			fmt.Printf("%s: %s\n", name, v)
		}
	}
	_, err = io.Copy(os.Stdout, resp.Body)
	return errors.Join(err, resp.Body.Close())
}
