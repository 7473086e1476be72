package s3

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"sealdav/providers"
	"sealdav/sse"
)

// sdkError is an error as the SDK returns it for an answer.
func sdkError(status int, code, message string, header http.Header) error {
	return &smithy.OperationError{ServiceID: "S3", OperationName: "GetObject", Err: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status, Header: header}},
		Err:      &smithy.GenericAPIError{Code: code, Message: message},
	}}
}

func newTestBucket(t *testing.T, settings sse.Settings) *Bucket {
	t.Helper()
	b, err := Open(t.Context(), Config{Bucket: "photos", Region: "eu-west-1", AccessKeyID: "a", SecretAccessKey: "s", Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestErrors(t *testing.T) {
	b := newTestBucket(t, sse.Settings{})
	elsewhere := http.Header{"X-Amz-Bucket-Region": {"eu-central-1"}}
	for _, tc := range []struct {
		status  int
		code    string
		message string
		header  http.Header
		kind    error
		advice  string // a part of it
	}{
		{status: 404, code: "NoSuchKey", kind: fs.ErrNotExist},
		{status: 404, code: "NotFound", kind: fs.ErrNotExist},
		{status: 404, code: "NoSuchBucket", kind: providers.ErrUnavailable, advice: `no bucket "photos"`},
		{status: 403, code: "AccessDenied", message: "Access Denied", kind: fs.ErrPermission},
		{status: 403, code: "Forbidden", kind: fs.ErrPermission},
		{status: 403, code: "AccessDenied", message: "User: x is not authorized to perform: kms:GenerateDataKey on y", kind: fs.ErrPermission, advice: "kms:Decrypt"},
		{status: 403, code: "InvalidAccessKeyId", kind: providers.ErrCredentials, advice: "access_key_id"},
		{status: 403, code: "SignatureDoesNotMatch", kind: providers.ErrCredentials, advice: "secret_access_key"},
		{status: 400, code: "ExpiredToken", kind: providers.ErrCredentials, advice: "expired"},
		{status: 403, code: "RequestTimeTooSkewed", kind: providers.ErrUnavailable, advice: "clock"},
		{status: 403, code: "InvalidObjectState", kind: fs.ErrPermission, advice: "archive"},
		{status: 412, code: "PreconditionFailed", kind: providers.ErrPrecondition},
		{status: 409, code: "ConditionalRequestConflict", kind: providers.ErrPrecondition},
		{status: 304, code: "NotModified", kind: providers.ErrNotModified},
		{status: 304, code: "UnknownError", kind: providers.ErrNotModified},
		{status: 416, code: "InvalidRange", kind: providers.ErrRange},
		{status: 503, code: "SlowDown", kind: providers.ErrThrottled},
		{status: 503, code: "ServiceUnavailable", kind: providers.ErrThrottled},
		{status: 429, code: "", kind: providers.ErrThrottled},
		{status: 500, code: "InternalError", kind: providers.ErrUnavailable},
		{status: 502, code: "", kind: providers.ErrUnavailable},
		{status: 200, code: "InternalError", kind: providers.ErrUnavailable},
		{status: 403, code: "QuotaExceeded", kind: providers.ErrQuota},
		{status: 507, code: "XMinioStorageFull", kind: providers.ErrQuota},
		{status: 507, code: "", kind: providers.ErrQuota},
		{status: 400, code: "XMinioAdminBucketQuotaExceeded", kind: providers.ErrQuota},
		{status: 400, code: "EntityTooLarge", kind: providers.ErrTooLarge},
		{status: 400, code: "MetadataTooLarge", kind: providers.ErrTooLarge},
		{status: 400, code: "KeyTooLongError", kind: fs.ErrInvalid, advice: "shorten it"},
		{status: 400, code: "XMinioInvalidObjectName", kind: fs.ErrInvalid, advice: "255 bytes"},
		{status: 501, code: "NotImplemented", kind: errors.ErrUnsupported},
		{status: 400, code: "KMS.NotFoundException", kind: providers.ErrKey, advice: "--sse-kms-key-id"},
		{status: 400, code: "KMS.DisabledException", kind: providers.ErrKey, advice: "enabled"},
		{status: 404, code: "kms:KeyNotFound", kind: providers.ErrKey, advice: "--sse-kms-key-id"},
		{status: 301, code: "PermanentRedirect", header: elsewhere, kind: providers.ErrUnavailable, advice: `region to "eu-central-1"`},
		{status: 301, code: "MovedPermanently", header: elsewhere, kind: providers.ErrUnavailable, advice: `region to "eu-central-1"`},
		{status: 400, code: "AuthorizationHeaderMalformed", header: elsewhere, kind: providers.ErrUnavailable, advice: `region to "eu-central-1"`},
		{status: 307, code: "TemporaryRedirect", kind: providers.ErrUnavailable, advice: "endpoint"},
		{status: 400, code: "InvalidRequest", kind: providers.ErrUnavailable},
	} {
		err := b.fail(t.Context(), "open", "k", sdkError(tc.status, tc.code, tc.message, tc.header))
		e, ok := errors.AsType[*providers.Error](err)
		if !ok || e.Kind != tc.kind {
			t.Errorf("%d %s: %v, want kind %v", tc.status, tc.code, err, tc.kind)
			continue
		}
		if tc.advice == "" && e.Advice != "" || !strings.Contains(e.Advice, tc.advice) {
			t.Errorf("%d %s: advice %q, want %q in it", tc.status, tc.code, e.Advice, tc.advice)
		}
	}
}

func TestErrorsWithoutAnswer(t *testing.T) {
	b := newTestBucket(t, sse.Settings{})
	cause := &url.Error{Op: "Get", URL: "https://host/k?X-Amz-Signature=abc", Err: &net.OpError{Op: "dial", Err: errors.New("connection refused")}}
	err := b.fail(t.Context(), "open", "k", &smithy.OperationError{ServiceID: "S3", OperationName: "GetObject", Err: &smithyhttp.RequestSendError{Err: cause}})
	if !errors.Is(err, providers.ErrUnavailable) || providers.Advice(err) != adviceUnreachable {
		t.Errorf("got %v", err)
	}
	if strings.Contains(err.Error(), "Signature") || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v; want the cause without the URL", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.fail(ctx, "open", "k", &aws5xx{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	// A context of ours that ended is the store's silence, not the caller's wish.
	if err := b.fail(t.Context(), "open", "k", context.Canceled); errors.Is(err, context.Canceled) || !errors.Is(err, providers.ErrUnavailable) {
		t.Errorf("got %v, want a store that is unavailable", err)
	}
}

type aws5xx struct{}

func (*aws5xx) Error() string { return "any" }

func TestSameKMSKey(t *testing.T) {
	const arn = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	for _, tc := range []struct {
		asked, told string
		want        bool
	}{
		{"", arn, true},
		{"", "", false},
		{arn, arn, true},
		{"1234abcd-12ab-34cd-56ef-1234567890ab", arn, true},
		{"234abcd-12ab-34cd-56ef-1234567890ab", arn, false},
		{"alias/photos", arn, true},
		{"alias/photos", "", false},
		{"arn:aws:kms:eu-west-1:123456789012:alias/photos", arn, true},
		{"my-key", "arn:aws:kms:my-key", true},
		{"my-key", "my-key", true},
		{"other", arn, false},
	} {
		if got := sameKMSKey(tc.asked, tc.told); got != tc.want {
			t.Errorf("asked for %q, told %q: %v", tc.asked, tc.told, got)
		}
	}
}

func TestMetadata(t *testing.T) {
	want := map[string]string{"plain": "abc def", "umlaut": "Grüße", "word": "=?utf-8?q?x?=", "edges": " a ", "line": "a\r\nX-Evil: b", "empty": ""}
	sent, err := encodeMetadata("put", "k", want)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range sent {
		if !plainHeader(value) && !strings.HasPrefix(value, "=?") {
			t.Errorf("%s goes out as %q", name, value)
		}
		if strings.ContainsAny(value, "\r\n") {
			t.Errorf("%s breaks the header: %q", name, value)
		}
	}
	for name, value := range decodeMetadata(sent) {
		if value != want[name] {
			t.Errorf("%s = %q, want %q", name, value, want[name])
		}
	}
	if _, err := encodeMetadata("put", "k", map[string]string{"a b": "c"}); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a name with a space: %v", err)
	}
}

// TestErrorsShown: what a server wrote is repeated without keys, and briefly,
// wherever it wrote it.
func TestErrorsShown(t *testing.T) {
	key, err := sse.NewKey([]byte(strings.Repeat("w", 32)))
	if err != nil {
		t.Fatal(err)
	}
	b := newTestBucket(t, sse.Settings{WriteKey: key})
	evil := key.Base64() + strings.Repeat("long", 1000)
	for name, err := range map[string]error{
		"code":      sdkError(400, evil, "", nil),
		"message":   sdkError(400, "InvalidRequest", evil, nil),
		"request":   sdkError(500, "InternalError", "", http.Header{"X-Amz-Request-Id": {evil}}),
		"region":    sdkError(301, "PermanentRedirect", "", http.Header{"X-Amz-Bucket-Region": {evil}}),
		"no answer": &url.Error{Op: "Get", URL: "https://x", Err: errors.New("malformed HTTP response " + evil)},
	} {
		text := b.fail(t.Context(), "open", "k", err).Error()
		if strings.Contains(text, key.Base64()) || len(text) > 1000 {
			t.Errorf("%s: %d bytes: %.300s", name, len(text), text)
		}
	}
}

func TestKeyringOrder(t *testing.T) {
	key := func(b byte) sse.Key {
		k, err := sse.NewKey([]byte(strings.Repeat(string(rune(b)), 32)))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	ring := newKeyring(sse.Settings{WriteKey: key('w'), ReadKeys: []sse.Key{key('1'), key('2')}})
	first := func(name, etag string) string { return ring.order(name, etag)[0].Place }
	check := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s: first guess %q, want %q", what, got, want)
		}
	}
	check("nothing known", first("dir/a", ""), "write key")
	ring.fitted("dir/a", `"e"`, ring.candidates[1])
	check("the same object", first("dir/a", `"e"`), "read key 2")
	check("its neighbour", first("dir/b", ""), "read key 2")
	check("another folder", first("other/b", ""), "write key")
	ring.fitted("dir/b", `"f"`, sse.Candidate{})
	check("the object after its neighbour", first("dir/a", `"e"`), "read key 2")
	check("another object of that name", first("dir/a", `"x"`), "no key")
	ring.seen("dir/a", `"x"`)
	check("after a listing showed another", first("dir/a", ""), "no key")
	if got := len(ring.order("dir/a", "")); got != 4 {
		t.Errorf("%d candidates, want 4", got)
	}
	ring.refuse("dir/z")
	if !ring.refusedLately("dir/z") {
		t.Error("a refusal is not remembered")
	}
	ring.fitted("dir/z", `"e"`, ring.candidates[0])
	if ring.refusedLately("dir/z") {
		t.Error("a refusal outlives a fit")
	}
}

func TestMemoryForgets(t *testing.T) {
	m := newMemory[int](4)
	for i := range 100 {
		m.get("kept")
		m.set(strings.Repeat("k", i+1), i)
		m.set("kept", i)
	}
	if len(m.young)+len(m.old) > 8 {
		t.Errorf("holds %d entries", len(m.young)+len(m.old))
	}
	if _, ok := m.get("kept"); !ok {
		t.Error("forgot what is used")
	}
	if _, ok := m.get("k"); ok {
		t.Error("remembers what is not")
	}
}
