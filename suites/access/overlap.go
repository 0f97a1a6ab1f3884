package access

import (
	"slices"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// The rights that overlap.
func hidden(target string) permission { return permission{target, usp.Params{"Param": "----"}} }
func shown(target string) permission  { return permission{target, usp.Params{"Param": "rw--"}} }

// overlap is what 2.21 and 2.22 need: two rows of a nested table. The Permissions of the first are
// created as the plan does, the lowest Order first; those of the second the other way round, so
// that neither the first nor the last to be created is taken for the one of the highest Order. Both
// rows are judged alike.
type overlap struct {
	c             *harness.Case
	own           *roles
	table         string
	key           string
	first, second string     // rows
	before        usp.Params // what they held
}

func overlapping(c *harness.Case) *overlap {
	own, t := ownRoles(c), nested(c)
	controller, err := c.ControllerRow()
	c.DeviceMust(err)
	o := &overlap{c: c, own: own, table: controller + t.name, key: t.key, first: t.add(c, controller), second: t.add(c, controller)}
	o.before, err = c.ReadAll(o.table)
	c.DeviceMust(err)
	return o
}

// of are those parameters that are in one of the two rows.
func (o *overlap) of(values usp.Params) usp.Params {
	out := usp.Params{}
	for path, value := range values {
		if strings.HasPrefix(path, o.first) || strings.HasPrefix(path, o.second) {
			out[path] = value
		}
	}
	return out
}

// get reads the table and returns what the GetResp has of the two rows.
func (o *overlap) get(path string) (usp.Params, *controller.Reply, error) {
	got := o.c.Agent.Get(o.c, path)
	q, err := expect.OneResult(got, path)
	if err != nil {
		return nil, got, err
	}
	return o.of(expect.Resolved(q)), got, nil
}

// judge wants the GetResp to hold exactly these of the parameters that the rows had before, with
// their values.
func (o *overlap) judge(m *harness.Metric, path string, want func(param string) bool) {
	shown, got, err := o.get(path)
	m.Must(err, got.Evidence())
	var left []string
	for param, value := range o.of(o.before) {
		if !strings.HasPrefix(param, path) || !want(param) {
			continue
		}
		left = append(left, param)
		if now, ok := shown[param]; ok {
			m.Must(expect.Equal(param, value, now))
		}
	}
	for param := range shown {
		if !slices.Contains(left, param) {
			m.Must(o.own.decides(expect.SameSet("parameters in the GetResp", left, shown.Names())))
		}
	}
	m.Must(expect.SameSet("parameters in the GetResp", left, shown.Names()))
}

// overlappingPermissions is 2.21.
func overlappingPermissions(c *harness.Case) {
	o := overlapping(c)
	all, none := func(string) bool { return true }, func(string) bool { return false }
	role := o.own.paths[0]

	c.Step(1, "add Permissions to the Controller's Role that hide %s and, with a higher Order, show it", o.first)
	added := o.own.add(role, hidden(o.first), shown(o.first))
	if !c.Metric(1, func(m *harness.Metric) {
		_, err := expect.Created(added, 2, 0)
		m.Must(err, added.Evidence())
	}) {
		return
	}
	_, err := expect.Created(o.own.addReversed(role, hidden(o.second), shown(o.second)), 2, 0)
	c.DeviceMust(err)
	c.Step(2, "get %s", o.table)
	if !c.Metric(2, func(m *harness.Metric) { o.judge(m, o.table, all) }) {
		return
	}

	c.Step(3, "add a Permission that hides %s, with a still higher Order", o.first)
	if _, ok := c.Created(3, o.own.add(role, hidden(o.first))); !ok {
		return
	}
	_, err = expect.Created(o.own.addReversed(role, shown(o.second), hidden(o.second)), 2, 0)
	c.DeviceMust(err)
	o.own.withholdElsewhere(hidden(o.first), hidden(o.second))
	c.Step(4, "get %s", o.table)
	c.Metric(4, func(m *harness.Metric) { o.judge(m, o.table, none) })
}

// someParametersHidden is 2.22.
func someParametersHidden(c *harness.Case) {
	o := overlapping(c)
	role := o.own.paths[0]

	o.own.orderByLetter()
	c.Step(1, "add Permissions to the Controller's Role that show %s and, with a higher Order, hide its %s", o.first, o.key)
	added := o.own.add(role, shown(o.first), hidden(o.first+o.key))
	if !c.Metric(1, func(m *harness.Metric) {
		_, err := expect.Created(added, 2, 0)
		m.Must(err, added.Evidence())
	}) {
		return
	}
	_, err := expect.Created(o.own.addReversed(role, shown(o.second), hidden(o.second+o.key)), 2, 0)
	c.DeviceMust(err)
	o.own.withholdElsewhere(hidden(o.first+o.key), hidden(o.second+o.key))
	c.Step(2, "get %s", o.first)
	c.Metric(2, func(m *harness.Metric) {
		butKey := func(param string) bool { return !strings.HasSuffix(param, "."+o.key) }
		o.judge(m, o.first, butKey)
		o.judge(m, o.second, butKey)
	})
}
