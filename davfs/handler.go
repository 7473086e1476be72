package davfs

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"sealdav/davfs/locks"
)

// Handler serves remotes over WebDAV (RFC 4918, class 1 and 2) and to
// browsers. It is safe for concurrent use.
//
// It answers every method itself and leaves none to webdav.Handler of
// golang.org/x/net, which on a bucket would lose data (MOVE deletes its target
// first, an interrupted PUT is kept), hide failures (a store that is away reads
// as "not found"), ask the store once or more for each member of a folder, and
// forget properties. Who wants x/net's handler all the same has FileSystem.
//
// PROPFIND takes the depths 0 and 1; infinity is refused with 403
// propfind-finite-depth, unless Options.PropfindInfinity allows it. It is
// answered from one listing, as that arrives. A store that fails before the
// answer has begun is a status; later the connection is broken, so that no half
// is taken for the whole.
//
// A read takes up to 16 ranges; those that overlap are one. Conditions on entity
// tags are decided by the store in the same request, and here only where no
// store can, such as for a list of them; what is then changed or deleted is the
// version that they held for. Those on dates are decided here, on
// what the store has opened: the time that clients are told may be one that a
// client has set.
//
// Locks are exclusive or shared, of depth 0 or infinity, for at most a day
// (10 minutes unless asked for), after which their client has to refresh them.
// They last as long as a request that was made under them. A token is honoured
// only for the user who took the lock, and shown to no other. A DELETE or MOVE
// of a folder needs the tokens of all locks inside. Locks end with what they
// are on and do not travel with it.
//
// Dead properties, and the times and attributes that Windows sets on every file
// it writes, are kept with the object; see "Properties" in the documentation of
// the package.
type Handler struct {
	prefix  string
	baseURL string
	deep    bool // PROPFIND of depth infinity is answered
	forest  *forest
	locks   locks.System
	log     *slog.Logger
	idle    time.Duration // idleTimeout, unless a test cannot wait for it
}

// New returns a Handler for remotes. It makes no request to their stores.
func New(remotes []Remote, opts Options) (*Handler, error) {
	f, err := newForest(remotes, opts)
	if err != nil {
		return nil, err
	}
	h := &Handler{
		prefix:  cleanPrefix(opts.Prefix),
		baseURL: opts.BaseURL,
		forest:  f,
		deep:    opts.PropfindInfinity,
		locks:   opts.Locks,
		log:     opts.Logger,
		idle:    idleTimeout,
	}
	if h.locks == nil {
		h.locks = locks.NewMemory()
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	return h, nil
}

// request is one request on its way through the Handler.
type request struct {
	place
	h         *Handler
	w         *responseWriter
	r         *http.Request
	access    Access
	above     string   // of a PROPFIND above the prefix: its path, with a slash at its end
	ifTag     string   // the entity tag by which the If header holds
	submitted []string // the tokens in the If header
	held      []func() // release the locks that the request was made under
	rooms     map[*tree]usage
	owners    int // bytes of owners of locks in the answer
}

// methods is how each HTTP method but OPTIONS is served. An error that it
// returns becomes the answer. Whether the user may write is decided by the
// trees, before they touch anything.
var methods = map[string]func(*request) error{
	http.MethodGet:    (*request).get,
	http.MethodHead:   (*request).get,
	http.MethodPut:    (*request).put,
	http.MethodDelete: (*request).delete,
	"MKCOL":           (*request).mkcol,
	"COPY":            (*request).copy,
	"MOVE":            (*request).move,
	"PROPFIND":        (*request).propfind,
	"PROPPATCH":       (*request).proppatch,
	"LOCK":            (*request).lock,
	"UNLOCK":          (*request).unlock,
}

const allow = "OPTIONS, GET, HEAD, PUT, DELETE, MKCOL, COPY, MOVE, PROPFIND, PROPPATCH, LOCK, UNLOCK"

// ServeHTTP answers one request. What the user may do is taken from the
// request's context, where WithAccess has put it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := &request{h: h, r: r, access: AccessOf(r.Context())}
	q.w = &responseWriter{ResponseWriter: w, c: http.NewResponseController(w), idle: h.idle}
	defer q.end()
	if err := q.serve(); err != nil {
		q.fail(err)
	}
}

func (q *request) serve() error {
	if q.r.Method == http.MethodOptions {
		return q.options()
	}
	serve, ok := methods[q.r.Method]
	if !ok {
		return &statusError{code: http.StatusMethodNotAllowed}
	}
	if err := q.checkForm(); err != nil {
		return err
	}
	var err error
	q.place, err = q.resolve(q.r.URL.Path)
	if errors.Is(err, fs.ErrNotExist) {
		switch q.r.Method {
		case http.MethodPut, "MKCOL", "LOCK": // what would be made lacks a parent
			return errNoRemote
		case "PROPFIND":
			above := strings.TrimRight(q.r.URL.Path, "/") + "/"
			if strings.HasPrefix(q.h.prefix, above) {
				q.above = above
				return q.propfind()
			}
		}
	}
	if err != nil {
		return err
	}
	return q.spelled(serve)
}

// resolve finds the place of a decoded URL path for the user.
func (q *request) resolve(urlPath string) (place, error) {
	name, ok := splitPrefix(q.h.prefix, urlPath)
	if !ok {
		return place{}, fs.ErrNotExist
	}
	return q.h.forest.resolve(q.r.Context(), name)
}

// lockPath is what package locks calls the place.
func (p place) lockPath() string {
	switch {
	case p.isRoot():
		return "/"
	case p.path == "":
		return "/" + p.tree.remote.Name
	}
	return "/" + p.tree.remote.Name + "/" + p.path
}

// appendHref writes the URL path of what lies at path in t, fit for XML; nil is
// the root of all remotes.
func (h *Handler) appendHref(b []byte, t *tree, path string, dir bool) []byte {
	b = append(appendEscaped(b, h.prefix), '/')
	if t == nil {
		return b
	}
	b = appendEscaped(b, t.remote.Name)
	if path != "" {
		b = appendEscaped(append(b, '/'), path)
	}
	if dir || path == "" {
		b = append(b, '/')
	}
	return b
}

// options answers at every URL, "*" and the host's root among them, whether
// anything is there or not: Windows asks the root of the host before it mounts
// a folder below it, and macOS mounts read-only unless 2 is a token of DAV.
func (q *request) options() error {
	header := q.w.Header()
	// As RFC 4918 spells them, for clients that compare by the letter.
	header["DAV"] = []string{"1, 2"}
	header["MS-Author-Via"] = []string{"DAV"}
	header.Set("Allow", allow)
	header.Set("Accept-Ranges", "bytes")
	header.Set("Content-Length", "0")
	q.w.WriteHeader(http.StatusOK)
	return nil
}

// end releases what the request held. A panic is the server's to answer.
func (q *request) end() {
	for _, release := range q.held {
		release()
	}
	q.w.renew() // the server has yet to send what it has buffered
}

// idleTimeout is how long a client may take over the next bytes of a request
// body, or leave the next of an answer unread. macOS and Windows give up long
// before; a client that is gone without a word would otherwise hold its
// upload's buffers, or a connection to the store and its locks, for ever.
const idleTimeout = 5 * time.Minute

// responseWriter notes whether the answer has begun, and whether the client
// was there to take it. It writes under a deadline that each write renews; the
// server takes it off after the request.
type responseWriter struct {
	http.ResponseWriter
	c     *http.ResponseController // of the ResponseWriter
	idle  time.Duration
	began bool
	gone  bool
}

// renew gives the client its time for the next bytes. A ResponseWriter without
// deadlines belongs to a server that sets its own.
func (w *responseWriter) renew() { _ = w.c.SetWriteDeadline(time.Now().Add(w.idle)) }

func (w *responseWriter) WriteHeader(code int) {
	w.began = w.began || code >= http.StatusOK
	w.renew()
	w.ResponseWriter.WriteHeader(code)
}

func (w *responseWriter) Write(p []byte) (int, error) {
	w.began = true
	w.renew()
	n, err := w.ResponseWriter.Write(p)
	w.gone = w.gone || err != nil
	return n, err
}

// Unwrap is for http.ResponseController.
func (w *responseWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// body is the request's body under a read deadline that each read renews. It
// hides everything but Read, so that nobody can copy around it.
type body struct {
	r *http.Request
	w *responseWriter
}

func (q *request) body() *body { return &body{r: q.r, w: q.w} }

func (b *body) Read(p []byte) (int, error) {
	_ = b.w.c.SetReadDeadline(time.Now().Add(b.w.idle)) // as in renew
	n, err := b.r.Body.Read(p)
	if err != nil {
		// The server watches the connection while the store finishes its work:
		// that must not run into the deadline.
		_ = b.w.c.SetReadDeadline(time.Time{})
	}
	return n, err
}
