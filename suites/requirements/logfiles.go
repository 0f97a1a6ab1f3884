package requirements

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

const (
	logFiles    = "Device.DeviceInfo.VendorLogFile."
	uploadPath  = "/r-opr-2"
	uploadDelay = 2 * time.Second // of the server's answers
)

// requestEach is R-OPR.2. The log files of the device are uploaded to a server that takes its time, so that the commands are under way
// together.
func requestEach(c *harness.Case) {
	listed := c.Agent.GetInstances(c, true, logFiles)
	rows, err := expect.OneInstances(listed, logFiles)
	if !described(c, logFiles+"{i}.", "Upload()") || err != nil || len(rows) < 2 {
		c.Unsupported("the device has no two vendor log files with Upload(), and no other asynchronous command in a table is harmless")
	}
	command := logFiles + "*.Upload()"
	c.Step(1, "operate %s, with a server that answers after %s", command, uploadDelay)
	key := c.Fresh("upload")
	c.Cleanup("wait until the uploads have ended", func(ctx context.Context) error { return uploadsEnd(ctx, c, key) })
	c.HTTP().Delay(uploadDelay)
	operated := c.Agent.Operate(c, command, key, usp.Params{"URL": c.HTTP().URL + uploadPath})
	requests := map[string]string{} // the Request of each command
	if !c.Metric(1, func(m *harness.Metric) {
		m.Must(expect.Type(operated, usp.OperateResp), operated.Evidence())
		owner := map[string]string{}
		var want, executed []string
		for _, row := range rows {
			want = append(want, row+"Upload()")
		}
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
		m.Must(expect.SameSet("operation_results: executed_command", want, executed))
	}) {
		return
	}
	if len(requests) < 2 {
		c.NotApplicable(2, fmt.Sprintf("the device runs %d of the commands", len(requests)))
		return
	}
	c.Step(2, "get the Request of each")
	c.Metric(2, func(m *harness.Metric) {
		for _, name := range usp.Params(requests).Names() {
			got, err := c.Read(expect.WithoutDot(requests[name]) + ".Command")
			m.Must(err)
			m.Must(expect.Equal(requests[name]+"Command", name, got), c.Journal.Mark())
		}
	})
}

// uploadsEnd waits until the commands with a command_key have no Request any more.
func uploadsEnd(ctx context.Context, c *harness.Case, key string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*uploadDelay)
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
