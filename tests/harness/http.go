package harness

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// Response is an answer, read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// client follows no redirects: WebDAV clients do not for writes.
var client = &http.Client{
	Transport:     &http.Transport{MaxIdleConnsPerHost: 32},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// Do sends a request; header is a list of names and values. What the server
// answers is searched for secrets.
func (s *Server) Do(t testing.TB, method, path string, body []byte, header ...string) Response {
	t.Helper()
	r, err := s.Try(t, method, path, bytes.NewReader(body), header...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Try is Do with a body of any kind, for requests that may break off.
func (s *Server) Try(t testing.TB, method, path string, body io.Reader, header ...string) (Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return Response{}, err
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusPartialContent {
		CheckClean(t, "the answer to "+method+" "+path, got)
	}
	for _, values := range resp.Header {
		CheckClean(t, "the header of the answer to "+method+" "+path, []byte(strings.Join(values, "\n")))
	}
	return Response{resp.StatusCode, resp.Header, got}, err
}

// Want sends a request and fails unless the answer's status is one of want.
func (s *Server) Want(t testing.TB, want []int, method, path string, body []byte, header ...string) Response {
	t.Helper()
	r := s.Do(t, method, path, body, header...)
	for _, w := range want {
		if r.Status == w {
			return r
		}
	}
	t.Fatalf("%s %s = %d, want %v; %s", method, path, r.Status, want, r.Body)
	return r
}

// Put uploads a file.
func (s *Server) Put(t testing.TB, path string, body []byte) {
	t.Helper()
	s.Want(t, []int{201, 204}, "PUT", path, body)
}

// Get downloads a file.
func (s *Server) Get(t testing.TB, path string) []byte {
	t.Helper()
	return s.Want(t, []int{200}, "GET", path, nil).Body
}

// Move and Copy take paths on this server.
func (s *Server) Move(t testing.TB, from, to string) {
	t.Helper()
	s.Want(t, []int{201, 204}, "MOVE", from, nil, "Destination", s.URL+to)
}

// Copy copies a file or a folder.
func (s *Server) Copy(t testing.TB, from, to string) {
	t.Helper()
	s.Want(t, []int{201, 204}, "COPY", from, nil, "Destination", s.URL+to)
}

// Stream is the answer to a GET whose body is for the caller to read and
// close.
func (s *Server) Stream(t testing.TB, path string) (*http.Response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err == nil && resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("GET %s: %s", path, resp.Status)
	}
	return resp, err
}
