package messages

import (
	"slices"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/usp"
)

// flag is the parameter of a Subscription that the cases about Set change: a boolean that does no harm.
func flag(c *harness.Case) string {
	_, name := usp.SplitName(c.Element(dut.RoleFlag))
	return name
}

// number is the parameter of a Subscription that search expressions compare.
func number(c *harness.Case) string {
	_, name := usp.SplitName(c.Element(dut.RoleNumber))
	return name
}

// nestedTable is the table in the rows of Controller that a Controller may add to. Its rows can be enabled.
type nestedTable struct {
	name   string // below the row, such as BootParameter.
	key    string // the parameter that is its unique key
	values []string
}

func nested(c *harness.Case) nestedTable {
	path := strings.TrimSuffix(c.Element(dut.RoleNestedTable), "{i}.")
	t := nestedTable{
		name: strings.TrimPrefix(path, controllers+"{i}."), key: c.Element(dut.RoleNestedKey),
		values: strings.Split(c.Element(dut.RoleNestedValues), ","),
	}
	if _, substitute := c.DUT.Element(dut.RoleNestedValues); !substitute {
		t.values[1] = c.Element(dut.RoleReadable)
	}
	return t
}

// beside are the parameters that every row of the table may have, without the key.
func (t nestedTable) beside() []string {
	return slices.DeleteFunc([]string{"Alias", "Enable"}, func(name string) bool { return name == t.key })
}

// tag marks a row as the harness's own, unless Alias is the key.
func (t nestedTable) tag(c *harness.Case) usp.Params {
	if t.key == "Alias" {
		return nil
	}
	return usp.Params{"Alias": c.Fresh("nested")}
}

// controllerKeys are the unique keys by which a Controller row is addressed: EndpointID and Alias where the Agent has it, or a substitute.
func controllerKeys(c *harness.Case) []string {
	if _, substitute := c.DUT.Element(dut.RoleControllerKey); substitute {
		return []string{c.Element(dut.RoleControllerKey)}
	}
	return []string{"EndpointID", "Alias"}
}
