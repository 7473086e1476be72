package davfs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"

	"golang.org/x/net/webdav"

	"sealdav/providers"
)

var (
	_ webdav.File   = (*reader)(nil)
	_ webdav.File   = (*folder)(nil)
	_ webdav.File   = (*writer)(nil)
	_ io.ReaderFrom = (*writer)(nil)
)

var errClosed = fs.ErrClosed

// reader is a file that is open for reading. Nothing is asked of the store
// until the first Read; a Seek costs nothing either, but the next Read then
// opens the object again, from there to its end.
type reader struct {
	*info
	ctx    context.Context
	pos    int64
	body   io.ReadCloser // at offset pos, nil: not open
	closed bool
}

func (r *reader) Read(p []byte) (int, error) {
	switch {
	case r.closed:
		return 0, errClosed
	case r.pos >= r.Size():
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	if r.body == nil {
		// Never the bytes of one version after those of another.
		body, _, err := r.tree.open(r.ctx, r.path, providers.OpenOptions{
			Range: providers.Range{Offset: r.pos}, IfMatch: r.obj.ETag,
		})
		if err != nil {
			return 0, bare(err)
		}
		r.body = body
	}
	n, err := r.body.Read(p)
	r.pos += int64(n)
	return n, err
}

func (r *reader) Seek(offset int64, whence int) (int64, error) {
	if r.closed {
		return 0, errClosed
	}
	switch whence {
	case io.SeekCurrent:
		offset += r.pos
	case io.SeekEnd:
		offset += r.Size()
	}
	if offset < 0 {
		return 0, fs.ErrInvalid
	}
	if offset != r.pos {
		r.pos = offset
		return offset, r.closeBody()
	}
	return offset, nil
}

func (r *reader) closeBody() error {
	if r.body == nil {
		return nil
	}
	err := r.body.Close()
	r.body = nil
	return err
}

func (r *reader) Close() error {
	r.closed = true
	return r.closeBody()
}

func (r *reader) Stat() (fs.FileInfo, error)         { return r.info, nil }
func (r *reader) Readdir(int) ([]fs.FileInfo, error) { return nil, errNotDir }
func (r *reader) Write([]byte) (int, error)          { return 0, errNoPatching }

var errNoPatching = fmt.Errorf("an object is written as a whole: %w", errors.ErrUnsupported)

// folder is a folder that is open for listing.
type folder struct {
	*info
	ctx  context.Context
	next func() (fs.FileInfo, error, bool)
	stop func()
	done error // what ended the listing
}

// Readdir implements http.File: all that is left for count <= 0, otherwise at
// most count, and io.EOF at the end. It is one listing, however it is read.
func (f *folder) Readdir(count int) ([]fs.FileInfo, error) {
	if f.next == nil {
		f.next, f.stop = iter.Pull2(f.members())
	}
	var infos []fs.FileInfo
	for f.done == nil && (count <= 0 || len(infos) < count) {
		i, err, ok := f.next()
		switch {
		case !ok:
			f.done = io.EOF
		case err != nil:
			f.done = err
		default:
			infos = append(infos, i)
		}
	}
	switch {
	case f.done != nil && f.done != io.EOF:
		return infos, f.done
	case count > 0 && len(infos) == 0:
		return nil, io.EOF
	}
	return infos, nil
}

func (f *folder) members() iter.Seq2[fs.FileInfo, error] {
	return func(yield func(fs.FileInfo, error) bool) {
		if f.tree == nil {
			for _, t := range f.fs.forest.visible(f.ctx) {
				if !yield(&info{fs: f.fs, tree: t, node: node{dir: true}}, nil) {
					return
				}
			}
			return
		}
		for n, err := range f.tree.children(f.ctx, f.path) {
			if err != nil {
				yield(nil, listingError(err))
				return
			}
			if !yield(&info{fs: f.fs, tree: f.tree, node: n}, nil) {
				return
			}
		}
	}
}

// listingError hides a refusal's kind: x/net leaves a folder that it may not
// read out of a PROPFIND as if it were empty, and a client would delete what it
// has of it.
func listingError(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return errors.New(err.Error())
	}
	return bare(err)
}

func (f *folder) Close() error {
	if f.stop != nil {
		f.stop()
	}
	f.done = errClosed
	return nil
}

func (f *folder) Stat() (fs.FileInfo, error)     { return f.info, nil }
func (f *folder) Read([]byte) (int, error)       { return 0, errIsDir }
func (f *folder) Write([]byte) (int, error)      { return 0, errIsDir }
func (f *folder) Seek(int64, int) (int64, error) { return 0, errIsDir }

// writer is a file that is being written, from its beginning to its end.
// Nothing is visible before Close, and nothing ever if a body has failed.
type writer struct {
	fs     *FileSystem
	ctx    context.Context
	tree   *tree
	path   string
	old    *node // what is there now, nil: nothing
	absent bool  // there must be nothing

	asked  bool // Stat was, so an empty file is meant
	closed bool
	size   int64 // written so far
	stored *node // once it is
	err    error // why it is not

	upload *upload // under way, nil: none
}

// upload is a Put whose body is written bit by bit.
type upload struct {
	*io.PipeWriter
	done chan struct{} // closed when it has ended; then:
	n    node
	err  error
}

// ReadFrom writes what r has. An error of r ends the writing, and leaves the
// old file as it is. If r is a file of ours the store copies it by itself.
//
// It is not the end of the file: io.Copy gives an io.MultiReader piece by piece.
func (w *writer) ReadFrom(r io.Reader) (int64, error) {
	if src, ok := r.(*reader); ok && w.begin() && src.pos == 0 && !src.closed {
		return w.copyFrom(src)
	}
	body := &bodyReader{r: r, want: providers.SizeUnknown}
	buf := make([]byte, 256<<10)
	n, err := io.CopyBuffer(struct{ io.Writer }{w}, body, buf)
	if body.err != nil {
		w.abort(body.err)
	}
	return n, err
}

// begin reports whether nothing was written yet.
func (w *writer) begin() bool { return w.upload == nil && w.stored == nil && w.err == nil && !w.closed }

// abort ends the writing for good.
func (w *writer) abort(err error) {
	if w.upload != nil {
		w.upload.CloseWithError(err)
		w.wait()
	}
	w.err = cmp.Or(w.err, error(&bodyError{err}))
}

// wait waits for the end of the upload.
func (w *writer) wait() {
	<-w.upload.done
	w.finish(w.upload.n, w.upload.err)
	w.upload = nil
}

// Write writes to a file that Close makes visible.
func (w *writer) Write(p []byte) (int, error) {
	switch {
	case w.err != nil:
		return 0, w.err
	case w.closed:
		return 0, errClosed
	case w.stored != nil: // copied by the store
		return 0, errNoPatching
	case w.upload == nil:
		w.start()
	}
	n, err := w.upload.Write(p)
	w.size += int64(n)
	if err != nil { // the store takes no more
		w.wait()
		err = cmp.Or(w.err, err)
	}
	return n, err
}

// start begins the Put that what is written goes to.
func (w *writer) start() {
	body, pipe := io.Pipe()
	u := &upload{PipeWriter: pipe, done: make(chan struct{})}
	w.upload = u
	stop := context.AfterFunc(w.ctx, func() { pipe.CloseWithError(context.Cause(w.ctx)) })
	go func() {
		defer close(u.done)
		defer stop()
		u.n, u.err = w.tree.putFile(w.ctx, w.path, body, w.options(w.absent, providers.SizeUnknown))
		body.CloseWithError(errStored)
	}()
}

var errStored = errors.New("the store has ended the upload")

func (w *writer) options(absent bool, size int64) providers.PutOptions {
	return providers.PutOptions{Condition: providers.Condition{IfAbsent: absent}, Size: size}
}

func (w *writer) finish(n node, err error) {
	if err != nil {
		w.err = bare(err)
		return
	}
	w.stored, w.size = &n, n.obj.Size
}

func (w *writer) copyFrom(src *reader) (int64, error) {
	announced := w.tree.beginWrite(w.ctx, w.path)
	defer announced.fail()
	m := &mover{dst: w.tree, src: src.tree, from: src.node, oneBucket: w.tree.remote.Bucket == src.tree.remote.Bucket}
	obj, _, err := m.copyObject(w.ctx, w.path, src.obj, providers.Condition{IfAbsent: w.absent})
	n := node{path: w.path, obj: obj}
	if w.finish(n, err); err != nil {
		return 0, w.err
	}
	announced.put(n)
	return obj.Size, nil
}

// Close stores what was written, or an empty file if nothing was.
func (w *writer) Close() error {
	if w.begin() {
		w.storeEmpty()
	} else if w.upload != nil {
		w.upload.Close()
		w.wait()
	}
	w.closed = true
	return w.err
}

func (w *writer) storeEmpty() {
	n, err := w.tree.putFile(w.ctx, w.path, nil, w.options(w.absent || !w.asked, 0))
	if errors.Is(err, providers.ErrPrecondition) && !w.absent {
		return // it is there, and stays as it is
	}
	w.finish(n, err)
}

// Stat describes the file as it will be, and once it is stored as it is: x/net
// asks before Close and takes the ETag from the answer after it.
func (w *writer) Stat() (fs.FileInfo, error) {
	w.asked = true
	return &writtenInfo{w}, w.err
}

func (w *writer) Read([]byte) (int, error)           { return 0, errors.ErrUnsupported }
func (w *writer) Seek(int64, int) (int64, error)     { return 0, errNoPatching }
func (w *writer) Readdir(int) ([]os.FileInfo, error) { return nil, errNotDir }
