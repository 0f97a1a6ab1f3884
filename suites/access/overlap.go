package access

import (
	"maps"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// The rights that overlap.
func hidden(target string) permission { return permission{target, usp.Params{"Param": "----"}} }
func shown(target string) permission  { return permission{target, usp.Params{"Param": "rw--"}} }

// overlap is what 2.21 and 2.22 need: two rows of a nested table. The Permissions of the first are
// created as the plan does, the lowest Order first; those of the second the other way round, so that
// neither the first nor the last to be created is taken for the one of the highest Order. Both rows
// are judged alike. Where there is room for one row alone, second is empty.
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
	own.inOrder()
	controller, err := c.ControllerRow()
	c.DeviceMust(err)
	o := &overlap{c: c, own: own, table: controller + t.name, key: t.key}
	o.first, err = t.tryToAdd(c, controller)
	c.LabMust(err)
	if o.second, err = t.tryToAdd(c, controller); err != nil {
		c.Note("no second row, to try another order of creation: %v", err)
	}
	values, err := c.ReadAll(o.table)
	c.DeviceMust(err)
	o.before = o.of(values)
	return o
}

// of are those parameters that are of one of the two rows. Objects below a row have rights of their own.
func (o *overlap) of(values usp.Params) usp.Params {
	out := usp.Params{}
	for path, value := range values {
		if object, _ := usp.SplitName(path); object == o.first || object == o.second {
			out[path] = value
		}
	}
	return out
}

// reversed adds Permissions for the second row, the one with the highest Order first. A device that has no room for more than those of
// the plan goes on without the second row.
func (o *overlap) reversed(all ...permission) {
	if o.second == "" {
		return
	}
	added := o.own.addReversed(o.own.paths[0], all...)
	if usp.ErrCode(added.Body().GetError().GetErrCode()) == usp.CodeResourcesExceeded {
		o.c.Note("no room for more Permissions, to try another order of creation")
		o.forgetSecond()
		return
	}
	_, err := expect.Created(added, len(all), 0)
	o.c.DeviceMust(err)
}

// forgetSecond judges the first row alone from here.
func (o *overlap) forgetSecond() {
	o.second = ""
	o.before = o.of(o.before)
}

// hideElsewhere hides a parameter of the rows, or with "" the rows, in the other Roles of the Controller.
func (o *overlap) hideElsewhere(param string) {
	o.own.withholdElsewhere(hidden(o.first + param))
	if o.second != "" {
		o.own.withholdElsewhere(hidden(o.second + param))
	}
}

// judge gets a path and wants the GetResp to hold exactly these of the parameters that the rows had
// before, with their values. An Agent that shows none of them may call the path unknown (R-GET.1).
func (o *overlap) judge(m *harness.Metric, path string, visible func(param string) bool) {
	got := o.c.Agent.Get(o.c, path)
	m.Must(expect.Type(got, usp.GetResp), got.Evidence())
	shown := usp.Params{}
	for _, q := range got.Body().GetResponse().GetGetResp().GetReqPathResults() {
		maps.Copy(shown, o.of(expect.Resolved(q)))
	}
	var want []string
	for param, value := range o.before {
		if !strings.HasPrefix(param, path) || !visible(param) {
			continue
		}
		want = append(want, param)
		if now, ok := shown[param]; ok {
			m.Must(expect.Equal(param, value, now))
		}
	}
	err := expect.SameSet("parameters in the GetResp", want, shown.Names())
	for param := range shown {
		if !slices.Contains(want, param) {
			m.Must(o.own.decides(err))
		}
	}
	m.Must(err)
	if len(want) > 0 {
		_, err := expect.OneResult(got, path)
		m.Must(err)
	}
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
	o.reversed(hidden(o.second), shown(o.second))
	c.Step(2, "get %s", o.table)
	if !c.Metric(2, func(m *harness.Metric) { o.judge(m, o.table, all) }) {
		return
	}

	c.Step(3, "add a Permission that hides %s, with a still higher Order", o.first)
	if _, ok := c.Created(3, o.own.add(role, hidden(o.first))); !ok {
		return
	}
	o.reversed(shown(o.second), hidden(o.second))
	o.hideElsewhere("")
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
	o.reversed(shown(o.second), hidden(o.second+o.key))
	o.hideElsewhere(o.key)
	c.Step(2, "get %s", o.first)
	c.Metric(2, func(m *harness.Metric) {
		butKey := func(param string) bool { return !strings.HasSuffix(param, "."+o.key) }
		o.judge(m, o.first, butKey)
		if o.second != "" {
			o.judge(m, o.second, butKey)
		}
	})
}
