package server

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sync/singleflight"

	"sealdav/davfs"
)

const (
	// loginTTL is how long a password that was right is not asked of bcrypt
	// again.
	loginTTL = 10 * time.Minute
	// maxLogins bounds the passwords remembered as right.
	maxLogins = 1024
	// maxWaiting bounds the logins that wait for bcrypt.
	maxWaiting = 64
	// maxPassword is the length of the longest password bcrypt takes, in bytes.
	maxPassword = 72
)

// User may log in with the password that Hash is the bcrypt hash of.
type User struct {
	Name     string
	Hash     []byte
	Remotes  []string // nil: all
	ReadOnly bool
}

// errBusy is a login that there is no room to check.
var errBusy = errors.New("too many logins at once")

// auth is HTTP Basic authentication in front of a handler.
type auth struct {
	users map[string]User
	dummy []byte // a hash nobody has the password of, as costly as the users'
	next  http.Handler
	log   *slog.Logger

	secret  [32]byte // keys logins, so that memory holds no plain hash of a password
	checks  singleflight.Group
	slots   chan struct{} // bcrypt computations at once
	waiting chan struct{}
	now     func() time.Time

	mu     sync.Mutex
	logins map[[32]byte]time.Time // right ones, until when
}

func newAuth(users []User, next http.Handler, log *slog.Logger) (*auth, error) {
	a := &auth{
		users: map[string]User{}, next: next, log: log,
		// Half the processors are left to those who are logged in.
		slots:   make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		waiting: make(chan struct{}, maxWaiting),
		now:     time.Now,
		logins:  map[[32]byte]time.Time{},
	}
	_, _ = rand.Read(a.secret[:]) // never fails
	cost := bcrypt.MinCost
	for _, u := range users {
		c, err := bcrypt.Cost(u.Hash)
		if err != nil {
			return nil, fmt.Errorf("user %s: the password hash is not bcrypt's", u.Name)
		}
		cost = max(cost, c)
		a.users[u.Name] = u
	}
	a.dummy = dummyHash(cost)
	return a, nil
}

// dummyHash makes a bcrypt hash out of nothing: whether a password fits is
// found out at the same cost as for any other, and none does. The letters are
// of a salt, which has 22, and of a hash, which has 31.
func dummyHash(cost int) []byte {
	letters := rand.Text() + rand.Text() + rand.Text()
	return fmt.Appendf(nil, "$2a$%02d$%s", cost, letters[:22+31])
}

func (a *auth) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodOptions {
		a.options(w, r)
		return
	}
	name, password, ok := r.BasicAuth()
	if !ok {
		refuse(w)
		return
	}
	user, err := a.login(account(name), password)
	switch {
	case err != nil:
		w.Header().Set("Retry-After", "5")
		http.Error(w, "Too many logins at once; try again.", http.StatusServiceUnavailable)
		return
	case user == nil:
		// The name is told only if it is a user's: people type passwords there.
		if _, known := a.users[account(name)]; !known {
			name = "(unknown)"
		}
		a.log.Warn("login refused", "user", account(name), "client", clientIP(r))
		refuse(w)
		return
	}
	noteUser(r.Context(), user.Name)
	access := davfs.Access{User: user.Name, Remotes: user.Remotes, ReadOnly: user.ReadOnly}
	a.next.ServeHTTP(w, r.WithContext(davfs.WithAccess(r.Context(), access)))
}

// options answers OPTIONS without a login, as Windows asks before it has one.
// Whoever asks sees no remote.
func (a *auth) options(w http.ResponseWriter, r *http.Request) {
	nobody := davfs.Access{Remotes: []string{}, ReadOnly: true}
	a.next.ServeHTTP(w, r.WithContext(davfs.WithAccess(r.Context(), nobody)))
}

func refuse(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Basic realm="sealdav", charset="UTF-8"`)
	http.Error(w, "Log in with a user and a password.", http.StatusUnauthorized)
}

// account is a user's name without the Windows domain before it.
func account(name string) string {
	return name[strings.LastIndexByte(name, '\\')+1:]
}

// login returns the user whose name and password are given, or nil. The error
// is errBusy.
func (a *auth) login(name, password string) (*User, error) {
	mac := hmac.New(sha256.New, a.secret[:])
	fmt.Fprintf(mac, "%d:%s%s", len(name), name, password)
	key := [32]byte(mac.Sum(nil))

	user, known := a.users[name]
	if known && a.remembered(key) {
		return &user, nil
	}
	// Clients open several connections at once: they wait for one check, which
	// therefore does not end with the first of them.
	right, err, _ := a.checks.Do(string(key[:]), func() (any, error) {
		return a.check(name, password)
	})
	if err != nil || right != true {
		return nil, err
	}
	a.remember(key)
	return &user, nil
}

// check compares a password with the hash of its user. An unknown user takes
// as long as a known one.
func (a *auth) check(name, password string) (bool, error) {
	select {
	case a.waiting <- struct{}{}:
		defer func() { <-a.waiting }()
	default:
		return false, errBusy
	}
	a.slots <- struct{}{}
	defer func() { <-a.slots }()
	user, known := a.users[name]
	hash := user.Hash
	if !known {
		hash = a.dummy
	}
	// bcrypt would compare the first 72 bytes of a longer one.
	long := len(password) > maxPassword
	if long {
		password = password[:maxPassword]
	}
	err := bcrypt.CompareHashAndPassword(hash, []byte(password))
	return err == nil && known && !long, nil
}

func (a *auth) remembered(key [32]byte) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	until, ok := a.logins[key]
	return ok && a.now().Before(until)
}

func (a *auth) remember(key [32]byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if len(a.logins) >= maxLogins {
		for k, until := range a.logins {
			if !now.Before(until) {
				delete(a.logins, k)
			}
		}
	}
	for k := range a.logins { // still full: any one makes room
		if len(a.logins) < maxLogins {
			break
		}
		delete(a.logins, k)
	}
	a.logins[key] = now.Add(loginTTL)
}
