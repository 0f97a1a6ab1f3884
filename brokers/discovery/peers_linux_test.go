package discovery

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/network"
)

// inside is set in a test that runs in a network of its own.
const inside = "USPTEST_INSIDE"

// isolated runs the rest of a test in a network of its own, which is this program again, and reports whether this is already there. Where
// the system refuses, or a program that the test needs is not installed, the test is skipped.
func isolated(t *testing.T, programs ...string) bool {
	t.Helper()
	if os.Getenv(inside) == t.Name() {
		return true
	}
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("NOT TESTED: no %s here", program)
		}
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inside+"="+t.Name())
	network.Isolate(cmd)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		t.Skipf("NOT TESTED: %v", network.Refused(err))
	case err != nil && strings.Contains(string(out), network.ErrUnavailable.Error()):
		t.Skipf("NOT TESTED:\n%s", out)
	case err != nil:
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// bench opens a wire and the servers on it.
func bench(t *testing.T) (*network.Network, *Server, *journal.Journal) {
	t.Helper()
	wire, err := network.Open("")
	if err != nil {
		t.Fatal(err)
	}
	j := journal.New()
	s, err := Open(j, Options{Interface: wire.Interface, IPv4: network.IPv4(), IPv6: network.IPv6()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), wire.Close()); err != nil {
			t.Error(err)
		}
	})
	return wire, s, j
}

// there runs a program at the device's end.
func there(t *testing.T, wire *network.Network, words ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := wire.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%q: %v\n%s", words, err, &out)
	}
	return out.String()
}

func TestAForeignDHCPClient(t *testing.T) {
	if !isolated(t, "udhcpc") {
		return
	}
	wire, s, j := bench(t)
	s.Offer(Option{OptionURL, "controller.example"}, Option{OptionProvisioningCode, "code\x00"})
	out := there(t, wire, "udhcpc", "-f", "-n", "-q", "-i", network.DeviceInterface, "-s", "/bin/true", "-x", "0x7c:00000de90403757370")
	if !strings.Contains(out, "10.69.85.100") {
		t.Errorf("want a lease of 10.69.85.100:\n%s", out)
	}
	var types []string
	for _, e := range j.Since(0) {
		if d, ok := e.Body.(*DHCP); ok && d.Version == 4 {
			types = append(types, d.Type)
			if e.Dir == journal.In && (len(d.Classes) != 1 || d.Classes[0].Enterprise != Enterprise || len(d.Classes[0].Data) != 1 || d.Classes[0].Data[0] != "usp") {
				t.Errorf("vendor classes of %s: %+v", d.Type, d.Classes)
			}
		}
	}
	if got := strings.Join(types, " "); got != "DISCOVER OFFER REQUEST ACK" {
		t.Errorf("got %s", got)
	}
}

func TestAForeignResolver(t *testing.T) {
	if !isolated(t, "dig", "ip") {
		return
	}
	wire, s, _ := bench(t)
	there(t, wire, "ip", "addr", "add", "10.69.85.100/24", "dev", network.DeviceInterface)
	there(t, wire, "ip", "route", "add", "default", "dev", network.DeviceInterface)
	records := Service("controller.example", "usp-ctr-mqtt", "self::usptest", 1883, "path=a/b")
	s.Answer(append(records, Addresses("controller.example", network.IPv4().Addr())...)...)
	s.Respond(Addresses("controller.local", network.IPv4().Addr())...)
	for _, test := range []struct{ query, want string }{
		{"@10.69.85.1 controller.example A", "10.69.85.1"},
		{"@10.69.85.1 _usp-ctr-mqtt._tcp.controller.example PTR", "self::usptest._usp-ctr-mqtt._tcp.controller.example."},
		{"@10.69.85.1 self::usptest._usp-ctr-mqtt._tcp.controller.example TXT", `"path=a/b"`},
		{"@10.69.85.1 -p 5353 controller.local A", "10.69.85.1"},
	} {
		got := there(t, wire, append([]string{"dig", "+short", "+tries=2", "+time=2"}, strings.Fields(test.query)...)...)
		if !strings.Contains(got, test.want) {
			t.Errorf("dig %s: want %s, got %s", test.query, test.want, got)
		}
	}
}

// TestHostile takes what no device should send: the servers go on, and the journal has a bound.
func TestHostile(t *testing.T) {
	if !isolated(t) {
		return
	}
	_, s, j := bench(t)
	from := netip.MustParseAddrPort("10.69.85.9:5353")
	to := netip.MustParseAddrPort("224.0.0.251:5353")
	loop := []byte("\x00\x00\x84\x00\x00\x00\x00\x01\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x0a\x00\x04\x01\x02\x03\x04")
	for _, data := range [][]byte{loop, nil, []byte("\x00"), make([]byte, maxDatagram)} {
		s.takeMDNS(s.mdns[0], packet{from, to, hopLimit, data})
		s.takeDNS(s.sockets[2], packet{from, to, hopLimit, data})
		s.takeDHCPv4(s.sockets[0], packet{from, to, 0, data})
		s.takeDHCPv6(s.sockets[1], packet{from, to, 0, data})
	}
	for range 2 * maxPackets {
		s.takeMDNS(s.mdns[0], packet{from, to, hopLimit, loop})
	}
	events, floods := j.Since(0), 0
	for _, e := range events {
		if e.Type == flood {
			floods++
		}
		if len(e.Raw) > keptBytes {
			t.Errorf("event %d keeps %d bytes", e.Seq, len(e.Raw))
		}
	}
	if floods != 1 || len(events) > maxPackets+20 {
		t.Errorf("want one note about the flood and a bound, got %d notes, %d events", floods, len(events))
	}
	for n := range 2 * maxLeases {
		mac := net.HardwareAddr{2, 0, 0, 0, 0, byte(n)}
		if got := s.lease(mac.String()); (got == 0) != (n >= maxLeases) {
			t.Errorf("client %d: lease %d", n, got)
		}
	}
}
