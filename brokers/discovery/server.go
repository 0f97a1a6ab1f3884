// Package discovery is what a device finds on its link: a DHCP server for IPv4 and IPv6, the advertisements of a router, an
// authoritative DNS server, and an endpoint of multicast DNS that listens, asks and answers. Every packet is recorded as it was on the
// wire, and what is answered is scripted. All of them listen on one interface alone.
package discovery

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/miekg/dns"

	"github.com/usptest/usptest/harness/journal"
)

// Options say where the servers listen.
type Options struct {
	Interface string
	// IPv4 and IPv6 are the addresses of the interface, with the networks from which leases are given.
	IPv4, IPv6 netip.Prefix
}

const (
	// maxPackets is how many packets of a layer are recorded and answered until the next Reset. No device that is started a few times
	// sends that many.
	maxPackets = 3000
	// maxDatagram is how many bytes of a packet are read: as much as UDP can carry.
	maxDatagram = 64 << 10
	// keptBytes is how many bytes of a packet the journal keeps, maxText how many of what is said about it.
	keptBytes = 9000
	maxText   = 4 << 10
	// bodyFactor is how many bytes a decoded byte takes at the most, about.
	bodyFactor = 8
)

// The types of notes that say why a device seems not to have sent something: about a flood, and about a device that uses an address of the
// harness and so does not get what is sent to that address.
const (
	EventFlood    = "too many packets"
	EventConflict = "address conflict"
)

// malformed is the Type of a packet that cannot be read.
const malformed = "malformed packet"

// Server is the harness's end of discovery. All methods are safe for concurrent use.
type Server struct {
	journal *journal.Journal
	options Options
	nic     *net.Interface
	duid    dhcpv6.DUID
	sockets []*socket
	mdns    []*socket      // of the sockets, those of multicast DNS
	stops   []func() error // of what else listens
	readers sync.WaitGroup

	mu        sync.Mutex
	closed    bool
	conns     map[*net.TCPConn]bool // of DNS
	came      map[journal.Layer]int
	conflicts map[netip.Addr]bool // which own addresses another interface says that it has
	offers    []Option
	leases    map[string]int // by client
	lately    []string       // the clients, that of the latest lease last
	zone      []dns.RR       // of DNS
	local     []dns.RR       // of multicast DNS
}

// Open starts every server. The interface has its addresses already. The error names the server that cannot listen.
func Open(j *journal.Journal, o Options) (*Server, error) {
	nic, err := net.InterfaceByName(o.Interface)
	if err != nil {
		return nil, fmt.Errorf("discovery: interface %s: %w", o.Interface, err)
	}
	s := &Server{journal: j, options: o, nic: nic, came: map[journal.Layer]int{}, conflicts: map[netip.Addr]bool{},
		leases: map[string]int{}, conns: map[*net.TCPConn]bool{}, duid: &dhcpv6.DUIDLL{HWType: 1, LinkLayerAddr: nic.HardwareAddr}}
	for _, part := range []struct {
		what, network, addr string
		group               string
		take                func(*socket, packet)
	}{
		{"DHCPv4", "udp4", "0.0.0.0:67", "", s.takeDHCPv4},
		{"DHCPv6", "udp6", "[::]:547", allDHCPv6, s.takeDHCPv6},
		{"DNS", "udp4", netip.AddrPortFrom(o.IPv4.Addr(), dnsPort).String(), "", s.takeDNS},
		{"DNS", "udp6", netip.AddrPortFrom(o.IPv6.Addr(), dnsPort).String(), "", s.takeDNS},
		{"mDNS", "udp4", "0.0.0.0:5353", mdnsGroup4, s.takeMDNS},
		{"mDNS", "udp6", "[::]:5353", mdnsGroup6, s.takeMDNS},
	} {
		socket, err := listen(nic, part.network, part.addr, part.group)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("discovery: %s over %s: %w", part.what, part.network, err), s.Close())
		}
		s.sockets = append(s.sockets, socket)
		if part.what == "mDNS" {
			s.mdns = append(s.mdns, socket)
		}
		s.readers.Go(func() { s.read(socket, part.take) })
	}
	for _, listen := range []func() (func() error, error){
		func() (func() error, error) { return s.serveTCP(o.IPv4.Addr()) },
		func() (func() error, error) { return s.serveTCP(o.IPv6.Addr()) },
		s.watchARP,
		s.advertiseRouter,
	} {
		stop, err := listen()
		if err != nil {
			return nil, errors.Join(err, s.Close())
		}
		s.stops = append(s.stops, stop)
	}
	return s, nil
}

// Close ends every server. Once closed, it does nothing.
func (s *Server) Close() error {
	s.mu.Lock()
	was := s.closed
	s.closed = true
	for conn := range s.conns {
		conn.Close()
	}
	s.mu.Unlock()
	if was {
		return nil
	}
	var failures []error
	for _, socket := range s.sockets {
		failures = append(failures, socket.Close())
	}
	for _, stop := range s.stops {
		failures = append(failures, stop())
	}
	s.readers.Wait()
	return errors.Join(failures...)
}

// read takes what comes to a socket until that is closed. What is not from the interface is not ours.
func (s *Server) read(socket *socket, take func(*socket, packet)) {
	buffer := make([]byte, maxDatagram)
	for {
		p, err := socket.read(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || p.from.Addr().WithZone("") == s.options.IPv4.Addr() || p.from.Addr().WithZone("") == s.options.IPv6.Addr() {
			continue // such as an ICMP message about what was sent, or our own
		}
		take(socket, p)
	}
}

// admits counts a packet and reports whether it is recorded and answered. A flood is reported once.
func (s *Server) admits(layer journal.Layer) bool {
	s.mu.Lock()
	s.came[layer]++
	n := s.came[layer]
	s.mu.Unlock()
	if n == maxPackets+1 {
		s.journal.Append(journal.Event{Layer: journal.LayerNote, Dir: journal.Own, Type: EventFlood,
			Text: fmt.Sprintf("more than %d packets of %s came; the others are neither recorded nor answered", maxPackets, layer)})
	}
	return n <= maxPackets
}

// record appends a packet to the journal.
func (s *Server) record(layer journal.Layer, dir journal.Dir, typ, text string, local, remote netip.AddrPort, raw []byte, body any) {
	weight := 4 * len(raw)
	switch b := body.(type) {
	case *DHCP:
		weight += len(b.text) + bodyFactor*maxClasses*len(b.Classes)
	case *DNS:
		weight += bodyFactor * b.Len() // without the compression that it came with
	}
	text = strings.ToValidUTF8(text[:min(len(text), maxText)], "")
	raw = append([]byte(nil), raw[:min(len(raw), keptBytes)]...)
	s.journal.Append(journal.Event{Layer: layer, Dir: dir, Type: typ, Local: local.String(), Remote: remote.String(), Text: text, Raw: raw,
		Body: body, Weight: weight})
}

// broken records a packet that cannot be read.
func (s *Server) broken(layer journal.Layer, p packet, err error) {
	s.record(layer, journal.In, malformed, err.Error(), p.to, p.from, p.data, nil)
}

// claimed notes once that another interface says that it has an address of the harness.
func (s *Server) claimed(own netip.Addr, by string, raw []byte) {
	s.mu.Lock()
	known := s.conflicts[own]
	s.conflicts[own] = true
	s.mu.Unlock()
	if !known {
		peer := netip.AddrPortFrom(own, 0)
		text := fmt.Sprintf("%s says that it has the address %s, which is that of this end", by, own)
		s.record(journal.LayerNote, journal.In, EventConflict, text, peer, peer, raw, nil)
	}
}

// Reset ends every script and counts floods from zero. Leases and the zone of DNS stay: a device may go on using what it was given.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.came)
	clear(s.conflicts)
	s.offers, s.local = nil, nil
}

// script writes a verb into the journal.
func (s *Server) script(verb, text string) {
	s.journal.Append(journal.Event{Layer: journal.LayerScript, Dir: journal.Own, Type: verb, Text: text})
}
