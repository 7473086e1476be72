package gcs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"sealdav/providers"
	"sealdav/sse"
)

// Config says which bucket to open, and how. Bucket is all Google needs.
type Config struct {
	Bucket string
	Prefix string // the folder in the bucket that is served, without slashes at its ends; "" the whole
	// Endpoint is an http or https URL; "": STORAGE_EMULATOR_HOST, else Google's.
	Endpoint string
	CAFile   string // PEM of authorities trusted beside the system's

	// CredentialsFile is a JSON file as gcloud or the console make it; "":
	// application default credentials, or none for STORAGE_EMULATOR_HOST.
	CredentialsFile string
	Anonymous       bool // requests carry no credentials

	Settings sse.Settings
	// InsecureKeysOverHTTP lets customer keys go over plain http.
	InsecureKeysOverHTTP bool
	// RequireEncrypted refuses (ErrPlain) to open objects that do not lie
	// under an encryption of the kind the Settings name.
	RequireEncrypted bool

	// Buffers bounds the memory of uploads; nil: buffers of its own, of
	// providers.DefaultTransferMemory together. Their size must be a multiple
	// of 256 KiB.
	Buffers *providers.Buffers
	Logger  *slog.Logger // nil: nothing is logged
}

// Bucket is a bucket of Cloud Storage, or a prefix of one.
type Bucket struct {
	http     *http.Client
	signer   *signer
	log      *slog.Logger
	endpoint *url.URL
	bucket   string
	base     string // what every key in the bucket begins with: "" or "prefix/"
	crypt    encryption
	keys     *keyring
	strict   bool // Config.RequireEncrypted
	buffers  *providers.Buffers

	// The probes of a sealed remote: before its first write, and before its
	// first upload in parts.
	gate, gateParts *providers.Gate
	probes          *providers.Probes

	// streamCopies is set once the store has shown that its copies are not
	// sealed.
	streamCopies atomic.Bool
}

const googleEndpoint = "https://storage.googleapis.com"

// chunkUnit is what the length of every part of a resumable upload but the
// last must be a multiple of, in bytes.
const chunkUnit = 256 << 10

// answerTimeout ends what will never be answered: a store may take its time for
// a copy. Short operations have patience.
const answerTimeout = 5 * time.Minute

// Open opens a bucket. It talks to no server.
func Open(_ context.Context, cfg Config) (*Bucket, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	b := &Bucket{
		log:     cfg.Logger,
		bucket:  cfg.Bucket,
		base:    basePrefix(cfg.Prefix),
		crypt:   newEncryption(cfg.Settings),
		keys:    newKeyring(cfg.Settings),
		strict:  cfg.RequireEncrypted,
		buffers: cfg.Buffers,
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	if b.buffers == nil {
		b.buffers = providers.NewBuffers(providers.DefaultPartSize, providers.DefaultTransferMemory)
	}
	endpoint, emulator := cfg.endpoint()
	var err error
	if b.endpoint, err = parseEndpoint(endpoint); err != nil {
		return nil, err
	}
	if err := cfg.Settings.CheckEndpoint(b.endpoint.Scheme, cfg.InsecureKeysOverHTTP); err != nil {
		return nil, err
	}
	if b.http, err = providers.NewHTTPClient(providers.ClientOptions{
		CAFiles: []string{cfg.CAFile}, AnswerTimeout: answerTimeout, Log: b.log,
	}); err != nil {
		return nil, fmt.Errorf("gcs: %w", err)
	}
	anonymous := cfg.Anonymous || emulator && cfg.CredentialsFile == ""
	if !anonymous && b.endpoint.Scheme != "https" && !providers.Loopback(b.endpoint.Hostname()) {
		return nil, errors.New("gcs: endpoint: credentials go over https only; http is for a server on this machine, or one that wants none (anonymous)")
	}
	if b.signer, err = newSigner(cfg.CredentialsFile, anonymous, b.http); err != nil {
		return nil, err
	}
	b.probes = providers.NewProbes(b.Delete, "the credentials may not delete: they need storage.objects.delete, as in the role roles/storage.objectUser", b.log)
	b.gate, b.gateParts = providers.NewGate(nil), providers.NewGate(nil)
	if cfg.Settings.Sealed() {
		b.gate, b.gateParts = providers.NewGate(b.Probe), providers.NewGate(b.probeParts)
	}
	return b, nil
}

// Close ends the idle connections.
func (b *Bucket) Close() error {
	b.http.CloseIdleConnections()
	return nil
}

func (cfg Config) validate() error {
	switch {
	case cfg.Bucket == "" || strings.ContainsAny(cfg.Bucket, "/?#"):
		return fmt.Errorf("gcs: %q is not a bucket name", cfg.Bucket)
	case cfg.Anonymous && cfg.CredentialsFile != "":
		return errors.New("gcs: anonymous excludes credentials_file")
	case cfg.Buffers != nil && cfg.Buffers.Size()%chunkUnit != 0:
		return fmt.Errorf("gcs: parts of %d bytes are not a multiple of %d, as the store wants them", cfg.Buffers.Size(), chunkUnit)
	case cfg.Settings.Algorithm != "" || cfg.Settings.Scope != "":
		return errors.New("gcs: these encryption settings are for another store")
	case cfg.Settings.KMSKeyID != "" && !cfg.Settings.WriteKey.IsZero():
		return errors.New("gcs: an object is written under a customer key or a Cloud KMS key, not both")
	}
	return nil
}

// endpoint is the configured endpoint; emulator says that it comes from the
// variable that Google's clients know, which means a server without accounts.
func (cfg Config) endpoint() (endpoint string, emulator bool) {
	if cfg.Endpoint != "" {
		return cfg.Endpoint, false
	}
	host := os.Getenv("STORAGE_EMULATOR_HOST")
	switch {
	case host == "":
		return googleEndpoint, false
	case strings.Contains(host, "://"):
		return host, true
	}
	return "http://" + host, true
}

func parseEndpoint(endpoint string) (*url.URL, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.Trim(u.Path, "/") != "" {
		return nil, errors.New("gcs: endpoint: want https://host or http://host")
	}
	if u.User != nil {
		return nil, errors.New("gcs: endpoint: credentials do not belong into the URL; use credentials_file")
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// basePrefix turns the configured prefix into what keys begin with.
func basePrefix(prefix string) string {
	if prefix = strings.Trim(prefix, "/"); prefix == "" {
		return ""
	}
	return prefix + "/"
}

// checkKey refuses what the store cannot hold, before any request.
func (b *Bucket) checkKey(op, key string) error {
	if err := providers.CheckKey(op, key); err != nil {
		return err
	}
	advice := ""
	switch full := b.base + key; {
	case len(full) > providers.MaxKey:
		advice = "the path, with the remote's prefix, is longer than 1,024 bytes; shorten it"
	case strings.ContainsAny(full, "\r\n"):
		advice = "Cloud Storage takes no line ends in names; rename it"
	case full == "." || full == ".." || strings.HasPrefix(full, ".well-known/acme-challenge/"):
		advice = "Cloud Storage does not take this name; rename it"
	default:
		return nil
	}
	return &providers.Error{Op: op, Key: key, Kind: fs.ErrInvalid, Advice: advice}
}
