package s3_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"sealdav/providers/s3"
)

// fakeStore is a store that seals with customer keys, and can be told to do
// it badly in ways that no real server can.
type fakeStore struct {
	mu      sync.Mutex
	objects map[string]fakeObject
	writes  int

	// How it lies.
	plainPut, plainCopy, plainParts, plainPartCopy bool // stored in the clear
	mutePut, muteCopy                              bool // answered without a word of encryption
	noETag, otherETag                              bool // answered without, or with a wrong one

	// before and after are called with the operation (see operation) and the
	// key, and may answer in the store's place: before, or after it was done.
	before, after func(w http.ResponseWriter, op, key string) bool
}

type fakeObject struct {
	etag     string
	sealed   bool
	data     []byte
	modified time.Time
}

const (
	algorithmHeader = "X-Amz-Server-Side-Encryption-Customer-Algorithm"
	keyMD5Header    = "X-Amz-Server-Side-Encryption-Customer-Key-Md5"
)

// newFakeStore opens a sealed bucket of a fake store that has passed the probe
// and holds the object src.
func newFakeStore(t *testing.T) (*fakeStore, *s3.Bucket) {
	t.Helper()
	f := &fakeStore{objects: map[string]fakeObject{}}
	cfg := config(fake(t, f.ServeHTTP), "b", customerKey)
	cfg.Buffers = smallParts()
	b := open(t, cfg)
	put(t, b, "src", []byte("source"))
	return f, b
}

// tell changes how the store lies.
func (f *fakeStore) tell(how func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	how()
}

// state says what lies at a key.
func (f *fakeStore) state(key string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch o, ok := f.objects[key]; {
	case !ok:
		return "nothing"
	case o.sealed:
		return "sealed " + string(o.data)
	default:
		return "plain " + string(o.data)
	}
}

func (f *fakeStore) store(key string, data []byte, sealed bool) fakeObject {
	f.writes++
	o := fakeObject{fmt.Sprintf(`"%x"`, md5.Sum(fmt.Append(nil, f.writes))), sealed, data, time.Now()}
	f.objects[key] = o
	return o
}

func (f *fakeStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	op, key := operation(r), strings.TrimPrefix(r.URL.Path, "/b/")
	if f.before != nil && f.before(w, op, key) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	answer := &bytes.Buffer{}
	header := http.Header{}
	status := f.do(r, op, key, body, header, answer)
	if status < 300 && f.after != nil && f.after(w, op, key) {
		return
	}
	for name := range header {
		w.Header().Set(name, header.Get(name))
	}
	w.WriteHeader(status)
	_, _ = w.Write(answer.Bytes())
}

func (f *fakeStore) do(r *http.Request, op, key string, body []byte, h http.Header, w io.Writer) (status int) {
	sealed := r.Header.Get(keyMD5Header) != ""
	echo := func() {
		if sealed {
			h.Set(algorithmHeader, "AES256")
			h.Set(keyMD5Header, r.Header.Get(keyMD5Header))
		}
	}
	_, there := f.objects[key]
	if r.Header.Get("If-None-Match") == "*" && there {
		return 412
	}
	source, _ := url.PathUnescape(r.Header.Get("X-Amz-Copy-Source"))
	source = strings.TrimPrefix(source, "b/")
	switch op {
	case "Put":
		o := f.store(key, body, sealed && !f.plainPut)
		f.tag(h, o.etag)
		if !f.mutePut {
			echo()
		}
	case "Copy":
		o := f.store(key, f.objects[source].data, sealed && !f.plainCopy)
		f.tag(h, o.etag)
		if !f.muteCopy {
			echo()
		}
		fmt.Fprintf(w, "<CopyObjectResult><ETag>%s</ETag></CopyObjectResult>", h.Get("ETag"))
	case "Create":
		echo()
		fmt.Fprint(w, "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
		f.store("upload of "+key, nil, sealed)
	case "Part", "PartCopy":
		echo()
		plain := f.plainParts
		if op == "PartCopy" {
			body, plain = f.objects[source].data, f.plainPartCopy
		}
		up := f.objects["upload of "+key]
		created := up.modified
		up = f.store("upload of "+key, append(up.data, body...), sealed && !plain)
		up.modified = created
		f.objects["upload of "+key] = up
		h.Set("ETag", up.etag)
		fmt.Fprintf(w, "<CopyPartResult><ETag>%s</ETag></CopyPartResult>", up.etag)
	case "Complete":
		up, ok := f.objects["upload of "+key]
		if !ok {
			fmt.Fprint(w, "<Error><Code>NoSuchUpload</Code></Error>")
			return 404
		}
		delete(f.objects, "upload of "+key)
		o := fakeObject{multipartTag(body), up.sealed, up.data, up.modified} // dated back, as Amazon does
		f.objects[key] = o
		fmt.Fprintf(w, "<CompleteMultipartUploadResult><ETag>%s</ETag></CompleteMultipartUploadResult>", o.etag)
	case "Abort":
		delete(f.objects, "upload of "+key)
		return 204
	case "DeleteBatch":
		for _, p := range strings.Split(string(body), "<Key>")[1:] {
			name, _, _ := strings.Cut(p, "</Key>")
			delete(f.objects, name)
		}
		fmt.Fprint(w, "<DeleteResult/>")
	case "Delete":
		delete(f.objects, key)
		return 204
	case "List":
		fmt.Fprint(w, "<ListBucketResult>")
		for key, o := range f.objects {
			fmt.Fprintf(w, "<Contents><Key>%s</Key><Size>%d</Size><ETag>%s</ETag></Contents>", key, len(o.data), o.etag)
		}
		fmt.Fprint(w, "</ListBucketResult>")
	case "Get", "Head":
		o := f.objects[key]
		if !there {
			fmt.Fprint(w, "<Error><Code>NoSuchKey</Code></Error>")
			return 404
		}
		if o.sealed != sealed {
			fmt.Fprint(w, "<Error><Code>InvalidRequest</Code><Message>The object was stored using a form of Server Side Encryption.</Message></Error>")
			return 400
		}
		echo()
		h.Set("ETag", o.etag)
		h.Set("Last-Modified", o.modified.UTC().Format(http.TimeFormat))
		h.Set("Content-Length", fmt.Sprint(len(o.data)))
		_, _ = w.Write(o.data)
	}
	return 200
}

var partTag = regexp.MustCompile("[0-9a-f]{32}")

// multipartTag is the tag of an object of the parts that the body of a Complete
// names.
func multipartTag(body []byte) string {
	h, tags := md5.New(), partTag.FindAll(body, -1)
	for _, tag := range tags {
		sum, _ := hex.DecodeString(string(tag))
		h.Write(sum)
	}
	return fmt.Sprintf(`"%x-%d"`, h.Sum(nil), len(tags))
}

func (f *fakeStore) tag(h http.Header, etag string) {
	switch {
	case f.otherETag:
		h.Set("ETag", `"0123456789abcdef0123456789abcdef"`)
	case !f.noETag:
		h.Set("ETag", etag)
	}
}
