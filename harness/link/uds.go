package link

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/usptest/usptest/brokers/uds"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// UDSOptions describe a link over a Unix domain socket. An Endpoint is either the server or the client: the link listens on the path of
// Broker, or it dials the Agent, and again whenever that connection ends.
type UDSOptions struct {
	Name   string // the link's name in results
	Broker uds.Options
	// Dial is the path on which the Agent listens; "" for an Agent that connects to the link.
	Dial string
}

// UDS is a link over a Unix domain socket. Each Controller has connections of its own; of several, Records go to the newest.
type UDS struct {
	journal *journal.Journal
	o       UDSOptions
	receive func(Inbound)
	server  *uds.Server     // set by Start
	ctx     context.Context // of all dialling; set by Start
	first   *udsEnd

	mu   sync.Mutex
	ends []*udsEnd // of all Controllers, the first one included
}

// udsEnd is the end of one Controller.
type udsEnd struct {
	link    *UDS
	id      string // the Controller's
	dialler dialler
}

// NewUDS makes a link that listens, or dials, once it is started. Options.Broker.OnRecord is the link's own.
func NewUDS(j *journal.Journal, o UDSOptions) *UDS {
	l := &UDS{journal: j, o: o, receive: func(Inbound) {}}
	l.first = l.newEnd(o.Broker.EndpointID)
	return l
}

// newEnd makes one of the link's ends.
func (l *UDS) newEnd(id string) *udsEnd {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := &udsEnd{link: l, id: id}
	l.ends = append(l.ends, e)
	return e
}

// Name implements Link.
func (l *UDS) Name() string { return l.o.Name }

// MTP implements Link. An Agent ends the connection over a Record that it cannot extract (R-UDS.23).
func (l *UDS) MTP() MTP { return MTP{Name: "UDS", EndsOnBadRecord: true, AgentDials: l.o.Dial == ""} }

// Broker returns the server, to be scripted, once the link is started.
func (l *UDS) Broker() *uds.Server { return l.server }

// OnRecord implements Link.
func (l *UDS) OnRecord(f func(Inbound)) { l.receive = f }

// Addr implements Link.
func (l *UDS) Addr() string {
	if l.server == nil {
		return ""
	}
	return l.server.Addr()
}

// Drop implements Link. An Agent that the link dials is dialled again.
func (l *UDS) Drop() { l.server.DropAll() }

// Reset implements Link.
func (l *UDS) Reset() { l.server.Reset() }

// StartsSession implements Link.
func (l *UDS) StartsSession(e *journal.Event) bool { return handshakeOf(e) != nil }

// handshakeOf is the frame of the device with which it tells its Endpoint ID; nil when the event shows none.
func handshakeOf(e *journal.Event) *uds.Frame {
	f, ok := e.Body.(*uds.Frame)
	if !ok || e.Dir != journal.In || !f.Has(uds.Handshake) {
		return nil
	}
	return f
}

// EndsSession implements Link. Behind an Error of the device the harness ends the connection (R-UDS.25).
func (l *UDS) EndsSession(e *journal.Event) bool {
	f, ok := e.Body.(*uds.Frame)
	return closes(e) || ok && e.Dir == journal.In && f.Has(uds.Error)
}

// Pings implements Link: a Unix domain socket needs none.
func (l *UDS) Pings(*journal.Event) bool { return false }

// PingInterval implements Link.
func (l *UDS) PingInterval(_ *journal.Event, now time.Duration) time.Duration { return now }

// Announced implements Link.
func (l *UDS) Announced(e *journal.Event, agent, _ string) *Breach {
	f := handshakeOf(e)
	if f == nil {
		return nil
	}
	at := slices.IndexFunc(f.Fields, func(field uds.TLV) bool { return field.Type == uds.Handshake })
	rule := "R-UDS.16"
	if l.o.Dial != "" {
		rule = "R-UDS.17"
	}
	return announced(rule, e, "Endpoint ID in the Handshake of the device", string(f.Fields[at].Value), agent)
}

// Emitted implements Link: every Record has an event of its own.
func (l *UDS) Emitted(e *journal.Event) (string, *usppb.Record) { return "", emittedRecord(e) }

// Explain implements Link.
func (l *UDS) Explain(events []*journal.Event) Explanation {
	var x Explanation
	opened, greeted := false, false
	for _, e := range events {
		f, isFrame := e.Body.(*uds.Frame)
		switch {
		case e.Layer == journal.LayerNote && e.Dir == journal.In && e.Type == "bad frame":
			x.Breaches = append(x.Breaches, Breach{Rule: "R-UDS.6", Seq: e.Seq,
				Err: fmt.Errorf("a frame of the device is not valid: %s", e.Text)})
		case isFrame && e.Dir == journal.In && f.Has(uds.Error):
			x.differs("it answers the handshake with the Error %s", e.Text)
		}
		opened = opened || e.Layer == journal.LayerUDS && e.Conn != 0
		greeted = greeted || handshakeOf(e) != nil
	}
	switch {
	case !opened && l.o.Dial != "":
		x.Remedy = fmt.Sprintf("the device must listen at %q, and usptest must have the right to connect there", l.o.Dial)
	case opened && !greeted:
		x.Remedy = "the device must take part in the handshake (R-UDS.16, R-UDS.17)"
	}
	return x
}

// SetAgentTopic implements Link: a Unix domain socket has no topics.
func (l *UDS) SetAgentTopic(string) {}

// Start implements Link.
func (l *UDS) Start(ctx context.Context) error {
	o := l.o.Broker
	o.OnRecord = func(conn uint64, seq journal.Mark, record []byte) {
		l.receive(Inbound{Raw: record, Seq: seq, Conn: conn})
	}
	server, err := uds.Start(ctx, l.journal, o)
	if err != nil {
		return fmt.Errorf("link %s: %w", l.o.Name, err)
	}
	l.server, l.ctx = server, ctx
	l.first.open()
	return nil
}

// Connected implements End.
func (l *UDS) Connected(ctx context.Context) error { return l.first.Connected(ctx) }

// ReplyTo implements End: the answer comes over the connection of its request.
func (l *UDS) ReplyTo() string { return "" }

// Send implements End.
func (l *UDS) Send(ctx context.Context, record []byte) (journal.Mark, error) {
	return l.first.Send(ctx, record)
}

// Join implements Link. An Agent that is the client connects to one Controller at each socket that it is configured with, and its data
// model lets nobody add one: there the end is never connected.
func (l *UDS) Join(id string) Joined {
	e := l.newEnd(id)
	e.open()
	return e
}

// Close implements Link.
func (l *UDS) Close() error {
	l.mu.Lock()
	ends := slices.Clone(l.ends)
	l.mu.Unlock()
	for _, e := range ends {
		e.dialler.close()
	}
	if l.server == nil {
		return nil
	}
	return l.server.Close()
}

// Address implements Joined.
func (e *udsEnd) Address() string { return "" }

// Leave implements Joined.
func (e *udsEnd) Leave() {
	l := e.link
	l.mu.Lock()
	l.ends = slices.DeleteFunc(l.ends, func(other *udsEnd) bool { return other == e })
	l.mu.Unlock()
	e.dialler.close()
}

// open begins to dial the Agent, if the link does.
func (e *udsEnd) open() {
	l := e.link
	if l.o.Dial == "" {
		return
	}
	e.dialler.start(l.ctx, func(ctx context.Context) (dialled, error) {
		return l.server.Dial(ctx, l.o.Dial, e.id)
	})
}

// conn returns the Agent's newest connection with the Controller. The error wraps ErrUnreachable.
func (e *udsEnd) conn() (*uds.Conn, error) {
	l := e.link
	for _, c := range slices.Backward(l.server.Conns()) {
		if c.Controller() == e.id && c.Open() {
			return c, nil
		}
	}
	failure := e.dialler.failed()
	switch {
	case failure != nil:
		return nil, fmt.Errorf("link %s: %w: the link could not dial it: %w", l.o.Name, ErrUnreachable, failure)
	case l.o.Dial == "" && e != l.first:
		return nil, fmt.Errorf("link %s: %w: a device that is a client on Unix domain sockets connects to one Controller; "+
			"%s needs a device with role: server",
			l.o.Name, ErrUnreachable, e.id)
	case l.o.Dial == "":
		return nil, fmt.Errorf("link %s: %w: it has not connected to %q and sent a Handshake", l.o.Name, ErrUnreachable, l.o.Broker.Path)
	}
	return nil, fmt.Errorf("link %s: %w: it has not answered the Handshake at %q", l.o.Name, ErrUnreachable, l.o.Dial)
}

// ReplyTo implements End.
func (e *udsEnd) ReplyTo() string { return "" }

// Connected implements End.
func (e *udsEnd) Connected(ctx context.Context) error {
	return awaitConnection(ctx, e.link.server.Changed, func() error { _, err := e.conn(); return err })
}

// Send implements End.
func (e *udsEnd) Send(ctx context.Context, record []byte) (journal.Mark, error) {
	c, err := e.conn()
	if err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	seq, err := c.Send(uds.TLV{Type: uds.Record, Value: record})
	if err != nil {
		return seq, fmt.Errorf("link %s: %w: %w", e.link.o.Name, ErrUnreachable, err)
	}
	return seq, nil
}
