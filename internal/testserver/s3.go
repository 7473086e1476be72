package testserver

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// S3 is a running S3 server and how to reach it. Buckets are addressed by
// path.
type S3 struct {
	Endpoint  string // https://127.0.0.1:PORT
	Region    string
	AccessKey string
	SecretKey string
	CAFile    string // the PEM of the authority that signed its certificate
	KMSKey    string // the name of a key its KMS has; "" where it has no KMS

	// HTTPClient trusts that authority.
	HTTPClient *http.Client

	cert *certificate
	stop []func() // run last to first
}

// close ends the server and removes its data.
func (s *S3) close() {
	for i := len(s.stop) - 1; i >= 0; i-- {
		s.stop[i]()
	}
}

// newServer makes what every server starts from: a folder, a certificate and
// a free port.
func newServer() (s *S3, dir string, port int, err error) {
	dir, err = os.MkdirTemp("", "sealdav-testserver-")
	if err != nil {
		return nil, "", 0, err
	}
	s = &S3{Region: "us-east-1", AccessKey: "test-access-key", SecretKey: randomHex(20)}
	s.stop = append(s.stop, func() { os.RemoveAll(dir) })
	if s.cert, err = newCertificate(dir); err == nil {
		port, err = FreePort()
	}
	if err != nil {
		s.close()
		return nil, "", 0, err
	}
	s.CAFile, s.HTTPClient = s.cert.caFile, s.cert.client()
	s.Endpoint = fmt.Sprintf("https://127.0.0.1:%d", port)
	return s, dir, port, nil
}

// Client is an SDK client, for a test to look at the store from outside. It
// retries nothing, so that a test sees each answer.
func (s *S3) Client(t testing.TB) *awss3.Client {
	t.Helper()
	return s.client()
}

func (s *S3) client() *awss3.Client {
	return awss3.New(awss3.Options{
		BaseEndpoint: aws.String(s.Endpoint),
		Region:       s.Region,
		Credentials:  credentials.NewStaticCredentialsProvider(s.AccessKey, s.SecretKey, ""),
		HTTPClient:   s.HTTPClient,
		UsePathStyle: true,
		// RGW refuses the trailing checksums of the SDK's default.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
		RetryMaxAttempts:           1,
	})
}

// ready reports whether the server answers its API. MinIO's own health check
// says so too early.
func (s *S3) ready(ctx context.Context) error {
	_, err := s.client().ListBuckets(ctx, &awss3.ListBucketsInput{})
	return err
}

// NewBucket makes an empty bucket with a name of its own. It goes away with
// the server.
func (s *S3) NewBucket(t testing.TB) string {
	t.Helper()
	name := "test-" + randomHex(8)
	if _, err := s.Client(t).CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatalf("create bucket %s: %v", name, err)
	}
	return name
}

// Keys lists every object of a bucket.
func (s *S3) Keys(t testing.TB, bucket string) []string {
	t.Helper()
	var keys []string
	pages := awss3.NewListObjectsV2Paginator(s.Client(t), &awss3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatalf("list %s: %v", bucket, err)
		}
		for _, o := range page.Contents {
			keys = append(keys, aws.ToString(o.Key))
		}
	}
	return keys
}

// Uploads lists the multipart uploads of a bucket that are neither completed
// nor aborted. MinIO lists those of one key only, so it is asked for each of
// keys; the other servers list them all.
func (s *S3) Uploads(t testing.TB, bucket string, keys ...string) []types.MultipartUpload {
	t.Helper()
	var uploads []types.MultipartUpload
	seen := map[string]bool{}
	for _, prefix := range append(keys, "") {
		pages := awss3.NewListMultipartUploadsPaginator(s.Client(t), &awss3.ListMultipartUploadsInput{Bucket: &bucket, Prefix: aws.String(prefix)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatalf("list the uploads of %s: %v", bucket, err)
			}
			for _, u := range page.Uploads {
				if id := aws.ToString(u.UploadId); !seen[id] {
					seen[id] = true
					uploads = append(uploads, u)
				}
			}
		}
	}
	return uploads
}

// Env is what a program that uses the AWS SDK needs to reach the server.
func (s *S3) Env() []string {
	return []string{
		"AWS_ENDPOINT_URL=" + s.Endpoint,
		"AWS_REGION=" + s.Region,
		"AWS_ACCESS_KEY_ID=" + s.AccessKey,
		"AWS_SECRET_ACCESS_KEY=" + s.SecretKey,
		"AWS_CA_BUNDLE=" + s.CAFile,
		"AWS_EC2_METADATA_DISABLED=true",
	}
}

// begin turns a start into a server that ends with t.
func begin(t testing.TB, start func() (*S3, error)) *S3 {
	t.Helper()
	s, err := start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

// launch is the common way of a server with one process: start it, wait until
// ready, and undo everything when that fails.
func (s *S3) launch(name string, args, env []string) (*S3, error) {
	p, err := startServer(name, args, env)
	if err != nil {
		s.close()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	s.stop = append(s.stop, p.Kill)
	if err := p.WaitFor(s.ready); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

var errNoMain = errors.New("shared servers end with the test binary: give the package func TestMain(m *testing.M) { testserver.Main(m) }")
