package davfs

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"sealdav/providers"
	"sealdav/providers/providertest"
)

func TestIsLitter(t *testing.T) {
	for path, want := range map[string]bool{
		"._a": true, "d/._a.txt": true, ".DS_Store": true, "Thumbs.db": true, "thumbs.DB": true,
		"d/.Spotlight-V100/x/y": true, "desktop.ini": true, "$RECYCLE.BIN/a": true, "Icon\r": true,
		"": false, "a": false, "._": false, "_.a": false, "a._b": false, ".DS_Store2": false,
		".metadata": false, "Contents": false, "Icon": false,
	} {
		if got := inLitter(path); got != want {
			t.Errorf("inLitter(%q) = %v", path, got)
		}
	}
	for name := range litterNames {
		if len(name) > maxLitterName || name != strings.ToLower(name) {
			t.Errorf("%q is never found", name)
		}
	}
}

func litterDrive(t *testing.T, litter Litter, cache time.Duration, keys ...string) *drive {
	t.Helper()
	d := newDriveWith(t, Options{ListCache: cache}, keys...)
	h, err := New([]Remote{{Name: "r", Bucket: d.counter, Litter: litter}, {Name: "other", Bucket: d.other}},
		Options{Locks: d.locks, Logger: d.h.log, ListCache: cache})
	if err != nil {
		t.Fatal(err)
	}
	d.serve(h)
	return d
}

// What Finder does with the "._" file of a copy, as it does it.
func TestLitterFinder(t *testing.T) {
	for litter, kept := range map[Litter]string{LitterStore: "d/ d/._x d/x", LitterHide: "d/ d/x"} {
		d := litterDrive(t, litter, time.Hour, "d/", "d/x")
		d.want(404, "PROPFIND", "/r/d/._x", "", "Depth: 0")
		d.want(201, "PUT", "/r/d/._x", "")
		token := d.lock("/r/d/._x", "Depth: 0")
		d.want(207, "PROPFIND", "/r/d/._x", "", "Depth: 0")
		d.want(423, "PUT", "/r/d/._x", "theirs")
		a := d.want(204, "PUT", "/r/d/._x", "content of d/._x", "If: (<"+token+">)")
		d.want(200, "LOCK", "/r/d/._x", "", "If: (<"+token+">)")
		d.want(204, "UNLOCK", "/r/d/._x", "", "Lock-Token: <"+token+">")
		if b := d.want(200, "GET", "/r/d/._x", ""); b.body != "content of d/._x" || b.Header.Get("ETag") != a.Header.Get("ETag") {
			t.Errorf("%s: %q %v", litter, b.body, b.Header)
		}
		d.want(206, "GET", "/r/d/._x", "", "Range: bytes=1-3")
		d.want(207, "PROPPATCH", "/r/d/._x", `<D:propertyupdate xmlns:D="DAV:"/>`)
		d.wantKeys(kept)
		listed := strings.Contains(fmt.Sprint(d.propfind("/r/d/", "1", "").hrefs()), "._x")
		if listed != (litter == LitterStore) {
			t.Errorf("%s: listed %v", litter, listed)
		}
		d.want(201, "MOVE", "/r/d/._x", "", "Destination: /r/d/._y")
		d.want(404, "GET", "/r/d/._x", "")
		d.want(204, "DELETE", "/r/d/._y", "")
		d.want(404, "DELETE", "/r/d/._y", "")
		d.want(201, "MKCOL", "/r/d/.Trashes", "")
		d.want(201, "PUT", "/r/d/.Trashes/501", "x")
		d.want(204, "DELETE", "/r/d/", "")
		d.wantKeys("")
		d.want(404, "GET", "/r/d/.Trashes/501", "")
	}
}

func TestLitterRefuse(t *testing.T) {
	d := litterDrive(t, LitterRefuse, 0, "d/x", "d/._x", "d/.DS_Store")
	d.counter.Reset()
	for _, method := range []string{"GET", "HEAD", "PROPFIND", "DELETE"} {
		headers := []string{"Depth: 0"}
		if method == "DELETE" {
			headers = nil
		}
		body := ""
		d.want(404, method, "/r/d/._x", body, headers...)
	}
	for _, path := range []string{"/r/d/._x", "/r/d/.Trashes/y", "/r/Thumbs.db"} {
		if a := d.want(403, "PUT", path, "x"); !strings.Contains(a.body, "does not keep files of that name") {
			t.Errorf("%s: %s", path, a.body)
		}
		d.want(403, "MKCOL", path, "")
		d.want(403, "LOCK", path, lockBody)
	}
	d.wantCalls()
	d.want(403, "COPY", "/r/d/x", "", "Destination: /r/d/._y")
	d.want(403, "MOVE", "/r/d/x", "", "Destination: /r/d/._y")
	if got := d.propfind("/r/d/", "1", "").hrefs(); len(got) != 2 {
		t.Errorf("listed are %v", got)
	}
	d.wantKeys("d/.DS_Store d/._x d/x")
	d.want(201, "MOVE", "/r/d", "", "Destination: /r/e")
	d.wantKeys("e/.DS_Store=content of d/.DS_Store e/._x=content of d/._x e/x=content of d/x")
	d.want(204, "DELETE", "/r/e", "")
	d.wantKeys("")
}

// What a person has named so is not forgotten.
func TestLitterHideRefusesFiles(t *testing.T) {
	d := litterDrive(t, LitterHide, 0, "x", "d/y", "._old")
	d.want(403, "MOVE", "/r/x", "", "Destination: /r/._x")
	d.want(403, "COPY", "/r/d/", "", "Destination: /r/.Trashes")
	d.want(404, "GET", "/r/._old", "")
	d.want(201, "PUT", "/r/._new", "n")
	d.want(201, "COPY", "/r/._new", "", "Destination: /r/new")
	d.wantKeys("._old d/y new=n x")
}

// Probing for litter costs nothing where the folder was listed, and a listing
// where it was not, whatever is done with litter.
func TestLitterCost(t *testing.T) {
	probes := []string{"._x", ".DS_Store", ".metadata_never_index", ".Spotlight-V100", "desktop.ini", "Thumbs.db", "._."}
	for _, litter := range []Litter{LitterStore, LitterHide, LitterRefuse} {
		d := litterDrive(t, litter, time.Hour, "d/", "d/x")
		for i, probe := range probes {
			for _, method := range []string{"PROPFIND", "GET", "HEAD"} {
				d.bucket.cost()
				d.want(404, method, "/r/d/"+probe, "", "Depth: 0")
				want := ""
				if litter == LitterStore && i == 0 && method == "PROPFIND" {
					want = "1 list"
				}
				if got := d.bucket.cost(); got != want {
					t.Errorf("%s: %s of %s costs %q, want %q", litter, method, probe, got, want)
				}
			}
		}
	}
}

func TestLitterBucket(t *testing.T) {
	providertest.Run(t, providertest.Config{
		Open: func(testing.TB) providertest.Opener {
			b := newLitterBucket()
			b.total, b.one = 1<<30, 1<<30
			return func(providertest.View) providers.Bucket { return b }
		},
		MinimalData: true,
	})
}

func TestLitterBucketForgets(t *testing.T) {
	now := time.Now()
	b := newLitterBucket()
	b.now = func() time.Time { return now }
	put := func(key string, size int) {
		t.Helper()
		o, err := b.Put(t.Context(), key, strings.NewReader(strings.Repeat("x", size)), providers.PutOptions{Size: int64(size)})
		if err != nil || o.Size != int64(size) {
			t.Fatal(o, err)
		}
	}
	has := func(key string) bool {
		_, err := b.Stat(t.Context(), key)
		return err == nil
	}
	put("large", litterSize+1)
	if _, _, err := b.Open(t.Context(), "large", providers.OpenOptions{}); !has("large") || Status(err) != http.StatusNotFound {
		t.Errorf("what is too large: %v", err)
	}
	for i := range 2 * litterBytes / litterSize {
		put(fmt.Sprint("f", i), litterSize)
	}
	if has("f0") || has("large") || !has("f15") || b.bytes > litterBytes {
		t.Errorf("%d bytes are kept", b.bytes)
	}
	for i := range 2 * litterObjects {
		put(fmt.Sprint("g", i), 0)
	}
	if len(b.objects) > litterObjects || has("f15") || !has("g1999") {
		t.Errorf("%d objects are kept", len(b.objects))
	}
	now = now.Add(litterTime + time.Second)
	if has("g1999") || len(b.objects) > 0 {
		t.Errorf("%d objects are kept for ever", len(b.objects))
	}
}
