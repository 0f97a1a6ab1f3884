package harness

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/brokers/stomp"
	"github.com/usptest/usptest/brokers/websocket"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// TestFloods has what a device sends in a case, and the advice about it.
func TestFloods(t *testing.T) {
	connect := func(keepAlive uint16) journal.Event {
		return journal.Event{Layer: journal.LayerMQTT, Dir: journal.In, Type: mqtt.Connect, Conn: 7,
			Body: &mqtt.Packet{Type: mqtt.Connect, KeepAlive: keepAlive}}
	}
	connack := journal.Event{Layer: journal.LayerMQTT, Dir: journal.Out, Type: mqtt.Connack, Conn: 7,
		Body: &mqtt.Packet{Type: mqtt.Connack, HasServerKeepAlive: true, ServerKeepAlive: 5}}
	agreed := func(device, server string) []journal.Event {
		frame := func(dir journal.Dir, command, value string) journal.Event {
			return journal.Event{Layer: journal.LayerSTOMP, Dir: dir, Type: command, Conn: 7, Body: &stomp.Frame{Command: command,
				Headers: []stomp.Pair{{Name: "heart-beat", Value: value}, {Name: "endpoint-id", Value: agentID}}}}
		}
		return []journal.Event{frame(journal.In, "STOMP", device), frame(journal.Out, "CONNECTED", server)}
	}
	event := func(subscription string) *usppb.Msg {
		return usp.NewMsg("1", &usppb.Notify{SubscriptionId: subscription,
			Notification: &usppb.Notify_Event_{Event: &usppb.Notify_Event{EventName: "Boot!"}}})
	}
	var (
		pingreq = journal.Event{Layer: journal.LayerMQTT, Dir: journal.In, Type: mqtt.Pingreq, Conn: 7}
		beat    = journal.Event{Layer: journal.LayerSTOMP, Dir: journal.In, Type: stomp.HeartBeatEvent, Conn: 7}
		ping    = journal.Event{Layer: journal.LayerWebSocket, Dir: journal.In, Conn: 7, Body: &websocket.Frame{Opcode: websocket.OpPing}}
		open    = journal.Event{Layer: journal.LayerTCP, Dir: journal.In, Type: "open", Conn: 8}
		socket  = journal.Event{Layer: journal.LayerUDS, Dir: journal.In, Type: "open", Conn: 8}
		notify  = journal.Event{Layer: journal.LayerMessage, Dir: journal.In, Body: &controller.Message{From: agentID, To: ownID,
			Msg: event("s")}}
		other = journal.Event{Layer: journal.LayerMessage, Dir: journal.In, Body: &controller.Message{From: agentID, To: ownID,
			Msg: event("another")}}
		answer = journal.Event{Layer: journal.LayerMessage, Dir: journal.Out, Body: &controller.Message{From: ownID, To: agentID,
			Msg: usp.NewMsg("1", &usppb.NotifyResp{SubscriptionId: "s"})}}
	)
	const (
		pings  = "flood of PINGs: MQTT PINGREQ: want about one in 60 s (Keep Alive), got "
		none   = "flood of PINGs: MQTT PINGREQ: want none, since none is due (Keep Alive), got "
		beats  = "flood of PINGs: STOMP heart-beat: want about one in 10 s (heart-beat), got "
		loose  = "flood of PINGs: STOMP heart-beat: want none, since none is due (heart-beat), got "
		ws     = "flood of PINGs: WebSocket Ping: want about one in 1 s (the shortest KeepAliveInterval there is), got "
		conns  = "flood of connections: connections of the device: want waits of a second or more between them, got "
		copies = `flood of Notifies: Notify 1 Event of Subscription "s" after its NotifyResp: want no copy, got `
	)
	type events = []journal.Event
	minute, notified := events{connect(60)}, events{notify, answer}
	for name, test := range map[string]struct {
		link   string
		begins events
		event  journal.Event
		n      int // how often the event comes
		apart  time.Duration
		advice string
	}{
		"41 in 5 s":                  {"mqtt5", minute, pingreq, 41, 125 * time.Millisecond, pings + "41 in 5 s"},
		"divided time":               {"mqtt5/25", minute, pingreq, 41, 5 * time.Millisecond, pings + "41 in 5 s"},
		"no CONNECT":                 {"mqtt5", nil, pingreq, 41, 125 * time.Millisecond, ""},
		"ten at once":                {"mqtt5", minute, pingreq, 10, 0, ""},
		"eleven at once":             {"mqtt5", minute, pingreq, 11, 0, pings + "11 in 0.001 s"},
		"in each half":               {"mqtt5", minute, pingreq, 400, 30 * time.Second, ""},
		"in each quarter":            {"mqtt5", minute, pingreq, 400, 15 * time.Second, ""},
		"in each tenth":              {"mqtt5", minute, pingreq, 400, 6 * time.Second, ""},
		"in each fifteenth":          {"mqtt5", minute, pingreq, 400, 4 * time.Second, pings + "400 in 1596 s"},
		"by the broker's Keep Alive": {"mqtt5", events{connect(60), connack}, pingreq, 400, time.Second, ""},
		"Keep Alive off":             {"mqtt5", events{connect(0)}, pingreq, 400, 200 * time.Millisecond, ""},
		"Keep Alive off, and more":   {"mqtt5", events{connect(0)}, pingreq, 101, 10 * time.Millisecond, none + "101 in 1 s"},
		"heart-beats":                {"stomp", agreed("5000,0", "0,10000"), beat, 51, 100 * time.Millisecond, beats + "51 in 5 s"},
		"quick heart-beats":          {"stomp", agreed("100,0", "0,100"), beat, 400, 50 * time.Millisecond, ""},
		"unwanted heart-beats":       {"stomp", agreed("100,0", "0,0"), beat, 400, time.Millisecond, loose + "400 in 0.399 s"},
		"Pings":                      {"websocket", nil, ping, 51, 20 * time.Millisecond, ws + "51 in 1 s"},
		"a Ping each half second":    {"websocket", nil, ping, 400, time.Second / 2, ""},
		"connections":                {"mqtt5", nil, open, 37, 50 * time.Millisecond, conns + "37 in 1.8 s"},
		"connections each half":      {"mqtt5", nil, open, 400, time.Second / 2, ""},
		"connections to a socket":    {"websocket", nil, socket, 37, 50 * time.Millisecond, conns + "37 in 1.8 s"},
		"copies":                     {"mqtt5", notified, notify, 12, 250 * time.Millisecond, copies + "12 in 2.8 s"},
		"ten copies":                 {"mqtt5", notified, notify, 10, 0, ""},
		"copies without answer":      {"mqtt5", events{notify}, notify, 400, 0, ""},
		"another of the same msg_id": {"mqtt5", notified, other, 400, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b, _ := newBench(t, nil)
			name, scale, _ := strings.Cut(test.link, "/")
			b.Link = links(b.Journal)[name]
			if scale != "" {
				b.Scale, _ = strconv.ParseFloat(scale, 64)
			}
			now := time.Now()
			r := trying(t, b, func(c *Case) {
				for _, e := range test.begins {
					e.At = now
					c.Journal.Append(e)
				}
				for i := range test.n {
					e := test.event
					e.At = now.Add(time.Duration(i) * test.apart)
					c.Journal.Append(e)
				}
			})
			if got := floodsOf(r); r.Verdict != result.Pass || got != test.advice {
				t.Errorf("want a pass and\n%q, got %s %s and\n%q", test.advice, r.Verdict, r.Reason, got)
			}
		})
	}
}

// TestAKeepAliveOutlastsItsCase: the connection of one case goes on in the next.
func TestAKeepAliveOutlastsItsCase(t *testing.T) {
	b, _ := newBench(t, nil)
	b.Link = links(b.Journal)["mqtt5"]
	trying(t, b, func(c *Case) {
		c.Journal.Append(journal.Event{Layer: journal.LayerMQTT, Dir: journal.In, Type: mqtt.Connect, Conn: 7,
			Body: &mqtt.Packet{Type: mqtt.Connect, KeepAlive: 60}})
	})
	b.Journal.Forget(b.Journal.Mark())
	now := time.Now()
	r := trying(t, b, func(c *Case) {
		for i := range 41 {
			c.Journal.Append(journal.Event{At: now.Add(time.Duration(i) * time.Second), Layer: journal.LayerMQTT, Dir: journal.In,
				Type: mqtt.Pingreq, Conn: 7})
		}
	})
	const want = "flood of PINGs: MQTT PINGREQ: want about one in 60 s (Keep Alive), got 41 in 40 s"
	if got := floodsOf(r); got != want {
		t.Errorf("want %q, got %q", want, got)
	}
}

// floodsOf is what a case advises about floods.
func floodsOf(r result.Case) (found string) {
	for _, m := range r.Metrics {
		if m.N == 0 {
			found += m.Flood() + ": " + m.Finding()
		}
	}
	return found
}

// TestWatchedRetriesAreNoFlood: their waits are judged.
func TestWatchedRetriesAreNoFlood(t *testing.T) {
	b, _ := newBench(t, nil)
	r := trying(t, b, func(c *Case) {
		c.retries = append(c.retries, result.Retry{N: 1})
		for i := range uint64(50) {
			c.Journal.Append(journal.Event{Layer: journal.LayerTCP, Dir: journal.In, Type: "open", Conn: i + 1})
		}
	})
	if metricsOf(r) != "1 pass" {
		t.Errorf("got %s", metricsOf(r))
	}
}
