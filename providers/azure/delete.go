package azure

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"golang.org/x/sync/errgroup"

	"sealdav/providers"
)

const (
	batchesAtOnce = 4
	deletesAtOnce = 32 // where the store takes no batches
	// batchPatience is how long a batch, which is 256 deletions to the store,
	// may take to be answered.
	batchPatience = 2 * time.Minute
)

// Delete implements providers.Bucket: one request per 256 keys, which Azure
// bills like so many. Snapshots are not deleted along.
func (b *Bucket) Delete(ctx context.Context, keys ...string) error {
	failed := &failures{}
	for _, group := range b.deleteOrder(keys) {
		if len(group) == 1 || b.singleDeletes.Load() {
			b.deleteSingly(ctx, group, failed)
		} else {
			b.deleteBatches(ctx, group, failed)
		}
		b.deleteFolders(ctx, group, failed)
		if ctx.Err() != nil {
			return b.fail(ctx, "delete", group[0], ctx.Err())
		}
	}
	if len(failed.list) > 0 {
		return &providers.DeleteError{Failed: failed.list}
	}
	return nil
}

// deleteOrder groups keys into those that may be deleted at once. Where
// folders are real, one goes only when it is empty: what lies in it first.
func (b *Bucket) deleteOrder(keys []string) [][]string {
	if len(keys) == 0 {
		return nil
	}
	if !b.folders.Load() {
		return [][]string{keys}
	}
	var files []string
	markers := map[int][]string{} // by depth
	for _, key := range keys {
		if strings.HasSuffix(key, "/") {
			depth := strings.Count(key, "/")
			markers[depth] = append(markers[depth], key)
		} else {
			files = append(files, key)
		}
	}
	var order [][]string
	if len(files) > 0 {
		order = append(order, files)
	}
	for _, depth := range slices.Backward(slices.Sorted(maps.Keys(markers))) {
		order = append(order, markers[depth])
	}
	return order
}

// failures gathers what could not be deleted.
type failures struct {
	mu   sync.Mutex
	list []*providers.Error
}

func (f *failures) add(key string, err error) {
	f.mu.Lock()
	f.list = append(f.list, providers.AsDelete(key, err))
	f.mu.Unlock()
}

// has reports whether a key could not be deleted.
func (f *failures) has(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.list, func(e *providers.Error) bool { return e.Key == key })
}

func (b *Bucket) deleteSingly(ctx context.Context, keys []string, failed *failures) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(deletesAtOnce)
	for _, key := range keys {
		group.Go(func() error {
			if err := providers.Guarded(b.log, "delete", key, func() error { return b.deleteOne(ctx, key, nil) }); err != nil {
				failed.add(key, err)
			}
			return ctx.Err()
		})
	}
	_ = group.Wait() // the caller looks at its context
}

// DeleteIf implements providers.Bucket. A blob that is gone is refused like one
// that is another.
func (b *Bucket) DeleteIf(ctx context.Context, key string, opts providers.DeleteOptions) error {
	err := b.deleteOne(ctx, key, &blob.DeleteOptions{AccessConditions: conditions(tag(opts.IfMatch), nil)})
	if errors.Is(err, providers.ErrPrecondition) {
		if _, now := b.Stat(ctx, key); errors.Is(now, fs.ErrNotExist) {
			return nil
		}
	}
	return err
}

func (b *Bucket) deleteOne(ctx context.Context, key string, opts *blob.DeleteOptions) error {
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
	_, err = b.client.NewBlobClient(b.full(key)).Delete(wait, opts)
	err = b.deleted(wait, key, err)
	return b.patient(ctx, "delete", key, err)
}

// deleted is what became of a deletion. A marker that is not there may be a
// folder blob, which is deleted next; one that is not empty is a folder still,
// as it would be in a flat account.
func (b *Bucket) deleted(ctx context.Context, key string, err error) error {
	f := examine(err)
	if f.kind() == fs.ErrNotExist || f.code == "DirectoryIsNotEmpty" && strings.HasSuffix(key, "/") {
		return nil
	}
	return b.fail(ctx, "delete", key, err)
}

func (b *Bucket) deleteBatches(ctx context.Context, keys []string, failed *failures) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(batchesAtOnce)
	for chunk := range slices.Chunk(keys, b.limits.batch) {
		group.Go(func() error {
			err := providers.Guarded(b.log, "delete", chunk[0], func() error {
				b.deleteBatch(ctx, chunk, failed)
				return nil
			})
			if err != nil {
				for _, key := range chunk {
					failed.add(key, err)
				}
			}
			return ctx.Err()
		})
	}
	_ = group.Wait() // as above
}

// deleteBatch deletes keys with one request, or one by one where the store, or
// a SAS, allows no batches.
func (b *Bucket) deleteBatch(ctx context.Context, keys []string, failed *failures) {
	batch, err := b.client.NewBatchBuilder()
	if err != nil {
		b.deleteSingly(ctx, keys, failed)
		return
	}
	var sent []string
	for _, key := range keys {
		b.keys.forget(key)
		err := b.checkKey("delete", key)
		if err == nil {
			err = batch.Delete(b.full(key), nil)
		}
		if err != nil {
			failed.add(key, err)
			continue
		}
		sent = append(sent, key)
	}
	if len(sent) == 0 {
		return
	}
	wait, _, cancel := providers.WithPatience(context.WithoutCancel(ctx), batchPatience) // all of them, or none
	defer cancel()
	out, err := b.client.SubmitBatch(wait, batch, nil)
	if err != nil {
		err = b.fail(ctx, "delete", sent[0], err)
		if errors.Is(err, providers.ErrUnavailable) || errors.Is(err, providers.ErrThrottled) || ctx.Err() != nil {
			for _, key := range sent {
				failed.add(key, err)
			}
			return
		}
		b.log.Info("the store takes no batches; blobs are deleted one by one", "err", err)
		b.singleDeletes.Store(true)
		b.deleteSingly(ctx, sent, failed)
		return
	}
	answered := make([]bool, len(sent))
	for _, r := range out.Responses {
		i := value(r.ContentID)
		if r.ContentID == nil || i < 0 || i >= len(sent) {
			continue
		}
		answered[i] = true
		if err := b.deleted(wait, sent[i], r.Error); err != nil {
			failed.add(sent[i], b.patient(ctx, "delete", sent[i], err))
		}
	}
	for i, ok := range answered {
		if !ok {
			failed.add(sent[i], errors.New("the store said nothing about it"))
		}
	}
}
