package messages

import (
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// subscriptions is the table that most cases of this chapter work on: every Agent has it, and a Controller may add to it.
const subscriptions = "Device.LocalAgent.Subscription."

// subscriptionTypes are the types of those parameters of a Subscription that are not strings.
var subscriptionTypes = expect.Types{"Enable": usp.TypeBoolean, "Persistent": usp.TypeBoolean, "NotifRetry": usp.TypeBoolean}

// rows takes a snapshot of the Subscription table.
func rows(c *harness.Case) expect.Snapshot { return rowsOf(c, subscriptions) }

// rowsOf takes a snapshot of a table.
func rowsOf(c *harness.Case, table string) expect.Snapshot {
	values, err := c.ReadAll(table)
	c.DeviceMust(err)
	return expect.Snapshot(values)
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
