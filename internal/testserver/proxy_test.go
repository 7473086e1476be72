package testserver_test

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"sealdav/internal/testserver"
)

func TestProxy(t *testing.T) {
	p := testserver.NewProxy(t, testserver.SharedMinIO(t))
	bucket, client := p.NewBucket(t), p.Client(t)
	p.Reset()
	body := bytes.Repeat([]byte("0123456789"), 10_000)
	put := func() error {
		_, err := client.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: &bucket, Key: aws.String("a b+c"), Body: bytes.NewReader(body)})
		return err
	}
	get := func() ([]byte, error) {
		out, err := client.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: &bucket, Key: aws.String("a b+c")})
		if err != nil {
			return nil, err
		}
		defer out.Body.Close()
		return io.ReadAll(out.Body)
	}

	if err := put(); err != nil {
		t.Fatal(err)
	}
	if got, err := get(); err != nil || !bytes.Equal(got, body) {
		t.Fatalf("GET through the proxy: %d bytes, %v", len(got), err)
	}
	if ops := p.Ops(); !slices.Equal(ops, []string{"PutObject", "GetObject"}) {
		t.Errorf("Ops = %q", ops)
	}
	reqs := p.Requests()
	if reqs[0].Sent != int64(len(body)) || reqs[0].Status != 200 || reqs[1].Received != int64(len(body)) {
		t.Errorf("counted %d sent, %d received, status %d", reqs[0].Sent, reqs[1].Received, reqs[0].Status)
	}

	for _, c := range []struct {
		name string
		op   string
		f    testserver.Fault
		want string // in the error
	}{
		{"status", "GetObject", testserver.Fault{Status: 503, Code: "SlowDown"}, "SlowDown"},
		{"cut response", "GetObject", testserver.Fault{CutResponse: 5}, "unexpected EOF"},
		{"cut request", "PutObject", testserver.Fault{CutRequest: 5}, "EOF"},
		{"drop", "PutObject", testserver.Fault{Drop: true}, "EOF"},
		{"drop answer", "PutObject", testserver.Fault{DropAnswer: true}, "EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.SetFault(testserver.OnOp(c.op, 1, c.f))
			do := map[string]func() error{"PutObject": put, "GetObject": func() error { _, err := get(); return err }}[c.op]
			if err := do(); err == nil || !strings.Contains(err.Error(), c.want) && !strings.Contains(err.Error(), "reset") && !strings.Contains(err.Error(), "broken pipe") {
				t.Errorf("first error = %v, want %q in it", err, c.want)
			}
			if err := do(); err != nil {
				t.Errorf("second: %v", err)
			}
		})
	}
	t.Run("wait", func(t *testing.T) {
		release := make(chan struct{})
		asked := make(chan struct{})
		p.SetFault(func(*http.Request) *testserver.Fault {
			close(asked)
			return &testserver.Fault{Wait: release}
		})
		done := make(chan error)
		go func() { done <- put() }()
		<-asked
		select {
		case err := <-done:
			t.Errorf("answered while held: %v", err)
		default:
		}
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
		p.SetFault(nil)
	})
}
