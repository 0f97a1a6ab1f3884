package messages

import (
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// addOneObject is 1.1 and 1.2, which differ in allow_partial alone.
func addOneObject(allowPartial bool) harness.Body {
	return func(c *harness.Case) {
		required := usp.Params{"ReferenceList": c.Element(dut.RoleReadable)}
		optional := usp.Params{"Enable": "true", "ID": c.Fresh("add"), "NotifType": "ValueChange"}

		c.Step(1, "add one Subscription, allow_partial %v, with every parameter valid", allowPartial)
		added := c.Agent.Add(c, allowPartial, usp.Create(subscriptions, required, optional))
		c.Owns(added)
		if !c.Answered(1, added, usp.AddResp) {
			return
		}
		var created usp.Created
		passed := c.Metric(2, func(m *harness.Metric) {
			var err error
			created, err = expect.OneCreated(added)
			m.Must(err, added.Evidence())
			m.Must(subscriptionKeys(c, created))
			m.Must(expect.Equal("oper_success.unique_keys: ID", optional["ID"], created.UniqueKeys["ID"]))
		})
		if created.Path == "" || !passed && len(created.UniqueKeys) == 0 {
			return
		}
		c.Step(4, "get the new Subscription %s", created.Path)
		got := c.Agent.Get(c, created.Path)
		if !c.Metric(3, func(m *harness.Metric) {
			_, err := expect.OneResult(got, created.Path)
			m.Must(err, got.Evidence())
		}) {
			return
		}
		c.Metric(4, func(m *harness.Metric) {
			m.Must(expect.Params(got, created.Path, required, subscriptionTypes), got.Evidence())
			m.Must(expect.Params(got, created.Path, optional, subscriptionTypes))
		})
	}
}

// addRequiredParameterFails is 1.3: a required parameter has a value that its type forbids.
func addRequiredParameterFails(c *harness.Case) {
	before := ownRows(c)
	c.Step(1, "add a Subscription whose required Enable is no boolean")
	added := c.Agent.Add(c, false, usp.Create(subscriptions,
		usp.Params{"Enable": "InvalidValue"},
		usp.Params{"ID": c.Fresh("add"), "NotifType": "ValueChange", "ReferenceList": c.Element(dut.RoleReadable)}))
	c.Owns(added)
	judgeRefusedAdd(c, added, isEnable, before)
}

// isEnable accepts the path of Enable in an object that was not created. It never had an instance number, so the Agent may name it in
// several ways: only table and parameter are fixed.
func isEnable(path string) error {
	if strings.HasPrefix(path, subscriptions) && strings.HasSuffix(path, ".Enable") {
		return nil
	}
	return expect.Equal("param_errs[0].param_path", subscriptions+"Enable", path)
}

// addInvalidObject is 1.4: the object to create is not in the data model.
func addInvalidObject(c *harness.Case) {
	invalidObject := c.Element(dut.RoleNoObject)
	before := ownRows(c)
	c.Step(1, "add an object that is not in the data model")
	added := c.Agent.Add(c, false, usp.Create(invalidObject, nil, subscription(c, c.Element(dut.RoleReadable))))
	c.Owns(added)
	judgeRefusedAdd(c, added, isPath(invalidObject), before)
}

// addSecondObjectInvalid is 1.6: of two objects the second is not in the data model, so that neither may be created.
func addSecondObjectInvalid(c *harness.Case) {
	invalidObject := c.Element(dut.RoleNoObject)
	before := ownRows(c)
	required, optional := usp.Params{"ReferenceList": c.Element(dut.RoleReadable)}, usp.Params{"Enable": "true", "NotifType": "ValueChange"}
	first, second := usp.Params{"ID": c.Fresh("add")}, usp.Params{"ID": c.Fresh("add")}
	for name, value := range optional {
		first[name], second[name] = value, value
	}
	c.Step(1, "add one valid Subscription and one object that is not in the data model")
	added := c.Agent.Add(c, false, usp.Create(subscriptions, required, first), usp.Create(invalidObject, required, second))
	c.Owns(added)
	judgeRefusedAdd(c, added, isPath(invalidObject), before)
}

// isPath accepts one path, with or without its final dot.
func isPath(want string) func(string) error {
	return func(got string) error { return expect.SamePath("param_errs[0].param_path", want, got) }
}

// judgeRefusedAdd judges the three metrics of an Add that must fail as a whole: an Error, the parameter at fault, and no new row.
func judgeRefusedAdd(c *harness.Case, added *controller.Reply, atFault func(string) error, before expect.Snapshot) {
	c.Answered(1, added, usp.Error)
	if expect.Type(added, usp.Error) == nil {
		c.Metric(2, func(m *harness.Metric) { m.Must(expect.OneParamError(added, atFault), added.Evidence()) })
	}
	c.Step(3, "get the Subscription table again")
	after := ownRows(c)
	ownNew(c, before, after)
	c.Metric(3, func(m *harness.Metric) { m.Must(before.Unchanged(after), c.Journal.Mark()) })
}
