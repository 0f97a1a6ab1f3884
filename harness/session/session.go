// Package session turns the USP Messages of one endpoint into Records to another, and back. A Session is a state machine: it
// sends nothing, waits for nothing and knows no MTP, so that a table of Records tests it.
package session

import "github.com/usptest/usptest/harness/usp/usppb"

// Header has the fields that all Records of a Session begin with.
type Header struct {
	Version string // of USP, for example "1.4"
	To      string // the Endpoint ID of the other side
	From    string // the Endpoint ID of this side
}

// record returns a Record that has no type yet.
func (h Header) record() *usppb.Record {
	return &usppb.Record{Version: h.Version, ToId: h.To, FromId: h.From}
}

// Session is how two endpoints exchange Messages: with or without a session context (TR-369, chapter "End to End Message
// Exchange"). Its methods are not safe for concurrent use.
type Session interface {
	// Out returns the Records that carry an encoded Message, in the order in which they are to be sent.
	Out(msg []byte) ([]*usppb.Record, error)

	// In takes a Record of the other side. The error says why the Record, or a part of it, cannot be taken; what Taken says
	// holds all the same. Connect and Disconnect Records carry no Message, which is no error.
	In(r *usppb.Record) (Taken, error)
}

// Taken is what comes of a Record of the other side.
type Taken struct {
	Msgs  [][]byte        // the encoded Messages that are whole with it, in their order
	Reply []*usppb.Record // what must be sent for it
	// Lost are Messages of this side that the other side has not acknowledged in a session context that has ended with the
	// Record. Whether they are sent again is a matter of who sent them.
	Lost [][]byte
	// Begun says that the other side has begun a session context with the Record.
	Begun bool
	// Broken is the rule of TR-369 that the Record breaks, nil when it breaks none.
	Broken error
	// Alerts went through the TLS of the session context, and Handshake is how its handshake has ended with the Record; nil
	// when it has not.
	Alerts    []Alert
	Handshake *Handshake
	// Note says what else was made of the Record, for a reader; "" when there is nothing to say.
	Note string
}
