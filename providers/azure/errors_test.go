package azure_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"sealdav/internal/testserver"
	"sealdav/providers"
	"sealdav/providers/azure"
	"sealdav/providers/providertest"
	"sealdav/sse"
)

// TestErrors: each answer of the store becomes its kind, by HEAD as well, which
// has its code in a header only, and never repeats a key.
func TestErrors(t *testing.T) {
	key := providertest.NewKey('w')
	for _, tc := range []struct {
		status int
		code   string
		kind   error
		advice string
	}{
		{404, "BlobNotFound", fs.ErrNotExist, ""},
		{404, "", fs.ErrNotExist, ""},
		{404, "ContainerNotFound", providers.ErrUnavailable, `no container "box"`},
		{409, "ContainerBeingDeleted", providers.ErrUnavailable, ""},
		{409, "BlobCustomerSpecifiedEncryptionMismatch", providers.ErrKey, "--sse-read-c-key"},
		{404, "EncryptionScopeNotFound", providers.ErrKey, "--sse-scope"},
		{403, "AuthenticationFailed", providers.ErrCredentials, "account_key"},
		{403, "AuthorizationFailure", fs.ErrPermission, "firewall"},
		{403, "AuthorizationPermissionMismatch", fs.ErrPermission, "Storage Blob Data Contributor"},
		{403, "SomethingNew", fs.ErrPermission, ""},
		{401, "NoAuthenticationInformation", providers.ErrCredentials, ""},
		{412, "ConditionNotMet", providers.ErrPrecondition, ""},
		{409, "BlobAlreadyExists", providers.ErrPrecondition, ""},
		{412, "LeaseIdMissing", fs.ErrPermission, "lease"},
		{409, "BlobArchived", fs.ErrPermission, "rehydrate"},
		{409, "BlobImmutableDueToPolicy", fs.ErrPermission, "immutability"},
		{409, "SnapshotsPresent", fs.ErrPermission, "snapshots"},
		{416, "InvalidRange", providers.ErrRange, ""},
		{413, "RequestBodyTooLarge", providers.ErrTooLarge, ""},
		{400, "MetadataTooLarge", providers.ErrTooLarge, ""},
		{400, "OutOfRangeInput", fs.ErrInvalid, "longer"},
		{400, "InvalidBlockList", providers.ErrUnavailable, "another upload"},
		{400, "UnsupportedHeader", errors.ErrUnsupported, ""},
		{501, "NotImplemented", errors.ErrUnsupported, ""},
		{307, "", providers.ErrUnavailable, "not carried"},
		{400, "SomethingNew", providers.ErrUnavailable, ""},
	} {
		t.Run(fmt.Sprint(tc.status, tc.code), func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if tc.code != "" {
					w.Header().Set("X-Ms-Error-Code", tc.code)
				}
				w.Header().Set("Location", "http://127.0.0.1:1/")
				w.WriteHeader(tc.status)
				if r.Method != http.MethodHead {
					fmt.Fprintf(w, "<Error><Code>%s</Code><Message>refused %s\nRequestId:1</Message></Error>", tc.code, key.Base64())
				}
			}))
			defer server.Close()
			b := open(t, azure.Config{Container: "box", Account: "a", AccountKey: "a2V5", Endpoint: server.URL,
				Settings: sse.Settings{ReadKeys: []sse.Key{key}}, InsecureKeysOverHTTP: true})
			_, statErr := b.Stat(t.Context(), "k")
			_, _, openErr := b.Open(t.Context(), "k", providers.OpenOptions{})
			for _, err := range []error{statErr, openErr} {
				e, ok := errors.AsType[*providers.Error](err)
				if !ok || e.Kind != tc.kind {
					t.Fatalf("error is %v, want %v", err, tc.kind)
				}
				if !strings.Contains(e.Advice, tc.advice) {
					t.Errorf("advice is %q, want %q in it", e.Advice, tc.advice)
				}
				if strings.Contains(err.Error(), key.Base64()) || strings.Contains(err.Error(), "http://") {
					t.Errorf("the error tells too much: %v", err)
				}
			}
		})
	}
}

// TestThrottled: a store that goes on refusing is asked four times.
func TestThrottled(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		w.Header().Set("X-Ms-Error-Code", "ServerBusy")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer server.Close()
	b := open(t, azure.Config{Container: "box", Account: "a", AccountKey: "a2V5", Endpoint: server.URL})
	if _, err := b.Stat(t.Context(), "k"); !errors.Is(err, providers.ErrThrottled) || asked != 4 {
		t.Errorf("asked %d times, error %v", asked, err)
	}
}

func TestUnreachable(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	b := open(t, azure.Config{Container: "box", Account: "a", SASToken: "sv=1&sig=secret", Endpoint: server.URL})
	err := azure.Fail(b, context.Background(), "stat", "k", errors.New("no route to host"))
	if !errors.Is(err, providers.ErrUnavailable) || providers.Advice(err) == "" {
		t.Errorf("error is %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Stat(ctx, "k"); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}

func TestConfig(t *testing.T) {
	key := customerKey
	for _, tc := range []struct {
		cfg  azure.Config
		want string // "": it opens
	}{
		{azure.Config{Container: "box", Account: "a", AccountKey: "a2V5"}, ""},
		{azure.Config{Container: "box", Account: "a", AccountKey: "a2V5", Settings: key}, ""},
		{azure.Config{Container: "box", Account: "a"}, ""}, // the default chain asks nobody yet
		{azure.Config{Account: "a"}, "container"},
		{azure.Config{Container: "box"}, "no storage account"},
		{azure.Config{Container: "box", Account: "a.b"}, "storage account"},
		{azure.Config{Container: "box", Account: "a", AccountKey: "a2V5", SASToken: "sig=1"}, "exclude"},
		{azure.Config{Container: "box", Account: "a", AccountKey: "not base64!"}, "not base64"},
		{azure.Config{Container: "box", ConnectionString: "SECRET"}, "connection_string"},
		{azure.Config{Container: "box", Account: "a", AccountKey: "a2V5", Endpoint: "ftp://x"}, "endpoint"},
		{azure.Config{Container: "box", Account: "a", AccountKey: "a2V5", Endpoint: "https://u:SECRET@x"}, "credentials"},
		{azure.Config{Container: "box", Account: "a", AccountKey: "a2V5", Endpoint: "https://x?sig=SECRET"}, "credentials"},
		{azure.Config{Container: "box", Account: "a", AccountKey: "a2V5", Endpoint: "http://x", Settings: key}, "https"},
		{azure.Config{Container: "box", Account: "a", AccountKey: "a2V5", Endpoint: "http://x", Settings: key, InsecureKeysOverHTTP: true}, ""},
		{azure.Config{Container: "box", ConnectionString: "BlobEndpoint=http://x/a;AccountName=a;AccountKey=a2V5", Settings: key}, "https"},
		{azure.Config{Container: "box", Account: "a", Endpoint: "http://127.0.0.1:1/a"}, "over https only"},
		{azure.Config{Container: "box", Account: "a", AccountKey: "a2V5", CAFile: "/no/such/file"}, "certificate"},
	} {
		b, err := azure.Open(t.Context(), tc.cfg)
		if err == nil {
			b.Close()
		}
		if got := fmt.Sprint(err); (err == nil) != (tc.want == "") || !strings.Contains(got, tc.want) && err != nil || strings.Contains(got, "SECRET") {
			t.Errorf("%v: error %v, want %q", tc.cfg, err, tc.want)
		}
	}
}

// TestNothingPrinted: no verb shows a credential or a key of a Config.
func TestNothingPrinted(t *testing.T) {
	cfg := azure.Config{Container: "box", AccountKey: "SECRET", SASToken: "SECRET", ConnectionString: "SECRET", Settings: customerKey}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		for _, v := range []any{cfg, &cfg, []azure.Config{cfg}} {
			if s := fmt.Sprintf(verb, v); strings.Contains(s, "SECRET") || strings.Contains(s, strings.Repeat("w", 8)) {
				t.Errorf("%s prints %s", verb, s)
			}
		}
	}
}

// TestGuard: what lacks its encryption, or was not reviewed, is not sent.
func TestGuard(t *testing.T) {
	b := open(t, azure.Config{Container: "box", Account: "a", AccountKey: "a2V5", Settings: customerKey})
	scoped := open(t, azure.Config{Container: "box", Account: "a", AccountKey: "a2V5", Settings: sse.Settings{Scope: "test-scope"}})
	right := http.Header{"x-ms-encryption-key-sha256": {customerKey.WriteKey.SHA256()}}
	wrong := http.Header{"x-ms-encryption-key-sha256": {providertest.NewKey('x').SHA256()}}
	scope := http.Header{"x-ms-encryption-scope": {"test-scope"}}
	for _, tc := range []struct {
		b            *azure.Bucket
		method, comp string
		h            http.Header
		ok           bool
	}{
		{b, "PUT", "", right, true}, {b, "PUT", "block", right, true}, {b, "PUT", "blocklist", right, true},
		{b, "PUT", "", nil, false}, {b, "PUT", "block", nil, false}, {b, "PUT", "blocklist", nil, false},
		{b, "PUT", "", wrong, false}, {b, "PUT", "", scope, false},
		{scoped, "PUT", "", scope, true}, {scoped, "PUT", "block", nil, false}, {scoped, "PUT", "", right, false},
		{b, "GET", "", right, true}, {b, "HEAD", "", nil, true}, {b, "GET", "list", nil, true}, {b, "GET", "list", right, false},
		{b, "DELETE", "", nil, true}, {b, "DELETE", "", right, false}, {b, "POST", "batch", nil, true},
		{b, "PUT", "metadata", right, false}, {b, "PUT", "copy", right, false}, {b, "POST", "query", nil, false},
	} {
		if err := tc.b.Check(tc.method, tc.comp, tc.h); (err == nil) != tc.ok {
			t.Errorf("%s %q with %d headers: %v, want ok %v", tc.method, tc.comp, len(tc.h), err, tc.ok)
		}
	}
}

func TestMetadataNames(t *testing.T) {
	for _, name := range []string{"author", "a_b", "x-y", "2nd", "a.b", "_x2d_", "a_x2d_b", "_", "__x", "_x2", "größe"} {
		encoded := azure.EncodeName(name)
		if strings.Trim(encoded, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || encoded[0] >= '0' && encoded[0] <= '9' {
			t.Errorf("%q is encoded as %q, which is no identifier", name, encoded)
		}
		if got := azure.DecodeName(encoded); got != name {
			t.Errorf("%q comes back as %q (%q)", name, got, encoded)
		}
	}
}

// TestErrorsShown: what a server wrote is repeated without keys, and briefly,
// wherever it wrote it.
func TestErrorsShown(t *testing.T) {
	evil := customerKey.WriteKey.Base64() + strings.Repeat("long", 1000)
	b := open(t, azure.Config{Container: "box", Account: "a", AccountKey: "a2V5", Settings: customerKey})
	for name, write := range map[string]func(http.ResponseWriter){
		"code":    func(w http.ResponseWriter) { w.Header().Set("X-Ms-Error-Code", evil) },
		"request": func(w http.ResponseWriter) { w.Header().Set("X-Ms-Request-Id", evil) },
		"message": func(w http.ResponseWriter) {
			fmt.Fprintf(w, "<Error><Code>InvalidHeaderValue</Code><Message>%s</Message></Error>", evil)
		},
	} {
		rec := httptest.NewRecorder()
		rec.Code = 400
		write(rec)
		resp := rec.Result()
		resp.Request = httptest.NewRequest(http.MethodGet, "https://a.invalid/", nil)
		text := azure.Fail(b, t.Context(), "open", "k", runtime.NewResponseError(resp)).Error()
		if strings.Contains(text, evil[:20]) || len(text) > 1000 {
			t.Errorf("%s: %d bytes: %.300s", name, len(text), text)
		}
	}
	err := azure.Fail(b, t.Context(), "open", "k", errors.New("malformed HTTP response "+evil))
	if strings.Contains(err.Error(), evil[:20]) {
		t.Errorf("no answer: %.300s", err)
	}
}

// TestPanicInBlock: a bug in the work on one block is that upload's error.
func TestPanicInBlock(t *testing.T) {
	p := testserver.NewAzure(t)
	name := p.NewContainer(t)
	b := warm(t, p, name, customerKey)
	b.WrapTransport(func(next http.RoundTripper) http.RoundTripper {
		return transportFunc(func(r *http.Request) (*http.Response, error) {
			if r.URL.Query().Get("comp") == "block" {
				panic("a bug")
			}
			return next.RoundTrip(r)
		})
	})
	_, err := b.Put(t.Context(), "k", bytes.NewReader(noise(3<<20)), providers.PutOptions{Size: 3 << 20})
	wantError(t, "Put", err, providers.ErrUnavailable, "bug")
	wantNames(t, p, name, "large", "src")
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
