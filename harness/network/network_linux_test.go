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
)

// inside is set in a test that runs in a network of its own.
const inside = "USPTEST_INSIDE"

// isolated runs the rest of a test in a network of its own: this program again. It reports whether this is already there; where the
// system refuses, the test is skipped.
func isolated(t *testing.T, change func(*exec.Cmd)) bool {
	t.Helper()
	if os.Getenv(inside) == t.Name() {
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inside+"="+t.Name())
	if change != nil {
		change(cmd)
	}
	Isolate(cmd)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		t.Skipf("NOT TESTED: %v", Refused(err))
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("NOT TESTED:\n%s", out)
	case err != nil:
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

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
	if !isolated(t, nil) {
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
	if os.Getenv(inside) == t.Name() {
		wire(t)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("the other test runs without root already")
	}
	isolated(t, func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
	})
}
