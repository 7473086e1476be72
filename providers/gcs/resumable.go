package gcs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"sealdav/providers"
)

// session is a resumable upload under way. Its object appears with the last
// part; until then nothing of it is seen. It ends with that, or in cancel.
type session struct {
	b    *Bucket
	w    writing
	path string // of the session, with its query
	sent int64  // bytes the store has
	sum  uint32 // CRC32C of what was sent

	tries *attempts // to send the last part
}

// putParts stores a body of several parts. While one is on its way the next is
// read: an upload holds two buffers at most, and waits for the second only
// while the first is being sent.
func (b *Bucket) putParts(ctx context.Context, w writing, c providers.Part) (providers.Object, error) {
	if err := b.gateParts.Admit(ctx); err != nil {
		c.Release()
		return providers.Object{}, b.fail(ctx, "put", w.key, err)
	}
	s, err := b.startSession(ctx, w)
	if err != nil {
		c.Release()
		return providers.Object{}, b.writeError(ctx, "put", w.key, w.opts.Condition, err)
	}
	r, err := s.sendAll(ctx, c)
	out := providers.Written{Size: w.parts.Total(), Start: s.tries.start, Same: sameSum(s.sum)}
	if err != nil {
		s.cancel(ctx)
		return providers.Object{}, b.uncertain(ctx, w.key, s.tries, out, err)
	}
	if r.CRC32C != "" && r.CRC32C != encodeSum(s.sum) && r.Generation > 0 {
		return providers.Object{}, b.damaged(ctx, w.key, r.Generation)
	}
	return b.verified(ctx, "put", w.key, r, out)
}

// damaged removes what did not arrive as it was sent, which a store that heeds
// the checksum of the last part has refused itself.
func (b *Bucket) damaged(ctx context.Context, key string, generation int64) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	b.keys.forget(key)
	return &providers.Error{Op: "put", Key: key, Kind: providers.ErrBody, Err: b.remove(ctx, key, generation),
		Advice: "the content was damaged on its way to the store, so it was removed again; send it again"}
}

// startSession begins a resumable upload.
func (b *Bucket) startSession(ctx context.Context, w writing) (*session, error) {
	described, err := json.Marshal(w.described(b.base + w.key))
	if err != nil {
		return nil, err
	}
	c := b.uploadCall(opStartUpload, "resumable", w.query)
	c.header = http.Header{"Content-Type": {"application/json; charset=UTF-8"}}
	contentType := w.opts.ContentType
	if contentType == "" {
		contentType = defaultType
	}
	c.header.Set("X-Upload-Content-Type", contentType)
	if w.opts.Size >= 0 {
		c.header.Set("X-Upload-Content-Length", strconv.FormatInt(w.opts.Size, 10))
	}
	c.add(described)
	wait, _, cancel := providers.WithPatience(ctx, providers.Patience)
	defer cancel()
	resp, err := b.send(wait, c)
	if err != nil {
		return nil, err
	}
	drained(resp)
	// Of the address only the path counts: keys go to the endpoint alone.
	u, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || u.Path == "" {
		return nil, &failure{err: errors.New("the store's answer names no upload session")}
	}
	return &session{b: b, w: w, tries: following(), path: (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}).String()}, nil
}

// sendAll sends the parts, the first of which is read already.
func (s *session) sendAll(ctx context.Context, c providers.Part) (resource, error) {
	last := false
	for {
		type result struct {
			r   resource
			err error
		}
		done := make(chan result, 1)
		now, isLast := c, last
		go func() {
			defer now.Release()
			var got result
			got.err = providers.Guarded(s.b.log, "put", s.w.key, func() (err error) {
				got.r, err = s.send(ctx, now.Data, isLast)
				return err
			})
			done <- got
		}()
		if isLast {
			got := <-done
			return got.r, s.b.writeError(ctx, "put", s.w.key, s.w.opts.Condition, got.err)
		}
		var bodyErr error
		c, last, bodyErr = s.w.parts.Next(ctx)
		got := <-done
		switch {
		case got.err != nil:
			if bodyErr == nil {
				c.Release()
			}
			return resource{}, s.b.writeError(ctx, "put", s.w.key, s.w.opts.Condition, got.err)
		case bodyErr != nil:
			return resource{}, providers.BodyError(ctx, s.w.key, bodyErr)
		}
	}
}

// send sends a part until the store has all of it. After a failure that may
// pass it asks how much has arrived, and sends the rest.
func (s *session) send(ctx context.Context, data []byte, last bool) (resource, error) {
	from, end := s.sent, s.sent+int64(len(data))
	s.sum = crc32.Update(s.sum, castagnoli, data)
	for attempt, asking := 1, false; ; attempt++ {
		r, finished, err := s.exchange(ctx, data[s.sent-from:], last, asking)
		switch {
		case err != nil:
			f := examine(err)
			if attempt >= maxAttempts || !f.mayPass() || ctx.Err() != nil {
				return resource{}, err
			}
			if err := pause(ctx, firstPause<<(attempt-1)); err != nil {
				return resource{}, err
			}
			asking = true
			continue
		case finished && last:
			return r, nil
		case finished:
			return resource{}, &failure{err: errors.New("the store ended the upload before its end")}
		case s.sent < from || s.sent > end:
			return resource{}, &failure{err: errors.New("the store lost a part of the upload")}
		case s.sent == end && !last:
			return resource{}, nil
		case attempt >= 2*maxAttempts:
			return resource{}, &failure{err: errors.New("the store does not take the upload to its end")}
		}
		asking = false
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// exchange sends data, or asks how much there is, and takes note of it.
// finished says that the object stands.
func (s *session) exchange(ctx context.Context, data []byte, last, asking bool) (r resource, finished bool, err error) {
	total := "*"
	c := &call{op: opUpload, method: http.MethodPut, path: s.path, header: http.Header{}, once: true}
	if last {
		total = strconv.FormatInt(s.sent+int64(len(data)), 10)
		// Content that was damaged is not to take the place of an old object.
		c.header.Set("X-Goog-Hash", "crc32c="+encodeSum(s.sum))
		c.tries = s.tries
	}
	if asking || len(data) == 0 {
		c.header.Set("Content-Range", "bytes */"+total)
	} else {
		c.header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%s", s.sent, s.sent+int64(len(data))-1, total))
		c.add(data)
	}
	resp, err := s.b.send(ctx, c)
	if err != nil {
		return resource{}, false, err
	}
	if resp.StatusCode != http.StatusPermanentRedirect {
		err := decode(resp, &r)
		c.tries.note(err)
		return r, err == nil, err
	}
	drained(resp)
	s.sent, err = received(resp.Header.Get("Range"))
	return resource{}, false, err
}

// received is how many bytes the store has, as its Range header tells; none
// has no header.
func received(header string) (int64, error) {
	if header == "" {
		return 0, nil
	}
	_, text, ok := strings.Cut(header, "-")
	n, err := strconv.ParseInt(text, 10, 64)
	if !ok || err != nil {
		return 0, &failure{err: errors.New("the store does not tell how much of the upload it has")}
	}
	return n + 1, nil
}

// cancel removes the session, whatever became of ctx. The store answers 499.
func (s *session) cancel(ctx context.Context) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer stop()
	err := s.b.ask(ctx, &call{op: opCancel, method: http.MethodDelete, path: s.path}, nil)
	switch examine(err).status {
	case 499, http.StatusNotFound, http.StatusGone:
		return
	}
	if err != nil {
		s.b.log.Warn("upload session not cancelled; it expires within a week", "err", s.b.fail(ctx, "put", s.w.key, err))
	}
}
