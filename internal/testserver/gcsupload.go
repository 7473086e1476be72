package testserver

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"testing"
)

// serveInsert stores an object that comes in one request.
func (s *GCS) serveInsert(w http.ResponseWriter, r *http.Request, bucket string) error {
	described, content, err := readRelated(r)
	if err != nil {
		return err
	}
	if x, ok := r.Context().Value(exchangeKey{}).(*exchange); ok {
		x.framing.Store(x.sent.Load() - int64(len(content)))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	asked, err := s.sealOf(r, bucket, "kmsKeyName")
	if err != nil {
		return err
	}
	written, err := s.store(r, bucket, r.URL.Query(), described, bytes.NewReader(content), asked)
	if err != nil {
		return err
	}
	return writeJSON(w, s.tell(bucket, written, asked, r.URL.Query().Get("fields")))
}

// readRelated reads the two parts of a multipart upload.
func readRelated(r *http.Request) (described gcsResource, content []byte, err error) {
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || r.URL.Query().Get("uploadType") != "multipart" {
		return nil, nil, &gcsError{400, "invalid", "want uploadType=multipart"}
	}
	body, err := readAll(r)
	if err != nil {
		panic(http.ErrAbortHandler) // the client went away, or was made to
	}
	parts := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	first, err := parts.NextRawPart()
	if err == nil {
		err = json.NewDecoder(first).Decode(&described)
	}
	if err != nil {
		return nil, nil, &gcsError{400, "parseError", "the first part is no description"}
	}
	second, err := parts.NextRawPart()
	if err == nil {
		content, err = io.ReadAll(second)
	}
	if err != nil {
		return nil, nil, &gcsError{400, "parseError", "the second part is no content"}
	}
	if described.text("contentType") == "" {
		described["contentType"] = second.Header.Get("Content-Type")
	}
	return described, content, nil
}

// store puts an object into fake-gcs-server, if the preconditions in the query
// hold. Called with mu held.
func (s *GCS) store(r *http.Request, bucket string, query url.Values, described gcsResource, content io.Reader, asked seal) (gcsResource, error) {
	object := described.text("name")
	if query.Has("ifGenerationMatch") { // fake-gcs-server is slow to find one of thousands
		old, err := s.current(r, bucket, object)
		if err != nil {
			return nil, err
		}
		if err := checkGeneration(query, "ifGenerationMatch", "ifGenerationNotMatch", old.generation()); err != nil {
			return nil, err
		}
	}
	head, err := json.Marshal(described)
	if err != nil {
		return nil, err
	}
	var opening, closing bytes.Buffer
	parts := multipart.NewWriter(&opening)
	part, err := parts.CreatePart(textproto.MIMEHeader{"Content-Type": {"application/json"}})
	if err == nil {
		_, err = part.Write(head)
	}
	if err == nil {
		_, err = parts.CreatePart(textproto.MIMEHeader{"Content-Type": {described.text("contentType")}})
	}
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(&closing, "\r\n--%s--\r\n", parts.Boundary())
	resp, err := s.toFake(r.Context(), http.MethodPost, "/upload/storage/v1/b/"+url.PathEscape(bucket)+"/o?uploadType=multipart",
		http.Header{"Content-Type": {"multipart/related; boundary=" + parts.Boundary()}}, io.MultiReader(&opening, content, &closing))
	if err != nil {
		return nil, err
	}
	written, err := decodeFake(resp)
	if e, ok := err.(errFake); ok && e.status == http.StatusNotFound {
		return nil, errNoBucket
	}
	if err != nil {
		return nil, err
	}
	s.seals[sealKey(bucket, object, written.generation())] = s.kept(r, bucket, asked)
	return written, nil
}

// gcsSession is a resumable upload. What has come lies in a file, and goes to
// fake-gcs-server, whose own sessions can neither be asked nor cancelled, when
// it is whole.
type gcsSession struct {
	bucket, object string
	described      gcsResource
	query          url.Values // of the request that began it
	asked          seal
	file           *os.File
	received       int64
	finished       gcsResource // the object, once it stands
}

// persistUnit is what the store keeps of a part that broke off a multiple of.
const persistUnit = 256 << 10

func (s *GCS) serveStartUpload(w http.ResponseWriter, r *http.Request, bucket string) error {
	body, err := readAll(r)
	if err != nil {
		return err
	}
	u := &gcsSession{bucket: bucket, query: r.URL.Query()}
	if err := json.Unmarshal(body, &u.described); err != nil {
		return &gcsError{400, "parseError", "no description"}
	}
	u.object = u.described.text("name")
	if u.described.text("contentType") == "" {
		u.described["contentType"] = r.Header.Get("X-Upload-Content-Type")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.asked, err = s.sealOf(r, bucket, "kmsKeyName"); err != nil {
		return err
	}
	old, err := s.current(r, bucket, u.object)
	if err != nil {
		return err
	}
	if err := checkGeneration(u.query, "ifGenerationMatch", "ifGenerationNotMatch", old.generation()); err != nil {
		return err
	}
	if u.file, err = os.CreateTemp(s.dir, "session-"); err != nil {
		return err
	}
	id := randomHex(16)
	s.sessions[id] = u
	location := url.URL{Path: r.URL.Path, RawQuery: url.Values{"uploadType": {"resumable"}, "upload_id": {id}, "name": {u.object}}.Encode()}
	// Another host than the endpoint: no key must go there.
	w.Header().Set("Location", "https://elsewhere.invalid"+location.String())
	return nil
}

// session finds an upload and checks the key that came with the request.
// Called with mu held.
func (s *GCS) session(r *http.Request) (string, *gcsSession, error) {
	id := r.URL.Query().Get("upload_id")
	u := s.sessions[id]
	if u == nil {
		return "", nil, &gcsError{404, "notFound", "No such upload session."}
	}
	if r.Method == http.MethodDelete {
		return id, u, nil
	}
	hash, err := keyIn(r.Header, gcsKey)
	if err == nil {
		err = u.asked.opens(hash)
	}
	return id, u, err
}

// serveUpload takes a part of an upload, or a question how much there is.
func (s *GCS) serveUpload(w http.ResponseWriter, r *http.Request) error {
	content, bodyErr := readAll(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	id, u, err := s.session(r)
	if err != nil {
		return err
	}
	from, total, err := parsePart(r.Header.Get("Content-Range"), u.received)
	if err != nil || from != u.received {
		return &gcsError{400, "invalid", "Invalid Content-Range"}
	}
	if bodyErr != nil {
		content = content[:len(content)/persistUnit*persistUnit]
	}
	if total < 0 && len(content)%persistUnit != 0 {
		return &gcsError{400, "invalid", "a part that is not the last must be a multiple of 256 KiB"}
	}
	if _, err := u.file.WriteAt(content, u.received); err != nil {
		return err
	}
	u.received += int64(len(content))
	if bodyErr != nil {
		panic(http.ErrAbortHandler)
	}
	if u.received != total {
		if u.received > 0 {
			w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", u.received-1))
		}
		w.WriteHeader(http.StatusPermanentRedirect)
		return nil
	}
	if u.finished == nil {
		written, err := s.store(r, u.bucket, u.query, u.described, io.NewSectionReader(u.file, 0, total), u.asked)
		if err != nil {
			s.endSession(id, u)
			return err
		}
		u.finished = written // and told again to who asks again
	}
	return writeJSON(w, s.tell(u.bucket, u.finished, u.asked, u.query.Get("fields")))
}

// parsePart reads a Content-Range; total is -1 where it is not told.
func parsePart(header string, received int64) (from, total int64, err error) {
	from, total = received, -1
	var to int64
	for _, form := range []struct {
		text string
		into []any
	}{
		{"bytes %d-%d/%d", []any{&from, &to, &total}},
		{"bytes %d-%d/*", []any{&from, &to}},
		{"bytes */%d", []any{&total}},
		{"bytes */*", nil},
	} {
		from, total = received, -1
		if _, err = fmt.Sscanf(header, form.text, form.into...); err == nil {
			return from, total, nil
		}
	}
	return 0, 0, err
}

func (s *GCS) serveCancelUpload(w http.ResponseWriter, r *http.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, u, err := s.session(r)
	if err != nil {
		return err
	}
	s.endSession(id, u)
	w.WriteHeader(499)
	return nil
}

func (s *GCS) endSession(id string, u *gcsSession) {
	u.file.Close()
	os.Remove(u.file.Name())
	delete(s.sessions, id)
}

// Credentials demands a token of every request for as long as the test runs,
// and returns a service account's credentials file that gets one.
func (s *GCS) Credentials(t testing.TB) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "sealdav@test.invalid", "private_key_id": "1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"token_uri":   s.Endpoint + "/token",
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "credentials.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	s.set(func() { s.locked = true })
	t.Cleanup(func() { s.set(func() { s.locked = false }) })
	return file
}

func (s *GCS) serveToken(w http.ResponseWriter) error {
	return writeJSON(w, map[string]any{"access_token": s.token, "token_type": "Bearer", "expires_in": 3600})
}
