// Package probes is a host that never answers: UDP sockets at the ports to which route tracing sends its probes. Every probe is
// recorded; since a socket takes it, the system answers none either. What is not UDP, such as an ICMP echo, it cannot see.
package probes

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"golang.org/x/net/ipv4"

	"github.com/usptest/usptest/harness/journal"
)

// FirstPort and LastPort are those of the probes: one after the other from 33434 on, a port for each.
const (
	FirstPort = 33434
	LastPort  = 33534
)

// ProbeEvent is the Type of the journal's event for a probe; its Body is a *Probe.
const ProbeEvent = "PROBE"

const (
	// tooMany is the Type of the note that reports a flood.
	tooMany = "too many probes"
	// maxDatagram is how many bytes of a probe are read.
	maxDatagram = 2048
	// maxProbes is how many probes of a flood are recorded; a route takes a hundred.
	maxProbes = 1000
)

// Probe is one UDP datagram.
type Probe struct {
	Port int // that it was sent to
	TTL  int // as it arrived: hops on the way have counted it down
	Size int // of its data in bytes, at most 2048
}

// Host is open sockets. All methods are safe for concurrent use.
type Host struct {
	journal *journal.Journal
	addr    netip.Addr
	came    atomic.Int64 // probes
	sockets []*ipv4.PacketConn
	readers sync.WaitGroup
}

// Open opens the sockets at an IPv4 address of this computer. On loopback it takes one at random, so that several hosts can be open, and
// none gets what is still on its way to one that was closed.
func Open(j *journal.Journal, addr netip.Addr) (*Host, error) {
	if !addr.Is4() {
		return nil, fmt.Errorf("probes: %s is no IPv4 address", addr)
	}
	if !addr.IsLoopback() {
		return open(j, addr)
	}
	random := func() byte { return byte(1 + rand.N(254)) }
	return open(j, netip.AddrFrom4([4]byte{127, random(), random(), random()}))
}

func open(j *journal.Journal, addr netip.Addr) (*Host, error) {
	h := &Host{journal: j, addr: addr}
	for port := FirstPort; port <= LastPort; port++ {
		socket, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, uint16(port))))
		if err == nil {
			h.sockets = append(h.sockets, ipv4.NewPacketConn(socket))
			err = h.sockets[len(h.sockets)-1].SetControlMessage(ipv4.FlagTTL, true)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("probes: %w", err), h.Close())
		}
	}
	for i, socket := range h.sockets {
		h.readers.Go(func() { h.read(socket, FirstPort+i) })
	}
	return h, nil
}

// Addr is where the host is.
func (h *Host) Addr() netip.Addr { return h.addr }

// Close closes the sockets. From then on the system answers probes as it likes.
func (h *Host) Close() error {
	var failures []error
	for _, socket := range h.sockets {
		failures = append(failures, socket.Close())
	}
	h.readers.Wait()
	return errors.Join(failures...)
}

// read records what comes to one port until its socket is closed. A flood is read, too, so that the system answers none of it.
func (h *Host) read(socket *ipv4.PacketConn, port int) {
	buffer := make([]byte, maxDatagram)
	for {
		n, control, from, err := socket.ReadFrom(buffer)
		if err != nil { // it is closed
			return
		}
		if control == nil {
			continue
		}
		if came := h.came.Add(1); came > maxProbes {
			if came == maxProbes+1 {
				h.journal.Append(journal.Event{Layer: journal.LayerNote, Dir: journal.Own, Type: tooMany,
					Text: fmt.Sprintf("%s got more than %d probes; the others are not recorded", h.addr, maxProbes)})
			}
			continue
		}
		probe := &Probe{Port: port, TTL: control.TTL, Size: n}
		h.journal.Append(journal.Event{Layer: journal.LayerUDP, Dir: journal.In, Type: ProbeEvent, Remote: from.String(),
			Text: fmt.Sprintf("to port %d with TTL %d, %d bytes", probe.Port, probe.TTL, n), Raw: append([]byte(nil), buffer[:n]...), Body: probe})
	}
}
