package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"sealdav/providers"
	"sealdav/providers/providertest"
	"sealdav/sse"
)

// TestFileSystems looks at a full disk, one without extended attributes and a
// read-only one. They are mounted in a namespace of a child's own, so that
// nothing of them outlives it.
func TestFileSystems(t *testing.T) {
	cmd := child(t, "file-systems", t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	if out, err := cmd.Output(); err != nil {
		t.Fatalf("%v\n%s(a mount is needed: run the tests as root, or set the sysctl kernel.unprivileged_userns_clone to 1)", err, out)
	}
}

func childWithFileSystems(dir string) int {
	err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	for _, try := range []func(string) error{fullDisk, noAttributes, readOnly, oneNameTwice} {
		if err == nil {
			err = try(dir)
		}
	}
	if err != nil {
		return childFails(err)
	}
	return 0
}

func mount(dir, kind, options string) (string, error) {
	where := filepath.Join(dir, kind)
	if err := os.Mkdir(where, 0o700); err != nil {
		return "", err
	}
	return where, os.NewSyscallError("mount "+kind, unix.Mount(kind, where, kind, 0, options))
}

func wantErr(what string, err, kind error) error {
	if !errors.Is(err, kind) || providers.Advice(err) == "" {
		return fmt.Errorf("%s: error %w, want %w with advice", what, err, kind)
	}
	return nil
}

func fullDisk(dir string) error {
	where, err := mount(dir, "tmpfs", "size=1m")
	if err != nil {
		return err
	}
	ctx := context.Background()
	for _, s := range []sse.Settings{modes["plain"], modes["sealed"]} {
		b, err := Open(ctx, Config{Dir: where, Settings: s})
		if err != nil {
			return err
		}
		if _, err := b.Put(ctx, "k", strings.NewReader("old"), providers.PutOptions{Size: 3}); err != nil {
			return err
		}
		for _, size := range []int64{2 << 20, providers.SizeUnknown} {
			body := io.LimitReader(strings.NewReader(strings.Repeat("x", 2<<20)), 2<<20)
			_, err = b.Put(ctx, "k", body, providers.PutOptions{Size: size})
			if err := wantErr("Put on a full disk", err, providers.ErrQuota); err != nil {
				return err
			}
		}
		stat, err := b.Stat(ctx, "k")
		if err != nil || stat.Size != 3 {
			return fmt.Errorf("the old object has %d bytes, %w", stat.Size, err)
		}
		if left, err := os.ReadDir(filepath.Join(where, tempDir)); err != nil || len(left) > 0 {
			return fmt.Errorf("left behind on a full disk: %v, %w", left, err)
		}
		if err := b.Close(); err != nil {
			return err
		}
	}
	return nil
}

func noAttributes(dir string) error {
	where, err := mount(dir, "ramfs", "")
	if err != nil {
		return err
	}
	ctx := context.Background()
	b, err := Open(ctx, Config{Dir: where, Settings: modes["sealed"]})
	if err != nil {
		return err
	}
	opts := providers.PutOptions{Size: 1, ContentType: "text/x-odd"}
	if _, err := b.Put(ctx, "k", strings.NewReader("x"), opts); err != nil {
		return err
	}
	if stat, err := b.Stat(ctx, "k"); err != nil || stat.ContentType != "" {
		return fmt.Errorf("without attributes Stat gives %q, %w", stat.ContentType, err)
	}
	opts.Metadata = map[string]string{"a": "b"}
	_, err = b.Put(ctx, "k", strings.NewReader("x"), opts)
	return errors.Join(wantErr("metadata without attributes", err, errors.ErrUnsupported), b.Close())
}

// readOnly takes the mount of noAttributes.
func readOnly(dir string) error {
	where := filepath.Join(dir, "ramfs")
	if err := unix.Mount("", where, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return os.NewSyscallError("remount", err)
	}
	ctx := context.Background()
	b, err := Open(ctx, Config{Dir: where, Settings: modes["sealed"]})
	if err != nil {
		return err
	}
	if _, err := b.Stat(ctx, "k"); err != nil {
		return err
	}
	_, err = b.Put(ctx, "k", strings.NewReader("x"), providers.PutOptions{Size: 1})
	if err := wantErr("Put", err, os.ErrPermission); err != nil {
		return err
	}
	return errors.Join(wantErr("Delete", b.Delete(ctx, "k"), os.ErrPermission), b.Close())
}

// oneNameTwice looks at a file that has two paths and one name, as on a disk
// that folds case: here a directory, and a file, are mounted a second time.
func oneNameTwice(dir string) error {
	where := filepath.Join(dir, "twice")
	for _, d := range []string{where, filepath.Join(where, "a"), filepath.Join(where, "A")} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return err
		}
	}
	if err := unix.Mount(filepath.Join(where, "a"), filepath.Join(where, "A"), "", unix.MS_BIND, ""); err != nil {
		return os.NewSyscallError("mount", err)
	}
	ctx := context.Background()
	for _, written := range []sse.Settings{modes["sealed"], modes["plain"]} { // the second must be sealed on the way
		b, err := Open(ctx, Config{Dir: where, Settings: written})
		if err != nil {
			return err
		}
		if _, err := b.Put(ctx, "a/k", strings.NewReader("old"), providers.PutOptions{Size: 3}); err != nil {
			return err
		}
		if err := b.Close(); err != nil {
			return err
		}
		if b, err = Open(ctx, Config{Dir: where, Settings: modes["sealed"]}); err != nil {
			return err
		}
		src, err := b.Stat(ctx, "a/k")
		if err != nil {
			return err
		}
		obj, err := providertest.Rename(ctx, b, "A/k", src, providers.CopyOptions{Condition: providers.Condition{IfMatch: src.ETag}})
		if err != nil {
			return fmt.Errorf("Rename: %w", err)
		}
		if got, err := b.Stat(ctx, "A/k"); err != nil || got.ETag != obj.ETag || got.Encryption.Mode != providers.ModeCustomer {
			return fmt.Errorf("a file renamed to another spelling of its name is %+v, %w", got, err)
		}
		if _, err := providertest.Rename(ctx, b, "a/k", obj, providers.CopyOptions{Condition: providers.Condition{IfMatch: `"other"`}}); !errors.Is(err, providers.ErrPrecondition) {
			return fmt.Errorf("Rename with another tag: %w", err)
		}
		if err := b.Close(); err != nil {
			return err
		}
	}
	return fileTwice(ctx, where)
}

// fileTwice cannot be renamed at all, but the file must stay.
func fileTwice(ctx context.Context, where string) error {
	b, err := Open(ctx, Config{Dir: where, Settings: modes["plain"]})
	if err != nil {
		return err
	}
	src, err := b.Put(ctx, "k", strings.NewReader("old"), providers.PutOptions{Size: 3})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(where, "K"), nil, 0o600); err != nil {
		return err
	}
	if err := unix.Mount(filepath.Join(where, "k"), filepath.Join(where, "K"), "", unix.MS_BIND, ""); err != nil {
		return os.NewSyscallError("mount", err)
	}
	if _, err := b.Rename(ctx, "K", src, providers.CopyOptions{}); err == nil {
		return errors.New("a mount was renamed")
	}
	if _, err := b.Stat(ctx, "k"); err != nil {
		return fmt.Errorf("the file after a failed rename: %w", err)
	}
	return b.Close()
}
