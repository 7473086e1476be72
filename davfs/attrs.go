package davfs

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"sealdav/providers"
)

// The user metadata that attributes are kept in. docs/properties.md describes
// it for other programs.
const (
	metaMtime = "mtime"         // as rclone and s3fs have it
	metaBtime = "btime"         // as rclone has it
	metaProps = "sealdav-props" // dead properties
)

// maxMetadata is the size of an object's user metadata, names and values
// together in bytes, that S3 takes. It holds for every store, so that what one
// remote keeps can be copied to another.
const maxMetadata = 2048

// attributes are what is kept with an object beside its content. They are not
// changed once they are made.
type attributes struct {
	mtime, btime time.Time  // zero: the store's
	dead         []property // in the order they were first set
	// unreadable: there are dead properties in a format of a later version, or
	// a damaged one. They are left alone.
	unreadable bool
}

// property is a dead property (RFC 4918 section 4.1).
type property struct {
	name xml.Name
	xml  []byte // the whole element, independent of declarations around it
}

// bytes is about how much memory the attributes take.
func (a *attributes) bytes() int {
	if a == nil || a == noAttributes {
		return 0
	}
	const own, each = 80, 56
	n := own
	for _, d := range a.dead {
		n += each + len(d.name.Space) + len(d.name.Local) + len(d.xml)
	}
	return n
}

// noAttributes are those of an object that is known to have none.
var noAttributes = new(attributes)

// readAttributes takes the attributes out of user metadata. What another
// program has written there in a form of its own counts as nothing.
func readAttributes(metadata map[string]string) *attributes {
	var a attributes
	a.mtime, _ = parseKeptTime(metadata[metaMtime])
	a.btime, _ = parseKeptTime(metadata[metaBtime])
	props, has := metadata[metaProps]
	if has {
		var err error
		a.dead, err = decodeProperties(props)
		a.unreadable = err != nil
	}
	if a.mtime.IsZero() && a.btime.IsZero() && !has {
		return noAttributes
	}
	return &a
}

// metadata returns old with the attributes in place of those it had.
// providers.ErrTooLarge where that is more than stores take.
func (a *attributes) metadata(old map[string]string) (map[string]string, error) {
	m := make(map[string]string, len(old)+3)
	maps.Copy(m, old)
	set := func(name, value string) {
		if m[name] = value; value == "" {
			delete(m, name)
		}
	}
	// What was not understood is not overwritten by nothing.
	if _, ok := parseKeptTime(m[metaMtime]); ok || !a.mtime.IsZero() {
		set(metaMtime, formatSeconds(a.mtime))
	}
	if _, ok := parseKeptTime(m[metaBtime]); ok || !a.btime.IsZero() {
		set(metaBtime, formatBtime(a.btime))
	}
	if !a.unreadable {
		props, err := encodeProperties(a.dead)
		if err != nil {
			return nil, err
		}
		set(metaProps, props)
	}
	size := 0
	for name, value := range m {
		size += len(name) + len(value)
	}
	if size > maxMetadata && len(a.dead) > 0 {
		return nil, &providers.Error{Op: "copy", Kind: providers.ErrTooLarge, Advice: fmt.Sprintf(
			"The properties of a file are kept in its metadata, which may have %d bytes; these would make it %d. Remove some, or make them shorter.", maxMetadata, size)}
	}
	return m, nil
}

// lasting is the user metadata of a file that replaces one with the attributes
// a: its dead properties and its time of birth stay, the time of its last
// change is the new one's. a may be nil.
func (a *attributes) lasting(sent map[string]string) map[string]string {
	if a == nil || len(a.dead) == 0 && a.btime.IsZero() {
		return sent
	}
	stay := attributes{mtime: readAttributes(sent).mtime, btime: a.btime, dead: a.dead}
	m, err := stay.metadata(nil)
	if err != nil { // not with what was read from metadata
		return sent
	}
	return m
}

// find returns the place of a dead property, -1 if it is not set.
func (a *attributes) find(name xml.Name) int {
	return slices.IndexFunc(a.dead, func(p property) bool { return p.name == name })
}

// equal reports whether two are the same attributes.
func (a *attributes) equal(b *attributes) bool {
	return a.mtime.Equal(b.mtime) && a.btime.Equal(b.btime) && a.unreadable == b.unreadable &&
		slices.EqualFunc(a.dead, b.dead, func(p, q property) bool { return p.name == q.name && bytes.Equal(p.xml, q.xml) })
}

// propsVersion is the format of encodeProperties: this prefix, and in base64
// the raw deflate stream of a DAV: prop element with the properties in it.
const propsVersion = "1:"

const (
	propsOpen  = `<D:prop xmlns:D="DAV:">`
	propsClose = `</D:prop>`
)

// encodeProperties returns "" for none.
func encodeProperties(dead []property) (string, error) {
	if len(dead) == 0 {
		return "", nil
	}
	var out strings.Builder
	out.WriteString(propsVersion)
	encoder := base64.NewEncoder(base64.StdEncoding, &out)
	w, err := flate.NewWriter(encoder, flate.BestCompression)
	if err != nil {
		return "", err
	}
	parts := [][]byte{[]byte(propsOpen)}
	for _, p := range dead {
		parts = append(parts, p.xml)
	}
	for _, part := range append(parts, []byte(propsClose)) {
		if _, err := w.Write(part); err != nil {
			return "", err
		}
	}
	err = errors.Join(w.Close(), encoder.Close())
	return out.String(), err
}

var errBadProperties = errors.New("the properties kept with the object are damaged or of a later version")

func decodeProperties(s string) ([]property, error) {
	data, ok := strings.CutPrefix(s, propsVersion)
	if !ok || len(data) > maxMetadata*8 {
		return nil, errBadProperties
	}
	packed, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return nil, errBadProperties
	}
	root, _, err := readXML(flate.NewReader(bytes.NewReader(packed)))
	if err != nil || root == nil || root.name != (xml.Name{Space: nsDAV, Local: "prop"}) {
		return nil, errBadProperties
	}
	var dead []property
	for i := range root.children {
		if e := &root.children[i]; e.name.Local != "" {
			dead = append(dead, property{e.name, appendElement(nil, e)})
		}
	}
	return dead, nil
}

// formatSeconds writes a time as rclone does: Unix time in seconds, with a
// fraction without zeros at its end; "" for the zero time.
func formatSeconds(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	sec, nsec, sign := t.Unix(), int64(t.Nanosecond()), ""
	if sec < 0 {
		sign = "-"
		if sec = -sec; nsec > 0 {
			sec, nsec = sec-1, 1e9-nsec
		}
	}
	s := sign + strconv.FormatInt(sec, 10)
	if nsec > 0 {
		s += strings.TrimRight(fmt.Sprintf(".%09d", nsec), "0")
	}
	return s
}

// formatBtime writes a time of birth as rclone does.
func formatBtime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// parseKeptTime reads a time that was kept in metadata, in either of the forms
// that rclone writes: it has seconds on S3, and RFC 3339 elsewhere.
func parseKeptTime(s string) (time.Time, bool) {
	if t, ok := parseSeconds(s); ok {
		return t, true
	}
	t, err := time.Parse(time.RFC3339, s)
	return t, err == nil && sane(t)
}

// parseSeconds reads Unix time in seconds with or without a fraction.
func parseSeconds(s string) (time.Time, bool) {
	digits, negative := strings.CutPrefix(strings.TrimSpace(s), "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	if whole == "" || len(whole) > 12 || strings.Trim(whole+fraction, "0123456789") != "" {
		return time.Time{}, false
	}
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	nsec, err := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	if err != nil {
		return time.Time{}, false
	}
	if negative {
		sec, nsec = -sec, -nsec
	}
	t := time.Unix(sec, nsec)
	return t, sane(t)
}

// sane reports whether HTTP and RFC 3339 can say a time: a year of four
// digits. The zero time is none, it stands for "not set".
func sane(t time.Time) bool {
	return !t.IsZero() && t.UTC().Year() >= 1 && t.UTC().Year() <= 9999
}

// parseTime reads a time as clients write it in properties: a date of HTTP,
// seconds, or RFC 3339.
func parseTime(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	if t, err := http.ParseTime(s); err == nil && sane(t) {
		return t, true
	}
	return parseKeptTime(s)
}
