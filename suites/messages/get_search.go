package messages

import (
	"fmt"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// getByUniqueKey is 1.43: a parameter of a Subscription that is addressed by its Recipient and ID.
func getByUniqueKey(c *harness.Case) {
	c.Subscribe(nil) // a row that must not show
	row, _ := c.Subscribe(nil)
	path := byKeys(c, row, "Recipient", "ID") + "Enable"

	c.Step(1, "get %s", path)
	got := c.Agent.Get(c, path)
	if !c.Answered(1, got, usp.GetResp) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		q, err := expect.OneResult(got, path)
		m.Must(err, got.Evidence())
		value, err := expect.OneParameter(q, row, "Enable")
		m.Must(err)
		m.Must(expect.Value(row+"Enable", usp.TypeBoolean, "true", value))
	})
}

// getParameterByWildcard is 1.44: one parameter of every Subscription.
func getParameterByWildcard(c *harness.Case) {
	const path = subscriptions + "*.Enable"
	c.Subscribe(nil)
	c.Subscribe(usp.Params{"Enable": "false"})
	before := rows(c)

	c.Step(1, "get %s", path)
	got := c.Agent.Get(c, path)
	if !c.Answered(1, got, usp.GetResp) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		q, err := expect.OneResult(got, path)
		m.Must(err, got.Evidence())
		m.Must(expect.SameSet("resolved_path", before.Rows(), expect.ResolvedPaths(q)))
		for _, r := range q.GetResolvedPathResults() {
			m.Must(expect.Keys("result_params of "+r.GetResolvedPath(), r.GetResultParams(), expect.AnyOf{{"Enable"}}))
			enable := r.GetResolvedPath() + "Enable"
			m.Must(expect.Value(enable, usp.TypeBoolean, before[enable], r.GetResultParams()["Enable"]))
		}
	})
}

// getByWildcard is 1.45: every parameter of every Subscription.
func getByWildcard(c *harness.Case) {
	const path = subscriptions + "*."
	c.Subscribe(nil)
	c.Subscribe(nil)
	before := rows(c)

	c.Step(1, "get %s", path)
	got := c.Agent.Get(c, path)
	if !c.Answered(1, got, usp.GetResp) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		q, err := expect.OneResult(got, path)
		m.Must(err, got.Evidence())
		m.Must(expect.SameSet("resolved_path", before.Rows(), expect.Outermost(expect.ResolvedPaths(q))))
		found := expect.Snapshot(expect.Resolved(q))
		for _, row := range before.Rows() {
			m.Must(sameRow(row, before, found))
		}
	})
	c.Metric(3, func(m *harness.Metric) { m.Must(relativeKeys(got), got.Evidence()) })
}

// enable is a parameter that every Subscription has, as number is one that it may have.
func enable(*harness.Case) (string, usp.ValueType) { return "Enable", usp.TypeBoolean }

// getByExpression is 1.46 to 1.51: a search expression, which begins with the name of a parameter, finds the Subscriptions that meet it,
// and no others. Each of the values gets a Subscription of its own.
func getByExpression(param func(*harness.Case) (string, usp.ValueType), comparison string, values ...string) harness.Body {
	return func(c *harness.Case) {
		name, t := param(c)
		expression := name + comparison
		path := subscriptions + "[" + expression + "]."
		parsed, err := usp.ParsePath(path)
		c.LabMust(err)
		condition := parsed.Segments[len(parsed.Segments)-1].Conditions[0]
		for _, value := range values {
			c.Subscribe(usp.Params{condition.Param(): value})
		}
		before := rows(c)
		meets := func(row string) bool {
			ok, err := condition.Match(t, false, before[row+condition.Param()])
			return ok && err == nil
		}

		c.Step(1, "get %s", path)
		got := c.Agent.Get(c, path)
		if !c.Answered(1, got, usp.GetResp) {
			return
		}
		c.Metric(2, func(m *harness.Metric) {
			q, err := expect.OneResult(got, path)
			m.Must(err, got.Evidence())
			want := keep(before.Rows(), meets)
			m.Must(expect.Contains("resolved_path of the rows that meet ["+expression+"]", want, expect.ResolvedPaths(q)))
			found := expect.Snapshot(expect.Resolved(q))
			for _, row := range want {
				m.Must(sameRow(row, before, found))
			}
		})
		c.Metric(3, func(m *harness.Metric) { m.Must(relativeKeys(got), got.Evidence()) })
		c.Metric(4, func(m *harness.Metric) {
			for _, q := range got.Body().GetResponse().GetGetResp().GetReqPathResults() {
				for _, row := range expect.ResolvedPaths(q) {
					if value, known := before[row+condition.Param()]; known && !meets(row) {
						m.Must(&usp.Mismatch{Where: "resolved_path", Want: "rows that meet [" + expression + "]",
							Got: fmt.Sprintf("%s, whose %s is %q", row, condition.Param(), value)}, got.Evidence())
					}
				}
			}
		})
	}
}

// sameRow wants the same parameters of a row in both snapshots, and the same ID; of a row that the harness has made also the values that
// nobody else changes. What else a row says may have changed meanwhile.
func sameRow(row string, want, got expect.Snapshot) error {
	for path := range want {
		if _, ok := got[path]; strings.HasPrefix(path, row) && !ok {
			return &usp.Mismatch{Where: "result_params of " + row, Want: path, Got: "no such parameter"}
		}
	}
	known := []string{"ID"}
	if strings.HasPrefix(want[row+"ID"], harness.Tag) {
		known = append(known, "Recipient", "NotifType", "ReferenceList")
	}
	for _, name := range known {
		if err := expect.Equal(row+name, want[row+name], got[row+name]); err != nil {
			return err
		}
	}
	return nil
}

// getUnmatched is 1.82: an expression that no Subscription meets, for there is none.
func getUnmatched(c *harness.Case) {
	path := unmatched(c, emptySubscriptions(c), "Enable==true")
	c.Step(1, "get %s", path)
	got := c.Agent.Get(c, path)
	if !c.Answered(1, got, usp.GetResp) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		_, err := expect.OneResult(got, path)
		m.Must(err, got.Evidence())
		m.Must(showsNothing(got))
	})
}

// getWithoutEnabledRow is 1.86: an expression that the Subscriptions which are there do not meet.
func getWithoutEnabledRow(c *harness.Case) {
	emptied := emptySubscriptions(c)
	c.Subscribe(usp.Params{"Enable": "false"})
	judgeEmptyGet(c, unmatched(c, emptied, "Enable==true"))
}

// getEmptyTable is 1.87: the table of Subscriptions without a row.
func getEmptyTable(c *harness.Case) {
	if !emptySubscriptions(c) {
		c.LabMust(fmt.Errorf("the device keeps rows of %s, so that the case cannot empty it; delete them in the configuration of the device", subscriptions))
	}
	judgeEmptyGet(c, subscriptions)
}

// judgeEmptyGet gets a path that leads to no object and judges all three metrics: a GetResp, no error, one result without objects.
func judgeEmptyGet(c *harness.Case, path string) {
	c.Step(1, "get %s", path)
	got := c.Agent.Get(c, path)
	if !c.Answered(1, got, usp.GetResp) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		for _, q := range got.Body().GetResponse().GetGetResp().GetReqPathResults() {
			m.Must(expect.NoError("req_path_results: err_code", q.GetErrCode(), q.GetErrMsg()), got.Evidence())
		}
	})
	c.Metric(3, func(m *harness.Metric) { m.Must(showsNothing(got), got.Evidence()) })
}

// showsNothing wants a GetResp with one result, in which there is no object.
func showsNothing(got *controller.Reply) error {
	results := got.Body().GetResponse().GetGetResp().GetReqPathResults()
	if err := expect.Count("GetResp: number of req_path_results", 1, len(results)); err != nil {
		return err
	}
	return expect.Count("number of resolved_path_results", 0, len(results[0].GetResolvedPathResults()))
}
