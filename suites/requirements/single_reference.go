package requirements

import (
	"errors"
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
	r, err := unusedReference(c)
	if err != nil {
		c.Unsupported(err.Error())
	}
	param := r.object + "Reference"

	c.Step(2, "set %s to %s%s, which does not exist", param, r.table, unused)
	before, err := c.Read(param)
	c.DeviceMust(err)
	dangling := c.Agent.Set(c, false, usp.Update(r.object, usp.Params{"Reference": r.table + unused}, nil))
	c.Metric(1, func(m *harness.Metric) {
		m.Must(expect.ErrorCode(dangling), dangling.Evidence())
		after, err := c.Read(param)
		m.Must(err)
		m.Must(expect.SamePath(param+" after the Set that was refused", before, after), c.Journal.Mark())
	})

	reference := expect.WithoutDot(r.target)
	c.Step(3, "set %s to %s, and delete that", param, reference)
	c.Set(r.object, usp.Params{"Reference": reference})
	value, err := c.Read(param)
	c.DeviceMust(err)
	c.DeviceMust(expect.SamePath(param, reference, value))
	deleted := c.Agent.Delete(c, false, r.target)
	if err := expect.Type(deleted, usp.DeleteResp); err != nil {
		c.NotApplicable(2, fmt.Sprintf("the device does not delete %s, which is in use: %v", r.target, err))
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

// transportReference is the parameter Reference of a row of LocalAgent.MTP that is not enabled.
type transportReference struct {
	object  string // that of the parameter, "Device.LocalAgent.MTP.3.MQTT."
	table   string // that of the rows it may refer to, "Device.MQTT.Client."
	target  string // a row of table, not enabled
	host    string // the parameter of target with a host name
	command string // one of target that does no harm; empty where TR-181 has none
}

// unusedReference adds an MQTT client or, where the device takes none, a STOMP connection, and a row of LocalAgent.MTP for it. An error
// says what the device does not take.
func unusedReference(c *harness.Case) (transportReference, error) {
	for _, t := range []struct{ protocol, table, host, command string }{
		{"MQTT", "Device.MQTT.Client.", "BrokerAddress", "ForceReconnect()"},
		{"STOMP", "Device.STOMP.Connection.", "Host", ""},
	} {
		added := c.Agent.Add(c, false, usp.Create(t.table, usp.Params{"Enable": "false"}, usp.Params{t.host: "usptest.invalid"}))
		c.Owns(added)
		target, err := expect.OneCreated(added)
		if err != nil {
			continue
		}
		added = c.Agent.Add(c, false, usp.Create(agentMTPs, usp.Params{"Enable": "false", "Protocol": t.protocol}, nil))
		c.Owns(added)
		row, err := expect.OneCreated(added)
		if err != nil {
			return transportReference{}, fmt.Errorf("the device takes no further row of %s: %w", agentMTPs, err)
		}
		return transportReference{row.Path + t.protocol + ".", t.table, target.Path, t.host, t.command}, nil
	}
	return transportReference{}, errors.New("the device takes neither a further MQTT client nor a further STOMP connection")
}
