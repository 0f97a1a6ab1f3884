package messages

import (
	"maps"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// subscriptions is the table that most cases of this chapter work on: every Agent has it, and a Controller may add to it.
const subscriptions = "Device.LocalAgent.Subscription."

// subscriptionTypes are the types of those parameters of a Subscription that are not strings.
var subscriptionTypes = expect.Types{"Enable": usp.TypeBoolean, "Persistent": usp.TypeBoolean, "NotifRetry": usp.TypeBoolean}

// subscribe adds a Subscription as a fixture, which is no metric of the case: a device that refuses it blocks the procedure. It is
// deleted in the end. want overrides the defaults: an enabled ValueChange Subscription to a parameter that is always there.
func subscribe(c *harness.Case, want usp.Params) (path, id string) {
	params := usp.Params{
		"Enable": "true", "ID": c.Fresh("fixture"), "NotifType": "ValueChange", "ReferenceList": c.Element(dut.RoleReadable),
	}
	maps.Copy(params, want)
	return c.Add(subscriptions, params, nil).Path, params["ID"]
}

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
