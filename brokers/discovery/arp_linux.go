package discovery

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"

	link "github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"github.com/usptest/usptest/harness/journal"
)

// conflict is the Type of the note about a device that uses the harness's own address. The system drops what such a device sends by IPv4,
// so that nothing else tells.
const conflict = "address conflict"

// watchARP reads ARP until the returned function is called, and notes once when another interface says that it has the harness's own
// address (RFC 5227, section 2.4).
func (s *Server) watchARP() (stop func() error, err error) {
	conn, err := link.Listen(s.nic, link.Datagram, unix.ETH_P_ARP, nil)
	if err != nil {
		return nil, fmt.Errorf("discovery: ARP: %w", err)
	}
	s.readers.Go(func() {
		buffer := make([]byte, 1500)
		for {
			n, _, err := conn.ReadFrom(buffer)
			if err != nil {
				return // closed
			}
			s.takeARP(buffer[:n])
		}
	})
	return conn.Close, nil
}

// takeARP notes a packet whose sender claims the harness's own address.
func (s *Server) takeARP(arp []byte) {
	const senderHardware, senderProtocol, size = 8, 14, 28 // for IPv4 over Ethernet (RFC 826)
	if len(arp) < size {
		return
	}
	sender, claimed := net.HardwareAddr(arp[senderHardware:senderProtocol]), arp[senderProtocol:senderProtocol+4]
	own := s.options.IPv4.Addr()
	if !bytes.Equal(claimed, own.AsSlice()) || bytes.Equal(sender, s.nic.HardwareAddr) {
		return
	}
	s.mu.Lock()
	s.conflicts++
	first := s.conflicts == 1
	s.mu.Unlock()
	if first {
		peer := netip.AddrPortFrom(own, 0)
		text := fmt.Sprintf("%s says that it has the address %s, which is that of this end", sender, own)
		s.record(journal.LayerNote, journal.In, conflict, text, peer, peer, arp, nil)
	}
}
