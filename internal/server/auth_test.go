package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/bcrypt"

	"sealdav/davfs"
)

func hash(t *testing.T, password string) []byte {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestAuth(t *testing.T) {
	long := strings.Repeat("x", maxPassword)
	users := []User{
		{Name: "alice", Hash: hash(t, "pass:word")},
		{Name: "bob", Hash: hash(t, "ünïcode"), Remotes: []string{"photos"}, ReadOnly: true},
		{Name: "nobody", Hash: hash(t, "p"), Remotes: []string{}},
		{Name: "long", Hash: hash(t, long)},
	}
	s := start(t, Options{Handler: whoami, Users: users})
	for name, tt := range map[string]struct {
		login string
		want  *davfs.Access // nil: 401
	}{
		"right":                  {"alice:pass:word", &davfs.Access{User: "alice"}},
		"right again":            {"alice:pass:word", &davfs.Access{User: "alice"}},
		"bounded":                {"bob:ünïcode", &davfs.Access{User: "bob", Remotes: []string{"photos"}, ReadOnly: true}},
		"no remote":              {"nobody:p", &davfs.Access{User: "nobody", Remotes: []string{}}},
		"with a domain":          {`CORP\alice:pass:word`, &davfs.Access{User: "alice"}},
		"wrong password":         {"alice:password", nil},
		"another's password":     {"bob:pass:word", nil},
		"unknown":                {"mallory:pass:word", nil},
		"empty":                  {":", nil},
		"none":                   {"", nil},
		"longest":                {"long:" + long, &davfs.Access{User: "long"}},
		"too long, same 72 byte": {"long:" + long + "y", nil},
	} {
		t.Run(name, func(t *testing.T) {
			resp := s.do(t, "GET", "/", tt.login, nil)
			if tt.want == nil {
				if resp.StatusCode != http.StatusUnauthorized {
					t.Fatalf("status %d, want 401", resp.StatusCode)
				}
				if got := resp.Header.Get("WWW-Authenticate"); got != `Basic realm="sealdav", charset="UTF-8"` {
					t.Errorf("WWW-Authenticate: %s", got)
				}
				return
			}
			var got davfs.Access
			if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(*tt.want, got); diff != "" {
				t.Errorf("access (-want +got):\n%s", diff)
			}
		})
	}
	for _, secret := range []string{"mallory", "pass:word", "password"} {
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("the log tells %q:\n%s", secret, s.log)
		}
	}
}

func TestEveryMethodNeedsLogin(t *testing.T) {
	s := start(t, Options{Handler: whoami, Users: []User{{Name: "a", Hash: hash(t, "p")}}})
	for _, method := range []string{"GET", "PUT", "DELETE", "PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "options", "XYZ"} {
		if resp := s.do(t, method, "/x", "", nil); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: status %d, want 401", method, resp.StatusCode)
		}
	}
}

func TestOptionsNeedNoLogin(t *testing.T) {
	handler, err := davfs.New(nil, davfs.Options{Prefix: "/dav"})
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, Options{Handler: handler, Users: []User{{Name: "a", Hash: hash(t, "p")}}})
	for _, path := range []string{"/", "/dav/", "/dav/photos/secret", "/other", "*"} {
		req, err := http.NewRequestWithContext(t.Context(), "OPTIONS", s.URL(), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Path = path
		if path == "*" {
			req.URL.Opaque = "*"
		}
		req.SetBasicAuth("a", "wrong")
		resp, err := s.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != 200 || resp.Header.Get("DAV") == "" || resp.ContentLength != 0 {
			t.Errorf("OPTIONS %s: %d %v", path, resp.StatusCode, resp.Header)
		}
	}
}

// newTestAuth is an auth in front of whoami, for those who look inside.
func newTestAuth(t *testing.T, users ...User) *auth {
	t.Helper()
	a, err := newAuth(users, whoami, discard())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestLoginIsRemembered(t *testing.T) {
	a := newTestAuth(t, User{Name: "a", Hash: hash(t, "p")})
	now := time.Unix(0, 0)
	a.now = func() time.Time { return now }
	login := func(password string) bool {
		t.Helper()
		user, err := a.login("a", password)
		if err != nil {
			t.Fatal(err)
		}
		return user != nil
	}
	if login("q") || len(a.logins) != 0 {
		t.Fatal("a wrong password was taken or remembered")
	}
	if !login("p") || len(a.logins) != 1 {
		t.Fatal("a right password was refused or not remembered")
	}

	// With a hash that nothing fits only the memory can say yes.
	a.users["a"] = User{Name: "a", Hash: a.dummy}
	if !login("p") {
		t.Error("a remembered login was checked again")
	}
	if login("q") {
		t.Error("a wrong password was taken for the remembered one")
	}
	now = now.Add(loginTTL)
	if login("p") {
		t.Error("a login is remembered for ever")
	}
}

func TestLoginsAreBounded(t *testing.T) {
	a := newTestAuth(t)
	for i := range 3 * maxLogins {
		a.remember([32]byte{byte(i), byte(i >> 8)})
	}
	if len(a.logins) != maxLogins {
		t.Errorf("%d logins are remembered, want %d", len(a.logins), maxLogins)
	}
}

// TestLoginFlood fills every slot and the queue: the next is turned away, those
// who are logged in are not.
func TestLoginFlood(t *testing.T) {
	a := newTestAuth(t, User{Name: "a", Hash: hash(t, "p")})
	if _, err := a.login("a", "p"); err != nil {
		t.Fatal(err)
	}
	for range cap(a.slots) {
		a.slots <- struct{}{}
	}
	var wg sync.WaitGroup
	for range maxWaiting { // logins that wait for a slot
		a.waiting <- struct{}{}
		wg.Go(func() {
			a.slots <- struct{}{}
			<-a.slots
			<-a.waiting
		})
	}
	get := func(login string) int {
		req := httptest.NewRequest("GET", "/", nil)
		user, password, _ := strings.Cut(login, ":")
		req.SetBasicAuth(user, password)
		w := httptest.NewRecorder()
		a.ServeHTTP(w, req)
		return w.Code
	}
	if got := get("a:guess"); got != http.StatusServiceUnavailable {
		t.Errorf("a login beyond the queue: %d, want 503", got)
	}
	if got := get("a:p"); got != http.StatusOK {
		t.Errorf("who is logged in: %d, want 200", got)
	}
	for range cap(a.slots) {
		<-a.slots
	}
	wg.Wait()
	if got := get("a:guess"); got != http.StatusUnauthorized {
		t.Errorf("after the flood: %d, want 401", got)
	}
}

func TestUnknownUserCostsAsMuch(t *testing.T) {
	a := newTestAuth(t, User{Name: "a", Hash: hash(t, "p")}, User{Name: "b", Hash: hash(t, "p")})
	want, err := bcrypt.Cost(a.users["a"].Hash)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := bcrypt.Cost(a.dummy); err != nil || got != want {
		t.Errorf("cost %d (%v) for who is no user, %d for who is", got, err, want)
	}
	if err := bcrypt.CompareHashAndPassword(a.dummy, []byte("p")); !errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		t.Errorf("the hash of who is no user is not compared: %v", err)
	}
}

func TestConcurrentLogins(t *testing.T) {
	a := newTestAuth(t, User{Name: "a", Hash: hash(t, "p")})
	var wg sync.WaitGroup
	for i := range 4 * maxWaiting {
		wg.Go(func() {
			password := "p"
			if i%2 == 1 {
				password = "q"
			}
			user, err := a.login("a", password)
			if err != nil || (user != nil) != (password == "p") {
				t.Error(fmt.Sprint("login ", password, ": ", user != nil, err))
			}
		})
	}
	wg.Wait()
}
