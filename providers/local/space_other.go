//go:build !linux && !darwin && !freebsd && !windows

package local

import (
	"errors"
	"os"
)

func space(*os.Root) (available, used int64, err error) { return 0, 0, errors.ErrUnsupported }
