package gate

import (
	"net"
	"testing"
)

// TestThePortIsKeptWhileDown: a connection to elsewhere cannot have it.
func TestThePortIsKeptWhileDown(t *testing.T) {
	for _, addr := range []string{"127.0.0.1:0", ":0"} {
		t.Run(addr, func(t *testing.T) {
			other, _ := open(t, Options{}, echo)
			g, _ := open(t, Options{Addr: addr}, echo)
			at, err := net.ResolveTCPAddr("tcp", g.Addr())
			if err != nil {
				t.Fatal(err)
			}
			at.IP = net.IPv4(127, 0, 0, 1)
			g.Down()
			from := net.Dialer{LocalAddr: at}
			if c, err := from.DialContext(t.Context(), "tcp", other.Addr()); err == nil {
				c.Close()
				t.Error("another connection has the port")
			}
			if err := g.Up(); err != nil {
				t.Error(err)
			}
			g.Down()
			g.Close()
			c, err := from.DialContext(t.Context(), "tcp", other.Addr())
			if err != nil {
				t.Fatalf("the port is kept behind the end: %v", err)
			}
			c.Close()
		})
	}
}
