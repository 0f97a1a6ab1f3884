package stomp

import (
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// assignedDestination is 6.5: the destination in CONNECTED goes before the configured one (R-STOMP.14).
func assignedDestination(c *harness.Case) {
	assigned := c.AgentAddress + "/6-5-assigned"
	c.Cleanup("connect without an assigned destination", c.ConnectAnew)
	c.Step(1, "let CONNECTED carry the subscribe-dest %s", assigned)
	c.STOMP.SubscribeDest(assigned)
	c.Step(2, "reboot the device")
	mark, isNew := reboot(c)
	c.Step(3, "wait until it connects")
	if !c.Metric(1, func(m *harness.Metric) {
		e, err := c.Await("SUBSCRIBE to "+assigned, c.ReconnectWait(), mark, isNew.subscribes(assigned))
		m.Must(err)
		for _, earlier := range c.Journal.Since(mark) {
			if earlier.Conn == e.Conn && isNew.subscribes(c.AgentAddress)(earlier) == nil {
				m.Must(expect.Nothing("SUBSCRIBE to the configured destination", c.AgentAddress), earlier.Seq)
			}
		}
		m.Must(nil, e.Seq)
	}) {
		return
	}
	c.BackAfter(mark)
	c.Step(4, "get Device.LocalAgent.")
	got := c.Agent.Get(c, "Device.LocalAgent.")
	if c.Metric(2, func(m *harness.Metric) {
		m.Must(expect.Type(got, usp.GetResp), got.Evidence())
		send, err := carrier(c, got)
		m.Must(err, got.Packet)
		m.Must(header(send, "reply-to-dest", assigned))
	}) && !shows(got, ".STOMP.DestinationFromServer", assigned) {
		c.Note("no Device.LocalAgent.MTP.{i}.STOMP.DestinationFromServer tells the assigned destination")
	}
}

// shows says whether a GetResp has a parameter, by the end of its path, of that value.
func shows(got *controller.Reply, suffix, want string) bool {
	for _, q := range got.Body().GetResponse().GetGetResp().GetReqPathResults() {
		for path, value := range expect.Resolved(q) {
			if strings.HasSuffix(path, suffix) && value == want {
				return true
			}
		}
	}
	return false
}
