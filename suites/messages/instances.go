package messages

import (
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

const controllers = "Device.LocalAgent.Controller."

// instancesOfOneTable is 1.66: first_level_only leaves out the tables inside the rows. It means something only when there is such a row.
func instancesOfOneTable(c *harness.Case) {
	nested := false
	for _, path := range instancesBelow(c, controllers) {
		nested = nested || schemaOf(path) != controllers+"{i}."
	}
	if !nested {
		c.Note("no row of %s holds a row of a nested table, so metric 2 proves little", controllers)
	}
	c.Step(1, "get the instances of %s, first_level_only", controllers)
	got := c.Agent.GetInstances(c, true, controllers)
	var rows []*usppb.GetInstancesResp_CurrInstance
	if !c.Metric(1, func(m *harness.Metric) {
		m.Must(expect.Type(got, usp.GetInstancesResp), got.Evidence())
		results := got.Body().GetResponse().GetGetInstancesResp().GetReqPathResults()
		m.Must(expect.Count("number of req_path_results", 1, len(results)))
		m.Must(expect.Equal("requested_path", controllers, results[0].GetRequestedPath()))
		m.Must(expect.NoError("req_path_results[0].err_code", results[0].GetErrCode(), results[0].GetErrMsg()))
		rows = results[0].GetCurrInsts()
		m.Must(expect.AtLeast("number of curr_insts", 1, len(rows)))
	}) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		for _, row := range rows {
			m.Must(expect.Equal("curr_insts: instantiated_obj_path", controllers+"{i}.", schemaOf(row.GetInstantiatedObjPath())), got.Evidence())
		}
	})
}
