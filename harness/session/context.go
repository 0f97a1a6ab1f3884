package session

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

const (
	// nearEnd is from where on sequence identifiers are exhausted (R-E2E.8, R-E2E.9).
	nearEnd = math.MaxUint64 - 10_000
	// maxEarly, maxUnacknowledged and maxHeld bound what a session context keeps: Records that came before their turn, Records
	// that the other side has not acknowledged, and the bytes of each kind and of a Message in segments.
	maxEarly          = 1024
	maxUnacknowledged = 4096
	maxHeld           = usp.MaxRecordSize
	// maxBefore is how many session contexts that have ended are remembered.
	maxBefore = 8
)

// Errors of a session context.
var (
	ErrUnacknowledged = errors.New("the other side acknowledges none of the Records that were sent in the session context")
	ErrNoRoom         = errors.New("Records that came before their turn take too much room: a new session context is needed (R-E2E.21)")
	ErrNotSent        = errors.New("it asks for a Record again that was never sent: a new session context is needed (R-E2E.21)")
	ErrExhausted      = errors.New("its sequence_id is within 10,000 of the greatest: a new session context is needed (R-E2E.8)")
	ErrNoSegments     = errors.New("its segments do not make a payload: a new session context is needed (R-E2E.21)")
	ErrIntegrity      = errors.New("it does not pass the integrity check: a new session context is needed (R-E2E.23)")
)

// Context is the exchange of Records within a session context: they are numbered, acknowledged, kept for the case that they are
// asked for again, and segmented where they are too large (TR-369, section "Exchange of USP Records within an E2E Session
// Context").
type Context struct {
	Header
	// NewID returns the session_id of a session context that this side begins, greater than 1 and another one each time
	// (R-E2E.3).
	NewID func() uint64
	// MaxRecord is the size in bytes from which on a Record is segmented; 0 for never.
	MaxRecord int
	// Holds keeps Records from being sent again that the other side asks for: a lie, for a case that wants to see what it does
	// without them.
	Holds bool
	// Spares is a Record of the other side that no Record of this side acknowledges, 0 for none: a lie, for a case that asks for it again.
	Spares uint64
	// TLS secures payloads and protects Records; nil for payloads in the clear. It counts from the next session context on.
	TLS *TLS

	id       uint64 // session_id, 0 when there is no session context
	own      bool   // this side has begun it, and is the client of TLS
	resumed  bool   // the other side has gone back to it: what this side had sent in it is forgotten
	before   []past // the last of those that have ended
	next     uint64 // sequence_id of the next Record to be sent
	expected uint64 // sequence_id of the next Record to be taken

	sent      []*usppb.Record // not acknowledged, in their order
	sentBytes int
	msgs      []outgoing // the Messages in sent

	early      map[uint64]*usppb.Record // that came before their turn
	earlyBytes int
	asked      uint64 // sequence_id of the Record that was asked for last
	segments   []byte // of a Message that is not whole yet
	segmenting bool

	// ended is the one in the clear that was left last, since the other side has ended it or this side has begun another in its place: its
	// Records may come after the end
	ended *Context

	tunnel       *tunnel  // of TLS; nil without, and before the first Record
	waiting      [][]byte // Messages that wait for the end of the handshake
	waitingBytes int
	inPiece      bool // a TLS record has begun whose other pieces are in the Records that follow
	finishing    bool // what is sent completes the handshake
	maced        bool // the other side has sent a MAC
}

// past is a session context that has ended.
type past struct {
	id  uint64
	own bool // this side has begun it
}

// outgoing is a Message that was sent, and the sequence_id of its last Record.
type outgoing struct {
	last uint64
	msg  []byte
}

// ID returns the session_id, 0 when there is no session context.
func (c *Context) ID() uint64 { return c.id }

// Own reports whether this side has begun the session context.
func (c *Context) Own() bool { return c.own }

// Next returns the sequence_id of the next Record that this side sends.
func (c *Context) Next() uint64 { return c.next }

// Expected returns the sequence_id of the next Record that this side takes.
func (c *Context) Expected() uint64 { return c.expected }

// Superseded reports whether a later session context than id has begun with a Record of this side: a Record of id would end it (R-E2E.4).
func (c *Context) Superseded(id uint64) bool { return id != c.id && c.next > 1 }

// Secured reports whether the TLS handshake of the session context is complete.
func (c *Context) Secured() bool { return c.tunnel != nil && c.tunnel.done && c.tunnel.err == nil }

// Hello returns the Records that begin a new session context with TLS, without a Message that waits for it.
func (c *Context) Hello() ([]*usppb.Record, error) {
	c.Restart()
	c.openTunnel()
	return c.flush()
}

// Restart begins a session context with a new session_id. It returns the Messages that were not acknowledged in the one before.
// The other side learns of it with the next Record.
func (c *Context) Restart() (lost [][]byte) { return c.begin(c.NewID(), true) }

// Leave begins a session context of this side in place of one that the other side has just begun: Records of an earlier one, which were on
// their way, may have taken the other side back to that (R-E2E.6). Messages that still come in the one that is left are taken.
func (c *Context) Leave() {
	c.keepEnded()
	c.Restart()
}

func (c *Context) keepEnded() {
	if c.ended = nil; c.id != 0 && c.tunnel == nil {
		ended := *c
		c.ended = &ended
	}
}

// left returns a session context that has ended, if it is remembered.
func (c *Context) left(id uint64) (was past, known bool) {
	i := slices.IndexFunc(c.before, func(p past) bool { return p.id == id })
	if i < 0 {
		return past{}, false
	}
	return c.before[i], true
}

// End forgets the session context, as a Disconnect Record asks for (R-MTP.7).
func (c *Context) End() (lost [][]byte) { return c.begin(0, false) }

// begin begins a session context that is this side's own or the other's.
func (c *Context) begin(id uint64, own bool) (lost [][]byte) {
	for _, m := range c.msgs {
		lost = append(lost, m.msg)
	}
	if c.id != 0 && (!c.own || c.next > 1) { // else the other side does not know it
		c.before = append(c.before[max(len(c.before)-maxBefore+1, 0):], past{c.id, c.own})
	}
	c.Spares = 0
	c.id, c.own, c.resumed, c.next, c.expected = id, own, false, 1, 1
	c.sent, c.sentBytes, c.msgs = nil, 0, nil
	c.early, c.earlyBytes, c.asked = nil, 0, 0
	c.segments, c.segmenting = nil, false
	lost = append(lost, c.waiting...)
	c.waiting, c.waitingBytes, c.inPiece, c.maced = nil, 0, false, false
	c.tunnel.close()
	c.tunnel = nil
	return lost
}

// Out implements Session. It begins a session context where there is none.
func (c *Context) Out(msg []byte) ([]*usppb.Record, error) {
	if c.id == 0 || c.next > nearEnd { // R-E2E.9
		c.Restart()
	}
	if c.TLS != nil {
		return c.outTLS(msg)
	}
	parts := c.split(msg)
	if len(c.sent)+len(parts) > maxUnacknowledged || c.sentBytes+len(msg) > maxHeld {
		return nil, ErrUnacknowledged
	}
	var records []*usppb.Record
	for i, part := range parts {
		state := sarState(i, len(parts))
		r, err := c.numbered(&usppb.SessionContextRecord{PayloadSarState: state, PayloadrecSarState: state, Payload: [][]byte{part}})
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	c.msgs = append(c.msgs, outgoing{c.next - 1, msg})
	return records, nil
}

// Empty returns a Record without payload, which acknowledges what has come; retransmit is the sequence_id of a Record to be sent
// again, 0 for none.
func (c *Context) Empty(retransmit uint64) (*usppb.Record, error) {
	if c.id == 0 {
		c.Restart()
	}
	return c.numbered(&usppb.SessionContextRecord{RetransmitId: retransmit})
}

// Ask returns a Record without payload that asks for one of the other side's again and does not acknowledge that one.
func (c *Context) Ask(again uint64) (*usppb.Record, error) {
	r, err := c.Empty(again)
	if err != nil {
		return nil, err
	}
	r.GetSessionContext().ExpectedId = again
	return r, c.protect(r)
}

// Unacknowledged returns the Records that the other side has not acknowledged, to be sent again where it may have missed them:
// what it asks for may be in one that this side is missing itself.
func (c *Context) Unacknowledged() (all []*usppb.Record, err error) {
	for _, sent := range c.sent {
		r, err := c.again(sent)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// again is a Record that was sent before, with what this side expects now.
func (c *Context) again(sent *usppb.Record) (*usppb.Record, error) {
	r := proto.Clone(sent).(*usppb.Record)
	r.GetSessionContext().ExpectedId = c.expects()
	return r, c.protect(r)
}

// expects is the expected_id of a Record that is sent now.
func (c *Context) expects() uint64 {
	if c.Spares != 0 {
		return min(c.expected, c.Spares)
	}
	return c.expected
}

// numbered makes body the next Record and keeps it (R-E2E.14 to R-E2E.17), unless the other side acknowledges none.
func (c *Context) numbered(body *usppb.SessionContextRecord) (*usppb.Record, error) {
	if len(c.sent) >= maxUnacknowledged {
		return nil, ErrUnacknowledged
	}
	body.SessionId, body.SequenceId, body.ExpectedId = c.id, c.next, c.expects()
	c.next++
	r := c.record()
	if c.TLS != nil {
		r.PayloadSecurity = usppb.Record_TLS12
	}
	r.RecordType = &usppb.Record_SessionContext{SessionContext: body}
	c.sent = append(c.sent, r)
	c.sentBytes += payloadSize(body)
	return r, c.protect(r)
}

// sarState is that of part i of n.
func sarState(i, n int) usppb.SessionContextRecord_PayloadSARState {
	switch {
	case n == 1:
		return usppb.SessionContextRecord_NONE
	case i == 0:
		return usppb.SessionContextRecord_BEGIN
	case i == n-1:
		return usppb.SessionContextRecord_COMPLETE
	}
	return usppb.SessionContextRecord_INPROCESS
}

// split cuts a Message so that no Record is larger than MaxRecord.
func (c *Context) split(msg []byte) [][]byte {
	if c.MaxRecord == 0 {
		return [][]byte{msg}
	}
	room := c.room()
	if len(msg) <= room {
		return [][]byte{msg}
	}
	return slices.Collect(slices.Chunk(msg, room))
}

// room is how many bytes of payload a Record of MaxRecord bytes has room for.
func (c *Context) room() int {
	largest := c.record()
	largest.RecordType = &usppb.Record_SessionContext{SessionContext: &usppb.SessionContextRecord{SessionId: math.MaxUint64,
		SequenceId: math.MaxUint64, ExpectedId: math.MaxUint64, PayloadSarState: usppb.SessionContextRecord_COMPLETE,
		PayloadrecSarState: usppb.SessionContextRecord_COMPLETE, Payload: [][]byte{nil}}}
	const lengths = 8 // of the payload and what is around it, beyond those of an empty one
	return max(c.MaxRecord-proto.Size(largest)-lengths-c.protection(), 1)
}

func payloadSize(body *usppb.SessionContextRecord) (n int) {
	for _, p := range body.GetPayload() {
		n += len(p)
	}
	return n
}

// In implements Session. It takes Records without session context too: either may be exchanged beside the other.
func (c *Context) In(r *usppb.Record) (Taken, error) {
	switch body := r.GetRecordType().(type) {
	case *usppb.Record_SessionContext:
		return c.take(r, body.SessionContext)
	case *usppb.Record_Disconnect:
		c.keepEnded()
		return Taken{Lost: c.End()}, nil
	}
	return Plain{c.Header}.In(r)
}

func (c *Context) take(r *usppb.Record, body *usppb.SessionContextRecord) (t Taken, err error) {
	security := usppb.Record_PLAINTEXT
	if c.TLS != nil {
		security = usppb.Record_TLS12
	}
	// when both sides begin a session context at the same time, the answer in ours comes after we have gone over to theirs
	was, known := c.left(body.GetSessionId())
	crossed := body.GetSessionId() != c.id && known
	// a Record of one that this side has replaced by another one since, into which the other side will follow
	overtaken := crossed && was.own && c.own && c.next > 1
	switch {
	case overtaken || crossed && body.GetSequenceId() != 1 && r.GetPayloadSecurity() == security:
		if c.ended != nil && c.ended.id == body.GetSessionId() {
			t, err := c.ended.take(r, body)
			t.Reply, t.Lost = nil, nil // nothing more is sent in it
			return t, err
		}
		t.Note = fmt.Sprintf("the Record %d of session context %d came after its end", body.GetSequenceId(), body.GetSessionId())
		return t, nil
	case r.GetPayloadSecurity() != security: // R-E2E.19, R-E2E.21
		err := fmt.Errorf("payload_security is %s in a session context with %s", r.GetPayloadSecurity(), security)
		if body.GetSessionId() == c.id {
			t.Broken = fmt.Errorf("%w (R-E2E.18)", err)
		}
		t.Lost = c.Restart()
		return t, err
	case body.GetSessionId() < 2: // R-E2E.3, R-E2E.24
		t.Lost = c.Restart()
		t.Broken = fmt.Errorf("session_id is %d, want one greater than 1 (R-E2E.3)", body.GetSessionId())
		return t, t.Broken
	case body.GetSessionId() != c.id: // R-E2E.4, R-E2E.6
		t.Lost, t.Begun = c.begin(body.GetSessionId(), false), true
		c.resumed = crossed
		t.Note = fmt.Sprintf("the other side has begun the session context %d", c.id)
		if body.GetSequenceId() != 1 {
			t.Broken = fmt.Errorf("the first Record of the session context %d has the sequence_id %d, want 1 (R-E2E.14)", c.id,
				body.GetSequenceId())
		}
	}
	if body.GetExpectedId() > c.next && !c.resumed {
		t.Broken = fmt.Errorf("expected_id is %d, but the last Record that was sent in this session context has %d (R-E2E.17)",
			body.GetExpectedId(), c.next-1)
	}
	c.acknowledged(body.GetExpectedId())
	switch seq := body.GetSequenceId(); {
	case seq > nearEnd: // R-E2E.8
		t.Lost = append(t.Lost, c.Restart()...)
		return t, ErrExhausted
	case seq < c.expected: // R-E2E.20 rule 2, R-E2E.25
		t.Note = fmt.Sprintf("the Record %d has come before and is ignored (R-E2E.25)", seq)
		return t, nil
	case seq > c.expected: // R-E2E.20 rule 1
		return c.keep(r, t)
	}
	for r != nil {
		if err := c.process(r, &t); err != nil {
			t.Lost = append(t.Lost, c.Restart()...) // R-E2E.21
			return t, err
		}
		r = c.early[c.expected]
		delete(c.early, c.expected)
		c.earlyBytes -= payloadSize(r.GetSessionContext())
	}
	return t, nil
}

// keep puts a Record that came before its turn aside, and asks for the one that is missing.
func (c *Context) keep(r *usppb.Record, t Taken) (Taken, error) {
	body := r.GetSessionContext()
	seq := body.GetSequenceId()
	if _, twice := c.early[seq]; twice {
		t.Note = fmt.Sprintf("the Record %d has come before and is ignored (R-E2E.25)", seq)
		return t, nil
	}
	if len(c.early) == maxEarly || c.earlyBytes+payloadSize(body) > maxHeld {
		t.Lost = append(t.Lost, c.Restart()...)
		return t, ErrNoRoom
	}
	if c.early == nil {
		c.early = map[uint64]*usppb.Record{}
	}
	c.early[seq] = r
	c.earlyBytes += payloadSize(body)
	t.Note = fmt.Sprintf("the Record %d waits for %d", seq, c.expected)
	if c.asked != c.expected {
		c.asked = c.expected
		empty, err := c.Empty(c.expected)
		if err != nil {
			t.Lost = append(t.Lost, c.Restart()...) // or what is missing would never come
			return t, err
		}
		t.Reply = append(t.Reply, empty)
	}
	return t, nil
}

// acknowledged drops the Records that the other side has received (R-E2E.16).
func (c *Context) acknowledged(expected uint64) {
	for len(c.sent) > 0 && c.sent[0].GetSessionContext().GetSequenceId() < expected {
		c.sentBytes -= payloadSize(c.sent[0].GetSessionContext())
		c.sent = c.sent[1:]
	}
	for len(c.msgs) > 0 && c.msgs[0].last < expected {
		c.msgs = c.msgs[1:]
	}
}

// process takes the Record whose turn it is (R-E2E.20 rules 3 and 4).
func (c *Context) process(r *usppb.Record, t *Taken) error {
	body := r.GetSessionContext()
	c.expected++
	if c.TLS != nil {
		if err := c.inTLS(r, t); err != nil {
			return err
		}
	} else if len(body.GetPayload()) > 0 {
		msg, err := c.assemble(body)
		if err != nil {
			t.Broken = err
			return ErrNoSegments
		}
		if msg != nil {
			t.Msgs = append(t.Msgs, msg)
		}
	}
	again := body.GetRetransmitId()
	if again == 0 {
		return nil
	}
	at := slices.IndexFunc(c.sent, func(r *usppb.Record) bool { return r.GetSessionContext().GetSequenceId() == again })
	switch {
	case at < 0 && again < c.next:
		t.Note = fmt.Sprintf("the Record %d is asked for, but it was acknowledged: nothing is missing", again)
		return nil
	case at < 0:
		return ErrNotSent
	case c.Holds:
		t.Note = fmt.Sprintf("the Record %d is asked for, and held back", again)
		return nil
	}
	repeated, err := c.again(c.sent[at])
	t.Reply = append(t.Reply, repeated)
	return err
}

// assemble returns the Message that is whole with a Record, or nil. The error says which rule of segmentation is broken.
func (c *Context) assemble(body *usppb.SessionContextRecord) ([]byte, error) {
	state := body.GetPayloadSarState()
	if record := body.GetPayloadrecSarState(); record != state {
		return nil, fmt.Errorf("payloadrec_sar_state is %s, want %s as payload_sar_state, since the payload is PLAINTEXT", record, state)
	}
	begins := state == usppb.SessionContextRecord_NONE || state == usppb.SessionContextRecord_BEGIN
	ends := state == usppb.SessionContextRecord_NONE || state == usppb.SessionContextRecord_COMPLETE
	switch {
	case begins && c.segmenting:
		return nil, fmt.Errorf("payload_sar_state is %s before the payload begun earlier is COMPLETE", state)
	case !begins && !c.segmenting:
		return nil, fmt.Errorf("payload_sar_state is %s, but no payload has begun", state)
	case len(c.segments)+payloadSize(body) > maxHeld:
		return nil, fmt.Errorf("its segments make a payload of more than %d bytes", maxHeld)
	}
	whole := append(c.segments, slices.Concat(body.GetPayload()...)...)
	if c.segmenting = !ends; c.segmenting {
		c.segments = whole
		return nil, nil
	}
	c.segments = nil
	return whole, nil
}
