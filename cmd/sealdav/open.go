package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"sealdav/internal/config"
	"sealdav/providers"
	"sealdav/providers/azure"
	"sealdav/providers/gcs"
	"sealdav/providers/local"
	"sealdav/providers/s3"
	"sealdav/sse"
)

// opener opens the buckets of one configuration.
type opener struct {
	buffers  *providers.Buffers // of all uploads together
	stateDir string             // "": nothing is kept
	log      *slog.Logger
}

func newOpener(server config.Server, log *slog.Logger) *opener {
	return &opener{
		buffers:  providers.NewBuffers(providers.DefaultPartSize, int64(server.MaxTransferMemory)),
		stateDir: server.State,
		log:      log,
	}
}

// open opens the bucket of a remote under the given settings. It is the only
// place that knows every provider.
func (o *opener) open(ctx context.Context, r config.Remote, settings sse.Settings) (providers.Bucket, error) {
	log := o.log.With("remote", r.Name)
	switch r.URL.Store {
	case sse.Local:
		return local.Open(ctx, local.Config{
			Dir:              r.URL.Path,
			Settings:         settings,
			RequireEncrypted: r.RequireEncrypted,
			Logger:           log,
		})
	case sse.S3:
		state, err := o.state(r.Name)
		if err != nil {
			return nil, err
		}
		return s3.Open(ctx, s3.Config{
			Bucket:               r.URL.Bucket,
			Prefix:               r.URL.Path,
			Region:               r.Region,
			Endpoint:             string(r.Endpoint),
			PathStyle:            r.PathStyle,
			CAFile:               r.CAFile,
			AccessKeyID:          r.AccessKeyID.Reveal(),
			SecretAccessKey:      r.SecretAccessKey.Reveal(),
			SessionToken:         r.SessionToken.Reveal(),
			Profile:              r.Profile,
			Anonymous:            r.Anonymous,
			Settings:             settings,
			InsecureKeysOverHTTP: r.InsecureKeysOverHTTP,
			RequireEncrypted:     r.RequireEncrypted,
			Checksums:            r.Checksums,
			Buffers:              o.buffers,
			StateDir:             state,
			Logger:               log,
		})
	case sse.Azure:
		return azure.Open(ctx, azure.Config{
			Container:            r.URL.Bucket,
			Prefix:               r.URL.Path,
			Account:              r.Account,
			AccountKey:           r.AccountKey.Reveal(),
			SASToken:             r.SASToken.Reveal(),
			ConnectionString:     r.ConnectionString.Reveal(),
			Endpoint:             string(r.Endpoint),
			CAFile:               r.CAFile,
			Settings:             settings,
			InsecureKeysOverHTTP: r.InsecureKeysOverHTTP,
			RequireEncrypted:     r.RequireEncrypted,
			Buffers:              o.buffers,
			Logger:               log,
		})
	case sse.GCS:
		return gcs.Open(ctx, gcs.Config{
			Bucket:               r.URL.Bucket,
			Prefix:               r.URL.Path,
			Endpoint:             string(r.Endpoint),
			CAFile:               r.CAFile,
			CredentialsFile:      r.CredentialsFile,
			Anonymous:            r.Anonymous,
			Settings:             settings,
			InsecureKeysOverHTTP: r.InsecureKeysOverHTTP,
			RequireEncrypted:     r.RequireEncrypted,
			Buffers:              o.buffers,
			Logger:               log,
		})
	}
	return nil, fmt.Errorf("no provider for %s", r.URL.Store)
}

// state makes a remote's own folder under the server's state.
func (o *opener) state(name string) (string, error) {
	if o.stateDir == "" {
		return "", nil
	}
	dir := filepath.Join(o.stateDir, "remotes", name)
	return dir, os.MkdirAll(dir, 0o700)
}
