package testserver

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
)

// copyFromURL does Put Blob From URL and Put Block From URL: it fetches the
// source from Azurite with the authorisation in its URL, and writes it with
// the account's key, as the client's signature covers another request.
func (p *Azure) copyFromURL(w http.ResponseWriter, r *http.Request, op string) {
	want, code := p.sealIn(r.Header, "X-Ms-Source-")
	if code != "" || want != (azureSeal{}) && p.quirk().NoSourceKey {
		azureError(w, http.StatusBadRequest, "UnsupportedHeader", "x-ms-source-encryption-key is not supported")
		return
	}
	if r.Header.Get("Authorization") == "" && r.URL.Query().Get("sig") == "" {
		azureError(w, http.StatusUnauthorized, "NoAuthenticationInformation", "not signed")
		return
	}
	src, stored, err := p.fetchSource(r)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer src.Body.Close()
	data, err := io.ReadAll(src.Body)
	switch {
	case err != nil:
		panic(http.ErrAbortHandler)
	case src.StatusCode == http.StatusPreconditionFailed:
		azureError(w, http.StatusPreconditionFailed, "SourceConditionNotMet", "the source has changed")
		return
	case src.StatusCode > 299:
		azureError(w, src.StatusCode, "CannotVerifyCopySource", "the source cannot be read")
		return
	case want.mismatch(stored) != "" && !p.quirk().Ignores:
		azureError(w, http.StatusConflict, "CannotVerifyCopySource", "the source lies under another key")
		return
	}
	defer p.state.begin(r.URL.Path)()
	h, err := p.putSource(r, op, src.Header, data)
	if se, ok := errors.AsType[*azcore.ResponseError](err); ok {
		azureError(w, se.StatusCode, se.ErrorCode, "the destination refused")
		return
	}
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if !p.quirk().Ignores {
		have, _ := p.sealIn(r.Header, "X-Ms-")
		if op == "PutBlobFromURL" {
			p.state.setBlob(r.URL.Path, h.Get("Etag"), have)
		} else {
			p.state.setBlock(r.URL.Path, r.URL.Query().Get("blockid"), have)
		}
		tell(h, have, "X-Ms-Request-Server-Encrypted")
	}
	for name, values := range h {
		w.Header()[name] = values
	}
	w.WriteHeader(http.StatusCreated)
}

// fetchSource reads the source of a copy. A token goes along as its own
// authorisation, which Azurite, told of none, is spared.
func (p *Azure) fetchSource(r *http.Request) (*http.Response, azureSeal, error) {
	u, err := url.Parse(r.Header.Get("X-Ms-Copy-Source"))
	if err != nil {
		return nil, azureSeal{}, err
	}
	path := u.Path
	upstream, err := url.Parse(p.server.endpoint)
	if err != nil {
		return nil, azureSeal{}, err
	}
	u.Scheme, u.Host = upstream.Scheme, upstream.Host
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, azureSeal{}, err
	}
	for from, to := range map[string]string{
		"X-Ms-Source-Range": "X-Ms-Range", "X-Ms-Source-If-Match": "If-Match", "X-Ms-Version": "X-Ms-Version",
	} {
		if v := r.Header.Get(from); v != "" {
			req.Header.Set(to, v)
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, azureSeal{}, err
	}
	if resp.StatusCode > 299 {
		return resp, azureSeal{}, nil
	}
	return resp, p.state.blob(path, resp.Header.Get("Etag")), nil
}

// putSource writes what was fetched.
func (p *Azure) putSource(r *http.Request, op string, src http.Header, data []byte) (http.Header, error) {
	cred, err := blob.NewSharedKeyCredential(p.Account, p.Key)
	if err != nil {
		return nil, err
	}
	target := strings.TrimSuffix(p.server.endpoint, "/"+p.Account) + r.URL.EscapedPath()
	client, err := blockblob.NewClientWithSharedKeyCredential(target, cred, nil)
	if err != nil {
		return nil, err
	}
	body := streaming.NopCloser(bytes.NewReader(data))
	if op == "PutBlockFromURL" {
		_, err := client.StageBlock(r.Context(), r.URL.Query().Get("blockid"), body, nil)
		return http.Header{}, err
	}
	opts := &blockblob.UploadOptions{
		HTTPHeaders: &blob.HTTPHeaders{BlobContentType: header(src, "Content-Type"), BlobCacheControl: header(src, "Cache-Control")},
		Metadata:    metadataIn(src),
		AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{
			IfMatch: (*azcore.ETag)(header(r.Header, "If-Match")), IfNoneMatch: (*azcore.ETag)(header(r.Header, "If-None-Match")),
		}},
	}
	if t := header(r.Header, "X-Ms-Blob-Content-Type"); t != nil {
		opts.HTTPHeaders.BlobContentType = t
	}
	if own := metadataIn(r.Header); len(own) > 0 {
		opts.Metadata = own
	}
	out, err := client.Upload(r.Context(), body, opts)
	if err != nil {
		return nil, err
	}
	return http.Header{"Etag": {string(*out.ETag)}, "Last-Modified": {out.LastModified.UTC().Format(http.TimeFormat)}}, nil
}

func header(h http.Header, name string) *string {
	if v := h.Get(name); v != "" {
		return &v
	}
	return nil
}

func metadataIn(h http.Header) map[string]*string {
	m := map[string]*string{}
	for name := range h {
		if key, ok := strings.CutPrefix(name, "X-Ms-Meta-"); ok {
			m[key] = header(h, name)
		}
	}
	return m
}
