package s3

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestJournalFindsNotes: whatever the state directory is called, the notes of
// a process that was killed are found, and those it had not finished removed.
func TestJournalFindsNotes(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state [1]*")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Bucket: "photos", Region: "eu-west-1", AccessKeyID: "a", SecretAccessKey: "s", StateDir: state, Logger: slog.New(slog.DiscardHandler)}
	b, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	entry, err := b.journal.add("k", "id")
	if err != nil {
		t.Fatal(err)
	}
	entry.release()
	old, young := filepath.Join(b.journal.dir, "1.new"), filepath.Join(b.journal.dir, "2.new")
	for _, path := range []string{old, young} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(old, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	left := b.journal.abandoned()
	if len(left) != 1 {
		t.Errorf("found %d notes, want 1", len(left))
	}
	for e := range left {
		e.done()
	}
	if _, err := os.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an unfinished note stays: %v", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("a note that may still be written: %v", err)
	}
}
