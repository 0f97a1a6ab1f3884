package stomp

import (
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
)

// The table of connections and its parameters of the retry rule.
const (
	connectionTable    = "Device.STOMP.Connection."
	initialInterval    = "ServerRetryInitialInterval"
	intervalMultiplier = "ServerRetryIntervalMultiplier"
	maxInterval        = "ServerRetryMaxInterval"
)

// connectionRetry is 6.3. The server ends every connection when it sees the STOMP frame, so that
// each attempt shows; the waits count from there (R-STOMP.7).
func connectionRetry(c *harness.Case) {
	row := c.BrokerRow()
	shortRetries(c, row)
	c.Step(1, "get %s", row)
	values, err := c.ReadAll(row)
	c.DeviceMust(err)
	policy := c.STOMPRetryPolicy(row, values)

	c.Cleanup("accept connections again", c.ConnectAnew)
	c.Step(2, "reboot the device, and refuse every connection from now on")
	c.STOMP().RefuseNext(-1, "")
	defer c.STOMP().Reset() // the clean-up waits for a device that has been rebooted
	mark, isNew := reboot(c)
	c.Step(4, "wait for it to connect, and watch how long it waits after each refusal")
	first, err := c.Await("first attempt to connect", c.ReconnectWait(), mark, isNew.opening)
	c.DeviceMust(err)
	refused, err := c.Await("end of the connection", c.ResponseWait(), first.Seq, ends(first.Conn, journal.Out))
	c.LabMust(err)

	retries := c.WatchRetries(policy, refused, c.StartsSession)
	if !c.Metric(1, retries.Next) {
		return
	}
	if c.Metric(2, func(m *harness.Metric) {
		retries.Rest(m, func() {
			c.Step(5, "accept connections again")
			c.STOMP().Reset()
		})
	}) {
		c.BackAfter(mark)
	}
}

// ends matches the end of a connection, brought about by one side.
func ends(conn uint64, by journal.Dir) func(*journal.Event) error {
	return func(e *journal.Event) error {
		if e.Conn == conn && e.Layer == journal.LayerTCP && e.Type == "close" && e.Dir == by {
			return nil
		}
		return journal.ErrSkip
	}
}

// shortRetries gives the connection short intervals, which are put back at the end; a device that
// does not take them keeps its own.
func shortRetries(c *harness.Case, row string) {
	short := usp.Params{initialInterval: "3", intervalMultiplier: "2000"}
	for _, name := range short.Names() {
		if _, err := c.Read(row + name); err == nil {
			c.Restore(row, name)
		}
	}
	set := c.Agent.Set(c, false, usp.Update(row, short, nil))
	if err := expect.Type(set, usp.SetResp); err != nil {
		c.Note("the device keeps its own retry intervals: %v", err)
		return
	}
	c.SettleConnection()
}
