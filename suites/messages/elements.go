package messages

import (
	"fmt"
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

// number is the parameter of a Subscription that search expressions compare, with its type.
func number(c *harness.Case) (name string, t usp.ValueType) {
	_, name = usp.SplitName(c.Element(dut.RoleNumber))
	for _, p := range mustHave(c, dut.RoleNumber, supported(c, subscriptions), subscriptions+"{i}.").GetSupportedParams() {
		switch {
		case p.GetParamName() != name:
		case p.GetValueType() == usp.TypeUnknown:
			return name, usp.TypeLong
		default:
			return name, p.GetValueType()
		}
	}
	c.LabMust(lacking(dut.RoleNumber, subscriptions+"{i}."+name))
	return "", usp.TypeUnknown
}

// mustHave is the object that a role needs, in the device's supported data model.
func mustHave(c *harness.Case, role string, model dataModel, object string) *supportedObject {
	if model[object] == nil {
		c.LabMust(lacking(role, object))
	}
	return model[object]
}

// lacking says what the lab can do about a device that may lawfully lack the element of a role.
func lacking(role, element string) error {
	return fmt.Errorf("the device has no %s by its supported data model, and need not have it: name another element in its place, as elements.%s of the DUT file", element, role)
}

// nestedTable is the table in the rows of Controller that a Controller may add to. Its rows can be enabled.
type nestedTable struct {
	name   string // below the row, such as BootParameter.
	key    string // the parameter that is its unique key
	values []string
	tagged bool // its rows have an Alias, which is not the key
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
	object := mustHave(c, dut.RoleNestedTable, supported(c, controllers), path+"{i}.")
	t.tagged = t.key != "Alias" && slices.Contains(paramNames(object), "Alias")
	return t
}

// beside are the parameters that every row of the table may have, without the key.
func (t nestedTable) beside() []string {
	return slices.DeleteFunc([]string{"Alias", "Enable"}, func(name string) bool { return name == t.key })
}

// tag marks a row as the harness's own, where it has an Alias for that.
func (t nestedTable) tag(c *harness.Case) usp.Params {
	if !t.tagged {
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
