package requirements

import (
	"fmt"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

const agentMTPs = localAgent + "MTP."

// singleReference is R-ARC.12 with a strong reference that is no list: that of a row of LocalAgent.MTP to its MQTT client or STOMP
// connection. What is added is never enabled.
func singleReference(c *harness.Case) {
	c.Step(1, "add an MQTT client or a STOMP connection, and a row of %s for it, neither enabled", agentMTPs)
	protocol, table, target := unusedTransport(c)
	added := c.Agent.Add(c, false, usp.Create(agentMTPs, usp.Params{"Enable": "false", "Protocol": protocol}, nil))
	c.Owns(added)
	row, err := expect.OneCreated(added)
	if err != nil {
		c.Unsupported(fmt.Sprintf("the device takes no further row of %s: %v", agentMTPs, err))
	}
	object := row.Path + protocol + "."
	param := object + "Reference"

	c.Step(2, "set %s to %s%s, which does not exist", param, table, unused)
	before, err := c.Read(param)
	c.DeviceMust(err)
	dangling := c.Agent.Set(c, false, usp.Update(object, usp.Params{"Reference": table + unused}, nil))
	c.Metric(1, func(m *harness.Metric) {
		m.Must(expect.ErrorCode(dangling), dangling.Evidence())
		after, err := c.Read(param)
		m.Must(err)
		m.Must(expect.SamePath(param+" after the Set that was refused", before, after), c.Journal.Mark())
	})

	reference := expect.WithoutDot(target)
	c.Step(3, "set %s to %s, and delete that", param, reference)
	c.Set(object, usp.Params{"Reference": reference})
	value, err := c.Read(param)
	c.DeviceMust(err)
	c.DeviceMust(expect.SamePath(param, reference, value))
	deleted := c.Agent.Delete(c, false, target)
	if err := expect.Type(deleted, usp.DeleteResp); err != nil {
		c.NotApplicable(2, fmt.Sprintf("the device does not delete %s, which is in use: %v", target, err))
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		m.Must(c.Eventually(settling, func() error {
			value, err := c.Read(param)
			if err != nil {
				return err
			}
			return expect.Equal(param+" after "+reference+" was deleted", "", value)
		}), c.Journal.Mark())
	})
}

// unusedTransport adds an MQTT client or, where the device takes none, a STOMP connection, and returns its table and path.
func unusedTransport(c *harness.Case) (protocol, table, row string) {
	for _, t := range []struct{ protocol, table, host string }{
		{"MQTT", "Device.MQTT.Client.", "BrokerAddress"},
		{"STOMP", "Device.STOMP.Connection.", "Host"},
	} {
		added := c.Agent.Add(c, false, usp.Create(t.table, usp.Params{"Enable": "false"}, usp.Params{t.host: "usptest.invalid"}))
		c.Owns(added)
		if created, err := expect.OneCreated(added); err == nil {
			return t.protocol, t.table, created.Path
		}
	}
	c.Unsupported("the device takes neither a further MQTT client nor a further STOMP connection")
	return "", "", ""
}
