package davfs

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"sealdav/providers"
	"sealdav/providers/local"
	"sealdav/sse"
)

// quotaDrive is a drive whose remote "r" has a quota, measured.
func quotaDrive(t *testing.T, quota int64, keys ...string) *drive {
	t.Helper()
	d := newDrive(t, keys...)
	tr := d.h.forest.trees["r"]
	tr.remote.Quota, tr.remote.MeasureUsage = quota, time.Hour
	if err := tr.measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

const askQuota = `<D:quota-available-bytes/><D:quota-used-bytes/>`

// quota gives "available used" as PROPFIND tells them, "-" for not at all.
func (d *drive) quota(path string) string {
	d.Helper()
	p := d.propfind(path, "0", ask(askQuota))
	var all []string
	for _, response := range p {
		for _, name := range []string{"DAV:quota-available-bytes", "DAV:quota-used-bytes"} {
			if v, ok := response[200][name]; ok {
				all = append(all, v)
			} else {
				all = append(all, "-")
			}
		}
	}
	return strings.Join(all, " ")
}

func (d *drive) wantQuota(want string) {
	d.Helper()
	if got := d.quota("/r/"); got != want {
		d.Errorf("quota %s, want %s", got, want)
	}
}

func TestQuota(t *testing.T) {
	d := quotaDrive(t, 100, "a", "dir/b") // 9 and 13 bytes... of content
	used := len("content of a") + len("content of dir/b")
	left := func(used int) string { return strconv.Itoa(100-used) + " " + strconv.Itoa(used) }
	d.wantQuota(left(used))
	if got := d.quota("/r/dir/"); got != left(used) {
		t.Errorf("a folder tells %s", got)
	}
	if got := d.quota("/r/a") + ", " + d.quota("/"); got != "- -, - -" {
		t.Errorf("a file and the root tell %s", got)
	}

	d.want(201, "PUT", "/r/c", strings.Repeat("x", 20))
	d.wantQuota(left(used + 20))
	d.want(204, "PUT", "/r/c", strings.Repeat("x", 10))
	d.wantQuota(left(used + 10))
	d.want(201, "COPY", "/r/c", "", "Destination: /r/d")
	d.wantQuota(left(used + 20))
	d.want(201, "MOVE", "/r/d", "", "Destination: /r/e")
	d.wantQuota(left(used + 20))
	d.want(201, "MOVE", "/r/dir", "", "Destination: /r/dir2")
	d.wantQuota(left(used + 20))
	d.want(201, "MOVE", "/r/dir2", "", "Destination: /other/dir")
	d.wantQuota(left(used + 20 - len("content of dir/b")))
	d.want(204, "DELETE", "/r/e", "")
	d.want(204, "DELETE", "/r/c", "")
	d.wantQuota(left(len("content of a")))
	d.want(201, "MOVE", "/other/dir", "", "Destination: /r/dir")
	d.want(204, "DELETE", "/r/dir", "")
	d.wantQuota(left(len("content of a")))

	a := d.want(507, "PUT", "/r/big", strings.Repeat("x", 200))
	if !strings.Contains(a.body, "<D:quota-not-exceeded/>") || !strings.Contains(a.body, "delete something first") {
		t.Errorf("body %s", a.body)
	}
	d.want(507, "PUT", "/r/a", strings.Repeat("x", 101))
	d.want(204, "PUT", "/r/a", strings.Repeat("x", 100))
	d.wantQuota("0 100")
	d.want(507, "COPY", "/r/a", "", "Destination: /r/copy")
	d.want(201, "MOVE", "/r/a", "", "Destination: /r/moved")
	d.want(201, "PUT", "/r/empty", "")
	d.want(201, "MKCOL", "/r/folder", "")
	if a := d.send("PUT", "/r/chunked", strings.NewReader("x"), -1); a.StatusCode != 507 {
		t.Errorf("chunked: %d", a.StatusCode)
	}
	d.want(204, "PUT", "/r/moved", "smaller")
	if a := d.send("PUT", "/r/chunked", strings.NewReader("x"), -1); a.StatusCode != 201 {
		t.Errorf("chunked: %d", a.StatusCode)
	}
}

// What is not known is not told: 0 is a full disk.
func TestQuotaUnknown(t *testing.T) {
	d := newDrive(t, "a")
	d.wantQuota("- -")
	tr := d.h.forest.trees["r"]
	tr.remote.Quota = 10
	d.wantQuota("- -")
	d.want(201, "PUT", "/r/b", strings.Repeat("x", 20))
	tr.remote.Quota = 0
	if err := tr.measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.wantQuota("- " + strconv.Itoa(20+len("content of a")))
	repair := d.fail("list", providers.ErrUnavailable)
	if err := tr.measure(t.Context()); !errors.Is(err, providers.ErrUnavailable) {
		t.Errorf("measured with %v", err)
	}
	repair()
	d.wantQuota("- " + strconv.Itoa(20+len("content of a")))
}

// npm's webdav reads the quota from an allprop. Of members it is left out,
// which all have the same.
func TestQuotaInAllprop(t *testing.T) {
	d := quotaDrive(t, 100, "dir/sub/x")
	for path, response := range d.propfind("/r/dir/", "1", allprop) {
		if _, ok := response[200]["DAV:quota-used-bytes"]; ok != (path == "/r/dir/") {
			t.Errorf("%s: %v", path, response)
		}
	}
	for path, response := range d.propfind("/r/dir/", "1", ask(askQuota)) {
		if _, ok := response[200]["DAV:quota-used-bytes"]; !ok {
			t.Errorf("%s: %v", path, response)
		}
	}
}

func TestMeasure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore("a")
		h, err := New([]Remote{{Name: "r", Bucket: s, MeasureUsage: time.Hour}, {Name: "never", Bucket: newStore()}}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { h.Measure(ctx); close(ended) }()
		for _, want := range []int64{12, 24} {
			synctest.Wait()
			if used, known := h.forest.trees["r"].meter.get(); used != want || !known {
				t.Errorf("used %d, %v, want %d", used, known, want)
			}
			s.set("b", "content of b")
			time.Sleep(time.Hour)
		}
		if _, known := h.forest.trees["never"].meter.get(); known {
			t.Error("measured without being told to")
		}
		cancel()
		<-ended
	})
}

// A directory tells the room of its disk.
func TestQuotaLocal(t *testing.T) {
	b := newLocal(t, "dir/f")
	tr := treeOn(b, 0)
	u := tr.room(t.Context())
	if !u.availableKnown || !u.usedKnown || u.available <= 0 || u.used <= 0 {
		t.Errorf("%+v", u)
	}
	tr.remote.Quota = 1000
	if u := tr.room(t.Context()); u.availableKnown || u.usedKnown {
		t.Errorf("not measured: %+v", u)
	}
	if err := tr.measure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if u := tr.room(t.Context()); u != (usage{available: 1000 - 16, used: 16, availableKnown: true, usedKnown: true}) {
		t.Errorf("%+v", u)
	}
}

// The properties of sealdav tell how an object lies in the store, also of one
// that no key opens.
func TestEncryptionProperties(t *testing.T) {
	const props = `<S:encryption/><S:encryption-key/>`
	dir := t.TempDir()
	drives := make(map[string]*drive)
	mine := newKey(t, '1')
	for name, settings := range map[string]sse.Settings{
		"write": {WriteKey: mine}, "plain": {}, "read": {ReadKeys: []sse.Key{newKey(t, '2'), mine}},
	} {
		b, err := local.Open(t.Context(), local.Config{Dir: dir, Settings: settings})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Close() })
		d := newDrive(t)
		h, err := New([]Remote{{Name: "r", Bucket: b}}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		*d.h = *h
		drives[name] = d
	}
	drives["write"].want(201, "PUT", "/r/f", "sealed")
	drives["plain"].want(201, "PUT", "/r/p", "plain")
	print := " " + mine.Fingerprint()
	for name, want := range map[string]string{"write": "write key" + print, "read": "read key 2" + print, "plain": "key not configured"} {
		d := drives[name]
		p := d.propfind("/r/f", "0", ask(props))["/r/f"][200]
		if p["urn:x-sealdav:propertiesencryption"] != "customer-key" || p["urn:x-sealdav:propertiesencryption-key"] != want {
			t.Errorf("%s: %v, want %s", name, p, want)
		}
		members := d.propfind("/r/", "1", ask(props))
		if name != "plain" && members["/r/f"][200]["urn:x-sealdav:propertiesencryption-key"] != want {
			t.Errorf("%s, in the folder: %v", name, members)
		}
		if p := members["/r/p"][200]; p["urn:x-sealdav:propertiesencryption"] != "none" || len(p) != 1 {
			t.Errorf("%s: the plain file is %v", name, p)
		}
		all := maps.Collect(maps.All(d.propfind("/r/f", "0", allprop)["/r/f"][200]))
		if _, ok := all["urn:x-sealdav:propertiesencryption"]; ok {
			t.Errorf("allprop tells %v", all)
		}
	}
}

func newKey(t *testing.T, c byte) sse.Key {
	t.Helper()
	k, err := sse.NewKey([]byte(strings.Repeat(string(c), sse.KeySize)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// A directory's listing tells what was kept with its files: nothing depends on
// what a server remembers.
func TestPropertiesLocal(t *testing.T) {
	b := newLocal(t)
	serve := func() *drive {
		d := newDrive(t)
		h, err := New([]Remote{{Name: "r", Bucket: b}}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		*d.h = *h
		return d
	}
	d := serve()
	d.want(201, "MKCOL", "/r/dir", "")
	d.want(201, "PUT", "/r/dir/f", "content", "X-OC-Mtime: "+setTime)
	etag := d.want(200, "HEAD", "/r/dir/f", "").Header.Get("ETag")
	for _, path := range []string{"/r/dir/f", "/r/dir/"} {
		d.want(207, "PROPPATCH", path, update(set(`<e:a>kept</e:a>`)))
	}
	if got := d.want(200, "HEAD", "/r/dir/f", "").Header; got.Get("ETag") != etag || got.Get("Last-Modified") != httpTime {
		t.Errorf("a property changes ETag %s to %v", etag, got)
	}
	for range 2 {
		p := d.propfind("/r/dir/", "1", ask(`<e:a/><D:getlastmodified/>`))
		if got := p["/r/dir/f"][200]; got["urn:ea"] != "kept" || got["DAV:getlastmodified"] != httpTime || p["/r/dir/"][200]["urn:ea"] != "kept" {
			t.Errorf("%v", p)
		}
		d = serve()
	}
	if got := d.want(200, "GET", "/r/dir/f", "").body; got != "content" {
		t.Errorf("content %q", got)
	}
	folder := d.propfind("/r/", "1", ask(`<D:getlastmodified/>`))["/r/dir/"][200]["DAV:getlastmodified"]
	if own := d.propfind("/r/dir/", "0", ask(`<D:getlastmodified/>`))["/r/dir/"][200]["DAV:getlastmodified"]; folder != own || own == "" {
		t.Errorf("the folder's time is %s in its parent, %s itself", folder, own)
	}
	d.want(207, "PROPPATCH", "/r/dir/f", update(remove(`<e:a/>`)))
	if p := d.propfind("/r/dir/f", "0", ask(`<e:a/>`)); p["/r/dir/f"][404] == nil {
		t.Errorf("%v", p)
	}
}
