package messages

import (
	"maps"
	"slices"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// localEndpoint is the second readable parameter of the plan's procedures, which every Agent has.
const localEndpoint = harness.EndpointID

// subscription returns the settings of a good Subscription to a parameter, with an ID of its own.
func subscription(c *harness.Case, reference string) usp.Params {
	return usp.Params{"Enable": "true", "ID": c.Fresh("add"), "NotifType": "ValueChange", "ReferenceList": reference}
}

// requiring takes one setting out, for a Create whose only required parameter it is.
func requiring(params usp.Params, name string) (required, optional usp.Params) {
	optional = maps.Clone(params)
	delete(optional, name)
	return usp.Params{name: params[name]}, optional
}

// addTwoObjects is 1.5: two good Subscriptions in one Add.
func addTwoObjects(c *harness.Case) {
	wants := []usp.Params{subscription(c, c.Element(dut.RoleReadable)), subscription(c, localEndpoint)}

	c.Step(1, "add two Subscriptions, allow_partial false, with every parameter valid")
	r1, o1 := requiring(wants[0], "ReferenceList")
	r2, o2 := requiring(wants[1], "ReferenceList")
	added := c.Agent.Add(c, false, usp.Create(subscriptions, r1, o1), usp.Create(subscriptions, r2, o2))
	c.Owns(added)
	if !c.Answered(1, added, usp.AddResp) {
		return
	}
	var rows [2]string // in the order of the request, which the AddResp need not keep
	if !c.Metric(2, func(m *harness.Metric) {
		created, err := expect.Created(added, 2, 0)
		m.Must(err, added.Evidence())
		for _, row := range created {
			m.Must(subscriptionKeys(c, row))
			for i, want := range wants {
				if row.UniqueKeys["ID"] == want["ID"] {
					rows[i] = row.Path
				}
			}
		}
		for i, want := range wants {
			m.Must(expect.NotEqual("created_obj_results: instantiated_path for the ID "+want["ID"], "", rows[i]))
		}
	}) {
		return
	}
	c.Step(4, "get %s and %s", rows[0], rows[1])
	got := c.Agent.Get(c, rows[0], rows[1])
	if !c.Metric(3, func(m *harness.Metric) {
		for _, row := range rows {
			q, err := expect.ResultAmong(got, len(rows), row)
			m.Must(err, got.Evidence())
			m.Must(expect.Contains("GetResp: resolved_path", []string{row}, expect.Snapshot(expect.Resolved(q)).Rows()))
		}
	}) {
		return
	}
	for i, row := range rows {
		c.Metric(4+i, func(m *harness.Metric) {
			q, err := expect.ResultAmong(got, len(rows), row)
			m.Must(err, got.Evidence())
			m.Must(expect.Values(expect.Resolved(q), row, wants[i], subscriptionTypes))
		})
	}
}

// subscriptionKeys wants the unique keys of a new Subscription: Recipient and ID, and Alias where the Agent supports it.
func subscriptionKeys(c *harness.Case, created usp.Created) error {
	return uniqueKeys(c, "oper_success.unique_keys", created.Path, created.UniqueKeys, "Recipient", "ID")
}

// uniqueKeys wants the named unique keys of a new row, and Alias, as the row shows them (R-ADD.5). The Alias of a row that shows none is
// left to the Agent: it need not be supported, and may be hidden. A reference may lack its final dot.
func uniqueKeys(c *harness.Case, where, row string, got usp.Params, names ...string) error {
	withAlias := names
	if !slices.Contains(names, "Alias") {
		withAlias = append([]string{"Alias"}, names...)
	}
	due := expect.AnyOf{withAlias, names}
	shown, err := c.ReadAll(row)
	if err != nil {
		return expect.Keys(where, got, due) // whether there is such a row is the matter of another metric
	}
	if _, ok := shown[row+"Alias"]; ok {
		due = expect.AnyOf{withAlias}
	}
	if err := expect.Keys(where, got, due); err != nil {
		return err
	}
	for _, name := range got.Names() {
		if value, ok := shown[row+name]; ok {
			if err := expect.SamePath(where+": "+name, value, got[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

// addFirstOfTwoFails is 1.7: of two objects the first has a required parameter that fails, so that neither may be created.
func addFirstOfTwoFails(c *harness.Case) {
	before := ownRows(c)
	bad, good := subscription(c, c.Element(dut.RoleReadable)), subscription(c, localEndpoint)
	bad["Enable"] = "InvalidValue"
	delete(good, "ReferenceList")

	c.Step(1, "add a Subscription whose required Enable is no boolean and a valid one, allow_partial false")
	required, optional := requiring(bad, "Enable")
	added := c.Agent.Add(c, false, usp.Create(subscriptions, required, optional), usp.Create(subscriptions, nil, good))
	c.Owns(added)
	judgeRefusedAdd(c, added, isEnable, before)
}

// addTolerantlyFails is 1.8: a required parameter fails with allow_partial true, which makes a failure of the object and not an Error.
func addTolerantlyFails(c *harness.Case) {
	before := ownRows(c)
	bad := subscription(c, c.Element(dut.RoleReadable))
	bad["Enable"] = "InvalidValue"

	c.Step(1, "add a Subscription whose required Enable is no boolean, allow_partial true")
	required, optional := requiring(bad, "Enable")
	added := c.Agent.Add(c, true, usp.Create(subscriptions, required, optional))
	c.Owns(added)
	if c.Answered(1, added, usp.AddResp) {
		c.Metric(2, func(m *harness.Metric) {
			_, err := expect.Created(added, 0, 1)
			m.Must(err, added.Evidence())
		})
	}
	c.Step(3, "get the Subscription table")
	after := ownRows(c)
	ownNew(c, before, after)
	c.Metric(3, func(m *harness.Metric) { m.Must(before.Unchanged(after), c.Journal.Mark()) })
}

// addSecondOfTwoFails is 1.9: of two objects the second has a required parameter that does not exist; with allow_partial true the first
// must be created.
func addSecondOfTwoFails(c *harness.Case) {
	invalidParameter := c.Element(dut.RoleNoParameter)
	before := ownRows(c)
	want, bad := subscription(c, c.Element(dut.RoleReadable)), subscription(c, c.Element(dut.RoleReadable))

	c.Step(1, "add a valid Subscription and one with a required parameter that does not exist, allow_partial true")
	added := c.Agent.Add(c, true, usp.Create(subscriptions, nil, want),
		usp.Create(subscriptions, usp.Params{invalidParameter: "IrrelevantValue"}, bad))
	c.Owns(added)
	if !c.Answered(1, added, usp.AddResp) {
		return
	}
	var row string
	if !c.Metric(2, func(m *harness.Metric) {
		created, err := expect.Created(added, 1, 1)
		m.Must(err, added.Evidence())
		row = created[0].Path
		m.Must(subscriptionKeys(c, created[0]))
		m.Must(expect.Equal("oper_success.unique_keys: ID", want["ID"], created[0].UniqueKeys["ID"]))
	}) {
		return
	}
	c.Step(4, "get the Subscription table")
	after := ownRows(c)
	ownNew(c, before, after)
	if c.Metric(3, func(m *harness.Metric) {
		m.Must(expect.SameSet("new rows after the Add", []string{row}, before.New(after)), c.Journal.Mark())
	}) {
		c.Metric(4, func(m *harness.Metric) {
			m.Must(expect.Values(usp.Params(after), row, want, subscriptionTypes), c.Journal.Mark())
		})
	}
}

// ownNew deletes at the end the rows that appeared between two snapshots.
func ownNew(c *harness.Case, before, after expect.Snapshot) {
	for _, row := range before.New(after) {
		c.OwnsPath(row)
	}
}
