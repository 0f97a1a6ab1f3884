//go:build unix

package runner

import (
	"os"
	"os/exec"
	"syscall"
)

// reportsFD is the file descriptor on which a worker process reports. Its standard output belongs to ginkgo.
const reportsFD = 3

// passReports gives a worker process the pipe that it reports on, and a process group of its own: Ctrl-C must reach the
// supervisor alone, so that the workers can clean up.
func passReports(cmd *exec.Cmd, pipe *os.File) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.ExtraFiles = []*os.File{pipe} // becomes reportsFD
	return nil
}

// openReports returns the pipe that the supervisor gave to this worker process.
func openReports() *os.File {
	syscall.CloseOnExec(reportsFD) // a device that outlives the worker must not keep the supervisor waiting
	return os.NewFile(reportsFD, "reports")
}
