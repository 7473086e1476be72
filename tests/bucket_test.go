package tests

import (
	"bytes"
	"errors"
	"io"
	"testing"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"sealdav/internal/testserver"
	"sealdav/tests/harness"
)

// bucket is a bucket of the test's own, looked at from outside with the SDK,
// as another S3 program would.
type bucket struct {
	*testserver.S3
	name string
}

func newBucket(t testing.TB, s *testserver.S3) bucket {
	t.Helper()
	return bucket{s, s.NewBucket(t)}
}

// remote serves the bucket under a name.
func (b bucket) remote(name, sse string) harness.Remote {
	return harness.Remote{Name: name, URL: "s3://" + b.name, SSE: sse, Store: b.S3}
}

// noKey is no customer key.
var noKey harness.Key

// put stores an object, under key unless that is noKey.
func (b bucket) put(t testing.TB, name string, body []byte, key harness.Key) {
	t.Helper()
	in := &awss3.PutObjectInput{Bucket: &b.name, Key: &name, Body: bytes.NewReader(body)}
	if key != noKey {
		in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = new("AES256"), key.Base64(), key.MD5()
	}
	if _, err := b.Client(t).PutObject(t.Context(), in); err != nil {
		t.Fatalf("put %s: %v", name, err)
	}
}

// get fetches an object with key, or with none.
func (b bucket) get(t testing.TB, name string, key harness.Key) ([]byte, error) {
	t.Helper()
	in := &awss3.GetObjectInput{Bucket: &b.name, Key: &name}
	if key != noKey {
		in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = new("AES256"), key.Base64(), key.MD5()
	}
	out, err := b.Client(t).GetObject(t.Context(), in)
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	return io.ReadAll(out.Body)
}

// head describes an object that lies under no customer key.
func (b bucket) head(t testing.TB, name string) *awss3.HeadObjectOutput {
	t.Helper()
	out, err := b.Client(t).HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: &b.name, Key: &name})
	if err != nil {
		t.Fatalf("head %s: %v", name, err)
	}
	return out
}

// wantSealed fails unless the object is whole under key, and refused without a
// key and with another.
func (b bucket) wantSealed(t testing.TB, name string, want []byte, key harness.Key) {
	t.Helper()
	got, err := b.get(t, name, key)
	if err != nil {
		t.Errorf("%s with its key: %v", name, err)
	} else {
		same(t, name+" with its key", got, want)
	}
	b.wantRefused(t, name, noKey)
	if len(want) > 0 { // MinIO has nothing to decrypt in an empty object
		b.wantRefused(t, name, harness.NewKey(t))
	}
}

// wantRefused fails unless the store refuses to read the object with key.
func (b bucket) wantRefused(t testing.TB, name string, key harness.Key) {
	t.Helper()
	_, err := b.get(t, name, key)
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || api.ErrorCode() == "NoSuchKey" {
		t.Errorf("%s with the wrong key or none: %v, want the store to refuse", name, err)
	}
}

// wantKeys fails unless the bucket holds exactly these objects.
func (b bucket) wantKeys(t testing.TB, want ...string) {
	t.Helper()
	got := b.Keys(t, b.name)
	if len(got) != len(want) {
		t.Errorf("the bucket holds %q, want %q", got, want)
		return
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("the bucket holds %q, want %q", got, want)
			return
		}
	}
}
