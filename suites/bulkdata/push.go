package bulkdata

import (
	"fmt"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

const push = "Push!"

// pushed is 10.10: reports come as Push! events of the profile.
func pushed(c *harness.Case) {
	every, name := interval(c), encodingType(c)
	profile := addProfile(c, every, usp.Params{"Protocol": "USPEventNotif", "EncodingType": name})
	format := encodingOf(c, profile, name)
	c.Step(5, "add an Event Subscription to %s%s", profile, push)
	_, id := c.Subscribe(usp.Params{"NotifType": "Event", "ReferenceList": profile + push})
	c.SettleSubscription()
	c.Step(6, "enable bulk data and the profile")
	mark := enable(c, profile)
	c.Step(7, "wait for two events")
	var reports []*journal.Event
	if !c.Metric(1, func(m *harness.Metric) {
		var err error
		reports, err = twoReports(c, push+" events", every, mark, isPush(id, profile))
		for _, e := range reports {
			m.Must(nil, e.Seq)
		}
		m.Must(err)
	}) {
		return
	}
	data := func(e *journal.Event) []byte { return []byte(pushOf(e).GetParams()["Data"]) }
	where := func(i int) string { return fmt.Sprintf("Data of %s %d", push, i+1) }
	if !c.Metric(2, func(m *harness.Metric) {
		for i, e := range reports {
			m.Must(expect.Contains(fmt.Sprintf("params of %s %d", push, i+1), []string{"Data"}, usp.Params(pushOf(e).GetParams()).Names()), e.Seq)
			judgeEncoding(m, where(i), format, data(e), e.Seq)
		}
	}) {
		return
	}
	c.Metric(3, func(m *harness.Metric) {
		for i, e := range reports {
			judgeReport(m, where(i), format, data(e), e.Seq)
		}
	})
}

// encodingType is JSON, or CSV on a device that does not offer JSON.
func encodingType(c *harness.Case) string {
	const param = bulkData + "EncodingTypes"
	list, err := c.Read(param)
	c.DeviceMust(err)
	for _, name := range []string{"JSON", "CSV"} {
		if offered(list, name) {
			return name
		}
	}
	c.DeviceMust(&usp.Mismatch{Where: param, Want: "JSON or CSV among them", Got: usp.Quote(list)})
	return ""
}

// encodingOf reads transfers of a profile.
func encodingOf(c *harness.Case, profile, encodingType string) encoding {
	if encodingType == "JSON" {
		return jsonEncoding{byLetter: c.Strict("report-envelope")}
	}
	object := profile + "CSVEncoding."
	values, err := c.ReadAll(object)
	c.DeviceMust(err)
	e := newCSV(values[object+"FieldSeparator"], values[object+"RowSeparator"], values[object+"EscapeCharacter"])
	e.byLetter = c.Strict("report-envelope")
	return e
}

// isPush says whether an event is a Notify that brings the Push! of a profile.
func isPush(subscription, profile string) func(*journal.Event) bool {
	return func(e *journal.Event) bool {
		m, ok := e.Body.(*controller.Message)
		if !ok || e.Dir != journal.In || m.GetBody().GetRequest().GetNotify().GetSubscriptionId() != subscription {
			return false
		}
		event := pushOf(e)
		return event.GetObjPath() == profile && event.GetEventName() == push
	}
}

// pushOf returns the event that a Notify brings, or nil when it brings something else.
func pushOf(e *journal.Event) *usppb.Notify_Event {
	return e.Body.(*controller.Message).GetBody().GetRequest().GetNotify().GetEvent()
}
