package messages

import (
	"fmt"
	"slices"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

const reboot = harness.Reboot

// operateReboot is 1.61, of Device.Reboot() or of the command that stands in for it.
func operateReboot(c *harness.Case) {
	if command := c.Element(dut.RoleSyncCommand); command != reboot {
		operateSync(c, command)
		return
	}
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
	c.Metric(2, func(m *harness.Metric) { mustReboot(c, m, mark) })
}

// operateSync is 1.61 with a command that answers at once and does not reboot the device.
func operateSync(c *harness.Case, command string) {
	mark := c.Journal.Mark()
	c.Step(1, "operate %s with send_resp", command)
	operated := c.Agent.Operate(c, command, c.Fresh("operate"), nil)
	c.Metric(1, func(m *harness.Metric) {
		result, err := expect.OneOperation(operated, command)
		m.Must(err, operated.Evidence())
		m.Must(expect.OutputArgs(result))
	})
	if c.Strict("reboot-of-a-substitute") {
		c.ExpectRestart()
		c.Metric(2, func(m *harness.Metric) { mustReboot(c, m, mark) })
		return
	}
	c.NotApplicable(2, command+" does not reboot the device")
}

// operateRebootSilently is 1.62: no response is asked for. One that comes nevertheless is reported: TR-369 R-OPR.4 only advises against it.
func operateRebootSilently(c *harness.Case) {
	c.ExpectRestart()
	c.Step(1, "operate %s without send_resp", reboot)
	mark, msgID := c.OperateSilently(reboot, c.Fresh("reboot"), nil)
	c.Step(2, "wait for the device to come back")
	c.Metric(1, func(m *harness.Metric) {
		mustReboot(c, m, mark)
		if answer := responseTo(c, mark, msgID); answer != nil {
			m.Note("the device answered with an %s although send_resp was false (event %d)", answer.Type, answer.Seq)
		}
	})
}

// mustReboot wants the device to open a new session after mark and to answer then.
func mustReboot(c *harness.Case, m *harness.Metric, mark journal.Mark) {
	session, err := c.Reconnected(mark)
	if session != nil {
		m.Saw(session.Seq)
	}
	m.Must(err)
	got := c.Agent.Get(c, localAgent+"EndpointID")
	m.Must(expect.Type(got, usp.GetResp), got.Evidence())
}

// responseTo is the event of the Response or Error that has come after mark for a request; nil when there is none.
func responseTo(c *harness.Case, mark journal.Mark, msgID string) *journal.Event {
	for _, e := range c.Journal.Since(mark) {
		m, ok := e.Body.(*controller.Message)
		if ok && e.Dir == journal.In && m.GetBody().GetRequest() == nil && m.GetHeader().GetMsgId() == msgID {
			return e
		}
	}
	return nil
}

// operateAsync is 1.64.
func operateAsync(c *harness.Case) {
	command, args := asyncCommand(c)
	key := c.Fresh("operate")
	id := c.SubscribeToCompletion(command)
	mark := c.Journal.Mark()
	c.Step(1, "operate %s with command_key %q", command, key)
	operated := c.Agent.Operate(c, command, key, args)
	if !judgeRequest(c, operated, command) {
		return
	}
	c.Step(3, "wait for the OperationComplete")
	c.Metric(2, func(m *harness.Metric) { mustComplete(c, m, mark, id, command, key) })
}

// operateAsyncSilently is 1.65. A request that is sent when the command has ended shows that a response would have come by then.
func operateAsyncSilently(c *harness.Case) {
	command, args := asyncCommand(c)
	key := c.Fresh("operate")
	id := c.SubscribeToCompletion(command)
	c.Step(1, "operate %s without send_resp, with command_key %q", command, key)
	mark, msgID := c.OperateSilently(command, key, args)
	c.Step(2, "wait for the OperationComplete")
	c.Metric(2, func(m *harness.Metric) { mustComplete(c, m, mark, id, command, key) })
	_, err := c.Read(localAgent + "EndpointID")
	c.DeviceMust(err)
	c.Metric(1, func(m *harness.Metric) {
		answer := responseTo(c, mark, msgID)
		if answer == nil {
			m.Saw(mark)
			return
		}
		for _, result := range answer.Body.(*controller.Message).GetBody().GetResponse().GetOperateResp().GetOperationResults() {
			// R-OPR.4 allows to report a failure
			if result.GetCmdFailure() == nil || c.Strict("response-against-advice") {
				m.Must(expect.Nothing("response without send_resp", answer.Text), answer.Seq)
			}
		}
		m.Note("the device reported a failure although send_resp was false, as R-OPR.4 allows")
	})
}

// asyncCommand is the asynchronous command that this device offers, and its arguments.
func asyncCommand(c *harness.Case) (command string, args usp.Params) {
	args, err := dut.ParseArguments(c.Element(dut.RoleAsyncArguments))
	c.LabMust(err)
	return c.Element(dut.RoleAsyncCommand), args
}

// timer is the command that completes after a delay, by its path and by its name alone, and the input argument for the delay.
func timer(c *harness.Case) (command, name, delay string) {
	command = c.Element(dut.RoleTimer)
	_, name = usp.SplitName(command)
	return command, name, c.Element(dut.RoleTimerDelay)
}

// operateWithArguments is 1.79: a command with an input argument, here a timer of 30 s, which must not complete early.
func operateWithArguments(c *harness.Case) {
	const delay = 30 * time.Second
	timer, _, seconds := timer(c)
	key := c.Fresh("operate")
	id := c.SubscribeToCompletion(timer)
	mark := c.Journal.Mark()
	c.Step(1, "operate %s with a delay of 30 s and command_key %q", timer, key)
	operated := c.Agent.Operate(c, timer, key, usp.Params{seconds: "30"})
	if !judgeRequest(c, operated, timer) {
		return
	}
	c.Step(3, "wait for the OperationComplete")
	c.Metric(2, func(m *harness.Metric) {
		done := mustComplete(c, m, mark, id, timer, key)
		if !c.Strict("timer-not-early") {
			m.Must(c.NotEarlier("time to the OperationComplete", operated.SentAt, done.At, delay))
		}
	})
}

// executed are the names, beside its bare one, by which a result may tell of a command.
func executed(c *harness.Case, command string) []string {
	if c.Strict("command-without-its-path") {
		return nil
	}
	return []string{command}
}

// operateUnknownArgument is 1.91. The timer has run out when the case ends.
func operateUnknownArgument(c *harness.Case) {
	const delay = 10 * time.Second
	timer, name, seconds := timer(c)
	c.Step(1, "operate %s with an argument that it does not have", timer)
	operated := c.Agent.Operate(c, timer, "", usp.Params{seconds: "10", "InvalidArgument": "2"})
	var request string
	if !c.Metric(1, func(m *harness.Metric) {
		result, err := expect.OneOperation(operated, name, executed(c, timer)...)
		m.Must(err, operated.Evidence())
		m.Must(expect.RequestPath(result))
		request = expect.WithoutDot(result.GetReqObjPath()) + "."
	}) {
		return
	}
	c.Step(3, "let the timer run out")
	c.Pause(c.Scaled(delay))
	_ = c.Eventually(delay, func() error { // while it runs, the device may refuse another one with the same command_key
		status, err := c.Read(request + "Status")
		if err == nil && slices.Contains([]string{"Requested", "Active", "Canceling"}, status) {
			return fmt.Errorf("%s is %s", request, status)
		}
		return nil
	})
}

// operateMissingArgument is 1.100. The command key is of this run alone: with it, a Notify counts under the ID of any Subscription. Timers
// of other cases, which have command keys of their own, do not count.
func operateMissingArgument(c *harness.Case) {
	timer, name, _ := timer(c)
	key := c.Fresh("operate")
	id := c.SubscribeToCompletion(timer)
	mark := c.Journal.Mark()
	c.Step(1, "operate %s without its mandatory argument", timer)
	operated := c.Agent.Operate(c, timer, key, nil)
	if !c.Metric(1, func(m *harness.Metric) {
		result, err := expect.OneOperation(operated, name, executed(c, timer)...)
		m.Must(err, operated.Evidence())
		m.Must(expect.CommandFailure(result, usp.CodeInvalidCommandArguments))
	}) {
		return
	}
	c.Step(2, "watch for an OperationComplete")
	c.Metric(2, func(m *harness.Metric) {
		c.MustBeQuiet(m, "OperationComplete Notifies of the command", 120*time.Second, mark, c.Agent.NotifyEvent(func(n *usppb.Notify) error {
			done := n.GetOperComplete()
			keyless := done.GetCommandKey() == "" && n.GetSubscriptionId() == id && done.GetCommandName() == name
			if done.GetCommandKey() == key || keyless {
				return nil
			}
			return journal.ErrSkip
		}))
	})
}

// judgeRequest judges in metric 1 that a command has begun and is named as a Request.
func judgeRequest(c *harness.Case, operated *controller.Reply, command string) (passed bool) {
	return c.Metric(1, func(m *harness.Metric) {
		result, err := expect.OneOperation(operated, command)
		m.Must(err, operated.Evidence())
		m.Must(expect.RequestPath(result))
	})
}

// mustComplete wants the OperationComplete of a command after mark, and returns it.
func mustComplete(c *harness.Case, m *harness.Metric, mark journal.Mark, id, command, key string) *controller.Message {
	done, err := c.AwaitCompletion(harness.Wait{D: c.Scaled(30*time.Second) + c.NotifyWait().D}, mark, id, command, key)
	m.Must(err, mark)
	m.Saw(done.Seq)
	return done
}
