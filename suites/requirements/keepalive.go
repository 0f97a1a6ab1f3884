package requirements

import (
	"fmt"
	"strconv"
	"time"

	"github.com/usptest/usptest/brokers/websocket"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
)

// The interval between Pings that is set, in seconds, and the longest that is waited for where the device does not take it.
const (
	pingInterval = 5
	longestPings = 60
)

// keepsAlive is R-WS.17 and R-WS.18: the Agent sends Pings, as often as KeepAliveInterval says.
func keepsAlive(c *harness.Case) {
	c.Uses(plan.NeedTiming)
	const name = "KeepAliveInterval"
	settings := c.SessionSettings(webSocketOf(c))
	if _, err := c.Read(settings + name); settings == "" || err != nil {
		c.Unsupported("the device shows no " + name + " of its session, and its Pings may come at any interval")
	}
	c.Cleanup("let the device connect again", c.ConnectAnew)
	c.Restore(settings, name)
	c.Step(1, "set %s%s to %d, and end the session", settings, name, pingInterval)
	set := c.Agent.Set(c, false, usp.Update(settings, usp.Params{name: strconv.Itoa(pingInterval)}, nil))
	if err := expect.Type(set, usp.SetResp); err != nil {
		c.Note("the device keeps its own %s: %v", name, err)
	}
	c.SettleConnection()
	_, err := c.NewSession()
	c.DeviceMust(err)
	conn := webSocketOf(c)
	value, err := c.Read(settings + name)
	c.DeviceMust(err)
	seconds, err := strconv.Atoi(value)
	c.DeviceMust(err)
	if seconds > longestPings {
		c.Unsupported(fmt.Sprintf("the device sends a Ping every %d s and does not let that be changed", seconds))
	}

	c.Step(2, "wait for two Pings")
	interval := time.Duration(seconds) * time.Second
	c.Extend(4 * interval)
	c.Metric(1, func(m *harness.Metric) {
		// an Agent may count from what has come last over the session
		patience := harness.Wait{D: c.Scaled(2*interval) + c.Waits().Tolerance + c.Lag()}
		mark := c.Journal.Mark()
		first, err := c.Await("Ping", patience, mark, pings(conn))
		m.Must(err, set.Evidence(), mark)
		second, err := c.Await("further Ping", patience, first.Seq, pings(conn))
		m.Must(err, set.Evidence(), first.Seq)
		if apart := second.At.Sub(first.At); apart < c.Scaled(interval/2)-c.Stall() {
			m.Must(&usp.Mismatch{Where: "time between two Pings", Want: "about " + c.Scaled(interval).String(),
				Got: apart.Round(time.Millisecond).String()}, set.Evidence(), first.Seq, second.Seq)
		}
		m.Saw(first.Seq, second.Seq)
	})
}

// pings matches a Ping of the device over a session.
func pings(conn *websocket.Conn) func(*journal.Event) error {
	return func(e *journal.Event) error {
		if f, ok := e.Body.(*websocket.Frame); ok && e.Conn == conn.ID() && e.Dir == journal.In && f.Opcode == websocket.OpPing {
			return nil
		}
		return journal.ErrSkip
	}
}
