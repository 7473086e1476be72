package tests

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"sealdav/internal/testserver"
	"sealdav/tests/harness"
)

// TestProbesStay: credentials that may write but not delete leave what shows
// that the store encrypts. Such a remote takes no writes, says which permission
// is missing, and leaves not more behind with every write; `sealdav check`
// names what is left.
func TestProbesStay(t *testing.T) {
	key := harness.NewKey(t)
	for name, open := range map[string]func(t *testing.T) (r harness.Remote, permission string, keys func() []string){
		"azure": func(t *testing.T) (harness.Remote, string, func() []string) {
			a := newAzure(t)
			address, err := a.Container(t, a.name).GetSASURL(sas.ContainerPermissions{Read: true, Write: true, Create: true, List: true}, time.Now().Add(time.Hour), nil)
			if err != nil {
				t.Fatal(err)
			}
			_, token, _ := strings.Cut(address, "?")
			return harness.Remote{Name: "drive", URL: "az://" + a.name, SSE: key.Write(), More: fmt.Sprintf(
				"account = %q\nsas_token = %q\nendpoint = %q\nca_file = %q\n", a.Account, token, a.Endpoint, a.CAFile)}, "a SAS needs delete", func() []string { return a.Keys(t, a.name) }
		},
		"gcs": func(t *testing.T) (harness.Remote, string, func() []string) {
			b := newGCSBucket(t)
			many, one := testserver.Fault{Status: 403, Code: "AccessDenied"}, testserver.Fault{Status: 403, Code: "forbidden"}
			onMany, onOne := testserver.OnGCSOp("deleteMany", 0, many), testserver.OnGCSOp("delete", 0, one)
			b.SetFault(anyFault(onMany, onOne))
			t.Cleanup(func() { b.SetFault(nil) })
			return b.remote("drive", gcsWrite(key)), "storage.objects.delete", func() []string { return b.Keys(t, b.name) }
		},
		"s3": func(t *testing.T) (harness.Remote, string, func() []string) {
			p := testserver.NewProxy(t, testserver.SharedMinIO(t))
			denied := testserver.Fault{Status: 403, Code: "AccessDenied"}
			p.SetFault(anyFault(testserver.OnOp("DeleteObjects", 0, denied), testserver.OnOp("DeleteObject", 0, denied)))
			m := newBucket(t, p.S3)
			return m.remote("drive", key.Write()), "s3:DeleteObject", func() []string { return m.Keys(t, m.name) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			remote, permission, keys := open(t)
			s := harness.ServeConfig(t, "", remote)
			for range 3 {
				r := s.Want(t, []int{403}, "PUT", "/drive/f", []byte("content"))
				if text := string(r.Body); !strings.Contains(text, permission) || !strings.Contains(text, "takes no writes") {
					t.Errorf("403 without its reason: %s", text)
				}
			}
			left := keys()
			if len(left) != 2 || !strings.HasPrefix(left[0], ".sealdav/probe-") {
				t.Fatalf("after three writes the store holds %q, want one probe and its copy", left)
			}
			s.Stop(t)

			file, env := harness.Config(t, "", remote)
			r := harness.Run(t, env, "check", "--config", file)
			if r.Code != 1 || !strings.Contains(r.Stdout, permission) {
				t.Errorf("check = %d, want 1 and the permission\n%s%s", r.Code, r.Stdout, r.Stderr)
			}
			_, cleanUp, _ := strings.Cut(r.Stdout, "clean up failed")
			for _, key := range keys() {
				if known := key == left[0] || key == left[1]; !known && !strings.Contains(cleanUp, fmt.Sprintf("%q", key)) {
					t.Errorf("check does not say that %s is to be deleted:\n%s", key, r.Stdout)
				}
			}
			if strings.Contains(cleanUp, "sealdav-check-") {
				t.Errorf("check names what it has not written:\n%s", r.Stdout)
			}
		})
	}
}

// anyFault gives the fault of the first hook that has one.
func anyFault(hooks ...func(*http.Request) *testserver.Fault) func(*http.Request) *testserver.Fault {
	return func(r *http.Request) *testserver.Fault {
		for _, hook := range hooks {
			if f := hook(r); f != nil {
				return f
			}
		}
		return nil
	}
}
