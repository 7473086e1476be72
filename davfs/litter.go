package davfs

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// Litter says what becomes of the files that macOS and Windows strew about for
// themselves (see litterNames). The empty Litter is LitterStore.
type Litter string

const (
	// LitterStore stores them as the files they are.
	LitterStore Litter = "store"
	// LitterHide takes them, for Finder breaks off a copy whose "._" file it
	// cannot write, but keeps them in memory for a while instead of in the
	// bucket, and lists none.
	LitterHide Litter = "hide"
	// LitterRefuse takes none (403) and knows none (404), without a request to
	// the store.
	LitterRefuse Litter = "refuse"
)

// litterNames are in lower case: Windows is not particular about it.
var litterNames = map[string]bool{
	// macOS: Finder's windows and icons, Spotlight, trash, thumbnails, Time Machine.
	".ds_store":                           true,
	".localized":                          true,
	".metadata_never_index":               true,
	".metadata_never_index_unless_rootfs": true,
	".metadata_direct_scope_only":         true,
	".spotlight-v100":                     true,
	".trashes":                            true,
	".fseventsd":                          true,
	".temporaryitems":                     true,
	".apdisk":                             true,
	".documentrevisions-v100":             true,
	".volumeicon.icns":                    true,
	".ql_disablethumbnails":               true,
	".ql_disablecache":                    true,
	".appledouble":                        true,
	".appledb":                            true,
	".appledesktop":                       true,
	".com.apple.timemachine.donotpresent": true,
	".com.apple.timemachine.supported":    true,
	"icon\r":                              true,
	// Windows: the look of folders, thumbnails, trash.
	"desktop.ini":               true,
	"thumbs.db":                 true,
	"thumbs.db:encryptable":     true,
	"ehthumbs.db":               true,
	"ehthumbs_vista.db":         true,
	"$recycle.bin":              true,
	"system volume information": true,
}

// maxLitterName is the length of the longest of litterNames.
const maxLitterName = len(".metadata_never_index_unless_rootfs")

// isLitter reports whether a segment of a path is litter. "._x" holds what macOS
// cannot store with the file x itself.
func isLitter(name string) bool {
	if len(name) > 2 && name[0] == '.' && name[1] == '_' {
		return true
	}
	return len(name) <= maxLitterName && litterNames[strings.ToLower(name)]
}

// inLitter reports whether a segment of path is litter.
func inLitter(path string) bool {
	for name := range strings.SplitSeq(path, "/") {
		if isLitter(name) {
			return true
		}
	}
	return false
}

// endsInLitter reports whether the last segment of path is litter: something
// that clients look for all the time and mostly in vain.
func endsInLitter(path string) bool {
	_, name := splitPath(path)
	return isLitter(name)
}

func (l Litter) check() error {
	switch l {
	case "", LitterStore, LitterHide, LitterRefuse:
		return nil
	}
	return fmt.Errorf("litter is %q; use store, hide or refuse", string(l))
}

// hides reports whether the litter that lies in the bucket all the same is not
// shown.
func (l Litter) hides() bool { return l == LitterHide || l == LitterRefuse }

var errLitter = errors.New("this remote does not keep files of that name (litter in its configuration)")

// absent reports whether path is not there, whatever the bucket holds.
func (t *tree) absent(path string) bool {
	return reserved(path) || t.aside == nil && t.remote.Litter.hides() && inLitter(path)
}

// hiddenMember reports whether a member of a folder, by its name, is not shown.
func (t *tree) hiddenMember(name string) bool {
	return t.remote.Litter.hides() && isLitter(name)
}

// holding returns the tree that path lies in: on a remote that hides litter,
// that is kept aside.
func (t *tree) holding(path string) *tree {
	if t.aside != nil && inLitter(path) {
		return t.aside
	}
	return t
}

// newAside returns the tree of the litter that r hides.
func newAside(r Remote, log *slog.Logger) *tree {
	r.Bucket, r.Litter = newLitterBucket(), LitterStore
	t := newTree(r, nil, log)
	t.ephemeral = true
	return t
}

// forgetAside drops the litter that lay in the folder at path.
func (t *tree) forgetAside(path string) {
	if t.aside != nil {
		t.aside.remote.Bucket.(*litterBucket).dropBelow(dirKey(path))
	}
}
