package tests

import (
	"fmt"
	"strings"
	"testing"

	"sealdav/tests/harness"
)

// TestAzureCheckTells: what `sealdav check` says of Azure's own encryption, of
// a scope that is not there, and of a wrong account key.
func TestAzureCheckTells(t *testing.T) {
	a := newAzure(t)
	wrong := a.remote(t, "drive", "")
	wrong.More = fmt.Sprintf("account = %q\naccount_key = \"d3Jvbmc=\"\nendpoint = %q\nca_file = %q\n", a.Account, a.Endpoint, a.CAFile)
	for name, tc := range map[string]struct {
		remote harness.Remote
		code   int
		want   []string
	}{
		"no options":  {a.remote(t, "drive", ""), 0, []string{"encryption: as the account does by default, always on"}},
		"no scope":    {a.remote(t, "drive", "--sse-scope nosuchscope"), 1, []string{"no such encryption scope", "encryption-scope create --name nosuchscope"}},
		"another key": {wrong, 1, []string{"does not accept the remote's credentials"}},
	} {
		t.Run(name, func(t *testing.T) {
			file, env := harness.Config(t, "", tc.remote)
			r := harness.Run(t, env, "check", "--config", file)
			if r.Code != tc.code {
				t.Errorf("check = %d, want %d", r.Code, tc.code)
			}
			for _, want := range tc.want {
				if !strings.Contains(r.Stdout, want) {
					t.Errorf("check does not say %q:\n%s", want, r.Stdout)
				}
			}
		})
	}
}
