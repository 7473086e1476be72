package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// recheck is how often, at most, the files of a certificate are looked at.
const recheck = 10 * time.Second

// certificates is the pair of files of a TLS server. It is read again when one
// of them has changed, so that a renewed certificate needs no restart.
type certificates struct {
	certFile, keyFile string
	log               *slog.Logger
	recheck           time.Duration

	mu      sync.Mutex
	cert    *tls.Certificate
	stamp   [2]stamp
	checked time.Time
}

// stamp tells one state of a file from another.
type stamp struct {
	mtime time.Time
	size  int64
}

func loadCertificates(certFile, keyFile string, log *slog.Logger) (*certificates, error) {
	c := &certificates{certFile: certFile, keyFile: keyFile, log: log, recheck: recheck}
	stamp, err := c.look()
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	if err := c.load(stamp); err != nil {
		return nil, err
	}
	c.checked = time.Now()
	return c, nil
}

// look returns the present state of both files.
func (c *certificates) look() (s [2]stamp, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return s, err
		}
		s[i] = stamp{info.ModTime(), info.Size()}
	}
	return s, nil
}

// load reads both files, which were in state s before.
func (c *certificates) load(s [2]stamp) error {
	cert, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("tls: %s with %s: %w", c.certFile, c.keyFile, err)
	}
	c.cert, c.stamp = &cert, s
	return nil
}

// get is a tls.Config's GetCertificate. While the files cannot be used, such
// as between the writing of one and the other, it keeps to what it has.
func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) < c.recheck {
		return c.cert, nil
	}
	c.checked = time.Now()
	now, err := c.look()
	if err == nil && now == c.stamp {
		return c.cert, nil
	}
	if err == nil {
		err = c.load(now)
	}
	if err != nil {
		c.log.Warn("the changed certificate cannot be used; keeping the old one", "err", err)
	} else {
		c.log.Info("certificate read again", "file", c.certFile)
	}
	return c.cert, nil
}
