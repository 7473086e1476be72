package config

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"golang.org/x/crypto/bcrypt"

	"sealdav/sse"
)

// minCost is the bcrypt cost under which a hash is warned of.
const minCost = 10

// check looks for what is wrong with values that were read.
func (c *Config) check(b *binder) {
	c.checkServer(b)
	c.checkUsers(b)
	c.checkRemotes(b)
	if len(c.Remotes) == 0 && !b.has("remotes") {
		b.find(nil, `there are no remotes; write a table such as [remotes.photos] with url = "s3://bucket/prefix"`)
	}
}

func (c *Config) checkServer(b *binder) {
	s, key := &c.Server, toml.Key{"server"}
	if _, _, err := net.SplitHostPort(s.Listen); err != nil {
		b.find(sub(key, "listen"), `is not an address and a port; write it like "127.0.0.1:8080"`)
	}
	if s.State != "" && !strings.HasPrefix(s.State, "/") {
		b.find(sub(key, "state"), "want an absolute path")
	}
	if !s.Locks.IsZero() {
		b.find(sub(key, "locks"), "%v", checkLocks(s.Locks.Reveal()))
	}
	if s.MaxTransferMemory < minTransferMemory {
		b.find(sub(key, "max_transfer_memory"), "is less than %d MiB, which one upload needs", minTransferMemory>>20)
	}
	tls := sub(key, "tls")
	switch t := s.TLS; {
	case len(t.ACME) > 0 && (t.Cert != "" || t.Key != ""):
		b.find(sub(tls, "acme"), "acme and cert, key exclude each other")
	case b.has("server", "tls", "acme"):
		b.find(sub(tls, "acme"), "is not available in this version; set cert and key")
	case t.Cert == "" && t.Key != "":
		b.find(sub(tls, "key"), "also needs cert")
	case t.Cert != "" && t.Key == "":
		b.find(sub(tls, "cert"), "also needs key")
	case t.Cert == "" && b.has(tls...):
		b.find(tls, "needs cert and key")
	}
}

// minTransferMemory is what uploading one object takes: a part on its way and
// one being filled.
const minTransferMemory = 32 << 20

// checkLocks says why a URL of shared locks cannot be used. It does not repeat
// it: it may hold a password.
func checkLocks(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "redis" && u.Scheme != "rediss" {
		return errors.New("is not a redis:// URL")
	}
	return errors.New("shared locks are not available in this version; leave the key out, and locks are kept in state, or in memory")
}

func (c *Config) checkUsers(b *binder) {
	for _, u := range c.Users {
		key := toml.Key{"users", u.Name}
		if u.Name == "" || strings.ContainsFunc(u.Name, func(r rune) bool { return r < ' ' || r == 0x7f || r == ':' || r == '\\' }) {
			b.find(key, `a user's name must not be empty or hold ":", "\" or control characters`)
		}
		hash := sub(key, "password_hash")
		switch cost, err := bcrypt.Cost([]byte(u.PasswordHash.Reveal())); {
		case u.PasswordHash.IsZero() && !b.failed(hash):
			b.find(key, "needs password_hash; make one with sealdav hash-password")
		case u.PasswordHash.IsZero():
		case err != nil:
			b.find(hash, "is not a bcrypt hash; make one with sealdav hash-password")
		case cost < minCost:
			b.warn(hash, "has bcrypt cost %d, which is quickly guessed at; make a new one with sealdav hash-password", cost)
		}
		for _, name := range u.Remotes {
			if !slices.ContainsFunc(c.Remotes, func(r Remote) bool { return r.Name == name }) {
				b.find(sub(key, "remotes"), "there is no remote %s", shown(toml.Key{name}))
			}
		}
	}
}

func (c *Config) checkRemotes(b *binder) {
	folded := map[string]string{}
	for i := range c.Remotes {
		r := &c.Remotes[i]
		key := toml.Key{"remotes", r.Name}
		if err := checkRemoteName(r.Name); err != nil {
			b.find(key, "the name %v", err)
		}
		if other, ok := folded[strings.ToLower(r.Name)]; ok {
			b.warn(key, "differs from %s in case only, which Windows and macOS do not tell apart", shown(toml.Key{"remotes", other}))
		}
		folded[strings.ToLower(r.Name)] = r.Name
		if r.URL.Scheme == "" {
			if !b.failed(sub(key, "url")) {
				b.find(key, `needs url = "s3://bucket/prefix" (or gs://, az://, file:///)`)
			}
			continue // nothing else means anything without it
		}
		r.checkKeys(b, key)
		r.checkCredentials(b, key)
		r.checkEncryption(b, key)
	}
}

var remoteName = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._~-]*$`)

// checkRemoteName says why name cannot be a folder's on every client.
func checkRemoteName(name string) error {
	switch {
	case !remoteName.MatchString(name):
		return errors.New("must be of letters, digits and -._~ and not begin with a dot or ~")
	case len(name) > 64:
		return errors.New("is longer than 64 bytes")
	case strings.HasSuffix(name, "."):
		return errors.New("ends in a dot, which Windows drops")
	}
	return nil
}

// checkKeys looks for keys that mean nothing for the remote's store, and for
// wrong values of those that do.
func (r *Remote) checkKeys(b *binder, key toml.Key) {
	for _, f := range fieldsOf(reflect.TypeFor[Remote]()) {
		name := f.Tag.Get("toml")
		if b.has(sub(key, name)...) && !goodFor(f, r.URL.Kind()) {
			b.find(sub(key, name), "is not for %s:// remotes, only for %s", r.URL.Scheme, strings.ReplaceAll(f.Tag.Get("for"), " ", ", "))
		}
	}
	if r.Checksums != "" && !slices.Contains(checksums, r.Checksums) {
		b.find(sub(key, "checksums"), "use one of %s", strings.Join(checksums, ", "))
	}
	if r.Litter != "" && !slices.Contains(litters, r.Litter) {
		b.find(sub(key, "litter"), "use one of %s", strings.Join(litters, ", "))
	}
	if n := r.ReadConcurrency; b.has(sub(key, "read_concurrency")...) && !b.failed(sub(key, "read_concurrency")) && (n < 1 || n > maxReadConcurrency) {
		b.find(sub(key, "read_concurrency"), "is not between 1 and %d", maxReadConcurrency)
	}
	if r.Quota > 0 && r.MeasureUsage == 0 {
		if b.has(sub(key, "measure_usage")...) {
			b.find(sub(key, "quota"), "needs measure_usage: what the remote holds has to be counted")
		}
		r.MeasureUsage = defaultMeasureUsage
	}
	if r.MeasureUsage > 0 && r.MeasureUsage < time.Minute {
		b.find(sub(key, "measure_usage"), "is less than a minute; each time the whole remote is listed")
	}
	if r.CAFile != "" {
		if err := checkCAFile(r.CAFile); err != nil {
			b.find(sub(key, "ca_file"), "%v", err)
		}
	}
	if r.CredentialsFile != "" {
		if _, err := os.Stat(r.CredentialsFile); err != nil {
			b.find(sub(key, "credentials_file"), "%v", err)
		}
	}
}

// checksums are the values of a remote's key of that name.
var checksums = []string{"auto", "when_supported", "when_required"}

// maxReadConcurrency is as many buffers as the default memory for transfers has.
const maxReadConcurrency = 16

// defaultMeasureUsage is how often a remote with a quota is measured.
const defaultMeasureUsage = time.Hour

// litters are the values of a remote's key litter.
var litters = []string{"store", "hide", "refuse"}

func checkCAFile(path string) error {
	pem, err := readFile(path, maxFile)
	if err != nil {
		return err
	}
	if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s holds no PEM certificate", path)
	}
	return nil
}

// checkEncryption reads the remote's settings.
func (r *Remote) checkEncryption(b *binder, key toml.Key) {
	if b.has(key...) {
		key = sub(key, "sse")
	} else {
		key = toml.Key{r.Name} // from the command line
	}
	set, warnings, err := r.settings(b.env)
	for _, w := range warnings {
		b.warn(key, "%s", strings.TrimPrefix(w, "sse: "))
	}
	if err != nil {
		for _, e := range split(err) {
			b.findOption(key, e)
		}
		return
	}
	r.Settings = set
	r.warnOfVariable(b, key)
	if r.sseIsLiteral() {
		b.literals = append(b.literals, shown(key))
	}
	if r.URL.Store == sse.Local {
		return // no network to send a key over
	}
	scheme := r.endpoint(b.env).Scheme()
	if scheme == "" {
		scheme = "https" // the clouds' own
	}
	if err := set.CheckEndpoint(scheme, r.InsecureKeysOverHTTP); err != nil {
		b.findOption(key, err)
	}
}

// findOption finds what is wrong with an option of sse, which has a place of
// its own where key is a table.
func (b *binder) findOption(key toml.Key, err error) {
	at := key
	if option, ok := errors.AsType[*sse.Error](err); ok {
		for _, name := range []string{strings.TrimLeft(option.Option, "-"), option.Option} {
			if inside := sub(key, name); b.has(inside...) {
				at = inside
			}
		}
	}
	b.find(at, "%s", strings.TrimPrefix(err.Error(), "sse: "))
}

// warnOfVariable tells of options that are set for the other scheme of a store.
func (r *Remote) warnOfVariable(b *binder, key toml.Key) {
	mine, other := sse.Variable(r.URL.Scheme), sse.Variable(r.URL.Kind())
	if r.SSE != nil || mine == other {
		return
	}
	_, set := b.env(mine)
	if options, _ := b.env(other); !set && options != "" {
		b.warn(key, "%s is set, but %s:// remotes go by %s, which is not: this one has no options", other, r.URL.Scheme, mine)
	}
}

// sseIsLiteral reports whether the file itself holds a customer key.
func (r *Remote) sseIsLiteral() bool {
	if !r.Settings.HasCustomerKeys() {
		return false
	}
	kept := func(s string) bool { return !reference.MatchString(s) }
	switch v := r.SSE.(type) {
	case string:
		if !kept(v) {
			return false
		}
		for _, m := range keyOption.FindAllStringSubmatch(v, -1) {
			if kept(m[1]) {
				return true
			}
		}
	case map[string]any:
		for name, value := range v {
			list, _ := stringList(value)
			if s, ok := value.(string); ok {
				list = []string{s}
			}
			if strings.HasSuffix(name, "c-key") && slices.ContainsFunc(list, kept) {
				return true
			}
		}
	}
	return false
}

// reference matches a key that is kept elsewhere.
var reference = regexp.MustCompile(`^(env:|fileb?://)`)

// keyOption finds the options that take a customer key, and the begin of its
// value.
var keyOption = regexp.MustCompile(`-c-key(?:\s*=\s*|\s+)['"]?(\S+)`)

// failed reports whether key has a finding already.
func (b *binder) failed(key toml.Key) bool {
	return slices.ContainsFunc(b.findings, func(f Finding) bool { return f.Key == shown(key) })
}

// sub is a key inside a table.
func sub(key toml.Key, name string) toml.Key { return append(slices.Clone(key), name) }

// split is the errors that were joined in err.
func split(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}
