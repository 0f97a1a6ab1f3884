package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/usptest/usptest/harness/result"
)

// TestASecondInterruptEndsARunAtOnce interrupts a run whose worker hangs, and does not want to wait for it.
func TestASecondInterruptEndsARunAtOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	p, cmd := startedRun(t, dir, "--instances=1")
	workers := children(t, cmd.Process.Pid)
	if len(workers) != 1 {
		t.Fatalf("want one worker, got %v", workers)
	}
	agents := children(t, workers[0])
	if len(agents) != 1 {
		t.Fatalf("want one agent, got %v", agents)
	}
	var gone []func()
	for _, pid := range append(workers, agents...) {
		gone = append(gone, whenGone(t, pid))
	}
	if err := syscall.Kill(workers[0], syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	interrupt := func() {
		t.Helper()
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
	}
	interrupt()
	p.Await(t, "interrupt again to end at once")
	interrupt()
	p.Await(t, "ended at once: the device was not restored")
	if exit := p.Wait(t, cmd); exit != result.ExitInterrupted {
		t.Errorf("exit code: want %d, got %d", result.ExitInterrupted, exit)
	}
	for _, wait := range gone {
		wait()
	}
	if exists(filepath.Join(dir, runFile)) || exists(filepath.Join(dir, reserveFile)) {
		t.Error("there is a run.json, or the room that was kept for it")
	}
	finished := 0
	for _, line := range strings.Split(strings.TrimSuffix(string(read(t, dir, casesFile)), "\n"), "\n") {
		var logged struct{ Case result.Case }
		if err := json.Unmarshal([]byte(line), &logged); err != nil {
			t.Fatalf("%s is not whole: %v\n%s", casesFile, err, line)
		}
		if c := logged.Case; c.Verdict == result.Pass {
			finished++
			if events, err := result.ReadJournal(dir, c.Journal); err != nil || len(events) == 0 {
				t.Errorf("%s: %d events, %v", c.Journal, len(events), err)
			}
		}
	}
	if finished == 0 {
		t.Error("no finished case was kept")
	}
}

// whenGone returns what waits until the process pid has ended, whoever its parent is.
func whenGone(t *testing.T, pid int) func() {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ENOSYS) {
		t.Skip("SKIPPED, NOT PROVEN: this system cannot tell when the child of another process ends")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return func() {
		t.Helper()
		deadline := time.Now().Add(time.Minute)
		n, err := 0, error(unix.EINTR)
		for errors.Is(err, unix.EINTR) { // the Go runtime sends signals to its own threads
			n, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(max(time.Until(deadline), 0).Milliseconds()))
		}
		if n != 1 || err != nil {
			t.Errorf("process %d stays behind (%v)", pid, err)
		}
	}
}
