package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"sealdav/providers"
)

// fail gives an error the form that package providers asks for.
func fail(op, key string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*providers.Error](err); ok {
		e := *e
		e.Op, e.Key = op, key
		return &e
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s %q: %w", op, key, err)
	}
	advice, kind := classify(err)
	return &providers.Error{Op: op, Key: key, Kind: kind, Err: err, Advice: advice}
}

// classify tells the kind of an error of the operating system by its number.
func classify(err error) (advice string, kind error) {
	if errors.Is(err, ErrDamaged) {
		return "The file on the server's disk is not what was written there: restore it from a backup.", providers.ErrUnavailable
	}
	if errors.Is(err, fs.ErrNotExist) { // of the system, or of absent
		return "", fs.ErrNotExist
	}
	errno, ok := errors.AsType[syscall.Errno](err)
	if !ok {
		_, inPath := errors.AsType[*fs.PathError](err)
		_, inLink := errors.AsType[*os.LinkError](err)
		if (inPath || inLink) && !errors.Is(err, fs.ErrClosed) {
			// os.Root's own refusals have no number.
			return "The path leads out of the remote's directory through a symbolic link.", fs.ErrPermission
		}
		return "", providers.ErrUnavailable
	}
	switch errno {
	case syscall.ENOTDIR, syscall.EISDIR, syscall.EEXIST, syscall.ENOTEMPTY:
		return clashAdvice, fs.ErrExist
	case syscall.ENOSPC, syscall.EDQUOT:
		return "The disk of the server, or its quota, is full: free some space.", providers.ErrQuota
	case syscall.EFBIG:
		return "The file is larger than the server's file system takes.", providers.ErrTooLarge
	case syscall.ENAMETOOLONG:
		return "The name is longer than the server's file system takes (255 bytes as a rule); shorten it.", fs.ErrInvalid
	case syscall.EINVAL, syscall.EILSEQ:
		return "The server's file system does not take this name; rename it.", fs.ErrInvalid
	case syscall.EROFS:
		return "The server's file system is mounted read-only.", fs.ErrPermission
	case syscall.ELOOP:
		return "The path goes round in a circle of symbolic links.", fs.ErrPermission
	}
	if errors.Is(errno, fs.ErrPermission) {
		return "The server's account may not do this in the remote's directory: see the owner and mode of the folder.", fs.ErrPermission
	}
	return "", providers.ErrUnavailable
}

// clashAdvice explains what a bucket can hold and a directory cannot.
const clashAdvice = "A file and a folder of the same name cannot both be in a directory: rename one of them."

func errClash() error {
	return &providers.Error{Kind: fs.ErrExist, Advice: clashAdvice}
}

func errPrecondition(cause string) error {
	return &providers.Error{Kind: providers.ErrPrecondition, Err: errors.New(cause)}
}

// absent makes fs.ErrNotExist of the ways in which a file can not be there.
func absent(err error) error {
	if errors.Is(err, syscall.ENOTDIR) {
		return fs.ErrNotExist
	}
	return err
}

// errStripped is the error of a file that was sealed and is not any more.
var errStripped = fmt.Errorf("%w: its header is gone", ErrDamaged)
