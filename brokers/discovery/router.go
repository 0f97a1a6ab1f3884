package discovery

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/ipv6"

	"github.com/usptest/usptest/harness/journal"
)

// The types of events of ICMPv6.
const (
	EventSolicitation  = "router solicitation"
	EventAdvertisement = "router advertisement"
)

const (
	allNodes   = "ff02::1"
	allRouters = "ff02::2"
	// advertiseEvery is how often a router advertisement is due that nobody has asked for.
	advertiseEvery = 30 * time.Second
	// routerLifetime is how long a device may use what an advertisement says.
	routerLifetime = 30 * time.Minute
)

// router is a socket of ICMPv6.
type router struct {
	*ipv6.PacketConn
	own netip.Addr // link-local, as the source of every advertisement must be
}

// advertiseRouter sends router advertisements (RFC 4861) until the returned function is called: at once, from time to time, and to who
// asks. They tell a device that it gets its address and the rest by DHCPv6, for which many clients wait, and that its network is on this
// link, which DHCPv6 cannot tell.
func (s *Server) advertiseRouter() (stop func() error, err error) {
	r, err := s.openRouter()
	if err != nil {
		return nil, fmt.Errorf("discovery: router advertisements: %w", err)
	}
	everybody := netip.MustParseAddr(allNodes)
	done := make(chan struct{})
	s.readers.Go(func() {
		due := time.NewTicker(advertiseEvery)
		defer due.Stop()
		for {
			s.advertise(r, everybody, routerLifetime)
			select {
			case <-due.C:
			case <-done:
				s.advertise(r, everybody, 0) // no router any more
				r.Close()
				return
			}
		}
	})
	s.readers.Go(func() {
		buffer := make([]byte, maxDatagram)
		for {
			n, c, from, err := r.ReadFrom(buffer)
			if err != nil {
				return // closed
			}
			if ip, ok := from.(*net.IPAddr); ok && c != nil && c.IfIndex == s.nic.Index {
				peer, _ := netip.AddrFromSlice(ip.IP)
				to, _ := netip.AddrFromSlice(c.Dst)
				s.takeICMPv6(r, buffer[:n], c.HopLimit, peer.WithZone(""), to.WithZone(""))
			}
		}
	})
	return func() error { close(done); return nil }, nil
}

func (s *Server) openRouter() (*router, error) {
	addrs, err := s.nic.Addrs()
	if err != nil {
		return nil, err
	}
	r := &router{}
	for _, addr := range addrs {
		if p, err := netip.ParsePrefix(addr.String()); err == nil && p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() {
			r.own = p.Addr()
		}
	}
	if !r.own.IsValid() {
		return nil, fmt.Errorf("interface %s has no link-local address", s.nic.Name)
	}
	conn, err := net.ListenPacket("ip6:ipv6-icmp", "::")
	if err != nil {
		return nil, err
	}
	r.PacketConn = ipv6.NewPacketConn(conn)
	var filter ipv6.ICMPFilter
	filter.SetAll(true)
	filter.Accept(ipv6.ICMPTypeRouterSolicitation)
	filter.Accept(ipv6.ICMPTypeNeighborSolicitation)
	filter.Accept(ipv6.ICMPTypeNeighborAdvertisement)
	for _, set := range []func() error{
		func() error { return r.SetICMPFilter(&filter) },
		func() error { return r.JoinGroup(s.nic, &net.IPAddr{IP: net.ParseIP(allRouters)}) },
		func() error { return r.SetControlMessage(ipv6.FlagHopLimit|ipv6.FlagDst|ipv6.FlagInterface, true) },
		func() error { return r.SetMulticastLoopback(false) },
	} {
		if err := set(); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return r, nil
}

// takeICMPv6 takes a message about routers or neighbours.
func (s *Server) takeICMPv6(r *router, raw []byte, hops int, from, to netip.Addr) {
	if len(raw) > 0 && ipv6.ICMPType(raw[0]) != ipv6.ICMPTypeRouterSolicitation {
		s.takeNeighbour(r, raw, hops, from)
		return
	}
	s.takeSolicitation(r, raw, hops, from, to)
}

// takeNeighbour notes a solicitation from an own address, or an advertisement of one: another interface has it (RFC 4861, section 7.2).
// A device that only tries whether it may have the address sends neither.
func (s *Server) takeNeighbour(r *router, raw []byte, hops int, from netip.Addr) {
	const target, size = 8, 24
	if hops != hopLimit || len(raw) < size {
		return
	}
	claimed := from
	if ipv6.ICMPType(raw[0]) == ipv6.ICMPTypeNeighborAdvertisement {
		claimed, _ = netip.AddrFromSlice(raw[target:size])
	}
	if claimed == r.own || claimed == s.options.IPv6.Addr() {
		s.claimed(claimed, neighbour(raw[size:]), raw)
	}
}

// neighbour names who sent a message about neighbours, by the hardware address in its first option, if there is one.
func neighbour(options []byte) string {
	const size = 8
	if len(options) < size || options[1] != 1 {
		return "another interface"
	}
	return net.HardwareAddr(options[2:size]).String()
}

// takeSolicitation records a router solicitation and answers it.
func (s *Server) takeSolicitation(r *router, raw []byte, hops int, from, to netip.Addr) {
	if !s.admits(journal.LayerICMPv6) {
		return
	}
	local, remote := netip.AddrPortFrom(to, 0), netip.AddrPortFrom(from, 0)
	if hops != hopLimit || len(raw) < 8 || raw[1] != 0 { // RFC 4861, section 6.1.1
		s.record(journal.LayerICMPv6, journal.In, malformed, "a router solicitation that is not valid", local, remote, raw, nil)
		return
	}
	s.record(journal.LayerICMPv6, journal.In, EventSolicitation, "", local, remote, raw, nil)
	if !from.IsLinkLocalUnicast() {
		from = netip.MustParseAddr(allNodes)
	}
	s.advertise(r, from, routerLifetime)
}

// advertise sends an advertisement and records it.
func (s *Server) advertise(r *router, to netip.Addr, lifetime time.Duration) {
	raw := s.advertisement(lifetime)
	control := &ipv6.ControlMessage{Src: r.own.AsSlice(), HopLimit: hopLimit, IfIndex: s.nic.Index}
	if _, err := r.WriteTo(raw, control, &net.IPAddr{IP: to.AsSlice(), Zone: s.nic.Name}); err != nil {
		return // the other end is down
	}
	text := fmt.Sprintf("addresses and other configuration by DHCPv6, network %s, lifetime %s", s.options.IPv6.Masked(), lifetime)
	s.record(journal.LayerICMPv6, journal.Out, EventAdvertisement, text, netip.AddrPortFrom(r.own, 0), netip.AddrPortFrom(to, 0), raw, nil)
}

// advertisement is a router advertisement with the source's hardware address, the network (RFC 4861, section 4.2 and 4.6), and the DNS
// server (RFC 8106). The system adds the checksum. It is no network in which a device makes an address for itself.
func (s *Server) advertisement(lifetime time.Duration) []byte {
	const (
		managed, other, onLink = 0x80, 0x40, 0x80
		hops                   = 64 // of what the device sends
		source, prefix, server = 1, 3, 25
		unit                   = 8 // of the length of an option
	)
	seconds := uint32(lifetime.Seconds())
	b := []byte{byte(ipv6.ICMPTypeRouterAdvertisement), 0, 0, 0, hops, managed | other}
	b = binary.BigEndian.AppendUint16(b, uint16(seconds))
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0) // nothing about how to reach neighbours
	if mac := s.nic.HardwareAddr; len(mac) == 6 {
		b = append(append(b, source, 8/unit), mac...)
	}
	b = append(b, prefix, 32/unit, byte(s.options.IPv6.Bits()), onLink)
	b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, seconds), seconds)
	b = append(append(b, 0, 0, 0, 0), s.options.IPv6.Masked().Addr().AsSlice()...)
	b = append(b, server, 24/unit, 0, 0)
	b = binary.BigEndian.AppendUint32(b, seconds)
	return append(b, s.options.IPv6.Addr().AsSlice()...)
}
