package mqtt

import (
	"fmt"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// connectPacket is 11.2.
func connectPacket(c *harness.Case) {
	c.Step(1, "reboot the device")
	mark := c.Reboot()
	c.Step(2, "wait until it connects")
	var connect *mqtt.Packet
	var seq uint64
	if !c.Metric(1, func(m *harness.Metric) {
		e, err := awaitConnect(c, mark)
		m.Must(err)
		m.Must(nil, e.Seq)
		connect, seq = packet(e, mqtt.Connect), e.Seq
	}) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		m.Must(nil, seq)
		if connect.Version != mqtt.V5 && connect.Version != mqtt.V311 {
			m.Must(&usp.Mismatch{Where: "CONNECT: protocol version", Want: "5.0 or 3.1.1", Got: mqtt.VersionName(connect.Version)})
		}
	})
	if connect.Version == mqtt.V5 {
		c.Metric(3, func(m *harness.Metric) {
			m.Must(nil, seq)
			ids := connect.UserProp("usp-endpoint-id")
			m.Must(expect.Count("CONNECT: number of user properties usp-endpoint-id", 1, len(ids)))
			m.Must(expect.Equal("CONNECT: user property usp-endpoint-id", c.Agent.AgentID(), ids[0]))
		})
	} else {
		c.NotApplicable(3, "MQTT "+mqtt.VersionName(connect.Version)+" has no user properties")
	}
	c.Metric(4, func(m *harness.Metric) {
		m.Must(nil, seq)
		link, _ := c.DUT.Link(c.Link)
		if !connect.HasUsername || !connect.HasPassword {
			c.LabMust(withCredentials(link))
			m.Must(&usp.Mismatch{Where: "CONNECT", Want: "user name and password",
				Got: fmt.Sprintf("user name: %v, password: %v", connect.HasUsername, connect.HasPassword)})
		}
		if link.Username != "" {
			m.Must(expect.Equal("CONNECT: user name", link.Username, connect.Username))
		}
		if link.Password != "" && link.Password != connect.Password {
			m.Must(&usp.Mismatch{Where: "CONNECT: password", Want: "the one of the DUT file", Got: "another one"})
		}
	})
	c.BackAfter(mark)
}

// withCredentials is an error for a link whose DUT file names none: the device has none to send then (R-MQTT.7).
func withCredentials(l dut.LinkSpec) error {
	if l.Username != "" && l.Password != "" {
		return nil
	}
	return fmt.Errorf("the device has no user name and password to send: give it both for this link, and set username and password of %s in the DUT file",
		l.Name())
}

// emptyClientID is 11.4: the broker assigns a client identifier, and the Agent remembers it. An Agent may reconnect as soon as its
// identifier is cleared, so that the first CONNECT after the change is judged.
func emptyClientID(c *harness.Case) {
	const assigned = "usptest-assigned"
	connectsAnewInTheEnd(c)
	row := c.BrokerRow()
	c.Restore(row, "ClientID")
	c.Step(1, "set %sClientID to the empty string; the broker will assign %q", row, assigned)
	c.MQTT.AssignClientID(assigned)
	mark := c.Journal.Mark()
	c.Set(row, usp.Params{"ClientID": ""})
	c.Step(2, "reboot the device")
	rebooted := c.Reboot()
	if c.Strict("client-id-takes-effect") {
		mark = rebooted
	}
	if !c.Metric(1, func(m *harness.Metric) {
		e, err := awaitConnect(c, mark)
		m.Must(err)
		m.Must(expect.Equal("CONNECT: client identifier", "", packet(e, mqtt.Connect).ClientID), e.Seq)
	}) {
		return // an identifier of the Agent's own leaves the broker none to assign
	}
	c.BackAfter(rebooted)
	c.Step(5, "get %sClientID", row)
	got := c.Agent.Get(c, row+"ClientID")
	c.Metric(2, func(m *harness.Metric) {
		q, err := expect.OneResult(got, row+"ClientID")
		m.Must(err, got.Evidence())
		m.Must(expect.Equal(row+"ClientID", assigned, expect.Resolved(q)[row+"ClientID"]))
	})
}
