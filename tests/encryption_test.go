package tests

import (
	"bytes"
	"strings"
	"testing"

	"sealdav/internal/testserver"
	"sealdav/tests/harness"
)

// TestSealedWrite uploads through the drive and looks at the object with
// another S3 client.
func TestSealedWrite(t *testing.T) {
	for _, how := range both {
		t.Run(how.name, func(t *testing.T) {
			b, key := newBucket(t, testserver.SharedMinIO(t)), harness.NewKey(t)
			s, base := how.serve(t, b, key.Write())
			for _, f := range []struct {
				name string
				size int
			}{
				{"empty", 0}, {"small", 100}, {"1MiB", 1 << 20}, {"in parts", 40<<20 + 1},
			} {
				path, body := base+"/"+strings.ReplaceAll(f.name, " ", "%20"), randomBytes(f.size)
				s.Put(t, path, body)
				b.wantSealed(t, f.name, body, key)
				same(t, "GET "+path, s.Get(t, path), body)
			}
			// Without a length, as the Finder uploads.
			body := randomBytes(20 << 20)
			r, err := s.Try(t, "PUT", base+"/chunked", struct{ *bytes.Reader }{bytes.NewReader(body)})
			if err != nil || r.Status != 201 {
				t.Fatalf("chunked PUT = %d, %v", r.Status, err)
			}
			b.wantSealed(t, "chunked", body, key)
			// Folders are objects too.
			s.Want(t, []int{201}, "MKCOL", base+"/folder", nil)
			b.wantKeys(t, "1MiB", "chunked", "empty", "folder/", "in parts", "small")
			// The folder's marker has nothing in it to seal; MinIO leaves it plain.
		})
	}
}

// TestMixedFolder opens one folder with objects under the read key, the write
// key and no key; an object under a foreign key is refused with the reason.
func TestMixedFolder(t *testing.T) {
	for _, how := range both {
		t.Run(how.name, func(t *testing.T) {
			b := newBucket(t, testserver.SharedMinIO(t))
			writeKey, readKey, foreign := harness.NewKey(t), harness.NewKey(t), harness.NewKey(t)
			for name, key := range map[string]harness.Key{"new": writeKey, "old": readKey, "plain": noKey, "foreign": foreign} {
				b.put(t, "dir/"+name, []byte("the "+name+" one"), key)
			}
			s, base := how.serve(t, b, writeKey.Write()+" "+readKey.Read())
			list := string(s.Want(t, []int{207}, "PROPFIND", base+"/dir/", nil, "Depth", "1").Body)
			for _, name := range []string{"new", "old", "plain", "foreign"} {
				if !strings.Contains(list, "/dir/"+name+"<") {
					t.Errorf("PROPFIND does not list %s:\n%s", name, list)
				}
			}
			for range 2 { // the second time it knows which key fits
				for _, name := range []string{"new", "old", "plain"} {
					same(t, name, s.Get(t, base+"/dir/"+name), []byte("the "+name+" one"))
				}
			}
			r := s.Want(t, []int{403}, "GET", base+"/dir/foreign", nil)
			if !strings.Contains(string(r.Body), "key") {
				t.Errorf("403 without a reason: %q", r.Body)
			}
			s.Want(t, []int{403}, "HEAD", base+"/dir/foreign", nil)
			b.wantSealed(t, "dir/foreign", []byte("the foreign one"), foreign)

			// Replacing brings a file to the write key, whatever it was under.
			for _, name := range []string{"old", "plain"} {
				s.Put(t, base+"/dir/"+name, []byte("replaced"))
				b.wantSealed(t, "dir/"+name, []byte("replaced"), writeKey)
			}
		})
	}
}

// TestCopyMove ends under the write settings of where things go, wherever they
// come from.
func TestCopyMove(t *testing.T) {
	for _, how := range both {
		t.Run(how.name, func(t *testing.T) {
			b := newBucket(t, testserver.SharedMinIO(t))
			writeKey, readKey := harness.NewKey(t), harness.NewKey(t)
			sources := map[string]harness.Key{"new": writeKey, "old": readKey, "plain": noKey}
			for name, key := range sources {
				b.put(t, "from/"+name, []byte("content of "+name), key)
			}
			s, base := how.serve(t, b, writeKey.Write()+" "+readKey.Read())
			s.Want(t, []int{201}, "MKCOL", base+"/to", nil)
			for name := range sources {
				s.Copy(t, base+"/from/"+name, base+"/to/copied-"+name)
				s.Move(t, base+"/from/"+name, base+"/to/moved-"+name)
			}
			s.Move(t, base+"/to", base+"/folder")
			for name := range sources {
				b.wantSealed(t, "folder/copied-"+name, []byte("content of "+name), writeKey)
				b.wantSealed(t, "folder/moved-"+name, []byte("content of "+name), writeKey)
				s.Want(t, []int{404}, "GET", base+"/from/"+name, nil)
			}
			s.Copy(t, base+"/folder", base+"/again")
			for name := range sources {
				b.wantSealed(t, "again/moved-"+name, []byte("content of "+name), writeKey)
			}
		})
	}
}

// TestAcrossRemotes serves two buckets under different settings and moves
// files between them.
func TestAcrossRemotes(t *testing.T) {
	store := testserver.SharedMinIO(t)
	one, two, plain := newBucket(t, store), newBucket(t, store), newBucket(t, store)
	keyOne, keyTwo := harness.NewKey(t), harness.NewKey(t)
	s := harness.ServeConfig(t, "",
		one.remote("one", "--sse-write-c AES256 --sse-write-c-key fileb://"+keyOne.File(t)),
		two.remote("two", keyTwo.Write()),
		plain.remote("plain", ""))
	body := randomBytes(3 << 20)
	s.Put(t, "/one/file", body)
	one.wantSealed(t, "file", body, keyOne)
	s.Copy(t, "/one/file", "/two/copy")
	two.wantSealed(t, "copy", body, keyTwo)
	two.wantRefused(t, "copy", keyOne)
	s.Move(t, "/one/file", "/two/moved")
	two.wantSealed(t, "moved", body, keyTwo)
	one.wantKeys(t)

	s.Put(t, "/plain/p", body)
	if got, err := plain.get(t, "p", noKey); err != nil {
		t.Errorf("plain object: %v", err)
	} else {
		same(t, "plain object", got, body)
	}
	s.Move(t, "/plain/p", "/one/sealed-now")
	one.wantSealed(t, "sealed-now", body, keyOne)
	plain.wantKeys(t)
}

// TestAltURL has two settings in one process: alts3:// takes
// ALT_AWS_S3OPTIONS.
func TestAltURL(t *testing.T) {
	store := testserver.SharedMinIO(t)
	harness.StoreSecret(store)
	first, second := newBucket(t, store), newBucket(t, store)
	key, alt := harness.NewKey(t), harness.NewKey(t)
	s := harness.Serve(t, append(store.Env(), "AWS_S3OPTIONS="+key.Write(), "ALT_AWS_S3OPTIONS="+alt.Write()),
		"s3://"+first.name+"/pre/fix", "alts3://"+second.name)
	s.Put(t, "/"+first.name+"/f", []byte("first"))
	s.Put(t, "/"+second.name+"/f", []byte("second"))
	first.wantSealed(t, "pre/fix/f", []byte("first"), key)
	second.wantSealed(t, "f", []byte("second"), alt)
	s.Move(t, "/"+first.name+"/f", "/"+second.name+"/g")
	second.wantSealed(t, "g", []byte("first"), alt)
}

// TestStoreKeys writes under keys that the store holds.
func TestStoreKeys(t *testing.T) {
	store := testserver.SharedMinIO(t)
	for _, c := range []struct{ name, sse, algorithm, key string }{
		{"SSE-S3", "--sse AES256", "AES256", ""},
		{"SSE-KMS", "--sse aws:kms --sse-kms-key-id " + store.KMSKey, "aws:kms", store.KMSKey},
		{"SSE-KMS implied", "--sse-kms-key-id " + store.KMSKey, "aws:kms", store.KMSKey},
	} {
		for _, how := range both {
			t.Run(c.name+"/"+how.name, func(t *testing.T) {
				b := newBucket(t, store)
				b.put(t, "plain", []byte("plain"), noKey)
				s, base := how.serve(t, b, c.sse)
				s.Put(t, base+"/put", []byte("put"))
				s.Put(t, base+"/parts", randomBytes(20<<20))
				s.Copy(t, base+"/plain", base+"/copied")
				s.Move(t, base+"/plain", base+"/moved")
				for _, name := range []string{"put", "parts", "copied", "moved"} {
					out := b.head(t, name)
					if got := string(out.ServerSideEncryption); got != c.algorithm {
						t.Errorf("%s lies under %q, want %q", name, got, c.algorithm)
					}
					if c.key != "" && (out.SSEKMSKeyId == nil || !strings.HasSuffix(*out.SSEKMSKeyId, c.key)) {
						t.Errorf("%s lies under another KMS key than %q", name, c.key)
					}
				}
			})
		}
	}
	t.Run("unknown KMS key", func(t *testing.T) {
		b := newBucket(t, store)
		s, base := both[0].serve(t, b, "--sse aws:kms --sse-kms-key-id no-such-key")
		if r := s.Do(t, "PUT", base+"/f", []byte("x")); r.Status < 400 || r.Status == 404 {
			t.Errorf("PUT under an unknown KMS key = %d %s", r.Status, r.Body)
		}
		b.wantKeys(t)
	})
}

// TestRefusedAtStart is what sealdav must not even start with.
func TestRefusedAtStart(t *testing.T) {
	key := harness.NewKey(t)
	for _, c := range []struct {
		name, sse, endpoint string
		want                string // in the message
	}{
		{"key over http", key.Write(), "http://127.0.0.1:9", "https"},
		{"read key over http", key.Read(), "http://127.0.0.1:9", "https"},
		{"customer key and KMS key", key.Write() + " --sse-kms-key-id k", "https://127.0.0.1:9", "--sse-write-c-key and --sse-kms-key-id exclude each other"},
		{"no algorithm", "--sse-write-c-key " + key.Raw(), "https://127.0.0.1:9", "--sse-write-c-key also needs --sse-write-c AES256"},
		{"no key", "--sse-write-c AES256", "https://127.0.0.1:9", "--sse-write-c also needs --sse-write-c-key"},
		{"base64 key", "--sse-write-c AES256 --sse-write-c-key " + *key.Base64(), "https://127.0.0.1:9", "base64:"},
		{"unknown option", key.Write() + " --sse-customer-key x", "https://127.0.0.1:9", "unknown option --sse-customer-key"},
	} {
		t.Run(c.name+"/config", func(t *testing.T) {
			file, env := harness.Config(t, "", harness.Remote{
				Name: "drive", URL: "s3://bucket", SSE: c.sse, More: "endpoint = \"" + c.endpoint + "\"\nregion = \"us-east-1\"\n",
			})
			wantRefusal(t, harness.Run(t, env, "serve", "--listen", "127.0.0.1:0", "--config", file), c.want)
			wantRefusal(t, harness.Run(t, env, "check", "--config", file), c.want)
		})
		t.Run(c.name+"/environment", func(t *testing.T) {
			env := []string{"AWS_S3OPTIONS=" + c.sse, "AWS_ENDPOINT_URL=" + c.endpoint, "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=y"}
			wantRefusal(t, harness.Run(t, env, "serve", "--listen", "127.0.0.1:0", "s3://bucket"), c.want)
		})
	}
}

func wantRefusal(t *testing.T, r harness.Result, want string) {
	t.Helper()
	if r.Code != 2 || !strings.Contains(r.Stderr, want) {
		t.Errorf("exit status %d, want 2 with %q in the message:\n%s%s", r.Code, want, r.Stdout, r.Stderr)
	}
}

// TestIgnoresSSE is a store that answers 200 to every encryption header and
// stores plain text: nothing may be left there.
func TestIgnoresSSE(t *testing.T) {
	store := testserver.SharedVersityGW(t)
	for name, sse := range map[string]string{
		"SSE-C": harness.NewKey(t).Write(), "SSE-S3": "--sse AES256", "SSE-KMS": "--sse aws:kms --sse-kms-key-id some-key",
	} {
		for _, how := range both {
			t.Run(name+"/"+how.name, func(t *testing.T) {
				b := newBucket(t, store)
				b.put(t, "old", []byte("old"), noKey)
				s, base := how.serve(t, b, sse)
				for range 2 {
					for path, body := range map[string][]byte{"/small": []byte("secret"), "/large": randomBytes(20 << 20), "/old": []byte("secret")} {
						r := s.Do(t, "PUT", base+path, body)
						if r.Status < 400 {
							t.Errorf("PUT %s = %d", path, r.Status)
						}
						if !strings.Contains(string(r.Body), "encrypt") {
							t.Errorf("PUT %s does not say why: %q", path, r.Body)
						}
					}
				}
				for _, method := range []string{"COPY", "MOVE"} {
					if r := s.Do(t, method, base+"/old", nil, "Destination", s.URL+base+"/new"); r.Status < 400 {
						t.Errorf("%s = %d", method, r.Status)
					}
				}
				if r := s.Do(t, "MKCOL", base+"/dir", nil); r.Status < 400 {
					t.Errorf("MKCOL = %d", r.Status)
				}
				s.Stop(t)
				b.wantKeys(t, "old")
				if got, err := b.get(t, "old", noKey); err != nil {
					t.Error(err)
				} else {
					same(t, "the old object", got, []byte("old"))
				}
				if up := b.Uploads(t, b.name); len(up) != 0 {
					t.Errorf("%d multipart uploads are left", len(up))
				}
			})
		}
	}
}

// TestRGW ends sealed on a store that stores COPY into a customer key as
// plain text.
func TestRGW(t *testing.T) {
	store := testserver.SharedRGW(t)
	for _, how := range both {
		t.Run(how.name, func(t *testing.T) {
			b := newBucket(t, store)
			writeKey, readKey := harness.NewKey(t), harness.NewKey(t)
			b.put(t, "plain", []byte("plain"), noKey)
			b.put(t, "old", []byte("old"), readKey)
			s, base := how.serve(t, b, writeKey.Write()+" "+readKey.Read())
			body, large := []byte("put"), randomBytes(20<<20)
			s.Put(t, base+"/put", body)
			s.Put(t, base+"/large", large)
			b.wantSealed(t, "put", body, writeKey)
			b.wantSealed(t, "large", large, writeKey)
			same(t, "GET", s.Get(t, base+"/large"), large)
			same(t, "GET of an old file", s.Get(t, base+"/old"), []byte("old"))
			same(t, "GET of a plain file", s.Get(t, base+"/plain"), []byte("plain"))
			for _, name := range []string{"put", "old", "plain", "large"} {
				want := map[string][]byte{"put": body, "old": []byte("old"), "plain": []byte("plain"), "large": large}[name]
				s.Copy(t, base+"/"+name, base+"/copy-"+name)
				b.wantSealed(t, "copy-"+name, want, writeKey)
				s.Move(t, base+"/"+name, base+"/moved-"+name)
				b.wantSealed(t, "moved-"+name, want, writeKey)
			}
			if up := b.Uploads(t, b.name); len(up) != 0 {
				t.Errorf("%d multipart uploads are left", len(up))
			}
		})
	}
}
