package probes

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/ipv4"

	"github.com/usptest/usptest/fixtures/events"
	"github.com/usptest/usptest/harness/journal"
)

const patience = 20 * time.Second

func host(t *testing.T) (*Host, *journal.Journal) {
	t.Helper()
	j := journal.New()
	h, err := Open(j, netip.MustParseAddr("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	return h, j
}

// prober sends datagrams to one port of the host.
func prober(t *testing.T, h *Host, port uint16) *net.UDPConn {
	t.Helper()
	c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(h.Addr(), port)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}

func TestAProbeIsRecordedAndNotAnswered(t *testing.T) {
	h, j := host(t)
	for i, port := range []uint16{FirstPort, LastPort} {
		c := prober(t, h, port)
		if err := ipv4.NewConn(c).SetTTL(i + 1); err != nil {
			t.Fatal(err)
		}
		mark := j.Mark()
		c.Write([]byte("probe"))
		e := events.Await(t, j, mark, events.Event{})
		if p, ok := e.Body.(*Probe); !ok || *p != (Probe{int(port), i + 1, 5}) || string(e.Raw) != "probe" || e.Layer != journal.LayerUDP ||
			e.Remote != c.LocalAddr().String() {
			t.Errorf("got %+v, %+v", e, e.Body)
		}
	}

	// an answer would be the error of the next write; once the host is closed the system gives one
	silent := prober(t, h, FirstPort)
	for range 2 {
		if _, err := silent.Write(nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	silent.Write(nil)
	if _, err := silent.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v", err)
	}
}

func TestHostsOnLoopbackHaveAddressesOfTheirOwn(t *testing.T) {
	first, _ := host(t)
	second, _ := host(t)
	if first.Addr() == second.Addr() || !second.Addr().IsLoopback() {
		t.Errorf("%s and %s", first.Addr(), second.Addr())
	}
	if err := errors.Join(first.Close(), second.Close()); err != nil {
		t.Error(err)
	}
}

func TestWhatCannotBeOpened(t *testing.T) {
	for _, addr := range []string{"::1", "192.0.2.1"} {
		if _, err := Open(journal.New(), netip.MustParseAddr(addr)); err == nil {
			t.Errorf("%s was opened", addr)
		}
	}
}
