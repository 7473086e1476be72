package testserver

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// GCS is a Cloud Storage for tests: fake-gcs-server, which knows nothing of
// encryption, behind a proxy of ours that speaks TLS and plays the part.
//
// The proxy remembers the SHA-256 of the key, or the Cloud KMS key, that came
// with each object and each upload session, and answers as Google documents
// it: a read or a rewrite with another key, or none, is refused; metadata and
// listings name the hash and hide the checksums. It also does what
// fake-gcs-server leaves out: preconditions of reads, copies and deletions,
// pages, cancelled sessions, rewrites in several steps, deletion of many.
//
// That proves which requests carry which key, and what becomes of each refusal.
// It proves nothing about encryption: content lies in fake-gcs-server as it
// came, and where the documentation is silent (which of two failed checks is
// reported, say) the real store may differ.
type GCS struct {
	Endpoint string // https://127.0.0.1:PORT
	CAFile   string // the PEM of the authority that signed its certificate
	KMSKey   string // the Cloud KMS key it accepts

	// HTTPClient trusts that authority.
	HTTPClient *http.Client

	fake string // fake-gcs-server, http://127.0.0.1:PORT
	dir  string // files of sessions and credentials
	tap
	stop []func() // run last to first

	// mu is held while fake-gcs-server and what is known of its objects
	// change; read-held while both are looked at.
	mu       sync.RWMutex
	seals    map[string]seal // by bucket, object and generation
	sessions map[string]*gcsSession
	rewrites map[string]*gcsRewrite
	rules    map[string]gcsRules // by bucket
	step     int64               // of a rewrite, in bytes
	page     int                 // entries of a listing's page
	token    string
	locked   bool // requests must bear the token
}

// gcsRules are what a test demands of a bucket.
type gcsRules struct {
	noCustomerKeys bool // its enforcement configuration forbids them
	t              testing.TB
	ignore         string // the operation that drops the encryption asked for
	pretend        string // the operation that drops it and says nothing of that
	alter          func(answer map[string]any)
	leaky          bool // reads need no key
}

const gcsKMSKey = "projects/test/locations/europe-west3/keyRings/ring/cryptoKeys/key"

// SharedGCS is a GCS, started once for all tests of the binary.
func SharedGCS(t testing.TB) *GCS {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if !shared.inMain {
		t.Fatal(errNoMain)
	}
	if shared.gcs == nil {
		s, err := startGCS()
		if err != nil {
			t.Fatal(err)
		}
		shared.gcs = s
	}
	return shared.gcs
}

func startGCS() (*GCS, error) {
	bin, err := tool("bin", "fake-gcs-server")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "sealdav-testserver-")
	if err != nil {
		return nil, err
	}
	s := &GCS{
		KMSKey: gcsKMSKey, dir: dir, token: randomHex(16), step: wholeRewrite, page: wholePage,
		seals: map[string]seal{}, sessions: map[string]*gcsSession{}, rewrites: map[string]*gcsRewrite{}, rules: map[string]gcsRules{},
	}
	s.stop = append(s.stop, func() { os.RemoveAll(dir) })
	if err := s.start(bin); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *GCS) start(bin string) error {
	cert, err := newCertificate(s.dir)
	if err != nil {
		return err
	}
	s.CAFile, s.HTTPClient = cert.caFile, cert.client()
	port, err := FreePort()
	if err != nil {
		return err
	}
	host := fmt.Sprintf("127.0.0.1:%d", port)
	s.fake = "http://" + host
	p, err := startServer(bin, []string{
		"-scheme", "http", "-host", "127.0.0.1", "-port", fmt.Sprint(port), "-backend", "memory",
		"-public-host", host, "-external-url", s.fake, "-log-level", "warn",
	}, nil)
	if err != nil {
		return fmt.Errorf("start fake-gcs-server: %w", err)
	}
	s.stop = append(s.stop, p.Kill)
	if err := p.WaitFor(s.ready); err != nil {
		return err
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	serveTLS(server, cert)
	s.stop = append(s.stop, func() { server.CloseClientConnections(); server.Close() })
	s.Endpoint = server.URL
	return nil
}

func (s *GCS) ready(ctx context.Context) error {
	resp, err := s.toFake(ctx, http.MethodGet, "/storage/v1/b?project=test", nil, nil)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}

func (s *GCS) close() {
	for i := len(s.stop) - 1; i >= 0; i-- {
		s.stop[i]()
	}
}

// NewBucket makes an empty bucket with a name of its own. It goes away with
// the server.
func (s *GCS) NewBucket(t testing.TB) string {
	t.Helper()
	name := "test-" + randomHex(8)
	body, _ := json.Marshal(map[string]string{"name": name})
	resp, err := s.toFake(t.Context(), http.MethodPost, "/storage/v1/b?project=test", http.Header{"Content-Type": {"application/json"}}, bytes.NewReader(body))
	if err != nil {
		t.Fatalf("create bucket %s: %v", name, err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("create bucket %s: status %d", name, resp.StatusCode)
	}
	return name
}

// MustSeal fails the test when content comes to the bucket, or is copied
// inside it, without a customer key or a Cloud KMS key.
func (s *GCS) MustSeal(t testing.TB, bucket string) {
	t.Helper()
	s.rule(t, bucket, func(r *gcsRules) { r.t = t })
}

// ForbidCustomerKeys gives the bucket the enforcement configuration that
// refuses customer keys for new objects.
func (s *GCS) ForbidCustomerKeys(t testing.TB, bucket string) {
	t.Helper()
	s.rule(t, bucket, func(r *gcsRules) { r.noCustomerKeys = true })
}

// Ignore has the bucket accept the keys of an operation (insert, startUpload,
// rewrite), and store what it is given as if there were none.
func (s *GCS) Ignore(t testing.TB, bucket, op string) {
	t.Helper()
	s.rule(t, bucket, func(r *gcsRules) { r.ignore = op })
}

// Pretend has the bucket store what an operation (insert, upload, rewrite) is
// given without its key, and answer as if it had heeded it; "" ends that.
func (s *GCS) Pretend(t testing.TB, bucket, op string) {
	t.Helper()
	s.rule(t, bucket, func(r *gcsRules) { r.pretend = op })
}

// Alter has a function change what the answer to a write says of the object.
func (s *GCS) Alter(t testing.TB, bucket string, alter func(answer map[string]any)) {
	t.Helper()
	s.rule(t, bucket, func(r *gcsRules) { r.alter = alter })
}

// kept is what an object really lies under that was asked to be sealed. Called
// with mu held.
func (s *GCS) kept(r *http.Request, bucket string, asked seal) seal {
	op := Request{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.Query()}.GCSOp()
	if s.rules[bucket].pretend == op {
		return seal{}
	}
	return asked
}

// tell is the answer to a write. Called with mu held.
func (s *GCS) tell(bucket string, res gcsResource, asked seal, fields string) gcsResource {
	answer := dress(res, asked, true, fields)
	if alter := s.rules[bucket].alter; alter != nil {
		alter(answer)
	}
	return answer
}

// Leak has the bucket name keys as it should, and give out content to those
// who have none.
func (s *GCS) Leak(t testing.TB, bucket string) {
	t.Helper()
	s.rule(t, bucket, func(r *gcsRules) { r.leaky = true })
}

// Plain is the address of fake-gcs-server itself, without TLS, which ignores
// keys and says nothing about them.
func (s *GCS) Plain() string { return s.fake }

func (s *GCS) rule(t testing.TB, bucket string, change func(*gcsRules)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rules[bucket]
	change(&r)
	s.rules[bucket] = r
	t.Cleanup(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.rules, bucket)
	})
}

// What Google does: as much of a rewrite as it likes, pages of 1,000.
const (
	wholeRewrite = 1 << 40
	wholePage    = 1000
)

// SetRewriteStep has rewrites stop after that many bytes, to be continued, for
// as long as the test runs.
func (s *GCS) SetRewriteStep(t testing.TB, bytes int64) {
	t.Helper()
	s.set(func() { s.step = bytes })
	t.Cleanup(func() { s.set(func() { s.step = wholeRewrite }) })
}

// SetPageSize has listings give at most that many entries at once, for as long
// as the test runs. A store may always give less than it is asked for.
func (s *GCS) SetPageSize(t testing.TB, n int) {
	t.Helper()
	s.set(func() { s.page = n })
	t.Cleanup(func() { s.set(func() { s.page = wholePage }) })
}

func (s *GCS) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// Fill makes n small objects, named by their number, below a prefix. It takes
// half a minute for 5,000: fake-gcs-server looks through all it has for each.
func (s *GCS) Fill(t testing.TB, bucket, prefix string, n int) {
	t.Helper()
	numbers := make(chan int)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for i := range numbers {
				query := url.Values{"uploadType": {"media"}, "name": {fmt.Sprintf("%s%05d", prefix, i)}}
				resp, err := s.toFake(t.Context(), http.MethodPost, "/upload/storage/v1/b/"+url.PathEscape(bucket)+"/o?"+query.Encode(), nil, strings.NewReader("x"))
				if err != nil {
					t.Errorf("fill: %v", err)
					continue
				}
				resp.Body.Close()
			}
		})
	}
	for i := range n {
		numbers <- i
	}
	close(numbers)
	group.Wait()
}

// Keys lists every object of a bucket.
func (s *GCS) Keys(t testing.TB, bucket string) []string {
	t.Helper()
	var keys []string
	items, _, err := s.listFake(t.Context(), bucket, "", "")
	if err != nil {
		t.Fatalf("list %s: %v", bucket, err)
	}
	for _, item := range items {
		keys = append(keys, item["name"].(string))
	}
	return keys
}

// Stored is the content of an object, with no regard to keys, and what the
// proxy knows of its encryption: the base64 SHA-256 of the customer key, or
// the name of the Cloud KMS key, or "".
func (s *GCS) Stored(t testing.TB, bucket, object string) (content []byte, key string) {
	t.Helper()
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, err := s.describeFake(t.Context(), bucket, object)
	if err != nil {
		t.Fatalf("describe %s: %v", object, err)
	}
	resp, err := s.toFake(t.Context(), http.MethodGet, contentPath(bucket, object), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	found := s.seals[sealKey(bucket, object, r.generation())]
	return b.Bytes(), found.hash + found.kms
}

// Sessions lists the names of the objects of a bucket whose upload has begun
// and neither ended nor been cancelled.
func (s *GCS) Sessions(bucket string) []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var names []string
	for _, u := range s.sessions {
		if u.bucket == bucket && u.finished == nil {
			names = append(names, u.object)
		}
	}
	slices.Sort(names)
	return names
}

// Env is what a program that uses Google's variables needs to reach the server
// without credentials.
func (s *GCS) Env() []string {
	return []string{"STORAGE_EMULATOR_HOST=" + s.Endpoint, "SSL_CERT_FILE=" + s.CAFile}
}

// toFake sends a request to fake-gcs-server.
func (s *GCS) toFake(ctx context.Context, method, path string, header http.Header, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.fake+path, body)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Accept-Encoding", "gzip") // as it is stored
	return http.DefaultTransport.RoundTrip(req)
}

func objectPath(bucket, object string) string {
	return "/storage/v1/b/" + url.PathEscape(bucket) + "/o/" + url.PathEscape(object)
}

func contentPath(bucket, object string) string {
	return "/" + url.PathEscape(bucket) + "/" + url.PathEscape(object)
}

// gcsResource is an object as the JSON API describes it.
type gcsResource map[string]any

func (r gcsResource) text(name string) string {
	v, _ := r[name].(string)
	return v
}

func (r gcsResource) generation() string { return r.text("generation") }

// errFake is an answer of fake-gcs-server that is none of its successes.
type errFake struct{ status int }

func (e errFake) Error() string { return fmt.Sprintf("fake-gcs-server answers %d", e.status) }

func (s *GCS) describeFake(ctx context.Context, bucket, object string) (gcsResource, error) {
	resp, err := s.toFake(ctx, http.MethodGet, objectPath(bucket, object), nil, nil)
	if err != nil {
		return nil, err
	}
	return decodeFake(resp)
}

func decodeFake(resp *http.Response) (r gcsResource, err error) {
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return nil, errFake{resp.StatusCode}
	}
	err = json.NewDecoder(resp.Body).Decode(&r)
	return r, err
}

// listFake is the whole of a listing.
func (s *GCS) listFake(ctx context.Context, bucket, prefix, delimiter string) ([]gcsResource, []string, error) {
	query := url.Values{"prefix": {prefix}, "delimiter": {delimiter}}
	resp, err := s.toFake(ctx, http.MethodGet, "/storage/v1/b/"+url.PathEscape(bucket)+"/o?"+query.Encode(), nil, nil)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, nil, errFake{resp.StatusCode}
	}
	var page struct {
		Items    []gcsResource
		Prefixes []string
	}
	err = json.NewDecoder(resp.Body).Decode(&page)
	return page.Items, page.Prefixes, err
}

// splitGCS takes a request's path apart: what comes before the object ("list",
// "/storage/v1/b/BUCKET/o/") does not matter to the tests.
func splitGCS(escaped string) (parts []string) {
	for part := range strings.SplitSeq(strings.TrimPrefix(escaped, "/"), "/") {
		text, err := url.PathUnescape(part)
		if err != nil {
			text = part
		}
		parts = append(parts, text)
	}
	return parts
}
