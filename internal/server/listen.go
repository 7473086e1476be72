package server

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
)

// isLoopback reports whether only this machine reaches an address.
func isLoopback(ctx context.Context, listen string) (bool, error) {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false, fmt.Errorf(`listen %q: want an address and a port, such as "127.0.0.1:8080"`, listen)
	}
	if host == "" {
		return false, nil // every address
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return false, fmt.Errorf("listen %s: the host is not known: %w", listen, err)
	}
	for _, ip := range ips {
		if !ip.Unmap().IsLoopback() {
			return false, nil
		}
	}
	return true, nil
}

// refusal is why the server must not listen where it was told to, or nil.
func (o *Options) refusal(loopback bool) error {
	var missing, add []string
	if len(o.Users) == 0 {
		missing = append(missing, "without users anyone could read and change every remote")
		add = append(add, "[users]")
	}
	if o.CertFile == "" {
		missing = append(missing, "without TLS passwords and files would cross the network in the clear")
		add = append(add, "[server.tls]")
	}
	if loopback || o.AllowRemoteWithoutAuth || len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("refusing to listen on %s, which other machines can reach: %s. "+
		"Configure %s, or listen on 127.0.0.1, or set allow_remote_without_auth = true in [server] if something else protects the port",
		o.Listen, strings.Join(missing, ", and "), strings.Join(add, " and "))
}

// localOnly refuses requests whose Host is a name other than this machine's
// own. A server without users trusts whoever reaches loopback, and a web page
// can make a browser reach it under a name that the page's owner resolves to
// 127.0.0.1; then the page could read the files.
func localOnly(public string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		host = strings.ToLower(strings.Trim(host, "[]"))
		switch {
		case host == "", host == "localhost", strings.HasSuffix(host, ".localhost"),
			host == strings.ToLower(public), net.ParseIP(host) != nil:
			next.ServeHTTP(w, r)
		default:
			http.Error(w, "This server has no users and answers to localhost and IP addresses only.\n"+
				"Behind a reverse proxy set base_url in [server] to the address that clients use.", http.StatusMisdirectedRequest)
		}
	})
}
