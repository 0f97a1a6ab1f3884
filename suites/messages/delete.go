package messages

import (
	"fmt"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// deleteObjects is 1.24 with one Subscription and 1.27 with two. A further one must stay.
func deleteObjects(n int) harness.Body {
	return func(c *harness.Case) {
		c.Subscribe(nil)
		var paths []string
		for range n {
			path, _ := c.Subscribe(nil)
			paths = append(paths, path)
		}
		before := ownRows(c)

		c.Step(1, "delete %s, allow_partial false", strings.Join(paths, " and "))
		deleted := c.Agent.Delete(c, false, paths...)
		if !c.Answered(1, deleted, usp.DeleteResp) {
			return
		}
		c.Metric(2, func(m *harness.Metric) {
			for _, path := range paths {
				m.Must(deletes(deleted, n, path), deleted.Evidence())
			}
		})
		c.Step(3, "get the Subscription table")
		after := ownRows(c)
		c.Metric(3, func(m *harness.Metric) {
			m.Must(after.Gone(paths...), c.Journal.Mark())
			m.Must(after.Has(without(before.Rows(), paths...)...))
		})
	}
}

// deletes wants a DeleteResp with n results and among them a success for path that names the row of this path alone.
func deletes(deleted *controller.Reply, n int, path string) error {
	affected, err := expect.DeletedAmong(deleted, n, path)
	if err != nil {
		return err
	}
	return expect.SameSet("oper_success.affected_paths", []string{path}, affected)
}

// deletesNothing wants a DeleteResp with n results and among them a success for path that names no row.
func deletesNothing(deleted *controller.Reply, n int, path string) error {
	affected, err := expect.DeletedAmong(deleted, n, path)
	if err != nil {
		return err
	}
	return expect.SameSet("oper_success.affected_paths", nil, affected)
}

// deleteAbsent is 1.25 and 1.29, which differ in allow_partial alone: a Subscription that is not there.
func deleteAbsent(allowPartial bool) harness.Body {
	return func(c *harness.Case) {
		before := rows(c)
		path := absentRow(before)
		c.Step(1, "delete %s, which does not exist, allow_partial %v", path, allowPartial)
		deleted := c.Agent.Delete(c, allowPartial, path)
		c.Metric(1, func(m *harness.Metric) {
			if !allowPartial && expect.Type(deleted, usp.Error) == nil && !c.Strict("delete-of-an-absent-row") {
				m.Note("an Error, which R-DEL.1 demands instead of the plan's success")
				m.Must(expect.ErrorCode(deleted), deleted.Evidence())
			} else {
				m.Must(deletesNothing(deleted, 1, path), deleted.Evidence())
			}
		})
	}
}

// absentRow is a well-formed path of a Subscription that is not there.
func absentRow(present expect.Snapshot) string {
	n := 1000
	for slices.Contains(present.Rows(), fmt.Sprintf("%s%d.", subscriptions, n)) {
		n++
	}
	return fmt.Sprintf("%s%d.", subscriptions, n)
}

// deleteInvalidObject is 1.26: an object that is not in the data model.
func deleteInvalidObject(c *harness.Case) {
	invalidObject := c.Element(dut.RoleNoObject)
	c.Step(1, "delete an object that is not in the data model, allow_partial false")
	judgeRefusedDelete(c, c.Agent.Delete(c, false, invalidObject))
}

// deleteSecondObjectInvalid is 1.28: of two paths the second is not in the data model, so that neither may be deleted.
func deleteSecondObjectInvalid(c *harness.Case) {
	invalidObject := c.Element(dut.RoleNoObject)
	path, _ := c.Subscribe(nil)
	before := ownRows(c)

	c.Step(1, "delete %s and an object that is not in the data model, allow_partial false", path)
	judgeRefusedDelete(c, c.Agent.Delete(c, false, path, invalidObject))
	c.Step(3, "get the Subscription table")
	after := ownRows(c)
	c.Metric(3, func(m *harness.Metric) { m.Must(after.Has(before.Rows()...), c.Journal.Mark()) })
}

// judgeRefusedDelete judges the first two metrics of a Delete that must fail as a whole: an Error that names the invalid object.
func judgeRefusedDelete(c *harness.Case, deleted *controller.Reply) {
	invalidObject := c.Element(dut.RoleNoObject)
	if c.Answered(1, deleted, usp.Error) {
		c.Metric(2, func(m *harness.Metric) {
			m.Must(expect.OneParamError(deleted, isPath(invalidObject)), deleted.Evidence())
		})
	}
}

// deleteInvalidObjectPartly is 1.30: 1.26 with allow_partial true.
func deleteInvalidObjectPartly(c *harness.Case) {
	invalidObject := c.Element(dut.RoleNoObject)
	c.Step(1, "delete an object that is not in the data model, allow_partial true")
	deleted := c.Agent.Delete(c, true, invalidObject)
	if c.Answered(1, deleted, usp.DeleteResp) {
		c.Metric(2, func(m *harness.Metric) { m.Must(expect.DeleteFailure(deleted, 1, invalidObject), deleted.Evidence()) })
	}
}

// deleteFirstOfTwo is 1.31, whose second object is not in the data model, and 1.32, whose second object does not exist: allow_partial lets
// the first be deleted, and no other.
func deleteFirstOfTwo(inModel bool) harness.Body {
	return func(c *harness.Case) {
		invalidObject := c.Element(dut.RoleNoObject)
		path, _ := c.Subscribe(nil)
		other, _ := c.Subscribe(nil)
		second, why, judge := invalidObject, "is not in the data model", expect.DeleteFailure
		if inModel {
			second, why, judge = absentRow(rows(c)), "does not exist", deletesNothing
		}
		c.Step(1, "delete %s and %s, which %s, allow_partial true", path, second, why)
		deleted := c.Agent.Delete(c, true, path, second)
		if !c.Answered(1, deleted, usp.DeleteResp) {
			return
		}
		c.Metric(2, func(m *harness.Metric) {
			m.Must(deletes(deleted, 2, path), deleted.Evidence())
			m.Must(judge(deleted, 2, second))
		})
		c.Step(3, "get the Subscription table")
		after := rows(c)
		c.Metric(3, func(m *harness.Metric) {
			m.Must(after.Gone(path), c.Journal.Mark())
			m.Must(after.Has(other))
		})
	}
}

// without returns the strings of a list that are not among the unwanted.
func without(list []string, unwanted ...string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(unwanted, s) })
}
