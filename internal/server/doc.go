// Package server is what stands between the network and the WebDAV handler:
// the listener and its TLS, the users, the access log, and the end of the
// process, at which uploads that are under way are let finish.
package server
