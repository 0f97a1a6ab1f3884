package messages

import (
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

const reboot = "Device.Reboot()"

// operateReboot is 1.61.
func operateReboot(c *harness.Case) {
	c.ExpectRestart()
	mark := c.Journal.Mark()
	c.Step(1, "operate %s with send_resp", reboot)
	operated := c.Agent.Operate(c, reboot, c.Fresh("reboot"), nil)
	c.Metric(1, func(m *harness.Metric) {
		result, err := expect.OneOperation(operated, reboot)
		m.Must(err, operated.Evidence())
		m.Must(expect.OutputArgs(result))
		m.Must(expect.Count("req_output_args: number of output_args", 0, len(result.GetReqOutputArgs().GetOutputArgs())))
	})
	c.Step(3, "wait for the device to come back")
	c.Metric(2, func(m *harness.Metric) {
		session, err := c.Reconnected(mark)
		if session != nil {
			m.Must(nil, session.Seq)
		}
		m.Must(err)
		got := c.Agent.Get(c, localAgent+"EndpointID")
		m.Must(expect.Type(got, usp.GetResp), got.Evidence())
	})
}

// operateAsync is 1.64.
func operateAsync(c *harness.Case) {
	args, err := dut.ParseArguments(c.Element(dut.RoleAsyncArguments))
	c.LabMust(err)
	command := c.Element(dut.RoleAsyncCommand)
	operateAndComplete(c, command, args, func(*controller.Reply, *controller.Message) error { return nil })
}

// operateWithArguments is 1.79: a command with an input argument, here a timer of 30 s, which must not complete early.
func operateWithArguments(c *harness.Case) {
	const delay = 30 * time.Second
	operateAndComplete(c, "Device.ScheduleTimer()", usp.Params{"DelaySeconds": "30"}, func(r *controller.Reply, done *controller.Message) error {
		least, got := c.Scaled(delay)-c.Waits().Tolerance, done.At.Sub(r.At)
		if got >= least {
			return nil
		}
		return &usp.Mismatch{Where: "time to the OperationComplete", Want: "at least " + c.Scaled(delay).String(), Got: got.Round(time.Millisecond).String()}
	})
}

// operateAndComplete runs an asynchronous command and judges the response (metric 1) and the OperationComplete (metric 2).
func operateAndComplete(c *harness.Case, command string, args usp.Params, judge func(*controller.Reply, *controller.Message) error) {
	_, id := subscribe(c, usp.Params{"NotifType": "OperationComplete", "ReferenceList": command})
	c.SettleSubscription()
	key := c.Fresh("operate")
	mark := c.Journal.Mark()
	c.Step(1, "operate %s with command_key %q", command, key)
	operated := c.Agent.Operate(c, command, key, args)
	if !c.Metric(1, func(m *harness.Metric) {
		result, err := expect.OneOperation(operated, command)
		m.Must(err, operated.Evidence())
		m.Must(expect.RequestPath(result))
	}) {
		return
	}
	c.Step(3, "wait for the OperationComplete")
	object, name := split(command)
	c.Metric(2, func(m *harness.Metric) {
		longest := harness.Wait{D: c.Scaled(30*time.Second) + c.NotifyWait().D}
		notify, err := c.AwaitNotify("OperationComplete Notify of "+id, longest, mark, func(n *usppb.Notify) error {
			done := n.GetOperComplete()
			switch {
			case n.GetSubscriptionId() != id:
				return journal.ErrSkip
			case done == nil:
				return expect.Equal("notification", "OperationComplete", controller.NotifyKind(n))
			case done.GetObjPath() != object:
				return expect.Equal("oper_complete.obj_path", object, done.GetObjPath())
			case done.GetCommandName() != name:
				return expect.Equal("oper_complete.command_name", name, done.GetCommandName())
			}
			return expect.Equal("oper_complete.command_key", key, done.GetCommandKey())
		})
		m.Must(err)
		m.Must(judge(operated, notify), notify.Seq)
	})
}
