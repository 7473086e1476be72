package testserver_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"sealdav/internal/testserver"
)

func azureKey(b byte) *blob.CPKInfo {
	key := bytes.Repeat([]byte{b}, 32)
	sum := sha256.Sum256(key)
	return &blob.CPKInfo{
		EncryptionAlgorithm: new(blob.EncryptionAlgorithmTypeAES256),
		EncryptionKey:       new(base64.StdEncoding.EncodeToString(key)), EncryptionKeySHA256: new(base64.StdEncoding.EncodeToString(sum[:])),
	}
}

func azureCode(err error) string {
	if e, ok := errors.AsType[*azcore.ResponseError](err); ok {
		return e.ErrorCode
	}
	return ""
}

// TestAzure shows what the proxy before Azurite enforces.
func TestAzure(t *testing.T) {
	p := testserver.NewAzure(t)
	name := p.NewContainer(t)
	cred, err := container.NewSharedKeyCredential(p.Account, p.Key)
	if err != nil {
		t.Fatal(err)
	}
	client, err := container.NewClientWithSharedKeyCredential(p.Endpoint+"/"+name, cred,
		&container.ClientOptions{ClientOptions: azcore.ClientOptions{Transport: p.HTTPClient}})
	if err != nil {
		t.Fatal(err)
	}
	put := func(key string, cpk *blob.CPKInfo, scope *blob.CPKScopeInfo) error {
		_, err := client.NewBlockBlobClient(key).Upload(t.Context(), streaming.NopCloser(bytes.NewReader([]byte("x"))),
			&blockblob.UploadOptions{CPKInfo: cpk, CPKScopeInfo: scope})
		return err
	}
	scope := &blob.CPKScopeInfo{EncryptionScope: &p.Scope}
	for key, err := range map[string]error{
		"sealed": put("sealed", azureKey('a'), nil), "plain": put("plain", nil, nil), "scoped": put("scoped", nil, scope),
	} {
		if err != nil {
			t.Fatalf("put %s: %v", key, err)
		}
	}
	if code := azureCode(put("k", nil, &blob.CPKScopeInfo{EncryptionScope: new("other")})); code != "EncryptionScopeNotFound" {
		t.Errorf("an unknown scope is answered %q", code)
	}
	wrong := azureKey('a')
	wrong.EncryptionKeySHA256 = azureKey('b').EncryptionKeySHA256
	if code := azureCode(put("k", wrong, nil)); code != "InvalidHeaderValue" {
		t.Errorf("a key with another's hash is answered %q", code)
	}
	for _, tc := range []struct {
		key  string
		cpk  *blob.CPKInfo
		code string
	}{
		{"sealed", azureKey('a'), ""},
		{"sealed", nil, "BlobUsesCustomerSpecifiedEncryption"},
		{"sealed", azureKey('b'), "BlobCustomerSpecifiedEncryptionMismatch"},
		{"plain", nil, ""},
		{"plain", azureKey('a'), "BlobDoesNotUseCustomerSpecifiedEncryption"},
		{"scoped", nil, ""},
		{"absent", nil, "BlobNotFound"},
	} {
		_, head := client.NewBlobClient(tc.key).GetProperties(t.Context(), &blob.GetPropertiesOptions{CPKInfo: tc.cpk})
		out, get := client.NewBlobClient(tc.key).DownloadStream(t.Context(), &blob.DownloadStreamOptions{CPKInfo: tc.cpk})
		if get == nil {
			out.Body.Close()
		}
		if azureCode(head) != tc.code || azureCode(get) != tc.code {
			t.Errorf("%s: HEAD is answered %q, GET %q, want %q", tc.key, azureCode(head), azureCode(get), tc.code)
		}
	}
	page, err := client.NewListBlobsFlatPager(nil).NextPage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range page.Segment.BlobItems {
		sum, in := item.Properties.CustomerProvidedKeySHA256, item.Properties.EncryptionScope
		if (sum != nil) != (*item.Name == "sealed") || (in != nil) != (*item.Name == "scoped") {
			t.Errorf("the listing says of %s: key %v, scope %v", *item.Name, sum != nil, in != nil)
		}
	}
	azureBlocks(t, client.NewBlockBlobClient("blocks"))
	p.Seal(name)
	_ = put("forgotten", nil, nil)
	if got := p.Offences(); !slices.Equal(got, []string{"PutBlob /" + p.Account + "/" + name + "/forgotten"}) {
		t.Errorf("offences: %q", got)
	}
}

// azureBlocks: blocks are committed under the key they were staged with.
func azureBlocks(t *testing.T, client *blockblob.Client) {
	id := base64.StdEncoding.EncodeToString([]byte("block"))
	if _, err := client.StageBlock(t.Context(), id, streaming.NopCloser(bytes.NewReader([]byte("x"))), &blockblob.StageBlockOptions{CPKInfo: azureKey('a')}); err != nil {
		t.Fatal(err)
	}
	_, err := client.CommitBlockList(t.Context(), []string{id}, &blockblob.CommitBlockListOptions{CPKInfo: azureKey('b')})
	if azureCode(err) != "BlobCustomerSpecifiedEncryptionMismatch" {
		t.Errorf("a commit under another key: %v", err)
	}
	if _, err := client.CommitBlockList(t.Context(), []string{id}, &blockblob.CommitBlockListOptions{CPKInfo: azureKey('a')}); err != nil {
		t.Errorf("a commit under the key of its blocks: %v", err)
	}
}

// TestAzuriteKeepsConnections: the server under the proxy does not say that it
// will close idle connections, so a request never meets one that it closes.
func TestAzuriteKeepsConnections(t *testing.T) {
	p := testserver.NewAzure(t)
	name := p.NewContainer(t)
	var resp *http.Response
	if _, err := p.Container(t, name).GetProperties(policy.WithCaptureResponse(t.Context(), &resp), nil); err != nil {
		t.Fatal(err)
	}
	if limit := resp.Header.Get("Keep-Alive"); limit != "" || resp.Close {
		t.Errorf("idle connections are closed: Keep-Alive is %q", limit)
	}
}

// TestAzurePageSize: pages can be smaller than the client asks, whatever it
// signs its requests with.
func TestAzurePageSize(t *testing.T) {
	p := testserver.NewAzure(t)
	p.SetQuirks(testserver.AzureQuirks{PageSize: 2})
	name := p.NewContainer(t)
	cred, err := container.NewSharedKeyCredential(p.Account, p.Key)
	if err != nil {
		t.Fatal(err)
	}
	options := &container.ClientOptions{ClientOptions: azcore.ClientOptions{Transport: p.HTTPClient}}
	address := p.Endpoint + "/" + name
	withKey, err := container.NewClientWithSharedKeyCredential(address, cred, options)
	if err != nil {
		t.Fatal(err)
	}
	withSAS, err := container.NewClientWithNoCredential(address+"?"+p.SAS(t, name), options)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a", "b", "c d", "d/e", "f"} {
		if _, err := withKey.NewBlockBlobClient(key).UploadBuffer(t.Context(), nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		client *container.Client
		ask    *int32
		want   []int
	}{
		{withKey, nil, []int{2, 2, 1}},
		{withKey, new(int32(5000)), []int{2, 2, 1}},
		{withKey, new(int32(1)), []int{1, 1, 1, 1, 1}},
		{withSAS, nil, []int{2, 2, 1}},
	} {
		var got []int
		for pages := tc.client.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{MaxResults: tc.ask}); pages.More(); {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, len(page.Segment.BlobItems))
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("pages of %v blobs, want %v", got, tc.want)
		}
	}
}
