package davfs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"

	"sealdav/providers"
)

// markerType is the content type of a folder's marker.
const markerType = "application/x-directory"

func isNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// put writes a file. created says that there was none before, as far as the
// parent's listing could tell. errNoParent where the folder does not exist,
// errIsDir where the path is a folder. It costs a request for the listing, none
// if that is cached, beside what the bucket's Put costs.
func (t *tree) put(ctx context.Context, path string, body io.Reader, opts providers.PutOptions) (n node, created bool, err error) {
	if path == "" {
		return node{}, false, errIsDir
	}
	if err := t.mayWrite(ctx, path); err != nil {
		return node{}, false, err
	}
	s, err := t.look(ctx, path)
	switch {
	case err != nil:
		return node{}, false, err
	case !s.parent:
		return node{}, false, errNoParent
	case s.dir != nil && s.file == nil:
		return node{}, false, errIsDir
	}
	var old int64
	if s.file != nil {
		old = s.file.obj.Size
		t.recall(s.file)
		opts.Metadata = s.file.attrs.lasting(opts.Metadata)
	}
	if err := t.admit(opts.Size, old); err != nil {
		return node{}, false, err
	}
	if n, err = t.putFile(ctx, path, body, opts); err != nil {
		return node{}, false, err
	}
	t.meter.add(n.obj.Size - old)
	return n, s.file == nil, nil
}

// putFile stores an object at path without looking at what is there.
func (t *tree) putFile(ctx context.Context, path string, body io.Reader, opts providers.PutOptions) (node, error) {
	if opts.ContentType == "" {
		opts.ContentType = contentTypeOf(path)
	}
	w := t.beginWrite(ctx, path)
	defer w.fail()
	if body == nil {
		body = strings.NewReader("")
	}
	b := &bodyReader{r: body, want: opts.Size}
	obj, err := t.remote.Bucket.Put(ctx, path, b, opts)
	if err != nil {
		if b.err != nil {
			return node{}, &bodyError{b.err}
		}
		return node{}, err
	}
	n := node{path: path, obj: obj, attrs: readAttributes(opts.Metadata)}
	t.learn(obj, n.attrs, true)
	w.put(n)
	return n, nil
}

// bodyReader remembers why a body could not be read, and makes an error of one
// that ends early, so that the client's failure is told from the store's.
type bodyReader struct {
	r    io.Reader
	want int64 // providers.SizeUnknown: any
	n    int64
	err  error
}

func (b *bodyReader) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	if err == io.EOF && b.want != providers.SizeUnknown && b.n < b.want {
		err = io.ErrUnexpectedEOF
	}
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// mkdir makes a folder: its marker. fs.ErrExist where anything is there,
// errNoParent where the parent is missing. It costs two requests, one if the
// parent's listing is cached.
func (t *tree) mkdir(ctx context.Context, path string) error {
	if path == "" {
		return fs.ErrExist
	}
	if err := t.mayWrite(ctx, path); err != nil {
		return err
	}
	s, err := t.look(ctx, path)
	switch {
	case err != nil:
		return err
	case s.exists():
		return fs.ErrExist
	case !s.parent:
		return errNoParent
	}
	w := t.beginWrite(ctx, path)
	defer w.fail()
	// The new folder is empty, which spares the first PUT into it a look.
	fill := t.beginFill(ctx, path)
	defer fill.end()
	obj, err := t.remote.Bucket.Put(ctx, dirKey(path), strings.NewReader(""), providers.PutOptions{
		Condition: providers.Condition{IfAbsent: true}, ContentType: markerType,
	})
	if errors.Is(err, providers.ErrPrecondition) {
		return fs.ErrExist
	}
	if err != nil {
		return err
	}
	t.learn(obj, noAttributes, true)
	w.put(node{path: path, dir: true})
	fill.marker(obj)
	fill.commitLooked()
	return nil
}

// putMarker makes sure that the folder at path has a marker.
func (t *tree) putMarker(ctx context.Context, path string) error {
	obj, err := t.remote.Bucket.Put(ctx, dirKey(path), strings.NewReader(""), providers.PutOptions{
		Condition: providers.Condition{IfAbsent: true}, ContentType: markerType,
	})
	if errors.Is(err, providers.ErrPrecondition) {
		return nil // it has one already
	}
	if err == nil {
		t.learn(obj, noAttributes, true)
		t.markFolder(ctx, path, obj)
	}
	return err
}
