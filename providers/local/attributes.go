package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/pkg/xattr"

	"sealdav/providers"
)

// attributeName is the extended attribute of a file's attributes.
const attributeName = "user.sealdav"

// attributes are what an object has beside its content, in JSON.
type attributes struct {
	// Sealed stays when a file's content is cut off to nothing, which would
	// pass for a plain, empty file.
	Sealed      bool              `json:"sealed,omitempty"`
	ContentType string            `json:"type,omitempty"`
	Metadata    map[string]string `json:"meta,omitempty"`
}

// readAttributes returns the zero attributes for a file that has none.
func readAttributes(f *os.File) (attributes, error) {
	data, err := xattr.FGet(f, attributeName)
	if errors.Is(err, xattr.ENOATTR) || unsupportedAttributes(err) {
		return attributes{}, nil
	}
	if err != nil {
		return attributes{}, err
	}
	var a attributes
	if err := json.Unmarshal(data, &a); err != nil {
		return attributes{}, fmt.Errorf("%w: the extended attribute %s: %w", ErrDamaged, attributeName, err)
	}
	return a, nil
}

// writeAttributes keeps a with the file. Metadata that cannot be kept is an
// error; the rest can be done without.
func writeAttributes(f *os.File, a attributes) error {
	if !a.Sealed && a.ContentType == "" && len(a.Metadata) == 0 {
		err := xattr.FRemove(f, attributeName) // a directory may have some
		if errors.Is(err, xattr.ENOATTR) || unsupportedAttributes(err) {
			return nil
		}
		return err
	}
	data, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode attributes: %w", err)
	}
	err = xattr.FSet(f, attributeName, data)
	switch {
	case err == nil:
		return nil
	case unsupportedAttributes(err):
		if len(a.Metadata) == 0 {
			return nil
		}
		return &providers.Error{Kind: errors.ErrUnsupported, Err: err,
			Advice: "The server's file system has no extended attributes to keep metadata in."}
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.E2BIG), errors.Is(err, syscall.ERANGE):
		// ext4 has one block for them and says ENOSPC. A disk that is really
		// full says so again when the content is synced.
		if len(a.Metadata) == 0 {
			return nil
		}
		return &providers.Error{Kind: providers.ErrTooLarge, Err: err,
			Advice: "The metadata is larger than the server's file system takes (4 KiB with ext4)."}
	}
	return err
}

func unsupportedAttributes(err error) bool {
	return errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOSYS)
}
