package link

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/usptest/usptest/brokers/websocket"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/pki"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// WebSocketOptions describe a link over WebSocket. The Agent dials the link; if Dial is given, the link also dials the Agent, and
// again whenever that connection ends.
type WebSocketOptions struct {
	Name string // the link's name in results
	// KeepAwake sends a PING when an answer is late, since some Agents leave it in a queue until something else happens on the
	// connection. SetKeepAwake switches it at run time.
	KeepAwake bool
	Broker    websocket.Options
	// Dial says how the Agent is dialled; its EndpointID is the link's own, that of the Controller.
	Dial *websocket.DialOptions
	// Shown is the certificate that TLS shows, which is made to name further Controllers, too; nil without TLS.
	Shown *pki.Shown
}

// WebSocket is a link through a server of its own. Each Controller has connections of its own, told apart by the path that the Agent
// has dialled; of several, Records go to the newest.
type WebSocket struct {
	journal *journal.Journal
	o       WebSocketOptions
	receive func(Inbound)
	broker  *websocket.Server // set by Start
	ctx     context.Context   // of all dialling; set by Start
	first   *webSocketEnd
	further further

	mu   sync.Mutex
	on   bool            // late answers are asked for with a PING
	ends []*webSocketEnd // of all Controllers, the first one included
}

// webSocketEnd is the end of one Controller.
type webSocketEnd struct {
	link    *WebSocket
	id      string // the Controller's
	path    string // by which the Agent dials it
	waker   *waker
	tls     *tls.Config // with which it dials the Agent; nil: that of the link
	dialler dialler
}

// NewWebSocket makes a link that listens, and dials, once it is started. Options.Broker.OnMessage is the link's own.
func NewWebSocket(j *journal.Journal, o WebSocketOptions) *WebSocket {
	l := &WebSocket{journal: j, o: o, receive: func(Inbound) {}, on: o.KeepAwake}
	l.first = l.newEnd(o.Broker.EndpointID, o.Broker.Path)
	return l
}

// newEnd makes one of the link's ends.
func (l *WebSocket) newEnd(id, path string) *webSocketEnd {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := &webSocketEnd{link: l, id: id, path: path}
	e.waker = &waker{on: l.on, ping: e.wake}
	l.ends = append(l.ends, e)
	return e
}

// Name implements Link.
func (l *WebSocket) Name() string { return l.o.Name }

// MTP implements Link.
func (l *WebSocket) MTP() MTP {
	return MTP{Name: "WebSocket", ControllerAddress: "Path", EndsOnBadRecord: true, AgentDials: l.o.Dial == nil,
		Ping: "Ping", PingInterval: "the shortest KeepAliveInterval there is", TLSRule: "R-WS.22"}
}

// Broker returns the server, to be scripted, once the link is started. A connection that the link has dialled is among its own.
func (l *WebSocket) Broker() *websocket.Server { return l.broker }

// OnRecord implements Link.
func (l *WebSocket) OnRecord(f func(Inbound)) { l.receive = f }

// SetKeepAwake switches the PINGs that wake a slow Agent; a case that counts PINGs and PONGs wants none.
func (l *WebSocket) SetKeepAwake(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.on = on
	for _, e := range l.ends {
		e.waker.set(on)
	}
}

// Addr implements Link.
func (l *WebSocket) Addr() string {
	if l.broker == nil {
		return ""
	}
	return l.broker.Addr()
}

// Drop implements Link. An Agent that the link dials is dialled again.
func (l *WebSocket) Drop() { l.broker.DropAll() }

// Reset implements Link.
func (l *WebSocket) Reset() { l.broker.Reset() }

// StartsSession implements Link.
func (l *WebSocket) StartsSession(e *journal.Event) bool {
	return e.Dir == journal.In && e.Layer == journal.LayerWebSocket && e.Type == websocket.HandshakeEvent
}

// Pings implements Link.
func (l *WebSocket) Pings(e *journal.Event) bool {
	f, ok := e.Body.(*websocket.Frame)
	return ok && e.Dir == journal.In && f.Opcode == websocket.OpPing
}

// PingInterval implements Link. KeepAliveInterval of the device is not negotiated, and is at least a second: whether the device keeps to
// its value is for R-WS.17 to judge.
func (l *WebSocket) PingInterval(*journal.Event, time.Duration) time.Duration { return time.Second }

// Announced implements Link. An Agent before USP 1.3 need not have its Endpoint ID in the query, and one that is the server need not answer
// with it; but where it is, it is the right one.
func (l *WebSocket) Announced(e *journal.Event, agent, version string) *Breach {
	h, ok := e.Body.(*websocket.Handshake)
	if !ok || !l.StartsSession(e) {
		return nil
	}
	if id, there := h.ExtensionEID(); h.Status != 0 && there {
		return announced("R-WS.11a", e, "eid of "+websocket.Extension+" in the device's response", id, agent)
	}
	if id := h.EID(); h.Status == 0 && (id != "" || !usp.EarlierVersion(version, "1.3")) {
		return announced("R-WS.10b", e, "eid in the query of the device's opening request", id, agent)
	}
	return nil
}

// EndsSession implements Link.
func (l *WebSocket) EndsSession(e *journal.Event) bool {
	f, ok := e.Body.(*websocket.Frame)
	return closes(e) || ok && e.Dir == journal.In && f.Opcode == websocket.OpClose
}

// Emitted implements Link: every message is a Record, which has an event of its own.
func (l *WebSocket) Emitted(e *journal.Event) (string, *usppb.Record) { return "", emittedRecord(e) }

// Explain implements Link.
func (l *WebSocket) Explain(events []*journal.Event) Explanation {
	var x Explanation
	asked, ended := map[uint64]*journal.Event{}, endedBy(events) // the opening requests, by connection
	answered := 0                                                // the status of the device's last response
	for _, e := range events {
		h, ok := e.Body.(*websocket.Handshake)
		switch {
		case !ok && e.Dir == journal.Out && e.Layer == journal.LayerWebSocket:
			x.Breaches = append(x.Breaches, refusedFrame(e)...)
		case !ok:
		case h.Status == 0:
			asked[e.Conn] = e
			if e.Dir == journal.In && h.Path != l.o.Broker.Path && l.o.Broker.Path != "" {
				x.differs("it asks for the path %s, and the link's path is %q", usp.Quote(h.Path), l.o.Broker.Path)
			}
		case e.Dir == journal.Out:
			x.Breaches = append(x.Breaches, refusedRequest(asked[e.Conn], h, ended[e.Conn])...)
		case h.Status != http.StatusSwitchingProtocols:
			answered = h.Status
		default:
			answered = h.Status
			x.Breaches = append(x.Breaches, wrongResponse(asked[e.Conn], e, h)...)
		}
	}
	switch {
	case l.o.Dial == nil || answered == http.StatusSwitchingProtocols:
	case answered != 0:
		x.differs("its WebSocket server answers the opening request with %d %s, and the link's url is %q",
			answered, http.StatusText(answered), l.o.Dial.URL)
	default:
		x.Remedy = fmt.Sprintf("the device's WebSocket server must listen at %q and answer as RFC 6455 says", l.o.Dial.URL)
	}
	return x
}

// wrongResponse is what is wrong with the response of a device that takes the WebSocket.
func wrongResponse(asked, e *journal.Event, h *websocket.Handshake) []Breach {
	if !slices.Contains(h.Subprotocols(), websocket.Subprotocol) {
		return []Breach{breach("R-WS.11", e, "Sec-WebSocket-Protocol of the device's response", strconv.Quote(websocket.Subprotocol), offered(h))}
	}
	for _, name := range h.Extensions() {
		if name != websocket.Extension {
			return []Breach{breach("R-WS.7", e, "Sec-WebSocket-Extensions of the device's response", "none that was not asked for", usp.Quote(name))}
		}
	}
	if asked == nil {
		return nil
	}
	want, got := websocket.Accept(asked.Body.(*websocket.Handshake).Header.Get("Sec-Websocket-Key")), h.Header.Get("Sec-Websocket-Accept")
	if got != want {
		return []Breach{breach("R-WS.7", e, "Sec-WebSocket-Accept of the device's response", usp.Quote(want), usp.Quote(got))}
	}
	return nil
}

// differs adds a mismatch that is not among them yet.
func (x *Explanation) differs(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(x.Mismatches, text) {
		x.Mismatches = append(x.Mismatches, text)
	}
}

// refusedRequest is what is wrong with an opening request that was answered with a refusal, for the reason why; nothing when its path alone
// is.
func refusedRequest(asked *journal.Event, answer *websocket.Handshake, why string) []Breach {
	if asked == nil || answer.Status == http.StatusSwitchingProtocols || answer.Status == http.StatusNotFound {
		return nil
	}
	request := asked.Body.(*websocket.Handshake)
	if !slices.Contains(request.Subprotocols(), websocket.Subprotocol) {
		return []Breach{breach("R-WS.10", asked, "Sec-WebSocket-Protocol of the device's opening request",
			strconv.Quote(websocket.Subprotocol), offered(request))}
	}
	got := fmt.Sprintf("one that is answered with %d %s", answer.Status, http.StatusText(answer.Status))
	if why = strings.TrimPrefix(why, "websocket: "); why != "" {
		got += ": " + why
	}
	return []Breach{breach("R-WS.7", asked, "the device's opening request", "one that RFC 6455 allows", got)}
}

// offered shows the subprotocols of a handshake.
func offered(h *websocket.Handshake) string {
	if all := h.Subprotocols(); len(all) > 0 {
		return quoted(all...)
	}
	return "no such header"
}

// refusedFrame is what is wrong with a frame over which the harness has ended a connection.
func refusedFrame(e *journal.Event) []Breach {
	f, ok := e.Body.(*websocket.Frame)
	if !ok || f.Opcode != websocket.OpClose {
		return nil
	}
	switch code, reason := f.CloseCode(); code {
	case websocket.CloseUnsupported:
		return []Breach{breach("R-WS.14", e, "the device's messages", "binary ones", "a text message")}
	case websocket.CloseProtocolError:
		return []Breach{breach("RFC 6455", e, "the device's frames", "what RFC 6455 allows", reason)}
	}
	return nil
}

// SetAgentTopic implements Link: a WebSocket has no topics.
func (l *WebSocket) SetAgentTopic(string) {}

// Start implements Link.
func (l *WebSocket) Start(ctx context.Context) error {
	o := l.o.Broker
	o.OnMessage = l.arrived
	broker, err := websocket.Start(ctx, l.journal, o)
	if err != nil {
		return fmt.Errorf("link %s: %w", l.o.Name, err)
	}
	l.broker, l.ctx = broker, ctx
	l.first.open()
	return nil
}

// Connected implements End.
func (l *WebSocket) Connected(ctx context.Context) error { return l.first.Connected(ctx) }

// ReplyTo implements End: the answer comes over the connection of its request.
func (l *WebSocket) ReplyTo() string { return "" }

// Send implements End.
func (l *WebSocket) Send(ctx context.Context, record []byte) (journal.Mark, error) {
	return l.first.Send(ctx, record)
}

// Conn returns the Agent's connection with the first Controller, to send single frames on. The error wraps ErrUnreachable.
func (l *WebSocket) Conn() (*websocket.Conn, error) { return l.first.conn() }

// Join implements Link.
func (l *WebSocket) Join(id string) Joined {
	e := l.newEnd(id, "")
	if l.o.Dial == nil {
		e.path = l.further.address(l.o.Broker.Path)
		l.broker.Assign(e.path, id)
	}
	if l.o.Shown != nil {
		e.identify()
	}
	e.open()
	return e
}

// Close implements Link.
func (l *WebSocket) Close() error {
	l.SetKeepAwake(false)
	l.mu.Lock()
	ends := slices.Clone(l.ends)
	l.mu.Unlock()
	for _, e := range ends {
		e.dialler.close()
	}
	if l.broker == nil {
		return nil
	}
	return l.broker.Close()
}

func (l *WebSocket) arrived(conn uint64, seq journal.Mark, payload []byte) {
	if c, err := l.broker.Conn(conn); err == nil {
		l.mu.Lock()
		at := slices.IndexFunc(l.ends, func(e *webSocketEnd) bool { return e.id == c.Controller() })
		if at >= 0 {
			l.ends[at].waker.arrived()
		}
		l.mu.Unlock()
	}
	l.receive(Inbound{Raw: payload, Seq: seq, Conn: conn})
}

// Address implements Joined.
func (e *webSocketEnd) Address() string { return e.path }

// Leave implements Joined.
func (e *webSocketEnd) Leave() {
	l := e.link
	l.mu.Lock()
	l.ends = slices.DeleteFunc(l.ends, func(other *webSocketEnd) bool { return other == e })
	l.mu.Unlock()
	e.waker.set(false)
	e.dialler.close()
	l.broker.Withdraw(e.path)
	if l.o.Shown != nil {
		l.o.Shown.Leave(e.id)
	}
	for _, c := range l.broker.Conns() {
		if c.Controller() == e.id {
			c.Abort("the Controller has left")
		}
	}
}

// identify has TLS name the Controller to the Agent (R-SEC.0a).
func (e *webSocketEnd) identify() {
	l := e.link
	if l.o.Dial == nil {
		l.o.Shown.Join(e.id)
	} else {
		e.tls = l.o.Shown.As(e.id, l.o.Dial.TLS)
	}
	text := "TLS: " + e.id + " shows a certificate that names it"
	if !l.o.Shown.Issues() {
		text = "TLS: " + e.id + " shows the certificate of the DUT file, since the DUT file gives no authority that could issue another one"
	}
	l.journal.Append(journal.Event{Layer: journal.LayerScript, Dir: journal.Own, Type: "Join", Text: text})
}

// open begins to dial the Agent, if the link does. An Agent that has refused is offered bbf-usp-protocol the next time: a server that wants
// it is found to break R-WS.11c by the case about that, and can be tested in all others.
func (e *webSocketEnd) open() {
	l := e.link
	if l.o.Dial == nil {
		return
	}
	refused := false
	e.dialler.start(l.ctx, func(ctx context.Context) (dialled, error) {
		o := *l.o.Dial
		o.EndpointID, o.Extension, o.TLS = e.id, refused, cmp.Or(e.tls, o.TLS)
		c, err := l.broker.Dial(ctx, o)
		var refusal *websocket.RefusedError
		refused = errors.As(err, &refusal) && !refused
		return c, err
	})
}

// conn returns the Agent's newest connection with the Controller. The error wraps ErrUnreachable.
func (e *webSocketEnd) conn() (*websocket.Conn, error) {
	l := e.link
	for _, c := range slices.Backward(l.broker.Conns()) {
		if c.Controller() == e.id && c.Open() {
			return c, nil
		}
	}
	failure := e.dialler.failed()
	if failure != nil {
		return nil, fmt.Errorf("link %s: %w: the link could not dial it: %w", l.o.Name, ErrUnreachable, failure)
	}
	return nil, fmt.Errorf("link %s: %w: it has not opened a WebSocket at %q", l.o.Name, ErrUnreachable, e.path)
}

// ReplyTo implements End.
func (e *webSocketEnd) ReplyTo() string { return "" }

// Connected implements End.
func (e *webSocketEnd) Connected(ctx context.Context) error {
	return awaitConnection(ctx, e.link.broker.Changed, func() error { _, err := e.conn(); return err })
}

// Send implements End.
func (e *webSocketEnd) Send(ctx context.Context, record []byte) (journal.Mark, error) {
	c, err := e.conn()
	if err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	e.waker.sent()
	seq, err := c.Send(record)
	if err != nil {
		return seq, fmt.Errorf("link %s: %w: %w", e.link.o.Name, ErrUnreachable, err)
	}
	return seq, nil
}

// wake is the waker's PING.
func (e *webSocketEnd) wake() {
	if c, err := e.conn(); err == nil {
		c.Ping([]byte("awake")) // an error ends the connection, which says so itself
	}
}
