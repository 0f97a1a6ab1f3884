package mqtt

import (
	"context"
	"strconv"
	"time"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/retry"
	"github.com/usptest/usptest/harness/usp"
)

const (
	serverUnavailable  = 0x88 // of CONNACK; MQTT 3.1.1 has one of the same meaning
	serverShuttingDown = 0x8b // of DISCONNECT
)

// connectRetry is 11.6: an Agent that the broker refuses tries again, and waits longer with each
// failure (R-MQTT.10). Its first CONNECT after the reboot is no retry.
func connectRetry(c *harness.Case) {
	c.Step(1, "get the settings of the MQTT client")
	policy, tries := retryPolicy(c)
	c.Cleanup("let the device connect again", func(ctx context.Context) error {
		c.MQTT().RefuseNext(0, 0)
		return c.Reachable(ctx)
	})
	c.Step(3, "refuse every CONNECT")
	c.MQTT().RefuseNext(mqtt.Forever, serverUnavailable)
	defer c.MQTT().RefuseNext(0, 0) // the clean-up waits for a device that has been rebooted
	c.Step(2, "reboot the device")
	mark := c.Reboot()
	c.Step(4, "wait until it tries to connect")
	first, err := c.Await("CONNECT packet", c.ReconnectWait(), mark, tries)
	c.DeviceMust(err)
	retries := c.WatchRetries(policy, lastWord(c, first.Conn, first.Seq), tries)
	if !c.Metric(1, retries.Next) {
		return
	}
	c.Step(5, "wait until it tries again, until it is accepted")
	c.Metric(2, func(m *harness.Metric) { retries.Rest(m, func() { c.MQTT().RefuseNext(0, 0) }) })
}

// connectionRetry is 11.16: an Agent whose session the broker ends connects again after a first
// wait (R-MQTT.33). With MQTT 3.1.1 a broker has no DISCONNECT, and closes TCP.
func connectionRetry(c *harness.Case) {
	policy, tries := retryPolicy(c)
	c.Cleanup("let the device connect again", c.Reachable)
	got := c.Agent.Get(c, deviceInfo) // a session that works has set the retry count back
	c.DeviceMust(expect.Type(got, usp.GetResp))
	c.Step(1, "send DISCONNECT, with MQTT 3.1.1 close TCP")
	mark := c.Journal.Mark()
	c.MQTT().DisconnectAll(serverShuttingDown)
	retries := c.WatchRetries(policy, lastWord(c, got.Conn, mark), tries)
	c.Step(2, "wait until it connects again")
	c.Metric(1, retries.Next)
}

// lastWord returns what the broker first sent on a connection after mark, which it refuses or ends:
// a packet, or the end of TCP.
func lastWord(c *harness.Case, conn uint64, mark journal.Mark) *journal.Event {
	e, err := c.Await("last word of the broker", c.ResponseWait(), mark, func(e *journal.Event) error {
		if e.Conn == conn && e.Dir == journal.Out && e.Layer != journal.LayerTLS {
			return nil
		}
		return journal.ErrSkip
	})
	c.LabMust(err)
	return e
}

// retryPolicy is the one of TR-181 for the MQTT client of the Link, and tries matches the CONNECTs of this client: the device may have
// others at the same broker. Without a multiplier every wait is ConnectRetryTime.
func retryPolicy(c *harness.Case) (policy retry.Policy, tries func(*journal.Event) error) {
	const none = 1000
	row := c.BrokerRow()
	c.LengthenRetry(row, "ConnectRetryTime")
	values, err := c.ReadAll(row)
	c.DeviceMust(err)
	number := func(name string, otherwise uint64) uint64 {
		if n, err := strconv.ParseUint(values[row+name], 10, 32); err == nil {
			return n
		}
		return otherwise
	}
	return retry.Policy{
		Initial:    time.Duration(number("ConnectRetryTime", 5)) * time.Second,
		Multiplier: number("ConnectRetryIntervalMultiplier", none),
		Max:        time.Duration(number("ConnectRetryMaxInterval", 0)) * time.Second,
	}, ofClient(values[row+"ClientID"])
}

// ofClient matches the CONNECTs of the client that the Agent speaks USP with: those with its client identifier, or with an Endpoint ID.
// Without an identifier in the data model one client is not told from another.
func ofClient(id string) func(*journal.Event) error {
	return func(e *journal.Event) error {
		p := packet(e, mqtt.Connect)
		if p == nil || id != "" && p.ClientID != id && len(p.UserProp("usp-endpoint-id")) == 0 {
			return journal.ErrSkip
		}
		return nil
	}
}
