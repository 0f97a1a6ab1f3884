package network

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/usptest/usptest/fixtures/isolated"
)

// wire opens a network or skips.
func wire(t *testing.T) *Network {
	t.Helper()
	n, err := Open("")
	if errors.Is(err, ErrUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func TestAWireHasTwoEnds(t *testing.T) {
	if !isolated.Run(t, Isolate) {
		return
	}
	n := wire(t)
	all, err := net.Interfaces()
	if err != nil || len(all) != 2 {
		t.Errorf("want lo and %s, got %v, %v", n.Interface, all, err)
	}
	for _, addr := range []netip.Prefix{IPv4(), IPv6()} {
		l, err := net.Listen("tcp", netip.AddrPortFrom(addr.Addr(), 0).String())
		if err != nil {
			t.Errorf("%s cannot be used at once: %v", addr, err)
			continue
		}
		l.Close()
	}
	cat := exec.Command("cat", "/proc/net/dev")
	var there strings.Builder
	cat.Stdout = &there
	if err := n.Start(cat); err != nil {
		t.Fatal(err)
	}
	if err := cat.Wait(); err != nil || !strings.Contains(there.String(), DeviceInterface+":") || strings.Contains(there.String(), n.Interface) {
		t.Errorf("want %s alone at the device's end, got %v\n%s", DeviceInterface, err, &there)
	}
	if again, err := net.Interfaces(); err != nil || len(again) != 2 {
		t.Errorf("this thread did not come back: %v, %v", again, err)
	}
}

// In a user namespace root is any user outside.
func TestAWireInAUserNamespace(t *testing.T) {
	if isolated.Inside() {
		wire(t)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("the other test runs without root already")
	}
	isolated.Run(t, func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
		Isolate(cmd)
	})
}

// TestAPortWithoutCarrierComesBack: a device that is off when a run begins costs the port none of its routes.
func TestAPortWithoutCarrierComesBack(t *testing.T) {
	isolated.Needs(t, "ip")
	if !isolated.Run(t, Isolate) {
		return
	}
	ip := func(line string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "ip", strings.Fields(line)...).CombinedOutput()
		if err != nil {
			t.Fatalf("ip %s: %v\n%s", line, err, out)
		}
		return string(out)
	}
	for _, line := range []string{"link add eth1 type veth peer name far", "addr add 192.0.2.5/24 dev eth1", "link set eth1 up",
		"route add 198.51.100.0/24 via 192.0.2.9 dev eth1"} {
		ip(line)
	}
	routes := func() string { return ip("-4 route show") }
	before := routes()
	if !strings.Contains(before, "linkdown") {
		t.Fatalf("want a port without carrier, got\n%s", before)
	}
	borrower := exec.Command("cat")
	borrower.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	stdin, err := borrower.StdinPipe()
	if err == nil {
		err = borrower.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	port, err := Know("eth1", borrower.Process.Pid)
	if err == nil {
		err = port.Lend()
	}
	stdin.Close()
	if err := errors.Join(err, borrower.Wait()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(port.Return(), port.Forget()); err != nil {
		t.Error(err)
	}
	if after := routes(); after != before {
		t.Errorf("the routes before:\n%s\nand afterwards:\n%s", before, after)
	}
}
