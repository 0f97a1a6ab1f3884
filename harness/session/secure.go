package session

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/usptest/usptest/harness/usp/usppb"
)

// ErrNoTLS says that a session context has no TLS session that a case could use.
var ErrNoTLS = errors.New("no TLS session of the session context is there")

// outTLS returns the Records that carry a Message through TLS: at first those of the handshake, which the Message waits for.
func (c *Context) outTLS(msg []byte) ([]*usppb.Record, error) {
	c.openTunnel()
	if len(c.sent)+len(c.waiting) >= maxUnacknowledged || c.sentBytes+c.waitingBytes+len(msg) > maxHeld {
		return nil, ErrUnacknowledged
	}
	if !c.tunnel.done {
		c.waiting = append(c.waiting, msg)
		c.waitingBytes += len(msg)
		return c.flush()
	}
	return c.encrypt(msg)
}

// openTunnel begins the TLS session, as client where this side has begun the session context.
func (c *Context) openTunnel() {
	if c.tunnel == nil {
		c.tunnel = c.TLS.open(c.own)
	}
}

// encrypt returns the Records that carry a Message once the handshake is complete.
func (c *Context) encrypt(msg []byte) ([]*usppb.Record, error) {
	if err := c.tunnel.write(msg); err != nil {
		return nil, err
	}
	records, err := c.flush()
	c.msgs = append(c.msgs, outgoing{c.next - 1, msg})
	return records, err
}

// flush returns Records with what TLS wants to send, by the rules of segmentation: all TLS records in one, or one in each,
// or each in pieces (TR-369, section "SAR function algorithm").
func (c *Context) flush() (records []*usppb.Record, err error) {
	all := c.tunnel.flush()
	if len(all) == 0 {
		return nil, nil
	}
	parts := []*usppb.SessionContextRecord{{Payload: all}}
	if c.MaxRecord > 0 && len(slices.Concat(all...)) > c.room() {
		room := c.room()
		parts = nil
		for _, record := range all {
			pieces := slices.Collect(slices.Chunk(record, room))
			for i, piece := range pieces {
				parts = append(parts, &usppb.SessionContextRecord{Payload: [][]byte{piece}, PayloadrecSarState: sarState(i, len(pieces))})
			}
		}
	}
	for i, part := range parts {
		part.PayloadSarState = sarState(i, len(parts))
		r, err := c.numbered(part)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, nil
}

// protection is how many bytes of a Record the proof of its integrity takes.
func (c *Context) protection() int {
	switch {
	case c.TLS == nil:
		return 0
	case c.tunnel != nil && c.tunnel.done:
		return proto.Size(&usppb.Record{PayloadSecurity: usppb.Record_TLS12, MacSignature: make([]byte, exporterLength/2)})
	}
	signed := &usppb.Record{PayloadSecurity: usppb.Record_TLS12}
	if err := Sign(signed, c.TLS.Certificate, false); err != nil {
		return 0 // which numbered reports
	}
	const longest = 8 // bytes by which a signature can be longer than another
	return proto.Size(signed) + longest
}

// inTLS takes the payload of the Record whose turn it is, once it has passed the integrity check.
func (c *Context) inTLS(r *usppb.Record, t *Taken) error {
	body := r.GetSessionContext()
	c.openTunnel()
	late := c.macTooEarly(r)
	if !late {
		if err := c.verify(r); err != nil {
			t.Broken = errors.Join(t.Broken, err)
			return ErrIntegrity
		}
	}
	if len(body.GetPayload()) == 0 {
		if late {
			t.Broken = c.verify(r)
			return ErrIntegrity
		}
		return nil
	}
	whole, err := c.pieces(body)
	if err != nil {
		t.Broken = err
		return ErrNoSegments
	}
	handshaking := !c.tunnel.done
	for _, p := range body.GetPayload() {
		c.tunnel.feed(p)
	}
	if within := len(c.tunnel.partial) > 0; within != c.inPiece && c.tunnel.err == nil {
		end := "at the end of"
		if within {
			end = "within"
		}
		t.Broken = errors.Join(t.Broken, fmt.Errorf("payloadrec_sar_state is %s, but the payload ends %s a TLS record",
			body.GetPayloadrecSarState(), end))
	}
	t.Alerts = append(t.Alerts, c.tunnel.alerts...)
	c.tunnel.alerts = nil
	c.finishing = handshaking
	replies, err := c.flush()
	c.finishing = false
	t.Reply = append(t.Reply, replies...)
	if handshaking && (c.tunnel.done || c.tunnel.err != nil) {
		ended := c.tunnel.shaken
		ended.SessionID, ended.Err = c.id, c.tunnel.err
		t.Handshake = &ended
	}
	if err := errors.Join(c.tunnel.err, err); err != nil {
		return fmt.Errorf("TLS: %w: a new session context is needed (R-E2E.21)", err)
	}
	if late {
		if err := c.verify(r); err != nil {
			t.Broken = errors.Join(t.Broken, err)
			return ErrIntegrity
		}
	}
	if c.tunnel.done && handshaking {
		waiting := c.waiting
		c.waiting, c.waitingBytes = nil, 0
		for _, msg := range waiting {
			records, err := c.encrypt(msg)
			if err != nil {
				return err
			}
			t.Reply = append(t.Reply, records...)
		}
	}
	if len(c.tunnel.plain) > maxHeld {
		c.tunnel.plain = nil
		t.Broken = fmt.Errorf("its segments make a Message of more than %d bytes", maxHeld)
		return ErrNoSegments
	}
	if whole && len(c.tunnel.plain) > 0 {
		t.Msgs = append(t.Msgs, c.tunnel.plain)
		c.tunnel.plain = nil
	}
	return nil
}

// pieces follows the states of segmentation of a payload in TLS records, and reports whether the payload is whole with a
// Record. The error says which rule is broken.
func (c *Context) pieces(body *usppb.SessionContextRecord) (whole bool, err error) {
	payload, record := body.GetPayloadSarState(), body.GetPayloadrecSarState()
	if err := follow("payload_sar_state", payload, &c.segmenting); err != nil {
		return false, err
	}
	if err := follow("payloadrec_sar_state", record, &c.inPiece); err != nil {
		return false, err
	}
	if !c.segmenting && c.inPiece {
		return false, fmt.Errorf("payloadrec_sar_state is %s where the payload ends", record)
	}
	return !c.segmenting, nil
}

// follow takes a state of segmentation after those before it; within says whether something has begun that is not complete.
func follow(field string, state usppb.SessionContextRecord_PayloadSARState, within *bool) error {
	begins := state == usppb.SessionContextRecord_NONE || state == usppb.SessionContextRecord_BEGIN
	switch {
	case begins && *within:
		return fmt.Errorf("%s is %s before what has begun is COMPLETE", field, state)
	case !begins && !*within:
		return fmt.Errorf("%s is %s, but nothing has begun", field, state)
	}
	*within = state == usppb.SessionContextRecord_BEGIN || state == usppb.SessionContextRecord_INPROCESS
	return nil
}

// Clear returns the next Record with a Message that is not encrypted and payload_security PLAINTEXT, in a session context
// with TLS: a lie, for a case that wants to see it refused. Its MAC is right.
func (c *Context) Clear(msg []byte) (*usppb.Record, error) {
	r, err := c.numbered(&usppb.SessionContextRecord{Payload: [][]byte{msg}})
	if err != nil {
		return nil, err
	}
	r.PayloadSecurity = usppb.Record_PLAINTEXT
	return r, c.protect(r)
}

// Renegotiate returns the next Record with a request to renegotiate TLS, which this side has begun with TLS 1.2: a lie,
// since it is forbidden (R-E2E.42).
func (c *Context) Renegotiate() (*usppb.Record, error) {
	if !c.Secured() || c.tunnel.layer == nil || !c.tunnel.client {
		return nil, ErrNoTLS
	}
	return c.numbered(&usppb.SessionContextRecord{Payload: [][]byte{c.tunnel.layer.renegotiate()}})
}
