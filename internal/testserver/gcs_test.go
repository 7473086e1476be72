package testserver_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"sealdav/internal/testserver"
)

// gcsKey is a customer key in the headers that carry it.
func gcsKey(b byte) http.Header {
	raw := bytes.Repeat([]byte{b}, 32)
	sum := sha256.Sum256(raw)
	h := http.Header{}
	h.Set("X-Goog-Encryption-Algorithm", "AES256")
	h.Set("X-Goog-Encryption-Key", base64.StdEncoding.EncodeToString(raw))
	h.Set("X-Goog-Encryption-Key-Sha256", base64.StdEncoding.EncodeToString(sum[:]))
	return h
}

func gcsDo(t *testing.T, s *testserver.GCS, method, address string, h http.Header, body string) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range h {
		req.Header[name] = values
	}
	resp, err := s.HTTPClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// TestGCS shows what tests elsewhere take for granted: the proxy refuses as
// Google documents it, in the form of each API, and fake-gcs-server by itself
// does not.
func TestGCS(t *testing.T) {
	s := testserver.SharedGCS(t)
	bucket := s.NewBucket(t)
	put := func(query string, h http.Header) (int, string) {
		h = h.Clone()
		h.Set("Content-Type", "multipart/related; boundary=b")
		return gcsDo(t, s, "POST", s.Endpoint+"/upload/storage/v1/b/"+bucket+"/o?uploadType=multipart"+query, h,
			"--b\r\nContent-Type: application/json\r\n\r\n{\"name\":\"k\"}\r\n--b\r\nContent-Type: text/plain\r\n\r\nsecret\r\n--b--\r\n")
	}
	if status, answer := put("", gcsKey('a')); status != 200 {
		t.Fatalf("put: %d %s", status, answer)
	}
	wrong := gcsKey('a')
	wrong.Set("X-Goog-Encryption-Key-Sha256", gcsKey('b').Get("X-Goog-Encryption-Key-Sha256"))
	object, content := "/storage/v1/b/"+bucket+"/o/k", "/"+bucket+"/k"
	for _, tc := range []struct {
		name, path string
		key        http.Header
		status     int
		answer     string
	}{
		{"read", content, gcsKey('a'), 200, "secret"},
		{"read without the key", content, http.Header{}, 400, "<Code>ResourceIsEncryptedWithCustomerEncryptionKey</Code>"},
		{"read with another", content, gcsKey('b'), 400, "<Code>CustomerEncryptionKeyIsIncorrect</Code>"},
		{"read with a wrong hash", content, wrong, 400, "<Code>CustomerEncryptionKeySha256IsInvalid</Code>"},
		{"read through the JSON API", object + "?alt=media", http.Header{}, 400, "is encrypted by a customer-supplied encryption key"},
		{"describe", object, http.Header{}, 200, gcsKey('a').Get("X-Goog-Encryption-Key-Sha256")},
		{"describe with a key", object, gcsKey('a'), 400, "takes no key"},
		{"list", "/storage/v1/b/" + bucket + "/o", http.Header{}, 200, "customerEncryption"},
		{"absent, XML", content + "none", http.Header{}, 404, "NoSuchKey"},
		{"absent, JSON", object + "none", http.Header{}, 404, `"reason":"notFound"`},
		{"no bucket", "/absent/k", http.Header{}, 404, "NoSuchBucket"},
	} {
		status, answer := gcsDo(t, s, "GET", s.Endpoint+tc.path, tc.key, "")
		if status != tc.status || !strings.Contains(answer, tc.answer) {
			t.Errorf("%s: %d %s, want %d and %q", tc.name, status, answer, tc.status, tc.answer)
		}
		if strings.Contains(answer, "md5Hash") || strings.Contains(answer, "crc32c") {
			t.Errorf("%s: a checksum is told", tc.name)
		}
	}
	if status, answer := put("&kmsKeyName="+url.QueryEscape("projects/none"), http.Header{}); status != 400 || !strings.Contains(answer, "cloudKmsEncryptionKeyNotFound") {
		t.Errorf("unknown Cloud KMS key: %d %s", status, answer)
	}
	status, answer := put("&kmsKeyName="+url.QueryEscape(s.KMSKey), http.Header{})
	var told struct{ KMSKeyName string }
	if err := json.Unmarshal([]byte(answer), &told); err != nil || status != 200 || told.KMSKeyName != s.KMSKey+"/cryptoKeyVersions/1" {
		t.Errorf("Cloud KMS key: %d %s", status, answer)
	}
	if status, answer := put("&ifGenerationMatch=0", gcsKey('a')); status != 412 || !strings.Contains(answer, "conditionNotMet") {
		t.Errorf("precondition: %d %s", status, answer)
	}
	s.ForbidCustomerKeys(t, bucket)
	if status, _ := put("", gcsKey('a')); status != 412 {
		t.Errorf("forbidden key: %d", status)
	}

	resp, err := http.Get(s.Plain() + content)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("fake-gcs-server by itself answers %d: does it know keys now?", resp.StatusCode)
	}
}

// TestGCSCounts: of a whole upload, what stands around the content is told
// apart.
func TestGCSCounts(t *testing.T) {
	s := testserver.SharedGCS(t)
	bucket := s.NewBucket(t)
	upload := s.Endpoint + "/upload/storage/v1/b/" + bucket + "/o?uploadType="
	s.Reset()
	gcsDo(t, s, "POST", upload+"multipart", http.Header{"Content-Type": {"multipart/related; boundary=b"}},
		"--b\r\nContent-Type: application/json\r\n\r\n{\"name\":\"k\"}\r\n--b\r\nContent-Type: text/plain\r\n\r\nsecret\r\n--b--\r\n")
	gcsDo(t, s, "POST", upload+"resumable", http.Header{"Content-Type": {"application/json"}}, `{"name":"l"}`)
	all := s.Requests()
	if len(all) != 2 {
		t.Fatalf("counted %d requests, want 2", len(all))
	}
	if all[0].Sent-all[0].Framing != int64(len("secret")) || all[1].Framing != 0 {
		t.Errorf("counted %d and %d bytes, of which %d and %d frame content", all[0].Sent, all[1].Sent, all[0].Framing, all[1].Framing)
	}
}
