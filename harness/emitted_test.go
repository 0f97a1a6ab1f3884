package harness

import (
	"testing"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/brokers/stomp"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

func TestEmitted(t *testing.T) {
	wrap := func(m *usppb.Msg) (*usppb.Record, []byte) {
		record, err := usp.WrapMessage("self::controller", "proto::agent", usp.Version, m)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := usp.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		return record, raw
	}
	_, answer := wrap(usp.NewMsg("1", &usppb.GetResp{}))
	notify, _ := wrap(usp.NewMsg("2", &usppb.Notify{}))
	disconnect := &usppb.Record{RecordType: &usppb.Record_Disconnect{Disconnect: &usppb.DisconnectRecord{}}}
	publish := &mqtt.Packet{Type: mqtt.Publish, Topic: "elsewhere", Payload: answer}

	for name, test := range map[string]struct {
		link    string
		event   journal.Event
		shown   string // "" when the event shows no Record
		answers bool
	}{
		"MQTT on any topic": {"mqtt5", journal.Event{Dir: journal.In, Body: publish}, "GetResp 1 to elsewhere", true},
		"to the device":     {"mqtt5", journal.Event{Dir: journal.Out, Body: publish}, "", false},
		"no Record":         {"mqtt5", journal.Event{Dir: journal.In, Body: &mqtt.Packet{Type: mqtt.Publish, Payload: []byte("{}")}}, "", false},
		"another packet":    {"mqtt5", journal.Event{Dir: journal.In, Body: &mqtt.Packet{Type: "SUBSCRIBE"}}, "", false},
		"STOMP": {"stomp", journal.Event{Dir: journal.In, Body: &stomp.Frame{Command: "SEND",
			Headers: []stomp.Pair{{Name: "destination", Value: "elsewhere"}}, Body: answer}}, "GetResp 1 to elsewhere", true},
		"WebSocket":                 {"websocket", journal.Event{Dir: journal.In, Body: notify}, "Notify 2 Notify without a kind of Subscription \"\"", false},
		"Record counted as packet":  {"mqtt5", journal.Event{Dir: journal.In, Body: notify}, "", false},
		"Disconnect over WebSocket": {"websocket", journal.Event{Dir: journal.In, Body: disconnect}, "a Record of type Disconnect", true},
	} {
		t.Run(name, func(t *testing.T) {
			j := journal.New()
			c := &Case{bench: &Bench{Link: links(j)[test.link]}, Journal: j}
			e := j.Append(test.event)
			j.Append(test.event)
			found := c.Emitted(0, e.Seq) // the second event is beyond
			if test.shown == "" {
				if len(found) > 0 {
					t.Fatalf("got %s, want nothing", found[0].Describe())
				}
				return
			}
			if len(found) != 1 || found[0].Describe() != test.shown || found[0].Answers() != test.answers || found[0].Seq != e.Seq {
				t.Errorf("got %+v, want one, %q, answers %v", found, test.shown, test.answers)
			}
		})
	}
}
