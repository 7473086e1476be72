package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"time"

	"sealdav/internal/config"
	"sealdav/providers"
	"sealdav/sse"
)

// cleanupTime bounds the removal of what a probe has written.
const cleanupTime = 20 * time.Second

// probe tries one remote step by step. After a failure of a step that others
// stand on, those are skipped.
type probe struct {
	opener *opener
	remote config.Remote
	steps  []step

	bucket  providers.Bucket
	key     string // of the object that is written
	content []byte
	written providers.Object
	stands  []string // keys that are there and have to go
}

// skipped is a step that is not to be taken, and why.
type skipped string

func (s skipped) Error() string { return string(s) }

// step takes a step and notes what came of it. It reports success.
func (p *probe) step(name string, take func() (detail string, err error)) bool {
	s := step{Name: name, Result: resultOK}
	detail, err := take()
	s.Detail = detail
	if why, ok := errors.AsType[skipped](err); ok {
		s.Result, s.Detail = resultSkipped, string(why)
	} else if err != nil {
		s.Result, s.Error = resultFailed, err.Error()
		s.Meaning, s.Cure = explain(err, p.remote)
	}
	p.steps = append(p.steps, s)
	return s.Result == resultOK
}

func (p *probe) run(ctx context.Context) {
	p.key = "sealdav-check-" + rand.Text() + ".txt"
	p.content = []byte("written by sealdav check, and removed again: " + rand.Text() + "\n")
	var err error
	if !p.step("open", func() (string, error) {
		p.bucket, err = p.opener.open(ctx, p.remote, p.remote.Settings)
		return "", err
	}) {
		return
	}
	defer func() { _ = p.bucket.Close() }() // the steps have told what there is to tell
	if !p.step("list", func() (string, error) { return p.list(ctx) }) {
		return
	}
	if p.remote.ReadOnly {
		p.steps = append(p.steps, step{Name: "write", Result: resultSkipped, Detail: "the remote is read_only"})
		return
	}
	defer p.cleanUp(ctx)
	if !p.step("write", func() (string, error) { return p.write(ctx) }) {
		return
	}
	p.step("read", func() (string, error) { return "", p.read(ctx, p.bucket, p.key) })
	p.step("read without key", func() (string, error) { return p.readWithoutKey(ctx) })
	p.step("copy", func() (string, error) { return p.copy(ctx) })
	p.step("delete", func() (string, error) { return p.delete(ctx) })
}

func (p *probe) list(ctx context.Context) (string, error) {
	detail := "empty"
	for _, err := range p.bucket.List(ctx, "", providers.ListOptions{PageSize: 1}) {
		if err != nil {
			return "", err
		}
		detail = ""
		break // one entry is enough
	}
	return detail, nil
}

func (p *probe) write(ctx context.Context) (string, error) {
	var err error
	p.stands = append(p.stands, p.key) // even a failed write might leave it
	p.written, err = p.bucket.Put(ctx, p.key, bytes.NewReader(p.content),
		providers.PutOptions{Size: int64(len(p.content)), ContentType: "text/plain; charset=utf-8"})
	if left, ok := errors.AsType[*providers.LeftError](err); ok {
		p.stands = append(p.stands, left.Keys...)
	}
	return encryptionOf(p.written), err
}

// encryptionOf says how an object lies in the store, as far as that told.
func encryptionOf(obj providers.Object) string {
	switch e := obj.Encryption; {
	case e.Mode == "":
		return ""
	case e.Key != "":
		return fmt.Sprintf("encrypted: %s, %s", e.Mode, e.Key)
	case e.Mode == providers.ModeNone:
		return "not encrypted"
	default:
		return "encrypted: " + e.Mode
	}
}

func (p *probe) read(ctx context.Context, b providers.Bucket, key string) error {
	body, _, err := b.Open(ctx, key, providers.OpenOptions{})
	if err != nil {
		return err
	}
	got, err := io.ReadAll(io.LimitReader(body, int64(len(p.content))+1))
	if err = errors.Join(err, body.Close()); err != nil {
		return err
	}
	if !bytes.Equal(got, p.content) {
		return errors.New("what was read is not what was written")
	}
	return nil
}

// readWithoutKey opens the remote again as someone without its keys, who must
// not be able to read the object.
func (p *probe) readWithoutKey(ctx context.Context) (string, error) {
	if p.remote.Settings.WriteKey.IsZero() {
		return "", skipped("the remote writes under no customer key")
	}
	keyless := p.remote
	keyless.RequireEncrypted = false
	bucket, err := p.opener.open(ctx, keyless, sse.Settings{})
	if err != nil {
		return "", err
	}
	defer func() { _ = bucket.Close() }() // nothing was written
	body, _, err := bucket.Open(ctx, p.key, providers.OpenOptions{})
	switch {
	case err == nil:
		_ = body.Close()
		return "", errReadable
	case errors.Is(err, providers.ErrKey):
		return "refused, as it must be", nil
	}
	return "", err
}

// errReadable is a sealed object that opens without its key.
var errReadable = errors.New("the object can be read without its key")

func (p *probe) copy(ctx context.Context) (string, error) {
	dst := p.key + ".copy"
	p.stands = append(p.stands, dst)
	obj, err := p.bucket.Copy(ctx, dst, p.written, providers.CopyOptions{})
	if err != nil {
		return "", err
	}
	return encryptionOf(obj) + p.streamed(), p.read(ctx, p.bucket, dst)
}

// streamed warns of a store that does not copy under these settings itself.
func (p *probe) streamed() string {
	if b, ok := p.bucket.(interface{ CopiesInStore() bool }); ok && !b.CopiesInStore() {
		return "; warning: the store cannot copy under these settings, so the content of every copy goes through this server"
	}
	return ""
}

func (p *probe) delete(ctx context.Context) (string, error) {
	if err := p.bucket.Delete(ctx, p.stands...); err != nil {
		return "", err
	}
	for _, key := range p.stands {
		if _, err := p.bucket.Stat(ctx, key); !errors.Is(err, fs.ErrNotExist) {
			if err == nil {
				err = fmt.Errorf("%q is still there", key)
			}
			return "", err
		}
	}
	p.stands = nil
	return "", nil
}

// cleanUp removes what a failed step has left, whatever became of ctx.
func (p *probe) cleanUp(ctx context.Context) {
	if len(p.stands) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	err := p.bucket.Delete(ctx, p.stands...)
	if err == nil {
		return
	}
	// What was never written may not be deleted either.
	left := slices.DeleteFunc(p.stands, func(key string) bool {
		_, err := p.bucket.Stat(ctx, key)
		return errors.Is(err, fs.ErrNotExist)
	})
	if e, ok := errors.AsType[*providers.DeleteError](err); ok {
		e.Failed = slices.DeleteFunc(e.Failed, func(f *providers.Error) bool { return !slices.Contains(left, f.Key) })
	}
	if len(left) > 0 {
		p.steps = append(p.steps, step{Name: "clean up", Result: resultFailed, Error: err.Error(),
			Cure: fmt.Sprintf("delete %q by hand", left)})
	}
}
