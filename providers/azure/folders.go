package azure

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"golang.org/x/sync/errgroup"

	"sealdav/providers"
)

// A folder blob is a blob "dir" that stands for a folder, as Hadoop and the
// hierarchical namespace have them. To everyone outside of this package it is
// the marker "dir/". It sorts before all that lies in the folder, and so is in
// no listing of what begins with "dir/": there it is looked for, in containers
// where such a blob has been seen.

// folderTime is how long it is remembered whether a name is a folder blob's, so
// that who has just seen the one in a listing or a HEAD, and goes on to list the
// folder, costs no second look. It is as long as listings are kept by default.
const folderTime = 2 * time.Second

// folderMemory is what is known of names that may be folder blobs'.
type folderMemory struct {
	mu    sync.Mutex
	names providers.Memory[folderSeen]
}

// folderSeen is one name: the marker it stands for, or nil for none.
type folderSeen struct {
	marker *providers.Object
	at     time.Time
}

func newFolderMemory() *folderMemory {
	return &folderMemory{names: providers.NewMemory[folderSeen](8192)}
}

func (m *folderMemory) set(name string, marker *providers.Object) {
	m.mu.Lock()
	m.names.Set(name, folderSeen{marker, time.Now()})
	m.mu.Unlock()
}

func (m *folderMemory) get(name string) (seen folderSeen, fresh bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	seen, ok := m.names.Get(name)
	return seen, ok && time.Since(seen.at) < folderTime
}

// noteFolder remembers what was found at a name.
func (b *Bucket) noteFolder(f found) {
	switch {
	case strings.HasSuffix(f.Key, "/"):
	case f.folder:
		b.folders.Store(true)
		b.folderNames.set(f.Key, new(f.asMarker()))
	case b.folders.Load():
		b.folderNames.set(f.Key, nil)
	}
}

// noteAbsent remembers that there is nothing at a name, if that is what err
// says.
func (b *Bucket) noteAbsent(name string, err error) {
	if b.folders.Load() && !strings.HasSuffix(name, "/") && errors.Is(err, fs.ErrNotExist) {
		b.folderNames.set(name, nil)
	}
}

// statFolder describes the marker that the folder blob name stands for. Where
// its key is not at hand a listing tells it.
func (b *Bucket) statFolder(ctx context.Context, name string) (providers.Object, error) {
	_, found, err := b.headAny(ctx, "stat", name)
	if errors.Is(err, providers.ErrKey) {
		found, err = b.listName(ctx, name)
	}
	if err == nil && !found.folder {
		err = providers.NotExist("stat", name+"/")
	}
	if e, ok := errors.AsType[*providers.Error](err); ok {
		e.Key = name + "/"
	}
	if err != nil {
		return providers.Object{}, err
	}
	return found.asMarker(), nil
}

// listName describes a blob by the listing of its name.
func (b *Bucket) listName(ctx context.Context, name string) (found, error) {
	page, err := b.client.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{
		Prefix: new(b.full(name)), MaxResults: new(int32(1)), Include: container.ListBlobsInclude{Metadata: true},
	}).NextPage(ctx)
	if err != nil {
		return found{}, b.fail(ctx, "stat", name, err)
	}
	if page.Segment == nil || len(page.Segment.BlobItems) == 0 {
		return found{}, providers.NotExist("stat", name)
	}
	item := page.Segment.BlobItems[0]
	if value(item.Name) != b.full(name) || item.Properties == nil {
		return found{}, providers.NotExist("stat", name)
	}
	return b.listed(name, item), nil
}

// withMarker puts the folder blob of a prefix before the first page of its
// listing, unless that begins with a marker. It costs a HEAD in a container
// with such blobs, none where the name was looked at a moment ago.
func (b *Bucket) withMarker(ctx context.Context, prefix string, entries []providers.Entry) ([]providers.Entry, error) {
	name, ok := strings.CutSuffix(prefix, "/")
	if !ok || name == "" || !b.folders.Load() || len(entries) > 0 && entries[0].Key == prefix {
		return entries, nil
	}
	seen, fresh := b.folderNames.get(name)
	if !fresh {
		wait, _, cancel := providers.WithPatience(ctx, providers.Patience)
		defer cancel()
		obj, err := b.statFolder(wait, name)
		switch {
		case err == nil:
			seen.marker = &obj
		case errors.Is(err, fs.ErrNotExist):
			seen.marker = nil
		default:
			return nil, b.patient(ctx, "list", prefix, err)
		}
	}
	if seen.marker == nil {
		return entries, nil
	}
	return slices.Insert(entries, 0, providers.Entry{Object: *seen.marker}), nil
}

// deleteFolders deletes the folder blobs that the markers among keys stand for,
// be there a marker beside them or not. What lies in the folders has been
// deleted by then.
func (b *Bucket) deleteFolders(ctx context.Context, keys []string, failed *failures) {
	if !b.folders.Load() {
		return
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(deletesAtOnce)
	for _, key := range keys {
		name, marker := strings.CutSuffix(key, "/")
		if !marker || name == "" || failed.has(key) {
			continue
		}
		group.Go(func() error {
			if err := providers.Guarded(b.log, "delete", key, func() error { return b.deleteFolder(ctx, name) }); err != nil {
				failed.add(key, err)
			}
			return ctx.Err()
		})
	}
	_ = group.Wait() // the caller looks at its context
}

// deleteFolder deletes the folder blob name, and no file that has come into its
// place. Where folders are real, one that is not empty stays, as it would be a
// folder in a flat account.
func (b *Bucket) deleteFolder(ctx context.Context, name string) error {
	wait, _, cancel := providers.WithPatience(ctx, providers.Patience)
	defer cancel()
	seen, _ := b.folderNames.get(name)
	for again := false; ; again = true {
		if seen.marker == nil || again {
			obj, err := b.statFolder(wait, name)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			} else if err != nil {
				return b.patient(ctx, "delete", name+"/", err)
			}
			seen.marker = &obj
		}
		_, err := b.client.NewBlobClient(b.full(name)).Delete(wait, &blob.DeleteOptions{AccessConditions: conditions(tag(seen.marker.ETag), nil)})
		f := examine(err)
		switch {
		case err == nil, f.kind() == fs.ErrNotExist:
			b.folderNames.set(name, nil)
			return nil
		case f.code == "DirectoryIsNotEmpty":
			return nil
		case f.kind() == providers.ErrPrecondition && !again:
			continue // it was replaced: by another folder?
		}
		return b.patient(ctx, "delete", name+"/", b.fail(wait, "delete", name+"/", err))
	}
}
