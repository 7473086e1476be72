package azure

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"sealdav/providers"
)

// tokenScope is what a token must be good for.
const tokenScope = "https://storage.azure.com/.default"

// sourceTime is how long the signature of a copy's source is good: one request.
const sourceTime = time.Hour

// retries tries four times with up to four seconds in between: well within the
// half minute a WebDAV client waits.
var retries = policy.RetryOptions{MaxRetries: 3, RetryDelay: 500 * time.Millisecond, MaxRetryDelay: 4 * time.Second}

// withEnvironment fills in what the variables of Azure's own tools say, where
// the configuration names no account and no credentials.
func (cfg Config) withEnvironment() Config {
	named := cfg.Account != "" || cfg.Endpoint != "" || cfg.ConnectionString != ""
	if cfg.AccountKey != "" || cfg.SASToken != "" || cfg.ConnectionString != "" {
		if !named {
			cfg.Account = os.Getenv("AZURE_STORAGE_ACCOUNT")
		}
		return cfg
	}
	if !named {
		if cfg.ConnectionString = os.Getenv("AZURE_STORAGE_CONNECTION_STRING"); cfg.ConnectionString != "" {
			return cfg
		}
		cfg.Account, cfg.Endpoint = os.Getenv("AZURE_STORAGE_ACCOUNT"), os.Getenv("AZURE_STORAGE_BLOB_ENDPOINT")
	}
	// A key or a SAS belongs to the account it was set for.
	if account := os.Getenv("AZURE_STORAGE_ACCOUNT"); account != "" && account == cfg.Account {
		if cfg.AccountKey = os.Getenv("AZURE_STORAGE_KEY"); cfg.AccountKey == "" {
			cfg.SASToken = os.Getenv("AZURE_STORAGE_SAS_TOKEN")
		}
	}
	return cfg
}

// connect makes the SDK's client. What the SDK logs, if it is told to, has
// every header and parameter redacted that is not on its own list: keys,
// signatures and the sources of copies are not.
func (b *Bucket) connect(cfg Config) (err error) {
	if b.http, err = providers.NewHTTPClient(providers.ClientOptions{
		CAFiles: []string{cfg.CAFile}, AnswerTimeout: answerTimeout, Log: b.log,
		Wrap: func(next http.RoundTripper) http.RoundTripper { return &lendingTransport{next} },
	}); err != nil {
		return fmt.Errorf("azure: %w", err)
	}
	options := &container.ClientOptions{ClientOptions: azcore.ClientOptions{
		Transport:        b.http,
		Retry:            retries,
		Telemetry:        policy.TelemetryOptions{ApplicationID: "sealdav"},
		PerCallPolicies:  []policy.Policy{guard{b.crypt}},
		PerRetryPolicies: []policy.Policy{follow{}},
	}}
	if cfg.ConnectionString != "" {
		if b.client, err = container.NewClientFromConnectionString(cfg.ConnectionString, cfg.Container, options); err != nil {
			return errors.New("azure: connection_string: not in the form Azure's portal shows it in")
		}
		b.signs = !strings.Contains(b.client.URL(), "sig=")
		return nil
	}
	endpoint, err := cfg.containerURL()
	if err != nil {
		return err
	}
	switch {
	case cfg.AccountKey != "":
		cred, err := container.NewSharedKeyCredential(cfg.Account, cfg.AccountKey)
		if err != nil {
			return errors.New("azure: account_key: not base64")
		}
		b.signs = true
		b.client, err = container.NewClientWithSharedKeyCredential(endpoint, cred, options)
		return err
	case cfg.SASToken != "":
		b.client, err = container.NewClientWithNoCredential(endpoint+"?"+strings.TrimPrefix(cfg.SASToken, "?"), options)
		return err
	}
	if strings.HasPrefix(endpoint, "http://") { // the SDK would refuse each request
		return errors.New("azure: endpoint: the tokens of an identity go over https only; set account_key, or an https endpoint")
	}
	identity := azcore.ClientOptions{Transport: b.http, Retry: retries}
	if b.token, err = azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{ClientOptions: identity}); err != nil {
		return fmt.Errorf("azure: default credentials: %w", err)
	}
	b.client, err = container.NewClient(endpoint, b.token, options)
	return err
}

// CheckAccountKey says what is wrong with an account key, without repeating it.
func CheckAccountKey(key string) error {
	if _, err := container.NewSharedKeyCredential("account", key); err != nil {
		return errors.New("not base64")
	}
	return nil
}

// CheckConnectionString returns the URL of the blob service that a connection
// string names, or says that it is none, without repeating it.
func CheckConnectionString(text string) (endpoint string, err error) {
	bad := errors.New("not in the form Azure's portal shows it in")
	client, err := container.NewClientFromConnectionString(text, "c", nil)
	if err != nil {
		return "", bad
	}
	u, err := url.Parse(client.URL())
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", bad
	}
	return u.Scheme + "://" + u.Host + strings.TrimSuffix(u.EscapedPath(), "/c"), nil
}

func (cfg Config) containerURL() (string, error) {
	endpoint := cfg.Endpoint
	if endpoint == "" {
		endpoint = "https://" + cfg.Account + ".blob.core.windows.net"
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", errors.New("azure: endpoint: want https://host or http://host")
	}
	if u.User != nil || u.RawQuery != "" {
		return "", errors.New("azure: endpoint: credentials do not belong into the URL; use account_key or sas_token")
	}
	return strings.TrimSuffix(endpoint, "/") + "/" + cfg.Container, nil
}

// source is where the store finds the source of a copy, with what lets it read
// there: a signature for this blob and one hour, the remote's own SAS, or a
// token beside it.
func (b *Bucket) source(ctx context.Context, key string) (address string, authorization *string, err error) {
	client := b.client.NewBlobClient(b.full(key))
	switch {
	case b.signs:
		address, err = client.GetSASURL(sas.BlobPermissions{Read: true}, time.Now().Add(sourceTime), nil)
		return address, nil, err
	case b.token != nil:
		token, err := b.token.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{tokenScope}})
		return client.URL(), new("Bearer " + token.Token), err
	}
	return client.URL(), nil, nil
}
