package messages

import (
	"maps"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// setOneObject is 1.11 and 1.12, one required parameter of one Subscription, which differ in allow_partial alone. The other Subscription
// must stay as it is.
func setOneObject(allowPartial bool) harness.Body {
	return func(c *harness.Case) {
		changeable := flag(c)
		path, _ := c.Subscribe(usp.Params{changeable: "false"})
		other, _ := c.Subscribe(usp.Params{changeable: "false"})

		c.Step(1, "set %s%s to true, allow_partial %v, required", path, changeable, allowPartial)
		set := c.Agent.Set(c, allowPartial, usp.Update(path, usp.Params{changeable: "true"}, nil))
		judgeUpdated(c, set, path, path, other)
	}
}

// setTwoObjects is 1.13: a parameter of two Subscriptions, each with a value of its own, so that a mix-up shows.
func setTwoObjects(c *harness.Case) {
	changeable := flag(c)
	first, _ := c.Subscribe(usp.Params{changeable: "false"})
	second, _ := c.Subscribe(usp.Params{changeable: "true"})
	want := usp.Params{first + changeable: "true", second + changeable: "false"}

	c.Step(1, "set %s of %s and of %s, allow_partial false, required", changeable, first, second)
	set := c.Agent.Set(c, false,
		usp.Update(first, usp.Params{changeable: "true"}, nil), usp.Update(second, usp.Params{changeable: "false"}, nil))
	if !c.Answered(1, set, usp.SetResp) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		for _, path := range []string{first, second} {
			object, err := expect.UpdatedObject(set, path, 2)
			m.Must(err, set.Evidence())
			m.Must(expect.Updated(object, []string{path}, changeable, want[path+changeable]))
		}
	})
	judgeParams(c, 3, want)
}

// setUnknownParameter is 1.14: a required parameter that the Subscription has not.
func setUnknownParameter(c *harness.Case) {
	invalidParameter := c.Element(dut.RoleNoParameter)
	path, _ := c.Subscribe(nil)

	c.Step(1, "set an unknown parameter of %s, allow_partial false, required", path)
	set := c.Agent.Set(c, false, usp.Update(path, usp.Params{invalidParameter: "IrrelevantValue"}, nil))
	judgeRefusedSet(c, set, path+invalidParameter)
	c.Step(3, "get %s", path)
	got := c.Agent.Get(c, path)
	c.Metric(3, func(m *harness.Metric) {
		q, err := expect.OneResult(got, path)
		m.Must(err, got.Evidence())
		values := expect.Resolved(q)
		m.Must(expect.SameSet("GetResp: resolved_path", []string{path}, expect.Snapshot(values).Rows()))
		m.Must(absent(values, invalidParameter))
	})
}

// setSecondObjectFailsWhole is 1.15: of two objects the second has an unknown parameter, so that neither may change.
func setSecondObjectFailsWhole(c *harness.Case) {
	invalidParameter := c.Element(dut.RoleNoParameter)
	changeable := flag(c)
	first, _ := c.Subscribe(nil)
	second, _ := c.Subscribe(nil)
	value := negated(c, first+changeable)
	before := rows(c)

	c.Step(1, "set %s of %s and an unknown parameter of %s, allow_partial false", changeable, first, second)
	set := c.Agent.Set(c, false, usp.Update(first, usp.Params{changeable: value}, nil),
		usp.Update(second, usp.Params{invalidParameter: "IrrelevantValue"}, nil))
	judgeRefusedSet(c, set, second+invalidParameter)
	c.Step(3, "get the Subscription table")
	after := rows(c)
	c.Metric(3, func(m *harness.Metric) {
		m.Must(after.Has(first, second), c.Journal.Mark())
		m.Must(absent(usp.Params(after), invalidParameter))
		m.Must(expect.Value(first+changeable, usp.TypeBoolean, before[first+changeable], after[first+changeable]))
	})
}

// setOptionalParameterFails is 1.17: of two parameters that are not required one is unknown.
func setOptionalParameterFails(c *harness.Case) {
	invalidParameter := c.Element(dut.RoleNoParameter)
	changeable := flag(c)
	path, _ := c.Subscribe(nil)
	value := negated(c, path+changeable)

	c.Step(1, "set %s and an unknown parameter of %s, allow_partial true, neither required", changeable, path)
	set := c.Agent.Set(c, true, usp.Update(path, nil, usp.Params{changeable: value, invalidParameter: "IrrelevantValue"}))
	if !c.Answered(1, set, usp.SetResp) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		object, err := expect.UpdatedObject(set, path, 1)
		m.Must(err, set.Evidence())
		m.Must(expect.PartlyUpdated(object, path, changeable, value, invalidParameter, !c.Strict("param-of-a-partial-success")))
	})
	judgeValues(c, 3, value, path+changeable)
}

// setSecondObjectFails is 1.16: of two objects the second has an unknown parameter, and allow_partial lets the first succeed.
func setSecondObjectFails(c *harness.Case) {
	invalidParameter := c.Element(dut.RoleNoParameter)
	changeable := flag(c)
	first, _ := c.Subscribe(nil)
	second, _ := c.Subscribe(nil)
	value := negated(c, first+changeable)

	c.Step(1, "set %s of %s and an unknown parameter of %s, allow_partial true", changeable, first, second)
	set := c.Agent.Set(c, true,
		usp.Update(first, usp.Params{changeable: value}, nil), usp.Update(second, usp.Params{invalidParameter: "IrrelevantValue"}, nil))
	if !c.Answered(1, set, usp.SetResp) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		object, err := expect.UpdatedObject(set, first, 2)
		m.Must(err, set.Evidence())
		m.Must(expect.Updated(object, []string{first}, changeable, value))
		object, err = expect.UpdatedObject(set, second, 2)
		m.Must(err)
		m.Must(expect.UpdateFailure(object, second, invalidParameter))
	})
	judgeValues(c, 3, value, first+changeable)
}

// negated returns the other value of a boolean parameter, so that a Set has something to change.
func negated(c *harness.Case, param string) string {
	text, err := c.Read(param)
	c.DeviceMust(err)
	value, err := usp.ParseBool(text)
	c.DeviceMust(err)
	if value {
		return "false"
	}
	return "true"
}

// judgeUpdated judges the three metrics of a Set that must make the flag of one row true, and leave that of another false: a SetResp, the
// one row with the one parameter, and what both rows show.
func judgeUpdated(c *harness.Case, set *controller.Reply, requested, row, other string) {
	changeable := flag(c)
	if judgeUpdates(c, set, requested, []string{row}, "true") {
		judgeParams(c, 3, usp.Params{row + changeable: "true", other + changeable: "false"})
	}
}

// judgeUpdates judges metrics 1 and 2 of a Set of the flag of some rows, by one path, and reports whether there is a SetResp.
func judgeUpdates(c *harness.Case, set *controller.Reply, requested string, rows []string, value string) (answered bool) {
	if !c.Answered(1, set, usp.SetResp) {
		return false
	}
	c.Metric(2, func(m *harness.Metric) {
		object, err := expect.UpdatedObject(set, requested, 1)
		m.Must(err, set.Evidence())
		m.Must(expect.Updated(object, rows, flag(c), value))
	})
	return true
}

// judgeRefusedSet judges metrics 1 and 2 of a Set that must fail as a whole: an Error that names the one parameter at fault.
func judgeRefusedSet(c *harness.Case, set *controller.Reply, atFault string) {
	if c.Answered(1, set, usp.Error) {
		c.Metric(2, func(m *harness.Metric) {
			m.Must(expect.OneParamError(set, func(got string) error { return expect.Equal("param_errs[0].param_path", atFault, got) }), set.Evidence())
		})
	}
}

// judgeValues reads parameters and judges in metric n that each has the value, compared as booleans.
func judgeValues(c *harness.Case, n int, value string, params ...string) {
	want := usp.Params{}
	for _, p := range params {
		want[p] = value
	}
	judgeParams(c, n, want)
}

// judgeParams reads parameters, by full path, and judges in metric n that each has its value, compared as booleans.
func judgeParams(c *harness.Case, n int, want usp.Params) {
	c.Step(3, "get %s", strings.Join(want.Names(), " and "))
	got := c.Agent.Get(c, want.Names()...)
	c.Metric(n, func(m *harness.Metric) {
		m.Must(expect.Type(got, usp.GetResp), got.Evidence())
		values := usp.Params{}
		for _, q := range got.Body().GetResponse().GetGetResp().GetReqPathResults() {
			maps.Copy(values, expect.Resolved(q))
		}
		for _, p := range want.Names() {
			m.Must(expect.Value(p, usp.TypeBoolean, want[p], values[p]))
		}
	})
}

// absent wants no parameter of a name among those that a Get brought.
func absent(values usp.Params, name string) error {
	for path := range values {
		if strings.HasSuffix(path, "."+name) {
			return expect.Nothing("GetResp: parameters called "+name, path)
		}
	}
	return nil
}

// suffixed appends the same name to every path.
func suffixed(paths []string, name string) []string {
	var out []string
	for _, p := range paths {
		out = append(out, p+name)
	}
	return out
}
