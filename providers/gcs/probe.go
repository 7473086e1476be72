package gcs

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"

	"sealdav/providers"
	"sealdav/sse"
)

const probeContent = "sealdav probe\n"

// Probe shows that the store seals what it is told to seal, with two small
// objects of our own that are removed again. It runs before the first write;
// nil means that writes may go.
//
// The answer to the write must name the key. An object written under a
// customer key must then be refused without it: a stand-in may name a key that
// it ignores. So must its copy; where that is not, copies are streamed through
// this process from then on.
func (b *Bucket) Probe(ctx context.Context) error {
	name := probeName()
	return b.probes.Run(ctx, func() error { return b.probeWhole(ctx, name, name+"-copy") }, name, name+"-copy")
}

func (b *Bucket) probeWhole(ctx context.Context, name, copyName string) error {
	wait, _, cancel := providers.WithPatience(ctx, providers.Patience)
	defer cancel()
	r, err := b.insert(wait, probing(name), []byte(probeContent))
	if err != nil {
		return b.writeError(wait, "probe", name, providers.Condition{}, err)
	}
	if err := b.probeSealed(wait, name, r); err != nil {
		return err
	}
	return b.probeCopy(wait, copyName, b.object(name, r))
}

// probeParts shows that the store seals an upload in parts as well: a store
// may seal what is put in one request, and store in the clear, while it
// repeats the key, what is put in a session. Its only part may be small.
func (b *Bucket) probeParts(ctx context.Context) error {
	name := probeName() + "-parts"
	return b.probes.Run(ctx, func() error { return b.probeSession(ctx, name) }, name)
}

func (b *Bucket) probeSession(ctx context.Context, name string) error {
	wait, _, cancel := providers.WithPatience(ctx, providers.Patience)
	defer cancel()
	s, err := b.startSession(wait, probing(name))
	if err != nil {
		return b.writeError(wait, "probe", name, providers.Condition{}, err)
	}
	r, err := s.send(wait, []byte(probeContent), true)
	if err != nil {
		s.cancel(ctx)
		return b.writeError(wait, "probe", name, providers.Condition{}, err)
	}
	if err = b.probeSealed(wait, name, r); errors.Is(err, providers.ErrUnverified) {
		return &providers.Error{Op: "probe", Key: name, Kind: providers.ErrUnverified, Err: err, Advice: fmt.Sprintf(
			"the store does not seal what is uploaded in parts, so the remote takes no upload of more than %d MiB. Use a store that supports this encryption, or change the remote's sse options", b.buffers.Size()>>20)}
	}
	return err
}

func probeName() string { return providers.ReservedPrefix + "probe-" + rand.Text() }

// probing is the upload of a probe.
func probing(name string) writing {
	return writing{key: name, opts: providers.PutOptions{Size: int64(len(probeContent))}}
}

func probeFailed(name, what string) error {
	return &providers.Error{Op: "probe", Key: name, Kind: providers.ErrUnverified,
		Advice: what + "; the remote takes no writes. Use a store that supports this encryption, or change the remote's sse options"}
}

// probeSealed checks the answer to a write, and that the object is sealed.
func (b *Bucket) probeSealed(ctx context.Context, name string, r resource) error {
	if !b.crypt.confirmed(r) || r.Generation == 0 {
		return probeFailed(name, "the store ignored the encryption that was asked for")
	}
	if b.crypt.settings.WriteKey.IsZero() {
		return b.probeDescription(ctx, name)
	}
	return b.probeRead(ctx, name)
}

// probeDescription checks what the store says about the key it holds once the
// object stands.
func (b *Bucket) probeDescription(ctx context.Context, name string) error {
	r, err := b.describe(ctx, name)
	if err != nil {
		return b.fail(ctx, "probe", name, err)
	}
	if !b.crypt.confirmed(r) {
		return probeFailed(name, "the store does not report the encryption that was asked for")
	}
	return nil
}

// probeRead checks that the object is not given out without its key.
func (b *Bucket) probeRead(ctx context.Context, name string) error {
	resp, err := b.send(ctx, &call{op: opRead, method: http.MethodGet, path: b.contentPath(name), source: sse.Candidate{}})
	if err == nil {
		drained(resp)
		return probeFailed(name, "the store gave out an object without the customer key it was sealed with")
	}
	if examine(err).mayBeKey() {
		return nil
	}
	return b.fail(ctx, "probe", name, err)
}

// probeCopy learns whether the store's copies are sealed. Only a store that is
// away makes it an error.
func (b *Bucket) probeCopy(ctx context.Context, name string, src providers.Object) error {
	c, _, err := b.rewriteCall(name, src, providers.CopyOptions{})
	if err != nil {
		return err
	}
	c.source = sse.Candidate{Key: b.crypt.settings.WriteKey}
	r, err := b.rewrite(ctx, c)
	if err == nil {
		err = b.probeSealed(ctx, name, r)
	}
	if err == nil {
		return nil
	}
	err = b.fail(ctx, "probe", name, err)
	if e, ok := errors.AsType[*providers.Error](err); !ok || errors.Is(e, providers.ErrThrottled) || errors.Is(e, providers.ErrUnavailable) {
		return err
	}
	b.log.Warn("the store does not copy sealed objects; copies go through this server", "err", err)
	b.streamCopies.Store(true)
	return nil
}
