package testserver

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
)

// azurite is a running Azurite. It listens on plain http and ignores every
// encryption header, so tests reach it through an Azure proxy only.
type azurite struct {
	endpoint string // http://127.0.0.1:PORT/ACCOUNT
	account  string
	key      string // base64
	cert     *certificate
	stop     []func()
}

func (a *azurite) close() {
	for i := len(a.stop) - 1; i >= 0; i-- {
		a.stop[i]()
	}
}

// startAzurite starts an Azurite that keeps its blobs in memory. --loose makes
// it ignore what it does not know, customer keys among it, instead of failing.
func startAzurite() (*azurite, error) {
	main, err := tool("azurite", "node_modules", "azurite", "dist", "src", "blob", "main.js")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "sealdav-testserver-")
	if err != nil {
		return nil, err
	}
	key := make([]byte, 64)
	_, _ = rand.Read(key) // never fails
	a := &azurite{account: "sealdavtest", key: base64.StdEncoding.EncodeToString(key)}
	a.stop = append(a.stop, func() { os.RemoveAll(dir) })
	port, err := FreePort()
	if err == nil {
		a.cert, err = newCertificate(dir)
	}
	if err != nil {
		a.close()
		return nil, err
	}
	a.endpoint = fmt.Sprintf("http://127.0.0.1:%d/%s", port, a.account)
	patient := filepath.Join(dir, "patient.js")
	if err := os.WriteFile(patient, []byte(azuritePatient), 0o600); err != nil {
		a.close()
		return nil, err
	}
	p, err := startServer("node", []string{
		"--require", patient, main, "--blobHost", "127.0.0.1", "--blobPort", fmt.Sprint(port),
		"--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--disableProductStyleUrl", "--disableTelemetry", "--loose",
	}, []string{"AZURITE_ACCOUNTS=" + a.account + ":" + a.key})
	if err != nil {
		a.close()
		return nil, fmt.Errorf("start Azurite (it needs node; run: make tools): %w", err)
	}
	a.stop = append(a.stop, p.Kill)
	if err := p.WaitFor(a.ready); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// azuritePatient has Azurite keep idle connections for as long as their
// clients do. It closes them after 5 s of its own time, which passes at once
// when it comes out of a long computation: then it resets connections on which
// requests are waiting for it. Its option for that has no effect.
const azuritePatient = `
const { Server } = require("http");
const { listen } = Server.prototype;
Server.prototype.listen = function (...args) {
	this.keepAliveTimeout = 0;
	return listen.apply(this, args);
};
`

func (a *azurite) ready(ctx context.Context) error {
	client, err := a.service(a.endpoint, http.DefaultTransport)
	if err != nil {
		return err
	}
	_, err = client.GetProperties(ctx, nil)
	return err
}

// service is an SDK client that retries nothing, so that a test sees each
// answer.
func (a *azurite) service(endpoint string, transport http.RoundTripper) (*service.Client, error) {
	cred, err := service.NewSharedKeyCredential(a.account, a.key)
	if err != nil {
		return nil, err
	}
	return service.NewClientWithSharedKeyCredential(endpoint, cred, &service.ClientOptions{ClientOptions: azcore.ClientOptions{
		Transport: &http.Client{Transport: transport},
		Retry:     policy.RetryOptions{MaxRetries: -1},
	}})
}

// sharedAzurite is started once for all tests of the binary; every proxy has
// containers of its own on it.
func sharedAzurite(t testing.TB) *azurite {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if !shared.inMain {
		t.Fatal(errNoMain)
	}
	if shared.azurite == nil {
		a, err := startAzurite()
		if err != nil {
			t.Fatal(err)
		}
		shared.azurite = a
	}
	return shared.azurite
}

// NewContainer makes an empty container with a name of its own.
func (p *Azure) NewContainer(t testing.TB) string {
	t.Helper()
	name := "test-" + randomHex(8)
	if _, err := p.Container(t, name).Create(t.Context(), nil); err != nil {
		t.Fatalf("create container %s: %v", name, err)
	}
	return name
}

// Container is an SDK client that goes past the proxy, for a test to look at a
// container, or to fill it, from outside. Keys mean nothing there.
func (p *Azure) Container(t testing.TB, name string) *container.Client {
	t.Helper()
	client, err := p.server.service(p.server.endpoint, http.DefaultTransport)
	if err != nil {
		t.Fatal(err)
	}
	return client.NewContainerClient(name)
}

// Env is what a program needs in its environment to reach the server.
func (p *Azure) Env() []string {
	return []string{
		"AZURE_STORAGE_ACCOUNT=" + p.Account,
		"AZURE_STORAGE_KEY=" + p.Key,
		"AZURE_STORAGE_BLOB_ENDPOINT=" + p.Endpoint,
		"SSL_CERT_FILE=" + p.CAFile,
	}
}

// SAS is a token for all that sealdav does in a container.
func (p *Azure) SAS(t testing.TB, name string) string {
	t.Helper()
	token, err := p.server.sas(name)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func (a *azurite) sas(container string) (string, error) {
	client, err := a.service(a.endpoint, http.DefaultTransport)
	if err != nil {
		return "", err
	}
	all := sas.ContainerPermissions{Read: true, Write: true, Create: true, Delete: true, List: true}
	address, err := client.NewContainerClient(container).GetSASURL(all, time.Now().Add(time.Hour), nil)
	_, token, _ := strings.Cut(address, "?")
	return token, err
}

// Keys lists every blob of a container.
func (p *Azure) Keys(t testing.TB, name string) []string {
	t.Helper()
	var keys []string
	pages := p.Container(t, name).NewListBlobsFlatPager(nil)
	for pages.More() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatalf("list %s: %v", name, err)
		}
		for _, b := range page.Segment.BlobItems {
			keys = append(keys, *b.Name)
		}
	}
	return keys
}

var errNoKey = errors.New("a data request without the encryption its container demands")
