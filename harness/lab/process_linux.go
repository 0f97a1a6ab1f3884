package lab

import (
	"errors"
	"os"
	"syscall"
)

// processAttr puts a process into a group of its own, and has the system kill it when the harness dies, however that dies.
func processAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// killGroup kills a process and every process of its group. Its error is of no interest: then they are gone already.
func killGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }

// hookAttr is processAttr for a command of the lab, which runs to its end whatever becomes of the thread that started it.
func hookAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// alive reports whether there is a process with this number.
func alive(pid int) bool { return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }
