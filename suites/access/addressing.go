package access

import (
	"fmt"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
)

// fromItself is 2.1: a Record that names the Agent as its own sender (R-ARC.2).
func fromItself(c *harness.Case) {
	judgeIgnored(c, addresses{c.Agent.AgentID(), c.Agent.AgentID()})
}

// toSomebodyElse is 2.2: Records to other endpoints that arrive at the Agent (R-E2E.1). The sender is the Controller, so that nothing but
// to_id is wrong with them.
func toSomebodyElse(c *harness.Case) {
	controller := c.Agent.ID()
	if c.Strict("foreign-address-with-own-sender") {
		controller = c.Agent.AgentID()
	}
	foreign := []addresses{{controller, "proto::usptest-nobody"}, {controller, c.Agent.AgentID() + "-"}}
	if !c.MTP.EndsOnBadRecord { // where an Agent may end the connection over a Record that lacks a required field (R-WS.16)
		foreign = append(foreign, addresses{controller, ""})
	}
	judgeIgnored(c, foreign...)
}

// addresses are who a Record says it is from and to.
type addresses struct{ from, to string }

func (a addresses) String() string { return fmt.Sprintf("the Record from %q to %q", a.from, a.to) }

// judgeIgnored sends a Get in a Record with each of the addresses, and judges that the Agent ignores them: it neither answers nor ends its
// connection, but answers the Gets of the Controller that follow.
func judgeIgnored(c *harness.Case, records ...addresses) {
	c.Uses(plan.NeedInvalidRecord)
	const param = harness.EndpointID
	before := c.Agent.Get(c, param)
	c.DeviceMust(expect.Type(before, usp.GetResp))

	mark := c.Journal.Mark()
	sent := map[string]string{} // what was sent, by msg_id
	var evidence []journal.Mark
	for i, a := range records {
		c.Step(i+1, "send a Get in %s", a)
		get := usp.NewGet("", param)
		seq, err := c.Agent.SendBetween(c, a.from, a.to, get)
		if c.Ended(before.Conn, mark) != nil {
			break
		}
		c.LabMust(err)
		evidence = append(evidence, seq)
		sent[get.GetHeader().GetMsgId()] = a.String()
	}
	c.Step(len(records)+1, "send Gets from the Controller to the Agent")
	// the second one gives time to an Agent that works on several requests at once
	first, second := c.Agent.Get(c, param), c.Agent.Get(c, param)
	c.Metric(1, func(m *harness.Metric) {
		m.Saw(evidence...)
		end, err := c.StaysConnected(before.Conn, mark)
		m.Must(err, end)
		m.Must(expect.Type(first, usp.GetResp), first.Evidence())
		m.Must(expect.Type(second, usp.GetResp), second.Evidence())
		for _, e := range c.Emitted(mark, second.Evidence()) {
			if !e.Answers() || e.MsgID() == first.Request.GetHeader().GetMsgId() || e.MsgID() == second.Request.GetHeader().GetMsgId() {
				continue
			}
			what, known := sent[e.MsgID()]
			if !known {
				what = "the Records that are not for it"
			}
			m.Must(expect.Nothing("answer to "+what, e.Describe()), e.Seq)
		}
	})
}
