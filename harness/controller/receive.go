package controller

import (
	"fmt"
	"strings"

	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// receive takes one Record off the Link: journal first, then the universal metrics, then the acknowledgement of a Notify.
func (c *Controller) receive(in link.Inbound) {
	c.receiving.Lock()
	defer c.receiving.Unlock()
	record, err := usp.ParseRecord(in.Raw)
	if err != nil {
		seq := c.journal.Append(journal.Event{Layer: journal.LayerRecord, Dir: journal.In, Type: "malformed", Conn: in.Conn,
			Raw: in.Raw, Text: err.Error()}).Seq
		c.violation(seq, schemaValid, err)
		return
	}
	seq := c.journal.Append(journal.Event{Layer: journal.LayerRecord, Dir: journal.In, Type: usp.RecordType(record), Conn: in.Conn,
		Raw: in.Raw, Text: recordText(record), Body: record}).Seq
	if err := usp.ValidateWire(in.Raw, &usppb.Record{}); err != nil {
		c.violation(seq, schemaValid, err)
	}
	c.judgeRecord(seq, record)
	if topic := record.GetMqttConnect().GetSubscribedTopic(); topic != "" {
		c.link.SetAgentTopic(topic)
	}
	if destination := record.GetStompConnect().GetSubscribedDestination(); destination != "" {
		c.link.SetAgentTopic(destination)
	}
	plain := record.GetNoSessionContext()
	if plain == nil {
		return
	}
	msg, err := usp.ParseMessage(plain.GetPayload())
	if err != nil {
		c.violation(seq, schemaValid, err)
		return
	}
	for _, secret := range usp.Secrets(msg) {
		c.journal.Secret(secret)
	}
	m := &Message{Msg: msg, From: record.GetFromId(), To: record.GetToId(), Conn: in.Conn, Packet: in.Seq}
	seq = c.journal.Append(journal.Event{Layer: journal.LayerMessage, Dir: journal.In, Type: usp.TypeName(usp.MsgTypeOf(msg)),
		Conn: in.Conn, Text: Summary(msg), Body: m}).Seq
	if err := usp.ValidateWire(plain.GetPayload(), &usppb.Msg{}); err != nil {
		c.violation(seq, schemaValid, err)
	}
	c.judgeMessage(seq, msg)
	if notify := msg.GetBody().GetRequest().GetNotify(); notify != nil && notify.GetSendResp() {
		c.queueAck(msg, notify, record.GetToId())
	}
}

func (c *Controller) queueAck(msg *usppb.Msg, notify *usppb.Notify, controllerID string) {
	c.mu.Lock()
	withheld := c.withheld[notify.GetSubscriptionId()]
	c.mu.Unlock()
	if withheld {
		return
	}
	select {
	case c.acks <- ack{msg.GetHeader().GetMsgId(), notify.GetSubscriptionId(), controllerID}:
	default:
		c.journal.Append(journal.Event{Layer: journal.LayerNote, Dir: journal.Own, Type: "unsent NotifyResp",
			Text: fmt.Sprintf("%d acknowledgements wait already", maxAcks)})
	}
}

func recordText(r *usppb.Record) string {
	text := fmt.Sprintf("%s, from %q to %q, version %q", usp.RecordType(r), r.GetFromId(), r.GetToId(), r.GetVersion())
	if d := r.GetDisconnect(); d != nil {
		text += fmt.Sprintf(", %s: %q", usp.ErrCode(d.GetReasonCode()), d.GetReason())
	}
	return text
}

// Summary is the one line that the timeline shows for a Message.
func Summary(m *usppb.Msg) string {
	text := fmt.Sprintf("%s %s", usp.TypeName(usp.MsgTypeOf(m)), m.GetHeader().GetMsgId())
	if e := m.GetBody().GetError(); e != nil {
		return fmt.Sprintf("%s %s: %q", text, usp.ErrCode(e.GetErrCode()), e.GetErrMsg())
	}
	if n := m.GetBody().GetRequest().GetNotify(); n != nil {
		return fmt.Sprintf("%s %s of Subscription %q", text, NotifyKind(n), n.GetSubscriptionId())
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
