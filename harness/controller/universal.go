package controller

import (
	"fmt"

	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/session"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// Rule is one of the plan's universal metrics: what holds for everything an Agent sends, in every case.
type Rule string

// The universal metrics, and what correlation rests on: the echo of msg_id (R-MSG.1), the type of Record (R-MSG.0a), and the topic or
// destination of a reply (R-MQTT.25, R-MQTT.26, R-STOMP.23).
const (
	endpointValid  Rule = "Endpoint IDs are valid"
	schemaValid    Rule = "Records and Messages are valid by their schemas"
	pathValid      Rule = "path names follow the path grammar"
	instanceNumber Rule = "path names address instances by number"
	msgIDEcho      Rule = "a reply echoes the msg_id of one request"
	replyAddress   Rule = "a reply goes to the topic or destination that its request named"
	sameCarrier    Rule = "a reply comes in the type of Record of its request"
	sameModel      Rule = "what the Agent says agrees with the supported data model that it described"
	onBoardAnswer  Rule = "R-NOT.6: an OnBoardRequest asks for a response"
	contextRules   Rule = "Records of a session context follow its rules"
	signatureValid Rule = "R-E2E.31: a Record is signed by its sender"
)

// Violation is a universal metric that the Agent broke. It is in the journal as the body of a note.
type Violation struct {
	Rule Rule
	Seq  journal.Mark // the event that broke it
	// Requirements are those of TR-369 that it is against; none where TR-369 has no requirement for it.
	Requirements []string
	// Before is the event with what it contradicts; 0 where it is wrong by itself.
	Before journal.Mark
	Err    error
	// SetUp says that the Agent may be configured so, for another Controller or under another name.
	SetUp bool
	// Other says that it came over a connection over which the Agent under test has never spoken: it is another device's.
	Other bool
}

// Describe tells rule and finding.
func (v *Violation) Describe() string { return fmt.Sprintf("%s: %v", v.Rule, v.Err) }

// Violations returns the universal metrics that events after mark broke, oldest first. Everything in the journal has been judged then: a
// Record whose event is there may still be with its judges, as one from before mark may have been.
func (c *Controller) Violations(mark journal.Mark) []*Violation {
	c.receiving.Lock()
	defer c.receiving.Unlock()
	var found []*Violation
	for _, e := range c.journal.Since(mark) {
		if v, ok := e.Body.(*Violation); ok && v.Seq > mark {
			found = append(found, v)
		}
	}
	return found
}

func (c *Controller) violation(seq journal.Mark, rule Rule, err error) {
	c.report(&Violation{Rule: rule, Seq: seq, Err: err})
}

// report writes a violation into the journal.
func (c *Controller) report(v *Violation) {
	if v.Requirements == nil {
		v.Requirements = c.about(v)
	}
	c.journal.Append(journal.Event{Layer: journal.LayerNote, Dir: journal.Own, Type: "universal metric broken", Text: v.Describe(), Body: v})
}

// judgeRecord holds a Record against the rules that need no Message: Endpoint IDs (R-ARC.3 to R-ARC.5), the schema (R-ENC.0) and the
// certificate of its sender (R-E2E.31).
func (c *Controller) judgeRecord(seq journal.Mark, conn uint64, r *usppb.Record) {
	if err := usp.ValidateRecord(r); err != nil {
		c.violation(seq, schemaValid, err)
	}
	if err := session.Signed(r); err != nil {
		c.violation(seq, signatureValid, err)
	}
	if _, err := usp.ParseEndpointID(r.GetFromId()); err != nil {
		c.violation(seq, endpointValid, fmt.Errorf("from_id of the Record: %w", err))
	} else if r.GetFromId() != c.opts.AgentID {
		c.mu.Lock()
		other := !c.conns[conn]
		c.mu.Unlock()
		c.report(&Violation{Rule: endpointValid, Seq: seq, Err: differs("from_id of the Record", c.opts.AgentID, r.GetFromId()),
			SetUp: true, Other: other})
	}
	if c.known(r.GetToId()) == nil {
		c.report(&Violation{Rule: endpointValid, Seq: seq, Err: differs("to_id of the Record", c.opts.ID, r.GetToId()),
			SetUp: !c.answersUs(r)})
	}
}

// answersUs reports whether a Record carries the answer to a request of the harness.
func (c *Controller) answersUs(r *usppb.Record) bool {
	m, err := usp.ParseMessage(usp.PayloadOf(r))
	if err != nil || m.GetBody().GetRequest() != nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ours := c.sent[m.GetHeader().GetMsgId()]
	return ours
}

// judgeMessage holds a Message, which came in record, against the schema (R-ENC.1, R-ENC.3), the path grammar (R-ARC.7), instance-number
// addressing (R-MSG.3) and the echo of msg_id. in is how it came: the transport may have delivered it before, as MQTT does after a lost
// PUBACK.
func (c *Controller) judgeMessage(seq journal.Mark, record *usppb.Record, m *usppb.Msg, in link.Inbound) {
	if err := usp.ValidateMessage(m); err != nil {
		c.violation(seq, schemaValid, err)
	}
	paths, addressing := usp.ValidateReported(m)
	if paths != nil {
		c.violation(seq, pathValid, paths)
	}
	if addressing != nil {
		c.violation(seq, instanceNumber, addressing)
	}
	if m.GetBody().GetRequest() != nil {
		c.judgeDescribed(seq, record.GetToId(), request{}, m)
		c.judgeOnBoarding(seq, record, m.GetBody().GetRequest().GetNotify())
		return
	}
	id, to, context := m.GetHeader().GetMsgId(), record.GetToId(), record.GetSessionContext().GetSessionId()
	c.mu.Lock()
	asked, known := c.sent[id]
	odd := c.odd[id]
	stray := !known && m.GetBody().GetError() != nil && c.strays > 0
	switch {
	case known:
		answered := asked
		answered.answered, answered.context = true, context
		if asked.answered {
			answered.copies = max(asked.copies-1, 0)
		}
		c.sent[id] = answered
	case stray:
		c.strays--
	}
	// one that is nobody's is judged by the Record, and what a made-up one is answered by the case that made it up
	mixedUp := to != asked.from && c.controllers[to] != nil && c.controllers[asked.from] != nil
	c.mu.Unlock()
	if mixedUp {
		c.violation(seq, endpointValid, differs("to_id of the "+usp.TypeName(usp.MsgTypeOf(m))+" to another Controller's request", asked.from, to))
	}
	if known {
		c.judgeDescribed(seq, to, asked, m)
		c.judgeReplyCarrier(seq, asked, record, m)
		switch kind := usp.TypeName(usp.MsgTypeOf(m)); {
		case in.Beside != nil:
			c.violation(seq, replyAddress, differs("link over which the "+kind+" came", c.link.Name(), in.Beside.Name()))
		case in.To != asked.replyTo:
			c.violation(seq, replyAddress, differs("address of the "+kind, asked.replyTo, in.To))
		}
	}
	switch {
	case stray, !known && odd:
	case !known && c.ofEarlierRun(id):
		c.noteLateAnswer(seq, m)
	case !known:
		c.violation(seq, msgIDEcho, unknownMsgID(m))
	case asked.answered && context != asked.context: // what was not acknowledged may be sent again in the next session context
	case asked.answered && asked.copies > 0: // it was sent more than once
	case asked.answered && !in.Again:
		c.violation(seq, msgIDEcho, &usp.Mismatch{Where: "replies with the msg_id " + usp.Quote(id), Want: "one", Got: "a second one, " + usp.TypeName(usp.MsgTypeOf(m))})
	}
}

// judgeOnBoarding holds an OnBoardRequest against what USP 1.4 asks of it (R-NOT.6).
func (c *Controller) judgeOnBoarding(seq journal.Mark, record *usppb.Record, n *usppb.Notify) {
	if n.GetOnBoardReq() != nil && !n.GetSendResp() && !usp.EarlierVersion(record.GetVersion(), "1.4") {
		c.violation(seq, onBoardAnswer, &usp.Mismatch{Where: "send_resp of the OnBoardRequest", Want: "true", Got: "false"})
	}
}

// judgeCarrier holds a Record that nobody takes against the rules of what may be seen in it: the answer to a request must come in the type
// of Record of that request (R-MSG.0a), while an Agent may ask in any.
func (c *Controller) judgeCarrier(seq journal.Mark, record *usppb.Record) {
	m, err := usp.ParseMessage(usp.PayloadOf(record))
	if err != nil {
		return
	}
	c.mu.Lock()
	asked, known := c.sent[m.GetHeader().GetMsgId()]
	odd := c.odd[m.GetHeader().GetMsgId()]
	c.mu.Unlock()
	switch {
	case m.GetBody().GetRequest() != nil, !known && odd:
	case known:
		c.judgeReplyCarrier(seq, asked, record, m)
	case c.ofEarlierRun(m.GetHeader().GetMsgId()):
		c.noteLateAnswer(seq, m)
	case m.GetBody().GetResponse() != nil: // an Error may answer what was no Record
		c.violation(seq, msgIDEcho, unknownMsgID(m))
	}
}

// noteLateAnswer says in the journal that a reply answers a request of an earlier run, which proves nothing.
func (c *Controller) noteLateAnswer(seq journal.Mark, m *usppb.Msg) {
	c.journal.Append(journal.Event{Layer: journal.LayerNote, Dir: journal.Own, Type: "late answer",
		Text: fmt.Sprintf("event %d: %s answers a request of an earlier run of usptest", seq, Summary(m))})
}

// unknownMsgID is the finding of a reply to nothing.
func unknownMsgID(m *usppb.Msg) error {
	return &usp.Mismatch{Where: "msg_id of " + usp.TypeName(usp.MsgTypeOf(m)), Want: "that of a request that was sent",
		Got: usp.Quote(m.GetHeader().GetMsgId())}
}

// judgeReplyCarrier holds the Record of a reply against that of its request.
func (c *Controller) judgeReplyCarrier(seq journal.Mark, asked request, record *usppb.Record, m *usppb.Msg) {
	if got := usp.RecordType(record); got != asked.carrier {
		c.violation(seq, sameCarrier, &usp.Mismatch{Where: "record_type of the " + usp.TypeName(usp.MsgTypeOf(m)),
			Want: asked.carrier + " as the request", Got: got})
	}
}

// differs is the finding of an identifier that should be another one.
func differs(where, want, got string) error {
	return &usp.Mismatch{Where: where, Want: usp.Quote(want), Got: usp.Quote(got)}
}
