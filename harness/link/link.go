// Package link carries USP Records over one MTP. A link uses a broker or an endpoint of that MTP, turns its packets into
// Records and back, and knows nothing of what a Record holds.
package link

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// ErrUnreachable is in the chain of the error that Send returns when no Agent can be reached: none is connected, or it does not
// listen where the link would send.
var ErrUnreachable = errors.New("no Agent can be reached")

// Inbound is a Record as it came from the Agent, not yet decoded.
type Inbound struct {
	Raw     []byte       // the Record's bytes; nobody changes them
	Seq     journal.Mark // journal number of the packet that carried it
	Conn    uint64       // journal number of the transport connection
	To      string       // the topic or destination it was sent to, without a reply-to suffix; "" over WebSocket and Unix domain sockets
	ReplyTo string       // where the Agent wants the answer: its topic or destination; "" when the packet did not say
	Again   bool         // the packet says that it may have come before (MQTT: DUP)
	Beside  Link         // the link it came over, where that is not the one under test; else nil
}

// BesideName is the name of the link that a Record came over where that is not the one under test; else "".
func (in Inbound) BesideName() string {
	if in.Beside == nil {
		return ""
	}
	return in.Beside.Name()
}

// Link is one way to one Agent, and as an End that of its first Controller. It owns whatever differs between MTPs: nothing above
// it asks which MTP it is. Its methods are safe for concurrent use, but for OnRecord, which comes before Start.
type Link interface {
	End

	// Name is the link's name in results: mqtt5, mqtt3, stomp, websocket or uds, followed by +tls where that is so.
	Name() string

	// MTP says how the standards speak of the link's MTP.
	MTP() MTP

	// OnRecord sets who receives the Records of the Agent. It is called once, before Start. f is called in the order of
	// arrival on one connection, from that connection's reader: it must not wait for a later Record.
	OnRecord(f func(Inbound))

	// Start listens, or begins to dial. The Agent may be started once it has returned.
	Start(ctx context.Context) error

	// Addr is where the link listens, as host:port or as the path of a Unix domain socket; "" before Start and where it only dials.
	Addr() string

	// Drop cuts the connections of the Agent, which may come back. The link is started.
	Drop()

	// Reset ends every script of the broker. The link is started.
	Reset()

	// StartsSession reports whether e is the Agent opening a session: a CONNECT, or its part in the handshake of a WebSocket or
	// a Unix domain socket.
	StartsSession(e *journal.Event) bool

	// EndsSession reports whether e is the device ending a session: a DISCONNECT, the CLOSE of a WebSocket, an Error over a Unix domain
	// socket, or the end of a connection.
	EndsSession(e *journal.Event) bool

	// Pings reports whether e is the device keeping a connection alive with what serves nothing else; see MTP.Ping.
	Pings(e *journal.Event) bool

	// PingInterval returns how often the device has to send something over the connection of e, from e on, in the device's own time. now is
	// what held until then. 0 is never.
	PingInterval(e *journal.Event, now time.Duration) time.Duration

	// Announced holds the Endpoint ID that the Agent sends when it opens a session against the right one. It returns nil where e is no such
	// event, or nothing is wrong. version is that of USP which the Agent speaks.
	Announced(e *journal.Event, agent, version string) *Breach

	// Emitted returns the Record that an event of the Agent shows, and the topic or destination that it was sent to, also
	// where nobody listens; nil when the event shows none. Each Record is shown by one event.
	Emitted(e *journal.Event) (to string, record *usppb.Record)

	// Explain says what came of a device's attempts to connect that are among events.
	Explain(events []*journal.Event) Explanation

	// Join opens an end of its own for a further Controller, which the Agent must be given. id is its Endpoint ID. The link is
	// started.
	Join(id string) Joined

	// SetAgentTopic tells the link which topic or destination a Connect Record named as the Agent's. It holds, like a reply-to
	// that a packet carried, until a newer one is seen or the Agent's connection ends. Over WebSocket it has no meaning.
	SetAgentTopic(topic string)

	// Close closes every connection and stops listening.
	Close() error
}

// End is the end of a Link at one Controller. Its methods are safe for concurrent use.
type End interface {
	// ReplyTo is the topic or destination to which the answers to what the end sends go; "" over WebSocket, which has none.
	ReplyTo() string

	// Connected waits until the Agent can be reached: it has subscribed, or its WebSocket is open. The error says what was
	// missing when ctx ended.
	Connected(ctx context.Context) error

	// Send sends a Record, valid or not, to where the Agent listens now, and returns the journal number of the packet. It
	// never waits for an Agent: without one the error wraps ErrUnreachable.
	Send(ctx context.Context, record []byte) (seq journal.Mark, err error)
}

// Joined is the end of a further Controller.
type Joined interface {
	End

	// Address is what the Agent must be told to reach the Controller, beside what holds for the first: its topic, its
	// destination or the path of its WebSocket; "" when the link dials the Agent.
	Address() string

	// Leave closes the end, and with it the Agent's WebSocket at the address.
	Leave()
}

// brokerEnd is the end of a further Controller at a broker. It differs from the first in where it wants its answers: below the
// topic or destination of the first, so that they are the link's anyway.
type brokerEnd struct {
	link    Link
	address string
	send    func(ctx context.Context, replyTo string, record []byte) (journal.Mark, error)
}

func (e brokerEnd) Address() string { return e.address }
func (e brokerEnd) ReplyTo() string { return e.address }
func (e brokerEnd) Leave()          {}

func (e brokerEnd) Connected(ctx context.Context) error { return e.link.Connected(ctx) }

func (e brokerEnd) Send(ctx context.Context, record []byte) (journal.Mark, error) {
	return e.send(ctx, e.address, record)
}

// Within reports whether a topic or destination is that of a Controller or below it, where those of further Controllers are.
func Within(topic, controller string) bool {
	below, ok := strings.CutPrefix(topic, controller)
	return ok && (below == "" || below[0] == '/')
}

// announced is the Breach of an Endpoint ID that is not there, or another one; nil when it is right.
func announced(rule string, e *journal.Event, where, got, agent string) *Breach {
	if got == agent {
		return nil
	}
	shown := usp.Quote(got)
	if got == "" {
		shown = "none"
	}
	b := breach(rule, e, where, usp.Quote(agent), shown)
	b.Named = got
	return &b
}

// readRecord reads a payload that may be a Record. Others, for example of bulk data, may parse as one without a type.
func readRecord(payload []byte) *usppb.Record {
	record, err := usp.ParseRecord(payload)
	if err != nil || record.GetRecordType() == nil {
		return nil
	}
	return record
}

// emittedRecord is the Record of an Agent that is an event of its own, where each packet of the MTP is a Record; nil when e is none.
func emittedRecord(e *journal.Event) *usppb.Record {
	record, ok := e.Body.(*usppb.Record)
	if !ok || e.Dir != journal.In || record.GetRecordType() == nil {
		return nil
	}
	return record
}

// closes reports whether e is the device closing a connection, which need not be one of the link.
func closes(e *journal.Event) bool { return e.Dir == journal.In && e.Closes() }

// further counts the Controllers that have joined a link.
type further struct{ joined atomic.Int64 }

// address is below that of the first Controller, and no other one's.
func (f *further) address(first string) string {
	return fmt.Sprintf("%s/%d", strings.TrimSuffix(first, "/"), f.joined.Add(1)+1)
}
