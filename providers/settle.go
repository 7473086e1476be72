package providers

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"time"
)

// CleanupTime bounds what is done, on a context of its own, to leave nothing
// behind after a failure.
const CleanupTime = 30 * time.Second

// The advice on writes that the store did not confirm.
const (
	AdviceUnverified = "the store accepted the write without confirming the encryption the remote asks for, so it may ignore encryption headers; nothing was kept. Use a store that supports this encryption, or change the remote's sse options"
	AdviceSealed     = "the store accepted the write without confirming the encryption the remote asks for; what lies there now is encrypted so all the same. Write it again"
	AdviceNotRemoved = "the store did not confirm the encryption the remote asks for, and what it wrote could not be removed again: remove that object by hand, it may lie there unencrypted"
	AdviceAnother    = "the store did not confirm the encryption the remote asks for; what lies there now is not encrypted so, and was left, for it is not what was written: look at it"
	AdviceDoubtful   = "the store did not say what became of the write; what lies there now is not encrypted as the remote asks for, and was left, for it may be somebody else's: look at it"
	AdviceNotSeen    = "the store did not say what became of the write, nor what lies there now: if that is new, it may be unencrypted; look at it once the store answers again"
	AdviceOnlyCopy   = "the store did not confirm the encryption the remote asks for, and the object may lie there unencrypted. It was not removed, for it is the only copy: renaming it on this drive seals it, if the store does again"

	// adviceStranger is for the log alone.
	adviceStranger = "the store did not say what became of the write; what came to lie there meanwhile is not encrypted as the remote asks for, and nothing shows that it is what was written"
)

// Written is a write that the store has answered without confirming its
// encryption, or may have carried out although the answer was lost.
type Written struct {
	Size     int64
	Start    time.Time // what came into being before is not of this write
	Answered bool      // the store says that the write stands
	OnlyCopy bool      // an object copied onto itself
	Same     Same
}

// Same reports whether what lies there has the content of a write. What has
// not may be a good file that somebody else has put there just now, and whoever
// deletes it has lost it.
type Same func(ctx context.Context, s Standing) (bool, error)

// Standing is what lies at a key, as the store tells it.
type Standing struct {
	Absent   bool
	Sealed   bool // under the write settings
	OtherKey bool // under another customer key: nothing in the clear
	Told     bool // it is the very one that the answer to the write named
	ETag     string
	Sum      string // a checksum as the store writes it; "" if it tells none
	Size     int64
	ModTime  time.Time // zero if the store tells none
	Now      time.Time // by the store's clock
}

// mayBe reports whether what lies there can be what was written: it has the
// size, and came into being since the write began, by the store's own clock to
// the second.
func (w Written) mayBe(s Standing) bool {
	return s.Size == w.Size && (s.ModTime.IsZero() || s.ModTime.After(s.Now.Add(-time.Since(w.Start)-2*time.Second)))
}

// Is reports whether what lies there is what was written: the one that was
// told, or what may be it and has the content. A store that tells no time is
// believed that its answer was true.
func (w Written) Is(ctx context.Context, s Standing) (bool, error) {
	switch {
	case s.Told:
		return true, nil
	case !w.mayBe(s), s.ModTime.IsZero() && !w.Answered:
		return false, nil
	}
	return w.Same(ctx, s)
}

// Own reports whether what refuses a conditional write is the write itself: it
// came into being since, is sealed, and has the same content, so that nobody
// can tell it from another writer's.
func (w Written) Own(ctx context.Context, s Standing) bool {
	if !s.Sealed {
		return false
	}
	ours, err := w.Is(ctx, s)
	return ours && err == nil
}

// judge decides about what lies there after a write: it is ours, in the clear,
// and goes, or it stays, with advice if that is to be told.
func (w Written) judge(ctx context.Context, s Standing) (ours bool, advice string, err error) {
	switch {
	case s.Absent, s.Sealed, s.OtherKey && !s.Told:
		return false, "", nil
	case w.OnlyCopy && w.mayBe(s):
		return false, AdviceOnlyCopy, nil
	case w.OnlyCopy:
		return false, "", nil
	}
	switch ours, err = w.Is(ctx, s); {
	case err != nil:
		return false, AdviceDoubtful, err
	case ours:
		return true, "", nil
	case w.Answered:
		return false, AdviceAnother, nil
	case w.mayBe(s):
		return false, adviceStranger, nil
	}
	return false, "", nil
}

// Place is where a write went to.
type Place struct {
	Key string
	Log *slog.Logger
	// Look looks at what lies there.
	Look func(ctx context.Context) (Standing, error)
	// Remove removes what was looked at, if it is ours and nobody has replaced
	// it meanwhile, and what the store keeps below of a write that it told.
	Remove func(ctx context.Context, ours bool) error
	// Left is the error of an object that may lie unsealed. See Left.
	Left func(advice string, err error) error
}

// Settle sees to it that nothing of a write lies at its place unsealed, whatever
// became of ctx. sealed reports whether what lies there is under the write
// settings. An error has the advice for what is left behind.
func (w Written) Settle(ctx context.Context, at Place) (sealed bool, err error) {
	ctx = context.WithoutCancel(ctx)
	look, cancel := context.WithTimeout(ctx, CleanupTime)
	defer cancel()
	s, err := at.Look(look)
	if err != nil {
		return false, at.Left(AdviceNotSeen, err)
	}
	proof, cancel := context.WithTimeout(ctx, proofTime(w.Size))
	defer cancel()
	ours, advice, err := w.judge(proof, s)
	if !w.OnlyCopy {
		remove, cancel := context.WithTimeout(ctx, CleanupTime)
		defer cancel()
		if kept := at.Remove(remove, ours); kept != nil {
			return false, at.Left(AdviceNotRemoved, errors.Join(kept, err))
		}
	}
	switch advice {
	case "":
		return s.Sealed, nil
	case adviceStranger:
		at.Log.Warn("what may be somebody else's object lies unencrypted in a sealed remote", "err", unsealed(at.Key, advice, nil))
		return false, nil
	}
	return false, at.Left(advice, err)
}

// proofTime bounds the reading of two objects of size bytes. A client waits for
// it, so what is larger than some gigabytes may stay in doubt.
func proofTime(size int64) time.Duration {
	return min(CleanupTime+time.Duration(size/(8<<20))*time.Second, 12*time.Minute)
}

func unsealed(key, advice string, err error) *Error {
	return &Error{Op: "delete", Key: key, Kind: ErrUnverified, Err: err, Advice: advice}
}

// Left is the error of an object that may lie unsealed. Its client may have
// gone, so it is logged as well.
func Left(log *slog.Logger, key, advice string, err error) error {
	e := unsealed(key, advice, err)
	log.Error("an object may lie unencrypted in a sealed remote", "err", e)
	return e
}

// Unverified is the error of a write that the store did not confirm, by what
// Settle says of it. advice is for one of which nothing is left.
func Unverified(op, key, advice string, sealed bool, left error) error {
	switch {
	case left != nil:
		advice = Advice(left)
	case sealed:
		advice = AdviceSealed
	}
	return &Error{Op: op, Key: key, Kind: ErrUnverified, Err: left, Advice: advice}
}

// Uncertain is the error of a failed write, and of what Settle says is left of
// it, if anything.
func Uncertain(err, left error) error {
	if left == nil {
		return err
	}
	if e, ok := errors.AsType[*Error](err); ok {
		told := *e
		told.Err, told.Advice = errors.Join(e.Err, left), Advice(left)
		return &told
	}
	return errors.Join(err, left)
}

// Reopen opens what lies at a key if it has the tag.
type Reopen func(ctx context.Context, op, key, etag string) (io.ReadCloser, error)

// SameBytes is the proof of a write of data.
func SameBytes(open Reopen, key string, data []byte) Same {
	return func(ctx context.Context, s Standing) (bool, error) {
		body, err := open(ctx, "put", key, s.ETag)
		if err != nil {
			return false, err
		}
		defer body.Close()
		return SameContent(body, bytes.NewReader(data))
	}
}

// SameAs is the proof of a copy: it reads both.
func SameAs(open Reopen, dst string, src Object) Same {
	return func(ctx context.Context, s Standing) (bool, error) {
		from, err := open(ctx, "copy", src.Key, src.ETag)
		if err != nil {
			return false, err
		}
		defer from.Close()
		to, err := open(ctx, "copy", dst, s.ETag)
		if err != nil {
			return false, err
		}
		defer to.Close()
		return SameContent(from, to)
	}
}
