package link

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/go-stomp/stomp/v3/frame"

	"github.com/usptest/usptest/harness/journal"
)

// stompAgent is the other end of a STOMP link, on the library's own reader and writer.
type stompAgent struct {
	t *testing.T
	net.Conn
	r *frame.Reader
	w *frame.Writer
}

func startSTOMP(t *testing.T) (*STOMP, chan Inbound, *journal.Journal) {
	t.Helper()
	j := journal.New()
	l := NewSTOMP(j, STOMPOptions{Name: "stomp", ControllerDestination: "usptest/1/controller"})
	arrivals := make(chan Inbound, 10)
	l.OnRecord(func(in Inbound) { arrivals <- in })
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, arrivals, j
}

func dialSTOMP(t *testing.T, l *STOMP) *stompAgent {
	t.Helper()
	c, err := net.Dial("tcp", l.Broker().Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	a := &stompAgent{t: t, Conn: c, r: frame.NewReader(c), w: frame.NewWriter(c)}
	a.write(nil, frame.STOMP, "accept-version", "1.2", "host", "/")
	a.expect(frame.CONNECTED)
	return a
}

func (a *stompAgent) write(body []byte, command string, headers ...string) {
	a.t.Helper()
	f := frame.New(command, headers...)
	f.Body = body
	if err := a.w.Write(f); err != nil {
		a.t.Fatal(err)
	}
}

// subscribe returns when the subscription holds.
func (a *stompAgent) subscribe(id, destination string) {
	a.t.Helper()
	a.write(nil, frame.SUBSCRIBE, "id", id, "destination", destination, "ack", "auto", "receipt", "r")
	a.expect(frame.RECEIPT)
}

func (a *stompAgent) expect(command string) *frame.Frame {
	a.t.Helper()
	f, err := a.r.Read()
	if err != nil || f == nil || f.Command != command {
		a.t.Fatalf("want %s, got %v, %v", command, f, err)
	}
	return f
}

func TestSTOMPCarriesRecords(t *testing.T) {
	l, arrivals, j := startSTOMP(t)
	if _, err := l.Send(t.Context(), nil); !errors.Is(err, ErrUnreachable) {
		t.Errorf("want ErrUnreachable, got %v", err)
	}
	a := dialSTOMP(t, l)
	a.subscribe("0", "usptest/1/agent")
	if err := l.Connected(t.Context()); err != nil {
		t.Fatal(err)
	}
	seq, err := l.Send(t.Context(), []byte("request\x00"))
	if err != nil {
		t.Fatal(err)
	}
	m := a.expect(frame.MESSAGE)
	if m.Header.Get("content-type") != "application/vnd.bbf.usp.msg" || m.Header.Get("reply-to-dest") != "usptest/1/controller" || string(m.Body) != "request\x00" {
		t.Errorf("got %v", m)
	}
	if e := j.Since(seq - 1)[0]; e.Type != frame.MESSAGE || e.Dir != journal.Out {
		t.Errorf("event %d is %s %s", seq, e.Dir, e.Type)
	}
	a.write([]byte("reply"), frame.SEND, "destination", "usptest/1/controller", "reply-to-dest", "usptest/1/agent", "content-length", "5")
	in := <-arrivals
	if string(in.Raw) != "reply" || in.To != "usptest/1/controller" || in.ReplyTo != "usptest/1/agent" {
		t.Errorf("got %+v", in)
	}
	if e := j.Since(in.Seq - 1)[0]; e.Type != frame.SEND || e.Conn != in.Conn {
		t.Errorf("event %d is %s on %d, arrived on %d", in.Seq, e.Type, e.Conn, in.Conn)
	}
}

func TestSTOMPTakesItsOwnDestinationsOnly(t *testing.T) {
	l, arrivals, _ := startSTOMP(t)
	a := dialSTOMP(t, l)
	a.subscribe("0", "usptest/1/agent")
	send := func(destination, contentType string) {
		a.write([]byte(destination), frame.SEND, "destination", destination, "content-type", contentType)
	}
	joined := l.Join("self::second")
	if _, err := joined.Send(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if m := a.expect(frame.MESSAGE); m.Header.Get("reply-to-dest") != joined.Address() {
		t.Errorf("got %v", m)
	}
	send("elsewhere", "application/vnd.bbf.usp.msg")
	send("usptest/1/controllers", "application/vnd.bbf.usp.msg")
	send("usptest/1/controller", "application/vnd.bbf.usp.error")
	for _, mine := range []string{"usptest/1/controller", joined.Address()} {
		send(mine, "text/plain")
		if in := <-arrivals; in.To != mine {
			t.Errorf("want a Record to %q, got %+v", mine, in)
		}
	}
}

func TestSTOMPFollowsTheAgent(t *testing.T) {
	l, arrivals, _ := startSTOMP(t)
	a := dialSTOMP(t, l)
	arrivesAt := func(id string) {
		t.Helper()
		if _, err := l.Send(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if m := a.expect(frame.MESSAGE); m.Header.Get("subscription") != id {
			t.Errorf("want a MESSAGE to subscription %s, got %v", id, m)
		}
	}
	a.subscribe("0", "first")
	arrivesAt("0")
	a.subscribe("1", "second")
	arrivesAt("1") // the newest
	a.write(nil, frame.SEND, "destination", "usptest/1/controller", "reply-to-dest", "first")
	<-arrivals
	arrivesAt("0") // the one it names
	l.SetAgentTopic("second")
	arrivesAt("1")
	l.SetAgentTopic("third") // where it is not yet
	arrivesAt("1")
	a.write(nil, frame.UNSUBSCRIBE, "id", "1", "receipt", "r")
	a.expect(frame.RECEIPT)
	arrivesAt("0")
}

func TestSTOMPConnectedWaits(t *testing.T) {
	l, _, _ := startSTOMP(t)
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error, 1)
	go func() { waiting <- l.Connected(ctx) }()
	cancel()
	if err := <-waiting; !errors.Is(err, ErrUnreachable) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	go func() { waiting <- l.Connected(t.Context()) }()
	a := dialSTOMP(t, l)
	a.subscribe("0", "usptest/1/agent")
	if err := <-waiting; err != nil {
		t.Error(err)
	}
	a.Close()
	for changed := l.Broker().Changed(); len(l.Broker().Subscriptions()) > 0; changed = l.Broker().Changed() {
		<-changed
	}
	if _, err := l.Send(t.Context(), nil); !errors.Is(err, ErrUnreachable) {
		t.Errorf("want ErrUnreachable, got %v", err)
	}
}
