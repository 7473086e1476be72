package tests

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"sealdav/tests/harness"
)

// TestAzurePages: a folder of more than a page of Azure's is listed whole, with
// a request for each page. Azurite takes too long to delete so many.
func TestAzurePages(t *testing.T) {
	const n = 5001
	a := newAzure(t)
	client := a.Container(t, a.name) // past the proxy
	var fill sync.WaitGroup
	for worker := range 8 {
		fill.Go(func() {
			for i := worker; i < n; i += 8 {
				if _, err := client.NewBlockBlobClient(fmt.Sprintf("dir/f%05d", i)).UploadBuffer(t.Context(), nil, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	fill.Wait()
	s := harness.ServeConfig(t, "", a.remote(t, "drive", ""))
	a.Reset()
	list := string(s.Want(t, []int{207}, "PROPFIND", "/drive/dir/", nil, "Depth", "1").Body)
	if ops := strings.Join(a.Ops(), " "); ops != "ListBlobs ListBlobs" {
		t.Errorf("the listing takes %s, want two pages", ops)
	}
	if got := strings.Count(list, "<D:response>"); got != 1+n {
		t.Errorf("%d members are listed, want %d", got-1, n)
	}
	for _, i := range []int{0, 4998, 4999, 5000} {
		if strings.Count(list, fmt.Sprintf("/drive/dir/f%05d<", i)) != 1 {
			t.Errorf("f%05d is not listed once", i)
		}
	}
}
