package link

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/usptest/usptest/brokers/stomp"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

const (
	// stompContentType marks a frame that carries a Record (R-STOMP.20).
	stompContentType = "application/vnd.bbf.usp.msg"
	// stompErrorType marked a frame with an error text instead, before USP 1.2 (R-STOMP.23a).
	stompErrorType = "application/vnd.bbf.usp.error"
	replyToDest    = "reply-to-dest" // R-STOMP.21
)

// STOMPOptions describe a link over STOMP.
type STOMPOptions struct {
	Name                  string // the link's name in results
	AgentDestination      string // what the Agent is to subscribe to; it may say otherwise
	ControllerDestination string // where the Agent's Records come in; destinations below it belong to the link too, for further Controllers
	ControllerID          string // the Endpoint ID of the first Controller
	Login                 Login
	Broker                stomp.Options
}

// STOMP is a link through a server of its own. It sends to the destination that the Agent has named last, if it is subscribed to
// it, and otherwise to the one that it subscribed to last: an Agent that moves may name the new destination before it is there.
type STOMP struct {
	journal *journal.Journal
	o       STOMPOptions
	receive func(Inbound)
	broker  *stomp.Server // set by Start
	further further

	mu    sync.Mutex
	named string // the Agent's destination as it named it, "" when it has not
}

// NewSTOMP makes a link that listens once it is started. Options.Broker.OnFrame is the link's own.
func NewSTOMP(j *journal.Journal, o STOMPOptions) *STOMP {
	return &STOMP{journal: j, o: o, receive: func(Inbound) {}}
}

// Name implements Link.
func (l *STOMP) Name() string { return l.o.Name }

// MTP implements Link.
func (l *STOMP) MTP() MTP {
	return MTP{Name: "STOMP", ControllerAddress: "Destination", BrokerHost: "Host", BrokerPort: "Port", AgentAddress: "Destination",
		Ping: "heart-beat", PingInterval: "heart-beat", TLSRule: "R-STOMP.36"}
}

// Broker returns the server, to be scripted, once the link is started.
func (l *STOMP) Broker() *stomp.Server { return l.broker }

// OnRecord implements Link.
func (l *STOMP) OnRecord(f func(Inbound)) { l.receive = f }

// Start implements Link.
func (l *STOMP) Start(ctx context.Context) error {
	o := l.o.Broker
	o.OnFrame = l.arrived
	broker, err := stomp.Start(ctx, l.journal, o)
	if err != nil {
		return fmt.Errorf("link %s: %w", l.o.Name, err)
	}
	l.broker = broker
	return nil
}

// Close implements Link.
func (l *STOMP) Close() error {
	if l.broker == nil {
		return nil
	}
	return l.broker.Close()
}

// Addr implements Link.
func (l *STOMP) Addr() string {
	if l.broker == nil {
		return ""
	}
	return l.broker.Addr()
}

// Drop implements Link.
func (l *STOMP) Drop() { l.broker.DropAll() }

// Reset implements Link.
func (l *STOMP) Reset() { l.broker.Reset() }

// StartsSession implements Link.
func (l *STOMP) StartsSession(e *journal.Event) bool {
	return e.Dir == journal.In && e.Layer == journal.LayerSTOMP && opens(e.Type)
}

// Pings implements Link.
func (l *STOMP) Pings(e *journal.Event) bool {
	return e.Dir == journal.In && e.Layer == journal.LayerSTOMP && e.Type == stomp.HeartBeatEvent
}

// PingInterval implements Link. The device offers an interval, and the server may want a longer one, or none.
func (l *STOMP) PingInterval(e *journal.Event, now time.Duration) time.Duration {
	f, ok := e.Body.(*stomp.Frame)
	if !ok {
		return now
	}
	sends, wants, _ := f.HeartBeat()
	switch {
	case l.StartsSession(e):
		return sends
	case f.Command != "CONNECTED":
		return now
	case now == 0 || wants == 0:
		return 0
	}
	return max(now, wants)
}

// Announced implements Link.
func (l *STOMP) Announced(e *journal.Event, agent, _ string) *Breach {
	f, ok := e.Body.(*stomp.Frame)
	if !ok || !l.StartsSession(e) {
		return nil
	}
	id, _ := f.Header("endpoint-id")
	return announced("R-STOMP.4", e, "endpoint-id of the "+f.Command+" frame", id, agent)
}

// opens reports whether a command opens a session; STOMP is the newer of the two.
func opens(command string) bool { return command == "CONNECT" || command == "STOMP" }

// EndsSession implements Link.
func (l *STOMP) EndsSession(e *journal.Event) bool {
	return closes(e) || e.Dir == journal.In && e.Layer == journal.LayerSTOMP && e.Type == "DISCONNECT"
}

// Emitted implements Link.
func (l *STOMP) Emitted(e *journal.Event) (string, *usppb.Record) {
	f, ok := e.Body.(*stomp.Frame)
	if !ok || e.Dir != journal.In || f.Command != "SEND" {
		return "", nil
	}
	to, _ := f.Header("destination")
	return to, readRecord(f.Body)
}

// Explain implements Link.
func (l *STOMP) Explain(events []*journal.Event) Explanation {
	a := approach{controllerID: l.o.ControllerID, answerRule: "R-STOMP.23"}
	newest, greeted := map[uint64]*journal.Event{}, map[uint64]bool{} // frames of the device, by connection
	for _, e := range events {
		if e.Type == stomp.BadFrame && (greeted[e.Conn] || stompBegins(e.Raw)) {
			a.breaches = append(a.breaches, Breach{Rule: "STOMP 1.2", Seq: e.Seq,
				Err: fmt.Errorf("a frame of the device is not valid: %s", e.Text)})
			delete(newest, e.Conn) // the ERROR that follows is about the bad one
		}
		f, ok := e.Body.(*stomp.Frame)
		if !ok {
			continue
		}
		header := func(name string) *string {
			if value, ok := f.Header(name); ok {
				return &value
			}
			return nil
		}
		destination := header("destination")
		switch {
		case e.Dir == journal.Out && f.Command == "ERROR":
			a.refused(newest[e.Conn], f, greeted[e.Conn])
		case e.Dir == journal.Out && f.Command == "MESSAGE":
			if replyTo := header(replyToDest); replyTo != nil {
				a.request(*replyTo, f.Body)
			}
		case e.Dir != journal.In:
		case opens(f.Command):
			a.logins = append(a.logins, credentials{header("login"), header("passcode")})
		case f.Command == "SUBSCRIBE" && destination != nil:
			a.subscribed = append(a.subscribed, *destination)
		case f.Command == "SEND" && destination != nil:
			a.sent(e, *destination, f.Body)
		}
		if e.Dir == journal.Out && f.Command == "CONNECTED" {
			greeted[e.Conn] = true
		}
		if e.Dir == journal.In {
			newest[e.Conn] = e
		}
	}
	return a.explain(l.o.Login, l.o.AgentDestination, l.o.ControllerDestination, func(destination string) bool {
		return destination == l.o.AgentDestination
	})
}

// stompBegins reports whether bytes that are no frame begin as that of a client which opens a session does.
func stompBegins(raw []byte) bool {
	command, _, _ := strings.Cut(string(raw[:min(len(raw), 16)]), "\n")
	return opens(strings.TrimSuffix(command, "\r"))
}

// refused notes a frame that the server has refused with an ERROR; nil when none came that can be read. greeted says that the session is
// open.
func (a *approach) refused(e *journal.Event, answer *stomp.Frame, greeted bool) {
	if e == nil {
		return
	}
	f := e.Body.(*stomp.Frame)
	problem, _ := answer.Header("message")
	switch version, ok := f.Header("accept-version"); {
	case greeted:
		rule := cmp.Or(map[string]string{"SUBSCRIBE": "R-STOMP.13", "SEND": "R-STOMP.18"}[f.Command], "STOMP 1.2")
		a.breaches = append(a.breaches, Breach{Rule: rule, Seq: e.Seq,
			Err: fmt.Errorf("the %s frame of the device is not valid: %s", f.Command, problem)})
	case !opens(f.Command):
		a.breaches = append(a.breaches, breach("R-STOMP.2", e, "the first frame of the device", "STOMP", f.Command))
	default:
		got := usp.Quote(version)
		if !ok {
			got = "no such header"
		}
		a.breaches = append(a.breaches, breach("R-STOMP.2", e, "accept-version of the "+f.Command+" frame", `"1.2" among the versions`, got))
	}
}

// SetAgentTopic implements Link; the topic is a destination.
func (l *STOMP) SetAgentTopic(destination string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.named = destination
}

// arrived takes what the Agent sends to a destination of the link.
func (l *STOMP) arrived(conn uint64, seq journal.Mark, f *stomp.Frame) {
	to, sent := f.Header("destination")
	if f.Command != "SEND" || !sent {
		return
	}
	if kind, _ := f.Header("content-type"); kind == stompErrorType {
		return
	}
	replyTo, _ := f.Header(replyToDest)
	if !Within(to, l.o.ControllerDestination) {
		return
	}
	if replyTo != "" {
		l.SetAgentTopic(replyTo)
	}
	l.receive(Inbound{Raw: f.Body, Seq: seq, Conn: conn, To: to, ReplyTo: replyTo})
}

// agentDestination returns where the Agent listens, or "" when it is subscribed to nothing.
func (l *STOMP) agentDestination() string {
	l.mu.Lock()
	named := l.named
	l.mu.Unlock()
	newest := ""
	for _, s := range l.broker.Subscriptions() {
		if s.Destination == named {
			return named
		}
		newest = s.Destination
	}
	return newest
}

// Connected implements Link.
func (l *STOMP) Connected(ctx context.Context) error {
	for {
		changed := l.broker.Changed()
		if l.agentDestination() != "" {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("link %s: %w: nobody has subscribed to a destination: %w", l.o.Name, ErrUnreachable, ctx.Err())
		}
	}
}

// ReplyTo implements End.
func (l *STOMP) ReplyTo() string { return l.o.ControllerDestination }

// Send implements Link.
func (l *STOMP) Send(ctx context.Context, record []byte) (journal.Mark, error) {
	return l.send(ctx, l.o.ControllerDestination, record)
}

// Join implements Link.
func (l *STOMP) Join(string) Joined {
	return brokerEnd{l, l.further.address(l.o.ControllerDestination), l.send}
}

func (l *STOMP) send(ctx context.Context, replyTo string, record []byte) (journal.Mark, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	destination := l.agentDestination()
	seq, err := l.broker.Send(destination, []stomp.Pair{{Name: "content-type", Value: stompContentType}, {Name: replyToDest, Value: replyTo}}, record)
	switch {
	case errors.Is(err, stomp.ErrNoSubscriber):
		return 0, fmt.Errorf("link %s: %w: nobody has subscribed to a destination", l.o.Name, ErrUnreachable)
	case err != nil: // the subscriber's connection is ending
		return seq, fmt.Errorf("link %s: %w: %w", l.o.Name, ErrUnreachable, err)
	}
	return seq, nil
}
