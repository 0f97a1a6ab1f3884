package messages

import (
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// setOneObject is 1.11: one required parameter of one Subscription.
func setOneObject(c *harness.Case) {
	path, _ := subscribe(c, nil)
	value := negated(c, path+changeable)

	c.Step(1, "set %s%s to %s, allow_partial false, required", path, changeable, value)
	set := c.Agent.Set(c, false, usp.Update(path, usp.Params{changeable: value}, nil))
	if !c.Metric(1, func(m *harness.Metric) { m.Must(expect.Type(set, usp.SetResp), set.Evidence()) }) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		object, err := expect.UpdatedObject(set, path, 1)
		m.Must(err, set.Evidence())
		ok, err := expect.UpdateSuccess(object, changeable)
		m.Must(err)
		m.Must(expect.SameSet("oper_success: affected_path", []string{path}, expect.AffectedPaths(ok)))
	})
	judgeValues(c, 3, value, path+changeable)
}

// setSecondObjectFails is 1.16: of two objects the second has an unknown parameter, and allow_partial lets the first succeed.
func setSecondObjectFails(c *harness.Case) {
	first, _ := subscribe(c, nil)
	second, _ := subscribe(c, nil)
	value := negated(c, first+changeable)

	c.Step(1, "set %s of %s and an unknown parameter of %s, allow_partial true", changeable, first, second)
	set := c.Agent.Set(c, true,
		usp.Update(first, usp.Params{changeable: value}, nil), usp.Update(second, usp.Params{invalidParameter: "IrrelevantValue"}, nil))
	if !c.Metric(1, func(m *harness.Metric) { m.Must(expect.Type(set, usp.SetResp), set.Evidence()) }) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		object, err := expect.UpdatedObject(set, first, 2)
		m.Must(err, set.Evidence())
		ok, err := expect.UpdateSuccess(object, changeable)
		m.Must(err)
		m.Must(expect.SameSet("oper_success: affected_path", []string{first}, expect.AffectedPaths(ok)))
		object, err = expect.UpdatedObject(set, second, 2)
		m.Must(err)
		m.Must(expect.UpdateFailure(object, second, invalidParameter))
	})
	judgeValues(c, 3, value, first+changeable)
}

// setWildcard is 1.19: a wildcard sets every Subscription on the device, also those of others, which are put back.
func setWildcard(c *harness.Case) {
	first, _ := subscribe(c, nil)
	second, _ := subscribe(c, nil)
	value := negated(c, first+changeable)
	before := rows(c)
	c.RestoreRows(before, subscriptions, changeable)

	c.Step(1, "set %s of every Subscription to %s, allow_partial false", changeable, value)
	set := c.Agent.Set(c, false, usp.Update(subscriptions+"*.", usp.Params{changeable: value}, nil))
	if !c.Metric(1, func(m *harness.Metric) { m.Must(expect.Type(set, usp.SetResp), set.Evidence()) }) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		object, err := expect.UpdatedObject(set, subscriptions+"*.", 1)
		m.Must(err, set.Evidence())
		ok, err := expect.UpdateSuccess(object, changeable)
		m.Must(err)
		m.Must(expect.SameSet("oper_success: affected_path", before.Rows(), expect.AffectedPaths(ok)))
	})
	judgeValues(c, 3, value, first+changeable, second+changeable)
}

// setWildcardUnknownParameter is 1.20: a required parameter that no Subscription has.
func setWildcardUnknownParameter(c *harness.Case) {
	subscribe(c, nil)
	subscribe(c, nil)
	before := rows(c)

	c.Step(1, "set an unknown parameter of every Subscription, allow_partial false, required")
	set := c.Agent.Set(c, false, usp.Update(subscriptions+"*.", usp.Params{invalidParameter: "IrrelevantValue"}, nil))
	// R-SET.2a lets an Agent answer a failing search path with a SetResp that holds oper_failure, whatever allow_partial says
	asFailure := expect.Type(set, usp.SetResp) == nil
	passed := c.Metric(1, func(m *harness.Metric) {
		if asFailure {
			m.Note("a SetResp with oper_failure, which R-SET.2a allows instead of the plan's Error")
			m.Must(wildcardFailure(set, before), set.Evidence())
			return
		}
		m.Must(expect.Type(set, usp.Error), set.Evidence())
	})
	switch {
	case !passed: // a reply of the wrong kind has no errors to judge
	case asFailure:
		c.Metric(2, func(m *harness.Metric) { m.Must(wildcardFailure(set, before), set.Evidence()) })
	default:
		c.Metric(2, func(m *harness.Metric) {
			m.Must(expect.ErrorCode(set), set.Evidence())
			errs := set.Body().GetError().GetParamErrs()
			m.Must(expect.AtLeast("Error: number of param_errs", 1, len(errs)))
			for _, e := range errs {
				m.Must(expect.OneOf("param_errs: param_path", suffixed(before.Rows(), invalidParameter), e.GetParamPath()))
				m.Must(expect.Code("param_errs: err_code", e.GetErrCode(), usp.Set))
			}
		})
	}
	c.Step(3, "get the Subscription table")
	after := rows(c)
	c.Metric(3, func(m *harness.Metric) {
		for path := range after {
			if strings.HasSuffix(path, "."+invalidParameter) {
				m.Must(expect.Equal("GetResp", "no "+invalidParameter, path), c.Journal.Mark())
			}
		}
		m.Must(before.Unchanged(after), c.Journal.Mark())
	})
}

// wildcardFailure wants a SetResp that says oper_failure for the wildcard and names the unknown parameter for rows that exist.
func wildcardFailure(set *controller.Reply, before expect.Snapshot) error {
	object, err := expect.UpdatedObject(set, subscriptions+"*.", 1)
	if err != nil {
		return err
	}
	failures := object.GetOperStatus().GetOperFailure().GetUpdatedInstFailures()
	if err := expect.AtLeast("oper_failure: number of updated_inst_failures", 1, len(failures)); err != nil {
		return err
	}
	for _, f := range failures {
		if err := expect.OneOf("updated_inst_failures: affected_path", before.Rows(), f.GetAffectedPath()); err != nil {
			return err
		}
		if err := expect.AtLeast("updated_inst_failures: number of param_errs", 1, len(f.GetParamErrs())); err != nil {
			return err
		}
		for _, e := range f.GetParamErrs() {
			if err := expect.Equal("param_errs: param", invalidParameter, e.GetParam()); err != nil {
				return err
			}
			if err := expect.Code("param_errs: err_code", e.GetErrCode(), usp.Set); err != nil {
				return err
			}
		}
	}
	return expect.Code("oper_failure: err_code", object.GetOperStatus().GetOperFailure().GetErrCode(), usp.Set)
}

// invalidParameter is in no data model.
const invalidParameter = "InvalidParameter"

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

// judgeValues reads parameters and judges in metric n that each has the value, compared as booleans.
func judgeValues(c *harness.Case, n int, value string, params ...string) {
	c.Step(3, "get %s", strings.Join(params, " and "))
	got := c.Agent.Get(c, params...)
	c.Metric(n, func(m *harness.Metric) {
		m.Must(expect.Type(got, usp.GetResp), got.Evidence())
		values := usp.Params{}
		for _, q := range got.Body().GetResponse().GetGetResp().GetReqPathResults() {
			for path, v := range expect.Resolved(q) {
				values[path] = v
			}
		}
		for _, p := range params {
			m.Must(expect.Value(p, usp.TypeBoolean, value, values[p]))
		}
	})
}

// suffixed appends the same name to every path.
func suffixed(paths []string, name string) []string {
	var out []string
	for _, p := range paths {
		out = append(out, p+name)
	}
	return out
}
