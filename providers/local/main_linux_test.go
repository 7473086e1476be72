package local

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// childEnv names the function that a child process runs instead of the tests.
const childEnv = "SEALDAV_TEST_CHILD"

// children are what the tests need a process of its own for; each returns the
// exit status.
var children = map[string]func(dir string) int{
	"hang":         childHangsInPut,
	"file-systems": childWithFileSystems,
}

func TestMain(m *testing.M) {
	if f, ok := children[os.Getenv(childEnv)]; ok {
		os.Exit(f(os.Args[1]))
	}
	os.Exit(m.Run())
}

// child is this binary, to run one of the children.
func child(t *testing.T, name, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, dir)
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	cmd.Stderr = os.Stderr
	return cmd
}

func childFails(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}
