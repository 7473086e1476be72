package tests

import (
	"fmt"
	"strings"
	"testing"

	"sealdav/internal/testserver"
	"sealdav/tests/harness"
)

// gcsBucket is a bucket of the test's own in the Cloud Storage for tests,
// looked at from behind its proxy.
type gcsBucket struct {
	*testserver.GCS
	name string
}

func newGCSBucket(t testing.TB) gcsBucket {
	t.Helper()
	s := testserver.SharedGCS(t)
	return gcsBucket{s, s.NewBucket(t)}
}

// remote serves the bucket under a name.
func (b gcsBucket) remote(name, sse string) harness.Remote {
	return harness.Remote{Name: name, URL: "gs://" + b.name, SSE: sse,
		More: fmt.Sprintf("endpoint = %q\nca_file = %q\nanonymous = true\n", b.Endpoint, b.CAFile)}
}

// wantSealed fails unless the object is whole, and lies under key, as the
// store's answers name it.
func (b gcsBucket) wantSealed(t testing.TB, name string, want []byte, key string) {
	t.Helper()
	got, lies := b.Stored(t, b.name, name)
	same(t, name, got, want)
	if lies != key {
		t.Errorf("%s lies under another key than it should, or none", name)
	}
}

// gcsWays are the ways to say what a bucket is encrypted with; each serves the
// bucket and returns the path it is served at.
var gcsWays = []struct {
	name  string
	serve func(t *testing.T, b gcsBucket, sse string) (s *harness.Server, base string)
}{
	{"config", func(t *testing.T, b gcsBucket, sse string) (*harness.Server, string) {
		return harness.ServeConfig(t, "", b.remote("drive", sse)), "/drive"
	}},
	{"environment", func(t *testing.T, b gcsBucket, sse string) (*harness.Server, string) {
		return harness.Serve(t, append(b.Env(), "GS_ENCRYPTION="+sse), "gs://"+b.name), "/" + b.name
	}},
}

// TestGCS drives a bucket of Cloud Storage under a customer key: what was
// written under an older key is read, what is written, copied or moved lies
// under the new one.
func TestGCS(t *testing.T) {
	for _, how := range gcsWays {
		t.Run(how.name, func(t *testing.T) {
			b, key, old := newGCSBucket(t), harness.NewKey(t), harness.NewKey(t)
			before, base := how.serve(t, b, gcsWrite(old))
			before.Want(t, []int{201}, "MKCOL", base+"/dir", nil)
			before.Put(t, base+"/dir/old", []byte("under the old key"))
			before.Stop(t)
			plain, base := how.serve(t, b, "")
			plain.Put(t, base+"/dir/plain", []byte("under no key"))
			r := plain.Want(t, []int{403}, "GET", base+"/dir/old", nil)
			if !strings.Contains(string(r.Body), "--sse-read-c-key") {
				t.Errorf("403 without a cure: %q", r.Body)
			}
			plain.Stop(t)

			b.MustSeal(t, b.name)
			s, base := how.serve(t, b, gcsWrite(key)+" --sse-read-c-key "+old.Raw())
			for _, size := range []int{0, 100, 40<<20 + 1} {
				name, body := fmt.Sprintf("new-%d", size), randomBytes(size)
				s.Put(t, base+"/dir/"+name, body)
				b.wantSealed(t, "dir/"+name, body, key.SHA256())
				same(t, name, s.Get(t, base+"/dir/"+name), body)
			}
			list := string(s.Want(t, []int{207}, "PROPFIND", base+"/dir/", nil, "Depth", "1").Body)
			for name, content := range map[string]string{"old": "under the old key", "plain": "under no key"} {
				if !strings.Contains(list, "/dir/"+name+"<") {
					t.Errorf("PROPFIND does not list %s", name)
				}
				same(t, name, s.Get(t, base+"/dir/"+name), []byte(content))
				s.Copy(t, base+"/dir/"+name, base+"/dir/copy-of-"+name)
				b.wantSealed(t, "dir/copy-of-"+name, []byte(content), key.SHA256())
				s.Move(t, base+"/dir/"+name, base+"/dir/moved-"+name)
				b.wantSealed(t, "dir/moved-"+name, []byte(content), key.SHA256())
				s.Want(t, []int{404}, "GET", base+"/dir/"+name, nil)
			}
			s.Want(t, []int{204}, "DELETE", base+"/dir/", nil)
			wantGCSKeys(t, b)
		})
	}
}

// gcsWrite is the options that write under a key; the algorithm is implied.
func gcsWrite(key harness.Key) string { return "--sse-write-c-key " + key.Raw() }

func wantGCSKeys(t testing.TB, b gcsBucket, want ...string) {
	t.Helper()
	if got := b.Keys(t, b.name); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("the bucket holds %q, want %q", got, want)
	}
}

// TestGCSCloudKMS writes under a Cloud KMS key; an unknown one is explained.
func TestGCSCloudKMS(t *testing.T) {
	for _, how := range gcsWays {
		t.Run(how.name, func(t *testing.T) {
			b := newGCSBucket(t)
			b.MustSeal(t, b.name)
			s, base := how.serve(t, b, "--sse-kms-key-id "+b.KMSKey)
			s.Put(t, base+"/f", []byte("content"))
			b.wantSealed(t, "f", []byte("content"), b.KMSKey)
			s.Move(t, base+"/f", base+"/g")
			b.wantSealed(t, "g", []byte("content"), b.KMSKey)
			same(t, "g", s.Get(t, base+"/g"), []byte("content"))
		})
	}
	b := newGCSBucket(t)
	s := harness.ServeConfig(t, "", b.remote("drive", "--sse-kms-key-id projects/p/locations/l/keyRings/r/cryptoKeys/none"))
	r := s.Want(t, []int{403}, "PUT", "/drive/f", []byte("content"))
	if !strings.Contains(string(r.Body), "Cloud KMS") {
		t.Errorf("403 without a reason: %q", r.Body)
	}
	wantGCSKeys(t, b)
}

// TestGCSAlt has two settings in one process: altgs:// takes ALT_GS_ENCRYPTION.
func TestGCSAlt(t *testing.T) {
	first, second := newGCSBucket(t), newGCSBucket(t)
	key, alt := harness.NewKey(t), harness.NewKey(t)
	s := harness.Serve(t, append(first.Env(), "GS_ENCRYPTION="+gcsWrite(key), "ALT_GS_ENCRYPTION="+gcsWrite(alt)),
		"gs://"+first.name+"/pre/fix", "altgs://"+second.name)
	s.Put(t, "/"+first.name+"/f", []byte("first"))
	s.Put(t, "/"+second.name+"/f", []byte("second"))
	first.wantSealed(t, "pre/fix/f", []byte("first"), key.SHA256())
	second.wantSealed(t, "f", []byte("second"), alt.SHA256())
	s.Move(t, "/"+first.name+"/f", "/"+second.name+"/g")
	second.wantSealed(t, "g", []byte("first"), alt.SHA256())
	wantGCSKeys(t, first)
}

// TestGCSFailClosed: a store that ignores keys, and a bucket that forbids
// them, are given nothing.
func TestGCSFailClosed(t *testing.T) {
	b, key := newGCSBucket(t), harness.NewKey(t)
	s := harness.ServeConfig(t, "", harness.Remote{Name: "drive", URL: "gs://" + b.name, SSE: gcsWrite(key),
		More: fmt.Sprintf("endpoint = %q\nanonymous = true\ninsecure_keys_over_http = true\n", b.Plain())})
	s.Want(t, []int{502}, "PUT", "/drive/f", []byte("content"))
	wantGCSKeys(t, b)

	b.ForbidCustomerKeys(t, b.name)
	s = harness.ServeConfig(t, "", b.remote("drive", gcsWrite(key)))
	r := s.Want(t, []int{403}, "PUT", "/drive/f", []byte("content"))
	if !strings.Contains(string(r.Body), "gcloud storage buckets update gs://"+b.name) {
		t.Errorf("403 without the command that cures it: %q", r.Body)
	}
	wantGCSKeys(t, b)
}

// TestGCSCheck has check try a sealed bucket.
func TestGCSCheck(t *testing.T) {
	b, key := newGCSBucket(t), harness.NewKey(t)
	b.MustSeal(t, b.name)
	file, env := harness.Config(t, "", b.remote("drive", gcsWrite(key)))
	r := harness.Run(t, env, "check", "--config", file)
	if r.Code != 0 || !strings.Contains(r.Stdout, "refused, as it must be") {
		t.Errorf("check ends with %d:\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
	wantGCSKeys(t, b)
}

// TestGCSManyObjects lists a folder of more than five pages, and finds what is
// at its ends.
func TestGCSManyObjects(t *testing.T) {
	const n = 5001
	b := newGCSBucket(t)
	b.Fill(t, b.name, "many/", n)
	s := harness.ServeConfig(t, "", b.remote("drive", ""))
	b.Reset()
	list := s.Want(t, []int{207}, "PROPFIND", "/drive/many/", nil, "Depth", "1").Body
	if got := strings.Count(string(list), "/drive/many/0"); got != n {
		t.Errorf("PROPFIND lists %d files, want %d", got, n)
	}
	if ops := b.Ops(); len(ops) > 7 {
		t.Errorf("PROPFIND took %d requests, want ceil(%d/1000) + 1 at most: %q", len(ops), n, ops)
	}
	for _, i := range []int{0, 1000, n - 1} {
		same(t, "a file", s.Get(t, fmt.Sprintf("/drive/many/%05d", i)), []byte("x"))
	}
}
