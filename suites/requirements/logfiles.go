package requirements

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
)

const (
	logFiles       = "Device.DeviceInfo.VendorLogFile."
	uploadPath     = "/r-opr-2"
	uploadPatience = 20 * time.Second // for the end of uploads whose answers are there
)

// requestEach is R-OPR.2. The log files of the device are uploaded to a server that holds its answers back, so that the commands are under
// way together. Those that fail all the same are at an end, and their Requests are gone (R-OPR.0).
func requestEach(c *harness.Case) {
	c.Uses(plan.NeedNotify)
	listed := c.Agent.GetInstances(c, true, logFiles)
	rows, err := expect.OneInstances(listed, logFiles)
	if !described(c, logFiles+"{i}.", "Upload()") || err != nil || len(rows) < 2 {
		c.Unsupported("the device has no two vendor log files with Upload(), and no other asynchronous command in a table is harmless")
	}
	command := logFiles + "*.Upload()"
	c.Step(1, "subscribe to the OperationComplete of %s, and operate it, with a server that holds its answers back", command)
	var each []string
	for _, row := range rows {
		each = append(each, row+"Upload()")
	}
	id := c.SubscribeToCompletion(strings.Join(each, ","))
	key := c.Fresh("upload")
	c.Cleanup("wait until the uploads have ended", func(ctx context.Context) error { return uploadsEnd(ctx, c, key) })
	c.Cleanup("answer the uploads", func(context.Context) error {
		c.HTTP().Release()
		return nil
	})
	c.HTTP().Hold()
	operated := c.Agent.Operate(c, command, key, usp.Params{"URL": c.HTTP().URL + uploadPath})
	requests := map[string]string{} // the Request of each command
	if !c.Metric(1, func(m *harness.Metric) {
		m.Must(expect.Type(operated, usp.OperateResp), operated.Evidence())
		owner := map[string]string{}
		var executed []string
		for _, r := range operated.Body().GetResponse().GetOperateResp().GetOperationResults() {
			executed = append(executed, r.GetExecutedCommand())
			if f := r.GetCmdFailure(); f != nil {
				m.Note("%s: cmd_failure %d, as where the device runs one at a time", r.GetExecutedCommand(), f.GetErrCode())
				continue
			}
			m.Must(expect.RequestPath(r))
			request := r.GetReqObjPath()
			if other, taken := owner[request]; taken {
				m.Must(&usp.Mismatch{Where: "req_obj_path of " + r.GetExecutedCommand(), Want: "a Request of its own",
					Got: request + ", as for " + other})
			}
			owner[request], requests[r.GetExecutedCommand()] = r.GetExecutedCommand(), request
		}
		m.Must(expect.SameSet("operation_results: executed_command", each, executed))
	}) {
		return
	}
	if len(requests) < 2 {
		c.NotApplicable(2, fmt.Sprintf("the device runs %d of the commands", len(requests)))
		return
	}
	c.Step(2, "get the Request of each")
	c.Metric(2, func(m *harness.Metric) {
		found := usp.Params{}
		for _, name := range usp.Params(requests).Names() {
			got, err := c.Read(expect.WithoutDot(requests[name]) + ".Command")
			if err == nil {
				found[name] = got
				continue
			}
			_, unfinished := c.AwaitCompletion(c.NotifyWait(), operated.Sent, id, name, key)
			if unfinished != nil {
				m.Must(err, operated.Evidence())
			}
			m.Note("%s has ended without an answer of the server, and its Request is gone", name)
		}
		for _, name := range found.Names() {
			m.Must(expect.Equal(requests[name]+"Command", name, found[name]), c.Journal.Mark())
		}
	})
}

// uploadsEnd waits until the commands with a command_key have no Request any more.
func uploadsEnd(ctx context.Context, c *harness.Case, key string) error {
	ctx, cancel := context.WithTimeout(ctx, uploadPatience)
	defer cancel()
	for {
		running := fmt.Sprintf("%sRequest.[CommandKey==%q].Command", localAgent, key)
		q, err := expect.OneResult(c.Agent.Get(ctx, running), running)
		if err == nil && len(q.GetResolvedPathResults()) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, errors.New("uploads of the check still run"))
		case <-time.After(c.Scaled(time.Second)):
		}
	}
}
