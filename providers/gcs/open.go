package gcs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"sealdav/providers"
	"sealdav/sse"
)

// Open implements providers.Bucket: one request where the key is known.
//
// It goes to the XML API, whose answer tells all there is to know. That has no
// precondition for a generation that must not be there any more, so a read
// under If-None-Match goes to the JSON API, whose answer leaves out some.
func (b *Bucket) Open(ctx context.Context, key string, opts providers.OpenOptions) (io.ReadCloser, providers.Object, error) {
	if err := b.checkKey("open", key); err != nil {
		return nil, providers.Object{}, err
	}
	return b.open(ctx, "open", key, opts, b.strict)
}

// open is Open for a key that was looked at; strict holds what is read to
// RequireEncrypted.
func (b *Bucket) open(ctx context.Context, op, key string, opts providers.OpenOptions, strict bool) (io.ReadCloser, providers.Object, error) {
	c, err := b.readCall(key, opts)
	if err != nil {
		return nil, providers.Object{}, err
	}
	wait, arrived, cancel := providers.WithPatience(ctx, providers.Patience)
	resp, source, err := b.openWith(wait, op, key, c, opts)
	if err != nil {
		cancel()
		return nil, providers.Object{}, b.fail(ctx, op, key, err)
	}
	arrived()
	if n, err := strconv.ParseInt(resp.Header.Get("X-Goog-Stored-Content-Length"), 10, 64); err == nil && resp.ContentLength < 0 && resp.StatusCode == http.StatusOK {
		resp.ContentLength = n // it came in pieces, without a length of its own
	}
	r := providers.NewContent(resp.Body, resp.ContentLength, cancel, func(err error) error {
		return b.fail(ctx, "open", key, &failure{err: innermost(err)})
	})
	obj, err := b.answered(key, source, resp)
	if err == nil {
		err = b.checkAnswer(wait, r, obj, c, opts, resp, strict)
	}
	if err != nil {
		r.Close()
		return nil, providers.Object{}, b.fail(ctx, op, key, err)
	}
	return r, obj, nil
}

// readCall makes the request of a read.
func (b *Bucket) readCall(key string, opts providers.OpenOptions) (*call, error) {
	c := &call{op: opRead, method: http.MethodGet, path: b.contentPath(key), query: url.Values{}, header: http.Header{}}
	match, matched := generation(opts.IfMatch)
	if opts.IfMatch != "" && opts.IfMatch != "*" && !matched {
		// Not one of our tags, so not that of the object.
		return nil, &providers.Error{Op: "open", Key: key, Kind: providers.ErrPrecondition}
	}
	if unless, ok := generation(opts.IfNoneMatch); ok {
		c.op, c.path = opReadUnless, b.objectPath(key)
		c.query.Set("alt", "media")
		c.query.Set("ifGenerationNotMatch", strconv.FormatInt(unless, 10))
		if matched {
			c.query.Set("ifGenerationMatch", strconv.FormatInt(match, 10))
		}
	} else if matched {
		c.header.Set("X-Goog-If-Generation-Match", strconv.FormatInt(match, 10))
	}
	// RFC 9110, section 13.1: a tag outweighs a time.
	if c.op == opRead {
		if t := opts.IfModifiedSince; !t.IsZero() && opts.IfNoneMatch == "" {
			c.header.Set("If-Modified-Since", t.UTC().Format(http.TimeFormat))
		}
		if t := opts.IfUnmodifiedSince; !t.IsZero() && opts.IfMatch == "" {
			c.header.Set("If-Unmodified-Since", t.UTC().Format(http.TimeFormat))
		}
	}
	if r := rangeHeader(opts.Range); r != "" {
		c.header.Set("Range", r)
	}
	return c, nil
}

// openWith sends a read with the key that fits.
func (b *Bucket) openWith(ctx context.Context, op, key string, c *call, opts providers.OpenOptions) (resp *http.Response, source sse.Candidate, err error) {
	etag := opts.IfMatch
	if etag == "*" {
		etag = ""
	}
	err = b.reading(ctx, op, key, etag, func(candidate sse.Candidate) (err error) {
		attempt := *c
		attempt.source, source = candidate, candidate
		resp, err = b.send(ctx, &attempt)
		return err
	})
	return resp, source, err
}

// rangeHeader is RFC 9110's Range, or "" for the whole.
func rangeHeader(r providers.Range) string {
	switch {
	case r == providers.Range{}:
		return ""
	case r.Offset < 0:
		return fmt.Sprintf("bytes=%d", r.Offset)
	case r.Length == 0:
		return fmt.Sprintf("bytes=%d-", r.Offset)
	}
	return fmt.Sprintf("bytes=%d-%d", r.Offset, r.Offset+r.Length-1)
}

// answered makes an Object of the headers of a read.
func (b *Bucket) answered(key string, source sse.Candidate, resp *http.Response) (providers.Object, error) {
	h := resp.Header
	generation, err := strconv.ParseInt(h.Get("X-Goog-Generation"), 10, 64)
	if err != nil {
		return providers.Object{}, &failure{err: errors.New("the store's answer names no generation")}
	}
	obj := providers.Object{
		Key: key, Size: resp.ContentLength, ETag: entityTag(generation),
		ContentType: h.Get("Content-Type"), Metadata: metadataOf(h),
	}
	if _, total, ok := strings.Cut(h.Get("Content-Range"), "/"); ok {
		if n, err := strconv.ParseInt(total, 10, 64); err == nil {
			obj.Size = n
		}
	}
	if t, err := http.ParseTime(h.Get("Last-Modified")); err == nil {
		obj.ModTime = t.UTC()
	}
	hash := ""
	switch name := h.Get("X-Goog-Encryption-Kms-Key-Name"); {
	case !source.Key.IsZero(): // a key that does not fit is refused
		hash = source.Key.SHA256()
		obj.Encryption = providers.Encryption{Mode: providers.ModeCustomer, Key: source.Place}
	case name != "":
		obj.Encryption = providers.Encryption{Mode: providers.ModeCMEK, Key: keyOfVersion(name)}
	}
	b.keys.learn(key, obj.ETag, hash)
	return obj, nil
}

// metadataOf is the user metadata in an answer's headers, nil where it has
// none: the JSON API may leave it out.
func metadataOf(h http.Header) map[string]string {
	var metadata map[string]string
	for name := range h {
		if short, ok := strings.CutPrefix(name, "X-Goog-Meta-"); ok {
			if metadata == nil {
				metadata = map[string]string{}
			}
			metadata[strings.ToLower(short)] = h.Get(name)
		}
	}
	return metadata
}

// checkAnswer checks that an answer is what was asked for, and may be given
// out.
func (b *Bucket) checkAnswer(ctx context.Context, r *providers.Content, obj providers.Object, c *call, opts providers.OpenOptions, resp *http.Response, strict bool) error {
	if t := opts.IfUnmodifiedSince; c.op == opReadUnless && !t.IsZero() && opts.IfMatch == "" && obj.ModTime.After(t) {
		return &providers.Error{Op: "open", Key: obj.Key, Kind: providers.ErrPrecondition}
	}
	if err := narrow(r, obj.Key, opts.Range, obj.Size, resp.Header.Get("Content-Range")); err != nil {
		return err
	}
	if !strict {
		return nil
	}
	lies := obj.Encryption
	if lies.Mode == "" && b.crypt.settings.KMSKeyID != "" {
		described, err := b.describe(ctx, obj.Key)
		if err != nil {
			return err
		}
		lies = b.encryptionOf(described)
	}
	return b.mayOpen(obj.Key, lies)
}

// MayOpen implements providers.Strict.
func (b *Bucket) MayOpen(obj providers.Object) error {
	if !b.strict {
		return nil
	}
	return b.mayOpen(obj.Key, obj.Encryption)
}

func (b *Bucket) mayOpen(key string, lies providers.Encryption) error {
	if b.crypt.required(lies) {
		return nil
	}
	return &providers.Error{Op: "open", Key: key, Kind: providers.ErrPlain,
		Advice: "the object is not encrypted, and the remote is set to require_encrypted; renaming it on this drive seals it"}
}

// narrow checks that the answer is the part that was asked for of an object of
// size bytes.
func narrow(r *providers.Content, key string, asked providers.Range, size int64, contentRange string) error {
	switch {
	case r.Length() < 0:
		return &failure{err: errors.New("the store's answer has no length")}
	case asked == providers.Range{}:
		return nil
	case size == 0:
		return &providers.Error{Op: "open", Key: key, Kind: providers.ErrRange}
	case contentRange == "" && (asked.Offset > 0 || asked.Offset < 0 && -asked.Offset < size):
		return &providers.Error{Op: "open", Key: key, Kind: providers.ErrUnavailable, Advice: "the store ignored the range that was asked for"}
	}
	// Where a store answers the whole, the beginning is part of it.
	if asked.Length > 0 {
		r.Limit(asked.Length)
	}
	return nil
}

// drained gives the rest of a small answer to nobody, so that its connection
// can be used again.
func drained(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer)
	resp.Body.Close()
}
