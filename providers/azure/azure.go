package azure

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"sealdav/providers"
	"sealdav/sse"
)

// Config says which container to open, and how.
type Config struct {
	Container string
	Prefix    string // the folder in the container that is served, without slashes at its ends; "" the whole
	// Account is the storage account's name; "": AZURE_STORAGE_ACCOUNT. It may
	// be left out where Endpoint or ConnectionString name it.
	Account string
	// AccountKey, SASToken or ConnectionString are the credentials, one of
	// them; all empty: AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY or
	// AZURE_STORAGE_SAS_TOKEN, else azidentity's default chain (environment,
	// workload and managed identity, az login).
	AccountKey       string
	SASToken         string // with or without the "?"
	ConnectionString string
	// Endpoint is the URL of the account's blob service; "":
	// AZURE_STORAGE_BLOB_ENDPOINT, else https://ACCOUNT.blob.core.windows.net.
	Endpoint string
	CAFile   string // PEM of authorities trusted beside the system's

	Settings sse.Settings
	// InsecureKeysOverHTTP lets customer keys go over plain http.
	InsecureKeysOverHTTP bool
	// RequireEncrypted refuses (ErrPlain) to open blobs that do not lie under
	// an encryption of the kind the Settings name.
	RequireEncrypted bool

	// Buffers bounds the memory of uploads; nil: buffers of its own, of
	// providers.DefaultTransferMemory together.
	Buffers *providers.Buffers
	Logger  *slog.Logger // nil: nothing is logged
}

// Format implements fmt.Formatter for every verb, so that no secret is printed.
func (cfg Config) Format(s fmt.State, _ rune) {
	fmt.Fprintf(s, "az://%s/%s", cfg.Container, cfg.Prefix)
}

// LogValue implements slog.LogValuer.
func (cfg Config) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(cfg)) }

// Bucket is a container of an Azure storage account, or a prefix of one.
type Bucket struct {
	client  *container.Client
	http    *http.Client
	log     *slog.Logger
	name    string                 // the container's
	base    string                 // what every blob's name begins with: "" or "prefix/"
	token   azcore.TokenCredential // nil with a shared key or a SAS
	signs   bool                   // a shared key is at hand, which signs the source of a copy
	crypt   encryption
	keys    *keyring
	strict  bool // Config.RequireEncrypted
	buffers *providers.Buffers
	limits  limits

	// The probes of a sealed remote: before its first write, its first upload
	// in blocks, its first copy in blocks.
	gate, gateBlocks, gateBlockCopies *providers.Gate
	probes                            *providers.Probes

	// streamCopies is set once the store has shown that it cannot copy under
	// these settings itself, streamBlocks that it cannot in blocks.
	streamCopies, streamBlocks atomic.Bool
	// singleDeletes is set once the store has refused a batch.
	singleDeletes atomic.Bool
	// folders is set once a blob has shown up that stands for a folder; until
	// then nothing is spent on looking for more.
	folders     atomic.Bool
	folderNames *folderMemory
}

// limits are Azure's own; a test lowers them.
type limits struct {
	copyBlob  int64 // the largest blob Put Blob From URL takes, in bytes
	copyBlock int64 // the size of the blocks of a larger copy, in bytes
	blocks    int   // of one blob
	batch     int   // deletions in one request
}

var azureLimits = limits{copyBlob: 5000 << 20, copyBlock: 512 << 20, blocks: 50_000, batch: 256}

// answerTimeout ends what will never be answered: a store may copy gigabytes
// before it answers. Short operations have patience.
const answerTimeout = 5 * time.Minute

// Open opens a container. It talks to no server.
func Open(_ context.Context, cfg Config) (*Bucket, error) {
	cfg = cfg.withEnvironment()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	b := &Bucket{
		log:     cfg.Logger,
		name:    cfg.Container,
		base:    basePrefix(cfg.Prefix),
		crypt:   newEncryption(cfg.Settings),
		keys:    newKeyring(cfg.Settings),
		strict:  cfg.RequireEncrypted,
		buffers: cfg.Buffers,
		limits:  azureLimits,

		folderNames: newFolderMemory(),
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	if b.buffers == nil {
		b.buffers = providers.NewBuffers(providers.DefaultPartSize, providers.DefaultTransferMemory)
	}
	if err := b.connect(cfg); err != nil {
		return nil, err
	}
	if err := checkEndpoint(b.client.URL(), cfg); err != nil {
		return nil, err
	}
	b.probes = providers.NewProbes(b.Delete, "the credentials may not delete: a SAS needs delete (read, create, write, delete and list: sp=rcwdl), an identity the role Storage Blob Data Contributor", b.log)
	b.gate, b.gateBlocks, b.gateBlockCopies = providers.NewGate(nil), providers.NewGate(nil), providers.NewGate(nil)
	if cfg.Settings.Sealed() {
		b.gate, b.gateBlocks, b.gateBlockCopies = providers.NewGate(b.Probe), providers.NewGate(b.probeBlocks), providers.NewGate(b.probeBlockCopy)
	}
	return b, nil
}

// Close closes the idle connections.
func (b *Bucket) Close() error {
	b.http.CloseIdleConnections()
	return nil
}

func (cfg Config) validate() error {
	given := 0
	for _, s := range []string{cfg.AccountKey, cfg.SASToken, cfg.ConnectionString} {
		if s != "" {
			given++
		}
	}
	switch {
	case cfg.Container == "" || strings.Contains(cfg.Container, "/"):
		return fmt.Errorf("azure: %q is not a container name", cfg.Container)
	case given > 1:
		return errors.New("azure: account_key, sas_token and connection_string exclude each other")
	case cfg.ConnectionString != "" && cfg.Endpoint != "":
		return errors.New("azure: the connection string names the endpoint; leave out endpoint")
	case cfg.ConnectionString == "" && cfg.Account == "" && (cfg.Endpoint == "" || cfg.AccountKey != ""):
		return errors.New("azure: no storage account is named; set account (or AZURE_STORAGE_ACCOUNT)")
	case strings.ContainsAny(cfg.Account, "/.:@?#"):
		return fmt.Errorf("azure: %q is not the name of a storage account", cfg.Account)
	case cfg.Buffers != nil && cfg.Buffers.Size() > maxBlock:
		return fmt.Errorf("azure: parts of %d bytes are above the store's maximum of %d", cfg.Buffers.Size(), int64(maxBlock))
	}
	return nil
}

// basePrefix turns the configured prefix into what names begin with.
func basePrefix(prefix string) string {
	if prefix = strings.Trim(prefix, "/"); prefix == "" {
		return ""
	}
	return prefix + "/"
}

// checkEndpoint refuses an endpoint that customer keys must not be sent to.
func checkEndpoint(endpoint string, cfg Config) error {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("azure: endpoint: want https://host or http://host")
	}
	return cfg.Settings.CheckEndpoint(u.Scheme, cfg.InsecureKeysOverHTTP)
}

// full is the blob's name of a key of ours.
func (b *Bucket) full(key string) string { return b.base + key }

// checkKey refuses what no store can hold, before any request.
func (b *Bucket) checkKey(op, key string) error {
	if err := providers.CheckKey(op, key); err != nil {
		return err
	}
	if len(b.base)+len(key) > providers.MaxKey {
		return &providers.Error{Op: op, Key: key, Kind: fs.ErrInvalid,
			Advice: "the path, with the remote's prefix, is longer than 1,024 bytes; shorten it"}
	}
	if unspeakable(key) {
		return &providers.Error{Op: op, Key: key, Kind: fs.ErrInvalid,
			Advice: `Azure takes a "\" in a name for a "/"; rename it`}
	}
	return nil
}

// unspeakable reports whether Azure would take a name for another: there is no
// blob of it, and can be none.
func unspeakable(key string) bool { return strings.Contains(key, `\`) }

// checkRead is checkKey for what is only looked for.
func (b *Bucket) checkRead(op, key string) error {
	if unspeakable(key) {
		return providers.NotExist(op, key)
	}
	return b.checkKey(op, key)
}
