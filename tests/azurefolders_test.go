package tests

import (
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"

	"sealdav/internal/testserver"
	"sealdav/tests/harness"
)

// TestAzureFolderBlobs: where folders are blobs of their own, as in a
// hierarchical namespace, they go with what lies in them, and stay when that
// goes alone.
func TestAzureFolderBlobs(t *testing.T) {
	key := harness.NewKey(t)
	for name, tc := range map[string]struct {
		key harness.Key
		sse string
	}{"plain": {}, "sealed": {key, key.Write()}} {
		t.Run(name, func(t *testing.T) {
			a := newAzure(t)
			a.SetQuirks(testserver.AzureQuirks{Hierarchical: true})
			for _, folder := range []string{"d", "d/sub", "e", "m", "m/sub", "u"} {
				if _, err := a.client(t, folder).UploadBuffer(t.Context(), nil, &blockblob.UploadBufferOptions{
					Metadata: map[string]*string{"hdi_isfolder": new("true")}, CPKInfo: cpk(tc.key),
				}); err != nil {
					t.Fatal(err)
				}
			}
			for _, file := range []string{"d/f", "d/sub/g", "m/f", "m/sub/g", "u/f"} {
				a.put(t, file, []byte("in "+file), tc.key)
			}
			drive := a.remote(t, "drive", tc.sse)
			s := harness.ServeConfig(t, "", drive)
			s.Want(t, []int{204}, "DELETE", "/drive/d/", nil)
			s.Want(t, []int{204}, "DELETE", "/drive/e", nil)
			a.wantKeys(t, "m", "m/f", "m/sub", "m/sub/g", "u", "u/f")
			s.Want(t, []int{404}, "PROPFIND", "/drive/d/", nil, "Depth", "0")
			s.Want(t, []int{201}, "MKCOL", "/drive/d/", nil)
			s.Move(t, "/drive/m/", "/drive/m2/")
			a.wantKeys(t, "d/", "m2/", "m2/f", "m2/sub/", "m2/sub/g", "u", "u/f")
			same(t, "moved", s.Get(t, "/drive/m2/sub/g"), []byte("in m/sub/g"))
			s.Want(t, []int{204}, "DELETE", "/drive/u/f", nil)
			a.wantKeys(t, "d/", "m2/", "m2/f", "m2/sub/", "m2/sub/g", "u")
			s.Stop(t)

			s = harness.ServeConfig(t, "", drive)
			list := string(s.Want(t, []int{207}, "PROPFIND", "/drive/", nil, "Depth", "1").Body)
			for _, folder := range []string{"d", "m2", "u"} {
				if strings.Count(list, "<D:href>/drive/"+folder+"/</D:href>") != 1 {
					t.Errorf("PROPFIND does not list %s/ once:\n%s", folder, list)
				}
			}
			if strings.Contains(list, "/drive/m/") || strings.Contains(list, "/drive/e/") {
				t.Errorf("PROPFIND lists what is gone:\n%s", list)
			}
		})
	}
}
