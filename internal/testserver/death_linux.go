package testserver

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the kernel kill the child when the test binary dies, even
// of a timeout or of SIGKILL, where no cleanup runs.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
