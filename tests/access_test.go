package tests

import (
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"testing"

	"sealdav/tests/harness"
)

// TestUsers serves remotes to people who may do different things with them.
func TestUsers(t *testing.T) {
	passwords := map[string]string{"alice": "correct horse battery", "bob": "staple tuxedo lamp"}
	hashes := map[string]string{}
	for user, password := range passwords {
		harness.Canary("a password", []byte(password))
		r := harness.RunInput(t, password+"\n", nil, "hash-password")
		if r.Code != 0 {
			t.Fatalf("hash-password: exit status %d: %s", r.Code, r.Stderr)
		}
		hashes[user] = strings.TrimSpace(r.Stdout)
		harness.Canary("a password's hash", []byte(hashes[user]))
	}
	photos, _ := harness.LocalRemote(t, "photos", harness.NewKey(t).Write())
	papers, _ := harness.LocalRemote(t, "papers", "")
	papers.More = fmt.Sprintf("\n[users.alice]\npassword_hash = %q\nremotes = [\"photos\"]\n\n[users.bob]\npassword_hash = %q\nread_only = true\n",
		hashes["alice"], hashes["bob"])
	s := harness.ServeConfig(t, "", photos, papers)

	auth := func(user, password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
	}
	alice, bob := auth("alice", passwords["alice"]), auth("bob", passwords["bob"])
	s.Want(t, []int{201}, "PUT", "/photos/f", []byte("a photo"), "Authorization", alice)
	for _, c := range []struct {
		who, auth, method, path string
		want                    []int
	}{
		{"nobody", "", "GET", "/photos/f", []int{401}},
		{"nobody", "", "OPTIONS", "/", []int{200, 401}},
		{"nobody", "", "PUT", "/photos/f", []int{401}},
		{"a wrong password", auth("alice", passwords["bob"]), "GET", "/photos/f", []int{401}},
		{"an unknown user", auth("eve", passwords["bob"]), "GET", "/photos/f", []int{401}},
		{"alice", alice, "GET", "/photos/f", []int{200}},
		{"alice", alice, "GET", "/papers/", []int{403, 404}},
		{"alice", alice, "PUT", "/papers/f", []int{403, 404, 409}},
		{"bob", bob, "GET", "/photos/f", []int{200}},
		{"bob", bob, "PUT", "/photos/f", []int{403}},
		{"bob", bob, "DELETE", "/photos/f", []int{403}},
		{"bob", bob, "MKCOL", "/papers/d", []int{403}},
		{"bob", bob, "MOVE", "/photos/f", []int{403}},
		{"bob", bob, "COPY", "/photos/f", []int{403}},
	} {
		header := []string{"Destination", s.URL + "/papers/g"}
		if c.auth != "" {
			header = append(header, "Authorization", c.auth)
		}
		var body []byte
		if c.method == "PUT" {
			body = []byte("x")
		}
		if r := s.Do(t, c.method, c.path, body, header...); !has(c.want, r.Status) {
			t.Errorf("%s: %s %s = %d, want %v", c.who, c.method, c.path, r.Status, c.want)
		}
	}
	list := s.Want(t, []int{207}, "PROPFIND", "/", nil, "Depth", "1", "Authorization", alice)
	if body := string(list.Body); !strings.Contains(body, "/photos/") || strings.Contains(body, "/papers/") {
		t.Errorf("alice sees:\n%s", body)
	}
	same(t, "the photo", s.Want(t, []int{200}, "GET", "/photos/f", nil, "Authorization", bob).Body, []byte("a photo"))
}

func has(list []int, n int) bool {
	for _, v := range list {
		if v == n {
			return true
		}
	}
	return false
}

// TestReadOnlyRemote takes no writes, whoever asks.
func TestReadOnlyRemote(t *testing.T) {
	remote, dir := harness.LocalRemote(t, "drive", "")
	if err := os.WriteFile(dir+"/f", []byte("as it was"), 0o600); err != nil {
		t.Fatal(err)
	}
	remote.More = "read_only = true\n"
	s := harness.ServeConfig(t, "", remote)
	for _, method := range []string{"PUT", "DELETE", "MKCOL", "MOVE", "COPY", "PROPPATCH"} {
		path := map[string]string{"MKCOL": "/drive/d"}[method]
		if path == "" {
			path = "/drive/f"
		}
		if r := s.Do(t, method, path, nil, "Destination", s.URL+"/drive/g"); r.Status != 403 && method != "PROPPATCH" || r.Status < 400 {
			t.Errorf("%s = %d, want 403", method, r.Status)
		}
	}
	same(t, "the file", s.Get(t, "/drive/f"), []byte("as it was"))
}

// TestRefusesOpenDoor must not listen beyond loopback for everybody.
func TestRefusesOpenDoor(t *testing.T) {
	remote, _ := harness.LocalRemote(t, "drive", "")
	file, env := harness.Config(t, "", remote)
	for _, listen := range []string{"0.0.0.0:0", ":0", "[::]:0"} {
		wantRefusal(t, harness.Run(t, env, "serve", "--config", file, "--listen", listen), "allow_remote_without_auth")
	}
}
