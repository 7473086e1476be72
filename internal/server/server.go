package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// headerTimeout bounds how long a client may take for its header.
	headerTimeout = 20 * time.Second
	// idleTimeout is how long a connection waits for its next request.
	idleTimeout = 3 * time.Minute
	// maxHeader bounds a request's header in bytes. The largest honest ones
	// are MOVEs of a folder with a lock token for each open file in it.
	maxHeader = 64 << 10
	// abortTimeout is how long requests that were broken off may take to
	// clean up after themselves, such as to abort an upload at the store.
	abortTimeout = 15 * time.Second
)

// Options describe a Server. Listen and Handler are needed.
type Options struct {
	// Listen is the address and port to serve on; port 0 takes a free one.
	Listen string
	// Handler answers the requests of those who may make them, in a context
	// that davfs.AccessOf reads.
	Handler http.Handler
	// Users may log in. Without any everyone may do everything.
	Users []User
	// AllowRemoteWithoutAuth permits to listen beyond loopback without users
	// or without TLS.
	AllowRemoteWithoutAuth bool
	// CertFile and KeyFile are of TLS, in PEM; both or neither.
	CertFile, KeyFile string
	// Prefix is the path under which the Handler's folders lie, "" or "/dav".
	Prefix string
	// PublicHost is the host name by which a reverse proxy is reached, if any.
	PublicHost string
	// Remotes are the names that the access log may tell.
	Remotes []string
	// DrainTimeout is how long requests may go on once the end has come; 0 is
	// no time at all.
	DrainTimeout time.Duration
	// Logger takes what the server has to say; nil: nothing is logged.
	Logger *slog.Logger
	// AccessLog says whether each request is logged to Logger.
	AccessLog bool
}

// Server serves one Handler at one address.
type Server struct {
	opts     Options
	log      *slog.Logger
	http     *http.Server
	listener net.Listener
	certs    *certificates // nil: plain http
	running  sync.RWMutex  // read-locked by each request
	abort    func()        // ends the contexts of all requests
}

// New checks opts and returns a Server that does not listen yet.
func New(ctx context.Context, opts Options) (*Server, error) {
	s := &Server{opts: opts, log: opts.Logger}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	loopback, err := isLoopback(ctx, opts.Listen)
	if err != nil {
		return nil, err
	}
	if err := opts.refusal(loopback); err != nil {
		return nil, err
	}
	if opts.CertFile != "" {
		if s.certs, err = loadCertificates(opts.CertFile, opts.KeyFile, s.log); err != nil {
			return nil, err
		}
	}
	handler := opts.Handler
	if len(opts.Users) > 0 {
		if handler, err = newAuth(opts.Users, handler, s.log); err != nil {
			return nil, err
		}
	} else if loopback {
		handler = localOnly(opts.PublicHost, handler)
	}
	s.http = &http.Server{
		Handler:                      s.observe(handler),
		ReadHeaderTimeout:            headerTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeader,
		DisableGeneralOptionsHandler: true, // OPTIONS * must tell the DAV classes too
		ErrorLog:                     slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		Protocols:                    new(http.Protocols),
	}
	var base context.Context
	base, s.abort = context.WithCancel(context.WithoutCancel(ctx))
	s.http.BaseContext = func(net.Listener) context.Context { return base }
	// HTTP/1.1 alone: the WebDAV clients of Windows and macOS speak nothing
	// else, and Go's HTTP/2 moves file contents at half its rate. There is no
	// timeout on bodies as a whole: an upload may take hours.
	s.http.Protocols.SetHTTP1(true)
	return s, nil
}

// Listen binds the address, so that what is wrong with it is known before
// anything is served.
func (s *Server) Listen(ctx context.Context) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.opts.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen: %w", err)
	}
	if s.certs != nil {
		l = tls.NewListener(l, &tls.Config{
			MinVersion:     tls.VersionTLS12,
			GetCertificate: s.certs.get,
			NextProtos:     []string{"http/1.1"},
		})
	}
	s.listener = l
	return nil
}

// URL is where the server can be reached from this machine, once it listens.
func (s *Server) URL() string {
	scheme := "http"
	if s.certs != nil {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(s.listener.Addr().String())
	if err != nil {
		return scheme + "://" + s.listener.Addr().String() + s.opts.Prefix + "/"
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return scheme + "://" + net.JoinHostPort(host, port) + s.opts.Prefix + "/"
}

// Serve serves until ctx ends. Then it takes no more connections and lets the
// running requests finish, for DrainTimeout or until force ends; what still
// runs is broken off, so that uploads are aborted, which leaves the old file.
// It returns nil if every request came to its own end.
func (s *Server) Serve(ctx, force context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- s.http.Serve(s.listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("cannot serve: %w", err)
	case <-ctx.Done():
	}
	s.log.Info("finishing the requests under way", "timeout", s.opts.DrainTimeout)
	drain, cancel := context.WithTimeout(force, s.opts.DrainTimeout)
	defer cancel()
	err := s.http.Shutdown(drain)
	if err == nil {
		return nil
	}
	// A closed connection alone does not reach a request that waits for the
	// store, or for memory, in the midst of its body.
	s.abort()
	_ = s.http.Close()
	done := make(chan struct{})
	go func() { s.running.Lock(); close(done) }()
	select {
	case <-done:
	case <-time.After(abortTimeout):
		s.log.Error("some requests did not stop", "timeout", abortTimeout)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("requests were broken off after %v (drain_timeout)", s.opts.DrainTimeout)
	}
	return errors.New("requests were broken off")
}
