package local

import (
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

const openRead = os.O_RDONLY

// inode: Windows does not tell the file's number with its other facts; the
// time to 100 ns tells versions apart.
func inode(fs.FileInfo) uint64 { return 0 }

// hasName: an open file cannot lose its name unnoticed.
func hasName(fs.FileInfo) bool { return true }

// links: not told with a file's other facts; the names in the directory decide.
func links(fs.FileInfo) uint64 { return 0 }

func lockFile(f *os.File) error {
	return windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0, lockedByte())
}

func tryLockFile(f *os.File) bool {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	return windows.LockFileEx(windows.Handle(f.Fd()), flags, 0, 1, 0, lockedByte()) == nil
}

// lockedByte is far behind the content, for a lock on Windows forbids access.
func lockedByte() *windows.Overlapped {
	return &windows.Overlapped{OffsetHigh: 1 << 30}
}

// syncDir: NTFS keeps names in a journal of its own.
func syncDir(*os.Root, string) error { return nil }
