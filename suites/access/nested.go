package access

import (
	"fmt"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// nestedTable is the table in the rows of Controller that a Controller may add to: BootParameter,
// or a substitute.
type nestedTable struct {
	name   string   // below the row, such as BootParameter.
	key    string   // the parameter that is its unique key
	values []string // that the key can have
}

func nested(c *harness.Case) nestedTable {
	path := strings.TrimSuffix(c.Element(dut.RoleNestedTable), "{i}.")
	_, name, _ := strings.Cut(strings.TrimPrefix(path, controllers), ".")
	return nestedTable{name: name, key: c.Element(dut.RoleNestedKey), values: strings.Split(c.Element(dut.RoleNestedValues), ",")}
}

// tryToAdd adds a row to the table of a Controller as a fixture, deleted at the end. A device need not
// have the table, or room in it: the error says what the lab can do.
func (t nestedTable) tryToAdd(c *harness.Case, controller string) (row string, err error) {
	table := controller + t.name
	values, _ := c.ReadAll(table) // a device may call an empty table unknown
	taken := map[string]bool{}
	for path, value := range values {
		taken[value] = taken[value] || strings.HasSuffix(path, "."+t.key)
	}
	i := slices.IndexFunc(t.values, func(value string) bool { return !taken[value] })
	if i < 0 {
		return "", fmt.Errorf("%s holds every value that the case could give %s of a row of its own", table, t.key)
	}
	added := c.Agent.Add(c, false, usp.Create(table, usp.Params{t.key: t.values[i], "Enable": "true"}, nil))
	c.Owns(added)
	created, err := expect.OneCreated(added)
	if err != nil {
		return "", fmt.Errorf("a row of %s is needed: %w; a device need not have this table: "+
			"name another in its place, as elements.%s of the DUT file", table, err, dut.RoleNestedTable)
	}
	return created.Path, nil
}
