package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sealdav/davfs"
)

// syncBuffer takes the log of several goroutines.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// running is a Server that serves.
type running struct {
	*Server
	log         *syncBuffer
	client      *http.Client
	stop, force context.CancelFunc
	served      chan error // what Serve returned
}

// start serves until the test ends.
func start(t *testing.T, opts Options) *running {
	t.Helper()
	r := &running{log: new(syncBuffer), served: make(chan error, 1)}
	if opts.Listen == "" {
		opts.Listen = "127.0.0.1:0"
	}
	if opts.DrainTimeout == 0 {
		opts.DrainTimeout = time.Minute
	}
	opts.AccessLog = true
	opts.Logger = slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelInfo}))
	var err error
	if r.Server, err = New(t.Context(), opts); err != nil {
		t.Fatal(err)
	}
	if err := r.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	var stop, force context.Context
	stop, r.stop = context.WithCancel(context.Background())
	force, r.force = context.WithCancel(context.Background())
	go func() { r.served <- r.Serve(stop, force) }()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	r.client = &http.Client{Transport: transport}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		r.stop()
		r.force()
	})
	return r
}

// do makes a request, with "user:password" if login is not empty.
func (r *running) do(t *testing.T, method, path, login string, body io.Reader) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, strings.TrimSuffix(r.URL(), "/")+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if user, password, ok := strings.Cut(login, ":"); ok {
		req.SetBasicAuth(user, password)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// records are the log's records with the message msg.
func (r *running) records(t *testing.T, msg string) []map[string]any {
	t.Helper()
	var found []map[string]any
	for line := range strings.Lines(r.log.String()) {
		record := map[string]any{}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if record["msg"] == msg {
			found = append(found, record)
		}
	}
	return found
}

// whoami answers with what the request may do.
var whoami = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	_ = json.NewEncoder(w).Encode(davfs.AccessOf(r.Context()))
})

func TestRefusesToListen(t *testing.T) {
	cert, key := writeCert(t, t.TempDir(), "first")
	users := []User{{Name: "a", Hash: hash(t, "p")}}
	for name, tt := range map[string]struct {
		opts Options
		want []string // words of the refusal; nil: none
	}{
		"loopback":              {Options{Listen: "127.0.0.1:0"}, nil},
		"loopback v6":           {Options{Listen: "[::1]:0"}, nil},
		"localhost":             {Options{Listen: "localhost:0"}, nil},
		"every address":         {Options{Listen: ":0"}, []string{"without users", "without TLS", "[users] and [server.tls]", "127.0.0.1", "allow_remote_without_auth"}},
		"every v4":              {Options{Listen: "0.0.0.0:0"}, []string{"without users", "without TLS"}},
		"every v6":              {Options{Listen: "[::]:0"}, []string{"without users", "without TLS"}},
		"another address":       {Options{Listen: "192.0.2.1:80"}, []string{"192.0.2.1:80"}},
		"users alone":           {Options{Listen: ":0", Users: users}, []string{"without TLS", "passwords"}},
		"TLS alone":             {Options{Listen: ":0", CertFile: cert, KeyFile: key}, []string{"without users"}},
		"users and TLS":         {Options{Listen: ":0", Users: users, CertFile: cert, KeyFile: key}, nil},
		"allowed":               {Options{Listen: ":0", AllowRemoteWithoutAuth: true}, nil},
		"no port":               {Options{Listen: "127.0.0.1"}, []string{"want an address and a port"}},
		"unknown host":          {Options{Listen: "nothing.invalid:80"}, []string{"not known"}},
		"no such certificate":   {Options{Listen: "127.0.0.1:0", CertFile: cert + "x", KeyFile: key}, []string{"tls:", "no such file"}},
		"another's certificate": {Options{Listen: "127.0.0.1:0", CertFile: key, KeyFile: key}, []string{"tls:"}},
		"no bcrypt hash":        {Options{Listen: "127.0.0.1:0", Users: []User{{Name: "a", Hash: []byte("p")}}}, []string{"user a"}},
	} {
		t.Run(name, func(t *testing.T) {
			tt.opts.Handler = whoami
			_, err := New(t.Context(), tt.opts)
			if (err != nil) != (tt.want != nil) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			for _, word := range tt.want {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("error %q does not say %q", err, word)
				}
			}
		})
	}
}

func TestLocalOnlyServesLocalNames(t *testing.T) {
	s := start(t, Options{Handler: whoami, PublicHost: "dav.example.org"})
	_, port, _ := net.SplitHostPort(s.listener.Addr().String())
	for host, want := range map[string]int{
		"127.0.0.1:" + port:  200,
		"localhost:" + port:  200,
		"a.localhost":        200,
		"[::1]:" + port:      200,
		"dav.example.org":    200,
		"DAV.example.org:80": 200,
		"evil.example.org":   421,
		"localhost.evil.org": 421,
	} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.URL(), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := s.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("Host %s: %d, want %d", host, resp.StatusCode, want)
		}
	}
}

func TestAccessLog(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, "made")
	})
	s := start(t, Options{Handler: handler, Remotes: []string{"photos"}, Prefix: "/dav",
		Users: []User{{Name: "alice", Hash: hash(t, "secret")}}})
	base := strings.TrimSuffix(s.URL(), "/dav/")
	req, err := http.NewRequestWithContext(t.Context(), "PUT", base+"/dav/photos/private.txt", strings.NewReader("12345"))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("alice", "secret")
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	s.finish(t)

	got := s.records(t, "request")
	if len(got) != 1 {
		t.Fatalf("%d records: %s", len(got), s.log)
	}
	for key, want := range map[string]any{"method": "PUT", "status": 201.0, "in": 5.0, "out": 4.0, "remote": "photos", "user": "alice", "client": "127.0.0.1"} {
		if got[0][key] != want {
			t.Errorf("%s: %v, want %v", key, got[0][key], want)
		}
	}
	if strings.Contains(s.log.String(), "private") || strings.Contains(s.log.String(), "secret") {
		t.Errorf("the log tells a file's name or a password: %s", s.log)
	}
}

// finish ends the server and waits for what it had to do.
func (r *running) finish(t *testing.T) error {
	t.Helper()
	r.stop()
	select {
	case err := <-r.served:
		return err
	case <-time.After(time.Minute):
		t.Fatal("the server does not end")
		return nil
	}
}

func TestPanic(t *testing.T) {
	s := start(t, Options{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/late":
			_, _ = io.WriteString(w, "half an ans")
			_ = http.NewResponseController(w).Flush()
		case "/abort":
			panic(http.ErrAbortHandler)
		}
		panic("broken")
	})})
	if resp := s.do(t, "GET", "/early", "user:password", nil); resp.StatusCode != 500 {
		t.Errorf("status %d, want 500", resp.StatusCode)
	}
	resp := s.do(t, "GET", "/late", "", nil)
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("an answer that broke off looks complete")
	}
	if _, err := s.client.Get(s.URL() + "abort"); err == nil {
		t.Error("an aborted request was answered")
	}
	_ = s.finish(t)
	if n := len(s.records(t, "panic")); n != 2 {
		t.Errorf("%d panics logged, want 2", n)
	}
	if strings.Contains(s.log.String(), "dXNlcjpwYXNzd29yZA") { // user:password in base64
		t.Error("a header was logged")
	}
	if aborted := s.records(t, "request"); !slices.ContainsFunc(aborted, func(r map[string]any) bool { return r["aborted"] == true }) {
		t.Errorf("no request is logged as aborted: %v", aborted)
	}
}

// uploads is a handler whose request waits for its body.
type uploads struct {
	begun chan struct{}
	done  chan error
}

func (u *uploads) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	close(u.begun)
	_, err := io.Copy(io.Discard, r.Body)
	if err == nil {
		w.WriteHeader(http.StatusCreated)
	}
	u.done <- cmpErr(err, r.Context().Err())
}

func cmpErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// upload begins a PUT and returns its body and what becomes of it.
func upload(t *testing.T, s *running, u *uploads) (*io.PipeWriter, chan int) {
	t.Helper()
	body, w := io.Pipe()
	status := make(chan int, 1)
	go func() {
		req, err := http.NewRequest("PUT", s.URL()+"f", body)
		if err != nil {
			status <- -1
			return
		}
		resp, err := s.client.Do(req)
		if err != nil {
			status <- 0
			return
		}
		_ = resp.Body.Close()
		status <- resp.StatusCode
	}()
	if _, err := w.Write([]byte("begin")); err != nil {
		t.Fatal(err)
	}
	<-u.begun
	return w, status
}

func TestDrainLetsUploadFinish(t *testing.T) {
	u := &uploads{make(chan struct{}), make(chan error, 1)}
	s := start(t, Options{Handler: u})
	w, status := upload(t, s, u)
	s.stop()
	// Once the listener is closed the drain has begun.
	for {
		conn, err := net.Dial("tcp", s.listener.Addr().String())
		if err != nil {
			break
		}
		_ = conn.Close()
	}
	if _, err := w.Write([]byte("the end")); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	if got := <-status; got != http.StatusCreated {
		t.Errorf("status %d, want 201", got)
	}
	if err := s.finish(t); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func TestEndOfDrainBreaksUpload(t *testing.T) {
	for name, tt := range map[string]struct {
		timeout time.Duration
		force   bool
	}{
		"timeout": {time.Millisecond, false},
		"forced":  {time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			u := &uploads{make(chan struct{}), make(chan error, 1)}
			s := start(t, Options{Handler: u, DrainTimeout: tt.timeout})
			w, status := upload(t, s, u)
			s.stop()
			if tt.force {
				s.force()
			}
			if err := s.finish(t); err == nil {
				t.Error("Serve told of no broken request")
			}
			select {
			case err := <-u.done:
				if err == nil {
					t.Error("the handler took the upload for complete")
				}
			default:
				t.Error("Serve returned before the handler did")
			}
			_ = w.CloseWithError(errors.New("over"))
			if got := <-status; got == http.StatusCreated {
				t.Error("the client was told that its upload is stored")
			}
		})
	}
}

// TestEndOfDrainReachesStuckRequest has a request that waits, in the midst of
// its body, for something that does not come.
func TestEndOfDrainReachesStuckRequest(t *testing.T) {
	begun := make(chan struct{})
	s := start(t, Options{DrainTimeout: time.Millisecond, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = r.Body.Read(make([]byte, 1))
		close(begun)
		<-r.Context().Done()
	})})
	body, w := io.Pipe()
	go func() {
		req, err := http.NewRequest("PUT", s.URL(), body)
		if err != nil {
			t.Error(err)
			return
		}
		if resp, err := s.client.Do(req); err == nil {
			_ = resp.Body.Close()
		}
	}()
	if _, err := w.Write([]byte("some")); err != nil {
		t.Fatal(err)
	}
	<-begun
	if err := s.finish(t); err == nil {
		t.Error("Serve told of no broken request")
	}
	if strings.Contains(s.log.String(), "did not stop") {
		t.Error("the request did not hear of the end")
	}
	_ = w.Close()
}

func TestListenTwice(t *testing.T) {
	s := start(t, Options{Handler: whoami})
	other, err := New(t.Context(), Options{Listen: s.listener.Addr().String(), Handler: whoami})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Listen(t.Context()); err == nil || !strings.Contains(err.Error(), "cannot listen") {
		t.Errorf("Listen on a taken port: %v", err)
	}
}

func TestHeaderIsBounded(t *testing.T) {
	s := start(t, Options{Handler: whoami})
	req, err := http.NewRequestWithContext(t.Context(), "GET", s.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("If", strings.Repeat("(<urn:x>)", 20_000))
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d, want 431", resp.StatusCode)
	}
}
