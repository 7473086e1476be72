package davfs

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sealdav/providers/providertest"
)

// TestProgress: an operation on a folder that takes its time tells the log
// about every ten seconds how far it is, and which folder it is about only at
// debug level.
func TestProgress(t *testing.T) {
	for _, tc := range []struct {
		op    string
		lines int
		first string
	}{
		{"copy", 7, "op=copy members=289 dur=10s"}, // 32 of 2,500 in a second
		{"move", 8, "op=move members=289 dur=10s"}, // and three batches of 6 seconds
		{"delete", 1, "op=delete members=2000 dur=12s"},
	} {
		synctest.Test(t, func(t *testing.T) {
			slow := &providertest.Faults{Bucket: newStore(numbered("secret/", 2500)...), Hook: func(op providertest.Op) error {
				switch {
				case op.When != providertest.Before:
				case op.Name == "copy":
					time.Sleep(time.Second)
				case op.Name == "delete":
					time.Sleep(6 * time.Millisecond) // for each key
				}
				return nil
			}}
			var out bytes.Buffer
			tr := newTree(Remote{Name: "r", Bucket: slow}, nil, slog.New(slog.NewTextHandler(&out, nil)))
			var err error
			if tc.op == "delete" {
				err = tr.remove(t.Context(), "secret", true)
			} else {
				_, err = transferTree(t.Context(), tr, "to", tr, find(t, tr, "secret/"), transfer{move: tc.op == "move"})
			}
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(out.String(), "goes on"); n != tc.lines || !strings.Contains(out.String(), tc.first) {
				t.Errorf("%s: %d lines, want %d:\n%s", tc.op, n, tc.lines, &out)
			}
			if strings.Contains(out.String(), "secret") {
				t.Errorf("%s: the folder's name is in the log:\n%s", tc.op, &out)
			}
		})
	}
}
