package config

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"sealdav/providers/azure"
	"sealdav/sse"
)

// Load reads and checks the file at path. Warnings are told to a person and
// do not keep the configuration from being used; the error, if it is not about
// reading the file, is Findings.
func Load(path string, env Env) (*Config, Findings, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, fmt.Errorf("configuration: %w", err)
	}
	data, err := readFile(path, maxFile)
	if err != nil {
		return nil, nil, fmt.Errorf("configuration: %w", err)
	}
	return parse(path, data, info.Mode(), env)
}

// parse is Load once the file, of the given mode, has been read.
func parse(file string, data []byte, mode os.FileMode, env Env) (*Config, Findings, error) {
	var top table
	md, err := toml.Decode(string(data), &top)
	if err != nil {
		return nil, nil, Findings{syntaxFinding(file, string(data), err)}
	}
	b := &binder{file: file, text: string(data), env: env, md: md, places: map[string]place{}}
	c := defaults()
	b.bindTable(nil, top, reflect.ValueOf(&c).Elem())
	c.check(b)
	if mode.Perm()&0o077 != 0 && len(b.literals) > 0 {
		slices.Sort(b.literals)
		b.warn(nil, "holds secrets (%s) and can be read by other users of this machine: run chmod 600 %s, or move them out with env:NAME or file:///path",
			b.literals[0]+more(len(b.literals)-1), file)
	}
	if len(b.findings) > 0 {
		return nil, b.warnings.sorted(), b.findings.sorted()
	}
	return &c, b.warnings.sorted(), nil
}

func more(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}

// quoted finds what the library's messages repeat of a file: text in double
// quotes, and numbers.
var quoted = regexp.MustCompile(`"[^"]*"|[0-9]{5,}`)

// syntaxFinding is a file that is no TOML. Only the message is taken from the
// library, without what it repeats of the file.
func syntaxFinding(file, text string, err error) Finding {
	pe, ok := errors.AsType[toml.ParseError](err)
	if !ok {
		return Finding{File: file, Message: "is not TOML"}
	}
	at := placeOf(text, pe.Position.Start)
	f := Finding{File: file, Line: at.line, Col: at.col}
	f.Message = quoted.ReplaceAllString(pe.Message, "(not shown)")
	if strings.HasPrefix(pe.Message, "expected value but found") {
		f.Message += `; a text is written in quotes`
	}
	return f
}

// FromURLs makes a configuration of nothing but the remotes that urls name,
// each under the name of its bucket or last folder.
func FromURLs(urls []string, env Env) (*Config, Findings, error) {
	b := &binder{env: env, places: map[string]place{}}
	c := defaults()
	from := map[string]string{}
	for i, text := range urls {
		u, err := ParseURL(text)
		if err != nil {
			// The text is not repeated: it may hold credentials.
			b.find(nil, "argument %d %v", i+1, err)
			continue
		}
		name := u.Name()
		switch other, taken := from[name]; {
		case taken:
			b.find(nil, "%s and %s would both be served as /%s/; name them apart in a configuration file", other, u, name)
			continue
		case checkRemoteName(name) != nil:
			b.find(nil, "%s cannot be served under its own name, which %v; name it in a configuration file", u, checkRemoteName(name))
			continue
		}
		from[name] = u.String()
		c.Remotes = append(c.Remotes, Remote{Name: name, URL: u})
	}
	c.checkRemotes(b)
	if len(b.findings) > 0 {
		return nil, b.warnings, b.findings
	}
	return &c, b.warnings, nil
}

// settings reads a remote's own sse, even an empty one, or else the variable
// of its scheme.
func (r *Remote) settings(env Env) (set sse.Settings, warnings []string, err error) {
	switch v := r.SSE.(type) {
	case nil:
		set, warnings, _, err = sse.FromEnvironment(r.URL.Scheme, env)
	case string:
		set, warnings, err = sse.Parse(r.URL.Store, v, env)
	case map[string]any:
		set, warnings, err = sse.ParseTable(r.URL.Store, v, env)
	default:
		err = fmt.Errorf("want a string or a table, not %s", typeName(v))
	}
	return set, warnings, err
}

// endpoint is where the remote's requests go, as far as the configuration and
// the SDKs' variables tell: a URL, or "" for the cloud's own.
func (r *Remote) endpoint(env Env) HTTPURL {
	if r.Endpoint != "" {
		return r.Endpoint
	}
	var text string
	switch r.URL.Store {
	case sse.S3:
		service, _ := env("AWS_ENDPOINT_URL_S3")
		all, _ := env("AWS_ENDPOINT_URL")
		text = cmp.Or(service, all)
	case sse.GCS:
		if host, _ := env("STORAGE_EMULATOR_HOST"); host != "" {
			text = host
			if !strings.Contains(host, "://") {
				text = "http://" + host // as the client library reads it
			}
		}
	case sse.Azure:
		connection := r.ConnectionString.Reveal()
		if r.Account == "" && connection == "" {
			connection, _ = env("AZURE_STORAGE_CONNECTION_STRING")
		}
		switch {
		case connection != "":
			text, _ = azure.CheckConnectionString(connection)
		case r.Account == "":
			text, _ = env("AZURE_STORAGE_BLOB_ENDPOINT")
		}
	}
	var u HTTPURL
	_ = u.UnmarshalText([]byte(text)) // the SDK tells what is wrong with its variable
	return u
}
