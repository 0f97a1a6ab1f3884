package access

import (
	"fmt"
	"slices"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
)

const reboot = harness.Reboot

// operationAllowed is 2.17. As in 2.11, a Permission of lower Order first takes away what the one
// under test grants. The device must do it, and not only say so.
func operationAllowed(c *harness.Case) {
	own := ownRoles(c)
	if !own.withhold(reboot, usp.Params{"CommandEvent": "r---"}) || !rebootIsDenied(c) {
		c.Note("the right to run %s could not be taken away before, so metric 2 does not depend on the Permission under test", reboot)
	}

	own.orderByLetter()
	c.Step(1, "add a Permission to the Controller's Role that lets it run %s", reboot)
	if _, ok := c.Created(1, own.grant(reboot, usp.Params{"CommandEvent": "r-x-"})); !ok {
		return
	}
	c.Step(2, "run %s, send_resp true", reboot)
	c.ExpectRestart()
	mark := c.Journal.Mark()
	operated := c.Agent.Operate(c, reboot, c.Fresh("reboot"), nil)
	c.Metric(2, func(m *harness.Metric) {
		result, err := expect.OneOperation(operated, reboot)
		m.Must(err, operated.Evidence())
		m.Must(expect.OutputArgs(result))
		session, err := c.Reconnected(mark)
		m.Must(err)
		m.Saw(session.Seq)
	})
}

// rebootIsDenied tries the command that must be denied now. A device that runs it nevertheless is
// awaited.
func rebootIsDenied(c *harness.Case) bool {
	mark := c.Journal.Mark()
	operated := c.Agent.Operate(c, reboot, c.Fresh("denied"), nil)
	if operationIsDenied(operated, true) == nil {
		return true
	}
	c.ExpectRestart()
	c.BackAfter(mark)
	return false
}

// operationNotAllowed is 2.18. That the command works otherwise is 2.17's matter. The device must
// refuse it, and must not run it all the same.
func operationNotAllowed(c *harness.Case) {
	own := ownRoles(c)
	errorIsLawful := beforeUSP14(c)

	own.orderByLetter()
	c.Step(1, "add a Permission to the Controller's Role that denies it to run %s", reboot)
	denial := usp.Params{"CommandEvent": "r---"}
	if _, ok := c.Created(1, own.grant(reboot, denial)); !ok {
		return
	}
	own.withholdElsewhere(permission{reboot, denial})
	mark := c.Journal.Mark()
	operated := denyOperate(c)
	c.Metric(2, func(m *harness.Metric) {
		if err := operationIsDenied(operated, errorIsLawful); err != nil {
			c.ExpectRestart()
			m.Must(own.decides(err), operated.Evidence())
		}
		m.Saw(operated.Evidence())
		if operated.Type() == usp.Error.String() {
			m.Note("the device speaks USP 1.3 or earlier, where an Error is lawful")
		}
		session, err := c.Quiet("new session of the device, as after a restart", harness.GoingDown, mark, c.StartsSession)
		if session != nil {
			c.ExpectRestart()
			m.Must(err, session.Seq)
		}
		m.Must(staysUp(c, mark))
	})
}

// staysUp wants the device to answer, and to have begun no new session since mark: it may be back
// already.
func staysUp(c *harness.Case, mark journal.Mark) error {
	alive := c.Agent.Get(c, harness.EndpointID)
	err := expect.Type(alive, usp.GetResp)
	for _, e := range c.Journal.Since(mark) {
		if c.StartsSession(e) == nil {
			err = &usp.Mismatch{Where: "session of the device after the command was refused",
				Want: "the one that it had", Got: fmt.Sprintf("a new one (event %d)", e.Seq)}
		}
	}
	if err != nil {
		c.ExpectRestart()
	}
	return err
}

// denyOperate runs the command that must be denied. The plan prints send_resp false, with which an
// answer is not wanted (R-OPR.4).
func denyOperate(c *harness.Case) *controller.Reply {
	silent := c.Strict("denied-operate-without-response")
	c.Step(2, "run %s, send_resp %t", reboot, !silent)
	return c.Agent.Do(c, usp.NewOperate(c.Agent.NewMsgID(), reboot, c.Fresh("denied"), !silent, nil))
}

// operationIsDenied wants an OperateResp whose cmd_failure has a code for a command that is denied,
// or an Error with one, where that is lawful.
func operationIsDenied(operated *controller.Reply, errorIsLawful bool) error {
	if e := operated.Body().GetError(); e != nil && errorIsLawful {
		return deniesCommand("Error: err_code", e.GetErrCode())
	}
	result, err := expect.OneOperation(operated, reboot)
	if err != nil {
		return err
	}
	failure := result.GetCmdFailure()
	if failure == nil {
		return expect.CommandFailure(result, usp.CodePermissionDenied)
	}
	return deniesCommand("operation_results[0].cmd_failure: err_code", failure.GetErrCode())
}

// deniesCommand wants a code that a command which is denied can be refused with: the plan asks for
// an appropriate one.
func deniesCommand(where string, code uint32) error {
	got := usp.ErrCode(code)
	lawful := []usp.ErrCode{usp.CodePermissionDenied, usp.CodeRequestDenied, usp.CodeCommandFailure}
	if slices.Contains(lawful, got) || got.IsVendorDefined() {
		return nil
	}
	return &usp.Mismatch{Where: where, Got: got.String(),
		Want: fmt.Sprintf("%s, %s, %s or a code of the vendor", lawful[0], lawful[1], lawful[2])}
}

// beforeUSP14 reports whether the device supports no version of USP from 1.4 on, which decides how
// a denied command is answered.
func beforeUSP14(c *harness.Case) bool {
	got := c.Agent.GetSupportedProtocol(c, "1.0,1.1,1.2,1.3,1.4")
	c.DeviceMust(expect.Type(got, usp.GetSupportedProtocolResp))
	return newest(got.Body().GetResponse().GetGetSupportedProtocolResp().GetAgentSupportedProtocolVersions()) < 4
}
