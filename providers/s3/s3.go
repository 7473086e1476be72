package s3

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
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"

	"sealdav/providers"
	"sealdav/sse"
)

// The values of Config.Checksums.
const (
	ChecksumsAuto      = "auto"           // when_supported on Amazon's endpoints, when_required elsewhere
	ChecksumsSupported = "when_supported" // the SDK adds and checks a CRC wherever S3 knows one
	ChecksumsRequired  = "when_required"  // only where a request is refused without
)

// Config says which bucket to open, and how. Bucket is all Amazon needs.
type Config struct {
	Bucket string
	Prefix string // the folder in the bucket that is served, without slashes at its ends; "" the whole
	Region string // "": the SDK's (AWS_REGION, profile), else us-east-1
	// Endpoint is an http or https URL; "": the SDK's (AWS_ENDPOINT_URL_S3,
	// AWS_ENDPOINT_URL, profile), else Amazon's.
	Endpoint string
	// PathStyle: https://host/bucket instead of https://bucket.host; nil: so
	// for every endpoint but Amazon's, as most of them know no other.
	PathStyle *bool
	CAFile    string // PEM of authorities trusted beside the system's

	// Credentials; all empty: the SDK's own chain.
	AccessKeyID, SecretAccessKey, SessionToken string
	Profile                                    string
	Anonymous                                  bool // requests are not signed

	Settings sse.Settings
	// InsecureKeysOverHTTP lets customer keys go over plain http.
	InsecureKeysOverHTTP bool
	// RequireEncrypted refuses (ErrPlain) to open objects that do not lie
	// under an encryption of the kind the Settings name.
	RequireEncrypted bool

	Checksums string // "": ChecksumsAuto
	// Buffers bounds the memory of uploads; nil: buffers of its own, of
	// providers.DefaultTransferMemory together.
	Buffers *providers.Buffers
	// StateDir is where multipart uploads under way are noted, so that those
	// a killed process left are aborted at the next Open; "": nowhere.
	StateDir string
	Logger   *slog.Logger // nil: nothing is logged
}

// Format implements fmt.Formatter for every verb, so that no secret is printed.
func (cfg Config) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "s3://%s/%s", cfg.Bucket, cfg.Prefix) }

// LogValue implements slog.LogValuer.
func (cfg Config) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(cfg)) }

// Bucket is a bucket of an S3 store, or a prefix of one.
type Bucket struct {
	client  *awss3.Client
	http    *http.Client
	log     *slog.Logger
	bucket  string
	base    string // what every key in the bucket begins with: "" or "prefix/"
	amazon  bool   // the endpoint is Amazon's own
	crypt   encryption
	keys    *keyring
	strict  bool // Config.RequireEncrypted
	sums    bool // checksums when supported
	buffers *providers.Buffers
	journal *journal
	limits  limits

	// The probes of a sealed remote: before its first write, its first upload
	// in parts, its first copy in parts.
	gate, gateParts, gatePartCopies *providers.Gate
	probes                          *providers.Probes

	// streamCopies is set once the store has shown that it cannot copy
	// sealed objects itself, streamLarge that it cannot in parts.
	streamCopies, streamLarge atomic.Bool
	// exists is set once any answer has shown that the bucket exists: HEAD
	// answers 404 for a missing bucket and a missing key alike.
	exists atomic.Bool

	owed owed // aborts of uploads

	background context.Context // of the work that close ends
	close      context.CancelFunc
	work       sync.WaitGroup
}

// limits are S3's own and ours; a test lowers them.
type limits struct {
	copyObject int64 // the largest object CopyObject takes, in bytes
	copyPart   int64 // the size of the parts of a larger copy, in bytes
	parts      int   // of one multipart upload
	// patience is how long a request without a body of note, its retries
	// included, may take to be answered.
	patience time.Duration
	// answer is how long an answer to what was sent may take to begin.
	answer time.Duration
	// abortPause is the first pause before an abort that failed is tried again.
	abortPause time.Duration
}

var defaultLimits = limits{copyObject: 5 << 30, copyPart: 512 << 20, parts: 10_000, patience: providers.Patience, answer: time.Minute, abortPause: 10 * time.Second}

// Open opens a bucket. It talks to no server, but for aborting in the
// background what an earlier process left (StateDir).
func Open(ctx context.Context, cfg Config) (*Bucket, error) {
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
		limits:  defaultLimits,
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	if b.buffers == nil {
		b.buffers = providers.NewBuffers(providers.DefaultPartSize, providers.DefaultTransferMemory)
	}
	if err := b.connect(ctx, cfg); err != nil {
		return nil, err
	}
	b.probes = providers.NewProbes(b.Delete, "the credentials may not delete: permit s3:DeleteObject on the bucket's objects", b.log)
	b.gate, b.gateParts, b.gatePartCopies = providers.NewGate(nil), providers.NewGate(nil), providers.NewGate(nil)
	if cfg.Settings.Sealed() {
		b.gate, b.gateParts, b.gatePartCopies = providers.NewGate(b.Probe), providers.NewGate(b.probeParts), providers.NewGate(b.probePartCopy)
	}
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b.background, b.close = background, cancel
	if err := b.openJournal(background, cfg.StateDir); err != nil {
		cancel()
		return nil, err
	}
	return b, nil
}

// Close ends the background work and the idle connections.
func (b *Bucket) Close() error {
	b.owed.close()
	b.close()
	b.work.Wait()
	b.http.CloseIdleConnections()
	return nil
}

func (cfg Config) validate() error {
	switch {
	case cfg.Bucket == "" || strings.Contains(cfg.Bucket, "/"):
		return fmt.Errorf("s3: %q is not a bucket name", cfg.Bucket)
	case (cfg.AccessKeyID == "") != (cfg.SecretAccessKey == ""):
		return errors.New("s3: access_key_id and secret_access_key go together")
	case cfg.Anonymous && (cfg.AccessKeyID != "" || cfg.Profile != ""):
		return errors.New("s3: anonymous excludes credentials")
	case cfg.Buffers != nil && cfg.Buffers.Size() < minPartSize:
		return fmt.Errorf("s3: parts of %d bytes are below the store's minimum of %d", cfg.Buffers.Size(), minPartSize)
	}
	switch cfg.Checksums {
	case "", ChecksumsAuto, ChecksumsSupported, ChecksumsRequired:
		return nil
	}
	return fmt.Errorf("s3: checksums %q is not one of %s, %s, %s", cfg.Checksums, ChecksumsAuto, ChecksumsSupported, ChecksumsRequired)
}

// basePrefix turns the configured prefix into what keys begin with.
func basePrefix(prefix string) string {
	if prefix = strings.Trim(prefix, "/"); prefix == "" {
		return ""
	}
	return prefix + "/"
}

// connect makes the SDK's client.
func (b *Bucket) connect(ctx context.Context, cfg Config) error {
	shared, err := loadSDKConfig(ctx, cfg)
	if err != nil {
		return fmt.Errorf("s3: %w", err)
	}
	if b.http, err = providers.NewHTTPClient(providers.ClientOptions{
		CAFiles: []string{cfg.CAFile, os.Getenv("AWS_CA_BUNDLE")}, Log: b.log, // await bounds the wait for answers
	}); err != nil {
		return fmt.Errorf("s3: %w", err)
	}
	b.client = awss3.NewFromConfig(shared, func(o *awss3.Options) {
		o.HTTPClient = b.http
		if cfg.Endpoint != "" {
			o.BaseEndpoint = &cfg.Endpoint
		}
		if o.Region == "" {
			o.Region = "us-east-1"
		}
		o.APIOptions = append(o.APIOptions, b.crypt.attach, b.await, follow)
		// The SDK's request log prints keys; there is no switch for it here.
		o.ClientLogMode = 0
		o.Logger = logging.Nop{}
		o.DisableLogOutputChecksumValidationSkipped = true
		b.amazon = o.BaseEndpoint == nil || isAmazon(*o.BaseEndpoint)
		o.UsePathStyle = !b.amazon
		if cfg.PathStyle != nil {
			o.UsePathStyle = *cfg.PathStyle
		}
		b.sums = cfg.Checksums == ChecksumsSupported || cfg.Checksums != ChecksumsRequired && b.amazon
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		if b.sums {
			o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenSupported
			o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenSupported
		}
	})
	return checkEndpoint(b.client.Options().BaseEndpoint, cfg)
}

// loadSDKConfig gathers what the SDK knows by itself. It reads files and the
// environment; credentials are fetched with the first request.
func loadSDKConfig(ctx context.Context, cfg Config) (aws.Config, error) {
	opts := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithLogger(logging.Nop{}),
		awsconfig.WithRetryer(newRetryer),
		awsconfig.WithAppID("sealdav"),
	}
	if cfg.Region != "" {
		opts = append(opts, awsconfig.WithRegion(cfg.Region))
	}
	switch {
	case cfg.Anonymous:
		opts = append(opts, awsconfig.WithCredentialsProvider(aws.AnonymousCredentials{}))
	case cfg.AccessKeyID != "":
		opts = append(opts, awsconfig.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(cfg.AccessKeyID, cfg.SecretAccessKey, cfg.SessionToken)))
	case cfg.Profile != "":
		opts = append(opts, awsconfig.WithSharedConfigProfile(cfg.Profile))
	}
	return awsconfig.LoadDefaultConfig(ctx, opts...)
}

// newRetryer tries four times with up to four seconds in between: well within
// the half minute a WebDAV client waits.
func newRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = 4
		o.MaxBackoff = 4 * time.Second
		o.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(noCertificateRetries)}, o.Retryables...)
	})
}

// checkEndpoint refuses an endpoint that is no URL, and one that customer keys
// must not be sent to.
func checkEndpoint(endpoint *string, cfg Config) error {
	if endpoint == nil {
		return nil // Amazon's own, https
	}
	u, err := url.Parse(*endpoint)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("s3: endpoint: want https://host or http://host")
	}
	if u.User != nil {
		return errors.New("s3: endpoint: credentials do not belong into the URL; use access_key_id and secret_access_key")
	}
	return cfg.Settings.CheckEndpoint(u.Scheme, cfg.InsecureKeysOverHTTP)
}

// isAmazon reports whether an endpoint is one of Amazon's.
func isAmazon(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	host := u.Hostname()
	return strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".amazonaws.com.cn")
}

// full is the key in the bucket of a key of ours.
func (b *Bucket) full(key string) *string { return aws.String(b.base + key) }

// checkKey refuses what the store cannot hold, before any request.
func (b *Bucket) checkKey(op, key string) error {
	if err := providers.CheckKey(op, key); err != nil {
		return err
	}
	if len(b.base)+len(key) > providers.MaxKey {
		return &providers.Error{Op: op, Key: key, Kind: fs.ErrInvalid,
			Advice: "the path, with the remote's prefix, is longer than 1,024 bytes; shorten it"}
	}
	return nil
}
