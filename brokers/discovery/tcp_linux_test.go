package discovery

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/usptest/usptest/harness/network"
)

// A device may open as many connections of DNS as it likes: those beyond a number are closed at once, and the others are served.
func TestManyConnectionsOfDNS(t *testing.T) {
	if !isolate(t) {
		return
	}
	_, s, _ := bench(t)
	s.Answer(Addresses("controller.example", network.IPv4().Addr())...)
	server := netip.AddrPortFrom(network.IPv4().Addr(), dnsPort).String()
	var conns []*dns.Conn
	for range 3 * maxConnections {
		conn, err := net.Dial("tcp", server)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns = append(conns, &dns.Conn{Conn: conn})
	}
	served := 0
	for _, conn := range conns {
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		if conn.WriteMsg(new(dns.Msg).SetQuestion("controller.example.", dns.TypeA)) != nil {
			continue
		}
		if answer, err := conn.ReadMsg(); err == nil && len(answer.Answer) == 1 {
			served++
		}
	}
	if served != maxConnections {
		t.Errorf("want %d connections that are served, got %d", maxConnections, served)
	}
	if err := s.Close(); err != nil { // it waits for nobody who is silent
		t.Error(err)
	}
}
