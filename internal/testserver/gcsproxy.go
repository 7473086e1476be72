package testserver

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
)

// GCSOp names a request as the JSON API's methods are named.
func (r Request) GCSOp() string {
	parts := splitGCS(r.Path)
	at := func(i int) string {
		if i < len(parts) {
			return parts[i]
		}
		return ""
	}
	switch {
	case at(0) == "token":
		return "token"
	case at(0) == "upload" && r.Method == http.MethodPost:
		if r.Query.Get("uploadType") == "resumable" {
			return "startUpload"
		}
		return "insert"
	case at(0) == "upload" && r.Method == http.MethodPut:
		return "upload"
	case at(0) == "upload":
		return "cancelUpload"
	case at(0) == "storage" && len(parts) == 5:
		return "list"
	case at(0) == "storage" && at(6) == "rewriteTo":
		return "rewrite"
	case at(0) == "storage" && r.Method == http.MethodDelete:
		return "delete"
	case at(0) == "storage" && r.Query.Get("alt") == "media":
		return "readJSON"
	case at(0) == "storage":
		return "describe"
	case len(parts) == 1 && r.Method == http.MethodPost && r.Query.Has("delete"):
		return "deleteMany"
	case len(parts) == 2 && r.Method == http.MethodGet:
		return "read"
	}
	return r.Method + " " + r.Path
}

// Ops returns the names of the requests, in the order they came.
func (s *GCS) Ops() []string {
	var ops []string
	for _, r := range s.Requests() {
		ops = append(ops, r.GCSOp())
	}
	return ops
}

// OnGCSOp is a hook for SetFault that gives the nth request (from 1) named op,
// and all later ones where n is 0, the fault f.
func OnGCSOp(op string, n int, f Fault) func(*http.Request) *Fault {
	var seen atomic.Int64
	return func(r *http.Request) *Fault {
		req := Request{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.Query(), Header: r.Header}
		if req.GCSOp() != op || n != 0 && seen.Add(1) != int64(n) {
			return nil
		}
		return &f
	}
}

func (s *GCS) serve(w http.ResponseWriter, r *http.Request) {
	r, x := s.enter(r)
	w = counted{w, x}
	op := x.request.GCSOp()
	style := styleJSON
	switch op {
	case "read", "deleteMany":
		style = styleXML
	case "readJSON":
		style = styleText
	}
	if f := x.fault; f.Status != 0 {
		writeGCSError(w, &gcsError{f.Status, f.Code, "made to fail by the test"}, styleOf(style, f))
		return
	}
	if err := s.serveOp(w, r, op); err != nil {
		writeGCSError(w, err, style)
	}
	x.status.CompareAndSwap(0, http.StatusOK) // an answer of headers alone
}

// styleOf has a fault's code show where an error would be plain text.
func styleOf(style apiStyle, f Fault) apiStyle {
	if style == styleText && f.Code != "" {
		return styleJSON
	}
	return style
}

func (s *GCS) serveOp(w http.ResponseWriter, r *http.Request, op string) error {
	parts := splitGCS(r.URL.EscapedPath())
	if op == "token" {
		return s.serveToken(w)
	}
	if err := s.admit(r, op); err != nil {
		return err
	}
	switch op {
	case "list":
		return s.serveList(w, r, parts[3])
	case "describe":
		return s.serveDescribe(w, r, parts[3], parts[5])
	case "read":
		return s.serveContent(w, r, parts[0], parts[1], false)
	case "readJSON":
		return s.serveContent(w, r, parts[3], parts[5], true)
	case "insert":
		return s.serveInsert(w, r, parts[4])
	case "startUpload":
		return s.serveStartUpload(w, r, parts[4])
	case "upload":
		return s.serveUpload(w, r)
	case "cancelUpload":
		return s.serveCancelUpload(w, r)
	case "rewrite":
		return s.serveRewrite(w, r, parts[3], parts[5], parts[8], parts[10])
	case "delete":
		return s.serveDelete(w, r, parts[3], parts[5])
	case "deleteMany":
		return s.serveDeleteMany(w, r, parts[0])
	}
	return &gcsError{501, "notImplemented", "the test server knows no " + op}
}

// admit checks the token, and that no key came where none belongs.
func (s *GCS) admit(r *http.Request, op string) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.locked && r.Header.Get("Authorization") != "Bearer "+s.token {
		return errNoToken
	}
	switch op {
	case "list", "describe", "delete", "deleteMany", "cancelUpload":
		if r.Header.Get(gcsKey+"Key") != "" || r.Header.Get(gcsSourceKey+"Key") != "" {
			return &gcsError{400, "invalid", op + " takes no key"}
		}
	}
	return nil
}

// sealOf reads what a write asks for, and refuses what the bucket does not
// take. kms is the name of the query's parameter for a Cloud KMS key. Called
// with mu held.
func (s *GCS) sealOf(r *http.Request, bucket, kms string) (seal, error) {
	hash, err := keyIn(r.Header, gcsKey)
	if err != nil {
		return seal{}, err
	}
	asked := seal{hash: hash, kms: r.URL.Query().Get(kms)}
	rules := s.rules[bucket]
	switch {
	case asked.kms != "" && asked.kms != s.KMSKey:
		return seal{}, errKMSKey
	case asked.hash != "" && asked.kms != "":
		return seal{}, &gcsError{400, "invalid", "a customer-supplied key and a Cloud KMS key exclude each other"}
	case asked.hash != "" && rules.noCustomerKeys:
		return seal{}, errEnforced
	case asked == seal{} && rules.t != nil:
		rules.t.Errorf("%s %s: content came to a sealed bucket without a key", r.Method, r.URL.Path)
	}
	op := Request{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.Query()}.GCSOp()
	if rules.ignore == op {
		return seal{}, nil
	}
	return asked, nil
}

// checkGeneration checks the preconditions in a query against the generation
// of the object, "" for none.
func checkGeneration(query url.Values, match, notMatch, generation string) error {
	if generation == "" {
		generation = "0"
	}
	if want := query.Get(match); want != "" && want != generation {
		return errCondition
	}
	if not := query.Get(notMatch); not != "" && not == generation {
		return errUnchanged
	}
	return nil
}

// current is an object's description; nil where it does not exist.
func (s *GCS) current(r *http.Request, bucket, object string) (gcsResource, error) {
	res, err := s.describeFake(r.Context(), bucket, object)
	if e, ok := err.(errFake); ok && e.status == http.StatusNotFound {
		return nil, nil
	}
	return res, err
}

// existing is current for what must exist.
func (s *GCS) existing(r *http.Request, bucket, object string) (gcsResource, seal, error) {
	res, err := s.current(r, bucket, object)
	if err != nil {
		return nil, seal{}, err
	}
	if res == nil {
		if err := s.hasBucket(r, bucket); err != nil {
			return nil, seal{}, err
		}
		return nil, seal{}, errNoObject
	}
	return res, s.seals[sealKey(bucket, object, res.generation())], nil
}

// hasBucket tells a missing bucket from a missing object.
func (s *GCS) hasBucket(r *http.Request, bucket string) error {
	resp, err := s.toFake(r.Context(), http.MethodGet, "/storage/v1/b/"+url.PathEscape(bucket), nil, nil)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errNoBucket
	}
	return nil
}

// dress gives a description what the proxy knows of the encryption, and takes
// from it what is not to be told, or was not asked for. withKey says that the
// request carried the object's key.
func dress(res gcsResource, lies seal, withKey bool, fields string) gcsResource {
	if lies.hash != "" {
		res["customerEncryption"] = map[string]string{"encryptionAlgorithm": "AES256", "keySha256": lies.hash}
		if !withKey {
			delete(res, "crc32c")
			delete(res, "md5Hash")
		}
	}
	if lies.kms != "" {
		res["kmsKeyName"] = lies.kms + "/cryptoKeyVersions/1"
	}
	if fields == "" {
		return res
	}
	wanted := strings.FieldsFunc(fields, func(r rune) bool { return strings.ContainsRune(",()", r) })
	out := gcsResource{}
	for _, name := range wanted {
		if v, ok := res[name]; ok {
			out[name] = v
		}
	}
	return out
}

func writeJSON(w http.ResponseWriter, answer any) error {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	return json.NewEncoder(w).Encode(answer)
}

// readAll reads a request's body; what came of one that broke off is returned
// with the error.
func readAll(r *http.Request) ([]byte, error) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return data, fmt.Errorf("body: %w", err)
	}
	return data, nil
}
