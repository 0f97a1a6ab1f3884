package link

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/usptest/usptest/brokers/stomp"
	"github.com/usptest/usptest/harness/journal"
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
	ControllerDestination string // where the Agent's Records come in; destinations below it belong to the link too, for further Controllers
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

// SetAgentTopic implements Link; the topic is a destination.
func (l *STOMP) SetAgentTopic(destination string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.named = destination
}

// arrived takes what the Agent sends to a destination of the link.
func (l *STOMP) arrived(conn, seq uint64, f *stomp.Frame) {
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

// Send implements Link.
func (l *STOMP) Send(ctx context.Context, record []byte) (uint64, error) {
	return l.send(ctx, l.o.ControllerDestination, record)
}

// Join implements Link.
func (l *STOMP) Join(string) Joined {
	return brokerEnd{l, l.further.address(l.o.ControllerDestination), l.send}
}

func (l *STOMP) send(ctx context.Context, replyTo string, record []byte) (uint64, error) {
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
