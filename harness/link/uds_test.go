package link

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/usptest/usptest/brokers/uds"
	"github.com/usptest/usptest/fixtures/events"
	"github.com/usptest/usptest/harness/journal"
)

const udsAgent = "os::012345-A1"

func startUDS(t *testing.T, o UDSOptions) (*UDS, chan Inbound, *journal.Journal) {
	t.Helper()
	j := journal.New()
	o.Name, o.Broker.EndpointID = "uds", "self::controller"
	l := NewUDS(j, o)
	arrivals := make(chan Inbound, 10)
	l.OnRecord(func(in Inbound) { arrivals <- in })
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, arrivals, j
}

// carries exchanges a Record with a device that has connected, and one back.
func carries(t *testing.T, l *UDS, arrivals chan Inbound, j *journal.Journal, device *uds.Server, conn *uds.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), wsPatience)
	defer cancel()
	if err := l.Connected(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Send(ctx, []byte("request")); err != nil {
		t.Fatal(err)
	}
	for changed := device.Changed(); !conn.Open(); changed = device.Changed() {
		<-changed
	}
	if _, err := conn.Send(uds.TLV{Type: uds.Record, Value: []byte("reply")}); err != nil {
		t.Fatal(err)
	}
	in := <-arrivals
	if e := j.Since(in.Seq - 1)[0]; string(in.Raw) != "reply" || e.Type != "RECORD" || e.Dir != journal.In || e.Conn != in.Conn {
		t.Errorf("got %+v, event %+v", in, e)
	}
	started := events.Await(t, j, 0, events.Event{Layer: journal.LayerUDS, Dir: journal.In, Type: "HANDSHAKE"})
	if !l.StartsSession(started) || l.Announced(started, udsAgent, "1.4") != nil {
		t.Errorf("event %+v", started)
	}
	if b := l.Announced(started, "os::other", "1.4"); b == nil || b.Named != udsAgent {
		t.Errorf("another Endpoint ID: %+v", b)
	}
	mark := j.Mark()
	conn.Abort("the device leaves")
	if e := events.Await(t, j, mark, events.Event{Dir: journal.In, Type: "close"}); !l.EndsSession(e) {
		t.Errorf("event %+v", e)
	}
}

func TestUDSWithADeviceThatConnects(t *testing.T) {
	path := filepath.Join(t.TempDir(), "usp")
	l, arrivals, j := startUDS(t, UDSOptions{Broker: uds.Options{Path: path}})
	if _, err := l.Send(t.Context(), nil); !errors.Is(err, ErrUnreachable) {
		t.Errorf("want ErrUnreachable, got %v", err)
	}
	device, err := uds.Start(t.Context(), journal.New(), uds.Options{})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := device.Dial(t.Context(), path, udsAgent)
	if err != nil {
		t.Fatal(err)
	}
	carries(t, l, arrivals, j, device, conn)
	second := l.Join("self::second")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := second.Connected(ctx); err == nil || !strings.Contains(err.Error(), "role: server") {
		t.Errorf("a second Controller: %v", err)
	}
}

func TestUDSWithADeviceThatListens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "usp")
	l, arrivals, j := startUDS(t, UDSOptions{Dial: path})
	device, err := uds.Start(t.Context(), journal.New(), uds.Options{Path: path, EndpointID: udsAgent})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { device.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), wsPatience)
	defer cancel()
	if err := l.Connected(ctx); err != nil {
		t.Fatal(err)
	}
	carries(t, l, arrivals, j, device, device.Conns()[0])
	if err := l.Connected(ctx); err != nil { // it is dialled again
		t.Error(err)
	}
	second := l.Join("self::second")
	if err := second.Connected(ctx); err != nil {
		t.Error(err)
	}
	second.Leave()
}

func TestWhatUDSExplains(t *testing.T) {
	path := filepath.Join(t.TempDir(), "usp")
	l, _, j := startUDS(t, UDSOptions{Dial: path})
	if x := l.Explain(j.Since(0)); !strings.Contains(x.Remedy, "must listen at") {
		t.Errorf("nobody listens: %+v", x)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	answer := func(text string) {
		c, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(wsPatience))
		c.Write([]byte(text))
		c.Read(make([]byte, 100))
	}
	answer(string(uds.Encode(uds.TLV{Type: uds.Error, Value: []byte("no room")})))
	events.Await(t, j, 0, events.Event{Type: "ERROR"})
	answer("HTTP/1.1 400 Bad Request\r\n")
	events.Await(t, j, 0, events.Event{Type: "bad frame"})
	x := l.Explain(j.Since(0))
	if len(x.Mismatches) != 1 || !strings.Contains(x.Mismatches[0], "no room") || len(x.Breaches) == 0 || x.Breaches[0].Rule != "R-UDS.6" {
		t.Errorf("got %+v", x)
	}
}
