package messages

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// subscriptions is the table that most cases of this chapter work on: every Agent has it, and a Controller may add to it.
const subscriptions = harness.Subscriptions

// subscriptionTypes are the types of those parameters of a Subscription that are not strings.
var subscriptionTypes = expect.Types{"Enable": usp.TypeBoolean, "Persistent": usp.TypeBoolean, "NotifRetry": usp.TypeBoolean}

// rows takes a snapshot of the Subscription table.
func rows(c *harness.Case) expect.Snapshot { return rowsOf(c, subscriptions) }

// rowsOf takes a snapshot of a table. That it has no row may also be reported as an invalid path: whether it may is the matter of 1.87.
func rowsOf(c *harness.Case, table string) expect.Snapshot {
	got := c.Agent.Get(c, table)
	if results := got.Body().GetResponse().GetGetResp().GetReqPathResults(); len(results) == 1 && usp.ErrCode(results[0].GetErrCode()) == usp.CodeInvalidPath {
		c.DeviceMust(noInstances(c, table))
		return expect.Snapshot{}
	}
	q, err := expect.OneResult(got, table)
	c.DeviceMust(err)
	return expect.Snapshot(expect.Resolved(q))
}

// noInstances wants a table, which a Get does not find, to have no row by GetInstances either.
func noInstances(c *harness.Case, table string) error {
	if rows := instancesBelow(c, table); len(rows) > 0 {
		return fmt.Errorf("Get %s: want its rows, got %s, though GetInstances reports %s", table, usp.CodeInvalidPath, usp.Quote(rows[0]))
	}
	return nil
}

// ownRows is rows without the Subscriptions of other Controllers.
func ownRows(c *harness.Case) expect.Snapshot { return settled(c, rows(c)) }

// settled leaves out the Subscriptions of other Controllers, which may add and lose some at any time.
func settled(c *harness.Case, table expect.Snapshot) expect.Snapshot {
	own, err := c.ControllerRow()
	c.DeviceMust(err)
	others := table.Rows()
	others = keep(others, func(row string) bool {
		recipient := table[row+"Recipient"]
		return recipient != "" && expect.WithoutDot(recipient) != expect.WithoutDot(own)
	})
	left := maps.Clone(table)
	maps.DeleteFunc(left, func(path, _ string) bool {
		return slices.ContainsFunc(others, func(row string) bool { return strings.HasPrefix(path, row) })
	})
	return left
}

// byKeys addresses a row by those of the named parameters that it has, instead of by its number.
func byKeys(c *harness.Case, row string, names ...string) string {
	path, err := usp.ParsePath(row)
	c.DeviceMust(err)
	values, err := c.ReadAll(row)
	c.DeviceMust(err)
	var conditions []string
	for _, name := range names {
		if value, ok := values[row+name]; ok {
			conditions = append(conditions, name+"=="+usp.Constant(value))
		}
	}
	return path.Parent().String() + "[" + strings.Join(conditions, "&&") + "]."
}
