package requirements

import (
	"maps"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// unchanged is R-ADD.1 and what else TR-369 says of requests without allow_partial of which one part fails: nothing is left of the others,
// whichever table they are about.
func unchanged(c *harness.Case) {
	c.Step(1, "add two Subscriptions, and a Role with a Permission that a Controller has")
	first, _ := c.Subscribe(usp.Params{"NotifRetry": "false"})
	second, _ := c.Subscribe(usp.Params{"NotifRetry": "false"})
	name := c.Fresh("role")
	inUse := role(c, name)
	c.Add(inUse+".Permission.", usp.Params{"Enable": "true", "Order": "1", "Targets": localAgent, "Param": "r---"}, nil)
	row := c.Add(controllers, usp.Params{"EndpointID": "proto::" + c.Fresh("controller"), "Enable": "false"}, nil).Path
	c.Set(row, usp.Params{"AssignedRole": inUse})
	w := witness{c: c, assigned: row + "AssignedRole"}
	w.look()

	add := func(required usp.Params) *usppb.Add_CreateObject {
		required["ID"], required["NotifType"], required["ReferenceList"] = c.Fresh("unchanged"), "ValueChange", subscriptionCount
		return usp.Create(subscriptions, required, nil)
	}
	c.Step(2, "add a Subscription, a Role, a Subscription whose required Enable is no boolean, and a further one, allow_partial false")
	added := c.Agent.Add(c, false, add(usp.Params{}), usp.Create(roles, usp.Params{"Name": c.Fresh("role")}, nil),
		add(usp.Params{"Enable": "InvalidValue"}), add(usp.Params{}))
	c.Owns(added)
	w.judge(1, added)

	c.Step(3, "set NotifRetry of %s, Name of %s., and NotifRetry and a required parameter that does not exist of %s, allow_partial false",
		first, inUse, second)
	w.judge(2, c.Agent.Set(c, false,
		usp.Update(first, usp.Params{"NotifRetry": "true"}, nil),
		usp.Update(inUse+".", usp.Params{"Name": c.Fresh("role")}, nil),
		usp.Update(second, usp.Params{"NotifRetry": "true", c.Element(dut.RoleNoParameter): "InvalidValue"}, nil)))

	absent := c.Element(dut.RoleNoObject)
	c.Step(4, "delete %s, %s. and %s, which does not exist, allow_partial false", first, inUse, absent)
	w.judge(3, c.Agent.Delete(c, false, first, inUse+".", absent))
}

// witness sees what changes in Subscriptions and Roles, and in a list of references to a Role.
type witness struct {
	c        *harness.Case
	assigned string // the parameter that refers to the Role
	before   usp.Params
}

// look takes what is there now as what may not change.
func (w *witness) look() {
	var err error
	w.before, err = w.read()
	w.c.DeviceMust(err)
}

// read reads the Roles, the Subscriptions, and the references. It leaves out the Subscriptions of other Controllers, which may add and lose
// some at any time, and the vendor's own parameters, which may change by themselves.
func (w *witness) read() (usp.Params, error) {
	own, err := w.c.ControllerRow()
	if err != nil {
		return nil, err
	}
	now, err := w.c.ReadAll(subscriptions, roles, w.assigned)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(now, func(path, _ string) bool {
		_, name := usp.SplitName(path)
		return strings.HasPrefix(name, "X_")
	})
	for _, path := range now.Names() {
		row, name := usp.SplitName(path)
		if name == "Recipient" && now[path] != "" && expect.WithoutDot(now[path]) != expect.WithoutDot(own) {
			maps.DeleteFunc(now, func(path, _ string) bool { return strings.HasPrefix(path, row) })
		}
	}
	return now, nil
}

// judge judges in metric n that a request was answered with an Error, and changed nothing. What is there then is what the next one may not
// change; a row that is new is deleted at the end.
func (w *witness) judge(n int, reply *controller.Reply) {
	before := w.before
	w.look()
	for _, row := range expect.Snapshot(before).New(expect.Snapshot(w.before)) {
		w.c.OwnsPath(row)
	}
	w.c.Metric(n, func(m *harness.Metric) {
		m.Must(expect.Type(reply, usp.Error), reply.Evidence())
		m.Must(same(before, w.before), w.c.Journal.Mark())
	})
}

// same wants the same parameters with the same values.
func same(before, after usp.Params) error {
	if err := expect.Snapshot(before).Unchanged(expect.Snapshot(after)); err != nil {
		return err
	}
	names := append(before.Names(), after.Names()...)
	for _, path := range slices.Compact(slices.Sorted(slices.Values(names))) {
		was, there := before[path]
		is, still := after[path]
		if was != is || there != still {
			return &usp.Mismatch{Where: path + " after the request", Want: shown(was, there), Got: shown(is, still)}
		}
	}
	return nil
}

func shown(value string, there bool) string {
	if !there {
		return "no parameter"
	}
	return usp.Quote(value)
}
