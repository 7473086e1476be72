package gcs

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"

	"sealdav/providers"
	"sealdav/sse"
)

// Copy implements providers.Bucket: a rewrite, continued until the store says
// that it is done. An object that changes neither its location nor its class
// nor its encryption is done at once; what has to be encrypted anew takes a
// request for about every gigabyte. The answer names the new object's key. A
// store whose copies the probe has shown not to be sealed is given the content
// instead, read and put again.
func (b *Bucket) Copy(ctx context.Context, dst string, src providers.Object, opts providers.CopyOptions) (providers.Object, error) {
	for _, key := range []string{dst, src.Key} {
		if err := b.checkKey("copy", key); err != nil {
			return providers.Object{}, err
		}
	}
	if _, ours := generation(src.ETag); src.ETag != "" && !ours {
		return providers.Object{}, &providers.Error{Op: "copy", Key: dst, Kind: providers.ErrPrecondition}
	}
	if err := b.gate.Admit(ctx); err != nil {
		return providers.Object{}, b.fail(ctx, "copy", dst, err)
	}
	if b.streamCopies.Load() {
		return b.copyStreamed(ctx, dst, src, opts)
	}
	if opts.Replace && src.Headers == nil {
		described, err := b.describe(ctx, src.Key)
		if err != nil {
			return providers.Object{}, b.fail(ctx, "copy", src.Key, err)
		}
		src.Headers = described.headers() // of another generation the copy fails
	}
	return b.copyWhole(ctx, dst, src, opts)
}

// copyWhole has the store copy.
func (b *Bucket) copyWhole(ctx context.Context, dst string, src providers.Object, opts providers.CopyOptions) (providers.Object, error) {
	c, ok, err := b.rewriteCall(dst, src, opts)
	if err != nil {
		return providers.Object{}, err
	}
	if !ok {
		return providers.Object{}, &providers.Error{Op: "copy", Key: dst, Kind: providers.ErrPrecondition}
	}
	c.tries = following()
	out := providers.Written{Size: src.Size, Start: c.tries.start, OnlyCopy: dst == src.Key, Same: providers.SameAs(b.reopen, dst, src)}
	var r resource
	err = b.reading(ctx, "copy", src.Key, src.ETag, func(source sse.Candidate) (err error) {
		attempt := *c
		attempt.source = source
		r, err = b.rewrite(ctx, &attempt)
		return err
	})
	if err != nil {
		return providers.Object{}, b.uncertain(ctx, dst, c.tries, out, b.copyError(ctx, dst, opts.Condition, err))
	}
	if out.OnlyCopy && !b.crypt.confirmed(r) {
		return b.resealed(ctx, src, opts)
	}
	return b.verified(ctx, "copy", dst, r, out)
}

// resealed puts an object once more that was copied onto itself and did not
// come out sealed: it is the only copy, and must neither go nor stay so.
func (b *Bucket) resealed(ctx context.Context, src providers.Object, opts providers.CopyOptions) (providers.Object, error) {
	src.ETag, opts.Condition = "", providers.Condition{}
	obj, err := b.copyStreamed(ctx, src.Key, src, opts)
	if err != nil {
		return providers.Object{}, &providers.Error{Op: "copy", Key: src.Key, Kind: providers.ErrUnverified,
			Err: errors.Join(b.left(ctx, src.Key, providers.AdviceOnlyCopy, nil), err), Advice: providers.AdviceOnlyCopy}
	}
	return obj, nil
}

// copyStreamed copies through this process: what was read under one key is put
// under the write settings.
func (b *Bucket) copyStreamed(ctx context.Context, dst string, src providers.Object, opts providers.CopyOptions) (providers.Object, error) {
	described, err := b.describe(ctx, src.Key)
	if err != nil {
		return providers.Object{}, b.fail(ctx, "copy", src.Key, err)
	}
	from := b.object(src.Key, described)
	if src.ETag != "" && from.ETag != src.ETag {
		return providers.Object{}, &providers.Error{Op: "copy", Key: src.Key, Kind: providers.ErrPrecondition}
	}
	// A plain source is to be sealed, so RequireEncrypted has no say here.
	body, _, err := b.open(ctx, "copy", src.Key, providers.OpenOptions{IfMatch: from.ETag}, false)
	if err != nil {
		return providers.Object{}, err
	}
	defer body.Close()
	w := writing{key: dst, headers: from.Headers, parts: providers.NewParts(b.buffers, body, from.Size), opts: providers.PutOptions{
		Condition: opts.Condition, Size: from.Size, ContentType: from.ContentType, Metadata: from.Metadata,
	}}
	if opts.Replace {
		w.opts.ContentType, w.opts.Metadata = opts.ContentType, opts.Metadata
	}
	obj, err := b.put(ctx, w)
	if e, ok := errors.AsType[*providers.Error](err); ok {
		told := *e // the gate's is shared
		told.Op = "copy"
		return obj, &told
	}
	return obj, err
}

// rewriteCall makes the request of a copy. ok is false if a tag of a condition
// is not one of ours, so that no object has it.
func (b *Bucket) rewriteCall(dst string, src providers.Object, opts providers.CopyOptions) (c *call, ok bool, err error) {
	query, ok := conditions(opts.Condition)
	if !ok {
		return nil, false, nil
	}
	if src.ETag != "" {
		n, ours := generation(src.ETag)
		if !ours {
			return nil, false, nil
		}
		query.Set("ifSourceGenerationMatch", strconv.FormatInt(n, 10))
	}
	query.Set("fields", "done,rewriteToken,resource("+resourceFields+")")
	c = &call{op: opRewrite, method: http.MethodPost, path: b.objectPath(src.Key) + "/rewriteTo" + objectOnly(b.objectPath(dst)), query: query}
	if opts.Replace {
		// What a body leaves out is not taken from the source.
		described := resource{ContentType: opts.ContentType, Metadata: opts.Metadata}
		described.keep(src.Headers)
		text, err := json.Marshal(described)
		if err != nil {
			return nil, false, err
		}
		c.header = http.Header{"Content-Type": {"application/json; charset=UTF-8"}}
		c.add(text)
	}
	return c, true, nil
}

// objectOnly is the part of an object's path that follows rewriteTo.
func objectOnly(path string) string { return path[len("/storage/v1"):] }

// rewrite sends a rewrite again and again until it is done.
func (b *Bucket) rewrite(ctx context.Context, c *call) (resource, error) {
	step := *c
	for {
		var answer struct {
			Done         bool     `json:"done"`
			RewriteToken string   `json:"rewriteToken"`
			Resource     resource `json:"resource"`
		}
		whole, err := providers.Unbroken(ctx)
		if err != nil {
			return resource{}, err
		}
		if err := b.ask(whole, &step, &answer); err != nil {
			return resource{}, err
		}
		if answer.Done {
			return answer.Resource, nil
		}
		if answer.RewriteToken == "" {
			return resource{}, &failure{err: errUnfinished}
		}
		step.token, step.query = "", url.Values{"rewriteToken": {answer.RewriteToken}}
		for name, values := range c.query {
			step.query[name] = values
		}
	}
}

var errUnfinished = errors.New("the store left the copy unfinished without saying how to go on")

// copyError is the error of a refused copy. A 404 is about the source.
func (b *Bucket) copyError(ctx context.Context, dst string, cond providers.Condition, err error) error {
	e, ok := errors.AsType[*providers.Error](err)
	if !ok || errors.Is(err, fs.ErrNotExist) || errors.Is(err, providers.ErrKey) {
		return err
	}
	f, ok := errors.AsType[*failure](err)
	if !ok {
		return err
	}
	// The source's generation is a precondition as well.
	if f.status == http.StatusPreconditionFailed && (f.reason == "conditionNotMet" || f.reason == "") {
		return err
	}
	return b.writeError(ctx, "copy", dst, cond, e.Err)
}
