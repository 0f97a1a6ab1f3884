package controller

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/session"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// OpenContext makes requests go within a session context with the Agent from now on, a new one that begins with the next of them, with TLS
// in payloads or, when secure is nil, without. Responses go the way that their requests came (R-MSG.0a).
func (c *Controller) OpenContext(secure *session.TLS) {
	c.turn.Lock()
	defer c.turn.Unlock()
	if c.context == nil {
		// a session_id is greater than 1 and none that the Agent may still know
		c.context = &session.Context{Header: c.plain.Header, NewID: func() uint64 { return rand.Uint64()>>1 | 2 }}
	}
	c.context.TLS = secure
	c.context.Restart()
	c.within = true
	c.stale.Store(false)
}

// KeepContext is OpenContext for good: requests go within session contexts until ReleaseContext, also after LeaveContext, and another one
// begins after the Agent has connected again, since it may have restarted.
func (c *Controller) KeepContext(secure *session.TLS) {
	c.OpenContext(secure)
	c.turn.Lock()
	defer c.turn.Unlock()
	if c.kept == nil {
		c.kept = &kept{forget: c.journal.Listen(func(e *journal.Event) {
			if e.Link == "" && c.link.StartsSession(e) {
				c.stale.Store(true)
			}
		})}
	}
	c.kept.secure = secure
}

// kept is what KeepContext keeps to.
type kept struct {
	secure *session.TLS
	forget func()
}

// Keeps reports whether requests go within session contexts for good, and with which TLS in payloads; nil: without.
func (c *Controller) Keeps() (secure *session.TLS, keeps bool) {
	c.turn.Lock()
	defer c.turn.Unlock()
	if c.kept == nil {
		return nil, false
	}
	return c.kept.secure, true
}

// ReleaseContext ends KeepContext: requests go without session context.
func (c *Controller) ReleaseContext() {
	c.turn.Lock()
	defer c.turn.Unlock()
	if c.kept != nil {
		c.kept.forget()
	}
	c.kept, c.within = nil, false
	c.stale.Store(false)
}

// Expires says how long a session context may be idle before the Agent considers it expired (TR-369, section "Session Context Expiration"),
// 0 for any time. Requests go within another one well before that.
func (c *Controller) Expires(after time.Duration) {
	c.turn.Lock()
	defer c.turn.Unlock()
	c.idle = after / 2
}

// RenewContext begins another session context with the next request, if requests go within one: after Records that were prepared and not
// sent, the Agent would wait for them.
func (c *Controller) RenewContext() {
	c.turn.Lock()
	defer c.turn.Unlock()
	if c.within {
		c.context.Holds = false
		c.context.Leave()
	}
}

// LeaveContext makes requests go without session context again or, after KeepContext, within one of that kind. What the Agent still sends
// within the one that was open is taken.
func (c *Controller) LeaveContext() {
	c.turn.Lock()
	defer c.turn.Unlock()
	if c.kept == nil {
		c.within = false
		return
	}
	c.context.Holds = false
	c.context.Leave() // before its successor has another TLS
	c.context.TLS = c.kept.secure
}

// InContext calls f with the session context, to look at it or to take Records from it. It is open.
func (c *Controller) InContext(f func(*session.Context)) {
	c.turn.Lock()
	defer c.turn.Unlock()
	f(c.context)
}

// CatchUp waits until every Record that is in the journal was taken: the session context that it begins is the one there is.
func (c *Controller) CatchUp() {
	c.receiving.Lock()
	defer c.receiving.Unlock()
}

// superseded reports whether a Record is of a session context after which this side has begun another one: the Agent, which has its first
// Record, would go back.
func (c *Controller) superseded(r *usppb.Record) bool {
	c.turn.Lock()
	defer c.turn.Unlock()
	body := r.GetSessionContext()
	return body != nil && c.context != nil && c.context.Superseded(body.GetSessionId())
}

// ask remembers that a reply is awaited, until the returned function is called.
func (c *Controller) ask(id string) (answered func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asking[id] = true
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.asking, id)
	}
}

// unanswered returns the requests among Messages that the Agent has not acknowledged in a session context which it has replaced by another
// one, if Do still waits for their replies. What would be done twice, if it was done, is not among them.
func (c *Controller) unanswered(lost [][]byte) (again []*usppb.Msg) {
	for _, payload := range lost {
		m, err := usp.ParseMessage(payload)
		if err != nil || m.GetBody().GetRequest().GetAdd() != nil || m.GetBody().GetRequest().GetOperate() != nil {
			continue
		}
		c.mu.Lock()
		if id := m.GetHeader().GetMsgId(); c.asking[id] && !c.sent[id].answered {
			again = append(again, m)
		}
		c.mu.Unlock()
	}
	return again
}

// sendAgain sends requests in a session context of their own.
func (c *Controller) sendAgain(ctx context.Context, requests []*usppb.Msg) error {
	c.turn.Lock()
	c.context.Leave()
	c.turn.Unlock()
	for _, m := range requests {
		if _, err := c.send(ctx, m, true); err != nil {
			return err
		}
	}
	return nil
}

// Prepare makes the Records that carry a request within the session context and sends none of them: SendPrepared does, in any order and as
// often as is wanted. The returned number is that of the request's event.
func (c *Controller) Prepare(msg *usppb.Msg) (journal.Mark, []*usppb.Record, error) {
	return c.prepare(c.plain.Header, msg, c.outWithin)
}

// PrepareOutside makes the Record that carries a request without session context, and does not send it.
func (c *Controller) PrepareOutside(msg *usppb.Msg) (journal.Mark, []*usppb.Record, error) {
	return c.prepare(c.plain.Header, msg, c.plain.Out)
}

// SendPrepared sends a Record that was prepared, and returns the number of the packet's event.
func (c *Controller) SendPrepared(ctx context.Context, r *usppb.Record) (journal.Mark, error) {
	c.sending.Lock()
	defer c.sending.Unlock()
	return c.sendRecord(ctx, r)
}
