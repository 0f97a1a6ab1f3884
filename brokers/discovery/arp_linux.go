package discovery

import (
	"bytes"
	"fmt"
	"net"

	link "github.com/mdlayher/packet"
	"golang.org/x/sys/unix"
)

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
	s.claimed(own, sender.String(), arp)
}
