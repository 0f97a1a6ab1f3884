package access

import (
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// creationAllowed is 2.11. Before the Permission under test grants it, a Permission of lower Order
// takes the right away: otherwise the Controller would have had it all along. Neither touches the
// rights to Permissions, and rows can be deleted throughout.
func creationAllowed(c *harness.Case) {
	own := ownRoles(c)
	if !denyCreation(c, own) {
		c.Note("the right to add Subscriptions could not be taken away before, so metric 2 does not depend on the Permission under test")
	}

	own.orderByLetter()
	c.Step(1, "add a Permission to the Controller's Role that lets it add Subscriptions")
	if _, ok := c.Created(1, own.grant(subscriptions, usp.Params{"Obj": "rw--"})); !ok {
		return
	}
	c.Step(2, "add a Subscription without parameters")
	added := c.Agent.Add(c, false, usp.Create(subscriptions, nil, nil))
	c.Owns(added)
	c.Metric(2, func(m *harness.Metric) {
		created, err := expect.OneCreated(added)
		m.Must(err, added.Evidence())
		m.Must(expect.Equal("created_obj_results[0].requested_path", subscriptions, created.Table))
		got := c.Agent.Get(c, created.Path)
		_, err = expect.OneResult(got, created.Path)
		m.Must(err, got.Evidence())
	})
}

// denyCreation takes the right to add Subscriptions away from every Role of the Controller, and
// says whether that has an effect.
func denyCreation(c *harness.Case, own *roles) bool {
	if !own.withhold(subscriptions, usp.Params{"Obj": "r---"}) {
		return false
	}
	added := c.Agent.Add(c, false, usp.Create(subscriptions, nil, nil))
	c.Owns(added)
	return expect.Denied(added) == nil
}

// deletionAllowed is 2.13. As in 2.11, a Permission of lower Order first takes away what the one
// under test grants.
func deletionAllowed(c *harness.Case) {
	own := ownRoles(c)
	path, _ := c.Subscribe(nil)
	if !denyDeletion(c, own) {
		c.Note("the right to delete Subscriptions could not be taken away before, so metric 2 does not depend on the Permission under test")
	}

	own.orderByLetter()
	c.Step(1, "add a Permission to the Controller's Role that lets it delete Subscriptions")
	if _, ok := c.Created(1, own.grant(subscriptions, usp.Params{"InstantiatedObj": "rw--"})); !ok {
		return
	}
	c.Step(2, "delete %s", path)
	deleted := c.Agent.Delete(c, false, path)
	c.Metric(2, func(m *harness.Metric) {
		affected, err := expect.Deleted(deleted, path)
		m.Must(err, deleted.Evidence())
		m.Must(expect.SameSet("oper_success.affected_paths", []string{path}, affected))
		m.Must(subscriptionRows(c).Gone(path), c.Journal.Mark())
	})
}

// denyDeletion takes the right to delete Subscriptions away from every Role of the Controller, and
// says whether that has an effect. The Subscription it tries with comes before the Permissions, so
// that clean-up deletes it after them.
func denyDeletion(c *harness.Case, own *roles) bool {
	path, _ := c.Subscribe(nil)
	if !own.withhold(subscriptions, usp.Params{"InstantiatedObj": "r---"}) {
		return false
	}
	return expect.Denied(c.Agent.Delete(c, false, path)) == nil
}

// updateAllowed is 2.15. As in 2.11, a Permission of lower Order first takes away what the one
// under test grants.
func updateAllowed(c *harness.Case) {
	own := ownRoles(c)
	path, _ := c.Subscribe(nil)
	enable := func(value string) *controller.Reply {
		return c.Agent.Set(c, false, usp.Update(path, usp.Params{"Enable": value}, nil))
	}
	if !own.withhold(path, usp.Params{"Param": "r---"}) || expect.Denied(enable("true")) != nil {
		c.Note("the right to set parameters of %s could not be taken away before, so metric 2 does not depend on the Permission under test", path)
	}

	own.orderByLetter()
	c.Step(1, "add a Permission to the Controller's Role that lets it set the parameters of %s", path)
	if _, ok := c.Created(1, own.grant(path, usp.Params{"Param": "rw--"})); !ok {
		return
	}
	c.Step(2, "set Enable of %s to false", path)
	set := enable("false")
	c.Metric(2, func(m *harness.Metric) {
		o, err := expect.UpdatedObject(set, path, 1)
		m.Must(err, set.Evidence())
		m.Must(expect.Updated(o, []string{path}, "Enable", "false"))
		mustHaveEnable(c, m, path, "false")
	})
}

// mustHaveEnable reads Enable of a Subscription.
func mustHaveEnable(c *harness.Case, m *harness.Metric, path, want string) {
	got := c.Agent.Get(c, path+"Enable")
	q, err := expect.OneResult(got, path+"Enable")
	m.Must(err, got.Evidence())
	m.Must(expect.Value(path+"Enable", usp.TypeBoolean, want, expect.Resolved(q)[path+"Enable"]))
}

// updateNotAllowed is 2.16: parameters of one Subscription can be read only. That the Set is lawful
// otherwise is tried first.
func updateNotAllowed(c *harness.Case) {
	own := ownRoles(c)
	path, _ := c.Subscribe(nil)
	c.Set(path, usp.Params{"Enable": "true"})

	own.orderByLetter()
	c.Step(1, "add a Permission to the Controller's Role that lets it only read the parameters of %s", path)
	readOnly := usp.Params{"Param": "r---"}
	if _, ok := c.Created(1, own.grant(path, readOnly)); !ok {
		return
	}
	own.withholdElsewhere(permission{path, readOnly})
	c.Step(2, "set Enable of %s to false", path)
	set := c.Agent.Set(c, false, usp.Update(path, usp.Params{"Enable": "false"}, nil))
	c.Metric(2, func(m *harness.Metric) {
		mustBeDenied(c, m, own, set)
		mustHaveEnable(c, m, path, "true")
	})
}

// mustBeDenied wants a request to be refused for want of a permission, and notes a code that says
// so only inside.
func mustBeDenied(c *harness.Case, m *harness.Metric, own *roles, reply *controller.Reply) {
	m.Must(own.decides(expect.Denied(reply)), reply.Evidence())
	if code := usp.ErrCode(reply.Body().GetError().GetErrCode()); code != usp.CodePermissionDenied {
		if c.Strict("permission-denied-inside") {
			m.Must(expect.Equal("Error: err_code", usp.CodePermissionDenied.String(), code.String()))
		}
		m.Note("the Error has code %s; %s is in its parameter errors", code, usp.CodePermissionDenied)
	}
}

// creationNotAllowed is 2.12. That the Controller may add Subscriptions otherwise is tried first: a
// device that never lets it would pass.
func creationNotAllowed(c *harness.Case) {
	own := ownRoles(c)
	c.Subscribe(nil)

	own.orderByLetter()
	c.Step(1, "add a Permission to the Controller's Role that denies it to add Subscriptions")
	denial := usp.Params{"Obj": "r---"}
	if _, ok := c.Created(1, own.grant(subscriptions, denial)); !ok {
		return
	}
	own.withholdElsewhere(permission{subscriptions, denial})
	before := subscriptionRows(c)
	c.Step(2, "add a Subscription without parameters")
	added := c.Agent.Add(c, false, usp.Create(subscriptions, nil, nil))
	c.Owns(added)
	c.Metric(2, func(m *harness.Metric) {
		mustBeDenied(c, m, own, added)
		created := before.New(subscriptionRows(c))
		for _, row := range created {
			c.OwnsPath(row)
		}
		m.Must(expect.Count("Subscriptions that were created nevertheless", 0, len(created)), c.Journal.Mark())
	})
}

// deletionNotAllowed is 2.14. Clean-up deletes the Permission before the Subscription, since it was
// added later.
func deletionNotAllowed(c *harness.Case) {
	own := ownRoles(c)
	c.DeviceMust(deletable(c))
	path, _ := c.Subscribe(nil)

	own.orderByLetter()
	c.Step(1, "add a Permission to the Controller's Role that denies it to delete Subscriptions")
	denial := usp.Params{"InstantiatedObj": "r---"}
	if _, ok := c.Created(1, own.grant(subscriptions, denial)); !ok {
		return
	}
	own.withholdElsewhere(permission{subscriptions, denial})
	c.Step(2, "delete %s", path)
	deleted := c.Agent.Delete(c, false, path)
	c.Metric(2, func(m *harness.Metric) {
		mustBeDenied(c, m, own, deleted)
		m.Must(subscriptionRows(c).Has(path), c.Journal.Mark())
	})
}

// deletable tries whether the Controller may delete a Subscription without the Permission under
// test: a device that never lets it would pass.
func deletable(c *harness.Case) error {
	path, _ := c.Subscribe(nil)
	_, err := expect.Deleted(c.Agent.Delete(c, false, path), path)
	return err
}

// subscriptionRows takes a snapshot of the Subscription table.
func subscriptionRows(c *harness.Case) expect.Snapshot {
	values, err := c.ReadAll(subscriptions)
	c.DeviceMust(err)
	return expect.Snapshot(values)
}
