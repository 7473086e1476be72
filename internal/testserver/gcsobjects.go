package testserver

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// serveList pages through the whole listing, objects and prefixes together in
// the order of their names: fake-gcs-server repeats all prefixes on each page.
func (s *GCS) serveList(w http.ResponseWriter, r *http.Request, bucket string) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	query := r.URL.Query()
	items, prefixes, err := s.listFake(r.Context(), bucket, query.Get("prefix"), query.Get("delimiter"))
	if _, ok := errors.AsType[errFake](err); ok {
		return errNoBucket
	}
	if err != nil {
		return err
	}
	type line struct {
		name string
		item gcsResource
	}
	var lines []line
	for _, item := range items {
		lies := s.seals[sealKey(bucket, item.text("name"), item.generation())]
		lines = append(lines, line{item.text("name"), dress(item, lies, false, query.Get("fields"))})
	}
	for _, p := range prefixes {
		lines = append(lines, line{name: p})
	}
	slices.SortFunc(lines, func(x, y line) int { return strings.Compare(x.name, y.name) })
	after, err := base64.StdEncoding.DecodeString(query.Get("pageToken"))
	if err != nil {
		return &gcsError{400, "invalid", "Invalid page token"}
	}
	if len(after) > 0 {
		lines = slices.DeleteFunc(lines, func(l line) bool { return l.name <= string(after) })
	}
	limit := s.page
	if n, err := strconv.Atoi(query.Get("maxResults")); err == nil && n > 0 {
		limit = min(n, limit)
	}
	answer := map[string]any{"kind": "storage#objects"}
	if len(lines) > limit {
		lines = lines[:limit]
		answer["nextPageToken"] = base64.StdEncoding.EncodeToString([]byte(lines[limit-1].name))
	}
	var objects, folders []any
	for _, l := range lines {
		if l.item == nil {
			folders = append(folders, l.name)
		} else {
			objects = append(objects, l.item)
		}
	}
	if objects != nil {
		answer["items"] = objects
	}
	if folders != nil {
		answer["prefixes"] = folders
	}
	return writeJSON(w, answer)
}

func (s *GCS) serveDescribe(w http.ResponseWriter, r *http.Request, bucket, object string) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	res, lies, err := s.existing(r, bucket, object)
	if err != nil {
		return err
	}
	return writeJSON(w, dress(res, lies, false, r.URL.Query().Get("fields")))
}

// serveContent gives out an object, or a range of it. Which generation it is
// is settled with its headers; the body may take its time.
func (s *GCS) serveContent(w http.ResponseWriter, r *http.Request, bucket, object string, fromJSON bool) error {
	resp, lies, err := s.openContent(r, bucket, object, fromJSON)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	for name, values := range resp.Header {
		// Google does not say that the JSON API tells the metadata.
		if !fromJSON || !strings.HasPrefix(name, "X-Goog-Meta-") {
			w.Header()[name] = values
		}
	}
	w.Header().Del("Access-Control-Allow-Origin")
	if lies.hash != "" {
		w.Header().Set(gcsKey+"Algorithm", "AES256")
		w.Header().Set(gcsKey+"Key-Sha256", lies.hash)
	}
	if lies.kms != "" && !fromJSON {
		w.Header().Set(gcsKey+"Kms-Key-Name", lies.kms+"/cryptoKeyVersions/1")
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
	return nil
}

func (s *GCS) openContent(r *http.Request, bucket, object string, fromJSON bool) (*http.Response, seal, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	res, lies, err := s.existing(r, bucket, object)
	if err != nil {
		return nil, seal{}, err
	}
	hash, err := keyIn(r.Header, gcsKey)
	if err == nil && !s.rules[bucket].leaky {
		err = lies.opens(hash)
	}
	if err == nil {
		err = checkRead(r, res, fromJSON)
	}
	if err != nil {
		return nil, seal{}, err
	}
	header := http.Header{}
	// What is stored packed is unpacked for a client that does not say it takes
	// it so, whatever range it asks for.
	transcode := res.text("contentEncoding") == "gzip" && !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")
	if v := r.Header.Get("Range"); v != "" && !transcode {
		header.Set("Range", v)
	}
	resp, err := s.toFake(r.Context(), http.MethodGet, contentPath(bucket, object), header, nil)
	if err == nil && transcode {
		err = unpack(resp)
	}
	return resp, lies, err
}

// unpack is Google's decompressive transcoding.
func unpack(resp *http.Response) error {
	packed := resp.Body
	content, err := gzip.NewReader(packed)
	if err != nil {
		packed.Close()
		return err
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{content, packed}
	resp.Header.Del("Content-Length")
	resp.Header.Del("Content-Encoding")
	resp.Header.Set("Warning", "214 UploadServer gunzipped")
	return nil
}

// checkRead checks the preconditions of a read in the form its API has them.
func checkRead(r *http.Request, res gcsResource, fromJSON bool) error {
	if fromJSON {
		return checkGeneration(r.URL.Query(), "ifGenerationMatch", "ifGenerationNotMatch", res.generation())
	}
	if want := r.Header.Get("X-Goog-If-Generation-Match"); want != "" && want != res.generation() {
		return errCondition
	}
	updated, err := time.Parse(time.RFC3339, res.text("updated"))
	if err != nil {
		return err
	}
	updated = updated.Truncate(time.Second)
	if t, err := http.ParseTime(r.Header.Get("If-Unmodified-Since")); err == nil && updated.After(t) {
		return errCondition
	}
	if t, err := http.ParseTime(r.Header.Get("If-Modified-Since")); err == nil && !updated.After(t) {
		return errUnchanged
	}
	return nil
}

func (s *GCS) serveDelete(w http.ResponseWriter, r *http.Request, bucket, object string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	res, _, err := s.existing(r, bucket, object)
	if err != nil {
		return err
	}
	if want := r.URL.Query().Get("generation"); want != "" && want != res.generation() {
		return errNoObject
	}
	if err := checkGeneration(r.URL.Query(), "ifGenerationMatch", "ifGenerationNotMatch", res.generation()); err != nil {
		return err
	}
	if err := s.deleteFake(r, bucket, object); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *GCS) deleteFake(r *http.Request, bucket, object string) error {
	resp, err := s.toFake(r.Context(), http.MethodDelete, objectPath(bucket, object), nil, nil)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return errNoObject
	}
	if resp.StatusCode >= 300 {
		return errFake{resp.StatusCode}
	}
	return nil
}

// serveDeleteMany deletes up to 1,000 objects; one that is not there counts as
// deleted.
func (s *GCS) serveDeleteMany(w http.ResponseWriter, r *http.Request, bucket string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, err := readAll(r)
	if err != nil {
		return err
	}
	var order struct {
		XMLName xml.Name `xml:"Delete"`
		Quiet   bool
		Objects []struct{ Key string } `xml:"Object"`
	}
	if err := xml.Unmarshal(text, &order); err != nil || len(order.Objects) == 0 || len(order.Objects) > 1000 {
		return &gcsError{400, "malformedXML", "The XML you provided was not well-formed or did not validate against our published schema."}
	}
	for _, o := range order.Objects {
		if err := s.deleteFake(r, bucket, o.Key); err != nil && err != errNoObject {
			return err
		}
	}
	w.Header().Set("Content-Type", "application/xml; charset=UTF-8")
	_, err = io.WriteString(w, "<?xml version='1.0' encoding='UTF-8'?><DeleteResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'></DeleteResult>")
	return err
}

// gcsRewrite is a rewrite that is not done yet.
type gcsRewrite struct {
	what string // all that must be the same in each request
	done int64
}

func (s *GCS) serveRewrite(w http.ResponseWriter, r *http.Request, bucket, object, toBucket, toObject string) error {
	body, err := readAll(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	res, asked, err := s.checkRewrite(r, bucket, object, toBucket, toObject)
	if err != nil {
		return err
	}
	if token, err := s.stepRewrite(r, res, asked); err != nil {
		return err
	} else if token != "" {
		return writeJSON(w, map[string]any{"kind": "storage#rewriteResponse", "done": false, "rewriteToken": token})
	}
	written, err := s.rewriteFake(r, objectPath(bucket, object)+"/rewriteTo"+strings.TrimPrefix(objectPath(toBucket, toObject), "/storage/v1"), body)
	if err != nil {
		return err
	}
	s.seals[sealKey(toBucket, toObject, written.generation())] = s.kept(r, toBucket, asked)
	return writeJSON(w, map[string]any{
		"kind": "storage#rewriteResponse", "done": true,
		"resource": s.tell(toBucket, written, asked, r.URL.Query().Get("fields")),
	})
}

// checkRewrite checks keys and preconditions of a rewrite, and returns its
// source and what the target is to lie under.
func (s *GCS) checkRewrite(r *http.Request, bucket, object, toBucket, toObject string) (gcsResource, seal, error) {
	query := r.URL.Query()
	res, lies, err := s.existing(r, bucket, object)
	if err != nil {
		return nil, seal{}, err
	}
	target, err := s.current(r, toBucket, toObject)
	if err != nil {
		return nil, seal{}, err
	}
	hash, err := keyIn(r.Header, gcsSourceKey)
	if err == nil {
		err = lies.opens(hash)
	}
	if err != nil {
		return nil, seal{}, err
	}
	asked, err := s.sealOf(r, toBucket, "destinationKmsKeyName")
	if err != nil {
		return nil, seal{}, err
	}
	if want := query.Get("ifSourceGenerationMatch"); want != "" && want != res.generation() {
		return nil, seal{}, errCondition
	}
	return res, asked, checkGeneration(query, "ifGenerationMatch", "ifGenerationNotMatch", target.generation())
}

// stepRewrite goes one step on; a token says that there are more.
func (s *GCS) stepRewrite(r *http.Request, res gcsResource, asked seal) (token string, err error) {
	size, err := strconv.ParseInt(res.text("size"), 10, 64)
	if err != nil {
		return "", err
	}
	what := r.URL.EscapedPath() + "\x00" + res.generation() + "\x00" + asked.hash + "\x00" + asked.kms
	token = r.URL.Query().Get("rewriteToken")
	step := s.rewrites[token]
	if token == "" {
		token, step = randomHex(8), &gcsRewrite{what: what}
	}
	if step == nil || step.what != what {
		return "", &gcsError{400, "invalid", "Invalid rewrite token"}
	}
	step.done += s.step
	if step.done >= size {
		delete(s.rewrites, token)
		return "", nil
	}
	s.rewrites[token] = step
	return token, nil
}

// rewriteFake copies. fake-gcs-server takes metadata that a body leaves out
// from the source, which Google does not.
func (s *GCS) rewriteFake(r *http.Request, path string, body []byte) (gcsResource, error) {
	header := http.Header{"Content-Type": {"application/json"}}
	resp, err := s.toFake(r.Context(), http.MethodPost, path, header, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	answer, err := decodeFake(resp)
	if err != nil {
		return nil, err
	}
	fields, _ := answer["resource"].(map[string]any)
	written := gcsResource(fields)
	var given gcsResource
	if len(body) == 0 || json.Unmarshal(body, &given) != nil || given["metadata"] != nil {
		return written, nil
	}
	given["metadata"] = map[string]string{}
	text, err := json.Marshal(given)
	if err != nil {
		return nil, err
	}
	resp, err = s.toFake(r.Context(), http.MethodPut, objectPath(written.text("bucket"), written.text("name")), header, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	return decodeFake(resp)
}
