package davfs

import (
	"context"
	"testing"

	"sealdav/davfs/locks"
)

// expiring is a system of locks in which one ends just before it is held, and
// something happens then.
type expiring struct {
	locks.System
	token string
	then  func()
}

func (e *expiring) Hold(ctx context.Context, token string) (func(), error) {
	if token == e.token {
		e.token = ""
		e.then()
	}
	return e.System.Hold(ctx, token)
}

// A lock that ends between its check and its use does not let a request pass
// by the lock that somebody else has taken by then.
func TestLockEndsDuringCheck(t *testing.T) {
	for _, tt := range []struct {
		name  string
		taken bool
		ifs   string // after the token
		code  int
	}{
		{"another lock", true, "", 412},
		{"another lock, and a condition that holds", true, " (Not <DAV:no-lock>)", 423},
		{"no other, and a condition that holds", false, " (Not <DAV:no-lock>)", 204},
	} {
		for _, path := range []string{"/r/dir/f", "/r/dir"} {
			t.Run(tt.name+" "+path, func(t *testing.T) {
				d := newDrive(t, "dir/f")
				token := d.lock("/r/dir/f")
				d.h.locks = &expiring{System: d.locks, token: token, then: func() {
					ctx := context.Background()
					if err := d.locks.Remove(ctx, "/r/dir/f", token); err != nil {
						t.Error(err)
					}
					if !tt.taken {
						return
					}
					if _, err := d.locks.Create(ctx, locks.Lock{Root: "/r/dir/f", Timeout: maxLockTimeout}); err != nil {
						t.Error(err)
					}
				}}
				d.want(tt.code, "DELETE", path, "", "If: <DRIVE/r/dir/f> (<"+token+">)"+tt.ifs)
			})
		}
	}
}

// TestLockDuringUpload: who has been granted a lock does not see the file change
// any more by an upload that began before and has no part in the lock.
func TestLockDuringUpload(t *testing.T) {
	for _, tt := range []struct {
		name, path string
		lock       []string // path and headers
		code       int
	}{
		{"the file", "/r/d/f", []string{"/r/d/f", "Depth: 0"}, 423},
		{"its folder", "/r/d/f", []string{"/r/d/"}, 423},
		{"its folder alone", "/r/d/f", []string{"/r/d/", "Depth: 0"}, 204},
		{"the folder alone of a new file", "/r/d/new", []string{"/r/d/", "Depth: 0"}, 423},
		{"another file", "/r/d/f", []string{"/r/d/g", "Depth: 0"}, 204},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDrive(t, "d/f", "d/g")
			w, done := d.upload(tt.path, "begun before")
			d.lock(tt.lock[0], tt.lock[1:]...)
			w.Close()
			if a := <-done; a.StatusCode != tt.code {
				t.Errorf("PUT: %d %v, want %d", a.StatusCode, a.err, tt.code)
			}
			want := map[int]string{204: "begun before", 423: "content of d/f"}[tt.code]
			if tt.path == "/r/d/new" {
				d.wantContent("d/new", "(missing)")
			} else {
				d.wantContent("d/f", want)
			}
		})
	}
}
