package mqtt

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
)

// A payload that is no Record may still be read as one without a type: an empty one, and text that happens to be protobuf.
func TestWhatCarriesARecord(t *testing.T) {
	record, err := usp.WrapMessage("self::usptest", "proto::x", usp.Version, usp.NewGet("1", "Device."))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := usp.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	for payload, want := range map[string]bool{string(raw): true, "": false, "UpTime\n123": false, "\xff": false} {
		e := &journal.Event{Dir: journal.In, Body: &mqtt.Packet{Type: mqtt.Publish, Payload: []byte(payload)}}
		if got := carriesRecord(e) == nil; got != want {
			t.Errorf("%q: want %v, got %v", payload, want, got)
		}
	}
}

func TestTheConnectionForUSPIsToldFromOthers(t *testing.T) {
	const forUSP, other = 3, 2
	packets := map[string]mqtt.Packet{
		"connects":                  {Type: mqtt.Connect},
		"connects as another Agent": {Type: mqtt.Connect, UserProps: []mqtt.Pair{{Name: "usp-endpoint-id", Value: "self::other"}}},
		"subscribes":                {Type: mqtt.Subscribe, Filters: []mqtt.Filter{{Topic: "agent"}}},
		"subscribes below":          {Type: mqtt.Subscribe, Filters: []mqtt.Filter{{Topic: "agent/1"}}},
		"subscribes by wildcard":    {Type: mqtt.Subscribe, Filters: []mqtt.Filter{{Topic: "#"}}},
		"subscribes elsewhere":      {Type: mqtt.Subscribe, Filters: []mqtt.Filter{{Topic: "bulk"}}},
		"publishes":                 {Type: mqtt.Publish, Topic: "controller/reply-to=agent"},
		"publishes elsewhere":       {Type: mqtt.Publish, Topic: "bulk"},
	}
	type seen struct {
		conn   uint64
		packet string
	}
	for name, test := range map[string]struct {
		seen []seen
		want uint64 // the connection; 0: none
	}{
		"by the Endpoint ID, right or not": {[]seen{{other, "connects"}, {forUSP, "connects as another Agent"}}, forUSP},
		"by its filter":                    {[]seen{{other, "connects"}, {forUSP, "connects"}, {other, "subscribes elsewhere"}, {forUSP, "subscribes"}}, forUSP},
		"by a filter below":                {[]seen{{other, "connects"}, {forUSP, "connects"}, {forUSP, "subscribes below"}}, forUSP},
		"by a filter that covers":          {[]seen{{other, "connects"}, {forUSP, "connects"}, {forUSP, "subscribes by wildcard"}}, forUSP},
		"by what it publishes":             {[]seen{{other, "connects"}, {forUSP, "connects"}, {other, "publishes elsewhere"}, {forUSP, "publishes"}}, forUSP},
		"none shows it":                    {[]seen{{other, "connects"}, {forUSP, "connects"}}, other},
		"an older connection":              {[]seen{{other, "subscribes"}, {forUSP, "connects as another Agent"}}, forUSP},
		"none connects":                    {[]seen{{other, "subscribes"}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &harness.Case{Context: t.Context(),
					Journal: journal.New(), DUT: &dut.File{Waits: dut.Waits{Reconnect: time.Minute}}, AgentAddress: "agent", ControllerAddress: "controller",
				}
				for _, s := range test.seen {
					p := packets[s.packet]
					c.Journal.Append(journal.Event{Layer: journal.LayerMQTT, Dir: journal.In, Type: p.Type, Conn: s.conn, Body: &p})
				}
				e, err := awaitConnect(c, 0)
				switch {
				case test.want == 0 && err == nil:
					t.Errorf("want an error, got event %d", e.Seq)
				case test.want != 0 && (err != nil || e.Conn != test.want || e.Type != mqtt.Connect):
					t.Errorf("want the CONNECT of connection %d, got %+v, %v", test.want, e, err)
				}
			})
		})
	}
}
