package testserver

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Listing starts a server that knows one request of S3: it lists a bucket,
// whatever its name, of which the folder "N/" has N objects, for every N. It is
// there for folders that take too long to fill.
func Listing(t testing.TB) *S3 {
	t.Helper()
	dir := t.TempDir()
	cert, err := newCertificate(dir)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(listPage))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert.tls}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return &S3{
		Endpoint: server.URL, Region: "us-east-1", AccessKey: "test-access-key", SecretKey: randomHex(20),
		CAFile: cert.caFile, HTTPClient: cert.client(), cert: cert,
	}
}

func listPage(w http.ResponseWriter, r *http.Request) {
	const perPage = 1000
	query := r.URL.Query()
	prefix := query.Get("prefix")
	count, err := strconv.Atoi(strings.TrimSuffix(prefix, "/"))
	if err != nil || r.Method != http.MethodGet || !query.Has("list-type") {
		http.Error(w, "", http.StatusNotFound)
		return
	}
	from, _ := strconv.Atoi(query.Get("continuation-token")) // none is 0
	to := min(from+perPage, count)
	b := fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name><Prefix>%s</Prefix><KeyCount>%d</KeyCount><MaxKeys>1000</MaxKeys><Delimiter>/</Delimiter><EncodingType>url</EncodingType><IsTruncated>%t</IsTruncated>`,
		prefix, to-from, to < count)
	if to < count {
		b = fmt.Appendf(b, "<NextContinuationToken>%d</NextContinuationToken>", to)
	}
	modified := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC).Format("2006-01-02T15:04:05.000Z")
	for i := from; i < to; i++ {
		b = fmt.Appendf(b, `<Contents><Key>%sfile-%08d.dat</Key><LastModified>%s</LastModified><ETag>&#34;%032x&#34;</ETag><Size>%d</Size><StorageClass>STANDARD</StorageClass></Contents>`,
			prefix, i, modified, i, i)
	}
	b = append(b, "</ListBucketResult>"...)
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	if _, err := w.Write(b); err != nil {
		fmt.Fprintln(os.Stderr, "listing:", err)
	}
}
