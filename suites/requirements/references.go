package requirements

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// unused is an instance number that no Agent gives to a row.
const unused = "2147483646"

// references is R-ARC.11 and what else TR-369 says of references, with AssignedRole, a list of strong ones.
func references(c *harness.Case) {
	c.Step(1, "add two Roles, and a Controller that is not enabled")
	names := []string{c.Fresh("role"), c.Fresh("role")}
	first, second := role(c, names[0]), role(c, names[1])
	row := c.Add(controllers, usp.Params{"EndpointID": "proto::" + c.Fresh("controller"), "Enable": "false"}, nil).Path
	assigned := row + "AssignedRole"
	assign := func(value string) func() ([]string, error) {
		set := c.Agent.Set(c, false, usp.Update(row, usp.Params{"AssignedRole": value}, nil))
		return func() ([]string, error) {
			if err := expect.Type(set, usp.SetResp); err != nil {
				return nil, err
			}
			value, err := c.Read(assigned)
			return items(value), err
		}
	}

	byKey := fmt.Sprintf("%s[Name==%q]", roles, names[0])
	c.Step(2, "set %s to %s", assigned, byKey)
	read := assign(byKey)
	c.Metric(1, func(m *harness.Metric) {
		got, err := read()
		m.Must(err, c.Journal.Mark())
		m.Must(expect.Contains(assigned, []string{first}, got))
	})

	c.Step(3, "set %s to %s%s", assigned, roles, unused)
	dangling := c.Agent.Set(c, false, usp.Update(row, usp.Params{"AssignedRole": roles + unused}, nil))
	c.Metric(2, func(m *harness.Metric) { m.Must(expect.ErrorCode(dangling), dangling.Evidence()) })

	c.Step(4, "set %s to %s,%s, and follow it", assigned, first, second)
	both, err := assign(first + "," + second)()
	if err != nil {
		const why = "the device takes no list of Roles: "
		c.NotApplicable(3, why+err.Error())
		c.NotApplicable(4, why+err.Error())
		return
	}
	c.DeviceMust(expect.Contains(assigned, []string{first, second}, both))
	c.Metric(3, func(m *harness.Metric) {
		for suffix, want := range map[string][]string{"+": both[:1], "#1+": both[:1], "#2+": both[1:2], "#*+": both} {
			path := assigned + suffix + ".Name"
			got := c.Agent.Get(c, path)
			q, err := expect.OneResult(got, path)
			m.Must(err, got.Evidence())
			var reached []string
			for _, object := range expect.ResolvedPaths(q) {
				reached = append(reached, expect.WithoutDot(object))
			}
			m.Must(expect.SameSet("objects of "+path, want, reached), got.Evidence())
		}
	})

	c.Step(5, "delete %s", second)
	deleted := c.Agent.Delete(c, false, second+".")
	if err := expect.Type(deleted, usp.DeleteResp); err != nil {
		c.NotApplicable(4, fmt.Sprintf("the device does not delete a Role that is in use: %v", err))
		return
	}
	c.Metric(4, func(m *harness.Metric) {
		m.Must(c.Eventually(settling, func() error {
			value, err := c.Read(assigned)
			if err != nil {
				return err
			}
			return expect.SameSet(assigned, []string{first}, slices.DeleteFunc(items(value), func(r string) bool {
				return r != first && r != second // the Agent's own, such as that of UntrustedRole
			}))
		}), c.Journal.Mark())
	})
}

// settling is how long an Agent may take until a list of references follows a deletion.
const settling = 5 * time.Second

// role adds a Role as a fixture, and returns its path as references have it.
func role(c *harness.Case, name string) string {
	added := c.Agent.Add(c, false, usp.Create(roles, usp.Params{"Enable": "true", "Name": name}, nil))
	c.Owns(added)
	created, err := expect.OneCreated(added)
	if err != nil {
		c.Unsupported(fmt.Sprintf("the device takes no further Role: %v", err))
	}
	return expect.WithoutDot(created.Path)
}

// items are the references of a list, each without a final dot.
func items(list string) (paths []string) {
	for path := range strings.SplitSeq(list, ",") {
		if path = expect.WithoutDot(strings.TrimSpace(path)); path != "" {
			paths = append(paths, path)
		}
	}
	return paths
}
