package messages

import (
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// addWithoutKeys is 1.81: two Subscriptions without ID and Alias get values of the Agent's own, each different.
func addWithoutKeys(c *harness.Case) {
	first, second := subscription(c, c.Element(dut.RoleReadable)), subscription(c, localEndpoint)
	delete(first, "ID")
	delete(second, "ID")

	c.Step(1, "add two Subscriptions without any unique key, allow_partial false")
	added := c.Agent.Add(c, false, usp.Create(subscriptions, nil, first), usp.Create(subscriptions, nil, second))
	c.Owns(added)
	if !c.Answered(1, added, usp.AddResp) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		created, err := expect.Created(added, 2, 0)
		m.Must(err, added.Evidence())
		a, b := created[0].UniqueKeys, created[1].UniqueKeys
		m.Must(subscriptionKeys(c, created[0]))
		m.Must(subscriptionKeys(c, created[1]))
		m.Must(expect.Keys("unique_keys of the second object", b, expect.AnyOf{a.Names()}))
		m.Must(expect.SamePath("unique_keys of the second object: Recipient", a["Recipient"], b["Recipient"]))
		for _, name := range []string{"ID", "Alias"} {
			value, ok := a[name]
			if !ok {
				continue // Alias need not be supported
			}
			m.Must(expect.NotEqual("unique_keys: "+name, "", value))
			m.Must(expect.NotEqual("unique_keys of the second object: "+name, value, b[name]))
		}
	})
}

// addInvalidKey is 1.88: a unique key that is not required has a value that is not allowed.
func addInvalidKey(c *harness.Case) {
	fixture, _ := c.Subscribe(nil)
	want := subscription(c, c.Element(dut.RoleReadable))
	delete(want, "ID")
	key := "Alias"
	want[key] = "88InvalidAlias" // an Alias begins with a letter
	if _, err := c.Read(fixture + key); err != nil {
		c.Note("the device has no Alias: an ID of more than 64 characters takes its part")
		delete(want, key)
		key = "ID"
		want[key] = c.Fresh(strings.Repeat("long", 16))
	}
	before := ownRows(c)

	c.Step(1, "add a Subscription whose %s is %q, allow_partial false", key, want[key])
	added := c.Agent.Add(c, false, usp.Create(subscriptions, nil, want))
	c.Owns(added)
	c.Metric(1, func(m *harness.Metric) { m.Must(expect.ErrorCode(added), added.Evidence()) })
	after := ownRows(c)
	ownNew(c, before, after)
	c.Metric(2, func(m *harness.Metric) { m.Must(before.Unchanged(after), c.Journal.Mark()) })
}

// changeKey is 1.96: the ID of a Subscription cannot be changed.
func changeKey(c *harness.Case) {
	id := c.Fresh("add")
	row := addSetting(c, "ID", id)
	c.Step(2, "get %s", row)
	_, err := c.Read(row + "ID")
	c.DeviceMust(err)
	c.Step(3, "set the ID of %s to another value, allow_partial false, required", row)
	set := c.Agent.Set(c, false, usp.Update(row, usp.Params{"ID": id + "-NEW"}, nil))
	got := c.Agent.Get(c, row+"ID")
	c.Metric(1, func(m *harness.Metric) {
		m.Must(expect.ErrorCode(set), set.Evidence())
		m.Must(singleValue(got, row+"ID", id), got.Evidence())
	})
}

// changeWriteOnce is 1.104: the Alias of a Subscription, set by the Controller that created it, cannot be changed.
func changeWriteOnce(c *harness.Case) {
	_, name := usp.SplitName(c.Element(dut.RoleWriteOnce))
	value := c.Fresh("alias")
	row := addSetting(c, name, value)
	c.Step(3, "set the %s of %s to another value, allow_partial false, required", name, row)
	set := c.Agent.Set(c, false, usp.Update(row, usp.Params{name: value + "-new"}, nil))
	c.Metric(1, func(m *harness.Metric) { m.Must(expect.ErrorCode(set), set.Evidence()) })
	c.Step(5, "get the %s of %s", name, row)
	got := c.Agent.Get(c, row+name)
	c.Metric(2, func(m *harness.Metric) { m.Must(singleValue(got, row+name, value), got.Evidence()) })
}

// addSetting is step 1 of 1.96 and 1.104: a Subscription of which one parameter is set. The case cannot go on without it.
func addSetting(c *harness.Case, name, value string) (row string) {
	c.Step(1, "add a Subscription whose %s is %q", name, value)
	return c.Add(subscriptions, nil, usp.Params{name: value}).Path
}

// singleValue wants a GetResp for one parameter, with a value.
func singleValue(got *controller.Reply, path, want string) error {
	q, err := expect.OneResult(got, path)
	if err != nil {
		return err
	}
	return expect.Equal(path, want, expect.Resolved(q)[path])
}
