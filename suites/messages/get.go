package messages

import (
	"fmt"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

const localAgent = harness.LocalAgent

// getParameter is 1.36.
func getParameter(c *harness.Case) {
	c.Step(1, "get %s", endpointID)
	got := c.Agent.Get(c, endpointID)
	if !c.Answered(1, got, usp.GetResp) {
		return
	}
	c.Metric(2, func(m *harness.Metric) { m.Must(showsEndpointID(c, got, 1), got.Evidence()) })
}

const endpointID = localAgent + "EndpointID"

// showsEndpointID wants a GetResp with n results, and among them that for the Agent's Endpoint ID.
func showsEndpointID(c *harness.Case, got *controller.Reply, n int) error {
	value, err := shows(got, n, endpointID)
	if err != nil {
		return err
	}
	return expect.Equal(endpointID, c.Agent.AgentID(), value)
}

// shows wants a GetResp with n results and among them one that shows the parameter alone, and returns its value.
func shows(got *controller.Reply, n int, param string) (string, error) {
	q, err := expect.ResultAmong(got, n, param)
	if err != nil {
		return "", err
	}
	object, name := usp.SplitName(param)
	return expect.OneParameter(q, object, name)
}

// getTwoParameters is 1.37, where both are in one object, and 1.38, where the second is in another.
func getTwoParameters(sameObject bool) harness.Body {
	return func(c *harness.Case) {
		second, kind := c.Element(dut.RoleReadable), usp.TypeString
		if !sameObject {
			row, _ := c.Subscribe(nil)
			second, kind = row+"Enable", usp.TypeBoolean
		}
		before, beforeErr := c.Read(second)
		c.Step(1, "get %s and %s", endpointID, second)
		got := c.Agent.Get(c, endpointID, second)
		after, afterErr := c.Read(second)
		if !c.Answered(1, got, usp.GetResp) {
			return
		}
		c.Metric(2, func(m *harness.Metric) {
			m.Must(showsEndpointID(c, got, 2), got.Evidence())
			value, err := shows(got, 2, second)
			m.Must(err)
			m.Must(usp.Valid(kind, value))
			if !sameObject {
				m.Must(expect.Value(second, kind, "true", value))
			}
			if beforeErr == nil && afterErr == nil && before == after { // a substitute may change by itself
				m.Must(expect.Value(second, kind, before, value))
			}
		})
	}
}

// getObject is 1.39. What must be there is known from the supported data model and from the instances, asked for beforehand.
func getObject(c *harness.Case) {
	model := supported(c, localAgent)
	instances := append(instancesBelow(c, model.tables()...), singlesInRows(c, model)...)
	c.Step(1, "get %s", localAgent)
	got := c.Agent.Get(c, localAgent)
	if !c.Answered(1, got, usp.GetResp) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		q, err := expect.OneResult(got, localAgent)
		m.Must(err, got.Evidence())
		m.Must(complete(q, localAgent, model, instances))
		m.Must(tellsEndpointID(c, q))
	})
	c.Metric(3, func(m *harness.Metric) { m.Must(relativeKeys(got), got.Evidence()) })
}

// tellsEndpointID wants the Agent's Endpoint ID among the parameters of a result: the one value that is known.
func tellsEndpointID(c *harness.Case, q *usppb.GetResp_RequestedPathResult) error {
	return expect.Equal(endpointID, c.Agent.AgentID(), expect.Resolved(q)[endpointID])
}

// getInstance is 1.40. Objects below the row, which a vendor may have added, belong to the answer.
func getInstance(c *harness.Case) {
	model := supported(c, subscriptions)
	c.Subscribe(nil) // a row that must not show
	path, _ := c.Subscribe(nil)
	before := rows(c)
	below := keep(instancesBelow(c, subscriptions), func(row string) bool { return strings.HasPrefix(row, path) })
	c.Step(1, "get %s", path)
	got := c.Agent.Get(c, path)
	if !c.Answered(1, got, usp.GetResp) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		q, err := expect.OneResult(got, path)
		m.Must(err, got.Evidence())
		m.Must(complete(q, path, model, below))
		m.Must(sameRow(path, before, expect.Snapshot(expect.Resolved(q))))
		for _, object := range expect.ResolvedPaths(q) {
			if !strings.HasPrefix(object, path) {
				m.Must(&usp.Mismatch{Where: "resolved_path_results", Want: path + " and what is below it", Got: usp.Quote(object)})
			}
		}
	})
	c.Metric(3, func(m *harness.Metric) { m.Must(relativeKeys(got), got.Evidence()) })
}

// getUnknownParameter is 1.41, and with a parameter that exists beside it 1.42.
func getUnknownParameter(withKnown bool) harness.Body {
	return func(c *harness.Case) {
		invalidParameter := c.Element(dut.RoleNoParameter)
		paths := []string{localAgent + invalidParameter}
		if withKnown {
			paths = append([]string{endpointID}, paths...)
		}
		c.Step(1, "get %s", strings.Join(paths, " and "))
		got := c.Agent.Get(c, paths...)
		if !c.Answered(1, got, usp.GetResp) {
			return
		}
		c.Metric(2, func(m *harness.Metric) {
			if withKnown {
				m.Must(showsEndpointID(c, got, 2))
			}
			m.Must(expect.GetFailure(got, len(paths), localAgent+invalidParameter), got.Evidence())
		})
	}
}

// getWithMaxDepth is 1.89: depth 1 is the object itself, depth 2 adds its children, depth 0 is everything. A table and its row are one
// level (R-GET.5).
func getWithMaxDepth(c *harness.Case) {
	model := supported(c, localAgent)
	instances := append(instancesBelow(c, model.tables()...), singlesInRows(c, model)...)
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
			if depth == 2 && c.Strict("depth-two-has-a-limit") {
				q.ResolvedPathResults = slices.DeleteFunc(q.GetResolvedPathResults(), func(r *usppb.GetResp_ResolvedPathResult) bool {
					return levels(localAgent, r.GetResolvedPath()) > depth
				})
			}
			for _, r := range q.GetResolvedPathResults() {
				if level := levels(localAgent, r.GetResolvedPath()); depth > 0 && level > depth {
					m.Must(&usp.Mismatch{Where: "resolved_path_results", Want: fmt.Sprintf("no object below depth %d", depth),
						Got: fmt.Sprintf("%q at depth %d", r.GetResolvedPath(), level)})
				}
			}
			within := func(path string) bool { return depth == 0 || levels(localAgent, path) <= depth }
			m.Must(complete(q, localAgent, filter(model, within), keep(instances, within)))
			m.Must(tellsEndpointID(c, q))
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
					return &usp.Mismatch{Where: "result_params of " + r.GetResolvedPath(), Want: "names relative to it", Got: usp.Quote(name)}
				}
			}
		}
	}
	return nil
}
