package tests

import (
	"bufio"
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"

	"sealdav/internal/testserver"
	"sealdav/tests/harness"
)

// TestListingStreams: the members of the first page of a folder reach the
// client while the store still keeps the second back, also where they are few
// bytes.
func TestListingStreams(t *testing.T) {
	const little = `<propfind xmlns="DAV:"><prop><resourcetype/></prop></propfind>`
	for _, tc := range []struct{ name, encoding, ask string }{
		{"plain", "identity", ""},
		{"plain, little", "identity", little},
		{"packed", "gzip", ""},
		{"packed, little", "gzip", little},
	} {
		t.Run(tc.name, func(t *testing.T) {
			proxy := testserver.NewProxy(t, testserver.Listing(t))
			s := harness.ServeConfig(t, "", harness.Remote{Name: "drive", URL: "s3://bucket", Store: proxy.S3, SSE: harness.NewKey(t).Write()})
			second := make(chan struct{})
			proxy.SetFault(func(r *http.Request) *testserver.Fault {
				if r.URL.Query().Has("continuation-token") {
					return &testserver.Fault{Wait: second}
				}
				return nil
			})
			req, err := http.NewRequestWithContext(t.Context(), "PROPFIND", s.URL+"/drive/2500/", strings.NewReader(tc.ask))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Depth", "1")
			req.Header.Set("Accept-Encoding", tc.encoding)
			resp, err := http.DefaultClient.Do(req) // comes, or the test hangs
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			plain := io.Reader(resp.Body)
			if tc.encoding == "gzip" {
				if plain, err = gzip.NewReader(plain); err != nil {
					t.Fatal(err)
				}
			}
			body := bufio.NewReader(plain)
			for got := ""; !strings.HasSuffix(got, "file-00000700.dat</D:href>"); {
				if got, err = body.ReadString('>'); err != nil {
					t.Fatal(err)
				}
			}
			close(second)
			rest, err := io.ReadAll(body)
			if err != nil || !strings.HasSuffix(string(rest), "</D:multistatus>\n") || !strings.Contains(string(rest), "file-00002499.dat") {
				t.Errorf("the rest: %d bytes, %v", len(rest), err)
			}
		})
	}
}

// TestListingTellsProperties: on stores whose listings tell the metadata, a
// server that has met none of the files shows their times and properties, and
// how they are encrypted, with no request for any of them.
func TestListingTellsProperties(t *testing.T) {
	gcs, azure := newGCSBucket(t), newAzure(t)
	for _, store := range []struct {
		name  string
		make  func(sse string) harness.Remote
		reset func()
		ops   func() []string
	}{
		{"GCS", func(sse string) harness.Remote { return gcs.remote("drive", sse) }, gcs.Reset, gcs.Ops},
		{"Azurite", func(sse string) harness.Remote { return azure.remote(t, "drive", sse) }, azure.Reset, azure.Ops},
	} {
		t.Run(store.name, func(t *testing.T) {
			remote := store.make(gcsWrite(harness.NewKey(t)))
			s := harness.ServeConfig(t, "", remote)
			const patch = `<propertyupdate xmlns="DAV:"><set><prop><color xmlns="urn:test">blue</color></prop></set></propertyupdate>`
			for _, name := range []string{"one", "two"} {
				s.Want(t, []int{201}, "PUT", "/drive/"+name, []byte("content"), "X-OC-Mtime", "1500000000", "Content-Type", "text/x-odd")
				s.Want(t, []int{207}, "PROPPATCH", "/drive/"+name, []byte(patch))
			}
			s.Stop(t)
			s = harness.ServeConfig(t, "", remote)
			const ask = `<propfind xmlns="DAV:"><prop><getlastmodified/><getcontenttype/><color xmlns="urn:test"/></prop></propfind>`
			store.reset()
			list := string(s.Want(t, []int{207}, "PROPFIND", "/drive/", []byte(ask), "Depth", "1").Body)
			if ops := store.ops(); len(ops) > 1 {
				t.Errorf("the listing takes %q", ops)
			}
			for _, want := range []string{"Fri, 14 Jul 2017 02:40:00 GMT", "text/x-odd", ">blue<"} {
				if n := strings.Count(list, want); n != 2 {
					t.Errorf("%q shows for %d of 2 files:\n%s", want, n, list)
				}
			}
		})
	}
}

// TestOneObjectTwice: two remotes on one bucket; what is moved from the one to
// the other lands on itself, and is not deleted after that.
func TestOneObjectTwice(t *testing.T) {
	gcs, azure := newGCSBucket(t), newAzure(t)
	sse := gcsWrite(harness.NewKey(t))
	for name, remotes := range map[string][2]harness.Remote{
		"GCS":     {gcs.remote("one", sse), gcs.remote("two", sse)},
		"Azurite": {azure.remote(t, "one", sse), azure.remote(t, "two", sse)},
	} {
		t.Run(name, func(t *testing.T) {
			remotes[1].URL += "/dir"
			s := harness.ServeConfig(t, "", remotes[0], remotes[1])
			s.Want(t, []int{201}, "MKCOL", "/one/dir", nil)
			s.Put(t, "/one/dir/f", []byte("content"))
			s.Want(t, []int{403}, "MOVE", "/one/dir/f", nil, "Destination", s.URL+"/two/f")
			same(t, "the file", s.Get(t, "/two/f"), []byte("content"))
		})
	}
}
