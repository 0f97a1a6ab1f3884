package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/onsi/gomega"

	"github.com/usptest/usptest/fixtures/isolated"
	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness/network"
	"github.com/usptest/usptest/harness/result"
)

// benchDevice is a device that runs by itself, at the other end of the cable.
const benchDevice = `device: {vendor: ACME, model: X1, software: "1.0", endpoint: "proto::x1"}
host: 10.69.85.1
links: [{mtp: mqtt, version: "5.0", port: 1883, agentTopic: x1/agent, controllerTopic: x1/controller}]
features: [10, 21, 22]
lab:
  reboot: usp
  network: {interface: eth1%s}
waits: {connect: 5m, reconnect: 5m}
`

// inComputer makes this process a computer of its own, with a port eth0 to the office and a port eth1 to the bench, and reports whether it
// is. A pair of virtual ports plays the cable.
func inComputer(t *testing.T) bool {
	t.Helper()
	isolated.Needs(t, "ip")
	if !isolated.Run(t, func(cmd *exec.Cmd) {
		cmd.Env = append(cmd.Env, asProgram+"=") // it is the test again, and not usptest
		network.Isolate(cmd)
	}) {
		return false
	}
	for _, line := range []string{
		"link set lo up",
		"link add eth0 type veth peer name office", "link set eth0 addrgenmode none", "link set office addrgenmode none",
		"link set office up", "addr add 203.0.113.7/24 dev eth0", "link set eth0 up",
		"link add eth1 type veth peer name far",
		"addr add 192.0.2.5/24 brd 192.0.2.255 dev eth1 label eth1:lab", "addr add 2001:db8::5/64 dev eth1",
		"link set eth1 addrgenmode none", "link set eth1 up", "addr add fe80::5/64 dev eth1 nodad", "link set far up",
		"route add 198.51.100.0/24 via 192.0.2.9 dev eth1", "-6 route add 2001:db8:7::/64 via 2001:db8::9 dev eth1",
		"route add default via 192.0.2.8 dev eth1 table 77",
		"link set eth1 mtu 1400 txqueuelen 77 promisc on allmulticast on alias bench",
	} {
		ip(t, strings.Fields(line)...)
	}
	return true
}

func ip(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ip", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("ip %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// ports are what the computer has: interfaces with their flags, addresses, routes, and what eth0 has sent and received.
func ports(t *testing.T) string {
	t.Helper()
	lines := strings.Split(ip(t, "-o", "-d", "link")+ip(t, "-o", "addr")+ip(t, "route", "show", "table", "all"), "\n")
	// the system's own, and the address that it gives the other end of the cable, at a time of its choice
	lines = slices.DeleteFunc(lines, func(line string) bool {
		return strings.Contains(line, "table local") || strings.Contains(line, " far ")
	})
	// whether the device at the other end is up
	carrier := regexp.MustCompile(`NO-CARRIER,|,LOWER_UP| state [A-Z]+`)
	for i, line := range lines {
		_, lines[i], _ = strings.Cut(line, ": ") // the number of a port
		if !strings.Contains(line, ": ") {
			lines[i] = line
		}
		words := strings.Fields(carrier.ReplaceAllString(lines[i], ""))
		lines[i] = strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "linkdown" || w == "tentative" }), " ")
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n" + ip(t, "-s", "link", "show", "dev", "eth0")
}

// cable starts the device with the other end of eth1 as its eth0. It starts again whenever it ends.
func cable(t *testing.T) {
	t.Helper()
	agent := fmt.Sprintf("%s agent --discover eth0 --link mqtt5 --host 10.69.85.1 --endpoint proto::x1 --agent-topic x1/agent "+
		"--controller-topic x1/controller --state %s", self(t), filepath.Join(t.TempDir(), "state.json"))
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "read plugged; while :; do "+agent+"; sleep 0.2; done")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Setpgid: true}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the device says:\n%s", &out)
		}
	})
	ip(t, "link", "set", "far", "netns", fmt.Sprint(cmd.Process.Pid), "name", "eth0")
	if _, err := fmt.Fprintln(stdin); err != nil {
		t.Fatal(err)
	}
}

// TestAPortThatCannotBeLent is an error of the cases that need it, and the others go on.
func TestAPortThatCannotBeLent(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := agentFile(t, "", "features: [21]\n")
	text := string(read(t, filepath.Dir(file), filepath.Base(file)))
	text = strings.Replace(text, ", --defect=]", "]", 1)
	write(t, []byte(strings.Replace(text, "lab:\n", "lab:\n  reboot: launch\n  network: {interface: absent0}\n", 1)), file)
	p := usptest(t, "run", "--dut", file, "--out", filepath.Join(dir, "out"), "1.36", "8.1")
	p.Want(t, result.ExitError, "pass 1.36", "error 8.1", "lab.network.interface absent0: ",
		"ip link lists the interfaces of this computer")
}

// TestAPortOfThisComputerIsLent carries out chapter 8 on a device at a port, which has its addresses and routes back afterwards. Nothing
// crosses the other port.
func TestAPortOfThisComputerIsLent(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{"IPv4": "", "IPv6": ", ip: 6"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !inComputer(t) {
				return
			}
			cable(t)
			before := ports(t)
			dir := t.TempDir()
			file := filepath.Join(dir, "lab.yaml")
			write(t, fmt.Appendf(nil, benchDevice, key), file)
			p := usptest(t, "run", "--dut", file, "--out", filepath.Join(dir, "out"), "8.*")
			p.Want(t, result.ExitPassed)
			cases := runIn(t, filepath.Join(dir, "out")).Links[0].Cases
			if len(cases) != 7 || slices.ContainsFunc(cases, func(c result.Case) bool { return c.Verdict != result.Pass }) {
				t.Errorf("want 7 cases that pass, got %+v", cases)
			}
			if after := ports(t); after != before {
				t.Errorf("the ports before:\n%s\nand after the run:\n%s", before, after)
			}
		})
	}
}

// TestAPortInUseIsNotLent: an interface that depends on the port would lose it.
func TestAPortInUseIsNotLent(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]struct {
		made []string
		want string
	}{
		"a bridge": {[]string{"link add br0 type bridge", "link set eth1 master br0"},
			"lab.network.interface eth1: the port is a member of br0 (bridge), which would lose it: before the run, " +
				"ip link set eth1 nomaster"},
		"an interface on it": {[]string{"link add link eth1 name guest0 type macvlan"},
			"lab.network.interface eth1: guest0 (macvlan) is made on the port, and would end when the port is " +
				"lent: ip link del guest0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !inComputer(t) {
				return
			}
			for _, line := range use.made {
				if out, err := exec.CommandContext(t.Context(), "ip", strings.Fields(line)...).CombinedOutput(); err != nil {
					t.Skipf("NOT TESTED: the kernel has no such interface: ip %s: %v\n%s", line, err, out)
				}
			}
			before := ports(t)
			dir := t.TempDir()
			file := filepath.Join(dir, "lab.yaml")
			write(t, fmt.Appendf(nil, benchDevice, ""), file)
			p := usptest(t, "run", "--dut", file, "--out", filepath.Join(dir, "out"), "8.1")
			p.Want(t, result.ExitUsage, "nothing to run", use.want)
			if after := ports(t); after != before {
				t.Errorf("the ports before:\n%s\nand after the run:\n%s", before, after)
			}
		})
	}
}

// lent starts a run in which eth1 is lent, and returns once it is: with the processes of the worker and of who lends.
func lent(t *testing.T) (p *program.Program, run *exec.Cmd, worker, lender int) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "lab.yaml")
	write(t, fmt.Appendf(nil, benchDevice, ""), file)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reader.Close() })
	p = &program.Program{Live: reader}
	run = p.Command(t, self(t), "run", "--dut", file, "--out", filepath.Join(dir, "out"), "8.*")
	run.Stdout, run.Stderr = writer, writer
	err = run.Start()
	writer.Close()
	if err != nil {
		t.Fatal(err)
	}
	p.Await(t, "pass 8.")
	if during := ports(t); strings.Contains(during, "eth1") {
		t.Errorf("the port was not lent:\n%s", during)
	}
	home := namespace(t, os.Getpid())
	for _, pid := range children(t, run.Process.Pid) {
		if namespace(t, pid) == home {
			lender = pid
		} else {
			worker = pid
		}
	}
	if worker == 0 || lender == 0 {
		t.Fatalf("want a worker in a network of its own and a lender, got %d, %d", worker, lender)
	}
	return p, run, worker, lender
}

// namespace is that of a process's network.
func namespace(t *testing.T, pid int) string {
	t.Helper()
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// TestAPortOfAnEndedRunGoesBack ends processes of the run early, in every way: the port gets back what it had nonetheless, as long as
// the supervisor or the lender is there.
func TestAPortOfAnEndedRunGoesBack(t *testing.T) {
	t.Parallel()
	const replaced = "the process that lends the port eth1 has died: signal: killed; the run has put the port back itself"
	for name, end := range map[string]struct {
		signal              syscall.Signal
		run, worker, lender bool
		code                int // of the run, unless that is killed
		say                 string
	}{
		"interrupted":            {syscall.SIGINT, true, false, false, result.ExitInterrupted, ""},
		"terminated":             {syscall.SIGTERM, true, false, false, result.ExitInterrupted, ""},
		"killed":                 {syscall.SIGKILL, true, false, false, 0, ""},
		"killed with its worker": {syscall.SIGKILL, true, true, false, 0, ""},
		"worker killed":          {syscall.SIGKILL, false, true, false, result.ExitError, "worker process died"},
		"lender killed":          {syscall.SIGKILL, false, false, true, result.ExitPassed, replaced},
		"all others killed":      {syscall.SIGKILL, false, true, true, result.ExitError, replaced},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !inComputer(t) {
				return
			}
			cable(t)
			before := ports(t)
			p, run, worker, lender := lent(t)
			for pid, victim := range map[int]bool{run.Process.Pid: end.run, worker: end.worker, lender: end.lender} {
				if !victim {
					continue
				}
				if err := syscall.Kill(pid, end.signal); err != nil {
					t.Fatal(err)
				}
			}
			if end.run && end.signal == syscall.SIGKILL {
				_ = run.Wait()
				gomega.NewWithT(t).Eventually(func() string { return ports(t) }, "2m", "100ms").Should(gomega.Equal(before))
				return
			}
			p.Wait(t, run)
			p.Want(t, end.code, end.say)
			if after := ports(t); after != before {
				t.Errorf("the ports before:\n%s\nand when the run has ended:\n%s", before, after)
			}
		})
	}
}
