package requirements

import (
	"fmt"
	"slices"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// following is R-ARC.10 with references behind a wildcard, and what else TR-369 says of following references in paths: all or one of a
// list in a Set, those that lead nowhere, and one that is no list.
func following(c *harness.Case) {
	c.Step(1, "add two Roles, and two Controllers that are not enabled, and that refer to one of them each")
	roles := []string{role(c, c.Fresh("role")), role(c, c.Fresh("role"))}
	var rows, firsts []string
	for _, r := range roles {
		assigned := usp.Params{"EndpointID": "proto::" + c.Fresh("controller"), "Enable": "false", "AssignedRole": r}
		row := c.Add(controllers, assigned, nil).Path
		value, err := c.Read(row + "AssignedRole")
		c.DeviceMust(err)
		c.DeviceMust(expect.Contains(row+"AssignedRole", []string{r}, items(value)))
		rows, firsts = append(rows, row), append(firsts, items(value)[0]+".")
	}

	all := controllers + "*.AssignedRole"
	c.Step(2, "get %s and %s+.Name", all, all)
	assigned, err := c.ReadAll(all)
	c.DeviceMust(err)
	c.Metric(1, func(m *harness.Metric) {
		path := all + "+.Name"
		got := c.Agent.Get(c, path)
		q, err := expect.OneResult(got, path)
		m.Must(err, got.Evidence())
		resolved := expect.ResolvedPaths(q)
		m.Must(expect.Contains("resolved_path of "+path, firsts, resolved), got.Evidence())
		for _, value := range assigned {
			if referred := items(value); len(referred) > 0 {
				resolved = slices.DeleteFunc(resolved, func(object string) bool { return object == referred[0]+"." })
			}
		}
		m.Must(expect.SameSet("resolved_path of "+path+" that no Controller refers to first", nil, resolved), got.Evidence())
	})

	nowhere := followList(c, rows[0], roles)

	c.Step(6, "add an MQTT client or a STOMP connection, and a row of %s for it, neither enabled", agentMTPs)
	r, err := unusedReference(c)
	single := r.object + "Reference"
	if err == nil {
		value, err := c.Read(single)
		c.DeviceMust(err)
		if value == "" {
			nowhere = append(nowhere, single+"+.Enable")
		}
	}
	c.Step(7, "get parameters behind references that lead nowhere")
	if len(nowhere) == 0 {
		c.NotApplicable(4, "the device takes no list of Roles, and has no reference that is empty")
	} else {
		c.Metric(4, func(m *harness.Metric) {
			for _, path := range nowhere {
				mustLeadNowhere(m, c, path)
			}
		})
	}
	if err != nil {
		c.NotApplicable(5, err.Error())
		c.NotApplicable(6, err.Error())
		return
	}
	c.Step(8, "set %s to %s, and get and set parameters of that by following the reference", single, r.target)
	c.Set(r.object, usp.Params{"Reference": expect.WithoutDot(r.target)})
	c.Set(r.target, usp.Params{r.host: "usptest.invalid"})
	const host = "reference.usptest.invalid"
	c.Metric(5, func(m *harness.Metric) {
		path := single + "+.Enable"
		got := c.Agent.Get(c, path)
		q, err := expect.OneResult(got, path)
		m.Must(err, got.Evidence())
		_, err = expect.OneParameter(q, r.target, "Enable")
		m.Must(err, got.Evidence())

		set := c.Agent.Set(c, false, usp.Update(single+"+.", usp.Params{r.host: host}, nil))
		o, err := expect.UpdatedObject(set, single+"+.", 1)
		m.Must(err, set.Evidence())
		ok, err := expect.UpdateSuccess(o, r.host)
		m.Must(err, set.Evidence())
		m.Must(expect.SameSet("oper_success: affected_path", []string{r.target}, expect.AffectedPaths(ok)), set.Evidence())
		value, err := c.Read(r.target + r.host)
		m.Must(err, set.Evidence())
		m.Must(expect.Equal(r.target+r.host, host, value), c.Journal.Mark())
	})
	operateBehind(c, single, r)
}

// operateBehind runs a command by following a reference, in metric 6. What it is run on is not enabled, so that it has nothing to do and
// may fail; the answer says what it was run on.
func operateBehind(c *harness.Case, single string, r transportReference) {
	if r.command == "" || !described(c, r.table+"{i}.", r.command) {
		c.NotApplicable(6, fmt.Sprintf("the rows of %s have no command to run", r.table))
		return
	}
	path := single + "+." + r.command
	c.Step(9, "operate %s", path)
	operated := c.Agent.Operate(c, path, c.Fresh("key"), nil)
	c.Metric(6, func(m *harness.Metric) {
		result, err := expect.OneOperation(operated, r.target+r.command)
		m.Must(err, operated.Evidence())
		if f := result.GetCmdFailure(); f != nil {
			m.Note("it fails: %d %s", f.GetErrCode(), f.GetErrMsg())
		}
	})
}

// followList sets Roles by following the references of a Controller to them, in metrics 2 and 3. It returns a path by an item that the list
// does not have, or none where the device takes no such list.
func followList(c *harness.Case, row string, roles []string) []string {
	list := row + "AssignedRole"
	c.Step(3, "set %s to %s,%s", list, roles[0], roles[1])
	set := c.Agent.Set(c, false, usp.Update(row, usp.Params{"AssignedRole": roles[0] + "," + roles[1]}, nil))
	value, err := c.Read(list)
	if err == nil {
		err = expect.Type(set, usp.SetResp)
	}
	if err == nil {
		err = expect.SameSet(list, roles, items(value))
	}
	if err != nil {
		why := fmt.Sprintf("the device takes no list of these Roles alone: %v", err)
		c.NotApplicable(2, why)
		c.NotApplicable(3, why)
		return nil
	}
	first, second := items(value)[0]+".", items(value)[1]+"."
	for i, follow := range []struct {
		suffix, enable string
		affected       []string
	}{
		{"#*+.", "false", []string{first, second}},
		{"#2+.", "true", []string{second}},
	} {
		path := list + follow.suffix
		c.Step(4+i, "set Enable of %s to %s", path, follow.enable)
		wants := map[string]string{}
		for _, r := range []string{first, second} {
			before, err := c.Read(r + "Enable")
			c.DeviceMust(err)
			wants[r] = before
		}
		set := c.Agent.Set(c, false, usp.Update(path, usp.Params{"Enable": follow.enable}, nil))
		c.Metric(2+i, func(m *harness.Metric) {
			o, err := expect.UpdatedObject(set, path, 1)
			m.Must(err, set.Evidence())
			m.Must(expect.Updated(o, follow.affected, "Enable", follow.enable), set.Evidence())
			for _, r := range follow.affected {
				wants[r] = follow.enable
			}
			for r, want := range wants {
				value, err := c.Read(r + "Enable")
				m.Must(err, set.Evidence())
				m.Must(expect.Value(r+"Enable", usp.TypeBoolean, want, value), set.Evidence())
			}
		})
	}
	return []string{list + "#3+.Name"}
}

// mustLeadNowhere wants a Get of a path to have a result without objects. It may have an error (R-GET.0): whether a path with a reference
// is a search path is open.
func mustLeadNowhere(m *harness.Metric, c *harness.Case, path string) {
	got := c.Agent.Get(c, path)
	q, err := expect.OneResult(got, path)
	if err != nil {
		err = expect.GetFailure(got, 1, path)
	}
	m.Must(err, got.Evidence())
	m.Must(expect.SameSet("resolved_path of "+path, nil, expect.ResolvedPaths(q)), got.Evidence())
}
