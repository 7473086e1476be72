package local

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"sealdav/providers"
)

// opened is an object's file, open for reading.
type opened struct {
	*os.File
	info   fs.FileInfo
	header header // nil for a plain file or a directory
	keys   fileKeys
	obj    providers.Object
}

// Stat implements providers.Bucket.
func (b *Bucket) Stat(ctx context.Context, key string) (providers.Object, error) {
	if err := ctx.Err(); err != nil {
		return providers.Object{}, fail("stat", key, err)
	}
	o, err := b.open(key)
	if err != nil {
		return providers.Object{}, fail("stat", key, err)
	}
	return o.obj, fail("stat", key, o.Close())
}

// open opens the file or, for a marker, the directory of a key, and finds the
// key that a sealed one lies under.
func (b *Bucket) open(key string) (*opened, error) {
	o, err := b.openAny(key)
	if err != nil {
		return nil, err
	}
	if err := b.examine(o); err != nil {
		_ = o.Close() // was only read
		return nil, err
	}
	return o, nil
}

// openAny opens what lies at key without looking into it.
func (b *Bucket) openAny(key string) (*opened, error) {
	name, err := path(key)
	if err != nil {
		return nil, err
	}
	f, err := b.root.OpenFile(name, openRead, 0)
	if err != nil {
		return nil, absent(err)
	}
	info, err := f.Stat()
	if err == nil && (info.IsDir() != isMarker(key) || !info.IsDir() && !info.Mode().IsRegular()) {
		err = fs.ErrNotExist
	}
	if err != nil {
		_ = f.Close() // was only read
		return nil, err
	}
	return &opened{File: f, info: info, obj: providers.Object{Key: key, ModTime: info.ModTime(), ETag: entityTag(info)}}, nil
}

// examine fills in what needs a look into the file.
func (b *Bucket) examine(o *opened) error {
	attrs, err := readAttributes(o.File)
	if err != nil {
		return err
	}
	o.obj.ContentType, o.obj.Metadata = attrs.ContentType, attrs.Metadata
	if o.info.IsDir() { // no content, so that it lies under any settings
		o.obj.Encryption = b.keys.writeEncryption()
		return nil
	}
	if o.header, err = readHeader(o.File, o.info); err != nil {
		return err
	}
	if o.header == nil {
		if attrs.Sealed {
			return errStripped
		}
		o.obj.Size = o.info.Size()
		o.obj.Encryption = providers.Encryption{Mode: providers.ModeNone}
		return nil
	}
	o.obj.Size = o.header.size()
	o.keys, o.obj.Encryption, err = b.keys.unlock(o.header)
	return err
}

// readHeader reads the header of a sealed file; it is nil for a plain one.
func readHeader(f io.ReaderAt, info fs.FileInfo) (header, error) {
	first := make([]byte, headerSize)
	n, err := f.ReadAt(first, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return parseHeader(first[:n], info.Size())
}

// currentTag is the entity tag of what lies at key, whichever key it is under;
// "" if nothing does.
func (b *Bucket) currentTag(key string) (string, error) {
	o, err := b.openAny(key)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return o.obj.ETag, o.Close()
}
