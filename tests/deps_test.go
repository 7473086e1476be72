package tests

import (
	"encoding/json"
	"io"
	"os/exec"
	"strings"
	"testing"

	"sealdav/internal/testserver"
)

// forbidden are the edges that the dependencies between packages must not
// have, with the reason. A pattern ending in /... stands for a package and
// everything below it; std is the standard library.
var forbidden = []struct{ from, to, why string }{
	{"sealdav/davfs/...", "sealdav/sse/...", "a drive knows nothing of encryption, so that it can leak or forget no key"},
	{"sealdav/davfs/...", "sealdav/providers/*", "a drive works on any Bucket"},
	{"sealdav/providers/*", "sealdav/providers/*", "providers do not know each other; what they share is in package providers"},
	{"sealdav/providers", "not std", "the contract of a bucket must not drag an SDK along"},
	{"sealdav/sse", "not std", "the option grammar is for other programs too"},
	{"sealdav/providers/...", "sealdav/internal/...", "configuration is handed to providers, they do not read it"},
	{"sealdav/providers/...", "github.com/BurntSushi/toml", "configuration is handed to providers, they do not read it"},
	{"sealdav/davfs/...", "sealdav/internal/...", "davfs is a library"},
	{"sealdav/...", "sealdav/cmd/...", "commands are wiring only"},
	{"sealdav/cmd/...", "sealdav/internal/testserver", "test code stays out of the binary"},
	{"sealdav/cmd/...", "testing", "test code stays out of the binary"},
	{"sealdav/cmd/...", "sealdav/providers/providertest", "test code stays out of the binary"},
}

// TestDependencies holds the packages to their direction.
func TestDependencies(t *testing.T) {
	root, err := testserver.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Deps,Standard", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	standard := map[string]bool{}
	deps := map[string][]string{}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Deps       []string
			Standard   bool
		}
		if err := d.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if p.Standard {
			standard[p.ImportPath] = true
		} else if strings.HasPrefix(p.ImportPath, "sealdav/") {
			deps[p.ImportPath] = p.Deps
		}
	}
	for _, rule := range forbidden {
		matched := false
		for pkg, its := range deps {
			if !matches(rule.from, pkg) || isTestCode(pkg) {
				continue
			}
			matched = true
			for _, dep := range its {
				bad := matches(rule.to, dep) && dep != pkg
				if rule.to == "not std" {
					bad = !standard[dep]
				}
				if bad {
					t.Errorf("%s depends on %s: %s", pkg, dep, rule.why)
				}
			}
		}
		if !matched {
			t.Errorf("no package matches %s", rule.from)
		}
	}
}

// isTestCode tells the packages that only tests import.
func isTestCode(pkg string) bool {
	return matches("sealdav/tests/...", pkg) || pkg == "sealdav/internal/testserver" || pkg == "sealdav/providers/providertest"
}

// matches reports whether a package matches a pattern: exact, "a/*" for the
// packages right below a, "a/..." for a and everything below it.
func matches(pattern, pkg string) bool {
	if dir, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == dir || strings.HasPrefix(pkg, dir+"/")
	}
	if dir, ok := strings.CutSuffix(pattern, "/*"); ok {
		name, below := strings.CutPrefix(pkg, dir+"/")
		return below && !strings.Contains(name, "/")
	}
	return pattern == pkg
}
