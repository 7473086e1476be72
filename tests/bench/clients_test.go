package bench

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// webdav is the client of all peers: as cheap as one can be.
var webdav = &http.Client{Transport: &http.Transport{
	MaxIdleConnsPerHost: 64, DisableCompression: true, ReadBufferSize: 64 << 10, WriteBufferSize: 64 << 10,
}}

// send makes a request and returns the length of the answer's body. It fails
// the benchmark without ending it, as many of these may run at a time.
func send(b *testing.B, method, url string, body io.Reader, length int64, header http.Header) int64 {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), method, url, body)
	if err != nil {
		b.Fatal(err)
	}
	if body != nil {
		req.ContentLength = length
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := webdav.Do(req)
	if err != nil {
		b.Error(err)
		return 0
	}
	defer resp.Body.Close()
	n, err := discard(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		b.Errorf("%s %s: %s, %v", method, url, resp.Status, err)
	}
	return n
}

var discards = sync.Pool{New: func() any { return new(make([]byte, 256<<10)) }}

func discard(r io.Reader) (int64, error) {
	buf := discards.Get().(*[]byte)
	defer discards.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, *buf)
}

// get fails unless it gets what it asks for: all, or the range "FIRST-LAST".
func get(b *testing.B, url, rng string, want *int64) {
	b.Helper()
	header := http.Header{}
	if rng != "" {
		header.Set("Range", "bytes="+rng)
	}
	n := send(b, http.MethodGet, url, nil, 0, header)
	if want != nil && n != *want {
		b.Errorf("GET %s: %d bytes, want %d", url, n, *want)
	}
}

func put(b *testing.B, url string, size int64) {
	b.Helper()
	send(b, http.MethodPut, url, newContent(size), size, nil)
}

func propfind(b *testing.B, url string) {
	b.Helper()
	body := `<?xml version="1.0"?><propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/><getlastmodified/><getetag/></prop></propfind>`
	send(b, "PROPFIND", url, strings.NewReader(body), int64(len(body)), http.Header{"Depth": {"1"}})
}

func transfer(b *testing.B, method string, p *peer, from, to string) {
	b.Helper()
	send(b, method, p.url+from, nil, 0, http.Header{"Destination": {p.url + to}, "Overwrite": {"T"}})
}

// at runs n calls of do, so many at a time.
func at(atATime, n int, do func(i int)) {
	var wg sync.WaitGroup
	turns := make(chan int)
	for range atATime {
		wg.Go(func() {
			for i := range turns {
				do(i)
			}
		})
	}
	for i := range n {
		turns <- i
	}
	close(turns)
	wg.Wait()
}

// content is a body that costs next to nothing to make.
type content struct{ pos, size int64 }

var block = func() []byte {
	b := make([]byte, 1<<20)
	for i := range b {
		b[i] = byte(i * i >> 7)
	}
	return b
}()

func newContent(size int64) *content { return &content{size: size} }

func (c *content) Read(p []byte) (int, error) {
	if c.pos >= c.size {
		return 0, io.EOF
	}
	off := c.pos % int64(len(block))
	n := copy(p, block[off:min(int64(len(block)), off+c.size-c.pos)])
	c.pos += int64(n)
	return n, nil
}

func (c *content) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += c.pos
	case io.SeekEnd:
		offset += c.size
	}
	c.pos = offset
	return offset, nil
}

// The same for an S3 client, with the site's key.

func (s *site) putObject(b *testing.B, l *limit, key string, size int64) {
	b.Helper()
	_, err := l.client.PutObject(b.Context(), &awss3.PutObjectInput{
		Bucket: &s.bucket, Key: &key, Body: newContent(size), ContentLength: &size,
		SSECustomerAlgorithm: aws.String("AES256"), SSECustomerKey: s.key.Base64(), SSECustomerKeyMD5: s.key.MD5(),
	})
	if err != nil {
		b.Error(err)
	}
}

// putParts is putObject in parts of 16 MiB, four at a time, as sealdav sends
// them.
func (s *site) putParts(b *testing.B, l *limit, key string, size int64) {
	b.Helper()
	const part = 16 << 20
	algorithm := aws.String("AES256")
	up, err := l.client.CreateMultipartUpload(b.Context(), &awss3.CreateMultipartUploadInput{
		Bucket: &s.bucket, Key: &key, SSECustomerAlgorithm: algorithm, SSECustomerKey: s.key.Base64(), SSECustomerKeyMD5: s.key.MD5(),
	})
	if err != nil {
		b.Fatal(err)
	}
	parts := make([]types.CompletedPart, (size+part-1)/part)
	at(4, len(parts), func(i int) {
		number, length := int32(i+1), min(part, size-int64(i)*part)
		out, err := l.client.UploadPart(b.Context(), &awss3.UploadPartInput{
			Bucket: &s.bucket, Key: &key, UploadId: up.UploadId, PartNumber: &number, Body: newContent(length), ContentLength: &length,
			SSECustomerAlgorithm: algorithm, SSECustomerKey: s.key.Base64(), SSECustomerKeyMD5: s.key.MD5(),
		})
		if err != nil {
			b.Error(err)
			return
		}
		parts[i] = types.CompletedPart{PartNumber: &number, ETag: out.ETag}
	})
	_, err = l.client.CompleteMultipartUpload(b.Context(), &awss3.CompleteMultipartUploadInput{
		Bucket: &s.bucket, Key: &key, UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	if err != nil {
		b.Fatal(err)
	}
}

func (s *site) getObject(b *testing.B, l *limit, key, rng string, want int64) {
	b.Helper()
	in := &awss3.GetObjectInput{
		Bucket: &s.bucket, Key: &key,
		SSECustomerAlgorithm: aws.String("AES256"), SSECustomerKey: s.key.Base64(), SSECustomerKeyMD5: s.key.MD5(),
	}
	if rng != "" {
		in.Range = aws.String("bytes=" + rng)
	}
	out, err := l.client.GetObject(b.Context(), in)
	if err != nil {
		b.Error(err)
		return
	}
	defer out.Body.Close()
	if n, err := discard(out.Body); err != nil || n != want {
		b.Errorf("GetObject %s: %d bytes, %v", key, n, err)
	}
}

// listObjects is a bare paginated listing.
func listObjects(b *testing.B, client *awss3.Client, bucket, prefix string) {
	b.Helper()
	pages := awss3.NewListObjectsV2Paginator(client, &awss3.ListObjectsV2Input{
		Bucket: &bucket, Prefix: &prefix, Delimiter: aws.String("/"), EncodingType: types.EncodingTypeUrl,
	})
	for pages.HasMorePages() {
		if _, err := pages.NextPage(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// fillFolder puts n files of size bytes, past the proxy.
func (s *site) fillFolder(b *testing.B, prefix string, n int, size int64) {
	b.Helper()
	at(16, n, func(i int) { s.putObject(b, s.fill, fmt.Sprintf("%s%06d", prefix, i), size) })
}
