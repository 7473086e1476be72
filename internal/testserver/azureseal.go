package testserver

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

// azureSeal is the encryption of a blob or a block: the SHA-256 of a customer
// key, a scope, or nothing.
type azureSeal struct{ keySHA256, scope string }

// azureState is what Azurite does not keep: the encryption of each version of
// a blob, by its ETag, and of each staged block. An ETag never comes back, so
// nothing has to be forgotten when a blob is deleted or replaced.
type azureState struct {
	mu      sync.Mutex
	changed *sync.Cond
	blobs   map[[2]string]azureSeal // path, ETag without quotes
	blocks  map[[2]string]azureSeal // path, block id
	writing map[string]int          // by path: writes under way
}

func newAzureState() *azureState {
	s := &azureState{blobs: map[[2]string]azureSeal{}, blocks: map[[2]string]azureSeal{}, writing: map[string]int{}}
	s.changed = sync.NewCond(&s.mu)
	return s
}

// begin notes a write, until the function it returns is called.
func (s *azureState) begin(path string) (end func()) {
	count := func(n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.writing[path] += n
		s.changed.Broadcast()
	}
	count(1)
	return func() { count(-1) }
}

func (s *azureState) setBlob(path, etag string, seal azureSeal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blobs[[2]string{path, strings.Trim(etag, `"`)}] = seal
	s.changed.Broadcast()
}

// blob is the encryption of a blob. A reader may see the result of a write
// whose answer has not come by yet, so an ETag that is not known is waited for
// as long as there are writes to the blob.
func (s *azureState) blob(path, etag string) azureSeal {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		seal, ok := s.blobs[[2]string{path, strings.Trim(etag, `"`)}]
		if ok || s.writing[path] == 0 {
			return seal
		}
		s.changed.Wait()
	}
}

func (s *azureState) setBlock(path, id string, seal azureSeal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocks[[2]string{path, id}] = seal
}

func (s *azureState) block(path, id string) azureSeal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blocks[[2]string{path, id}]
}

// sealIn reads the encryption headers of a request, with the given prefix
// ("X-Ms-" or "X-Ms-Source-"). code is the error's, if they are wrong.
func (p *Azure) sealIn(h http.Header, prefix string) (seal azureSeal, code string) {
	key, sum, algorithm := h.Get(prefix+"Encryption-Key"), h.Get(prefix+"Encryption-Key-Sha256"), h.Get(prefix+"Encryption-Algorithm")
	if prefix == "X-Ms-" {
		seal.scope = h.Get("X-Ms-Encryption-Scope")
	}
	switch {
	case seal.scope != "" && key != "":
		return seal, "InvalidHeaderValue"
	case seal.scope != "" && seal.scope != p.Scope:
		return seal, "EncryptionScopeNotFound"
	case key == "" && sum == "":
		return seal, ""
	}
	raw, err := base64.StdEncoding.DecodeString(key)
	want := sha256.Sum256(raw)
	if err != nil || len(raw) != 32 || algorithm != "AES256" || sum != base64.StdEncoding.EncodeToString(want[:]) {
		return seal, "InvalidHeaderValue"
	}
	seal.keySHA256 = sum
	return seal, ""
}

// mismatch is the code for a request that carries one seal and meets another,
// or "". A read needs no scope.
func (have azureSeal) mismatch(stored azureSeal) string {
	switch {
	case have.keySHA256 == stored.keySHA256:
		return ""
	case have.keySHA256 == "":
		return "BlobUsesCustomerSpecifiedEncryption"
	case stored.keySHA256 == "" && stored.scope == "":
		return "BlobDoesNotUseCustomerSpecifiedEncryption"
	}
	return "BlobCustomerSpecifiedEncryptionMismatch"
}

// enforce refuses what Azure would refuse before it looks at the blob, and
// notes writes that lack encryption.
func (p *Azure) enforce(w http.ResponseWriter, r *http.Request) {
	op, quirks := azureOp(r.Method, r.URL, r.Header), p.quirk()
	name, _ := blobOf(r.URL)
	seal, code := p.sealIn(r.Header, "X-Ms-")
	writes := strings.HasPrefix(op, "PutBl")
	if writes && seal == (azureSeal{}) && code == "" {
		p.mu.Lock()
		if p.sealed[name] {
			p.offences = append(p.offences, op+" "+r.URL.Path)
		}
		p.mu.Unlock()
	}
	if op == "PutBlob" || op == "PutBlockList" {
		defer p.state.begin(r.URL.Path)()
	}
	switch {
	case op == "Batch" && quirks.NoBatch, strings.HasSuffix(op, "FromURL") && quirks.NoCopyFromURL:
		azureError(w, http.StatusNotImplemented, "NotImplemented", "the operation is not implemented")
		return
	case op == "DeleteBlob" && quirks.Hierarchical && p.hasBelow(r):
		azureError(w, http.StatusConflict, "DirectoryIsNotEmpty", "the folder is not empty")
		return
	case quirks.Ignores && !strings.HasSuffix(op, "FromURL"):
		p.forward.ServeHTTP(w, r)
		return
	case code == "EncryptionScopeNotFound":
		azureError(w, http.StatusNotFound, code, "the encryption scope does not exist")
		return
	case code != "":
		azureError(w, http.StatusBadRequest, code, "an encryption header is wrong")
		return
	}
	switch op {
	case "ListBlobs":
		if quirks.PageSize > 0 {
			r = p.limitPage(r, name, quirks.PageSize)
		}
	case "PutBlobFromURL", "PutBlockFromURL":
		p.copyFromURL(w, r, op)
		return
	case "PutBlockList":
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if !p.sameSeal(r.URL.Path, body, seal) {
			azureError(w, http.StatusConflict, "BlobCustomerSpecifiedEncryptionMismatch", "the blocks lie under another key")
			return
		}
	}
	p.forward.ServeHTTP(w, r)
}

// hasBelow reports whether the blob of a request has others below it.
func (p *Azure) hasBelow(r *http.Request) bool {
	name, blob := blobOf(r.URL)
	client, err := p.server.service(p.server.endpoint, http.DefaultTransport)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	page, err := client.NewContainerClient(name).NewListBlobsFlatPager(&container.ListBlobsFlatOptions{
		Prefix: new(blob + "/"), MaxResults: new(int32(1)),
	}).NextPage(r.Context())
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return page.Segment != nil && len(page.Segment.BlobItems) > 0
}

// limitPage asks for a smaller page than the client did. A shared key's
// signature covers what was asked, so another authorisation takes its place.
func (p *Azure) limitPage(r *http.Request, name string, size int) *http.Request {
	query := r.URL.Query()
	if n, err := strconv.Atoi(query.Get("maxresults")); err == nil && n <= size {
		return r
	}
	query.Set("maxresults", strconv.Itoa(size))
	limited := r.Clone(r.Context())
	limited.URL.RawQuery = query.Encode()
	if r.Header.Get("Authorization") != "" {
		token, err := p.server.sas(name)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		limited.Header.Del("Authorization")
		limited.URL.RawQuery += "&" + token
	}
	return limited
}

// sameSeal reports whether every block of a list lies under seal.
func (p *Azure) sameSeal(path string, list []byte, seal azureSeal) bool {
	var blocks struct {
		Latest []string `xml:"Latest"`
	}
	if xml.Unmarshal(list, &blocks) != nil {
		return true // Azurite will say so
	}
	for _, id := range blocks.Latest {
		if p.state.block(path, id) != seal {
			return false
		}
	}
	return true
}

// answered looks at what Azurite answers: writes are noted, reads compared.
func (p *Azure) answered(resp *http.Response) error {
	r := resp.Request
	x := r.Context().Value(exchangeKey{}).(*exchange)
	if !p.quirk().Ignores && resp.StatusCode < 300 {
		if err := p.seal(resp); err != nil {
			return err
		}
	}
	if op := azureOp(r.Method, r.URL, r.Header); resp.StatusCode < 300 && (op == "PutBlob" || op == "PutBlockList") {
		p.alter(resp.Header)
	}
	if x.fault.DropAnswer {
		resp.Body.Close()
		return errCut
	}
	resp.Body = &meter{ReadCloser: resp.Body, n: &x.received, cut: x.fault.CutResponse}
	return nil
}

func (p *Azure) seal(resp *http.Response) error {
	r := resp.Request
	have, _ := p.sealIn(r.Header, "X-Ms-")
	switch op := azureOp(r.Method, r.URL, r.Header); op {
	case "PutBlob", "PutBlockList":
		p.state.setBlob(r.URL.Path, resp.Header.Get("Etag"), p.kept(op, have))
		tell(resp.Header, have, "X-Ms-Request-Server-Encrypted")
	case "PutBlock":
		p.state.setBlock(r.URL.Path, r.URL.Query().Get("blockid"), have)
		tell(resp.Header, have, "X-Ms-Request-Server-Encrypted")
	case "GetBlob", "GetBlobProperties", "GET metadata", "HEAD metadata":
		stored := p.state.blob(r.URL.Path, resp.Header.Get("Etag"))
		if code := have.mismatch(stored); code != "" && !p.quirk().EchoesOnly {
			refuse(resp, code)
			return nil
		}
		tell(resp.Header, stored, "X-Ms-Server-Encrypted")
	case "ListBlobs":
		return p.sealListing(resp)
	}
	return nil
}

// alter gives the answer to a write another ETag.
func (p *Azure) alter(h http.Header) {
	switch tag := p.quirk().ETag; {
	case tag == nil:
	case *tag == "":
		h.Del("Etag")
	default:
		h.Set("Etag", *tag)
	}
}

// kept is what a blob really lies under that was asked to be sealed.
func (p *Azure) kept(op string, asked azureSeal) azureSeal {
	if p.quirk().Pretends == op {
		return azureSeal{}
	}
	return asked
}

// tell puts into an answer what Azure says of a blob's encryption.
func tell(h http.Header, seal azureSeal, encrypted string) {
	h.Set(encrypted, "true")
	if seal.keySHA256 != "" {
		h.Set("X-Ms-Encryption-Key-Sha256", seal.keySHA256)
	}
	if seal.scope != "" {
		h.Set("X-Ms-Encryption-Scope", seal.scope)
	}
}

// refuse turns an answer into a 409.
func refuse(resp *http.Response, code string) {
	resp.Body.Close()
	body := `<?xml version="1.0" encoding="utf-8"?><Error><Code>` + code + `</Code><Message>refused by the enforcing proxy</Message></Error>`
	if resp.Request.Method == http.MethodHead {
		body = ""
	}
	resp.StatusCode, resp.Status = http.StatusConflict, "409 Conflict"
	resp.Header = http.Header{"X-Ms-Error-Code": {code}, "Content-Type": {"application/xml"}, "Content-Length": {strconv.Itoa(len(body))}}
	resp.ContentLength = int64(len(body))
	resp.Body = io.NopCloser(strings.NewReader(body))
}

// sealListing adds what List Blobs tells of encryption, as text: every blob's
// name comes before its ETag, and its ETag ends in a closing tag.
func (p *Azure) sealListing(resp *http.Response) error {
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		return err
	}
	base := strings.TrimSuffix(resp.Request.URL.Path, "/") + "/"
	var out strings.Builder
	name := ""
	for rest := string(body); rest != ""; {
		i := strings.Index(rest, "</")
		if i < 0 {
			out.WriteString(rest)
			break
		}
		end := i + strings.IndexByte(rest[i:], '>') + 1
		text, tag := rest[strings.LastIndexByte(rest[:i], '>')+1:i], rest[i:end]
		out.WriteString(rest[:end])
		rest = rest[end:]
		switch tag {
		case "</Name>":
			name = unescapeXML(text)
		case "</Etag>":
			seal := p.state.blob(base+name, unescapeXML(text))
			if seal.keySHA256 != "" {
				out.WriteString("<CustomerProvidedKeySha256>" + seal.keySHA256 + "</CustomerProvidedKeySha256>")
			}
			if seal.scope != "" {
				out.WriteString("<EncryptionScope>" + seal.scope + "</EncryptionScope>")
			}
		}
	}
	resp.Body = io.NopCloser(strings.NewReader(out.String()))
	resp.ContentLength = int64(out.Len())
	resp.Header.Set("Content-Length", strconv.Itoa(out.Len()))
	return nil
}

func unescapeXML(s string) string {
	var v string
	if xml.Unmarshal([]byte("<a>"+s+"</a>"), &v) != nil {
		return s
	}
	return v
}
