package bench

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"sealdav/internal/testserver"
	"sealdav/tests/harness"
)

// site is what all rows are measured on: one sealed bucket of MinIO behind one
// counting proxy, and all that serve it.
type site struct {
	store  *testserver.S3
	proxy  *testserver.Proxy
	bucket string
	key    harness.Key

	fill   *limit // past the proxy: for what a row needs
	direct *limit
	passed *limit
	peers  []*peer
	config string // further lines of sealdav's remote
}

// peer is a WebDAV server under test.
type peer struct {
	name    string
	listed  bool   // its folder of the warm row
	url     string // of the bucket, without a slash at its end
	process *testserver.Process
	start   func(b *testing.B) (*testserver.Process, string)
}

// limit is an S3 client, of the store itself or of a bare pass-through.
type limit struct {
	name   string
	client *awss3.Client
	pid    int // of the pass-through; 0: none
}

func newSite(b *testing.B) *site {
	b.Helper()
	s := &site{store: testserver.SharedMinIO(b), key: harness.NewKey(b)}
	s.proxy = testserver.NewProxy(b, s.store)
	s.bucket = s.store.NewBucket(b)
	s.fill = &limit{client: s.client(s.store.Endpoint)}
	s.putObject(b, s.fill, "warm/up", 1)
	s.direct = &limit{name: "SDK", client: s.client(s.proxy.Endpoint)}
	process, url := startPassThrough(b, s.proxy.S3)
	s.passed = &limit{name: "pass-through", client: s.client(url), pid: process.PID()}
	s.peers = []*peer{{name: "sealdav", start: s.startSealdav}, {name: "rclone", start: s.startRclone}}
	return s
}

// client is an S3 client for endpoint that hashes no bodies.
func (s *site) client(endpoint string) *awss3.Client {
	transport := s.store.HTTPClient.Transport.(*http.Transport).Clone()
	transport.ReadBufferSize, transport.WriteBufferSize = 64<<10, 64<<10
	return awss3.New(awss3.Options{
		BaseEndpoint: &endpoint, Region: s.store.Region, UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials:                credentials.NewStaticCredentialsProvider(s.store.AccessKey, s.store.SecretKey, ""),
		HTTPClient:                 &http.Client{Transport: transport},
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	}, awss3.WithAPIOptions(v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware))
}

// distance has the store answer each request that much later, and bounds the
// bytes of each in a second; 0: it does not.
func (s *site) distance(d time.Duration, rate int64) {
	if d == 0 && rate == 0 {
		s.proxy.SetFault(nil)
		return
	}
	s.proxy.SetFault(func(r *http.Request) *testserver.Fault {
		select {
		case <-time.After(d):
		case <-r.Context().Done():
		}
		return &testserver.Fault{Rate: rate}
	})
}

// restart gives p a process that has nothing in memory but a connection.
func (s *site) restart(b *testing.B, p *peer) {
	b.Helper()
	p.stop()
	p.process, p.url = p.start(b)
	get(b, p.url+"/warm/up", "", nil)
}

func (p *peer) stop() {
	if p.process != nil {
		p.process.Kill()
		p.process = nil
	}
}

// startSealdav starts the built binary as it comes, but for the address and what
// the row sets.
func (s *site) startSealdav(b *testing.B) (*testserver.Process, string) {
	b.Helper()
	file, env := harness.ConfigWith(b, harness.Settings{LogLevel: "info", ListCache: "2s"},
		harness.Remote{Name: "drive", URL: "s3://" + s.bucket, Store: s.proxy.S3, SSE: s.key.Write(), More: s.config})
	addr := freeAddr(b)
	return launch(b, harness.Binary(), []string{"serve", "--config", file, "--listen", addr}, env, addr), "http://" + addr + "/drive"
}

// startRclone starts rclone with its defaults.
func (s *site) startRclone(b *testing.B) (*testserver.Process, string) {
	b.Helper()
	root, err := testserver.ModuleRoot()
	if err != nil {
		b.Fatal(err)
	}
	bin := filepath.Join(root, ".cache", "bin", "rclone")
	if _, err := os.Stat(bin); err != nil {
		b.Fatalf("%s is missing: run: make tools", bin)
	}
	addr := freeAddr(b)
	env := []string{
		"RCLONE_CONFIG=" + filepath.Join(b.TempDir(), "rclone.conf"),
		"RCLONE_CONFIG_STORE_TYPE=s3", "RCLONE_CONFIG_STORE_PROVIDER=Minio",
		"RCLONE_CONFIG_STORE_ENDPOINT=" + s.proxy.Endpoint,
		"RCLONE_CONFIG_STORE_ACCESS_KEY_ID=" + s.store.AccessKey,
		"RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY=" + s.store.SecretKey,
		"RCLONE_CONFIG_STORE_SSE_CUSTOMER_ALGORITHM=AES256",
		"RCLONE_CONFIG_STORE_SSE_CUSTOMER_KEY=" + s.key.Raw(),
	}
	args := []string{"serve", "webdav", "--addr", addr, "--ca-cert", s.store.CAFile, "store:" + s.bucket}
	return launch(b, bin, args, env, addr), "http://" + addr
}

func freeAddr(b *testing.B) string {
	b.Helper()
	port, err := testserver.FreePort()
	if err != nil {
		b.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// launch starts a server and waits until it answers. It ends with b.
func launch(b *testing.B, bin string, args, env []string, addr string) *testserver.Process {
	b.Helper()
	env = append([]string{"HOME=" + b.TempDir(), "PATH=" + os.Getenv("PATH")}, env...)
	p, err := testserver.Start(bin, args, env, new(tail))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(p.Kill)
	err = p.WaitFor(func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodOptions, "http://"+addr+"/", nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return p
}

// tail keeps the end of what a server prints.
type tail struct{ text []byte }

func (l *tail) Write(p []byte) (int, error) {
	l.text = append(l.text, p...)
	if over := len(l.text) - 4096; over > 0 {
		l.text = append(l.text[:0], l.text[over:]...)
	}
	return len(p), nil
}

func (l *tail) String() string { return string(l.text) }

// cpuSeconds is the processor time a process has taken so far.
func cpuSeconds(b *testing.B, pid int) float64 {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatalf("processor time is read from Linux's /proc: %v", err)
	}
	// After the name in brackets: state, then 10 numbers, utime and stime.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var ticks float64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseFloat(f, 64)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return ticks / 100 // USER_HZ
}
