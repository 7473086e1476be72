package local

import (
	"os"

	"golang.org/x/sys/windows"
)

// space asks the volume of a directory for its room in bytes.
func space(root *os.Root) (available, used int64, err error) {
	name, err := windows.UTF16PtrFromString(root.Name())
	if err != nil {
		return 0, 0, err
	}
	var mine, total, free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &mine, &total, &free); err != nil {
		return 0, 0, err
	}
	return int64(mine), int64(total - free), nil
}
