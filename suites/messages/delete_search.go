package messages

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// deleteWildcard is 1.34: every Subscription on the device goes. Those that were there before are created again at the end.
func deleteWildcard(c *harness.Case) {
	foreign := rows(c)
	recreate(c, subscriptionTable, foreign)
	c.Subscribe(nil)
	c.Subscribe(nil)
	before := rows(c)

	c.Step(1, "delete every Subscription by wildcard, allow_partial false")
	deleted := c.Agent.Delete(c, false, subscriptions+"*.")
	if !c.Answered(1, deleted, usp.DeleteResp) {
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

// deleteByUniqueKey is 1.33: the path leads over the harness's own row of the Controller table, which it addresses by its keys. The row
// beside the one that it ends with must stay, and those of another Controller, which may have the same number.
func deleteByUniqueKey(c *harness.Case) {
	own, err := c.ControllerRow()
	c.DeviceMust(err)
	t := nested(c)
	path := addNested(c, t, own, true)
	addNestedBesides(c, t, own)
	secondController(c, t)
	all := controllers + "*." + t.name
	before := rowsOf(c, all)
	keyed := byKeys(c, own, controllerKeys(c)...) + strings.TrimPrefix(path, own)

	c.Step(1, "delete %s, allow_partial false", keyed)
	deleted := c.Agent.Delete(c, false, keyed)
	if !c.Answered(1, deleted, usp.DeleteResp) {
		return
	}
	var affected []string
	if c.Metric(2, func(m *harness.Metric) {
		affected, err = expect.Deleted(deleted, keyed)
		m.Must(err, deleted.Evidence())
		m.Must(expect.Count("oper_success: number of affected_paths", 1, len(affected)))
		// how the row is addressed is the next metric
		m.Must(expect.OneOf("oper_success.affected_paths", []string{path, keyed}, affected[0]))
	}) {
		c.Metric(3, func(m *harness.Metric) {
			m.Must(expect.Equal("oper_success.affected_paths", path, affected[0]), deleted.Evidence())
		})
	}
	c.Step(3, "get %s", all)
	after := rowsOf(c, all)
	c.Metric(4, func(m *harness.Metric) {
		m.Must(after.Gone(path), c.Journal.Mark())
		m.Must(after.Has(without(before.Rows(), path)...))
	})
}

// deleteByExpression is 1.35: of the boot parameters of the harness's own Controller row the enabled ones go. Two match where the values of
// their key suffice, so that an Agent which stops at the first is seen.
func deleteByExpression(c *harness.Case) {
	own, err := c.ControllerRow()
	c.DeviceMust(err)
	t := nested(c)
	table := own + t.name
	recreate(c, restorable{table, []string{t.key}, t.beside()}, rowsOf(c, table))
	disabled := addNested(c, t, own, false)
	addNested(c, t, own, true)
	addNestedBesides(c, t, own)
	before := rowsOf(c, table)
	enabled := enabledRows(before, true)

	path := table + "[Enable==true]."
	c.Step(1, "delete %s, allow_partial false", path)
	deleted := c.Agent.Delete(c, false, path)
	if !c.Answered(1, deleted, usp.DeleteResp) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		affected, err := expect.Deleted(deleted, path)
		m.Must(err, deleted.Evidence())
		m.Must(expect.SameSet("oper_success.affected_paths", enabled, affected))
	})
	c.Step(3, "get %s", table)
	after := rowsOf(c, table)
	c.Metric(3, func(m *harness.Metric) { m.Must(after.Has(disabled), c.Journal.Mark()) })
	c.Metric(4, func(m *harness.Metric) {
		m.Must(after.Gone(enabled...), c.Journal.Mark())
		m.Must(expect.SameSet("rows that are enabled", nil, enabledRows(after, true)))
	})
}

// deleteUnmatched is 1.90: an expression that no Subscription meets, not even the one that is there.
func deleteUnmatched(c *harness.Case) {
	emptied := emptySubscriptions(c)
	other, _ := c.Subscribe(nil)
	path := unmatched(c, emptied, "Enable==false")

	c.Step(1, "delete %s, allow_partial false", path)
	deleted := c.Agent.Delete(c, false, path)
	after := rows(c)
	c.Metric(1, func(m *harness.Metric) {
		m.Must(deletesNothing(deleted, 1, path), deleted.Evidence())
		m.Must(after.Has(other))
	})
}

// addNested adds a row to the nested table of a Controller as a fixture, deleted at the end.
func addNested(c *harness.Case, t nestedTable, controller string, enabled bool) (path string) {
	key := freeKey(c, t, controller)
	if key == "" {
		c.LabMust(fmt.Errorf("%s%s holds every value that the case could give %s of a row of its own", controller, t.name, t.key))
	}
	return c.Add(controller+t.name, usp.Params{t.key: key, "Enable": fmt.Sprint(enabled)}, t.tag(c)).Path
}

// addNestedBesides adds an enabled row to the nested table of a Controller, to tell others apart from, where there is room for it.
func addNestedBesides(c *harness.Case, t nestedTable, controller string) {
	if key := freeKey(c, t, controller); key != "" {
		c.AddBesides(controller+t.name, usp.Params{t.key: key, "Enable": "true"}, t.tag(c))
	}
}

// freeKey is a value of the unique key that no row of the nested table of a Controller has; empty when all are taken.
func freeKey(c *harness.Case, t nestedTable, controller string) string {
	taken := map[string]bool{}
	for name, value := range rowsOf(c, controller+t.name) {
		taken[value] = taken[value] || strings.HasSuffix(name, "."+t.key)
	}
	i := slices.IndexFunc(t.values, func(value string) bool { return !taken[value] })
	if i < 0 {
		return ""
	}
	return t.values[i]
}

// restorable is a table whose rows can be deleted and created again.
type restorable struct {
	path               string
	required, optional []string // the parameters that a Controller may give in the Add
}

// subscriptionTable is the table of Subscriptions.
var subscriptionTable = restorable{
	subscriptions,
	[]string{"ID", "NotifType", "ReferenceList"},
	[]string{"Alias", "Enable", "Persistent", "TimeToLive", "NotifRetry", "NotifExpiration"},
}

// recreate creates, at the end, the rows of a snapshot that are gone, with the values that a Controller may give them. Their instance
// numbers are new.
func recreate(c *harness.Case, table restorable, before expect.Snapshot) {
	c.Cleanup("create the device's own rows of "+table.path+" again", func(ctx context.Context) error {
		q, err := expect.OneResult(c.Agent.Get(ctx, table.path), table.path)
		if err != nil {
			return err
		}
		for _, row := range expect.Snapshot(expect.Resolved(q)).New(before) {
			added := c.Agent.Add(ctx, true, usp.Create(table.path, pick(before, row, table.required), pick(before, row, table.optional)))
			if _, err := expect.OneCreated(added); err != nil {
				return fmt.Errorf("%s: %w", row, err)
			}
		}
		return nil
	})
}

// pick takes parameters of a row out of a snapshot, those that are there.
func pick(snapshot expect.Snapshot, row string, names []string) usp.Params {
	params := usp.Params{}
	for _, name := range names {
		if value, ok := snapshot[row+name]; ok {
			params[name] = value
		}
	}
	return params
}

// emptySubscriptions deletes every Subscription that the device lets go and reports whether none is left. They come back at the end.
func emptySubscriptions(c *harness.Case) bool {
	if present := instancesBelow(c, subscriptions); len(present) > 0 {
		recreate(c, subscriptionTable, rows(c))
		c.DeviceMust(c.Agent.Delete(c, true, present...).Err)
	}
	return len(instancesBelow(c, subscriptions)) == 0
}

// unmatched is the search path of the Subscriptions that meet an expression. When rows of the device are left that might meet it, another
// expression takes its place.
func unmatched(c *harness.Case, emptied bool, expression string) string {
	if !emptied {
		expression = "ID==" + usp.Constant(c.Fresh("absent"))
		c.Note("the device keeps Subscriptions, so the search is for [%s]", expression)
	}
	return subscriptions + "[" + expression + "]."
}

// enabledRows are the rows of a snapshot whose Enable has this value.
func enabledRows(s expect.Snapshot, enabled bool) []string {
	return keep(s.Rows(), func(row string) bool {
		on, err := usp.ParseBool(s[row+"Enable"])
		return err == nil && on == enabled
	})
}
