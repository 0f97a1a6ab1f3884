package discovery

import (
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// packet is one UDP datagram.
type packet struct {
	from, to netip.AddrPort
	hops     int // TTL or hop limit as it arrived; 0 when the system does not say
	data     []byte
}

// socket sends and receives over one interface alone.
type socket struct {
	net.PacketConn
	nic  *net.Interface
	port uint16
	v4   *ipv4.PacketConn
	v6   *ipv6.PacketConn // one of the two
}

// listen opens a socket for udp4 or udp6, which joins a group unless that is "". What it multicasts does not come back, and has the hop
// limit that multicast DNS wants.
func listen(nic *net.Interface, network, addr string, group string) (*socket, error) {
	conn, err := net.ListenPacket(network, addr)
	if err != nil {
		return nil, err
	}
	s := &socket{PacketConn: conn, nic: nic, port: netip.MustParseAddrPort(conn.LocalAddr().String()).Port()}
	if network == "udp4" {
		s.v4 = ipv4.NewPacketConn(conn)
		err = s.configure4(group)
	} else {
		s.v6 = ipv6.NewPacketConn(conn)
		err = s.configure6(group)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return s, nil
}

// hopLimit is that of every packet of multicast DNS (RFC 6762, section 11).
const hopLimit = 255

func (s *socket) configure4(group string) error {
	if group != "" {
		if err := s.v4.JoinGroup(s.nic, &net.UDPAddr{IP: net.ParseIP(group)}); err != nil {
			return err
		}
	}
	for _, set := range []func() error{
		func() error { return s.v4.SetControlMessage(ipv4.FlagTTL|ipv4.FlagDst|ipv4.FlagInterface, true) },
		func() error { return s.v4.SetMulticastInterface(s.nic) },
		func() error { return s.v4.SetMulticastLoopback(false) },
		func() error { return s.v4.SetMulticastTTL(hopLimit) },
		func() error { return s.v4.SetTTL(hopLimit) },
	} {
		if err := set(); err != nil {
			return err
		}
	}
	return nil
}

func (s *socket) configure6(group string) error {
	if group != "" {
		if err := s.v6.JoinGroup(s.nic, &net.UDPAddr{IP: net.ParseIP(group)}); err != nil {
			return err
		}
	}
	for _, set := range []func() error{
		func() error { return s.v6.SetControlMessage(ipv6.FlagHopLimit|ipv6.FlagDst|ipv6.FlagInterface, true) },
		func() error { return s.v6.SetMulticastInterface(s.nic) },
		func() error { return s.v6.SetMulticastLoopback(false) },
		func() error { return s.v6.SetMulticastHopLimit(hopLimit) },
		func() error { return s.v6.SetHopLimit(hopLimit) },
	} {
		if err := set(); err != nil {
			return err
		}
	}
	return nil
}

// read waits for a packet of the interface. Its data are in buffer.
func (s *socket) read(buffer []byte) (packet, error) {
	for {
		var n, hops, index int
		var from net.Addr
		var to net.IP
		var err error
		if s.v4 != nil {
			var c *ipv4.ControlMessage
			if n, c, from, err = s.v4.ReadFrom(buffer); c != nil {
				hops, to, index = c.TTL, c.Dst, c.IfIndex
			}
		} else {
			var c *ipv6.ControlMessage
			if n, c, from, err = s.v6.ReadFrom(buffer); c != nil {
				hops, to, index = c.HopLimit, c.Dst, c.IfIndex
			}
		}
		if err != nil {
			return packet{}, err
		}
		peer, ok := from.(*net.UDPAddr)
		if !ok || index != 0 && index != s.nic.Index {
			continue
		}
		addr, _ := netip.AddrFromSlice(to)
		return packet{unmapped(peer.AddrPort()), netip.AddrPortFrom(addr.Unmap(), s.port), hops, buffer[:n]}, nil
	}
}

// write sends data out of the interface.
func (s *socket) write(data []byte, to netip.AddrPort) error {
	var err error
	if s.v4 != nil {
		_, err = s.v4.WriteTo(data, &ipv4.ControlMessage{IfIndex: s.nic.Index}, net.UDPAddrFromAddrPort(to))
	} else {
		_, err = s.v6.WriteTo(data, &ipv6.ControlMessage{IfIndex: s.nic.Index}, net.UDPAddrFromAddrPort(to))
	}
	if err != nil {
		return fmt.Errorf("sending to %s: %w", to, err)
	}
	return nil
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }
