package sse

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// maxKeyFile is more than any file that holds a key, in bytes.
const maxKeyFile = 4096

// readKeyFile reads the file a key is in. A file that others may write is
// refused: they could swap the key. One that others may read is only warned
// about, for secrets are mounted that way.
func readKeyFile(path string) (b []byte, warning string, err error) {
	if !filepath.IsAbs(path) {
		return nil, "", errors.New("a key file needs an absolute path, as in fileb:///etc/sealdav/photos.key; ~ and variables are not expanded")
	}
	// Opening a pipe waits for its writer, so look first.
	if info, err := os.Stat(path); err != nil {
		return nil, "", cannotRead(path, err)
	} else if !info.Mode().IsRegular() {
		return nil, "", fmt.Errorf("%q is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, "", cannotRead(path, err)
	}
	defer func() { _ = f.Close() }() // only read

	info, err := f.Stat()
	if err != nil {
		return nil, "", cannotRead(path, err)
	}
	if warning, err = checkMode(path, info.Mode()); err != nil {
		return nil, "", err
	}
	b, err = io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, "", cannotRead(path, err)
	}
	if len(b) > maxKeyFile {
		return nil, "", fmt.Errorf("%q is more than %d bytes; that is no key", path, maxKeyFile)
	}
	return b, warning, nil
}

// cannotRead keeps the cause and leaves out the path in it, which may be a key
// that was taken for one.
func cannotRead(path string, err error) error {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	return fmt.Errorf("cannot read the key file %s: %w", shownPath(path), err)
}

func checkMode(path string, mode fs.FileMode) (warning string, err error) {
	if runtime.GOOS == "windows" {
		return "", nil // the bits there say nothing of other users
	}
	switch perm := mode.Perm(); {
	case perm&0o022 != 0:
		return "", fmt.Errorf("%q may be written by others than its owner (mode %04o); run: chmod go-w %q", path, perm, path)
	case perm&0o004 != 0:
		return fmt.Sprintf("%q may be read by every user (mode %04o); run: chmod o-r %q", path, perm, path), nil
	}
	return "", nil
}
