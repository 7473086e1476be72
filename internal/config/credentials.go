package config

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"sealdav/providers"
	"sealdav/providers/azure"
	"sealdav/providers/gcs"
	"sealdav/sse"
)

// checkCredentials looks for halves of credentials, for two of a kind, for
// those that can be seen to be none, and for those that would go in the clear.
func (r *Remote) checkCredentials(b *binder, key toml.Key) {
	r.checkPairs(b, key)
	for _, name := range []string{
		"access_key_id", "secret_access_key", "credentials_file", "account", "account_key", "sas_token", "connection_string",
	} {
		if at := sub(key, name); b.has(at...) && !b.failed(at) && r.text(name) == "" {
			// Taken for left out, it would let some other identity in.
			b.find(at, "is empty; give a value, or leave the key out")
		}
	}
	switch r.URL.Store {
	case sse.GCS:
		r.checkGoogle(b, key)
	case sse.Azure:
		r.checkAzure(b, key)
	}
}

// text is the value of a key of credentials.
func (r *Remote) text(name string) string {
	switch name {
	case "access_key_id":
		return r.AccessKeyID.Reveal()
	case "secret_access_key":
		return r.SecretAccessKey.Reveal()
	case "credentials_file":
		return r.CredentialsFile
	case "account":
		return r.Account
	case "account_key":
		return r.AccountKey.Reveal()
	case "sas_token":
		return r.SASToken.Reveal()
	case "connection_string":
		return r.ConnectionString.Reveal()
	}
	return ""
}

func (r *Remote) checkPairs(b *binder, key toml.Key) {
	has := func(name string) bool { return b.has(sub(key, name)...) }
	needs := func(name, other string) {
		if has(name) && !has(other) {
			b.find(sub(key, name), "also needs %s", other)
		}
	}
	excludes := func(name string, others ...string) {
		for _, other := range others {
			if has(name) && has(other) {
				b.find(sub(key, name), "%s and %s exclude each other", name, other)
			}
		}
	}
	switch r.URL.Store {
	case sse.S3:
		needs("access_key_id", "secret_access_key")
		needs("secret_access_key", "access_key_id")
		needs("session_token", "access_key_id")
		excludes("profile", "access_key_id")
		if r.Anonymous {
			excludes("anonymous", "access_key_id", "profile")
		}
	case sse.GCS:
		if r.Anonymous {
			excludes("anonymous", "credentials_file")
		}
	case sse.Azure:
		excludes("account_key", "sas_token", "connection_string")
		excludes("sas_token", "connection_string")
		if r.Endpoint != "" {
			excludes("connection_string", "endpoint")
		}
		account, _ := b.env("AZURE_STORAGE_ACCOUNT")
		connection, _ := b.env("AZURE_STORAGE_CONNECTION_STRING")
		switch {
		case has("account"), has("connection_string"):
		case has("account_key") && (account == "" || has("endpoint")):
			b.find(sub(key, "account_key"), "also needs account")
		case !has("endpoint") && account == "" && connection == "":
			b.find(key, "needs account or connection_string")
		}
	}
}

func (r *Remote) checkGoogle(b *binder, key toml.Key) {
	file := sub(key, "credentials_file")
	if r.CredentialsFile != "" && !b.failed(file) {
		if err := gcs.CheckCredentials(r.CredentialsFile); err != nil {
			b.find(file, "%v", err)
		}
	}
	if r.Anonymous || !inTheClear(r.endpoint(b.env)) {
		return
	}
	if at := sub(key, "endpoint"); b.has(at...) {
		b.find(at, "is plain http, over which the remote's credentials can be read on the way; use https, or anonymous = true for a server that wants none")
	} else if b.has(file...) { // STORAGE_EMULATOR_HOST alone means no credentials
		b.find(file, "STORAGE_EMULATOR_HOST is plain http, over which credentials can be read on the way; use https, or leave credentials_file out")
	}
}

// accountName is what Azure calls storage accounts, but for the shortest
// length. An emulator may see it otherwise.
var accountName = regexp.MustCompile(`^[a-z0-9]{1,24}$`)

func (r *Remote) checkAzure(b *binder, key toml.Key) {
	account := sub(key, "account")
	switch {
	case r.Account == "":
	case strings.ContainsAny(r.Account, "/.:@?#"), r.Endpoint == "" && !accountName.MatchString(r.Account):
		b.find(account, "is not the name of a storage account: 3 to 24 lower-case letters and digits, without the rest of its address")
	}
	if at := sub(key, "account_key"); !r.AccountKey.IsZero() && azure.CheckAccountKey(r.AccountKey.Reveal()) != nil {
		b.find(at, "is not an account key, which is base64; show it with: az storage account keys list --account-name ACCOUNT")
	}
	if at := sub(key, "connection_string"); !r.ConnectionString.IsZero() {
		if _, err := azure.CheckConnectionString(r.ConnectionString.Reveal()); err != nil {
			b.find(at, "is not a connection string (AccountName=...;AccountKey=...;EndpointSuffix=...); show it with: az storage account show-connection-string --name ACCOUNT")
		}
	}
	r.checkAzureVariables(b, key)
	endpoint := r.endpoint(b.env)
	if endpoint.Scheme() != "http" {
		return
	}
	at := sub(key, "endpoint")
	if !b.has(at...) {
		at = key
	}
	switch {
	case !r.SASToken.IsZero() && inTheClear(endpoint):
		b.warn(at, "is plain http, over which the SAS can be read on the way; use https")
	case r.byIdentity(b):
		b.find(at, "is plain http, over which no token of an identity is sent; use https, or set account_key")
	}
}

// ownAzure reports whether the file gives credentials.
func (r *Remote) ownAzure(b *binder) bool {
	return slices.ContainsFunc([]string{"account_key", "sas_token", "connection_string"}, func(name string) bool {
		return b.has("remotes", r.Name, name)
	})
}

// azureVariables are the variables of Azure's own tools that a remote without
// credentials of its own goes by: a connection string, or a key, or a SAS. None
// of them means an identity.
func (r *Remote) azureVariables(b *binder) (connection, key, sas string) {
	if r.ownAzure(b) {
		return "", "", ""
	}
	named := r.Account != "" || r.Endpoint != ""
	if connection, _ = b.env("AZURE_STORAGE_CONNECTION_STRING"); connection != "" && !named {
		return connection, "", ""
	}
	if account, _ := b.env("AZURE_STORAGE_ACCOUNT"); account == "" || named && account != r.Account {
		return "", "", "" // they belong to another account
	}
	if key, _ = b.env("AZURE_STORAGE_KEY"); key == "" {
		sas, _ = b.env("AZURE_STORAGE_SAS_TOKEN")
	}
	return "", key, sas
}

func (r *Remote) checkAzureVariables(b *binder, key toml.Key) {
	connection, shared, _ := r.azureVariables(b)
	if connection != "" {
		if _, err := azure.CheckConnectionString(connection); err != nil {
			b.find(key, "AZURE_STORAGE_CONNECTION_STRING is not a connection string (AccountName=...;AccountKey=...;EndpointSuffix=...)")
		}
	}
	if shared != "" && azure.CheckAccountKey(shared) != nil {
		b.find(key, "AZURE_STORAGE_KEY is not an account key, which is base64")
	}
}

// byIdentity reports whether an Azure remote signs in by Azure's default chain.
func (r *Remote) byIdentity(b *binder) bool {
	connection, key, sas := r.azureVariables(b)
	return !r.ownAzure(b) && connection == "" && key == "" && sas == ""
}

// inTheClear reports whether what is sent to an endpoint leaves this machine
// unencrypted.
func inTheClear(endpoint HTTPURL) bool {
	u, err := url.Parse(string(endpoint))
	return err == nil && u.Scheme == "http" && !providers.Loopback(u.Hostname())
}
