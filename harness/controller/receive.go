package controller

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/session"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// maxRaw is how much of a Record's bytes its event keeps, as of any packet.
const maxRaw = 1 << 20

// receive takes one Record off the Link: journal first, then the universal metrics, then the acknowledgement of a Notify.
func (c *Controller) receive(in link.Inbound) {
	c.receiving.Lock()
	defer c.receiving.Unlock()
	kept := in.Raw
	if len(kept) > maxRaw {
		kept = bytes.Clone(kept[:maxRaw])
	}
	record, wire, err := usp.ReadRecord(in.Raw)
	if err != nil {
		seq := c.journal.Append(journal.Event{Layer: journal.LayerRecord, Dir: journal.In, Type: "malformed", Link: in.BesideName(), Conn: in.Conn,
			Raw: kept, Text: err.Error()}).Seq
		c.violation(seq, schemaValid, err)
		return
	}
	seq := c.journal.Append(journal.Event{Layer: journal.LayerRecord, Dir: journal.In, Type: usp.RecordType(record),
		Link: in.BesideName(), Conn: in.Conn, Raw: kept, Text: recordText(record), Body: record, Weight: wire.Weight}).Seq
	if wire.Hidden != nil {
		c.violation(seq, schemaValid, wire.Hidden)
	}
	if record.GetFromId() == c.opts.AgentID {
		c.mu.Lock()
		c.spoken = record.GetVersion()
		if len(c.conns) >= maxConns {
			clear(c.conns)
		}
		c.conns[in.Conn] = true
		c.mu.Unlock()
	}
	c.judgeRecord(seq, in.Conn, record)
	over := c.link
	if in.Beside != nil {
		over = in.Beside
	}
	if topic := record.GetMqttConnect().GetSubscribedTopic(); topic != "" {
		over.SetAgentTopic(topic)
	}
	if destination := record.GetStompConnect().GetSubscribedDestination(); destination != "" {
		over.SetAgentTopic(destination)
	}
	taken, err := c.take(record)
	note := func(kind, text string) {
		c.journal.Append(journal.Event{Layer: journal.LayerNote, Dir: journal.Own, Type: kind, Conn: in.Conn,
			Text: fmt.Sprintf("%s of event %d: %s", usp.RecordType(record), seq, text)})
	}
	if taken.Broken != nil {
		c.violation(seq, contextRules, taken.Broken)
	}
	if taken.Note != "" {
		note("session context", taken.Note)
	}
	if err != nil {
		note("Record not taken", err.Error())
		c.judgeCarrier(seq, record)
	}
	for _, a := range taken.Alerts {
		c.journal.Append(journal.Event{Layer: journal.LayerNote, Dir: journal.Own, Type: "TLS alert", Conn: in.Conn,
			Text: fmt.Sprintf("with event %d: %s", seq, a.Describe()), Body: &a})
	}
	if h := taken.Handshake; h != nil {
		c.journal.Append(journal.Event{Layer: journal.LayerNote, Dir: journal.Own, Type: "TLS handshake", Conn: in.Conn,
			Text: fmt.Sprintf("with event %d: %s", seq, h.Describe()), Body: h})
	}
	for _, msg := range taken.Msgs {
		c.receiveMessage(in, seq, record, msg)
	}
	if len(taken.Reply) > 0 {
		c.queue(ack{records: taken.Reply, from: c.known(record.GetToId())})
	}
	if again := c.unanswered(taken.Lost); taken.Begun && len(again) > 0 {
		c.queue(ack{again: again, from: c.known(record.GetToId())})
	}
}

// take hands a Record to the session of the Controller that it is for. One that is for nobody is still looked into, for what the case may
// want to see.
func (c *Controller) take(record *usppb.Record) (session.Taken, error) {
	to := c.known(record.GetToId())
	if to == nil {
		return session.Plain{}.In(record)
	}
	to.turn.Lock()
	defer to.turn.Unlock()
	if to.context != nil {
		to.used = time.Now()
		taken, err := to.context.In(record)
		if taken.Begun {
			to.stale.Store(false)
		}
		return taken, err
	}
	return to.plain.In(record)
}

// receiveMessage takes one Message that came in a Record, of which seq is the event.
func (c *Controller) receiveMessage(in link.Inbound, seq journal.Mark, record *usppb.Record, payload []byte) {
	msg, wire, err := usp.ReadMessage(payload)
	if err != nil {
		c.violation(seq, schemaValid, err)
		return
	}
	c.hide(payload, msg)
	m := &Message{Msg: msg, From: record.GetFromId(), To: record.GetToId(), Conn: in.Conn, Packet: in.Seq, Record: seq,
		Within: record.GetSessionContext() != nil, Version: record.GetVersion(), beside: in.Beside}
	if c.duplicate(m, in) {
		return
	}
	seq = c.journal.Append(journal.Event{Layer: journal.LayerMessage, Dir: journal.In, Type: usp.TypeName(usp.MsgTypeOf(msg)),
		Link: in.BesideName(), Conn: in.Conn, Text: Summary(msg), Raw: secured(record, payload), Body: m, Weight: wire.Weight}).Seq
	if wire.Hidden != nil {
		c.violation(seq, schemaValid, wire.Hidden)
	}
	c.judgeMessage(seq, record, msg, in)
	if notify := msg.GetBody().GetRequest().GetNotify(); notify != nil && notify.GetSendResp() {
		c.queueAck(m)
	}
}

// secured is what the journal keeps of the bytes of a Message that a Record carries through TLS, since they are in no packet; nil for any
// other.
func secured(r *usppb.Record, payload []byte) []byte {
	if r.GetPayloadSecurity() != usppb.Record_TLS12 || r.GetSessionContext() == nil {
		return nil
	}
	return payload[:min(len(payload), maxRaw)]
}

// maxConns bounds how many connections of the Agent are remembered.
const maxConns = 4096

// maxNotifies bounds how many msg_ids of Notifies are remembered.
const maxNotifies = 4096

// duplicate acknowledges a Notify that came before over another link, and reports whether it is one: an Agent may send each Notify over all
// of its MTPs at once. One that is not acknowledged is tried again, over whatever MTP, and is no duplicate.
func (c *Controller) duplicate(m *Message, in link.Inbound) bool {
	notify := m.GetBody().GetRequest().GetNotify()
	if len(c.opts.Beside) == 0 || notify == nil {
		return false
	}
	id, over := m.GetHeader().GetMsgId(), in.BesideName()
	c.mu.Lock()
	first, known := c.notifies[id]
	if !known {
		if len(c.notifies) >= maxNotifies {
			clear(c.notifies)
		}
		c.notifies[id] = over
	}
	withheld := c.withheld[notify.GetSubscriptionId()]
	c.mu.Unlock()
	if !known || first == over || withheld {
		return false
	}
	c.journal.Append(journal.Event{Layer: journal.LayerNote, Dir: journal.Own, Type: "duplicate", Link: over, Conn: in.Conn,
		Text: Summary(m.Msg) + " came before over another link"})
	if notify.GetSendResp() {
		c.queueAck(m)
	}
	return true
}

// hide has the journal mask the secrets in a Message, of which the encoded bytes are given too.
func (o *office) hide(encoded []byte, msg *usppb.Msg) {
	if !usp.MayHoldSecrets(encoded) { // as nearly always, and quickly seen
		return
	}
	for _, secret := range usp.Secrets(msg) {
		o.journal.Secret(secret)
	}
}

func (c *Controller) queueAck(m *Message) {
	a := ack{msgID: m.GetHeader().GetMsgId(), subscription: m.GetBody().GetRequest().GetNotify().GetSubscriptionId(),
		controllerID: m.To, within: m.Within, beside: m.beside}
	c.mu.Lock()
	withheld := c.withheld[a.subscription]
	c.mu.Unlock()
	if !withheld {
		c.queue(a)
	}
}

// queue has something sent away from the goroutine that reads the Link.
func (c *Controller) queue(a ack) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ackBytes+a.size() <= maxAckBytes {
		select {
		case c.acks <- a:
			c.ackBytes += a.size()
			return
		default:
		}
	}
	c.journal.Append(journal.Event{Layer: journal.LayerNote, Dir: journal.Own, Type: a.unsent(),
		Text: fmt.Sprintf("%d acknowledgements wait already", len(c.acks))})
}

func recordText(r *usppb.Record) string {
	text := usp.RecordType(r) + ", from " + usp.Quote(r.GetFromId()) + " to " + usp.Quote(r.GetToId()) + ", version " + usp.Quote(r.GetVersion())
	for _, through := range [][2]string{{"originator", r.GetOriginatorId()}, {"destination", r.GetDestinationId()}} {
		if through[1] != "" {
			text += ", " + through[0] + " " + usp.Quote(through[1])
		}
	}
	if s := r.GetSessionContext(); s != nil {
		text += fmt.Sprintf(", session %d, sequence %d, expected %d", s.GetSessionId(), s.GetSequenceId(), s.GetExpectedId())
		if again := s.GetRetransmitId(); again != 0 {
			text += fmt.Sprintf(", retransmit %d", again)
		}
		if state := s.GetPayloadSarState(); state != usppb.SessionContextRecord_NONE {
			text += fmt.Sprintf(", segment %s", state)
		}
		if len(s.GetPayload()) == 0 {
			text += ", empty"
		}
	}
	if security := r.GetPayloadSecurity(); security != usppb.Record_PLAINTEXT {
		text += fmt.Sprintf(", payload %s", security)
	}
	switch {
	case len(r.GetMacSignature()) > 0 && len(r.GetSenderCert()) > 0:
		text += ", signed"
	case len(r.GetMacSignature()) > 0:
		text += ", with a MAC"
	}
	if d := r.GetDisconnect(); d != nil {
		text += fmt.Sprintf(", %s: %.200q", usp.ErrCode(d.GetReasonCode()), d.GetReason())
	}
	return text
}

// maxID is how many bytes of a msg_id the timeline shows.
const maxID = 100

// Summary is the one line that the timeline shows for a Message.
func Summary(m *usppb.Msg) string {
	id := m.GetHeader().GetMsgId()
	if len(id) > maxID {
		id = strings.ToValidUTF8(id[:maxID], "") + "…"
	}
	text := usp.TypeName(usp.MsgTypeOf(m)) + " " + id
	if e := m.GetBody().GetError(); e != nil {
		return fmt.Sprintf("%s %s: %.200q", text, usp.ErrCode(e.GetErrCode()), e.GetErrMsg())
	}
	if n := m.GetBody().GetRequest().GetNotify(); n != nil {
		return fmt.Sprintf("%s %s of Subscription %.100q", text, NotifyKind(n), n.GetSubscriptionId())
	}
	if paths := requestPaths(m); len(paths) > 0 {
		const most = 3
		more := ""
		if len(paths) > most {
			more = fmt.Sprintf(" and %d more", len(paths)-most)
			paths = paths[:most]
		}
		return text + " " + strings.Join(paths, ", ") + more
	}
	return text
}

// NotifyKind names the kind of a Notify as Subscription.{i}.NotifType does.
func NotifyKind(n *usppb.Notify) string {
	switch n.GetNotification().(type) {
	case *usppb.Notify_Event_:
		return "Event"
	case *usppb.Notify_ValueChange_:
		return "ValueChange"
	case *usppb.Notify_ObjCreation:
		return "ObjectCreation"
	case *usppb.Notify_ObjDeletion:
		return "ObjectDeletion"
	case *usppb.Notify_OperComplete:
		return "OperationComplete"
	case *usppb.Notify_OnBoardReq:
		return "OnBoardRequest"
	}
	return "Notify without a kind"
}

// requestPaths returns the paths that a request is about.
func requestPaths(m *usppb.Msg) []string {
	r := m.GetBody().GetRequest()
	switch {
	case r.GetGet() != nil:
		return r.GetGet().GetParamPaths()
	case r.GetGetInstances() != nil:
		return r.GetGetInstances().GetObjPaths()
	case r.GetGetSupportedDm() != nil:
		return r.GetGetSupportedDm().GetObjPaths()
	case r.GetDelete() != nil:
		return r.GetDelete().GetObjPaths()
	case r.GetOperate() != nil:
		return []string{r.GetOperate().GetCommand()}
	}
	var paths []string
	for _, o := range r.GetAdd().GetCreateObjs() {
		paths = append(paths, o.GetObjPath())
	}
	for _, o := range r.GetSet().GetUpdateObjs() {
		paths = append(paths, o.GetObjPath())
	}
	return paths
}
