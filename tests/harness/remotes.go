package harness

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sealdav/internal/testserver"
)

// Remote is one [remotes.NAME] of a test's configuration.
type Remote struct {
	Name  string
	URL   string
	SSE   string         // "": no key sse
	Store *testserver.S3 // of an s3 URL; nil otherwise
	More  string         // further lines
}

// Settings are what a test's configuration has under [server]. The zero
// Settings log at debug level and keep listings for a second.
type Settings struct {
	State     string // the state folder; "": none
	ListCache string // "": "1s"
	LogLevel  string // "": "debug"
	More      string // further lines
}

// Config writes a configuration with these remotes, and returns its file and
// the environment it needs. state is the state folder, or "".
func Config(t testing.TB, state string, remotes ...Remote) (file string, env []string) {
	t.Helper()
	return ConfigWith(t, Settings{State: state}, remotes...)
}

// ConfigWith is Config with settings of the server.
func ConfigWith(t testing.TB, set Settings, remotes ...Remote) (file string, env []string) {
	t.Helper()
	dir := t.TempDir()
	var b strings.Builder
	fmt.Fprintf(&b, "[server]\nlog_level = %q\nlist_cache = %q\n%s", cmp.Or(set.LogLevel, "debug"), cmp.Or(set.ListCache, "1s"), set.More)
	if set.State != "" {
		fmt.Fprintf(&b, "state = %q\n", set.State)
	}
	for _, r := range remotes {
		fmt.Fprintf(&b, "\n[remotes.%s]\nurl = %q\n", r.Name, r.URL)
		if r.SSE != "" {
			fmt.Fprintf(&b, "sse = %q\n", r.SSE)
		}
		if s := r.Store; s != nil {
			secret := filepath.Join(dir, r.Name+".secret")
			write(t, secret, StoreSecret(s)+"\n")
			id := "ID_OF_" + strings.ToUpper(r.Name)
			env = append(env, id+"="+s.AccessKey)
			fmt.Fprintf(&b, "endpoint = %q\nregion = %q\npath_style = true\nca_file = %q\naccess_key_id = \"env:%s\"\nsecret_access_key = \"file://%s\"\n",
				s.Endpoint, s.Region, s.CAFile, id, secret)
		}
		b.WriteString(r.More)
	}
	file = filepath.Join(dir, "sealdav.toml")
	write(t, file, b.String())
	return file, env
}

// ServeConfig writes a configuration and serves it.
func ServeConfig(t testing.TB, state string, remotes ...Remote) *Server {
	t.Helper()
	return ServeWith(t, Settings{State: state}, remotes...)
}

// ServeWith is ServeConfig with settings of the server.
func ServeWith(t testing.TB, set Settings, remotes ...Remote) *Server {
	t.Helper()
	file, env := ConfigWith(t, set, remotes...)
	return Serve(t, env, "--config", file)
}

// LocalRemote is a remote in an empty directory; the directory is returned too.
func LocalRemote(t testing.TB, name, sse string) (Remote, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return Remote{Name: name, URL: "file://" + dir, SSE: sse}, dir
}

func write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
