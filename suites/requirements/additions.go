package requirements

import (
	"fmt"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// unsettable are optional parameters of a Subscription that cannot be set, each for another reason.
var unsettable = usp.Params{"UsptestUnknown": "1", "CreationDate": "2001-02-03T04:05:06Z", "TimeToLive": "many"}

// additions is R-ADD.4: optional parameters that cannot be set do not keep a row from being created, and the response names them all.
func additions(c *harness.Case) {
	add := func(partial bool) *controller.Reply {
		var objects []*usppb.Add_CreateObject
		for range 2 {
			optional := usp.Params{"Enable": "false", "NotifRetry": "true"}
			for name, value := range unsettable {
				optional[name] = value
			}
			objects = append(objects, usp.Create(subscriptions, usp.Params{"ID": c.Fresh("optional"), "NotifType": "ValueChange",
				"ReferenceList": subscriptionCount}, optional))
		}
		added := c.Agent.Add(c, partial, objects...)
		c.Owns(added)
		return added
	}

	c.Step(1, "add two Subscriptions with optional parameters that cannot be set: %s", strings.Join(unsettable.Names(), ", "))
	added := add(true)
	if expect.IsFull(added) {
		c.LabMust(fmt.Errorf("the device has no room for two rows of %s: make room in its configuration", subscriptions))
	}
	if !c.Metric(1, func(m *harness.Metric) { m.Must(namesFailed(added), added.Evidence()) }) {
		return
	}
	c.Metric(2, func(m *harness.Metric) { m.Must(saysWhy(added), added.Evidence()) })
	c.Metric(3, func(m *harness.Metric) {
		for _, row := range usp.CreatedBy(added.Msg) {
			values, err := c.ReadAll(row.Path)
			m.Must(err, added.Evidence())
			m.Must(expect.Values(values, row.Path, usp.Params{"NotifType": "ValueChange", "NotifRetry": "true"},
				expect.Types{"NotifRetry": usp.TypeBoolean}), c.Journal.Mark())
		}
	})

	var rows []string // a device may have no room for four
	for _, row := range usp.CreatedBy(added.Msg) {
		rows = append(rows, row.Path)
	}
	c.DeviceMust(expect.Type(c.Agent.Delete(c, false, rows...), usp.DeleteResp))
	c.Step(2, "delete them, and add two more, with allow_partial false")
	whole := add(false)
	c.Metric(4, func(m *harness.Metric) { m.Must(namesFailed(whole), whole.Evidence()) })
}

// namesFailed wants an AddResp with two new rows, each with a parameter error for every unsettable parameter and for no other one.
func namesFailed(added *controller.Reply) error {
	if err := expect.Type(added, usp.AddResp); err != nil {
		return err
	}
	results := added.Body().GetResponse().GetAddResp().GetCreatedObjResults()
	if err := expect.Count("AddResp: number of created_obj_results", 2, len(results)); err != nil {
		return err
	}
	for i, result := range results {
		where := fmt.Sprintf("created_obj_results[%d].oper_status", i)
		ok := result.GetOperStatus().GetOperSuccess()
		if ok == nil {
			failure := result.GetOperStatus().GetOperFailure()
			return &usp.Mismatch{Where: where, Want: "oper_success, since no required parameter fails",
				Got: fmt.Sprintf("oper_failure %s %s", usp.ErrCode(failure.GetErrCode()), usp.Quote(failure.GetErrMsg()))}
		}
		var named []string
		for _, e := range ok.GetParamErrs() {
			named = append(named, e.GetParam())
		}
		if err := expect.SameSet(where+".oper_success.param_errs: param", unsettable.Names(), named); err != nil {
			return err
		}
	}
	return nil
}

// saysWhy wants a code that an Add may have for every parameter that failed.
func saysWhy(added *controller.Reply) error {
	for i, result := range added.Body().GetResponse().GetAddResp().GetCreatedObjResults() {
		for _, e := range result.GetOperStatus().GetOperSuccess().GetParamErrs() {
			where := fmt.Sprintf("created_obj_results[%d]: param_errs for %s: err_code", i, usp.Quote(e.GetParam()))
			if err := expect.Code(where, e.GetErrCode(), usp.Add); err != nil {
				return err
			}
		}
	}
	return nil
}
