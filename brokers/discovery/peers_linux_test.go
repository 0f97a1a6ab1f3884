package discovery

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/miekg/dns"
	"github.com/onsi/gomega"

	"github.com/usptest/usptest/fixtures/isolated"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/network"
)

// isolate runs the rest of a test in a network of its own, where these programs are installed, and reports whether this is already there.
func isolate(t *testing.T, programs ...string) bool {
	t.Helper()
	isolated.Needs(t, programs...)
	return isolated.Run(t, network.Isolate)
}

// bench opens a wire and the servers on it.
func bench(t *testing.T) (*network.Network, *Server, *journal.Journal) {
	t.Helper()
	wire, err := network.Open("")
	if errors.Is(err, network.ErrUnavailable) {
		t.Skip(err)
	}
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

// A browser of multicast DNS finds the service, its host and its attributes.
func TestAForeignBrowser(t *testing.T) {
	if !isolate(t, "avahi-browse", "avahi-daemon", "dbus-daemon", "ip", "unshare") {
		return
	}
	wire, s, j := bench(t)
	there(t, wire, "ip", "addr", "add", "10.69.85.100/24", "dev", network.DeviceInterface)
	there(t, wire, "ip", "route", "add", "224.0.0.0/4", "dev", network.DeviceInterface)
	records := Service("local", "usp-ctr-mqtt", "self::usptest", 1883, "path=a/b")
	records[1].(*dns.SRV).Target = "controller.local."
	s.Respond(append(records, Addresses("controller.local", network.IPv4().Addr())...)...)

	dir := t.TempDir()
	bus := "DBUS_SYSTEM_BUS_ADDRESS=unix:path=" + filepath.Join(dir, "bus")
	conf := filepath.Join(dir, "avahi.conf")
	if err := os.WriteFile(conf, []byte("[server]\nuse-ipv6=no\nallow-interfaces="+network.DeviceInterface+
		"\n[publish]\ndisable-publishing=yes\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	isolated.Serve(t, (*exec.Cmd).Start, exec.Command("dbus-daemon", "--session", "--nofork", "--print-address",
		"--address=unix:path="+filepath.Join(dir, "bus")), "unix:path=")
	daemon := exec.Command("unshare", "--mount", "sh", "-c", // that of this computer keeps its files
		"mount -t tmpfs tmpfs /run && exec avahi-daemon --no-drop-root --no-chroot --no-rlimits --file "+conf)
	daemon.Env = append(os.Environ(), bus)
	isolated.Serve(t, wire.Start, daemon, "Server startup complete")
	out := there(t, wire, "env", bus, "avahi-browse", "--resolve", "--parsable", "--terminate", "_usp-ctr-mqtt._tcp")
	want := "=;" + network.DeviceInterface +
		`;IPv4;self\058\058usptest;_usp-ctr-mqtt._tcp;local;controller.local;10.69.85.1;1883;"path=a/b"`
	if !strings.Contains(out, want) {
		t.Errorf("want %s:\n%s", want, out)
	}
	asked := false
	for _, e := range j.Since(0) {
		d, ok := e.Body.(*DNS)
		asked = asked || ok && e.Type == EventQuery && d.Multicast && d.Hops == hopLimit && d.Asks("_usp-ctr-mqtt._tcp.local.", dns.TypePTR)
	}
	if !asked {
		t.Error("the journal has no query for the service")
	}
}

func offer(t *testing.T, s *Server, options ...Option) {
	t.Helper()
	if err := s.Offer(options...); err != nil {
		t.Fatal(err)
	}
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
	if !isolate(t, "udhcpc") {
		return
	}
	wire, s, j := bench(t)
	offer(t, s, Option{OptionURL, "controller.example"}, Option{OptionProvisioningCode, "code\x00"})
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho $1 ip=$ip mask=$mask router=$router dns=$dns\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	out := there(t, wire, "udhcpc", "-f", "-n", "-q", "-i", network.DeviceInterface, "-s", script, "-x", "0x7c:00000de90403757370")
	if want := "bound ip=10.69.85.100 mask=24 router=10.69.85.1 dns=10.69.85.1"; !strings.Contains(out, want) {
		t.Errorf("want %s:\n%s", want, out)
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

// A device may have several clients, which their identifiers tell apart.
func TestTwoDHCPClientsOfADevice(t *testing.T) {
	if !isolate(t, "udhcpc") {
		return
	}
	wire, _, j := bench(t)
	for _, client := range []struct{ id, want string }{
		{"0x3d:ff01", "10.69.85.100"}, {"0x3d:ff02", "10.69.85.101"}, {"0x3d:ff01", "10.69.85.100"},
	} {
		out := there(t, wire, "udhcpc", "-f", "-n", "-q", "-i", network.DeviceInterface, "-s", "/bin/true", "-x", client.id)
		if !strings.Contains(out, client.want) {
			t.Errorf("client %s: want a lease of %s:\n%s", client.id, client.want, out)
		}
	}
	clients, exchanges := map[string]bool{}, map[string]bool{}
	for _, e := range j.Since(0) {
		if d, ok := e.Body.(*DHCP); ok {
			clients[d.Client], exchanges[d.Exchange] = true, true
		}
	}
	if len(clients) != 2 || len(exchanges) != 3 {
		t.Errorf("want 2 clients in 3 exchanges, got %v, %v", clients, exchanges)
	}
}

// A client that has a lease renews it: it asks the server itself, from its address.
func TestAForeignDHCPClientRenews(t *testing.T) {
	if !isolate(t, "udhcpc", "ip") {
		return
	}
	wire, s, j := bench(t)
	offer(t, s, Option{OptionURL, "controller.example"})
	there(t, wire, "ip", "addr", "add", "10.69.85.100/24", "dev", network.DeviceInterface)
	client := exec.CommandContext(t.Context(), "udhcpc", "-f", "-i", network.DeviceInterface, "-s", "/bin/true")
	if err := wire.Start(client); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = client.Process.Kill() // it has no end of its own
		_ = client.Wait()
	}()
	acks := func() (n int) {
		for _, e := range j.Since(0) {
			if d, ok := e.Body.(*DHCP); ok && e.Dir == journal.Out && d.Type == "ACK" {
				n++
			}
		}
		return n
	}
	g := gomega.NewWithT(t)
	g.Eventually(acks, "20s").Should(gomega.Equal(1), "the lease")
	g.Eventually(func() (int, error) {
		return acks(), client.Process.Signal(syscall.SIGUSR1) // which means: renew, once it has taken the lease
	}, "20s").Should(gomega.BeNumerically(">", 1), "the renewal")
	renewals := 0
	for _, e := range j.Since(0) {
		if e.Dir == journal.In && e.Type == "REQUEST" && e.Remote == "10.69.85.100:68" && e.Local == "10.69.85.1:67" {
			renewals++
		}
	}
	if renewals == 0 {
		t.Error("want a REQUEST from the address of the lease to this end")
	}
}

// The system drops what a device sends by IPv4 from the address of this end, and answers itself where it comes by IPv6. ARP and the
// messages about neighbours say why the device hears nothing. One that only tries the address, and then does without, is no conflict.
func TestADeviceTakesTheAddressOfThisEnd(t *testing.T) {
	if !isolate(t, "ip", "dig") {
		return
	}
	wire, _, j := bench(t)
	notes := func() (texts []string) {
		for _, e := range j.Since(0) {
			if e.Type == EventConflict {
				texts = append(texts, e.Text)
			}
		}
		return texts
	}
	ask := func(server string) {
		t.Helper()
		dig := exec.CommandContext(t.Context(), "dig", "@"+server, "+tries=2", "+time=1", "controller.example")
		if err := wire.Start(dig); err != nil {
			t.Fatal(err)
		}
		_ = dig.Wait() // nobody answers
	}
	g := gomega.NewWithT(t)
	own6 := network.IPv6().Addr().String()
	other6 := network.IPv6().Masked().Addr().String() + "9"
	there(t, wire, "ip", "addr", "add", other6+"/64", "dev", network.DeviceInterface, "nodad")
	there(t, wire, "dig", "@"+own6, "+tries=2", "+time=2", "controller.example") // both ends look for one another
	there(t, wire, "ip", "addr", "del", other6+"/64", "dev", network.DeviceInterface)
	there(t, wire, "ip", "addr", "add", own6+"/64", "dev", network.DeviceInterface)
	g.Eventually(func() string { return there(t, wire, "ip", "addr", "show", "dev", network.DeviceInterface) }, "20s").
		Should(gomega.MatchRegexp(regexp.QuoteMeta(own6) + "/64 .*dadfailed"))
	if got := notes(); len(got) != 0 {
		t.Errorf("of a device that does not use an address of this end: %q", got)
	}
	there(t, wire, "ip", "addr", "del", own6+"/64", "dev", network.DeviceInterface)
	there(t, wire, "ip", "addr", "add", own6+"/64", "dev", network.DeviceInterface, "nodad")
	there(t, wire, "ip", "addr", "add", "10.69.85.1/24", "dev", network.DeviceInterface)
	_, mac, _ := strings.Cut(there(t, wire, "ip", "-o", "link", "show", "dev", network.DeviceInterface), "link/ether ")
	mac, _, _ = strings.Cut(mac, " ")
	inGroup := network.IPv6().Masked().Addr().String() + "2:0:0:1" // the group of neighbours in which this end is, too
	for _, server := range []string{"10.69.85.7", inGroup} {
		ask(server)
	}
	want := gomega.ConsistOf(gomega.ContainSubstring("%s says that it has the address 10.69.85.1,", mac),
		gomega.ContainSubstring("%s says that it has the address %s,", mac, own6))
	g.Eventually(notes, "20s").Should(want)
}

func TestAForeignResolver(t *testing.T) {
	if !isolate(t, "dig", "ip") {
		return
	}
	wire, s, _ := bench(t)
	there(t, wire, "ip", "addr", "add", "10.69.85.100/24", "dev", network.DeviceInterface)
	there(t, wire, "ip", "route", "add", "default", "dev", network.DeviceInterface)
	records := Service("controller.example", "usp-ctr-mqtt", "self::usptest", 1883, "path=a/b")
	s.Answer(append(records, Addresses("controller.example", network.IPv4().Addr())...)...)
	long := &dns.TXT{Hdr: dns.RR_Header{Name: "long.example.", Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 10}, Txt: make([]string, 9)}
	for i := range long.Txt {
		long.Txt[i] = strings.Repeat(strconv.Itoa(i), 200)
	}
	s.Answer(long)
	s.Respond(Addresses("controller.local", network.IPv4().Addr())...)
	for _, test := range []struct{ query, want string }{
		{"@10.69.85.1 controller.example A", "10.69.85.1"},
		{"@10.69.85.1 _usp-ctr-mqtt._tcp.controller.example PTR", "self::usptest._usp-ctr-mqtt._tcp.controller.example."},
		{"@10.69.85.1 self::usptest._usp-ctr-mqtt._tcp.controller.example TXT", `"path=a/b"`},
		{"@10.69.85.1 -p 5353 controller.local A", "10.69.85.1"},
		{"@10.69.85.1 +tcp controller.example A", "10.69.85.1"},
		{"@10.69.85.1 +noedns +ignore long.example TXT", ""},
		{"@10.69.85.1 +noedns long.example TXT", long.Txt[8]}, // dig asks again over TCP
		{"@10.69.85.1 +bufsize=4096 +ignore long.example TXT", long.Txt[8]},
	} {
		got := there(t, wire, append([]string{"dig", "+short", "+tries=2", "+time=2"}, strings.Fields(test.query)...)...)
		if test.want == "" && strings.Contains(got, long.Txt[8]) || !strings.Contains(got, test.want) {
			t.Errorf("dig %s: want %q, got %s", test.query, test.want, got)
		}
	}
	pointer := []string{"dig", "+noall", "+answer", "+additional", "+noedns", "@10.69.85.1", "_usp-ctr-mqtt._tcp.controller.example", "PTR"}
	if got := there(t, wire, pointer...); !strings.Contains(got, "PTR") || strings.Contains(got, "SRV") {
		t.Errorf("want the pointer and nothing else, so that a device has to ask for it:\n%s", got)
	}
	s.Forget("Example")
	if got := there(t, wire, "dig", "+short", "+tries=2", "+time=2", "@10.69.85.1", "controller.example", "A"); got != "" {
		t.Errorf("want nothing of a name that was forgotten, got %s", got)
	}
}

// The kernel of the device's end asks for a router when its interface comes up, and takes what the advertisement says: the router, and the
// network, but no address, which it has to ask DHCPv6 for.
func TestAForeignHost(t *testing.T) {
	if !isolate(t, "ip") {
		return
	}
	wire, s, j := bench(t)
	g := gomega.NewWithT(t)
	count := func(typ string) func() int {
		return func() (n int) {
			for _, e := range j.Since(0) {
				if e.Layer == journal.LayerICMPv6 && e.Type == typ {
					n++
				}
			}
			return n
		}
	}
	g.Eventually(count(EventAdvertisement), "20s").Should(gomega.Equal(1), "one that nobody has asked for")
	there(t, wire, "ip", "link", "set", network.DeviceInterface, "down")
	there(t, wire, "ip", "link", "set", network.DeviceInterface, "up")
	routes := func() string { return there(t, wire, "ip", "-6", "route", "show", "dev", network.DeviceInterface) }
	g.Eventually(routes, "20s").Should(gomega.And(
		gomega.ContainSubstring("default via "+network.LinkLocal().Addr().String()+" proto ra"),
		gomega.ContainSubstring(network.IPv6().Masked().String()+" proto kernel")))
	g.Eventually(count(EventAdvertisement), "20s").Should(gomega.BeNumerically(">", 1), "one to who asks")
	g.Eventually(count(EventSolicitation), "20s").Should(gomega.BeNumerically(">", 0))
	if got := there(t, wire, "ip", "-6", "addr", "show", "dev", network.DeviceInterface); strings.Contains(got, "fd75:") {
		t.Errorf("want no address that the device made for itself:\n%s", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	g.Eventually(routes, "20s").ShouldNot(gomega.ContainSubstring("default"), "the router takes leave")
}

// Messages that no client of this computer sends: each gets the answer that its client waits for.
func TestRareClientsOfDHCPv6(t *testing.T) {
	if !isolate(t) {
		return
	}
	_, s, j := bench(t)
	offer(t, s, Option{OptionURL, "controller.example"})
	from := netip.AddrPortFrom(netip.MustParseAddr("fe80::9").WithZone(s.nic.Name), 546)
	const id, rapid, associations = "\x00\x01\x00\x0a\x00\x03\x00\x01\x02\x00\x00\x00\x00\x09", "\x00\x0e\x00\x00",
		"\x00\x19\x00\x0c\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00" + // IA_PD
			"\x00\x03\x00\x0c\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00" + // IA_NA, twice
			"\x00\x03\x00\x0c\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00" +
			"\x00\x04\x00\x04\x00\x00\x00\x04" // IA_TA
	for _, test := range []struct {
		name, message, typ string
		says, not          []string
	}{
		{"it asks for its address again", "\x04\x00\x00\x01" + id, "REPLY", []string{"NotOnLink"}, []string{"EnterpriseNumber"}},
		{"without a name of its own", "\x0b\x00\x00\x02", "REPLY", []string{"EnterpriseNumber=3561", "fd75:7370:7474::1"}, []string{"IANA"}},
		{"a router", "\x01\x00\x00\x03" + id + rapid + associations, "ADVERTISE",
			[]string{"EnterpriseNumber=3561", "fd75:7370:7474::64", "NoPrefixAvail", "NoAddrsAvail"}, []string{"fd75:7370:7474::65"}},
		{"its address is in use", "\x09\x00\x00\x04" + id, "REPLY", []string{"Success"}, []string{"EnterpriseNumber"}},
	} {
		s.takeDHCPv6(s.sockets[1], packet{from, netip.MustParseAddrPort("[ff02::1:2]:547"), 0, []byte(test.message)})
		last := j.Since(0)[len(j.Since(0))-1]
		d, ok := last.Body.(*DHCP)
		if !ok || last.Dir != journal.Out || d.Type != test.typ {
			t.Errorf("%s: want %s, got %s %s", test.name, test.typ, last.Dir, last.Type)
			continue
		}
		for _, text := range test.says {
			if !strings.Contains(d.Describe(), text) {
				t.Errorf("%s: want %q in the answer:\n%s", test.name, text, d.Describe())
			}
		}
		for _, text := range test.not {
			if strings.Contains(d.Describe(), text) {
				t.Errorf("%s: want no %q in the answer:\n%s", test.name, text, d.Describe())
			}
		}
	}
}

// A client may come with an address of another network: what it must not use it hears although nothing reaches that address from here.
func TestAClientOfAnotherNetwork(t *testing.T) {
	if !isolate(t) {
		return
	}
	_, s, j := bench(t)
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 9}
	for name, m := range map[string][]dhcpv4.Modifier{
		"INIT-REBOOT": {dhcpv4.WithOption(dhcpv4.OptRequestedIPAddress(net.IPv4(192, 168, 7, 8)))},
		"REBINDING":   {dhcpv4.WithClientIP(net.IPv4(192, 168, 7, 8))},
	} {
		request, err := dhcpv4.New(append(m, dhcpv4.WithHwAddr(mac), dhcpv4.WithMessageType(dhcpv4.MessageTypeRequest))...)
		if err != nil {
			t.Fatal(err)
		}
		s.takeDHCPv4(s.sockets[0], packet{netip.MustParseAddrPort("192.168.7.8:68"), netip.MustParseAddrPort("255.255.255.255:67"), 0,
			request.ToBytes()})
		if last := j.Since(0)[len(j.Since(0))-1]; last.Type != "NAK" || last.Remote != "255.255.255.255:68" {
			t.Errorf("%s: want a NAK to all, got %s to %s", name, last.Type, last.Remote)
		}
	}
}

// TestHostile takes what no device should send: the servers go on, and the journal has a bound.
func TestHostile(t *testing.T) {
	if !isolate(t) {
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
		s.takeICMPv6(&router{}, data, hopLimit, from.Addr(), to.Addr())
	}
	// compressed names that are long again when they are read, and as many vendor classes as fit
	swollen := new(dns.Msg)
	swollen.Response, swollen.Compress = true, true
	for range 3000 {
		name := strings.Repeat("a.", 120)
		header := dns.RR_Header{Name: name, Rrtype: dns.TypePTR, Class: dns.ClassINET}
		swollen.Answer = append(swollen.Answer, &dns.PTR{Hdr: header, Ptr: name})
	}
	packed, err := swollen.Pack()
	if err != nil {
		t.Fatal(err)
	}
	s.takeMDNS(s.mdns[0], packet{from, to, hopLimit, packed})
	last := j.Since(0)[len(j.Since(0))-1]
	if len(last.Text) > maxText || last.Weight < 10*len(packed) {
		t.Errorf("%d bytes of DNS: %d bytes of text, weight %d", len(packed), len(last.Text), last.Weight)
	}
	if got := classesOf4(make([]byte, 60_000)); len(got) != maxClasses+1 || got[maxClasses].Fault == "" {
		t.Errorf("want %d vendor classes and a fault, got %d", maxClasses, len(got))
	}
	if got := classOf6(make([]byte, 60_000)); len(got.Data) != maxClasses || got.Fault == "" {
		t.Errorf("want %d instances and a fault, got %d, %s", maxClasses, len(got.Data), got.Fault)
	}
	if err := s.Offer(Option{OptionURL, strings.Repeat("a", 200)}, Option{OptionEndpointID, strings.Repeat("b", 52)}); err == nil {
		t.Error("want an error for options that are too long for DHCPv4")
	}
	for range 2 * maxPackets {
		s.takeMDNS(s.mdns[0], packet{from, to, hopLimit, loop})
	}
	events, floods := j.Since(0), 0
	for _, e := range events {
		if e.Type == EventFlood {
			floods++
		}
		if len(e.Raw) > keptBytes {
			t.Errorf("event %d keeps %d bytes", e.Seq, len(e.Raw))
		}
	}
	if floods != 1 || len(events) > maxPackets+20 {
		t.Errorf("want one note about the flood and a bound, got %d notes, %d events", floods, len(events))
	}
	for n := range 3 * maxLeases {
		first := s.lease("the device")
		got := s.lease(fmt.Sprint("client ", n))
		if first != firstLease || got <= first || got >= firstLease+maxLeases {
			t.Errorf("client %d: lease %d, that of the device %d", n, got, first)
		}
	}
	if len(s.leases) != maxLeases || len(s.lately) != maxLeases {
		t.Errorf("want %d leases, got %d, %d", maxLeases, len(s.leases), len(s.lately))
	}
}
