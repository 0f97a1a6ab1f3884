package requirements

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// How long the two commands run that are under way at the same time.
const (
	longer  = 10 * time.Second
	shorter = 8 * time.Second
)

// operations is R-OPR.1 and what else TR-369 says of a command on several objects, and of two commands that run at the same time.
func operations(c *harness.Case) {
	const onBoard = "SendOnBoardRequest()"
	c.Step(1, "add two Controllers that are not enabled, and give them and the own one the same ProvisioningCode")
	own, err := c.ControllerRow()
	c.DeviceMust(err)
	if _, err := c.Read(own + "OnBoardingComplete"); err == nil {
		c.Restore(own, "OnBoardingComplete")
	}
	c.Restore(own, "ProvisioningCode")
	code := c.Fresh("operate")
	c.Set(own, usp.Params{"ProvisioningCode": code})
	commands := []string{own + onBoard}
	for range 2 {
		disabled := usp.Params{"EndpointID": "proto::" + c.Fresh("controller"), "Enable": "false", "ProvisioningCode": code}
		commands = append(commands, c.Add(controllers, disabled, nil).Path+onBoard)
	}

	command := fmt.Sprintf("%s[ProvisioningCode==%q].%s", controllers, code, onBoard)
	c.Step(2, "operate %s", command)
	operated := c.Agent.Operate(c, command, c.Fresh("operate"), nil)
	results := operated.Body().GetResponse().GetOperateResp().GetOperationResults()
	if !c.Metric(1, func(m *harness.Metric) {
		m.Must(expect.Type(operated, usp.OperateResp), operated.Evidence())
		var executed []string
		for _, r := range results {
			executed = append(executed, r.GetExecutedCommand())
		}
		m.Must(expect.SameSet("operation_results: executed_command", commands, executed))
		m.Must(expect.Count("OperateResp: number of operation_results", len(commands), len(results)))
	}) {
		c.NotApplicable(2, "the OperateResp does not have one result for each object")
	} else {
		c.Metric(2, func(m *harness.Metric) {
			for _, r := range results {
				if r.GetExecutedCommand() == commands[0] {
					where, failure := "result of "+commands[0]+": cmd_failure", r.GetCmdFailure()
					m.Must(expect.NoError(where, failure.GetErrCode(), failure.GetErrMsg()), operated.Evidence())
				}
			}
			if !slices.ContainsFunc(results, func(r *usppb.OperateResp_OperationResult) bool { return r.GetCmdFailure() != nil }) {
				m.Note("the command failed on none of the objects, not even those that are not enabled")
			}
		})
	}
	nobody := fmt.Sprintf("%s[ProvisioningCode==%q].%s", controllers, c.Fresh("nobody"), onBoard)
	c.Step(3, "operate %s", nobody)
	unmatched := c.Agent.Operate(c, nobody, c.Fresh("operate"), nil)
	c.Metric(5, func(m *harness.Metric) {
		m.Must(expect.Type(unmatched, usp.OperateResp), unmatched.Evidence())
		for _, r := range unmatched.Body().GetResponse().GetOperateResp().GetOperationResults() {
			failure := r.GetCmdFailure()
			m.Must(expect.NoError("operation_results: cmd_failure", failure.GetErrCode(), failure.GetErrMsg()), unmatched.Evidence())
			if slices.Contains(commands, r.GetExecutedCommand()) {
				m.Must(expect.Nothing("commands that ran although no Controller meets the search", r.GetExecutedCommand()), unmatched.Evidence())
			}
		}
	})
	concurrent(c)
}

// concurrent runs two timers at the same time, and judges in metric 3 that the second does not cancel the first, and in metric 4 that each
// has a Request of its own. The device may refuse the second, or have it wait.
func concurrent(c *harness.Case) {
	timer, delay := c.Element(dut.RoleTimer), c.Element(dut.RoleTimerDelay)
	id := c.SubscribeToCompletion(timer)
	start := func(d time.Duration) (operated *controller.Reply, key, row string, err error) {
		key = c.Fresh("operate")
		operated = c.Agent.Operate(c, timer, key, usp.Params{delay: strconv.Itoa(int(d.Seconds()))})
		result, err := expect.OneOperation(operated, timer)
		if err == nil {
			err = expect.RequestPath(result)
		}
		return operated, key, expect.WithoutDot(result.GetReqObjPath()), err
	}
	c.Step(4, "operate %s twice, with delays of %s and %s", timer, longer, shorter)
	first, key, row, err := start(longer)
	c.DeviceMust(err)
	second, nextKey, nextRow, err := start(shorter)
	c.DeviceMust(expect.Type(second, usp.OperateResp))
	refused := err != nil
	if refused {
		c.NotApplicable(4, fmt.Sprintf("the device does not run the second command, as it may: %v", err))
	} else {
		c.Metric(4, func(m *harness.Metric) {
			m.Must(expect.NotEqual("req_obj_path of the second command", row, nextRow), first.Evidence(), second.Evidence())
		})
	}
	c.Step(5, "wait for the OperationComplete of each")
	wait := harness.Wait{D: c.Scaled(longer+shorter) + c.NotifyWait().D}
	c.Metric(3, func(m *harness.Metric) {
		keys := []string{key}
		if !refused {
			keys = append(keys, nextKey)
		}
		for _, key := range keys {
			done, err := c.AwaitCompletion(wait, first.Sent, id, timer, key)
			m.Must(err, first.Sent, second.Sent)
			failure := done.GetBody().GetRequest().GetNotify().GetOperComplete().GetCmdFailure()
			m.Must(expect.NoError("oper_complete.cmd_failure of "+key, failure.GetErrCode(), failure.GetErrMsg()), done.Seq)
		}
	})
}
