package messages

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

const (
	controllers = localAgent + "Controller."
	mtps        = localAgent + "MTP."
)

// instancesOfOneTable is 1.66: first_level_only leaves out the tables inside the rows. It means something only when there is such a row.
func instancesOfOneTable(c *harness.Case) {
	noteNestedRows(c, "metric 2", instantiated(c, controllers))
	c.Step(1, "get the instances of %s, first_level_only", controllers)
	got := c.Agent.GetInstances(c, true, controllers)
	var rows []string
	if !c.Metric(1, func(m *harness.Metric) {
		m.Must(expect.Type(got, usp.GetInstancesResp), got.Evidence())
		var err error
		rows, err = expect.OneInstances(got, controllers)
		m.Must(err)
		m.Must(expect.AtLeast("number of curr_insts", 1, len(rows)))
	}) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		for _, row := range rows {
			m.Must(expect.Equal("curr_insts: instantiated_obj_path", controllers+"{i}.", schemaOf(row)), got.Evidence())
		}
	})
}

// instancesOfNestedTables is 1.67: without first_level_only the rows of the tables inside the rows are there too. What must be there is
// known from a Get.
func instancesOfNestedTables(c *harness.Case) {
	want := instantiated(c, controllers)
	noteNestedRows(c, "metric 1", want)
	model := supported(c, controllers)
	c.Step(1, "get the instances of %s and of everything below", controllers)
	got := c.Agent.GetInstances(c, false, controllers)
	c.Metric(1, func(m *harness.Metric) {
		rows, err := expect.OneInstances(got, controllers)
		m.Must(err, got.Evidence())
		m.Must(expect.Contains("curr_insts", want, rows))
		m.Must(noOtherRows(rows, want, model))
	})
}

// noOtherRows wants no row that a Get would have to show but does not. One without readable parameters is never seen in a Get.
func noOtherRows(rows, seen []string, model dataModel) error {
	for _, row := range rows {
		object, known := model[schemaOf(row)]
		if !known || !slices.Contains(seen, row) && len(readableParams(object)) > 0 {
			return &usp.Mismatch{Where: "curr_insts: instantiated_obj_path", Want: "only rows that a Get shows", Got: usp.Quote(row)}
		}
	}
	return nil
}

// instancesOfTwoTables is 1.68. The results may be in any order.
func instancesOfTwoTables(c *harness.Case) {
	tables := []string{controllers, mtps}
	c.Step(1, "get the instances of %s, first_level_only", strings.Join(tables, " and "))
	got := c.Agent.GetInstances(c, true, tables...)
	if !c.Metric(1, func(m *harness.Metric) {
		m.Must(expect.Type(got, usp.GetInstancesResp), got.Evidence())
		var paths []string
		for _, q := range instanceResults(got) {
			paths = append(paths, q.GetRequestedPath())
		}
		m.Must(expect.SameSet("requested_path of each req_path_results", tables, paths))
	}) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		for _, q := range instanceResults(got) {
			where := "result for " + q.GetRequestedPath()
			m.Must(expect.NoError(where+": err_code", q.GetErrCode(), q.GetErrMsg()), got.Evidence())
			m.Must(expect.AtLeast(where+": number of curr_insts", 1, len(q.GetCurrInsts())))
			seen := map[string]bool{}
			for _, i := range q.GetCurrInsts() {
				row := i.GetInstantiatedObjPath()
				m.Must(expect.Equal(where+": instantiated_obj_path", q.GetRequestedPath()+"{i}.", schemaOf(row)))
				if seen[row] {
					m.Must(&usp.Mismatch{Where: where + ": instantiated_obj_path", Want: "every instance once", Got: usp.Quote(row) + " twice"})
				}
				seen[row] = true
			}
		}
	})
}

// instancesByWildcard is 1.70: the wildcard stands for every Controller, of which any may have no MTP. Where none has one, as on a device
// that is dialled, the case adds one.
func instancesByWildcard(c *harness.Case) {
	const path = controllers + "*.MTP."
	want := controllerMTPs(c)
	if len(want) == 0 {
		c.LabMust(addControllerMTP(c))
		want = controllerMTPs(c)
	}
	c.Step(1, "get the instances of %s, first_level_only", path)
	got := c.Agent.GetInstances(c, true, path)
	c.Metric(1, func(m *harness.Metric) {
		rows, err := expect.OneInstances(got, path)
		m.Must(err, got.Evidence())
		m.Must(expect.AtLeast("number of curr_insts", 1, len(rows)))
		m.Must(expect.SameSet("curr_insts: instantiated_obj_path", want, rows))
	})
}

// controllerMTPs lists the MTP rows of all Controllers.
func controllerMTPs(c *harness.Case) []string {
	return keep(instantiated(c, controllers), func(row string) bool { return schemaOf(row) == controllers+"{i}.MTP.{i}." })
}

// addControllerMTP adds an MTP that is not enabled to a Controller that nobody plays or, where the device takes none, to the harness's own.
// Both are deleted at the end.
func addControllerMTP(c *harness.Case) error {
	row, err := addController(c, false)
	if err != nil {
		if row, err = c.ControllerRow(); err != nil {
			return err
		}
	}
	added := c.Agent.Add(c, false, usp.Create(row+"MTP.", usp.Params{"Enable": "false"}, nil))
	c.Owns(added)
	if _, err := expect.OneCreated(added); err != nil {
		return fmt.Errorf("no Controller has an MTP, and the device takes none: %w; give a Controller one in the configuration of the device", err)
	}
	return nil
}

// instancesByExpression is 1.71: an expression finds the one Controller, and only its rows are listed. A second Controller with a row of
// the same table, where the device lets us add one, shows an expression that is ignored.
func instancesByExpression(c *harness.Case) {
	row, err := c.ControllerRow()
	c.DeviceMust(err)
	table := nested(c)
	created := nestedRow(c, table, row)
	if created == "" {
		created = addNested(c, table, row, true)
	}
	secondController(c, table)
	key, value := controllerKey(c, row)
	path := fmt.Sprintf("%s[%s==%q].%s", controllers, key, value, table.name)
	c.Step(1, "get the instances of %s", path)
	got := c.Agent.GetInstances(c, false, path)
	c.Metric(1, func(m *harness.Metric) {
		rows, err := expect.OneInstances(got, path)
		m.Must(err, got.Evidence())
		m.Must(expect.Contains("curr_insts: instantiated_obj_path", []string{created}, rows))
		for _, found := range rows {
			m.Must(expect.Equal("curr_insts: table of instantiated_obj_path", row+table.name, found[:len(found)-len(lastSegment(found))]))
		}
	})
}

// instancesByUnmatchedExpression is 1.83: nothing found is a success without instances.
func instancesByUnmatchedExpression(c *harness.Case) {
	row, err := c.ControllerRow()
	c.DeviceMust(err)
	table := nested(c)
	if nestedRow(c, table, row) == "" {
		addNestedBesides(c, table, row)
	}
	key, _ := controllerKey(c, row)
	path := fmt.Sprintf("%s[%s==%q].%s", controllers, key, "proto::"+c.Fresh("nobody"), table.name)
	c.Step(1, "get the instances of %s", path)
	got := c.Agent.GetInstances(c, false, path)
	if !c.Answered(1, got, usp.GetInstancesResp) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		rows, err := expect.OneInstances(got, path)
		m.Must(err, got.Evidence())
		m.Must(expect.SameSet("curr_insts: instantiated_obj_path", nil, rows))
	})
}

func instanceResults(got *controller.Reply) []*usppb.GetInstancesResp_RequestedPathResult {
	return got.Body().GetResponse().GetGetInstancesResp().GetReqPathResults()
}

// instantiated lists the rows at and below an object that a Get shows.
func instantiated(c *harness.Case, object string) []string {
	values, err := c.ReadAll(object)
	c.DeviceMust(err)
	rows := map[string]bool{}
	for path := range values {
		for end := strings.LastIndexByte(path, '.') + 1; end > len(object); end = strings.LastIndexByte(path[:end-1], '.') + 1 {
			if strings.HasSuffix(schemaOf(path[:end]), "{i}.") {
				rows[path[:end]] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(rows))
}

// noteNestedRows says in the report when no row holds a row of a table inside it.
func noteNestedRows(c *harness.Case, metric string, rows []string) {
	if !slices.ContainsFunc(rows, func(row string) bool { return schemaOf(row) != controllers+"{i}." }) {
		c.Note("no row of %s holds a row of a nested table, so %s proves little", controllers, metric)
	}
}

// nestedRow is the first row of the nested table of a Controller; empty when there is none.
func nestedRow(c *harness.Case, table nestedTable, controller string) string {
	for _, row := range rowsOf(c, controller+table.name).Rows() {
		return row
	}
	return ""
}

// secondController adds a Controller that nobody plays, with a nested row, to tell a Controller that is addressed apart from. What the
// device refuses is mentioned in a note. Both are deleted at the end.
func secondController(c *harness.Case, table nestedTable) {
	row, err := addController(c, false)
	if err != nil {
		c.Note("no second Controller, to tell apart: %v", err)
		return
	}
	addNestedBesides(c, table, row)
}

// controllerKey is a unique key of a Controller row with its value: Alias where the Agent has it, else EndpointID, or a substitute.
func controllerKey(c *harness.Case, row string) (key, value string) {
	if keys := controllerKeys(c); len(keys) == 1 {
		value, err := c.Read(row + keys[0])
		c.DeviceMust(err)
		return keys[0], value
	}
	if alias, err := c.Read(row + "Alias"); err == nil && alias != "" {
		return "Alias", alias
	}
	return "EndpointID", c.Agent.ID()
}

// lastSegment is the number of a row with its final dot.
func lastSegment(row string) string {
	return row[strings.LastIndexByte(strings.TrimSuffix(row, "."), '.')+1:]
}
