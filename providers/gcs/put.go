package gcs

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"sealdav/providers"
)

// maxObject is the size of the largest object the store takes: 5 TiB.
const maxObject = 5 << 40

// Put implements providers.Bucket: one request for what fits into a part, else
// a resumable upload.
func (b *Bucket) Put(ctx context.Context, key string, body io.Reader, opts providers.PutOptions) (providers.Object, error) {
	if err := b.checkKey("put", key); err != nil {
		return providers.Object{}, err
	}
	return b.put(ctx, writing{key: key, opts: opts, parts: providers.NewParts(b.buffers, body, opts.Size)})
}

// put is Put for a key that was looked at.
func (b *Bucket) put(ctx context.Context, w writing) (providers.Object, error) {
	key, opts := w.key, w.opts
	if opts.Size > maxObject {
		return providers.Object{}, &providers.Error{Op: "put", Key: key, Kind: providers.ErrTooLarge, Advice: "an object may have 5 TiB"}
	}
	var ok bool
	if w.query, ok = conditions(opts.Condition); !ok {
		return providers.Object{}, &providers.Error{Op: "put", Key: key, Kind: providers.ErrPrecondition}
	}
	if err := b.gate.Admit(ctx); err != nil {
		return providers.Object{}, b.fail(ctx, "put", key, err)
	}
	first, last, err := w.parts.Next(ctx)
	if err != nil {
		return providers.Object{}, providers.BodyError(ctx, key, err)
	}
	if last {
		defer first.Release()
		return b.putWhole(ctx, w, first.Data)
	}
	return b.putParts(ctx, w, first)
}

// writing is one Put under way.
type writing struct {
	key     string
	opts    providers.PutOptions
	headers map[string]string // those of Object.Headers
	query   url.Values        // the preconditions
	parts   *providers.Parts
	tries   *attempts
}

// putWhole stores a body of one part.
func (b *Bucket) putWhole(ctx context.Context, w writing, data []byte) (providers.Object, error) {
	w.tries = following()
	out := providers.Written{Size: int64(len(data)), Start: w.tries.start, Same: b.sameBytes(w.key, data)}
	r, err := b.insert(ctx, w, data)
	if w.tries.lost && examine(err).status == http.StatusPreconditionFailed {
		if s, ok := b.ownWrite(ctx, w.key, out); ok {
			return b.object(w.key, s.resource), nil
		}
	}
	if err != nil {
		return providers.Object{}, b.uncertain(ctx, w.key, w.tries, out, b.writeError(ctx, "put", w.key, w.opts.Condition, err))
	}
	return b.verified(ctx, "put", w.key, r, out)
}

// conditions are the preconditions of a write as the store takes them. ok is
// false if none of its objects can meet them: the tag is not one of ours.
func conditions(cond providers.Condition) (query url.Values, ok bool) {
	query = url.Values{}
	if cond.IfAbsent {
		query.Set("ifGenerationMatch", "0")
	}
	if cond.IfMatch != "" {
		n, ours := generation(cond.IfMatch)
		if !ours || cond.IfAbsent {
			return nil, false
		}
		query.Set("ifGenerationMatch", strconv.FormatInt(n, 10))
	}
	return query, true
}

// described is the metadata a new object is given.
func (w writing) described(name string) resource {
	r := resource{Name: name, ContentType: w.opts.ContentType, Metadata: w.opts.Metadata}
	r.keep(w.headers)
	return r
}

// insert stores a body of one part: its metadata and its content in one
// request. The store compares the content with its checksum.
func (b *Bucket) insert(ctx context.Context, w writing, data []byte) (r resource, err error) {
	described := w.described(b.base + w.key)
	described.CRC32C = encodeSum(crc32.Checksum(data, castagnoli))
	head, err := json.Marshal(described)
	if err != nil {
		return resource{}, err
	}
	contentType := w.opts.ContentType
	if contentType == "" {
		contentType = defaultType
	}
	boundary := rand.Text()
	c := b.uploadCall(opInsert, "multipart", w.query)
	c.tries = w.tries
	c.header = http.Header{"Content-Type": {"multipart/related; boundary=" + boundary}}
	c.add(fmt.Appendf(nil, "--%s\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n%s\r\n--%s\r\nContent-Type: %s\r\n\r\n", boundary, head, boundary, contentType))
	c.add(data)
	c.add(fmt.Appendf(nil, "\r\n--%s--\r\n", boundary))
	err = b.ask(ctx, c, &r)
	return r, err
}

// defaultType is what the store calls content of which nothing is known.
const defaultType = "application/octet-stream"

// uploadCall makes a request that begins an upload.
func (b *Bucket) uploadCall(op operation, kind string, conditions url.Values) *call {
	query := url.Values{"uploadType": {kind}, "fields": {resourceFields}}
	for name, values := range conditions {
		query[name] = values
	}
	return &call{op: op, method: http.MethodPost, path: "/upload" + b.bucketPath() + "/o", query: query}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encodeSum is a checksum as the store writes it.
func encodeSum(sum uint32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}
