package messages

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// nestedTypes are the types of those parameters of a nested row that are not strings.
var nestedTypes = expect.Types{"Enable": usp.TypeBoolean}

// addByUniqueKey is 1.10: the table to add to is below a row that the path names by its unique keys.
func addByUniqueKey(c *harness.Case) {
	row, err := c.ControllerRow()
	c.DeviceMust(err)
	table := nested(c)
	want := usp.Params{"Enable": "true", table.key: table.values[1]}
	makeRoom(c, row, table, want[table.key])
	secondController(c, table)
	all := controllers + "*." + table.name
	before := rowsOf(c, all)

	requested := byKeys(c, row, controllerKeys(c)...) + table.name
	c.Step(1, "add a row to %s, allow_partial false", requested)
	added := c.Agent.Add(c, false, usp.Create(requested, nil, want))
	c.Owns(added)
	if !c.Answered(1, added, usp.AddResp) {
		return
	}
	var created usp.Created
	if !c.Metric(2, func(m *harness.Metric) {
		created, err = expect.OneCreated(added)
		m.Must(err, added.Evidence())
		m.Must(expect.Equal("created_obj_results[0].requested_path", requested, created.Table))
		m.Must(expect.Equal("oper_success.instantiated_path: its Controller", row, controllerOf(created.Path)))
		m.Must(uniqueKeys(c, "oper_success.unique_keys", created.Path, created.UniqueKeys, table.key))
		m.Must(expect.Equal("oper_success.unique_keys: "+table.key, want[table.key], created.UniqueKeys[table.key]))
	}) {
		return
	}
	c.Step(4, "get %s", created.Path)
	got := c.Agent.Get(c, created.Path)
	after := rowsOf(c, all)
	if !c.Metric(3, func(m *harness.Metric) {
		_, err := expect.OneResult(got, created.Path)
		m.Must(err, got.Evidence())
		m.Must(expect.SameSet("new rows of "+all, []string{created.Path}, before.New(after)))
	}) {
		return
	}
	c.Metric(4, func(m *harness.Metric) {
		m.Must(expect.Params(got, created.Path, want, nestedTypes), got.Evidence())
	})
}

// addBySearch is 1.95: the table to add to is below each row that a search expression matches, of which there are at least two. A
// Controller that it does not match, where the device lets us add one, shows an expression that is ignored.
func addBySearch(c *harness.Case) {
	table := nested(c)
	want := usp.Params{"Enable": "true", table.key: table.values[1]}
	enabled := enabledControllers(c)
	if len(enabled) < 2 {
		c.Step(1, "add a second Controller")
		if _, err := addController(c, true); err != nil {
			c.LabMust(fmt.Errorf("the case needs two Controllers, and the device refuses a second row of %s: %w; make room for one, or configure a second Controller", controllers, err))
		}
		enabled = enabledControllers(c)
	}
	if _, err := addController(c, false); err != nil {
		c.Note("no Controller that is not enabled, to tell apart: %v", err)
	}
	for _, row := range enabled {
		makeRoom(c, row, table, want[table.key])
	}

	requested := controllers + "[Enable==true]." + table.name
	c.Step(1, "add rows to %s, which matches %s, allow_partial false", requested, strings.Join(enabled, " and "))
	added := c.Agent.Add(c, false, usp.Create(requested, nil, want))
	c.Owns(added)
	var created []usp.Created
	if !c.Metric(1, func(m *harness.Metric) {
		var err error
		matches := len(enabled)
		oneIsEnough := c.Strict("every-match-gets-an-object")
		if oneIsEnough {
			matches = max(1, len(added.Body().GetResponse().GetAddResp().GetCreatedObjResults()))
		}
		created, err = expect.Created(added, matches, 0)
		m.Must(err, added.Evidence())
		var parents []string
		for _, row := range created {
			m.Must(expect.Equal("created_obj_results: requested_path", requested, row.Table))
			parents = append(parents, controllerOf(row.Path))
		}
		if !oneIsEnough {
			m.Must(expect.SameSet("Controllers with a new row", enabled, parents))
		}
	}) {
		return
	}
	all := controllers + "*." + table.name
	c.Step(3, "get %s", all)
	got := c.Agent.Get(c, all)
	c.Metric(2, func(m *harness.Metric) {
		q, err := expect.OneResult(got, all)
		m.Must(err, got.Evidence())
		for _, row := range created {
			m.Must(expect.Values(expect.Resolved(q), row.Path, want, nestedTypes))
		}
	})
}

// addController adds a Controller that nobody plays. It is deleted at the end.
func addController(c *harness.Case, enabled bool) (row string, err error) {
	added := c.Agent.Add(c, false, usp.Create(controllers, usp.Params{"EndpointID": "proto::" + c.Fresh("controller")},
		usp.Params{"Enable": fmt.Sprint(enabled)}))
	c.Owns(added)
	created, err := expect.OneCreated(added)
	return created.Path, err
}

// enabledControllers lists the rows of the Controller table whose Enable is true.
func enabledControllers(c *harness.Case) []string {
	values, err := c.ReadAll(controllers)
	c.DeviceMust(err)
	var enabled []string
	for path, value := range values {
		row, ok := strings.CutSuffix(path, "Enable")
		if ok && controllerOf(row) == row && usp.EqualValues(usp.TypeBoolean, "true", value) {
			enabled = append(enabled, row)
		}
	}
	slices.Sort(enabled)
	return enabled
}

// controllerOf is the row of the Controller table that a path leads through, or "".
func controllerOf(path string) string {
	rest, ok := strings.CutPrefix(path, controllers)
	number, _, dot := strings.Cut(rest, ".")
	if !ok || !dot {
		return ""
	}
	return controllers + number + "."
}

// makeRoom takes the row with a value of the unique key out of the nested table of a Controller, and puts it back at the end.
func makeRoom(c *harness.Case, controller string, table nestedTable, key string) {
	values := rowsOf(c, controller+table.name)
	for path, value := range values {
		row, ok := strings.CutSuffix(path, table.key)
		if !ok || value != key {
			continue
		}
		old := usp.Params{}
		for _, param := range table.beside() {
			if v, ok := values[row+param]; ok {
				old[param] = v
			}
		}
		c.Cleanup("create "+row+" again", func(ctx context.Context) error {
			_, err := expect.OneCreated(c.Agent.Add(ctx, true, usp.Create(controller+table.name, usp.Params{table.key: key}, old)))
			return err
		})
		c.DeviceMust(expect.Type(c.Agent.Delete(c, false, row), usp.DeleteResp))
	}
}
