// Package link carries USP Records over one MTP. A link stands on a broker or an endpoint of that MTP, turns its packets into
// Records and back, and knows nothing of what a Record holds.
package link

import (
	"context"
	"errors"
)

// ErrUnreachable is in the chain of the error that Send returns when no Agent can be reached: none is connected, or it does not
// listen where the link would send.
var ErrUnreachable = errors.New("no Agent can be reached")

// Inbound is a Record as it came from the Agent, not yet decoded.
type Inbound struct {
	Raw     []byte // the Record's bytes; nobody changes them
	Seq     uint64 // journal number of the packet that carried it
	Conn    uint64 // journal number of the transport connection
	To      string // the topic or destination it was sent to, without a reply-to suffix; "" over WebSocket
	ReplyTo string // where the Agent wants the answer: its topic or destination; "" when the packet did not say
}

// Link is one way to one Agent. Its methods are safe for concurrent use, but for OnRecord, which comes before Start.
type Link interface {
	// Name is the link's name in results: mqtt5, mqtt3, stomp or websocket, followed by +tls where that is so.
	Name() string

	// OnRecord sets who receives the Records of the Agent. It is called once, before Start. f is called in the order of
	// arrival on one connection, from that connection's reader: it must not wait for a later Record.
	OnRecord(f func(Inbound))

	// Start listens, or begins to dial. The Agent may be started once it has returned.
	Start(ctx context.Context) error

	// Connected waits until the Agent can be reached: it has subscribed, or its WebSocket is open. The error says what was
	// missing when ctx ended.
	Connected(ctx context.Context) error

	// Send sends a Record, valid or not, to where the Agent listens now, and returns the journal number of the packet. It
	// never waits for an Agent: without one the error wraps ErrUnreachable.
	Send(ctx context.Context, record []byte) (seq uint64, err error)

	// SendFrom is Send for a further Controller identity, which wants its answers at another reply-to topic or destination.
	// From then on the link takes Records sent there for its own. Over WebSocket replyTo is the path by which the Agent dials
	// that Controller.
	SendFrom(ctx context.Context, replyTo string, record []byte) (seq uint64, err error)

	// SetAgentTopic tells the link which topic or destination a Connect Record named as the Agent's. It holds, like a reply-to
	// that a packet carried, until a newer one is seen or the Agent's connection ends. Over WebSocket it has no meaning.
	SetAgentTopic(topic string)

	// Close closes every connection and stops listening.
	Close() error
}
