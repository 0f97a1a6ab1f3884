package proof

import (
	"testing"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/brokers/stomp"
	"github.com/usptest/usptest/brokers/websocket"
	"github.com/usptest/usptest/fixtures/agent/defects"
	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/suites"
)

// TestFloodsAreAdvice has devices send PINGs, connections and copies of Notifies far too often. The case passes, and its only advice is
// about the flood. Four times as many PINGs as are due are none.
func TestFloodsAreAdvice(t *testing.T) {
	t.Parallel()
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	const notified, quiet = "1.57", "1.36" // a case in which a Notify comes, and another one
	tests := []struct {
		defect, link, flood string
		pings               int          // the case is over when as many have come
		body                harness.Body // of the case; nil: the one that awaits the PINGs or, without any, that of notified
	}{
		{"mqtt-pings-flood", "mqtt5", result.FloodOfPings, 60, nil},
		{"mqtt-pings-flood", "mqtt3", result.FloodOfPings, 60, nil},
		{"stomp-heart-beats-flood", "stomp", result.FloodOfPings, 60, nil},
		{"websocket-pings-flood", "websocket", result.FloodOfPings, 300, nil},
		{"mqtt-pings-in-each-quarter", "mqtt5", "", 30, nil},
		{"stomp-heart-beats-in-each-quarter", "stomp", "", 30, nil},
		{"websocket-pings-in-each-quarter", "websocket", "", 30, nil},
		{"mqtt-connections-flood", "mqtt5", result.FloodOfConnections, 0, nil},
		{"stomp-connections-flood", "stomp", result.FloodOfConnections, 0, nil},
		{"websocket-connections-flood", "websocket", result.FloodOfConnections, 0, nil},
		{"uds-connections-flood", udsClient, result.FloodOfConnections, 0, nil},
		{"retries-flood", "mqtt5", result.FloodOfConnections, 0, refused(func(c *harness.Case) { c.MQTT().RefuseNext(refusals, serverBusy) })},
		{"retries-flood", "stomp", result.FloodOfConnections, 0, refused(func(c *harness.Case) { c.STOMP().RefuseNext(refusals, "") })},
		{"retries-flood", "websocket", result.FloodOfConnections, 0, refused(func(c *harness.Case) { c.WebSocket().RefuseNext(refusals, 503) })},
		{"retries-flood", udsClient, result.FloodOfConnections, 0, refused(func(c *harness.Case) { c.UDS.RefuseNext(refusals) })},
		{"notifies-flood", "mqtt5", result.FloodOfNotifies, 0, nil},
		{"notifies-flood", "stomp", result.FloodOfNotifies, 0, nil},
		{"notifies-flood", "websocket", result.FloodOfNotifies, 0, nil},
		{"notifies-flood", "uds", result.FloodOfNotifies, 0, nil},
	}
	proven := map[string]bool{}
	for _, test := range tests {
		proven[test.defect] = true
	}
	for _, d := range defects.FloodDefects() {
		if !proven[d.Name] {
			t.Errorf("no test proves %s", d.Name)
		}
	}
	for _, test := range program.Sample(*full, 4, tests) {
		t.Run(test.defect+" "+test.link, func(t *testing.T) {
			t.Parallel()
			id, body := quiet, test.body
			switch {
			case test.pings > 0:
				body = awaitsPings(test.pings)
			case body == nil:
				id, body = notified, suites.Bodies()[notified]
			}
			c, _ := p.Case(id)
			c.Needs = append(c.Needs, plan.NeedMQTTBroker, plan.NeedSTOMPServer, plan.NeedWebSocketServer)
			for try := 1; ; try++ {
				r, stall := runWith(t, c, body, test.link, test.defect)
				floods, other := floodsOf(r)
				if floods != test.flood && (stall >= troubles || floods == "") && try < tries {
					t.Logf("try %d: the machine is slow, which can hide a flood; it stood still for as long as %s", try, stall)
					continue
				}
				if r.Verdict != result.Pass || floods != test.flood || other != "" {
					t.Errorf("want the verdict pass and the advice %q, got %s %s, %q and %q", test.flood, r.Verdict, r.Reason, floods, other)
				}
				return
			}
		})
	}
}

// awaitsPings is a body that waits for this many PINGs of the device and passes all metrics.
func awaitsPings(n int) harness.Body {
	return func(c *harness.Case) {
		mark := c.Journal.Mark()
		for range n {
			e, err := c.Await("PING", c.ReconnectWait(), mark, func(e *journal.Event) error {
				f, isFrame := e.Body.(*websocket.Frame)
				if e.Dir == journal.In && (e.Type == mqtt.Pingreq || e.Type == stomp.HeartBeatEvent || isFrame && f.Opcode == websocket.OpPing) {
					return nil
				}
				return journal.ErrSkip
			})
			c.LabMust(err)
			mark = e.Seq
		}
		passAll(c)
	}
}

// What refused makes a broker do.
const (
	refusals   = 600  // a busy machine has few in a second
	serverBusy = 0x89 // a reason code of MQTT 5.0
)

// refused is a body that cuts the device off while its next connections are refused, waits until it is back, and passes all metrics.
func refused(script func(*harness.Case)) harness.Body {
	return func(c *harness.Case) {
		script(c)
		_, err := c.NewSession() // the first attempt
		c.LabMust(err)
		c.LabMust(c.Reachable(c))
		passAll(c)
	}
}

func passAll(c *harness.Case) {
	for _, m := range c.Plan.Metrics {
		c.Metric(m.N, func(*harness.Metric) {})
	}
}

// floodsOf are the floods that a case advises against, and the rest of what it found beside its metrics.
func floodsOf(r result.Case) (floods, other string) {
	for _, m := range r.Metrics {
		switch {
		case m.N > 0:
		case m.Flood() != "":
			floods += m.Flood()
		default:
			other += m.Finding()
		}
	}
	return floods, other
}
