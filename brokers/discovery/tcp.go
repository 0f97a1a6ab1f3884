package discovery

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"
)

const (
	// idle is how long a connection of DNS may be silent (RFC 7766, section 6.2.3), maxConnections how many there are at a time.
	idle           = 10 * time.Second
	maxConnections = 16
)

// serveTCP answers DNS over TCP until the returned function is called: there a device asks again whose answer was too long for UDP.
func (s *Server) serveTCP(addr netip.Addr) (stop func() error, err error) {
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, dnsPort)))
	if err != nil {
		return nil, fmt.Errorf("discovery: DNS over TCP: %w", err)
	}
	free := make(chan struct{}, maxConnections)
	s.readers.Go(func() {
		for {
			conn, err := l.AcceptTCP()
			if err != nil {
				return
			}
			select {
			case free <- struct{}{}:
				s.readers.Go(func() {
					s.converse(conn)
					<-free
				})
			default:
				conn.Close()
			}
		}
	})
	return l.Close, nil
}

// converse answers queries, each behind its length in two bytes, until the device ends the connection or is silent for too long.
func (s *Server) converse(conn *net.TCPConn) {
	s.hold(conn, true)
	defer s.hold(conn, false)
	from, to := conn.RemoteAddr().(*net.TCPAddr).AddrPort(), conn.LocalAddr().(*net.TCPAddr).AddrPort()
	for {
		if conn.SetDeadline(time.Now().Add(idle)) != nil {
			return
		}
		var length [2]byte
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return
		}
		data := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(conn, data); err != nil {
			return
		}
		s.answer(packet{from: unmapped(from), to: unmapped(to), data: data}, maxDNS, func(raw []byte) error {
			_, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(raw))), raw...))
			return err
		})
	}
}

// hold keeps a connection for Close, or closes it.
func (s *Server) hold(conn *net.TCPConn, open bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if open && !s.closed {
		s.conns[conn] = true
		return
	}
	delete(s.conns, conn)
	conn.Close()
}
