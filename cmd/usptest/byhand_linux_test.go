package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness/result"
)

// pseudoTerminal is a terminal: what a person sees and types, and what the program has in its place.
func pseudoTerminal(t *testing.T) (person, its *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("SKIPPED, NOT PROVEN: this system has no pseudo-terminals: %v", err)
	}
	t.Cleanup(func() { person.Close() })
	number, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	if its, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	return person, its
}

// TestAPersonIsAwaitedAtTheTerminal wants what a person has to do to stay the last line until Enter, through several refreshes of the
// status line.
func TestAPersonIsAwaitedAtTheTerminal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	launch := agentLaunch(t)
	for i, word := range launch {
		launch[i] = fmt.Sprintf("%q", word)
	}
	write(t, []byte(`device: {vendor: ACME, model: X1, software: "1.0", endpoint: "proto::x1"}
links: [{mtp: mqtt, version: "5.0"}]
features: [1, 36]
lab:
  reboot: manual
  launch: {fresh: per-run, exec: [`+strings.Join(launch, ", ")+`]}
waits: {reconnect: 1s}
`), dir, "lab.yaml")
	person, its := pseudoTerminal(t)
	p := program.Program{Live: person}
	cmd := p.Command(t, self(t), "run", "--dut", filepath.Join(dir, "lab.yaml"), "--out", filepath.Join(dir, "out"), "11.4")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = its, its, its
	cmd.Env = append(os.Environ(), "CI=", "TERM=xterm", "NO_COLOR=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	its.Close()
	const plea = "mqtt5: please reboot the device now, then press Enter"
	p.Await(t, plea)
	p.Await(t, "waiting for a person, 0:03")
	if _, last, _ := strings.Cut(p.Stdout.String(), plea); strings.Count(last, "\n") > 1 || strings.Count(last, "waiting for a person") < 3 {
		t.Errorf("want the plea alone above the status line, got %q", last)
	}
	if _, err := person.WriteString("\n"); err != nil {
		t.Fatal(err)
	}
	// the agent has not been rebooted, so that the case cannot be judged, or fails
	if exit := p.Wait(t, cmd); exit != result.ExitError && exit != result.ExitDeviceFault {
		t.Errorf("exit code %d\n%s", exit, &p.Stdout)
	}
	run := runIn(t, filepath.Join(dir, "out"))
	if c := run.Links[0].Cases[0]; strings.Contains(c.Reason, "operator") || strings.Contains(c.Reason, "budget") {
		t.Errorf("got %s: %s", c.Verdict, c.Reason)
	}
}
