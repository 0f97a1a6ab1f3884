package runner

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// reportsHandle is the environment variable that holds the handle on which a worker process reports.
const reportsHandle = "USPTEST_REPORTS_HANDLE"

// passReports gives a worker process the pipe that it reports on, and a process group of its own: Ctrl-C must reach the
// supervisor alone, so that the workers can clean up.
func passReports(cmd *exec.Cmd, pipe *os.File) error {
	handle := syscall.Handle(pipe.Fd())
	if err := syscall.SetHandleInformation(handle, syscall.HANDLE_FLAG_INHERIT, syscall.HANDLE_FLAG_INHERIT); err != nil {
		return fmt.Errorf("cannot pass the pipe of reports: %w", err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		CreationFlags:              syscall.CREATE_NEW_PROCESS_GROUP,
		AdditionalInheritedHandles: []syscall.Handle{handle},
	}
	cmd.Env = append(cmd.Environ(), reportsHandle+"="+strconv.FormatUint(uint64(handle), 10))
	return nil
}

// openReports returns the pipe that the supervisor gave to this worker process.
func openReports() *os.File {
	handle, err := strconv.ParseUint(os.Getenv(reportsHandle), 10, 64)
	if err != nil {
		return os.NewFile(uintptr(syscall.InvalidHandle), "reports")
	}
	// a device that outlives the worker must not keep the supervisor waiting
	_ = syscall.SetHandleInformation(syscall.Handle(handle), syscall.HANDLE_FLAG_INHERIT, 0)
	return os.NewFile(uintptr(handle), "reports")
}
