package functionality

import (
	"context"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// newController is 9.9: a Controller that is added by hand gets its OnBoardRequest.
func newController(c *harness.Case) {
	c.Uses(plan.NeedNotify)
	own, err := c.ControllerRow()
	c.DeviceMust(err)
	complete, err := c.Read(own + "OnBoardingComplete")
	ownIsDue := err == nil && expect.Value("", usp.TypeBoolean, "true", complete) != nil // it may get a request at any time
	c.Step(1, "add a Controller")
	c.Step(2, "add its MTP")
	mark := c.Journal.Mark()
	second, row, err := c.NewController()
	if !c.Metric(1, func(m *harness.Metric) { m.Must(err, mark) }) {
		return
	}
	settleAnswered(c, second, mark)
	command := row + "SendOnBoardRequest()"
	c.Step(3, "operate %s", command)
	mark, _ = c.OperateSilently(command, c.Fresh("onboard"), nil)
	c.Step(4, "wait for the OnBoardRequest, and answer it")
	var request *controller.Message
	if c.Metric(2, func(m *harness.Metric) {
		ctx, cancel := context.WithTimeout(c, c.NotifyWait().D)
		defer cancel()
		request, err = second.AwaitNotify(ctx, mark, isOnBoardRequest)
		m.Must(err, mark)
		m.Saw(request.Seq)
	}) {
		c.Beyond("R-NOT.7", func(m *harness.Metric) {
			m.Must(expect.Equal("subscription_id", "", request.GetBody().GetRequest().GetNotify().GetSubscriptionId()), request.Seq)
		})
		c.Beyond("TR-369, OnBoardRequest", func(m *harness.Metric) { m.Must(toldRightly(c, request), request.Seq) })
		if !ownIsDue {
			c.Beyond("R-NOT.5", func(m *harness.Metric) {
				for _, e := range c.Journal.Since(mark) {
					if c.Agent.NotifyEvent(isOnBoardRequest)(e) == nil {
						m.Must(expect.Nothing("OnBoardRequest to another Controller than the one of the command", e.Text), mark, e.Seq)
					}
				}
			})
		}
		if !usp.EarlierVersion(c.Agent.Speaks(), "1.4") {
			settleAnswered(c, second, mark)
			retriedUntilAnswered(c, second, command)
		}
	}
}

// retriedUntilAnswered wants an OnBoardRequest that the second Controller does not answer to be sent again, and none that it has answered.
func retriedUntilAnswered(c *harness.Case, second *controller.Controller, command string) {
	answered := map[string]bool{} // by msg_id: that of the command before, and any that came unasked
	for _, e := range c.Journal.Since(0) {
		if second.NotifyEvent(isOnBoardRequest)(e) == nil {
			answered[e.Body.(*controller.Message).GetHeader().GetMsgId()] = true
		}
	}
	second.Withhold("")
	defer second.Acknowledge("")
	mark, _ := c.OperateSilently(command, c.Fresh("onboard"), nil)
	wait := func(d time.Duration) (*controller.Message, error) {
		ctx, cancel := context.WithTimeout(c, d)
		defer cancel()
		return second.AwaitNotify(ctx, mark, isOnBoardRequest)
	}
	c.Beyond("R-NOT.6a", func(m *harness.Metric) {
		first, err := wait(c.NotifyWait().D)
		m.Must(err, mark)
		mark = first.Seq
		again, err := wait(c.Scaled(firstRetryMost) + c.Waits().Tolerance + c.Lag())
		if err != nil {
			err = &usp.Mismatch{Where: "OnBoardRequest that is not answered", Want: "another one after 5 to 10 s", Got: "none"}
		}
		m.Must(err, first.Seq)
		m.Must(second.AnswerNotify(c, again))
		answered[again.GetHeader().GetMsgId()] = true
		told := second.Get(c, harness.EndpointID)
		c.DeviceMust(expect.Type(told, usp.GetResp)) // it has had the NotifyResp
		c.MustBeQuiet(m, "further OnBoardRequests of a msg_id that was answered", secondRetryMost, told.Seq, func(e *journal.Event) error {
			if second.NotifyEvent(isOnBoardRequest)(e) != nil || !answered[e.Body.(*controller.Message).GetHeader().GetMsgId()] {
				return journal.ErrSkip // another one may be due
			}
			return nil
		})
	})
}

// The longest waits before the first and the second retry of a Notify, with the defaults of a new Controller (R-NOT.1).
const (
	firstRetryMost  = 10 * time.Second
	secondRetryMost = 20 * time.Second
)

// settleAnswered waits until the OnBoardRequests that the Agent has sent since mark are acknowledged: until then a command may send no other.
func settleAnswered(c *harness.Case, second *controller.Controller, mark journal.Mark) {
	for _, e := range c.Journal.Since(mark) {
		if second.NotifyEvent(isOnBoardRequest)(e) != nil {
			continue
		}
		request := e.Body.(*controller.Message)
		if !request.GetBody().GetRequest().GetNotify().GetSendResp() {
			continue // nor is it retried
		}
		id := request.GetHeader().GetMsgId()
		_, err := c.Await("NotifyResp of the harness", c.ResponseWait(), e.Seq, func(e *journal.Event) error {
			if m, ok := e.Body.(*controller.Message); ok && e.Dir == journal.Out && m.GetHeader().GetMsgId() == id {
				return nil
			}
			return journal.ErrSkip
		})
		c.LabMust(err)
		c.DeviceMust(expect.Type(second.Get(c, harness.EndpointID), usp.GetResp)) // it has had the NotifyResp
	}
}

func isOnBoardRequest(n *usppb.Notify) error {
	if n.GetOnBoardReq() == nil {
		return journal.ErrSkip
	}
	return nil
}

// toldRightly holds what an OnBoardRequest says of the device against DeviceInfo, as far as that can be read.
func toldRightly(c *harness.Case, m *controller.Message) error {
	request := m.GetBody().GetRequest().GetNotify().GetOnBoardReq()
	for param, told := range map[string]string{"ManufacturerOUI": request.GetOui(), "ProductClass": request.GetProductClass(), "SerialNumber": request.GetSerialNumber()} {
		if value, err := c.Read("Device.DeviceInfo." + param); err == nil {
			if err := expect.Equal("OnBoardRequest, "+param, value, told); err != nil {
				return err
			}
		}
	}
	return nil
}
