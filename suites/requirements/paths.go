package requirements

import (
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// paths is R-ARC.7: forms of path names beyond those that the plan uses.
func paths(c *harness.Case) {
	needs(c, "TimeToLive")
	ttl := strconv.Itoa(100_000 + rand.IntN(800_000)) // seconds
	c.Step(1, "add a Subscription with a TimeToLive of %s", ttl)
	row, id := c.Subscribe(usp.Params{"Enable": "true", "TimeToLive": ttl, "ReferenceList": subscriptionCount})
	values, err := c.ReadAll(row)
	c.DeviceMust(err)
	recipient := values[row+"Recipient"]

	c.Step(2, "get it by both parameters of its key, in either order")
	byID, byRecipient := fmt.Sprintf("ID==%q", id), fmt.Sprintf("Recipient==%q", recipient)
	c.Metric(1, func(m *harness.Metric) {
		mustFind(m, c, byRecipient+"&&"+byID, []string{row})
		mustFind(m, c, byID+"&&"+byRecipient, []string{row})
	})

	c.Step(3, "get it by other forms of its values")
	mine := "TimeToLive==" + ttl
	c.Metric(2, func(m *harness.Metric) {
		mustFind(m, c, mine+"&&Enable==true", []string{row})
		mustFind(m, c, mine+"&&Enable==1", []string{row})
		mustFind(m, c, "TimeToLive==00"+ttl, []string{row})
	})

	c.Step(4, "add a Role whose Name has a quotation mark and a percent sign, and get it by its Name")
	name := c.Fresh("role") + `"50%"`
	odd := c.Agent.Add(c, false, usp.Create(roles, usp.Params{"Enable": "true", "Name": name}, nil))
	c.Owns(odd)
	created, err := expect.OneCreated(odd)
	if err != nil {
		c.NotApplicable(3, fmt.Sprintf("the device takes no Role with such a Name: %v", err))
	} else {
		path := fmt.Sprintf("%s[Name==%s].Enable", roles, usp.Constant(name))
		c.Metric(3, func(m *harness.Metric) {
			got := c.Agent.Get(c, path)
			q, err := expect.OneResult(got, path)
			m.Must(err, got.Evidence())
			m.Must(expect.SameSet("resolved_path of "+path, []string{created.Path}, expect.ResolvedPaths(q)), got.Evidence())
		})
	}

	plain := c.Fresh("role")
	c.Step(5, "add a Role, and a Controller that is not enabled and refers to it")
	role := role(c, plain) + "."
	permission := c.Add(role+"Permission.", usp.Params{"Enable": "false", "Order": "1", "Targets": localAgent}, nil).Path
	endpoint := "proto::" + c.Fresh("controller")
	referring := c.Add(controllers,
		usp.Params{"EndpointID": endpoint, "Enable": "false", "AssignedRole": expect.WithoutDot(role)}, nil).Path

	search := fmt.Sprintf("%s[EndpointID==%q&&AssignedRole+.Name==%q].EndpointID", controllers, endpoint, plain)
	c.Step(6, "get %s", search)
	c.Metric(4, func(m *harness.Metric) {
		got := c.Agent.Get(c, search)
		q, err := expect.OneResult(got, search)
		m.Must(err, got.Evidence())
		m.Must(expect.SameSet("resolved_path of "+search, []string{referring}, expect.ResolvedPaths(q)), got.Evidence())
	})

	followed := referring + "AssignedRole+."
	c.Step(7, "set Enable of %s, and get the instances of %sPermission.", followed, followed)
	set := c.Agent.Set(c, false, usp.Update(followed, usp.Params{"Enable": "false"}, nil))
	listed := c.Agent.GetInstances(c, true, followed+"Permission.")
	c.Metric(5, func(m *harness.Metric) {
		o, err := expect.UpdatedObject(set, followed, 1)
		m.Must(err, set.Evidence())
		m.Must(expect.Updated(o, []string{role}, "Enable", "false"), set.Evidence())
		seen, err := expect.OneInstances(listed, followed+"Permission.")
		m.Must(err, listed.Evidence())
		m.Must(expect.SameSet("instances of "+followed+"Permission.", []string{permission}, seen), listed.Evidence())
	})
}
