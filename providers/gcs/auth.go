package gcs

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"sync"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"sealdav/providers"
)

// scope lets the credentials read and write objects, and not change who may.
const scope = "https://www.googleapis.com/auth/devstorage.read_write"

// signer puts credentials into requests. They are looked for with the first
// request: application default credentials may have to ask a metadata server.
type signer struct {
	find func(context.Context) (*google.Credentials, error) // nil: anonymous
	http *http.Client                                       // to fetch tokens with

	mu     sync.Mutex // held while looking
	tokens oauth2.TokenSource
	quota  string // the project that is billed, "" the bucket's

	machine bool // the tokens come from the machine's metadata server
}

// newSigner reads the credentials file, so that a wrong one is an error at the
// start.
func newSigner(file string, anonymous bool, client *http.Client) (*signer, error) {
	// Fetching a token knows no context of a request.
	s := &signer{http: &http.Client{Transport: client.Transport, CheckRedirect: client.CheckRedirect, Timeout: providers.Patience}}
	switch {
	case anonymous:
	case file != "":
		text, kind, err := readCredentials(file)
		if err != nil {
			return nil, fmt.Errorf("gcs: credentials_file: %w", err)
		}
		s.find = func(ctx context.Context) (*google.Credentials, error) {
			return google.CredentialsFromJSONWithType(ctx, text, kind, scope)
		}
	default:
		s.find = func(ctx context.Context) (*google.Credentials, error) {
			return findDefault(ctx)
		}
	}
	return s, nil
}

// sign adds the token. An error of it matches errCredentials, or has an
// oauth2.RetrieveError or the network's error as its cause.
func (s *signer) sign(ctx context.Context, req *http.Request) error {
	if s.find == nil {
		return nil
	}
	tokens, quota, err := s.source(ctx)
	if err != nil {
		return err
	}
	token, err := tokens.Token()
	if err != nil && s.machine {
		return fmt.Errorf("%w: %w", errMachine, innermost(err))
	}
	if err != nil {
		return err
	}
	token.SetAuthHeader(req)
	if quota != "" {
		req.Header.Set("X-Goog-User-Project", quota)
	}
	return nil
}

func (s *signer) source(ctx context.Context) (oauth2.TokenSource, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tokens != nil {
		return s.tokens, s.quota, nil
	}
	// The source outlives this request, and so must its context.
	creds, err := s.find(context.WithValue(context.WithoutCancel(ctx), oauth2.HTTPClient, s.http))
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", errCredentials, err)
	}
	s.machine = creds.JSON == nil
	s.quota = os.Getenv("GOOGLE_CLOUD_QUOTA_PROJECT")
	if s.quota == "" {
		var file struct {
			QuotaProject string `json:"quota_project_id"`
		}
		if json.Unmarshal(creds.JSON, &file) == nil {
			s.quota = file.QuotaProject
		}
	}
	s.tokens = oauth2.ReuseTokenSource(nil, creds.TokenSource)
	return s.tokens, s.quota, nil
}
