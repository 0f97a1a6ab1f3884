package access

import (
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// creationAllowed is 2.11. Before the Permission under test grants it, a Permission of lower Order takes the right away: otherwise the
// Controller would have had it all along. Neither touches the rights to Permissions, and rows can be deleted throughout.
func creationAllowed(c *harness.Case) {
	own := ownRoles(c)
	if !denyCreation(c, own) {
		c.Note("a Permission that denies to add Subscriptions has no effect, so metric 2 does not depend on the one under test")
	}

	own.orderByLetter()
	c.Step(1, "add a Permission to the Controller's Role that lets it add Subscriptions")
	if _, ok := c.Created(1, own.permit(subscriptions, usp.Params{"Obj": "rw--"})); !ok {
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

// denyCreation takes the right to add Subscriptions away from every Role of the Controller, and says whether that has an effect.
func denyCreation(c *harness.Case, own *roles) bool {
	denial := usp.Params{"Obj": "r---"}
	if _, err := expect.OneCreated(own.permit(subscriptions, denial)); err != nil {
		return false
	}
	own.permitElsewhere(subscriptions, denial)
	added := c.Agent.Add(c, false, usp.Create(subscriptions, nil, nil))
	c.Owns(added)
	return expect.Denied(added) == nil
}

// updateNotAllowed is 2.16: parameters of one Subscription can be read only. That the Set is lawful otherwise is tried first.
func updateNotAllowed(c *harness.Case) {
	own := ownRoles(c)
	path := subscription(c)
	c.Set(path, usp.Params{"Enable": "true"})

	own.orderByLetter()
	c.Step(1, "add a Permission to the Controller's Role that lets it only read the parameters of %s", path)
	readOnly := usp.Params{"Param": "r---"}
	if _, ok := c.Created(1, own.permit(path, readOnly)); !ok {
		return
	}
	own.permitElsewhere(path, readOnly)
	c.Step(2, "set Enable of %s to false", path)
	set := c.Agent.Set(c, false, usp.Update(path, usp.Params{"Enable": "false"}, nil))
	c.Metric(2, func(m *harness.Metric) {
		m.Must(expect.Denied(set), set.Evidence())
		got := c.Agent.Get(c, path+"Enable")
		q, err := expect.OneResult(got, path+"Enable")
		m.Must(err, got.Evidence())
		m.Must(expect.Value(path+"Enable after the Set", usp.TypeBoolean, "true", expect.Resolved(q)[path+"Enable"]))
		if code := usp.ErrCode(set.Body().GetError().GetErrCode()); code != usp.CodePermissionDenied {
			if c.Strict("permission-denied-inside") {
				m.Must(expect.Equal("Error: err_code", usp.CodePermissionDenied.String(), code.String()), set.Evidence())
			}
			m.Note("the Error has code %s; %s stands in its parameter errors", code, usp.CodePermissionDenied)
		}
	})
}

// subscription adds a Subscription as a fixture, which is deleted in the end.
func subscription(c *harness.Case) (path string) {
	return c.Add(subscriptions, usp.Params{
		"ID": c.Fresh("fixture"), "NotifType": "ValueChange", "ReferenceList": c.Element(dut.RoleReadable),
	}, nil).Path
}
