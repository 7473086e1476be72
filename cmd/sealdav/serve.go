package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"sealdav/davfs"
	"sealdav/davfs/locks"
	"sealdav/davfs/locks/file"
	"sealdav/internal/config"
	"sealdav/internal/server"
	"sealdav/providers"
)

func serveCommand() command {
	return command{
		name:  "serve",
		args:  "[--config FILE] [--listen ADDR] [--log-level LEVEL] [URL...] | --demo",
		short: "serves the remotes of a configuration, or URLs, or a demo",
		long: `
Serves each remote of the configuration as the folder /NAME/. With URLs
(s3://bucket/prefix, file:///dir) it serves those and reads no configuration;
each is called like its bucket, or its last folder, and is encrypted as
AWS_S3OPTIONS says (ALT_AWS_S3OPTIONS for alts3://):

  AWS_S3OPTIONS="--sse-write-c AES256 --sse-write-c-key KEY" sealdav serve s3://bucket/prefix
` + configHelp + `

SIGTERM, SIGINT and SIGHUP (a closed terminal; not under nohup) let the running
uploads finish, for drain_timeout at most; a second signal breaks them off,
which leaves the old files as they were.`,
		setup: func(flags *flag.FlagSet) runner {
			s := &serve{
				config: configFlag(flags),
				listen: flags.String("listen", "", "serves on `ADDR`, such as 127.0.0.1:8080, instead of the configured address"),
				demo:   flags.Bool("demo", false, "serves a throwaway folder, sealed with a fresh key"),
			}
			flags.Func("log-level", "logs at `LEVEL` (debug, info, warn, error) instead of the configured one", func(v string) error {
				s.level = new(config.Level)
				return s.level.UnmarshalText([]byte(v))
			})
			return s.run
		},
	}
}

// serve is the command's flags.
type serve struct {
	config, listen *string
	demo           *bool
	level          *config.Level // nil: as configured
}

func (s *serve) run(ctx context.Context, c *cli, args []string) error {
	if *s.demo {
		if *s.config != "" || len(args) > 0 {
			return usagef("--demo serves itself alone: leave --config and the URLs out")
		}
		return runDemo(ctx, c, *s.listen)
	}
	cfg, warnings, err := c.load(*s.config, args)
	for _, w := range warnings {
		fmt.Fprintf(c.stderr, "warning: %s\n", w)
	}
	if err != nil {
		return err
	}
	if *s.listen != "" {
		cfg.Server.Listen = *s.listen
	}
	if s.level != nil {
		cfg.Server.LogLevel = *s.level
	}
	log := c.logger(cfg.Server.LogLevel)
	remotes, err := openRemotes(ctx, cfg, log)
	defer closeRemotes(remotes, log)
	if err != nil {
		return usageError{err}
	}
	return serveRemotes(ctx, cfg, remotes, log, func(url string) { log.Info("serving", "url", url) })
}

// openRemotes opens every remote, and says of all that cannot be opened why.
func openRemotes(ctx context.Context, cfg *config.Config, log *slog.Logger) ([]davfs.Remote, error) {
	opener := newOpener(cfg.Server, log)
	var remotes []davfs.Remote
	var failures []error
	for _, r := range cfg.Remotes {
		bucket, err := opener.open(ctx, r, r.Settings)
		if err != nil {
			failures = append(failures, fmt.Errorf("remote %s (%s): %w", r.Name, r.URL, err))
			continue
		}
		remotes = append(remotes, davfs.Remote{Name: r.Name, Bucket: bucket, ReadOnly: r.ReadOnly,
			ReadAhead: providers.NewReadAhead(opener.buffers, r.ReadConcurrency, log.With("remote", r.Name)),
			Litter:    davfs.Litter(r.Litter), Quota: int64(r.Quota), MeasureUsage: r.MeasureUsage})
		log.Info("remote", "name", r.Name, "url", r.URL.String(),
			"encryption", r.Settings.Describe(r.URL.Store), "read_only", r.ReadOnly)
	}
	return remotes, errors.Join(failures...)
}

func closeRemotes(remotes []davfs.Remote, log *slog.Logger) {
	for _, r := range remotes {
		if err := r.Bucket.Close(); err != nil {
			log.Warn("closing a remote", "remote", r.Name, "err", err)
		}
	}
}

// serveRemotes serves until the process is told to end. ready is called with
// the address once it can be reached.
func serveRemotes(ctx context.Context, cfg *config.Config, remotes []davfs.Remote, log *slog.Logger, ready func(url string)) error {
	limitMemory(int64(cfg.Server.MaxTransferMemory))
	system, err := openLocks(cfg.Server.State)
	if err != nil {
		return usageError{err}
	}
	defer func() {
		if err := system.Close(); err != nil {
			log.Warn("closing the locks", "err", err)
		}
	}()
	handler, err := davfs.New(remotes, davfs.Options{
		Prefix:           cfg.Server.BaseURL.Path(),
		BaseURL:          string(cfg.Server.BaseURL),
		Locks:            system,
		ListCache:        cfg.Server.ListCache,
		PropfindInfinity: cfg.Server.PropfindInfinity,
		Logger:           log,
	})
	if err != nil {
		return usageError{err}
	}
	opts := serverOptions(cfg.Server, cfg.Users, log)
	opts.Handler = handler
	for _, r := range remotes {
		opts.Remotes = append(opts.Remotes, r.Name)
	}
	srv, err := server.New(ctx, opts)
	if err != nil {
		return usageError{err}
	}
	if err := srv.Listen(ctx); err != nil {
		return err
	}
	measuring, end := context.WithCancel(ctx)
	var background sync.WaitGroup
	background.Go(func() { handler.Measure(measuring) })
	defer background.Wait()
	defer end()
	stop, force, release := signals(ctx)
	defer release()
	ready(srv.URL())
	return srv.Serve(stop, force)
}

func serverOptions(s config.Server, users []config.User, log *slog.Logger) server.Options {
	opts := server.Options{
		Listen:                 s.Listen,
		AllowRemoteWithoutAuth: s.AllowRemoteWithoutAuth,
		CertFile:               s.TLS.Cert,
		KeyFile:                s.TLS.Key,
		Prefix:                 s.BaseURL.Path(),
		PublicHost:             s.BaseURL.Host(),
		DrainTimeout:           s.DrainTimeout,
		Logger:                 log,
		AccessLog:              s.AccessLog,
	}
	for _, u := range users {
		opts.Users = append(opts.Users, server.User{
			Name: u.Name, Hash: []byte(u.PasswordHash.Reveal()), Remotes: u.Remotes, ReadOnly: u.ReadOnly,
		})
	}
	return opts
}

// openLocks opens the locks under state, or keeps them in memory.
func openLocks(state string) (locks.System, error) {
	if state == "" {
		return locks.NewMemory(), nil
	}
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	return file.Open(filepath.Join(state, "locks.db"))
}

// signals returns contexts that end with the first and with the second SIGTERM,
// SIGINT or SIGHUP (a closed terminal), which nohup has us ignore. A third ends
// the process at once.
func signals(ctx context.Context) (stop, force context.Context, release func()) {
	stop, cancelStop := context.WithCancel(ctx)
	force, cancelForce := context.WithCancel(context.WithoutCancel(ctx))
	got := make(chan os.Signal, 2)
	signal.Notify(got, syscall.SIGTERM, os.Interrupt)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(got, syscall.SIGHUP)
	}
	go func() {
		for _, cancel := range []context.CancelFunc{cancelStop, cancelForce} {
			select {
			case <-got:
				cancel()
			case <-force.Done():
				return
			}
		}
		signal.Stop(got)
	}()
	return stop, force, func() { signal.Stop(got); cancelStop(); cancelForce() }
}
