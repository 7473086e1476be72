package azure_test

import (
	"context"
	"crypto/rand"
	"os"
	"testing"

	"sealdav/internal/testserver"
	"sealdav/providers"
	"sealdav/providers/azure"
	"sealdav/providers/providertest"
	"sealdav/sse"
)

func TestMain(m *testing.M) { testserver.Main(m) }

var (
	customerKey = sse.Settings{WriteKey: providertest.NewKey('w')}
	twoKeys     = sse.Settings{WriteKey: providertest.NewKey('w'), ReadKeys: []sse.Key{providertest.NewKey('1'), providertest.NewKey('3')}}
)

// config opens a container of a server.
func config(p *testserver.Azure, container string, settings sse.Settings) azure.Config {
	return azure.Config{
		Container: container, Account: p.Account, AccountKey: p.Key, Endpoint: p.Endpoint, CAFile: p.CAFile,
		Settings: settings,
	}
}

func open(t testing.TB, cfg azure.Config) *azure.Bucket {
	t.Helper()
	b, err := azure.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// TestSuite runs the conformance suite under every mode, with the store
// copying and with copies through this process.
func TestSuite(t *testing.T) {
	for _, tc := range []struct {
		name     string
		settings sse.Settings
		prefix   string
		mode     string
		small    bool // objects of at most one part
		quirks   testserver.AzureQuirks
	}{
		{name: "plain", mode: providers.ModeSSE, small: true},
		{name: "CPK", settings: customerKey, mode: providers.ModeCustomer},
		{name: "CPK, two read keys, with prefix", settings: twoKeys, prefix: "a/pre fix", mode: providers.ModeCustomer, small: true},
		{name: "scope", settings: sse.Settings{Scope: "test-scope"}, mode: providers.ModeScope, small: true},
		{name: "CPK without copies", settings: customerKey, mode: providers.ModeCustomer, small: true, quirks: testserver.AzureQuirks{NoCopyFromURL: true}},
		{name: "CPK without source keys or batches", settings: customerKey, mode: providers.ModeCustomer, small: true, quirks: testserver.AzureQuirks{NoSourceKey: true, NoBatch: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := testserver.NewAzure(t)
			p.SetQuirks(tc.quirks)
			c := providertest.Config{
				Mode: tc.mode, CustomerKeys: !tc.settings.WriteKey.IsZero(), MinimalData: tc.small,
				Open: func(t testing.TB) providertest.Opener {
					container := p.NewContainer(t)
					return func(v providertest.View) providers.Bucket {
						cfg := config(p, container, v.Settings(tc.settings))
						cfg.Prefix = tc.prefix
						b, err := azure.Open(t.Context(), cfg)
						if err != nil {
							t.Fatal(err)
						}
						return b
					}
				},
			}
			c.Deviations = map[string]string{
				"key/backslash":      "Azure takes a backslash for a slash, so the provider refuses it",
				"key/control":        "Azurite cannot list such a name (500); Azure lists it encoded",
				"key/non-characters": "Azurite cannot list such a name (500); Azure lists it encoded",
			}
			if tc.prefix != "" {
				c.MaxKey = providers.MaxKey - len(tc.prefix) - 1
			}
			providertest.Run(t, c)
		})
	}
}

// TestCloud runs the suite on a real container, each case under a prefix of its
// own, if SEALDAV_TEST_AZURE_CONTAINER names one; the account and the
// credentials come from Azure's own variables. SEALDAV_TEST_AZURE_SCOPE is an
// encryption scope of the account.
func TestCloud(t *testing.T) {
	container := os.Getenv("SEALDAV_TEST_AZURE_CONTAINER")
	if container == "" {
		return // there is no cloud to test
	}
	modes := map[string]sse.Settings{providers.ModeSSE: {}, providers.ModeCustomer: customerKey}
	if scope := os.Getenv("SEALDAV_TEST_AZURE_SCOPE"); scope != "" {
		modes[providers.ModeScope] = sse.Settings{Scope: scope}
	}
	for mode, settings := range modes {
		t.Run(mode, func(t *testing.T) {
			providertest.Run(t, providertest.Config{
				Mode: mode, CustomerKeys: !settings.WriteKey.IsZero(), MinimalData: true,
				MaxKey:     providers.MaxKey - len("sealdav-test//") - len(rand.Text()),
				Deviations: map[string]string{"key/backslash": "Azure takes a backslash for a slash, so the provider refuses it"},
				Open: func(t testing.TB) providertest.Opener {
					cfg := azure.Config{Container: container, Prefix: "sealdav-test/" + rand.Text()}
					t.Cleanup(func() { empty(t, cfg) })
					return func(v providertest.View) providers.Bucket {
						cfg.Settings = v.Settings(settings)
						b, err := azure.Open(t.Context(), cfg)
						if err != nil {
							t.Fatal(err)
						}
						return b
					}
				},
			})
		})
	}
}

// empty deletes everything under a prefix, after the test's own context.
func empty(t testing.TB, cfg azure.Config) {
	ctx := context.WithoutCancel(t.Context())
	cfg.Settings = sse.Settings{}
	b, err := azure.Open(ctx, cfg)
	if err != nil {
		t.Error(err)
		return
	}
	defer b.Close()
	var keys []string
	for e, err := range b.List(ctx, "", providers.ListOptions{Recursive: true}) {
		if err != nil {
			t.Error(err)
			return
		}
		keys = append(keys, e.Key)
	}
	if err := b.Delete(ctx, keys...); err != nil {
		t.Error(err)
	}
}
