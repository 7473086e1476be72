package config

import (
	"log/slog"
	"time"

	"sealdav/providers"
	"sealdav/sse"
)

// Env looks up an environment variable, as os.LookupEnv does.
type Env = func(name string) (value string, set bool)

// Config is a checked configuration. Load and FromURLs make it.
//
// A field's toml tag is its key; the tag for names the URL schemes a key is
// good for, where it is not good for all.
type Config struct {
	Server  Server   `toml:"server"`
	Users   []User   `toml:"users"`   // in the order of the file
	Remotes []Remote `toml:"remotes"` // in the order of the file
}

// Server is the table [server].
type Server struct {
	Listen                 string        `toml:"listen"`
	State                  string        `toml:"state"`
	Locks                  Secret        `toml:"locks"` // a URL, which may hold a password
	AllowRemoteWithoutAuth bool          `toml:"allow_remote_without_auth"`
	BaseURL                HTTPURL       `toml:"base_url"`
	MaxTransferMemory      Size          `toml:"max_transfer_memory"`
	ListCache              time.Duration `toml:"list_cache"`
	PropfindInfinity       bool          `toml:"propfind_infinity"`
	DrainTimeout           time.Duration `toml:"drain_timeout"`
	LogLevel               Level         `toml:"log_level"`
	AccessLog              bool          `toml:"access_log"`
	TLS                    TLS           `toml:"tls"`
}

// TLS is the table [server.tls]. The zero TLS is plain http.
type TLS struct {
	Cert string   `toml:"cert"`
	Key  string   `toml:"key"`
	ACME []string `toml:"acme"`
}

// User is a table [users.NAME].
type User struct {
	Name         string
	PasswordHash Secret   `toml:"password_hash"`
	Remotes      []string `toml:"remotes"` // nil: all
	ReadOnly     bool     `toml:"read_only"`
}

// Remote is a table [remotes.NAME].
type Remote struct {
	Name string
	URL  URL `toml:"url"`

	Region          string  `toml:"region" for:"s3"`
	Endpoint        HTTPURL `toml:"endpoint" for:"s3 gs az"`
	PathStyle       *bool   `toml:"path_style" for:"s3"`
	CAFile          string  `toml:"ca_file" for:"s3 gs az"`
	AccessKeyID     Secret  `toml:"access_key_id" for:"s3"`
	SecretAccessKey Secret  `toml:"secret_access_key" for:"s3"`
	SessionToken    Secret  `toml:"session_token" for:"s3"`
	Profile         string  `toml:"profile" for:"s3"`
	Checksums       string  `toml:"checksums" for:"s3"` // "", or one of checksums
	Anonymous       bool    `toml:"anonymous" for:"s3 gs"`

	CredentialsFile string `toml:"credentials_file" for:"gs"`

	Account          string `toml:"account" for:"az"`
	AccountKey       Secret `toml:"account_key" for:"az"`
	SASToken         Secret `toml:"sas_token" for:"az"`
	ConnectionString Secret `toml:"connection_string" for:"az"`

	ReadOnly        bool   `toml:"read_only"`
	ReadConcurrency int    `toml:"read_concurrency" for:"s3 gs az"` // 0: 1
	Litter          string `toml:"litter"`                          // "", or one of litters

	Quota                Size          `toml:"quota"`         // 0: none
	MeasureUsage         time.Duration `toml:"measure_usage"` // 0: never
	SSE                  any           `toml:"sse"`           // as written: nil, a string or a table; see Settings
	RequireEncrypted     bool          `toml:"require_encrypted"`
	InsecureKeysOverHTTP bool          `toml:"insecure_keys_over_http" for:"s3 gs az"`

	// Settings are what SSE, or else the environment variable of the URL's
	// scheme, asks for.
	Settings sse.Settings
}

// defaults is the configuration that a file's keys change.
func defaults() Config {
	return Config{Server: Server{
		Listen:            "127.0.0.1:8080",
		MaxTransferMemory: providers.DefaultTransferMemory,
		ListCache:         2 * time.Second,
		DrainTimeout:      time.Minute,
		LogLevel:          Level(slog.LevelInfo),
		AccessLog:         true,
	}}
}
