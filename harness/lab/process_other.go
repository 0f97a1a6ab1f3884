//go:build !unix

package lab

import (
	"os"
	"syscall"
)

// processAttr has nothing to ask for on this system.
func processAttr() *syscall.SysProcAttr { return nil }

// killGroup kills a process; this system knows no groups. Its error is of no interest: then it is gone already.
func killGroup(p *os.Process) { _ = p.Kill() }

// hookAttr is processAttr for a command of the lab, which runs to its end whatever becomes of the thread that started it.
func hookAttr() *syscall.SysProcAttr { return nil }

// alive reports whether there is a process with this number.
func alive(pid int) bool {
	_, err := os.FindProcess(pid)
	return err == nil
}
