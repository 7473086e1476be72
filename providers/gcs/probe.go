package gcs

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"

	"sealdav/providers"
	"sealdav/sse"
)

const probeContent = "sealdav probe\n"

// Probe shows that the store seals what it is told to seal, with a small
// object of our own that is removed again. It runs before the first write; nil
// means that writes may go.
//
// The answer to the write must name the key. An object written under a
// customer key must then be refused without it: a stand-in may name a key that
// it ignores. Copies need no probe, for each one's answer is verified.
func (b *Bucket) Probe(ctx context.Context) error {
	name := providers.ReservedPrefix + "probe-" + rand.Text()
	defer b.removeProbe(ctx, name)
	w := writing{key: name, parts: &partReader{body: strings.NewReader(probeContent)}}
	r, err := b.insert(ctx, w, []byte(probeContent))
	if err != nil {
		return b.writeError(ctx, "probe", name, providers.Condition{}, err)
	}
	if !b.crypt.confirmed(r) {
		return probeFailed(name, "the store ignored the encryption that was asked for")
	}
	if b.crypt.settings.WriteKey.IsZero() {
		return b.probeDescription(ctx, name)
	}
	return b.probeRead(ctx, name)
}

func probeFailed(name, what string) error {
	return &providers.Error{Op: "probe", Key: name, Kind: providers.ErrUnverified,
		Advice: what + "; the remote takes no writes. Use a store that supports this encryption, or change the remote's sse options"}
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
	wait, _, cancel := withPatience(ctx)
	defer cancel()
	resp, err := b.send(wait, &call{op: opRead, method: http.MethodGet, path: b.contentPath(name), source: sse.Candidate{}})
	if err == nil {
		drained(resp)
		return probeFailed(name, "the store gave out an object without the customer key it was sealed with")
	}
	if examine(err).mayBeKey() {
		return nil
	}
	return b.fail(wait, "probe", name, err)
}

// removeProbe removes the probe whatever became of ctx.
func (b *Bucket) removeProbe(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	if err := b.Delete(ctx, name); err != nil {
		b.log.Warn("probe object not removed", "bucket", b.bucket, "err", err)
	}
}
