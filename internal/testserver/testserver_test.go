package testserver_test

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"io"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"sealdav/internal/testserver"
)

func TestMain(m *testing.M) { testserver.Main(m) }

// TestServers shows of each server what tests elsewhere take for granted:
// which of them really seals.
func TestServers(t *testing.T) {
	for _, c := range []struct {
		name  string
		start func(testing.TB) *testserver.S3
		seals bool
	}{
		{"MinIO", testserver.SharedMinIO, true},
		{"VersityGW", testserver.SharedVersityGW, false},
		{"RGW", testserver.SharedRGW, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.start(t)
			if again := c.start(t); again != s {
				t.Error("a shared server was started twice")
			}
			testCustomerKey(t, s, c.seals)
			testUploads(t, s)
			if s.KMSKey != "" {
				testKMS(t, s)
			}
		})
	}
}

func testCustomerKey(t *testing.T, s *testserver.S3, seals bool) {
	client, bucket := s.Client(t), s.NewBucket(t)
	key := []byte("0123456789abcdef0123456789abcdef")
	sum := md5.Sum(key)
	body := []byte("sealed under a customer key")
	_, err := client.PutObject(t.Context(), &awss3.PutObjectInput{
		Bucket: &bucket, Key: aws.String("file"), Body: bytes.NewReader(body),
		SSECustomerAlgorithm: aws.String("AES256"),
		SSECustomerKey:       aws.String(base64.StdEncoding.EncodeToString(key)),
		SSECustomerKeyMD5:    aws.String(base64.StdEncoding.EncodeToString(sum[:])),
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: &bucket, Key: aws.String("file")})
	if err == nil {
		out.Body.Close()
	}
	if refused := err != nil; refused != seals {
		t.Errorf("GET without the key refused: %v (%v), want %v", refused, err, seals)
	}
	out, err = client.GetObject(t.Context(), &awss3.GetObjectInput{
		Bucket: &bucket, Key: aws.String("file"),
		SSECustomerAlgorithm: aws.String("AES256"),
		SSECustomerKey:       aws.String(base64.StdEncoding.EncodeToString(key)),
		SSECustomerKeyMD5:    aws.String(base64.StdEncoding.EncodeToString(sum[:])),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	if got, err := io.ReadAll(out.Body); err != nil || !bytes.Equal(got, body) {
		t.Errorf("GET with the key: %q, %v", got, err)
	}
	if keys := s.Keys(t, bucket); len(keys) != 1 || keys[0] != "file" {
		t.Errorf("Keys = %q", keys)
	}
}

func testKMS(t *testing.T, s *testserver.S3) {
	bucket := s.NewBucket(t)
	put := func(id string) (*awss3.PutObjectOutput, error) {
		return s.Client(t).PutObject(t.Context(), &awss3.PutObjectInput{
			Bucket: &bucket, Key: aws.String("kms"), Body: bytes.NewReader([]byte("x")),
			ServerSideEncryption: types.ServerSideEncryptionAwsKms, SSEKMSKeyId: &id,
		})
	}
	out, err := put(s.KMSKey)
	if err != nil {
		t.Fatal(err)
	}
	if out.ServerSideEncryption != types.ServerSideEncryptionAwsKms {
		t.Errorf("PUT with a KMS key: server-side encryption %q", out.ServerSideEncryption)
	}
	if _, err := put("no-such-key"); err == nil {
		t.Error("PUT with an unknown KMS key succeeded")
	}
}

func testUploads(t *testing.T, s *testserver.S3) {
	bucket := s.NewBucket(t)
	if got := s.Uploads(t, bucket, "dir/file"); len(got) != 0 {
		t.Errorf("Uploads of an empty bucket = %v", got)
	}
	_, err := s.Client(t).CreateMultipartUpload(t.Context(), &awss3.CreateMultipartUploadInput{Bucket: &bucket, Key: aws.String("dir/file")})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Uploads(t, bucket, "dir/file"); len(got) != 1 {
		t.Errorf("Uploads = %v, want one", got)
	}
}
