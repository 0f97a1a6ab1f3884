package messages

import (
	"regexp"
	"strings"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// onBoarding is the on-boarding of the harness's own Controller row.
type onBoarding struct {
	c   *harness.Case
	row string
}

// ownOnBoarding finds the row. Whether it is on-boarded is put back at the end, where the device has the parameter; until a case begins its
// on-boarding it is, so that the device does not ask for it unbidden (R-NOT.5).
func ownOnBoarding(c *harness.Case) onBoarding {
	row, err := c.ControllerRow()
	c.DeviceMust(err)
	if _, err := c.Read(row + "OnBoardingComplete"); err == nil {
		c.Restore(row, "OnBoardingComplete")
		done := c.Agent.Set(c, false, usp.Update(row, usp.Params{"OnBoardingComplete": "true"}, nil))
		if err := expect.Type(done, usp.SetResp); err != nil {
			c.Note("OnBoardingComplete could not be set to true: %v", err)
		}
	}
	return onBoarding{c, row}
}

// request operates SendOnBoardRequest() and returns the mark before it.
func (o onBoarding) request() (mark journal.Mark) {
	mark, _ = o.c.OperateSilently(o.row+"SendOnBoardRequest()", o.c.Fresh("onboard"), nil)
	return mark
}

// await returns the first OnBoardRequest after mark.
func (o onBoarding) await(what string, patience harness.Wait, mark journal.Mark) (*controller.Message, error) {
	return o.c.AwaitNotify(what, patience, mark, isOnBoardRequest)
}

func isOnBoardRequest(n *usppb.Notify) error {
	if n.GetOnBoardReq() == nil {
		return journal.ErrSkip
	}
	return nil
}

// judge judges in metric n that the OnBoardRequest comes that was asked for, and returns it; nil when it does not.
func (o onBoarding) judge(n int, mark journal.Mark) (request *controller.Message) {
	o.c.Metric(n, func(m *harness.Metric) {
		var err error
		request, err = o.await("OnBoardRequest", o.c.NotifyWait(), mark)
		m.Must(err, mark)
		m.Saw(request.Seq)
	})
	return request
}

// mustBeQuiet wants no OnBoardRequest for a while after mark.
func (o onBoarding) mustBeQuiet(m *harness.Metric, window time.Duration, mark journal.Mark) {
	o.c.MustBeQuiet(m, "further OnBoardRequests", window, mark, o.c.Agent.NotifyEvent(isOnBoardRequest))
}

// onBoardRequest is 1.60. What the request says of the device is held against DeviceInfo, where that can be read.
func onBoardRequest(c *harness.Case) {
	o := ownOnBoarding(c)
	c.Step(1, "operate %sSendOnBoardRequest() without send_resp", o.row)
	mark := o.request()
	c.Metric(1, func(m *harness.Metric) {
		notify, err := o.await("OnBoardRequest", c.NotifyWait(), mark)
		m.Must(err, mark)
		n := notify.GetBody().GetRequest().GetNotify()
		m.Must(expect.Equal("subscription_id", "", n.GetSubscriptionId()), notify.Seq)
		told := n.GetOnBoardReq()
		if !ouiPattern.MatchString(told.GetOui()) {
			m.Must(&usp.Mismatch{Where: "on_board_req.oui", Want: "six hexadecimal digits", Got: usp.Quote(told.GetOui())})
		}
		for _, version := range strings.Split(told.GetAgentSupportedProtocolVersions(), ",") {
			if !protocolVersion.MatchString(strings.TrimSpace(version)) {
				m.Must(&usp.Mismatch{Where: "on_board_req.agent_supported_protocol_versions", Want: "USP versions separated by commas, such as 1.3,1.4",
					Got: usp.Quote(told.GetAgentSupportedProtocolVersions())})
			}
		}
		m.Must(o.sameAs("oui", "ManufacturerOUI", told.GetOui()))
		m.Must(o.sameAs("product_class", "ProductClass", told.GetProductClass()))
		m.Must(o.sameAs("serial_number", "SerialNumber", told.GetSerialNumber()))
	})
}

var ouiPattern = regexp.MustCompile(`^[0-9A-Fa-f]{6}$`)

// sameAs compares a field with the parameter of DeviceInfo that tells the same. One that cannot be read is not held against the device,
// but then the field must not be empty.
func (o onBoarding) sameAs(field, param, told string) error {
	value, err := o.c.Read("Device.DeviceInfo." + param)
	if err != nil {
		return expect.NotEqual("on_board_req."+field, "", told)
	}
	return expect.Equal("on_board_req."+field, value, told)
}

// onBoardingBegins is 1.101. An Agent may decide that on-boarding is complete as soon as its request is answered; so the parameter is read
// before that as well.
func onBoardingBegins(c *harness.Case) {
	o := ownOnBoarding(c)
	c.Agent.Withhold("")
	defer c.Agent.Acknowledge("")
	c.Step(1, "operate %sSendOnBoardRequest() without send_resp", o.row)
	request := o.judge(1, o.request())
	if request == nil {
		return
	}
	asked, err := c.Read(o.row + "OnBoardingComplete")
	c.DeviceMust(err)
	c.Step(3, "answer the OnBoardRequest")
	c.LabMust(c.Agent.AnswerNotify(c, request))
	c.Step(4, "get %sOnBoardingComplete", o.row)
	answered, err := c.Read(o.row + "OnBoardingComplete")
	c.DeviceMust(err)
	c.Metric(2, func(m *harness.Metric) {
		isFalse := func(value string) error {
			return expect.Value(o.row+"OnBoardingComplete", usp.TypeBoolean, "false", value)
		}
		if isFalse(asked) == nil && isFalse(answered) != nil && !c.Strict("on-boarding-completes-by-itself") {
			m.Note("the device completed the on-boarding by itself when its request was answered")
			return
		}
		m.Must(isFalse(answered), c.Journal.Mark())
	})
}

// completedByItself reports whether the Agent has taken its on-boarding for complete, as it may.
func (o onBoarding) completedByItself() bool {
	value, err := o.c.Read(o.row + "OnBoardingComplete")
	return err == nil && expect.Value("", usp.TypeBoolean, "true", value) == nil && !o.c.Strict("on-boarding-completes-by-itself")
}

// restartTime is what the cases set OnBoardingRestartTime to, and how far the request may come from it: the plan gives no tolerance.
const (
	restartTime      = time.Minute
	restartTolerance = 4 * time.Second
)

// onBoardingRestarts is 1.102.
func onBoardingRestarts(c *harness.Case) {
	o := ownOnBoarding(c)
	c.Restore(o.row, "OnBoardingRestartTime")
	c.Step(1, "set %sOnBoardingRestartTime to 60", o.row)
	assign(c, o.row, "OnBoardingRestartTime", "60")
	c.Step(2, "operate %sSendOnBoardRequest() without send_resp", o.row)
	first := o.judge(1, o.request())
	if first == nil {
		return
	}
	c.Step(5, "wait for the next OnBoardRequest")
	tolerance := c.ScaledTolerance(restartTolerance)
	second, err := o.await("further OnBoardRequest", harness.Wait{D: c.Scaled(restartTime) + 2*tolerance + c.Lag()}, first.Seq)
	if err != nil && o.completedByItself() {
		const why = "the device completed the on-boarding by itself when its request was answered, so that there is nothing to repeat"
		c.NotApplicable(2, why)
		c.NotApplicable(3, why)
		return
	}
	if !c.Metric(2, func(m *harness.Metric) {
		m.Must(err, first.Seq)
		m.Must(gap(c, "time to the next OnBoardRequest", first.At, second.At, c.Scaled(restartTime), c.Scaled(restartTime), tolerance), second.Seq)
	}) {
		return
	}
	c.Step(7, "set %sOnBoardingComplete to true", o.row)
	assign(c, o.row, "OnBoardingComplete", "true")
	mark := c.Journal.Mark()
	c.Step(8, "watch for a further OnBoardRequest")
	c.Metric(3, func(m *harness.Metric) { o.mustBeQuiet(m, restartTime+restartTolerance, mark) })
}

// onBoardingDoesNotRestart is 1.103.
func onBoardingDoesNotRestart(c *harness.Case) {
	o := ownOnBoarding(c)
	c.Restore(o.row, "OnBoardingRestartTime")
	c.Step(1, "set %sOnBoardingRestartTime to 0", o.row)
	assign(c, o.row, "OnBoardingRestartTime", "0")
	c.Step(2, "operate %sSendOnBoardRequest() without send_resp", o.row)
	first := o.judge(1, o.request())
	if first == nil {
		return
	}
	c.Step(5, "watch for a further OnBoardRequest")
	c.Metric(2, func(m *harness.Metric) { o.mustBeQuiet(m, restartTime, first.Seq) })
}
