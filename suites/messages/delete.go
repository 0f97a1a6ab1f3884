package messages

import (
	"context"
	"fmt"
	"maps"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// deleteOneObject is 1.24.
func deleteOneObject(c *harness.Case) {
	path, _ := subscribe(c, nil)
	before := rows(c)

	c.Step(1, "delete %s, allow_partial false", path)
	deleted := c.Agent.Delete(c, false, path)
	if !c.Metric(1, func(m *harness.Metric) { m.Must(expect.Type(deleted, usp.DeleteResp), deleted.Evidence()) }) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		affected, err := expect.Deleted(deleted, path)
		m.Must(err, deleted.Evidence())
		m.Must(expect.SameSet("oper_success.affected_paths", []string{path}, affected))
	})
	c.Step(3, "get the Subscription table")
	after := rows(c)
	c.Metric(3, func(m *harness.Metric) {
		m.Must(after.Gone(path), c.Journal.Mark())
		m.Must(after.Has(without(before.Rows(), path)...))
	})
}

// deleteSecondObjectInvalid is 1.28: of two paths the second is not in the data model, so that neither may be deleted.
func deleteSecondObjectInvalid(c *harness.Case) {
	path, _ := subscribe(c, nil)

	c.Step(1, "delete %s and an object that is not in the data model, allow_partial false", path)
	deleted := c.Agent.Delete(c, false, path, invalidObject)
	c.Metric(1, func(m *harness.Metric) { m.Must(expect.Type(deleted, usp.Error), deleted.Evidence()) })
	if expect.Type(deleted, usp.Error) == nil {
		c.Metric(2, func(m *harness.Metric) {
			m.Must(expect.OneParamError(deleted, isPath(invalidObject)), deleted.Evidence())
		})
	}
	c.Step(3, "get the Subscription table")
	after := rows(c)
	c.Metric(3, func(m *harness.Metric) { m.Must(after.Has(path), c.Journal.Mark()) })
}

// deleteWildcard is 1.34: every Subscription on the device goes. Those that were there before are created again in the end.
func deleteWildcard(c *harness.Case) {
	foreign := rows(c)
	c.Cleanup("create the device's own Subscriptions again", func(ctx context.Context) error { return recreate(ctx, c, foreign) })
	subscribe(c, nil)
	subscribe(c, nil)
	before := rows(c)

	c.Step(1, "delete every Subscription by wildcard, allow_partial false")
	deleted := c.Agent.Delete(c, false, subscriptions+"*.")
	if !c.Metric(1, func(m *harness.Metric) { m.Must(expect.Type(deleted, usp.DeleteResp), deleted.Evidence()) }) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		affected, err := expect.Deleted(deleted, subscriptions+"*.")
		m.Must(err, deleted.Evidence())
		m.Must(expect.SameSet("oper_success.affected_paths", before.Rows(), affected))
	})
	c.Step(3, "get the Subscription table")
	after := rows(c)
	c.Metric(3, func(m *harness.Metric) { m.Must(after.Gone(before.Rows()...), c.Journal.Mark()) })
}

// recreate adds the rows of a snapshot again with the values that a Controller may give them. Their instance numbers are new.
func recreate(ctx context.Context, c *harness.Case, before expect.Snapshot) error {
	for _, row := range before.Rows() {
		params := usp.Params{}
		for _, name := range []string{"Alias", "Enable", "ID", "NotifType", "ReferenceList", "Persistent", "TimeToLive", "NotifRetry", "NotifExpiration"} {
			if value, ok := before[row+name]; ok {
				params[name] = value
			}
		}
		required := usp.Params{}
		for _, name := range []string{"ID", "NotifType", "ReferenceList"} {
			required[name] = params[name]
			delete(params, name)
		}
		added := c.Agent.Add(ctx, true, usp.Create(subscriptions, required, maps.Clone(params)))
		if _, err := expect.OneCreated(added); err != nil {
			return fmt.Errorf("Subscription %q: %w", required["ID"], err)
		}
	}
	return nil
}

// without returns the strings of a list that are not s.
func without(list []string, s string) []string {
	var out []string
	for _, other := range list {
		if other != s {
			out = append(out, other)
		}
	}
	return out
}
