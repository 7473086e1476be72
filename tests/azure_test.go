package tests

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"sealdav/internal/testserver"
	"sealdav/tests/harness"
)

// azure is a container of the test's own behind a proxy of its own, which
// enforces the keys that Azurite ignores. What that proves, and what not, is
// said at testserver.Azure.
type azure struct {
	*testserver.Azure
	name string
}

func newAzure(t testing.TB) azure {
	t.Helper()
	p := testserver.NewAzure(t)
	harness.Canary("the Azure account's key", []byte(p.Key))
	return azure{p, p.NewContainer(t)}
}

// remote serves the container under a name.
func (a azure) remote(t testing.TB, name, sse string) harness.Remote {
	t.Helper()
	key := filepath.Join(t.TempDir(), "account.key")
	if err := os.WriteFile(key, []byte(a.Key), 0o600); err != nil {
		t.Fatal(err)
	}
	return harness.Remote{Name: name, URL: "az://" + a.name, SSE: sse, More: fmt.Sprintf(
		"account = %q\naccount_key = \"file://%s\"\nendpoint = %q\nca_file = %q\n", a.Account, key, a.Endpoint, a.CAFile)}
}

// client looks at a blob from outside, through the proxy.
func (a azure) client(t testing.TB, name string) *blockblob.Client {
	t.Helper()
	cred, err := blob.NewSharedKeyCredential(a.Account, a.Key)
	if err != nil {
		t.Fatal(err)
	}
	target := a.Endpoint + "/" + a.name + "/" + strings.ReplaceAll(name, " ", "%20")
	c, err := blockblob.NewClientWithSharedKeyCredential(target, cred, &blockblob.ClientOptions{ClientOptions: azcore.ClientOptions{Transport: a.HTTPClient}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func cpk(key harness.Key) *blob.CPKInfo {
	if key == noKey {
		return nil
	}
	return &blob.CPKInfo{
		EncryptionAlgorithm: new(blob.EncryptionAlgorithmTypeAES256), EncryptionKey: key.Base64(), EncryptionKeySHA256: new(key.SHA256()),
	}
}

func (a azure) put(t testing.TB, name string, body []byte, key harness.Key) {
	t.Helper()
	if _, err := a.client(t, name).UploadBuffer(t.Context(), body, &blockblob.UploadBufferOptions{CPKInfo: cpk(key)}); err != nil {
		t.Fatalf("put %s: %v", name, err)
	}
}

func (a azure) get(t testing.TB, name string, key harness.Key) ([]byte, error) {
	t.Helper()
	out, err := a.client(t, name).DownloadStream(t.Context(), &blob.DownloadStreamOptions{CPKInfo: cpk(key)})
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	return io.ReadAll(out.Body)
}

// wantSealed fails unless the blob is whole under key, and refused without a
// key and with another.
func (a azure) wantSealed(t testing.TB, name string, want []byte, key harness.Key) {
	t.Helper()
	got, err := a.get(t, name, key)
	if err != nil {
		t.Errorf("%s with its key: %v", name, err)
	} else {
		same(t, name+" with its key", got, want)
	}
	for _, wrong := range []harness.Key{noKey, harness.NewKey(t)} {
		_, err := a.get(t, name, wrong)
		if refused, ok := errors.AsType[*azcore.ResponseError](err); !ok || refused.StatusCode != 409 {
			t.Errorf("%s with the wrong key or none: %v, want the store to refuse", name, err)
		}
	}
}

func (a azure) wantKeys(t testing.TB, want ...string) {
	t.Helper()
	if got := a.Keys(t, a.name); !slices.Equal(got, want) {
		t.Errorf("the container holds %q, want %q", got, want)
	}
}

// TestAzure uploads, copies, moves and reads through the drive what lies under
// the write key, a read key, no key and a foreign key.
func TestAzure(t *testing.T) {
	a := newAzure(t)
	writeKey, readKey, foreign := harness.NewKey(t), harness.NewKey(t), harness.NewKey(t)
	for name, key := range map[string]harness.Key{"new": writeKey, "old": readKey, "plain": noKey, "foreign": foreign} {
		a.put(t, "dir/"+name, []byte("the "+name+" one"), key)
	}
	a.Seal(a.name)
	s := harness.ServeConfig(t, "", a.remote(t, "drive", writeKey.Write()+" "+readKey.Read()))
	for _, size := range []int{0, 100, 40<<20 + 1} {
		body := randomBytes(size)
		s.Put(t, "/drive/file", body)
		a.wantSealed(t, "file", body, writeKey)
		same(t, "GET", s.Get(t, "/drive/file"), body)
	}
	r := s.Do(t, "GET", "/drive/file", nil, "Range", "bytes=1000-1099")
	if r.Status != http.StatusPartialContent || len(r.Body) != 100 {
		t.Errorf("ranged GET = %d, %d bytes", r.Status, len(r.Body))
	}
	if r := s.Want(t, []int{403}, "GET", "/drive/dir/foreign", nil); !strings.Contains(string(r.Body), "key") {
		t.Errorf("403 without a reason: %q", r.Body)
	}
	for _, name := range []string{"new", "old", "plain"} {
		same(t, name, s.Get(t, "/drive/dir/"+name), []byte("the "+name+" one"))
		s.Copy(t, "/drive/dir/"+name, "/drive/copied-"+name)
		s.Move(t, "/drive/dir/"+name, "/drive/moved-"+name)
		a.wantSealed(t, "copied-"+name, []byte("the "+name+" one"), writeKey)
		a.wantSealed(t, "moved-"+name, []byte("the "+name+" one"), writeKey)
	}
	s.Want(t, []int{204}, "DELETE", "/drive/dir", nil)
	s.Want(t, []int{201}, "MKCOL", "/drive/folder", nil)
	a.wantSealed(t, "folder/", nil, writeKey)
	a.wantKeys(t, "copied-new", "copied-old", "copied-plain", "file", "folder/", "moved-new", "moved-old", "moved-plain")
}

// TestAzureInterrupted breaks an upload off after its first blocks: the old
// file stays.
func TestAzureInterrupted(t *testing.T) {
	a, key := newAzure(t), harness.NewKey(t)
	s := harness.ServeConfig(t, "", a.remote(t, "drive", key.Write()))
	s.Put(t, "/drive/file", []byte("the old one"))
	a.SetFault(testserver.OnAzureOp("PutBlockList", 0, testserver.Fault{Status: 403, Code: "AuthorizationFailure"}))
	r, err := s.Try(t, "PUT", "/drive/file", bytes.NewReader(randomBytes(20<<20)))
	if err != nil || r.Status < 400 {
		t.Errorf("PUT whose commit fails = %d, %v", r.Status, err)
	}
	a.SetFault(nil)
	u := s.StartPut(t, "/drive/file", 40<<20)
	if err := u.Send(randomBytes(33 << 20)); err != nil {
		t.Fatal(err)
	}
	u.Cut()
	same(t, "after a cut upload", s.Get(t, "/drive/file"), []byte("the old one"))
	a.wantSealed(t, "file", []byte("the old one"), key)
}

// TestAzureAcross moves a file between containers under other settings, and
// serves one by its URL and Azure's own variables.
func TestAzureAcross(t *testing.T) {
	one, two := newAzure(t), newAzure(t)
	key := harness.NewKey(t)
	s := harness.ServeConfig(t, "", one.remote(t, "one", key.Write()), two.remote(t, "two", "--sse-scope "+two.Scope))
	body := randomBytes(3 << 20)
	s.Put(t, "/one/file", body)
	s.Copy(t, "/one/file", "/two/copy")
	s.Move(t, "/one/file", "/two/moved")
	one.wantKeys(t)
	for _, name := range []string{"copy", "moved"} {
		out, err := two.client(t, name).GetProperties(t.Context(), nil)
		if err != nil || out.EncryptionScope == nil || *out.EncryptionScope != two.Scope {
			t.Errorf("%s is not in the scope: %v", name, err)
		}
	}
	direct := harness.Serve(t, two.Env(), "az://"+two.name)
	same(t, "GET by URL", direct.Get(t, "/"+two.name+"/moved"), body)
}

// TestAzureCheck runs `sealdav check` on every mode.
func TestAzureCheck(t *testing.T) {
	for _, sse := range []string{"", harness.NewKey(t).Write(), "--sse-scope test-scope"} {
		a := newAzure(t)
		file, env := harness.Config(t, "", a.remote(t, "drive", sse))
		if r := harness.Run(t, env, "check", "--config", file); r.Code != 0 {
			t.Errorf("check = %d\n%s%s", r.Code, r.Stdout, r.Stderr)
		}
		a.SetQuirks(testserver.AzureQuirks{NoCopyFromURL: true})
		if r := harness.Run(t, env, "check", "--config", file); r.Code != 0 || !strings.Contains(r.Stdout, "goes through this server") {
			t.Errorf("check where the store does not copy = %d\n%s%s", r.Code, r.Stdout, r.Stderr)
		}
		a.wantKeys(t)
	}
}
