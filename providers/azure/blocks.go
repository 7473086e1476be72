package azure

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"golang.org/x/sync/errgroup"

	"sealdav/providers"
)

const (
	maxBlock     = 4000 << 20 // Azure's, in bytes
	blocksAtOnce = 4          // of one upload; Buffers bounds all uploads together
	copiesAtOnce = 8          // blocks of one large copy; they cost no memory here
)

// upload is a blob that is staged in blocks. It ends in commit, or is left
// alone: Azure removes blocks nobody commits.
type upload struct {
	b      *Bucket
	op     string
	key    string
	client *blockblob.Client
	id     string // what this upload's block ids begin with

	mu          sync.Mutex
	unconfirmed bool // some block was not confirmed
}

// newUpload begins an upload. Two uploads of one name may run at once, so
// their blocks are told apart.
func (b *Bucket) newUpload(op, key string) *upload {
	return &upload{b: b, op: op, key: key, client: b.client.NewBlockBlobClient(b.full(key)), id: rand.Text()}
}

// block is the id of the nth block; all ids of a blob must be of one length.
func (u *upload) block(n int) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s-%08d", u.id, n))
}

// putBlocks stores a body in blocks. A place among the blocks in flight comes
// first, then a buffer, then the content: a full buffer never waits for
// anything but its own request.
func (b *Bucket) putBlocks(ctx context.Context, w writing, c providers.Part) (providers.Object, error) {
	if err := b.gateBlocks.Admit(ctx); err != nil {
		c.Release()
		return providers.Object{}, b.fail(ctx, "put", w.key, err)
	}
	u := b.newUpload("put", w.key)
	n, err := u.sendAll(ctx, w, c)
	if err != nil {
		return providers.Object{}, err
	}
	done, err := u.commit(ctx, n, httpHeaders(w.opts.ContentType, w.headers), w.metadata, w.opts.Condition, written{Written: providers.Written{Size: w.parts.Total(), Same: u.same}})
	if err != nil {
		return providers.Object{}, err
	}
	return b.stored(w, w.parts.Total(), done.etag, done.modified, done.answer), nil
}

// sendAll stages the blocks, the first of which is read already, and returns
// how many there are.
func (u *upload) sendAll(ctx context.Context, w writing, c providers.Part) (int, error) {
	group, running := errgroup.WithContext(ctx)
	places := make(chan struct{}, blocksAtOnce)
	places <- struct{}{}
	var bodyErr error
	n := 0
	for last := false; ; {
		if n++; n > u.b.limits.blocks {
			c.Release()
			_ = group.Wait()
			return 0, u.b.tooLarge(w.key)
		}
		sent, number := c, n
		group.Go(func() error {
			defer func() { sent.Release(); <-places }()
			return providers.Guarded(u.b.log, u.op, u.key, func() error { return u.send(running, number, sent.Data) })
		})
		if last {
			return n, group.Wait()
		}
		select {
		case places <- struct{}{}:
		case <-running.Done():
		}
		if c, last, bodyErr = w.parts.Next(running); bodyErr != nil {
			break
		}
	}
	stopped := running.Err() != nil // then the block that failed is the reason
	err := group.Wait()
	if stopped && err != nil {
		return 0, err
	}
	return 0, providers.BodyError(ctx, w.key, bodyErr)
}

// send stages one block.
func (u *upload) send(ctx context.Context, number int, data []byte) error {
	cpk, scope := u.b.crypt.write()
	out, err := u.client.StageBlock(ctx, u.block(number), streaming.NopCloser(bytes.NewReader(data)), &blockblob.StageBlockOptions{
		CPKInfo: cpk, CPKScopeInfo: scope,
	})
	if err != nil {
		return u.b.writeError(ctx, u.op, u.key, providers.Condition{}, err)
	}
	return u.took(answer{out.IsServerEncrypted, out.EncryptionKeySHA256, out.EncryptionScope})
}

// took looks at the answer to a block. One that is not confirmed ends the
// upload: it will not be committed, and what lies there goes within a week.
func (u *upload) took(a answer) error {
	if u.b.crypt.confirmed(a) {
		return nil
	}
	u.mu.Lock()
	u.unconfirmed = true
	u.mu.Unlock()
	return &providers.Error{Op: u.op, Key: u.key, Kind: providers.ErrUnverified, Advice: providers.AdviceUnverified}
}

// committed is a blob that was put in its place.
type committed struct {
	etag     *azcore.ETag
	modified *time.Time
	answer   answer
}

// commit puts the blob of n blocks in its place, if every block is confirmed,
// and sees that the store confirms the blob as well.
func (u *upload) commit(ctx context.Context, n int, headers *blob.HTTPHeaders, metadata map[string]*string, cond providers.Condition, w written) (committed, error) {
	if u.unconfirmed {
		return committed{}, &providers.Error{Op: u.op, Key: u.key, Kind: providers.ErrUnverified, Advice: providers.AdviceUnverified}
	}
	ids := make([]string, n)
	for i := range ids {
		ids[i] = u.block(i + 1)
	}
	cpk, scope := u.b.crypt.write()
	whole, err := providers.Unbroken(ctx)
	if err != nil {
		return committed{}, u.b.fail(ctx, u.op, u.key, err)
	}
	following, tries := providers.Following(whole)
	w.Start = tries.Start
	out, err := u.client.CommitBlockList(following, ids, &blockblob.CommitBlockListOptions{
		HTTPHeaders: headers, Metadata: metadata, CPKInfo: cpk, CPKScopeInfo: scope, AccessConditions: conditionsOf(cond),
	})
	done := committed{out.ETag, out.LastModified, answer{out.IsServerEncrypted, out.EncryptionKeySHA256, out.EncryptionScope}}
	if err != nil && tries.Lost.Load() {
		if s, ok := u.stands(ctx); ok {
			done, err = committed{s.etag, &s.obj.ModTime, s.answer}, nil
			w.etag, w.version = s.etag, s.version
		}
	}
	switch {
	case err != nil:
		return committed{}, u.b.uncertain(ctx, u.key, tries, w, u.b.writeError(ctx, u.op, u.key, cond, err))
	case !u.b.crypt.confirmed(done.answer):
		if w.etag == nil {
			w.etag, w.version = out.ETag, out.VersionID
		}
		return committed{}, u.b.unverified(ctx, u.op, u.key, w)
	}
	return done, nil
}

// stands looks whether the blob of this upload is in its place, by the ids of
// its blocks. It is asked when an answer to a commit was lost: the next commit
// may have met its own blob.
func (u *upload) stands(ctx context.Context) (standing, bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	s, err := u.b.inspect(ctx, u.key)
	if err != nil {
		return standing{}, false
	}
	ours, err := u.same(ctx, s.Standing)
	return s, ours && err == nil
}
