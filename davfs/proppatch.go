package davfs

import (
	"bytes"
	"context"
	"encoding/xml"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	"golang.org/x/net/webdav"
)

// proppatch answers PROPPATCH through the webdav.Handler of x/net, which knows
// its XML. What x/net would do with locks and the If header is done before, and
// its body is one that was found harmless.
func (q *request) proppatch() error {
	if q.isRoot() {
		return errRootStays
	}
	ctx := q.r.Context()
	if err := q.tree.mayWrite(ctx, q.path); err != nil {
		return err
	}
	root, raw, err := readXML(q.body())
	if err != nil {
		return err
	}
	if root == nil || root.name != (xml.Name{Space: nsDAV, Local: "propertyupdate"}) {
		return &statusError{code: http.StatusBadRequest, why: "the body is not a propertyupdate element"}
	}
	n, err := q.tree.stat(ctx, q.path, q.asDir)
	if err != nil {
		return err
	}
	if err := q.conditions().evaluate(&n, false); err != nil {
		return err
	}
	if err := q.permit(effect{on: q.place}); err != nil {
		return err
	}
	r := q.r.Clone(ctx)
	r.Header.Del("If")
	r.Body = io.NopCloser(bytes.NewReader(raw))
	r.URL.Path, r.URL.RawPath = q.h.prefix+q.lockPath(), ""
	if n.dir {
		r.URL.Path += "/"
	}
	(&webdav.Handler{FileSystem: patchFS{}, LockSystem: noLocks{}}).ServeHTTP(q.w, r)
	return nil
}

// patchFS is the webdav.FileSystem of a resource that was found already, as
// far as a PROPPATCH uses one: it has whatever it is asked for.
type patchFS struct{ webdav.FileSystem }

func (patchFS) Stat(context.Context, string) (os.FileInfo, error) { return nil, nil }

func (patchFS) OpenFile(context.Context, string, int, os.FileMode) (webdav.File, error) {
	return patchFile{}, nil
}

// patchFile decides on the properties. Dead ones cannot be kept: setting one is
// refused, and removing one that does not exist is no error (RFC 4918 section
// 14.23). Explorer gives a copy up when it may not set the times and attributes
// that Windows knows, so those are accepted, and forgotten.
type patchFile struct{ webdav.File }

func (patchFile) Close() error                                     { return nil }
func (patchFile) DeadProps() (map[xml.Name]webdav.Property, error) { return nil, nil }

func (patchFile) Patch(patches []webdav.Proppatch) ([]webdav.Propstat, error) {
	refused := func(patch webdav.Proppatch, p webdav.Property) bool {
		return !patch.Remove && !slices.Contains(windowsProps, p.XMLName)
	}
	var good, bad webdav.Propstat
	for _, patch := range patches {
		for _, p := range patch.Props {
			told := webdav.Property{XMLName: p.XMLName}
			if refused(patch, p) {
				bad.Props = append(bad.Props, told)
			} else {
				good.Props = append(good.Props, told)
			}
		}
	}
	good.Status, bad.Status = http.StatusOK, http.StatusForbidden
	if len(bad.Props) == 0 {
		return []webdav.Propstat{good}, nil
	}
	// All or none.
	good.Status = webdav.StatusFailedDependency
	if len(good.Props) == 0 {
		return []webdav.Propstat{bad}, nil
	}
	return []webdav.Propstat{bad, good}, nil
}

const nsWindows = "urn:schemas-microsoft-com:"

var windowsProps = []xml.Name{
	{Space: nsWindows, Local: "Win32CreationTime"},
	{Space: nsWindows, Local: "Win32LastAccessTime"},
	{Space: nsWindows, Local: "Win32LastModifiedTime"},
	{Space: nsWindows, Local: "Win32FileAttributes"},
}

// noLocks is the webdav.LockSystem of a request that was found to have the
// locks it needs.
type noLocks struct{ webdav.LockSystem }

func (noLocks) Create(time.Time, webdav.LockDetails) (string, error) { return "permitted", nil }
func (noLocks) Unlock(time.Time, string) error                       { return nil }
