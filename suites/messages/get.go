package messages

import (
	"fmt"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

const localAgent = "Device.LocalAgent."

// getParameter is 1.36.
func getParameter(c *harness.Case) {
	c.Step(1, "get %sEndpointID", localAgent)
	got := c.Agent.Get(c, localAgent+"EndpointID")
	if !c.Metric(1, func(m *harness.Metric) { m.Must(expect.Type(got, usp.GetResp), got.Evidence()) }) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		q, err := expect.OneResult(got, localAgent+"EndpointID")
		m.Must(err, got.Evidence())
		m.Must(expect.Count("number of resolved_path_results", 1, len(q.GetResolvedPathResults())))
		r := q.GetResolvedPathResults()[0]
		m.Must(expect.Equal("resolved_path", localAgent, r.GetResolvedPath()))
		m.Must(expect.Keys("result_params", r.GetResultParams(), expect.AnyOf{{"EndpointID"}}))
		m.Must(expect.Equal(localAgent+"EndpointID", c.Agent.AgentID(), r.GetResultParams()["EndpointID"]))
	})
}

// getObject is 1.39. What must be there is known from the supported data model and from the instances, asked for beforehand.
func getObject(c *harness.Case) {
	model := supported(c, localAgent)
	instances := instancesBelow(c, model.tables()...)
	c.Step(1, "get %s", localAgent)
	got := c.Agent.Get(c, localAgent)
	if !c.Metric(1, func(m *harness.Metric) { m.Must(expect.Type(got, usp.GetResp), got.Evidence()) }) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		q, err := expect.OneResult(got, localAgent)
		m.Must(err, got.Evidence())
		m.Must(complete(q, localAgent, model, instances))
	})
	c.Metric(3, func(m *harness.Metric) { m.Must(relativeKeys(got), got.Evidence()) })
}

// getUnknownParameter is 1.41.
func getUnknownParameter(c *harness.Case) {
	const path = localAgent + invalidParameter
	c.Step(1, "get %s", path)
	got := c.Agent.Get(c, path)
	if !c.Metric(1, func(m *harness.Metric) { m.Must(expect.Type(got, usp.GetResp), got.Evidence()) }) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		results := got.Body().GetResponse().GetGetResp().GetReqPathResults()
		m.Must(expect.Count("number of req_path_results", 1, len(results)), got.Evidence())
		m.Must(expect.Equal("requested_path", path, results[0].GetRequestedPath()))
		m.Must(expect.Code("req_path_results[0].err_code", results[0].GetErrCode(), usp.Get))
	})
}

// getByNonEquivalence is 1.47: a search expression with != finds the Subscriptions that are not enabled, and no others.
func getByNonEquivalence(c *harness.Case) {
	const path = subscriptions + "[Enable!=true]."
	enabled, _ := subscribe(c, nil)
	disabled, _ := subscribe(c, usp.Params{"Enable": "false"})
	before := rows(c)

	c.Step(1, "get %s", path)
	got := c.Agent.Get(c, path)
	if !c.Metric(1, func(m *harness.Metric) { m.Must(expect.Type(got, usp.GetResp), got.Evidence()) }) {
		return
	}
	var found expect.Snapshot
	c.Metric(2, func(m *harness.Metric) {
		q, err := expect.OneResult(got, path)
		m.Must(err, got.Evidence())
		found = expect.Snapshot(expect.Resolved(q))
		var want []string
		for _, row := range before.Rows() {
			if on, err := usp.ParseBool(before[row+"Enable"]); err == nil && !on {
				want = append(want, row)
			}
		}
		m.Must(expect.Contains("resolved_path of the rows that are not enabled", append(want, disabled), found.Rows()))
		for _, row := range want {
			m.Must(sameNames(row, before, found))
		}
	})
	c.Metric(3, func(m *harness.Metric) { m.Must(relativeKeys(got), got.Evidence()) })
	c.Metric(4, func(m *harness.Metric) {
		for _, q := range got.Body().GetResponse().GetGetResp().GetReqPathResults() {
			for _, r := range q.GetResolvedPathResults() {
				value, known := before[r.GetResolvedPath()+"Enable"]
				m.Must(expect.NotEqual("resolved_path", enabled, r.GetResolvedPath()), got.Evidence())
				if on, err := usp.ParseBool(value); known && err == nil && on {
					m.Must(fmt.Errorf("resolved_path: want rows that are not enabled, got %s, which is enabled", r.GetResolvedPath()))
				}
			}
		}
	})
}

// sameNames wants the same parameters of a row in both snapshots.
func sameNames(row string, want, got expect.Snapshot) error {
	for path := range want {
		if _, ok := got[path]; strings.HasPrefix(path, row) && !ok {
			return &usp.Mismatch{Where: "result_params of " + row, Want: path, Got: "no such parameter"}
		}
	}
	return nil
}

// getWithMaxDepth is 1.89: depth 1 is the object itself, depth 2 adds its children, depth 0 is everything. A table and its row are one
// level (R-GET.5).
func getWithMaxDepth(c *harness.Case) {
	model := supported(c, localAgent)
	instances := instancesBelow(c, model.tables()...)
	var replies []*controller.Reply
	for i, depth := range []uint32{1, 2, 0} {
		c.Step(2*i+1, "get %s with max_depth %d", localAgent, depth)
		replies = append(replies, c.Agent.Do(c, usp.NewMsg(c.Agent.NewMsgID(), &usppb.Get{ParamPaths: []string{localAgent}, MaxDepth: depth})))
	}
	for i, depth := range []int{1, 2, 0} {
		got := replies[i]
		c.Metric(i+1, func(m *harness.Metric) {
			q, err := expect.OneResult(got, localAgent)
			m.Must(err, got.Evidence())
			for _, r := range q.GetResolvedPathResults() {
				if level := levels(localAgent, r.GetResolvedPath()); depth > 0 && level > depth {
					m.Must(&usp.Mismatch{Where: "resolved_path_results", Want: fmt.Sprintf("no object below depth %d", depth),
						Got: fmt.Sprintf("%q at depth %d", r.GetResolvedPath(), level)})
				}
			}
			within := func(path string) bool { return depth == 0 || levels(localAgent, path) <= depth }
			m.Must(complete(q, localAgent, filter(model, within), keep(instances, within)))
		})
	}
	c.Metric(4, func(m *harness.Metric) {
		for _, got := range replies {
			m.Must(relativeKeys(got), got.Evidence())
		}
	})
}

// levels is the depth of an object below a root, which itself is 1. The number of a row is no level of its own.
func levels(root, path string) int {
	depth := 1
	for _, segment := range strings.Split(strings.TrimSuffix(strings.TrimPrefix(path, root), "."), ".") {
		if segment != "" && segment != "{i}" && strings.Trim(segment, "0123456789") != "" {
			depth++
		}
	}
	return depth
}

// relativeKeys wants every key of result_params to be a name without a dot: each object has a result of its own (R-GET.2).
func relativeKeys(got *controller.Reply) error {
	if err := expect.Type(got, usp.GetResp); err != nil {
		return err
	}
	for _, q := range got.Body().GetResponse().GetGetResp().GetReqPathResults() {
		for _, r := range q.GetResolvedPathResults() {
			for name := range r.GetResultParams() {
				if name == "" || strings.Contains(name, ".") {
					return &usp.Mismatch{Where: "result_params of " + r.GetResolvedPath(), Want: "names relative to it", Got: fmt.Sprintf("%q", name)}
				}
			}
		}
	}
	return nil
}
