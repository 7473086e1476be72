package gcs

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"sealdav/providers"
	"sealdav/sse"
)

// operation is what a request does. encryption.apply knows each.
type operation string

const (
	opList        operation = "list"
	opDescribe    operation = "describe"     // an object's metadata
	opRead        operation = "read"         // content, through the XML API
	opReadUnless  operation = "read unless"  // content, through the JSON API, with generation conditions
	opInsert      operation = "insert"       // an object in one request
	opStartUpload operation = "start upload" // a resumable session
	opUpload      operation = "upload"       // a part of one, or a question about it
	opCancel      operation = "cancel"       // a session
	opRewrite     operation = "rewrite"
	opDelete      operation = "delete"
	opDeleteMany  operation = "delete many" // through the XML API
)

// call is one request, which may be sent several times.
type call struct {
	op     operation
	method string
	path   string // escaped
	query  url.Values
	header http.Header
	// body is read from the start by every attempt.
	body []io.ReaderAt
	size []int64 // of the pieces of body, in bytes
	// source is the key of the object that is read or copied.
	source sse.Candidate
	once   bool   // not to be sent again: the caller knows better
	token  string // the same whenever it is sent
	// tries notes what becomes of a write; nil for what writes nothing.
	tries *attempts
}

// add appends a piece to the body.
func (c *call) add(piece []byte) {
	c.body = append(c.body, bytes.NewReader(piece))
	c.size = append(c.size, int64(len(piece)))
}

func (c *call) length() (n int64) {
	for _, s := range c.size {
		n += s
	}
	return n
}

func (c *call) content() *providers.Lease {
	pieces := make([]io.Reader, len(c.body))
	for i, p := range c.body {
		pieces[i] = io.NewSectionReader(p, 0, c.size[i])
	}
	return providers.NewLease(io.MultiReader(pieces...), c.length())
}

// bucketPath is the bucket in the JSON API.
func (b *Bucket) bucketPath() string { return "/storage/v1/b/" + url.PathEscape(b.bucket) }

// objectPath is an object in the JSON API. A "/" in its name is escaped too.
func (b *Bucket) objectPath(key string) string {
	return b.bucketPath() + "/o/" + url.PathEscape(b.base+key)
}

// contentPath is an object in the XML API.
func (b *Bucket) contentPath(key string) string {
	return "/" + url.PathEscape(b.bucket) + "/" + url.PathEscape(b.base+key)
}

const (
	maxAttempts = 4 // of a request that may be sent again
	firstPause  = 250 * time.Millisecond
	maxPause    = 4 * time.Second // and of a Retry-After that is heeded
	maxAnswer   = 64 << 10        // bytes of an error that are read
)

// send sends a request, again after failures that may pass, and returns the
// answer if its status is below 300, or 308, which is that of an upload under
// way. Any other answer is a *failure.
//
// Sending a write again is safe: its token lets the store see that it has done
// so already, which matters where a precondition would then no longer hold.
func (b *Bucket) send(ctx context.Context, c *call) (*http.Response, error) {
	if c.token == "" {
		c.token = rand.Text()
	}
	for attempt := 1; ; attempt++ {
		resp, err := b.sendOnce(ctx, c)
		if err == nil {
			return resp, nil
		}
		c.tries.note(err)
		f := examine(err)
		if attempt == maxAttempts || c.once || !f.mayPass() || ctx.Err() != nil {
			return nil, err
		}
		pause := firstPause << (attempt - 1)
		if f.retryAfter > 0 {
			pause = min(f.retryAfter, maxPause)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, err
		}
	}
}

func (b *Bucket) sendOnce(ctx context.Context, c *call) (*http.Response, error) {
	body := c.content()
	defer body.Close()
	req, err := b.request(ctx, c, body)
	if err != nil {
		return nil, err
	}
	if c.method != http.MethodGet {
		req.Header.Set("X-Goog-Gcs-Idempotency-Token", c.token)
	}
	if err := b.signer.sign(ctx, req); err != nil {
		return nil, &failure{err: innermost(err), signing: true}
	}
	resp, err := b.http.Do(req)
	if err != nil {
		return nil, &failure{err: innermost(err)}
	}
	if resp.StatusCode < 300 || resp.StatusCode == http.StatusPermanentRedirect && c.op == opUpload {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, readFailure(resp)
}

// request makes a request of a call, keys included.
func (b *Bucket) request(ctx context.Context, c *call, content io.ReadCloser) (*http.Request, error) {
	u, err := url.Parse(c.path)
	if err != nil {
		return nil, err
	}
	u.Scheme, u.Host = b.endpoint.Scheme, b.endpoint.Host
	query := u.Query()
	for name, values := range c.query {
		query[name] = values
	}
	if c.length() == 0 {
		content = http.NoBody
	}
	req, err := http.NewRequestWithContext(ctx, c.method, u.String(), content)
	if err != nil {
		return nil, err
	}
	req.ContentLength = c.length()
	if c.header != nil {
		req.Header = c.header.Clone()
	}
	req.Header.Set("User-Agent", "sealdav")
	if c.op == opRead || c.op == opReadUnless {
		// What is stored compressed is not to be unpacked on the way.
		req.Header.Set("Accept-Encoding", "gzip")
	}
	if err := b.crypt.apply(req.Header, query, c); err != nil {
		return nil, err
	}
	req.URL.RawQuery = query.Encode()
	return req, nil
}

// ask sends a request whose answer is JSON, and decodes that. An answer that
// was cut is asked for once more.
func (b *Bucket) ask(ctx context.Context, c *call, answer any) error {
	for again := false; ; again = true {
		resp, err := b.send(ctx, c)
		if err != nil {
			return err
		}
		if err = decode(resp, answer); err == nil {
			return nil
		}
		c.tries.note(err)
		if again || ctx.Err() != nil {
			return err
		}
	}
}

// decode reads an answer to its end, so that its connection can be used again.
func decode(resp *http.Response, answer any) error {
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return &failure{err: innermost(err)}
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return &failure{err: errors.New("the store's answer cannot be decoded")}
	}
	return nil
}

// resource is an object as the JSON API describes it.
type resource struct {
	Name               string            `json:"name,omitempty"`
	Size               int64             `json:"size,string,omitempty"`
	Generation         int64             `json:"generation,string,omitempty"`
	Updated            *time.Time        `json:"updated,omitempty"`
	ContentType        string            `json:"contentType,omitempty"`
	Metadata           map[string]string `json:"metadata,omitempty"`
	CacheControl       string            `json:"cacheControl,omitempty"`
	ContentDisposition string            `json:"contentDisposition,omitempty"`
	ContentEncoding    string            `json:"contentEncoding,omitempty"`
	ContentLanguage    string            `json:"contentLanguage,omitempty"`
	CRC32C             string            `json:"crc32c,omitempty"`
	KMSKeyName         string            `json:"kmsKeyName,omitempty"`
	CustomerEncryption *struct {
		Algorithm string `json:"encryptionAlgorithm"`
		KeySHA256 string `json:"keySha256"`
	} `json:"customerEncryption,omitempty"`
}

// resourceFields are the fields of a resource that are asked for.
const resourceFields = "name,size,generation,updated,contentType,metadata," +
	"cacheControl,contentDisposition,contentEncoding,contentLanguage,crc32c,kmsKeyName,customerEncryption"

// headers are those that a resource is given out with, empty where it has
// none.
func (r *resource) headers() map[string]string {
	kept := map[string]string{}
	for name, value := range map[string]string{
		"cache-control": r.CacheControl, "content-disposition": r.ContentDisposition,
		"content-encoding": r.ContentEncoding, "content-language": r.ContentLanguage,
	} {
		if value != "" {
			kept[name] = value
		}
	}
	return kept
}

// keep gives a resource the headers of an object that it takes the place of.
func (r *resource) keep(headers map[string]string) {
	r.CacheControl, r.ContentDisposition = headers["cache-control"], headers["content-disposition"]
	r.ContentEncoding, r.ContentLanguage = headers["content-encoding"], headers["content-language"]
}

// entityTag is the ETag of a generation.
func entityTag(generation int64) string { return fmt.Sprintf("%q", strconv.FormatInt(generation, 10)) }

// generation is the generation in an ETag of ours; any other tag names none.
func generation(tag string) (int64, bool) {
	text, err := strconv.Unquote(tag)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n > 0 && entityTag(n) == tag
}
