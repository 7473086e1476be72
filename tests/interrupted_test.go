package tests

import (
	"bytes"
	"io/fs"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sealdav/internal/testserver"
	"sealdav/tests/harness"
)

// place is a store for a sealed remote "drive" whose uploads are broken off.
type place struct {
	name string
	open func(t *testing.T) placed
}

type placed struct {
	remote harness.Remote
	// fetch reads a file from outside; left lists what interrupted uploads
	// have left in the store.
	fetch func(t *testing.T, name string) []byte
	left  func(t *testing.T) []string
	// expires says that the store ends the uploads of a server that was killed
	// by itself; they are seen nowhere and cost nothing.
	expires bool
	// proxy stands in front of an S3 store; nil for a directory.
	proxy *testserver.Proxy
}

var places = []place{{"MinIO", placeS3}, {"GCS", placeGCS}, {"local", placeLocal}}

func placeS3(t *testing.T) placed {
	proxy := testserver.NewProxy(t, testserver.SharedMinIO(t))
	b, key := newBucket(t, proxy.S3), harness.NewKey(t)
	return placed{
		remote: b.remote("drive", key.Write()),
		proxy:  proxy,
		fetch: func(t *testing.T, name string) []byte {
			got, err := b.get(t, name, key)
			if err != nil {
				t.Errorf("get %s: %v", name, err)
			}
			return got
		},
		left: func(t *testing.T) []string {
			var left []string
			for _, u := range b.Uploads(t, b.name, "file", "new") {
				left = append(left, "upload of "+*u.Key)
			}
			for _, key := range b.Keys(t, b.name) {
				if key != "file" {
					left = append(left, "object "+key)
				}
			}
			return left
		},
	}
}

func placeGCS(t *testing.T) placed {
	b, key := newGCSBucket(t), harness.NewKey(t)
	b.MustSeal(t, b.name)
	return placed{
		remote:  b.remote("drive", key.Write()),
		expires: true,
		fetch: func(t *testing.T, name string) []byte {
			got, _ := b.Stored(t, b.name, name)
			return got
		},
		left: func(t *testing.T) []string {
			var left []string
			for _, name := range b.Sessions(b.name) {
				left = append(left, "upload of "+name)
			}
			for _, key := range b.Keys(t, b.name) {
				if key != "file" {
					left = append(left, "object "+key)
				}
			}
			return left
		},
	}
}

func placeLocal(t *testing.T) placed {
	key := harness.NewKey(t)
	remote, dir := harness.LocalRemote(t, "drive", key.Write())
	return placed{
		remote: remote,
		fetch: func(t *testing.T, name string) []byte {
			// A sealed file opens only through sealdav with its key.
			reader := remote
			reader.Name, reader.More = "reader", "read_only = true\n"
			s := harness.ServeConfig(t, "", reader)
			defer s.Stop(t)
			return s.Get(t, "/reader/"+name)
		},
		left: func(t *testing.T) []string {
			var left []string
			err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				// The empty files that writers lock against each other stay.
				rel, _ := filepath.Rel(dir, path)
				if rel != "file" && filepath.Dir(rel) != ".sealdav/locks" {
					left = append(left, rel)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			return left
		},
	}
}

// TestInterruptedUpload breaks uploads over a good file, and of a new one, in
// every way a client can.
func TestInterruptedUpload(t *testing.T) {
	const small, large = 1 << 20, 40 << 20 // one request to the store; three parts
	for _, p := range places {
		for _, size := range []int{small, large} {
			for name, breakOff := range map[string]func(t *testing.T, s *harness.Server, path string, body []byte){
				"cut at half": func(t *testing.T, s *harness.Server, path string, body []byte) {
					u := s.StartPut(t, path, int64(len(body)))
					_ = u.Send(body[:len(body)/2])
					u.Cut()
				},
				"short body": func(t *testing.T, s *harness.Server, path string, body []byte) {
					u := s.StartPut(t, path, int64(len(body)))
					_ = u.Send(body[:len(body)-1])
					if status := u.End(t); status != 0 && status < 400 {
						t.Errorf("a body one byte short was answered %d", status)
					}
				},
				"chunked cut": func(t *testing.T, s *harness.Server, path string, body []byte) {
					u := s.StartPut(t, path, -1)
					for i := range 4 {
						_ = u.Send(body[i*len(body)/8 : (i+1)*len(body)/8])
					}
					u.Cut()
				},
				"chunked without its end": func(t *testing.T, s *harness.Server, path string, body []byte) {
					u := s.StartPut(t, path, -1)
					_ = u.Send(body)
					if status := u.End(t); status != 0 && status < 400 {
						t.Errorf("a body without its last chunk was answered %d", status)
					}
				},
			} {
				t.Run(strings.Join([]string{p.name, map[int]string{small: "small", large: "large"}[size], name}, "/"), func(t *testing.T) {
					where := p.open(t)
					s := harness.ServeConfig(t, "", where.remote)
					old := randomBytes(2 << 20)
					s.Put(t, "/drive/file", old)
					breakOff(t, s, "/drive/file", randomBytes(size))
					breakOff(t, s, "/drive/new", randomBytes(size))
					s.Stop(t) // the uploads have ended then
					same(t, "the old file", where.fetch(t, "file"), old)
					if left := where.left(t); len(left) != 0 {
						t.Errorf("left behind: %q", left)
					}
				})
			}
		}
	}
}

// TestFailingStore has the store fail in the middle of an upload.
func TestFailingStore(t *testing.T) {
	for _, c := range []struct {
		name  string
		op    string
		part  string // of an UploadPart
		fault testserver.Fault
	}{
		{"second part", "UploadPart", "2", testserver.Fault{Status: 500, Code: "InternalError"}},
		{"second part refused", "UploadPart", "2", testserver.Fault{Status: 403, Code: "AccessDenied"}},
		{"second part cut", "UploadPart", "2", testserver.Fault{CutRequest: 1 << 20}},
		{"create", "CreateMultipartUpload", "", testserver.Fault{Status: 500, Code: "InternalError"}},
		{"complete", "CompleteMultipartUpload", "", testserver.Fault{Status: 503, Code: "SlowDown"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			where := placeS3(t)
			s := harness.ServeConfig(t, "", where.remote)
			old := randomBytes(2 << 20)
			s.Put(t, "/drive/file", old)
			onOp := testserver.OnOp(c.op, 0, c.fault)
			where.proxy.SetFault(func(r *http.Request) *testserver.Fault {
				if r.URL.Query().Get("partNumber") != c.part {
					return nil
				}
				return onOp(r)
			})
			for _, path := range []string{"/drive/file", "/drive/new"} {
				if r, err := s.Try(t, "PUT", path, &zeros{left: 40 << 20}); err == nil && (r.Status < 400 || r.Status == 404) {
					t.Errorf("PUT %s = %d %s", path, r.Status, r.Body)
				}
			}
			where.proxy.SetFault(nil)
			s.Stop(t)
			same(t, "the old file", where.fetch(t, "file"), old)
			if left := where.left(t); len(left) != 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// TestLostAnswer has the store do what it was asked, and its answer get lost on
// the way, so that sealdav cannot know. The file must be whole, the new one if
// the client was told so, and never gone.
func TestLostAnswer(t *testing.T) {
	for _, c := range []struct {
		op   string
		size int
	}{{"PutObject", 1 << 20}, {"UploadPart", 40 << 20}, {"CreateMultipartUpload", 40 << 20}, {"CompleteMultipartUpload", 40 << 20}} {
		for name, n := range map[string]int{"once": 1, "always": 0} {
			t.Run(c.op+"/"+name, func(t *testing.T) {
				where := placeS3(t)
				s := harness.ServeConfig(t, "", where.remote)
				old, fresh := randomBytes(2<<20), randomBytes(c.size)
				s.Put(t, "/drive/file", old)
				where.proxy.SetFault(testserver.OnOp(c.op, n, testserver.Fault{DropAnswer: true}))
				r, err := s.Try(t, "PUT", "/drive/file", bytes.NewReader(fresh))
				where.proxy.SetFault(nil)
				s.Stop(t)
				told := err == nil && r.Status < 300
				switch got := where.fetch(t, "file"); {
				case bytes.Equal(got, fresh):
				case bytes.Equal(got, old) && !told:
				default:
					t.Errorf("told %d %v, the file is %d bytes that are neither the old nor the new", r.Status, err, len(got))
				}
				// Asked again, the store no longer knows a completed upload.
				if n == 1 && !told && c.op != "CompleteMultipartUpload" {
					t.Errorf("a single lost answer fails the upload: %d %s %v", r.Status, r.Body, err)
				}
				for _, left := range where.left(t) {
					// An upload whose making was never answered has no name to abort it by.
					if c.op != "CreateMultipartUpload" {
						t.Errorf("left behind: %s", left)
					}
				}
			})
		}
	}
}

// TestKilledServer ends the server as a power cut does, in the middle of an
// upload; the next start tidies up.
func TestKilledServer(t *testing.T) {
	for _, p := range places {
		t.Run(p.name, func(t *testing.T) {
			where, state := p.open(t), t.TempDir()
			s := harness.ServeConfig(t, state, where.remote)
			old := randomBytes(2 << 20)
			s.Put(t, "/drive/file", old)
			for _, path := range []string{"/drive/file", "/drive/new"} {
				u := s.StartPut(t, path, 64<<20)
				if err := u.Send(randomBytes(40 << 20)); err != nil {
					t.Fatal(err)
				}
			}
			// Something of both uploads has reached the store.
			harness.Eventually(t, func() string {
				if where.proxy == nil && len(where.left(t)) < 2 || where.proxy != nil && partsDone(where.proxy) < 2 {
					return "the uploads do not reach the store"
				}
				return ""
			})
			s.Kill(t)
			if len(where.left(t)) == 0 {
				t.Error("the kill has left nothing to tidy up: this test shows nothing")
			}
			same(t, "the old file after the kill", where.fetch(t, "file"), old)

			s = harness.ServeConfig(t, state, where.remote)
			harness.Eventually(t, func() string {
				left := where.left(t)
				if where.expires {
					left = slices.DeleteFunc(left, func(l string) bool { return strings.HasPrefix(l, "upload of ") })
				}
				return strings.Join(left, ", ")
			})
			same(t, "the old file after the start", s.Get(t, "/drive/file"), old)
			s.Want(t, []int{404}, "GET", "/drive/new", nil)
			s.Put(t, "/drive/file", []byte("new")) // nothing keeps the path
			s.Stop(t)
			same(t, "the new file", where.fetch(t, "file"), []byte("new"))
		})
	}
}

// partsDone counts the keys of which the store has taken a part.
func partsDone(p *testserver.Proxy) int {
	keys := map[string]bool{}
	for _, r := range p.Requests() {
		if r.Op() == "UploadPart" && r.Status == 200 {
			keys[r.Path] = true
		}
	}
	return len(keys)
}

// TestDrain asks the server to end in the middle of an upload, which it lets
// finish.
func TestDrain(t *testing.T) {
	for _, p := range places {
		t.Run(p.name, func(t *testing.T) {
			where := p.open(t)
			s := harness.ServeConfig(t, "", where.remote)
			body := randomBytes(40 << 20)
			u := s.StartPut(t, "/drive/file", int64(len(body)))
			if err := u.Send(body[:20<<20]); err != nil {
				t.Fatal(err)
			}
			s.Terminate()
			harness.Eventually(t, func() string {
				conn, err := net.Dial("tcp", s.Addr)
				if err != nil {
					return ""
				}
				conn.Close()
				return "it still takes connections"
			})
			if err := u.Send(body[20<<20:]); err != nil {
				t.Errorf("the upload was broken off: %v", err)
			}
			if status := u.Status(); status != 201 {
				t.Errorf("the upload was answered %d, want 201", status)
			}
			s.Stop(t)
			same(t, "the file", where.fetch(t, "file"), body)
		})
	}
}
