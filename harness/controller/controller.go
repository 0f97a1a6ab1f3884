// Package controller is the fake USP Controller: it sends requests to one Agent over one Link, finds the replies by msg_id, keeps an
// inbox of Notifies and acknowledges them by policy. Whatever comes in is written to the journal first; waiting means reading the
// journal.
package controller

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/session"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// Options name the two endpoints and the patience of the Controller.
type Options struct {
	ID      string        // the Controller's own Endpoint ID
	AgentID string        // the Endpoint ID of the Agent under test
	Version string        // what Records carry as USP version, for example "1.4"
	Timeout time.Duration // how long a request waits for its reply (waits.response)
	// Beside are the further links over which the Agent may reach the Controller: it chooses over which of its MTPs a Notify goes. A
	// request goes over the link under test alone.
	Beside []link.Link
}

// Controller is one Controller endpoint. Its methods are safe for concurrent use.
type Controller struct {
	*office
	id  string
	end link.End

	plain      session.Plain
	turn       sync.Mutex       // whose turn it is to use what follows
	context    *session.Context // with the Agent under test; nil until the first was opened
	within     bool             // requests go within context
	kept       *kept            // they always do; nil: they need not
	stale      atomic.Bool      // the Agent has connected again since context began, and may have forgotten it
	idle       time.Duration    // how long nothing may go through context before another one begins; 0: any time
	used       time.Time        // when something went through it last
	restricted bool             // the Agent may hide a part of its data model from it; office.mu guards it
	sending    sync.Mutex       // held while a Message and the Records that carry it go out, so that they keep their order
}

// office is what all Controllers on one Link share: a Record that comes in may be for any of them.
type office struct {
	opts    Options
	journal *journal.Journal
	link    link.Link
	acks    chan ack

	mu       sync.Mutex
	ownIDs   string // what its msg_ids begin with, another one in each run
	nextID   int
	sent     map[string]request // our requests by msg_id
	asking   map[string]bool    // msg_ids of requests whose replies Do waits for
	withheld map[string]bool    // subscription ids whose Notifies are not acknowledged
	strays   int                // Errors that may have an unknown msg_id: one for each Record or bytes sent as they are
	odd      map[string]bool    // msg_ids of Messages in Records sent as they are: whoever sent one judges what answers it

	controllers map[string]*Controller // by Endpoint ID; those that have left are still known
	described   *description           // what the Agent said of itself at first contact; nil while it has not
	spoken      string                 // the version of the Agent's newest Record
	conns       map[uint64]bool        // the connections over which the Agent has spoken
	notifies    map[string]string      // the links over which the newest Notifies came first, by msg_id; see duplicate
	ackBytes    int                    // what the acks that wait take
	silent      map[string]bool        // Endpoint IDs of Controllers that acknowledge nothing any more

	receiving sync.Mutex // held while a Record is written to the journal and judged
}

// request is what is kept of a request that was sent.
type request struct {
	from      string                // the from_id of its Record, to which the reply goes
	replyTo   string                // the topic or destination to which the reply goes; "" where the MTP has none
	carrier   string                // the type of its Record, which is that of the reply's too
	supported *usppb.GetSupportedDM // the request, if it is one
	answered  bool
	copies    int    // how many more times it was sent, each of which may be answered too
	context   uint64 // session_id of the Record that answered it last, 0 outside session contexts
}

// ack is a Notify that waits for its NotifyResp, or Records that wait to be sent because of one that came.
type ack struct {
	msgID, subscription, controllerID string
	within                            bool      // the Notify came within a session context, and so must its response (R-MSG.0a)
	beside                            link.Link // the Notify came over it, and so must its response go; nil: the link under test

	records []*usppb.Record
	again   []*usppb.Msg // requests that are sent again in another session context
	from    *Controller
}

// maxAcks and maxAckBytes bound how many acknowledgements may wait to be sent. A flood of Notifies beyond it is not acknowledged, which
// the journal says.
const (
	maxAcks     = 20_000
	maxAckBytes = 4 << 20
)

// size is about how many bytes an acknowledgement takes.
func (a ack) size() int {
	n := len(a.msgID) + len(a.subscription) + len(a.controllerID)
	for _, r := range a.records {
		n += proto.Size(r)
	}
	for _, m := range a.again {
		n += proto.Size(m)
	}
	return n
}

// unsent is the type of the note that it could not be sent.
func (a ack) unsent() string {
	if a.from != nil {
		return "unsent Records"
	}
	return "unsent NotifyResp"
}

// New returns a Controller that listens on l. It works until ctx ends.
func New(ctx context.Context, j *journal.Journal, l link.Link, o Options) *Controller {
	c := (&office{
		ownIDs: idPrefix + strings.ToLower(rand.Text()[:runLetters]) + "-",
		opts:   o, journal: j, link: l, acks: make(chan ack, maxAcks),
		sent: map[string]request{}, asking: map[string]bool{}, odd: map[string]bool{}, withheld: map[string]bool{},
		controllers: map[string]*Controller{}, silent: map[string]bool{},
		notifies: map[string]string{}, conns: map[uint64]bool{},
	}).controller(o.ID, l)
	l.OnRecord(c.receive)
	for _, beside := range o.Beside {
		beside.OnRecord(func(in link.Inbound) {
			in.Beside = beside
			c.receive(in)
		})
	}
	go c.acknowledge(ctx)
	return c
}

// Join returns a further Controller on the same Link, with another Endpoint ID and an end of its own; joined tells where that is
// and closes it. The Agent under test must be told of the Controller.
func (c *Controller) Join(id string) (further *Controller, joined link.Joined) {
	joined = c.link.Join(id)
	return c.controller(id, joined), joined
}

// Via returns the same Controller as it sends through another end: to another topic of the Agent, say. What comes in is the first one's.
func (c *Controller) Via(end link.End) *Controller {
	return &Controller{office: c.office, id: c.id, end: end, plain: c.plain}
}

// controller makes a Controller and keeps it.
func (o *office) controller(id string, end link.End) *Controller {
	c := &Controller{office: o, id: id, end: end, plain: session.Plain{Header: o.header(id, o.opts.AgentID)}}
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.silent, id)
	o.controllers[id] = c
	return c
}

// header begins the Records between two endpoints.
func (o *office) header(from, to string) session.Header {
	return session.Header{Version: o.opts.Version, To: to, From: from}
}

// known returns the Controller of an Endpoint ID, or nil.
func (o *office) known(id string) *Controller {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.controllers[id]
}

// ID returns the Controller's Endpoint ID.
func (c *Controller) ID() string { return c.id }

// AgentID returns the Endpoint ID of the Agent under test.
func (c *Controller) AgentID() string { return c.opts.AgentID }

// Speaks returns the version of USP in the newest Record of the Agent, such as "1.4"; "" while there is none.
func (c *Controller) Speaks() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spoken
}

// SpokeOver reports whether the Agent under test has sent a Record over a connection.
func (c *Controller) SpokeOver(conn uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conns[conn]
}

// Timeout returns how long a request waits for its reply.
func (c *Controller) Timeout() time.Duration { return c.opts.Timeout }

// Connected waits until the Agent can be reached over the Link.
func (c *Controller) Connected(ctx context.Context) error { return c.end.Connected(ctx) }

// NewMsgID returns a msg_id that this Controller has not used yet, such as "usptest-k3f9-12". Its second part is random, so that an
// answer to an earlier run is not taken for one to this.
func (c *Controller) NewMsgID() string { return c.newMsgID() }

func (o *office) newMsgID() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.nextID++
	return fmt.Sprintf("%s%d", o.ownIDs, o.nextID)
}

// What msg_ids are made of: their beginning, and how many random letters and digits tell runs apart.
const (
	idPrefix   = "usptest-"
	runLetters = 4
)

var anyRunsID = regexp.MustCompile(`^` + idPrefix + `[a-z2-7]{4}-[0-9]+$`)

// ofEarlierRun reports whether a msg_id is one of usptest, but of no request of this run.
func (o *office) ofEarlierRun(id string) bool {
	return anyRunsID.MatchString(id) && !strings.HasPrefix(id, o.ownIDs)
}

// Message is a USP Message from the Agent, as the journal keeps it.
type Message struct {
	*usppb.Msg
	From, To string
	Seq      journal.Mark // number of the event
	At       time.Time
	Conn     uint64       // the transport connection it came over
	Packet   journal.Mark // number of the event of the packet that carried it
	Record   journal.Mark // number of the event of the Record that carried it, the last one of several
	Version  string       // of that Record, such as "1.4"
	Within   bool         // whether it came within a session context

	beside link.Link // the link it came over, where that is not the one under test; else nil
}

// Describe shows the Message as readable text.
func (m *Message) Describe() string { return usp.Describe(m.Msg) }

// Reply is what came back for a request. Msg is nil when nothing came in time; then Err says what was seen instead.
type Reply struct {
	*Message
	Request *usppb.Msg
	Sent    journal.Mark // number of the event of the request
	SentAt  time.Time    // just before the request went out
	Err     error
}

// Evidence returns the number of the reply's event, or of the request's when there was no reply: the evidence of a metric.
func (r *Reply) Evidence() journal.Mark {
	if r.Message == nil {
		return r.Sent
	}
	return r.Message.Seq
}

// Type returns the name of the reply's type, such as "GetResp", or "" when there is none.
func (r *Reply) Type() string {
	if r.Message == nil {
		return ""
	}
	return usp.TypeName(usp.MsgTypeOf(r.Msg))
}

// Body returns the reply's body, or nil when there is no reply: protobuf's getters then all return zero values.
func (r *Reply) Body() *usppb.Body {
	if r.Message == nil {
		return nil
	}
	return r.Msg.GetBody()
}

// NoReplyError says that a request was not answered in time.
type NoReplyError struct {
	Request string // the type of the request
	Timeout time.Duration
	Cause   error
}

// Error names the request, the wait that ended and what was seen meanwhile.
func (e *NoReplyError) Error() string {
	return fmt.Sprintf("no reply to %s within %s (waits.response); %v", e.Request, e.Timeout, e.Cause)
}

// Unwrap gives the journal's time-out.
func (e *NoReplyError) Unwrap() error { return e.Cause }

// Do sends msg, whose msg_id it fills in when empty, and waits for the reply with the same msg_id.
func (c *Controller) Do(ctx context.Context, msg *usppb.Msg) *Reply {
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	if msg.GetHeader().GetMsgId() == "" {
		msg.Header.MsgId = c.newMsgID()
	}
	id := msg.GetHeader().GetMsgId()
	defer c.ask(id)()
	mark := c.journal.Mark()
	// The journal may have to give up the reply's body for what comes after it, before it is looked at here.
	var came atomic.Pointer[journal.Event]
	defer c.journal.Listen(func(e *journal.Event) {
		if m, ok := e.Body.(*Message); ok && e.Dir == journal.In && m.GetBody().GetRequest() == nil && m.GetHeader().GetMsgId() == id {
			came.CompareAndSwap(nil, e)
		}
	})()
	reply := &Reply{Request: msg, SentAt: time.Now()}
	reply.Sent, reply.Err = c.Send(ctx, msg)
	if errors.Is(reply.Err, link.ErrUnreachable) { // it may be about to reconnect
		if err := c.end.Connected(ctx); err != nil {
			reply.Err = c.unsent(err)
		} else {
			reply.Sent, reply.Err = c.Send(ctx, msg)
		}
	}
	if reply.Err != nil {
		return reply
	}
	_, err := c.journal.AwaitOn(ctx, journal.LayerMessage, mark, func(e *journal.Event) error {
		if reply := came.Load(); reply != nil && reply.Seq == e.Seq {
			return nil
		}
		m, ok := e.Body.(*Message)
		if !ok || e.Dir != journal.In || m.GetBody().GetRequest() != nil {
			return journal.ErrSkip
		}
		return fmt.Errorf("msg_id: want %q, got %.200q", id, m.GetHeader().GetMsgId())
	})
	if err != nil {
		reply.Err = &NoReplyError{Request: usp.TypeName(usp.MsgTypeOf(msg)), Timeout: c.opts.Timeout, Cause: err}
		return reply
	}
	reply.Message = received(came.Load())
	return reply
}

// Send sends msg without waiting for a reply, and returns the number of its event.
func (c *Controller) Send(ctx context.Context, msg *usppb.Msg) (journal.Mark, error) {
	c.turn.Lock()
	within := c.within
	c.turn.Unlock()
	return c.send(ctx, msg, within)
}

// SendBetween is Send in a Record with the given from_id and to_id, which may be against the rules. Whatever to_id says, it goes to where
// the Agent under test listens, and never within a session context.
func (c *Controller) SendBetween(ctx context.Context, from, to string, msg *usppb.Msg) (journal.Mark, error) {
	return c.sendVia(ctx, session.Header{Version: c.opts.Version, To: to, From: from}, msg, session.Plain{Header: c.header(from, to)}.Out)
}

// send sends msg to the Agent under test, within the session context or not.
func (c *Controller) send(ctx context.Context, msg *usppb.Msg, within bool) (journal.Mark, error) {
	out := c.plain.Out
	if within {
		out = c.outWithin
	}
	return c.sendVia(ctx, c.plain.Header, msg, out)
}

// outWithin makes the Records of a Message within the session context.
func (c *Controller) outWithin(msg []byte) ([]*usppb.Record, error) {
	c.turn.Lock()
	defer c.turn.Unlock()
	if c.stale.Swap(false) || c.idle > 0 && time.Since(c.used) > c.idle {
		c.context.Leave()
	}
	c.used = time.Now()
	return c.context.Out(msg)
}

func (c *Controller) sendVia(ctx context.Context, h session.Header, msg *usppb.Msg,
	out func([]byte) ([]*usppb.Record, error)) (journal.Mark, error) {
	c.sending.Lock()
	defer c.sending.Unlock()
	seq, records, err := c.prepare(h, msg, out)
	for _, r := range records {
		if err == nil {
			_, err = c.sendRecord(ctx, r)
		}
	}
	if err != nil && len(records) > 0 && records[0].GetSessionContext() != nil {
		c.RenewContext() // nobody would ever see the numbers of these Records
	}
	return seq, err
}

// prepare makes the Records of a Message as if it was sent, and returns them with the number of its event.
func (c *Controller) prepare(
	h session.Header, msg *usppb.Msg, out func([]byte) ([]*usppb.Record, error),
) (journal.Mark, []*usppb.Record, error) {
	if msg.GetHeader().GetMsgId() == "" {
		msg.Header.MsgId = c.newMsgID()
	}
	var records []*usppb.Record
	payload, err := usp.Marshal(msg)
	c.hide(payload, msg)
	if err == nil {
		records, err = out(payload)
	}
	var inTLS []byte
	if len(records) > 0 {
		inTLS = secured(records[0], payload)
	}
	e := c.journal.Append(journal.Event{
		Layer: journal.LayerMessage, Dir: journal.Out, Type: usp.TypeName(usp.MsgTypeOf(msg)), Text: Summary(msg), Raw: inTLS,
		Body: &Message{Msg: msg, From: h.From, To: h.To}, Weight: len(payload),
	})
	if err != nil {
		return e.Seq, nil, err
	}
	if msg.GetBody().GetRequest() != nil {
		carrier := "SessionContext" // also of a Message that waits for the end of a TLS handshake
		if len(records) > 0 {
			carrier = usp.RecordType(records[0])
		}
		c.mu.Lock()
		asked := request{from: h.From, replyTo: c.end.ReplyTo(), carrier: carrier,
			supported: msg.GetBody().GetRequest().GetGetSupportedDm()}
		if before, again := c.sent[msg.GetHeader().GetMsgId()]; again {
			asked.answered, asked.context, asked.copies = before.answered, before.context, before.copies+1
		}
		c.sent[msg.GetHeader().GetMsgId()] = asked
		c.mu.Unlock()
	}
	return e.Seq, records, nil
}

// SendRecord sends a Record as it is, also one that is against the rules, and returns the number of the packet's event. The Agent may
// answer it with one Error whose msg_id is that of no request. An answer to the Message in it is judged by who sends it.
func (c *Controller) SendRecord(ctx context.Context, record *usppb.Record) (journal.Mark, error) {
	c.ExpectStray()
	if m, err := usp.ParseMessage(usp.PayloadOf(record)); err == nil && m.GetHeader().GetMsgId() != "" {
		c.mu.Lock()
		c.odd[m.GetHeader().GetMsgId()] = true
		c.mu.Unlock()
	}
	return c.sendRecord(ctx, record)
}

func (c *Controller) sendRecord(ctx context.Context, record *usppb.Record) (journal.Mark, error) {
	raw, err := usp.Marshal(record)
	if err != nil {
		return 0, err
	}
	c.journal.Append(journal.Event{Layer: journal.LayerRecord, Dir: journal.Out, Type: usp.RecordType(record), Raw: raw,
		Text: recordText(record), Body: record, Weight: len(raw)})
	return c.sendRaw(ctx, raw)
}

// SendRaw sends bytes that need not be a Record, and returns the number of the packet's event. The Agent may answer them with one Error
// whose msg_id is that of no request.
func (c *Controller) SendRaw(ctx context.Context, raw []byte) (journal.Mark, error) {
	c.ExpectStray()
	return c.sendRaw(ctx, raw)
}

// ExpectStray lets one more Error pass whose msg_id is that of no request: what is sent next holds no Message that can be read.
func (c *Controller) ExpectStray() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.strays++
}

func (c *Controller) sendRaw(ctx context.Context, raw []byte) (journal.Mark, error) {
	seq, err := c.end.Send(ctx, raw)
	if err != nil {
		return seq, c.unsent(err)
	}
	return seq, nil
}

// unsent says what could not be done.
func (c *Controller) unsent(err error) error {
	return fmt.Errorf("sending to %s over %s: %w", c.opts.AgentID, c.link.Name(), err)
}

// Withhold stops the acknowledgement of Notifies of one Subscription, until Acknowledge is called for it.
func (c *Controller) Withhold(subscription string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.withheld[subscription] = true
}

// Acknowledge goes back to acknowledging every Notify of one Subscription. It does not answer those that were withheld.
func (c *Controller) Acknowledge(subscription string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.withheld, subscription)
}

// FallSilent ends the acknowledgement of Notifies in this Controller's name, also of those that have come already: an Agent may admit a
// Controller again that it hears of after its row was deleted.
func (c *Controller) FallSilent() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silent[c.id] = true
}

// AnswerNotify acknowledges one Notify that was withheld, in the name of the endpoint that it was for.
func (c *Controller) AnswerNotify(ctx context.Context, m *Message) error {
	return c.answer(ctx, ack{msgID: m.GetHeader().GetMsgId(), subscription: m.GetBody().GetRequest().GetNotify().GetSubscriptionId(),
		controllerID: m.To, within: m.Within, beside: m.beside})
}

// answer sends a NotifyResp from the Controller that the Notify was for; this one speaks for those that are not known. Or it sends the
// Records that wait.
func (c *Controller) answer(ctx context.Context, a ack) error {
	if len(a.again) > 0 {
		return a.from.sendAgain(ctx, a.again)
	}
	if a.from != nil {
		a.from.sending.Lock()
		defer a.from.sending.Unlock()
		for _, r := range a.records {
			if a.from.superseded(r) {
				continue
			}
			if _, err := a.from.sendRecord(ctx, r); err != nil {
				return err
			}
		}
		return nil
	}
	c.mu.Lock()
	silent := c.silent[a.controllerID]
	c.mu.Unlock()
	if silent {
		return nil
	}
	resp := usp.NewNotifyResp(a.msgID, a.subscription)
	speaker := c.known(a.controllerID)
	if speaker != nil && a.beside != nil && !a.within {
		speaker = speaker.Via(a.beside)
	}
	if speaker == nil {
		_, err := c.SendBetween(ctx, a.controllerID, c.opts.AgentID, resp)
		return err
	}
	_, err := speaker.send(ctx, resp, a.within)
	return err
}

// AwaitNotify returns the first Notify to this Controller after mark for which match returns nil. match returns journal.ErrSkip for
// Notifies of no interest and any other error for a near miss.
func (c *Controller) AwaitNotify(ctx context.Context, mark journal.Mark, match func(*usppb.Notify) error) (*Message, error) {
	e, err := c.journal.AwaitOn(ctx, journal.LayerMessage, mark, c.NotifyEvent(match))
	if err != nil {
		return nil, err
	}
	return received(e), nil
}

// NotifyEvent makes a match of Notifies one of events: those that are no Notify to this Controller are of no interest.
func (c *Controller) NotifyEvent(match func(*usppb.Notify) error) func(*journal.Event) error {
	return func(e *journal.Event) error {
		m, ok := e.Body.(*Message)
		if !ok || e.Dir != journal.In || m.To != c.id || m.GetBody().GetRequest().GetNotify() == nil {
			return journal.ErrSkip
		}
		return match(m.GetBody().GetRequest().GetNotify())
	}
}

// received returns a copy of the event's Message that knows its number and time, which are given only when it is in the journal.
func received(e *journal.Event) *Message {
	m := *e.Body.(*Message)
	m.Seq, m.At = e.Seq, e.At
	return &m
}

// acknowledge sends the NotifyResps one after the other, away from the goroutine that reads the Link.
func (c *Controller) acknowledge(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-c.acks:
			c.mu.Lock()
			c.ackBytes -= a.size()
			c.mu.Unlock()
			err := c.answer(ctx, a)
			if err != nil && !errors.Is(err, context.Canceled) {
				c.journal.Append(journal.Event{Layer: journal.LayerNote, Dir: journal.Own, Type: a.unsent(), Text: err.Error()})
			}
		}
	}
}
