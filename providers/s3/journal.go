package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// journal notes the multipart uploads under way in a directory, a file each,
// so that those of a process that was killed can be aborted: a store keeps
// their parts, and charges for them, until somebody does.
//
// Each file is locked for as long as its upload lives; the system drops the
// lock with the process. So a file that can be locked has no owner any more,
// whichever process shares the directory.
type journal struct {
	dir   string // "": nothing is noted
	place string // endpoint and bucket
}

// record is the content of a file.
type record struct {
	Place    string `json:"place"`
	Key      string `json:"key"` // in the bucket
	UploadID string `json:"upload_id"`
}

// journalEntry is the note of one upload; nil does nothing.
type journalEntry struct {
	file *os.File
	path string
}

const (
	journalSuffix    = ".upload"
	unfinishedSuffix = ".new"
	// sweepTime bounds the work on what an earlier process left.
	sweepTime = 2 * time.Minute
)

// openJournal opens the journal below stateDir and sweeps it in the background.
func (b *Bucket) openJournal(ctx context.Context, stateDir string) error {
	b.journal = &journal{place: aws.ToString(b.client.Options().BaseEndpoint) + "/" + b.bucket}
	if stateDir == "" {
		return nil
	}
	b.journal.dir = filepath.Join(stateDir, "s3-uploads")
	if err := os.MkdirAll(b.journal.dir, 0o700); err != nil {
		return fmt.Errorf("s3: state directory: %w", err)
	}
	left := b.journal.abandoned()
	b.work.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, sweepTime)
		defer cancel()
		for entry, r := range left {
			b.sweep(ctx, entry, r)
		}
	})
	return nil
}

// sweep aborts an upload that nobody owns.
func (b *Bucket) sweep(ctx context.Context, entry *journalEntry, r record) {
	if err := b.abortUpload(ctx, r.Key, &r.UploadID); err != nil {
		b.log.Warn("multipart upload of an earlier process not aborted; will be tried again", "err", err)
		b.oweAbort(owedAbort{entry: entry, key: r.Key, id: r.UploadID})
		return
	}
	b.log.Info("multipart upload of an earlier process aborted")
	entry.done()
}

// add notes an upload, on the disk, before its first part.
func (j *journal) add(key, uploadID string) (*journalEntry, error) {
	if j.dir == "" {
		return nil, nil
	}
	text, err := json.Marshal(record{j.place, key, uploadID})
	if err != nil {
		return nil, err
	}
	// Written and locked under another name first: a sweep sees it only whole
	// and owned.
	file, err := os.CreateTemp(j.dir, "*"+unfinishedSuffix)
	if err != nil {
		return nil, err
	}
	entry := &journalEntry{file: file, path: strings.TrimSuffix(file.Name(), unfinishedSuffix) + journalSuffix}
	err = lockFile(file)
	if err == nil {
		_, err = file.Write(text)
	}
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = os.Rename(file.Name(), entry.path)
	}
	if err == nil {
		err = syncDir(j.dir)
	}
	if err != nil {
		os.Remove(file.Name())
		entry.done()
		return nil, err
	}
	return entry, nil
}

// done removes the note.
func (e *journalEntry) done() {
	if e == nil {
		return
	}
	os.Remove(e.path)
	e.release()
}

// release leaves the note for a later sweep.
func (e *journalEntry) release() {
	if e != nil {
		e.file.Close()
	}
}

// abandoned locks and reads the notes about this bucket that nobody owns.
func (j *journal) abandoned() map[*journalEntry]record {
	left := map[*journalEntry]record{}
	files, _ := os.ReadDir(j.dir) // what cannot be read now is left for the next start
	for _, f := range files {
		path := filepath.Join(j.dir, f.Name())
		switch filepath.Ext(path) {
		case journalSuffix:
			if entry, r, err := j.claim(path); err == nil {
				left[entry] = r
			}
		case unfinishedSuffix:
			removeUnfinished(path)
		}
	}
	return left
}

// removeUnfinished removes a note whose writer was killed: it is old, and
// nobody has locked it.
func removeUnfinished(path string) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer file.Close()
	info, err := file.Stat()
	if err == nil && time.Since(info.ModTime()) > sweepTime && lockFile(file) == nil {
		os.Remove(path)
	}
}

var errNotOurs = errors.New("another bucket's")

func (j *journal) claim(path string) (*journalEntry, record, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, record{}, err
	}
	var r record
	if err = lockFile(file); err == nil {
		var text []byte
		if text, err = io.ReadAll(file); err == nil {
			err = json.Unmarshal(text, &r)
		}
	}
	if err == nil && r.Place != j.place {
		err = errNotOurs
	}
	if err == nil {
		// The owner may have ended between the opening and the lock.
		_, err = os.Stat(path)
	}
	if err != nil {
		file.Close()
		return nil, record{}, err
	}
	return &journalEntry{file, path}, r, nil
}

// syncDir makes a rename in dir last. Not every system can; then it's the
// best that can be had.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrInvalid) {
		return err
	}
	return nil
}
