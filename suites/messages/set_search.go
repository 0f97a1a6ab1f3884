package messages

import (
	"fmt"
	"strconv"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// setWildcard is 1.19: a wildcard sets every Subscription on the device, also those of others, which are put back.
func setWildcard(c *harness.Case) {
	changeable := flag(c)
	first, _ := c.Subscribe(nil)
	c.Subscribe(nil)
	value := negated(c, first+changeable)
	before := rows(c)
	c.RestoreRows(before, subscriptions, changeable)

	c.Step(1, "set %s of every Subscription to %s, allow_partial false", changeable, value)
	set := c.Agent.Set(c, false, usp.Update(subscriptions+"*.", usp.Params{changeable: value}, nil))
	if judgeUpdates(c, set, subscriptions+"*.", before.Rows(), value) {
		judgeValues(c, 3, value, suffixed(before.Rows(), changeable)...)
	}
}

// setWildcardUnknownParameter is 1.20: a required parameter that no Subscription has.
func setWildcardUnknownParameter(c *harness.Case) {
	invalidParameter := c.Element(dut.RoleNoParameter)
	c.Subscribe(nil)
	c.Subscribe(nil)
	before := rows(c)

	c.Step(1, "set an unknown parameter of every Subscription, allow_partial false, required")
	set := c.Agent.Set(c, false, usp.Update(subscriptions+"*.", usp.Params{invalidParameter: "IrrelevantValue"}, nil))
	// R-SET.2a lets an Agent answer a failing search path with a SetResp that holds oper_failure, whatever allow_partial says
	asFailure := expect.Type(set, usp.SetResp) == nil && !c.Strict("set-search-path-reply")
	failure := func() error { return expect.WildcardFailure(set, subscriptions+"*.", invalidParameter, before.Rows()) }
	passed := c.Metric(1, func(m *harness.Metric) {
		if asFailure {
			m.Note("a SetResp with oper_failure, which R-SET.2a allows instead of the plan's Error")
			m.Must(failure(), set.Evidence())
			return
		}
		m.Must(expect.Type(set, usp.Error), set.Evidence())
	})
	switch {
	case !passed: // a reply of the wrong kind has no errors to judge
	case asFailure:
		c.Metric(2, func(m *harness.Metric) { m.Must(failure(), set.Evidence()) })
	default:
		c.Metric(2, func(m *harness.Metric) {
			m.Must(expect.WildcardError(set, invalidParameter, before.Rows()), set.Evidence())
		})
	}
	c.Step(3, "get the Subscription table")
	after := rows(c)
	c.Metric(3, func(m *harness.Metric) {
		m.Must(absent(usp.Params(after), invalidParameter), c.Journal.Mark())
		m.Must(settled(c, before).Unchanged(settled(c, after)), c.Journal.Mark())
	})
}

// setWildcardInvalidValue is 1.21: a required parameter gets a value that its type forbids, with allow_partial true.
func setWildcardInvalidValue(c *harness.Case) {
	const param = "Enable"
	c.Subscribe(nil)
	c.Subscribe(usp.Params{param: "false"})
	before := rows(c)
	c.RestoreRows(before, subscriptions, param)

	c.Step(1, "set %s of every Subscription to no boolean, allow_partial true, required", param)
	set := c.Agent.Set(c, true, usp.Update(subscriptions+"*.", usp.Params{param: "InvalidValue"}, nil))
	judgeWildcardFailure(c, set, param, before.Rows())
	c.Step(3, "get the Subscription table")
	after := rows(c)
	c.Metric(4, func(m *harness.Metric) {
		for _, row := range before.Rows() {
			m.Must(expect.Value(row+param, usp.TypeBoolean, before[row+param], after[row+param]), c.Journal.Mark())
		}
	})
}

// judgeWildcardFailure judges metrics 1 to 3 of 1.21. R-SET.2a allows an Error too: it has no updated_obj_results, but parameter errors.
func judgeWildcardFailure(c *harness.Case, set *controller.Reply, param string, matching []string) {
	if expect.Type(set, usp.Error) == nil && !c.Strict("set-search-path-reply-to-partial") {
		if c.Metric(1, func(m *harness.Metric) {
			m.Note("an Error, which R-SET.2a allows instead of the plan's SetResp")
			m.Must(expect.ErrorCode(set), set.Evidence())
		}) {
			c.NotApplicable(2, "an Error, which R-SET.2a allows, holds no updated_obj_results")
			c.Metric(3, func(m *harness.Metric) { m.Must(expect.WildcardError(set, param, matching), set.Evidence()) })
		}
		return
	}
	if c.Answered(1, set, usp.SetResp) &&
		c.Metric(2, func(m *harness.Metric) {
			_, err := expect.UpdatedObject(set, subscriptions+"*.", 1)
			m.Must(err, set.Evidence())
		}) {
		c.Metric(3, func(m *harness.Metric) {
			m.Must(expect.WildcardFailure(set, subscriptions+"*.", param, matching), set.Evidence())
		})
	}
}

// setByUniqueKey is 1.18: the path names the row by Recipient and ID, as the Agent reports them. That of the other Subscription is another.
func setByUniqueKey(c *harness.Case) {
	changeable := flag(c)
	path, _ := c.Subscribe(usp.Params{changeable: "false"})
	other, _ := c.Subscribe(usp.Params{changeable: "false"})
	keys, err := c.ReadAll(path+"Recipient", path+"ID")
	c.DeviceMust(err)
	requested := fmt.Sprintf("%s[Recipient==%s&&ID==%s].", subscriptions, usp.Constant(keys[path+"Recipient"]), usp.Constant(keys[path+"ID"]))

	c.Step(1, "set %s of %s to true, allow_partial false, required", changeable, requested)
	set := c.Agent.Set(c, false, usp.Update(requested, usp.Params{changeable: "true"}, nil))
	judgeUpdated(c, set, requested, path, other)
}

// setBySearch is 1.22: the path matches one of two Subscriptions, and those of others that happen to match, which are put back.
func setBySearch(c *harness.Case) {
	changeable := flag(c)
	number, _ := number(c)
	path, _ := c.Subscribe(usp.Params{number: "10"})
	other, _ := c.Subscribe(usp.Params{number: "0"})
	value := negated(c, path+changeable)
	before := rows(c)
	c.RestoreRows(before, subscriptions, changeable)
	var matching []string
	for _, row := range before.Rows() {
		if n, err := strconv.ParseInt(before[row+number], 10, 64); err == nil && n > 0 {
			matching = append(matching, row)
		}
	}

	requested := subscriptions + "[" + number + ">0]."
	c.Step(1, "set %s of %s to %s, allow_partial false, required", changeable, requested, value)
	set := c.Agent.Set(c, false, usp.Update(requested, usp.Params{changeable: value}, nil))
	if judgeUpdates(c, set, requested, matching, value) {
		judgeParams(c, 3, usp.Params{path + changeable: value, other + changeable: before[other+changeable]})
	}
}

// setNoMatch is 1.23: a search path that matches nothing is no error. The Subscription that is there must not change.
func setNoMatch(c *harness.Case) {
	changeable := flag(c)
	path, _ := c.Subscribe(usp.Params{changeable: "false"})
	requested := subscriptions + `[Recipient=="InvalidValue"].`

	c.Step(1, "set %s of %s, allow_partial true, required", changeable, requested)
	set := c.Agent.Set(c, true, usp.Update(requested, usp.Params{changeable: "true"}, nil))
	if !c.Answered(1, set, usp.SetResp) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		object, err := expect.UpdatedObject(set, requested, 1)
		m.Must(err, set.Evidence())
		ok, err := expect.UpdateSuccess(object)
		m.Must(err)
		m.Must(expect.SameSet("oper_success: affected_path", nil, expect.AffectedPaths(ok)))
		value, err := c.Read(path + changeable)
		m.Must(err)
		m.Must(expect.Value(path+changeable, usp.TypeBoolean, "false", value))
	})
}
