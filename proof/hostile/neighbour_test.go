package hostile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	frame "github.com/mdlayher/packet"

	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness/network"
	"github.com/usptest/usptest/harness/result"
)

// asNeighbour is the variable in the environment that makes this test binary a device with the hostile neighbour of that name.
const asNeighbour = "USPTEST_AS_NEIGHBOUR"

// neighbour is one that sends to the link in which a device discovers.
type neighbour struct {
	in    string // the case in which it does
	every time.Duration
	send  func(n *onLink, count int)

	// What the run has to say: the verdict of the case, and a note of its journal, or one that the report has, too. orPass: the case may
	// pass instead, without it.
	verdict result.Verdict
	orPass  bool
	note    string
	told    bool
}

const (
	serverPort, clientPort, dnsPort, mdnsPort = 67, 68, 53, 5353

	etherIP, etherARP = 0x0800, 0x0806

	inFlood = 100 // packets at a time

	// loop is a response of multicast DNS whose name points at itself.
	loop = "\x00\x00\x84\x00\x00\x00\x00\x01\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x0a\x00\x04\x01\x02\x03\x04"
)

// neighbours are all of them, by name.
func neighbours() map[string]neighbour {
	const short, seldom = 20 * time.Millisecond, 200 * time.Millisecond
	return map[string]neighbour{
		// no device is found, or it is when its own packets come between those of the flood
		"a flood of DISCOVER": {in: "8.1", every: short, verdict: result.Error, orPass: true, note: "(299.|3000) dhcp DISCOVER",
			send: func(n *onLink, _ int) {
				for range inFlood {
					n.udp(clientPort, netip.AddrFrom4([4]byte{255, 255, 255, 255}), serverPort, discover())
				}
			}},
		"queries for other names": {in: "8.3", every: seldom, verdict: result.Pass, note: "x0-0.example",
			send: func(n *onLink, count int) {
				for i := range 20 {
					n.whole(dnsPort, query(fmt.Sprintf("x%d-%d", count, i)))
				}
			}},
		"a storm of multicast DNS": {in: "8.5", every: short, verdict: result.Fail, orPass: true, told: true,
			note: "more than 3000 packets of mdns came",
			send: func(n *onLink, count int) {
				for i := range inFlood {
					n.udp(mdnsPort, netip.AddrFrom4([4]byte{224, 0, 0, 251}), mdnsPort, query(fmt.Sprintf("x%d-%d", count, i)))
				}
			}},
		"a storm of announcements": {in: "8.5", every: short, verdict: result.Fail, orPass: true, told: true,
			note: "more than 3000 packets of mdns came",
			send: func(n *onLink, count int) {
				for i := range inFlood {
					n.udp(mdnsPort, netip.AddrFrom4([4]byte{224, 0, 0, 251}), mdnsPort, announcement(fmt.Sprintf("x%d-%d", count, i)))
				}
			}},
		"names that point at themselves": {in: "8.7", every: seldom, verdict: result.Pass, note: "malformed packet",
			send: func(n *onLink, _ int) {
				n.udp(mdnsPort, netip.AddrFrom4([4]byte{224, 0, 0, 251}), mdnsPort, []byte(loop))
			}},
		"options of 64 KB": {in: "8.5", every: seldom, verdict: result.Pass, note: "vendor class 0 ",
			send: func(n *onLink, _ int) {
				class := append([]byte{0x7c, 255}, make([]byte, 255)...)
				n.whole(serverPort, append(append(bytes.TrimSuffix(discover(), []byte{0xff}), bytes.Repeat(class, 240)...), 0xff))
			}},
		"the address of the harness": {in: "8.4", every: seldom, verdict: result.Pass, note: "says that it has the address 10.69.85.1", told: true,
			send: func(n *onLink, _ int) { n.claim(network.IPv4().Addr()) }},
	}
}

// discover is a DHCPDISCOVER of a client that nobody has heard of, with the vendor class of USP.
func discover() []byte {
	b := make([]byte, 236)
	b[0], b[1], b[2], b[28] = 1, 1, 6, 2
	binary.BigEndian.PutUint32(b[4:], rand.Uint32())
	binary.BigEndian.PutUint32(b[30:], rand.Uint32())
	return append(b, "\x63\x82\x53\x63\x35\x01\x01\x7c\x09\x00\x00\x0d\xe9\x04\x03usp\xff"...)
}

// query asks for an address.
func query(label string) []byte {
	b := append([]byte("\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"), byte(len(label)))
	return append(append(b, label...), "\x07example\x00\x00\x01\x00\x01"...)
}

// announcement is a response of multicast DNS with many instances of the service of an Agent.
func announcement(label string) []byte {
	const most = 30
	b := []byte{0, 0, 0x84, 0, 0, 0, 0, most, 0, 0, 0, 0}
	service := "\x0d_usp-agt-mqtt\x04_tcp\x05local\x00"
	for i := range most {
		name := service
		if i > 0 {
			name = "\xc0\x0c" // as above
		}
		instance := fmt.Sprintf("%s-%d", label, i)
		b = append(append(b, name...), 0, 12, 0, 1, 0, 0, 0x11, 0x94, 0, byte(len(instance)+3), byte(len(instance)))
		b = append(append(b, instance...), 0xc0, 0x0c)
	}
	return b
}

// onLink sends frames.
type onLink struct {
	nic     *net.Interface
	ip, arp *frame.Conn
}

func (n *onLink) udp(from uint16, to netip.Addr, port uint16, data []byte) {
	source := netip.AddrFrom4([4]byte{10, 69, 85, 200})
	b := binary.BigEndian.AppendUint16([]byte{0x45, 0}, uint16(28+len(data)))
	b = append(append(append(b, 0, 0, 0, 0, 255, 17, 0, 0), source.AsSlice()...), to.AsSlice()...)
	sum := uint32(0)
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(b[10:], ^uint16(sum))
	for _, field := range []uint16{from, port, uint16(8 + len(data)), 0} { // UDP without a checksum
		b = binary.BigEndian.AppendUint16(b, field)
	}
	n.write(n.ip, append(b, data...))
}

// claim says in a gratuitous ARP that it has an address.
func (n *onLink) claim(addr netip.Addr) {
	b := append([]byte{0, 1, 8, 0, 6, 4, 0, 2}, n.nic.HardwareAddr...)
	b = append(append(append(b, addr.AsSlice()...), n.nic.HardwareAddr...), addr.AsSlice()...)
	n.write(n.arp, b)
}

func (n *onLink) write(conn *frame.Conn, b []byte) {
	_, _ = conn.WriteTo(b, &frame.Addr{HardwareAddr: net.HardwareAddr{255, 255, 255, 255, 255, 255}}) // the interface may be down
}

// whole has the system send a datagram of any size, once it has an address.
func (n *onLink) whole(port int, data []byte) {
	if conn, err := net.Dial("udp4", net.JoinHostPort(network.IPv4().Addr().String(), strconv.Itoa(port))); err == nil {
		_, _ = conn.Write(data)
		conn.Close()
	}
}

// withNeighbour runs the command of a device, and the neighbour as long as that runs.
func withNeighbour(name, nic string, command []string) error {
	device := exec.Command(command[0], command[1:]...)
	device.Stdout, device.Stderr = os.Stdout, os.Stderr
	if nic == "-" { // a case that is not about discovery
		return device.Run()
	}
	n, err := &onLink{}, error(nil)
	if n.nic, err = net.InterfaceByName(nic); err == nil {
		n.ip, err = frame.Listen(n.nic, frame.Datagram, etherIP, nil)
	}
	if err == nil {
		n.arp, err = frame.Listen(n.nic, frame.Datagram, etherARP, nil)
	}
	if err != nil {
		return err
	}
	mode := neighbours()[name]
	go func() {
		due := time.NewTicker(mode.every)
		for count := 0; ; count++ {
			mode.send(n, count)
			<-due.C
		}
	}()
	return device.Run()
}

// neighbourDevice is the main function of such a device.
func neighbourDevice(args []string) int {
	err := withNeighbour(os.Getenv(asNeighbour), args[0], args[1:])
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return exit.ExitCode()
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// TestHostileNeighbours has somebody send to the link on which the reference agent discovers. Whatever that is: the case says so, the
// case beside it passes, and the harness neither fails nor grows.
func TestHostileNeighbours(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	all := neighbours()
	for _, name := range program.Sample(*full, 3, slices.Sorted(maps.Keys(all))) {
		n := all[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file, out := filepath.Join(dir, "lab.yaml"), filepath.Join(dir, "out")
			writeFile(t, fmt.Appendf(nil, `device: {vendor: ACME, model: X1, software: "1", endpoint: "proto::neighbour-{{.Instance}}"}
links: [{mtp: mqtt, version: "5.0"}]
features: [10, 21, 22]
lab:
  reboot: usp
  launch:
    fresh: per-run
    env: {%s: %q}
    exec: [%q, "{{if .Interface}}{{.Interface}}{{else}}-{{end}}", %q, agent, "--host={{.Host}}",
      "--port={{.Port}}", "--endpoint={{.AgentID}}",
      "--controller={{.ControllerID}}", "--agent-topic={{.AgentTopic}}", "--controller-topic={{.ControllerTopic}}",
      "--discover={{.Interface}}", "--state={{.Dir}}/state.json"]
waits: {connect: 20s, reconnect: 10s, notify: 10s}
`, asNeighbour, name, self, path(t)), file)
			p := &program.Program{}
			cmd := p.Command(t, path(t), "run", "--dut", file, "--out", out, n.in, "1.36")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			peakOf := watchPeaks(t, cmd.Process.Pid, 2)
			p.Wait(t, cmd)
			peak := peakOf()
			if strings.Contains(p.Stdout.String()+p.Stderr.String(), network.ErrUnavailable.Error()) {
				t.Skipf("NOT TESTED:\n%s%s", &p.Stdout, &p.Stderr)
			}
			said := string(readFile(t, out, reportFile))
			for _, c := range runIn(t, out).Links[0].Cases {
				if n.orPass && c.ID == n.in && c.Verdict == result.Pass {
					n.verdict, n.note = result.Pass, ""
				}
				if n.told && c.ID == n.in && !regexp.MustCompile(n.note).MatchString(strings.Join(c.Notes, "\n")) {
					t.Errorf("want %q among the notes of %s, got %q", n.note, c.ID, c.Notes)
				}
				if c.ID == n.in && c.Journal != "" {
					said += string(readFile(t, out, c.Journal))
				}
				want := map[string]result.Verdict{n.in: n.verdict, "1.36": result.Pass}[c.ID]
				if want != "" && c.Verdict != want {
					t.Errorf("%s: want %s, got %s %s", c.ID, want, c.Verdict, c.Reason)
				}
			}
			if !regexp.MustCompile(n.note).MatchString(said) {
				t.Errorf("want %q in the report or the journal:\n%s", n.note, &p.Stdout)
			}
			harmless(t, out, p)
			if peak > maxPeaks && !program.Race {
				t.Errorf("the processes took %d MiB at the most, want less than %d", peak>>20, maxPeaks>>20)
			}
			t.Logf("%d MiB at the most", peak>>20)
		})
	}
}
