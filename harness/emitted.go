package harness

import (
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// Emission is a Record that the device sent, to whomever.
type Emission struct {
	Seq    journal.Mark // number of the event that shows it
	To     string       // topic or destination; "" over WebSocket, which has none
	Record *usppb.Record
	Msg    *usppb.Msg // nil when the Record holds no Message that can be read
}

// Emitted returns the Records that the device sent after mark and up to the event until, oldest first. Over MQTT and STOMP it looks at
// every topic and destination, also those at which nobody but the Agent listens, and at every link: what must not be said must not be said
// anywhere.
func (c *Case) Emitted(mark, until journal.Mark) []Emission {
	var out []Emission
	for _, e := range c.Journal.Everything(mark) {
		if e.Seq > until {
			break
		}
		to, record := c.bench.emitted(e)
		if record == nil {
			continue
		}
		found := Emission{Seq: e.Seq, To: to, Record: record}
		if payload := usp.PayloadOf(record); payload != nil {
			found.Msg, _ = usp.ParseMessage(payload)
		}
		out = append(out, found)
	}
	return out
}

// emitted asks the link of an event for the Record that it shows.
func (b *Bench) emitted(e *journal.Event) (to string, record *usppb.Record) {
	for _, beside := range b.Beside {
		if beside.Name() == e.Link {
			return beside.Emitted(e)
		}
	}
	return b.Link.Emitted(e)
}

// Describe names what the Record holds and where it was sent to.
func (e Emission) Describe() string {
	what := "a Record of type " + usp.RecordType(e.Record)
	if e.Msg != nil {
		what = controller.Summary(e.Msg)
	}
	if e.To != "" {
		what += " to " + e.To
	}
	return what
}

// Answers reports whether the Record reacts to one of the harness: with a response, an Error or a Disconnect. A request of the device's
// own, such as a Notify, and a Connect do not.
func (e Emission) Answers() bool {
	if e.Record.GetDisconnect() != nil {
		return true
	}
	body := e.Msg.GetBody()
	return body.GetResponse() != nil || body.GetError() != nil
}

// MsgID is the msg_id of the Message, "" when there is none.
func (e Emission) MsgID() string { return e.Msg.GetHeader().GetMsgId() }
