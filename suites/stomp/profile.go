package stomp

import (
	"slices"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// profileParameters are what the profiles STOMPConn:1 and STOMPController:1 of TR-181 ask for.
func profileParameters() map[string][]string {
	return map[string][]string{
		"Device.LocalAgent.Controller.{i}.MTP.{i}.STOMP.": {"Reference", "Destination"},
		"Device.STOMP.": {"ConnectionNumberOfEntries"},
		connectionTable + "{i}.": {
			"Alias", "Enable", "Status", "Host", "Port", "VirtualHost", initialInterval, intervalMultiplier, maxInterval,
		},
	}
}

// requiredProfiles is 6.1.
func requiredProfiles(c *harness.Case) {
	asked := []string{"Device.STOMP.", harness.LocalAgent}
	c.Step(1, "get the supported data model of %s and %s", asked[0], asked[1])
	got := c.Agent.GetSupportedDM(c, &usppb.GetSupportedDM{ObjPaths: asked, ReturnParams: true})
	if !c.Answered(1, got, usp.GetSupportedDMResp) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		has := map[string]bool{}
		for _, q := range got.Body().GetResponse().GetGetSupportedDmResp().GetReqObjResults() {
			m.Must(expect.NoError("GetSupportedDM of "+usp.Quote(q.GetReqObjPath()), q.GetErrCode(), q.GetErrMsg()), got.Evidence())
			for _, o := range q.GetSupportedObjs() {
				for _, p := range o.GetSupportedParams() {
					has[o.GetSupportedObjPath()+p.GetParamName()] = true
				}
			}
		}
		var missing []string
		for object, names := range profileParameters() {
			for _, name := range names {
				if !has[object+name] {
					missing = append(missing, object+name)
				}
			}
		}
		slices.Sort(missing)
		m.Must(expect.SameSet("parameters of the profiles that the GetSupportedDMResp lacks", nil, missing), got.Evidence())
	})
}
