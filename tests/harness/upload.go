package harness

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"testing"
)

// Upload is a PUT under way, for breaking it off in every way there is.
type Upload struct {
	conn    *net.TCPConn
	chunked bool
}

// StartPut sends the head of a PUT. length is its Content-Length; -1 sends
// chunks.
func (s *Server) StartPut(t testing.TB, path string, length int64) *Upload {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	size := fmt.Sprintf("Content-Length: %d", length)
	if length < 0 {
		size = "Transfer-Encoding: chunked"
	}
	_, err = fmt.Fprintf(conn, "PUT %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/octet-stream\r\n%s\r\n\r\n", path, s.Addr, size)
	if err != nil {
		t.Fatal(err)
	}
	return &Upload{conn.(*net.TCPConn), length < 0}
}

// Send sends some of the body. The server may have given up on it already.
func (u *Upload) Send(b []byte) error {
	if !u.chunked {
		_, err := u.conn.Write(b)
		return err
	}
	if _, err := fmt.Fprintf(u.conn, "%x\r\n", len(b)); err != nil {
		return err
	}
	_, err := u.conn.Write(append(b[:len(b):len(b)], "\r\n"...))
	return err
}

// Cut breaks the connection, as a network that goes away does.
func (u *Upload) Cut() {
	_ = u.conn.SetLinger(0) // a reset instead of an orderly end
	_ = u.conn.Close()
}

// End says that nothing more comes, though the body is not complete, and
// returns the status of the answer; 0 if the server just hangs up.
func (u *Upload) End(t testing.TB) int {
	t.Helper()
	if err := u.conn.CloseWrite(); err != nil {
		return 0
	}
	return u.Status()
}

// Status waits for the answer and returns its status; 0 if the server just
// hangs up.
func (u *Upload) Status() int {
	resp, err := http.ReadResponse(bufio.NewReader(u.conn), nil)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}
