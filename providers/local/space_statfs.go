//go:build linux || darwin || freebsd

package local

import (
	"os"

	"golang.org/x/sys/unix"
)

// space asks the file system of a directory for its room in bytes.
func space(root *os.Root) (available, used int64, err error) {
	dir, err := root.Open(".")
	if err != nil {
		return 0, 0, err
	}
	defer dir.Close() //nolint:errcheck // was only read
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(dir.Fd()), &st); err != nil {
		return 0, 0, err
	}
	size := int64(st.Bsize)
	return max(0, int64(st.Bavail)) * size, int64(st.Blocks-st.Bfree) * size, nil //nolint:unconvert // of other types elsewhere
}
