package gcs

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"sealdav/providers"
)

const (
	batchSize     = 1000 // keys of one request to delete many
	deletesAtOnce = 32   // where they go one by one
)

// Delete implements providers.Bucket: one request per 1,000 keys. A store that
// does not know that request, which is younger than many stand-ins, gets one
// for each key.
func (b *Bucket) Delete(ctx context.Context, keys ...string) error {
	single, batch := keys, []string(nil)
	if len(keys) > 1 {
		batch = slices.DeleteFunc(slices.Clone(keys), notXML)
		single = slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return !notXML(k) })
	}
	var failed []*providers.Error
	for part := range slices.Chunk(batch, batchSize) {
		f, known := b.deleteBatch(ctx, part)
		failed = append(failed, f...)
		if !known {
			single = append(slices.Clone(single), part...)
		}
	}
	failed = append(failed, b.deleteEach(ctx, single)...)
	if ctx.Err() != nil && len(keys) > 0 {
		return b.fail(ctx, "delete", keys[0], ctx.Err())
	}
	if len(failed) > 0 {
		return &providers.DeleteError{Failed: failed}
	}
	return nil
}

// notXML reports whether a key holds a character that XML 1.0 cannot, so that
// a batch cannot name it.
func notXML(key string) bool {
	return strings.ContainsFunc(key, func(r rune) bool {
		return r < ' ' && r != '\t' || r == '\uFFFE' || r == '\uFFFF' || r == '\uFFFD'
	})
}

// deleteEach deletes keys one by one.
func (b *Bucket) deleteEach(ctx context.Context, keys []string) (failed []*providers.Error) {
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(deletesAtOnce)
	for _, key := range keys {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			if err := providers.Guarded(b.log, "delete", key, func() error { return b.deleteOne(ctx, key, nil) }); err != nil {
				mu.Lock()
				failed = append(failed, providers.AsDelete(key, err))
				mu.Unlock()
			}
			return nil
		})
	}
	_ = group.Wait()
	return failed
}

// DeleteIf implements providers.Bucket. The generation is a precondition and not
// what is deleted: named as that it would be gone for good, and not be kept as an
// older one by a bucket that keeps those.
func (b *Bucket) DeleteIf(ctx context.Context, key string, opts providers.DeleteOptions) error {
	query, ok := conditions(providers.Condition{IfMatch: opts.IfMatch})
	if !ok {
		return &providers.Error{Op: "delete", Key: key, Kind: providers.ErrPrecondition}
	}
	err := b.deleteOne(ctx, key, query)
	if errors.Is(err, providers.ErrPrecondition) {
		// Google does not say whether what is gone is refused like this too.
		if _, now := b.Stat(ctx, key); errors.Is(now, fs.ErrNotExist) {
			return nil
		}
	}
	return err
}

func (b *Bucket) deleteOne(ctx context.Context, key string, query url.Values) error {
	if err := b.checkKey("delete", key); err != nil {
		return err
	}
	whole, err := providers.Unbroken(ctx)
	if err != nil {
		return b.fail(ctx, "delete", key, err)
	}
	b.keys.forget(key)
	wait, _, cancel := providers.WithPatience(whole, providers.Patience)
	defer cancel()
	err = b.ask(wait, &call{op: opDelete, method: http.MethodDelete, path: b.objectPath(key), query: query}, nil)
	if err = b.fail(wait, "delete", key, err); err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// deletion is the body of a request to delete many.
type deletion struct {
	XMLName xml.Name `xml:"Delete"`
	Quiet   bool
	Objects []deletionKey `xml:"Object"`
}

type deletionKey struct{ Key string }

// deletionResult is its answer. Objects that were not there are no errors, but
// a store may think otherwise.
type deletionResult struct {
	Errors []struct{ Key, Code, Message string } `xml:"Error"`
}

// deleteBatch deletes up to batchSize keys; known is false if the store does
// not know how.
func (b *Bucket) deleteBatch(ctx context.Context, keys []string) (failed []*providers.Error, known bool) {
	order := deletion{Quiet: true}
	for _, key := range keys {
		b.keys.forget(key)
		order.Objects = append(order.Objects, deletionKey{b.base + key})
	}
	text, err := xml.Marshal(order)
	if err != nil {
		return nil, false
	}
	wait, _, cancel := providers.WithPatience(context.WithoutCancel(ctx), providers.Patience) // all of them, or none
	defer cancel()
	result, err := b.askDelete(wait, text)
	switch f := examine(err); {
	case err == nil:
	case f.status == http.StatusBadRequest, f.status == http.StatusNotFound && f.reason != "noSuchBucket",
		f.status == http.StatusMethodNotAllowed, f.status == http.StatusNotImplemented:
		return nil, false
	default:
		err = b.bucketError(wait, "delete", keys[0], err)
		for _, key := range keys {
			failed = append(failed, providers.AsDelete(key, err))
		}
		return failed, true
	}
	for _, e := range result.Errors {
		f := b.quoted(&failure{status: http.StatusOK, reason: smallFirst(e.Code), message: e.Message})
		if f.kind() == fs.ErrNotExist {
			continue
		}
		failed = append(failed, &providers.Error{Op: "delete", Key: strings.TrimPrefix(e.Key, b.base), Kind: f.kind(), Err: f, Advice: b.advice(f)})
	}
	return failed, true
}

func (b *Bucket) askDelete(ctx context.Context, text []byte) (result deletionResult, err error) {
	c := &call{op: opDeleteMany, method: http.MethodPost, path: "/" + url.PathEscape(b.bucket), query: url.Values{"delete": {""}}}
	c.header = http.Header{"Content-Type": {"application/xml; charset=UTF-8"}}
	c.add(text)
	resp, err := b.send(ctx, c)
	if err != nil {
		return result, err
	}
	defer resp.Body.Close()
	var answer bytes.Buffer
	if _, err := answer.ReadFrom(resp.Body); err != nil {
		return result, &failure{err: innermost(err)}
	}
	if answer.Len() == 0 {
		return result, nil // nothing to say in quiet mode
	}
	if err := xml.Unmarshal(answer.Bytes(), &result); err != nil {
		return result, &failure{err: errors.New("the store's answer cannot be decoded")}
	}
	return result, nil
}
