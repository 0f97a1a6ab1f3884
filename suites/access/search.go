package access

import (
	"fmt"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
)

// searched is what 2.23 and 2.24 have in common: an Add whose path matches a table of the harness's
// own Controller, where it may write parameters, and the same table of every other Controller,
// where it may not.
type searched struct {
	c      *harness.Case
	own    *roles
	name   string   // of the table below a Controller
	mine   string   // the table that may be written to
	others []string // those that may not
}

// search makes the fixtures and is step 1. There may be more Controllers than the two that the plan
// reckons with.
func search(c *harness.Case) (s *searched, passed bool) {
	own, t := ownRoles(c), nested(c)
	controller, err := c.ControllerRow()
	c.DeviceMust(err)
	mustBeAddable(c, t, controller)
	rows, err := controllerRows(c)
	c.DeviceMust(err)
	if len(rows) < 2 {
		rows = append(rows, c.Add(controllers, usp.Params{"EndpointID": "proto::" + c.Fresh("controller")}, nil).Path)
	}
	s = &searched{c: c, own: own, name: t.name, mine: controller + t.name}
	for _, row := range rows {
		if row != controller {
			s.others = append(s.others, row+t.name)
		}
	}
	second := s.others[0]
	if len(s.others) > 1 {
		c.Note("the device has %d Controllers; what the plan does with the second is done with all but the first", len(s.others)+1)
	}

	c.Step(1, "add Permissions to the Controller's Role: it may write parameters of %s, and only read those of %s", s.mine, second)
	added := own.add(own.paths[0], permission{s.mine, usp.Params{"Param": "rw--"}}, readOnly(second))
	own.mustHaveRoom(added, len(s.others)+1)
	if !c.Metric(1, func(m *harness.Metric) {
		_, err := expect.Created(added, 2, 0)
		m.Must(err, added.Evidence())
	}) {
		return s, false
	}
	for i, table := range s.others {
		if i > 0 { // the plan has no such Permission
			more := own.add(own.paths[0], readOnly(table))
			own.mustHaveRoom(more, len(s.others)+1)
			_, err := expect.OneCreated(more)
			c.LabMust(err)
		}
		own.withholdElsewhere(readOnly(table))
	}
	return s, true
}

// mustBeAddable tries whether rows can be added at all, and leaves the room for those of the procedure.
func mustBeAddable(c *harness.Case, t nestedTable, controller string) {
	row, err := t.tryToAdd(c, controller)
	c.LabMust(err)
	c.DeviceMust(expect.Type(c.Agent.Delete(c, false, row), usp.DeleteResp))
}

func readOnly(target string) permission { return permission{target, usp.Params{"Param": "r---"}} }

// controllerRows are the rows of Controller that the device has.
func controllerRows(c *harness.Case) ([]string, error) {
	values, err := c.ReadAll(controllers)
	return controllersIn(values), err
}

// controllersIn are the rows of Controller that values are of.
func controllersIn(values usp.Params) (rows []string) {
	for _, row := range expect.Snapshot(values).Rows() {
		if strings.HasPrefix(row, controllers) && strings.Count(row, ".") == strings.Count(controllers, ".")+1 {
			rows = append(rows, row)
		}
	}
	return rows
}

// add is step 2.
func (s *searched) add(allowPartial bool) *controller.Reply {
	path := controllers + "*." + s.name
	s.c.Step(2, "add to %s with Enable as a required parameter, allow_partial %t", path, allowPartial)
	added := s.c.Agent.Add(s.c, allowPartial, usp.Create(path, usp.Params{"Enable": "false"}, nil))
	s.c.Owns(added)
	return added
}

// rows takes a snapshot of the tables, of which any may be empty.
func (s *searched) rows() expect.Snapshot {
	values, err := s.c.ReadAll(controllers)
	s.c.DeviceMust(err)
	for path := range values {
		if !slices.ContainsFunc(append([]string{s.mine}, s.others...), func(table string) bool { return strings.HasPrefix(path, table) }) {
			delete(values, path)
		}
	}
	return expect.Snapshot(values)
}

// partlyDenied is 2.23.
func partlyDenied(c *harness.Case) {
	s, ok := search(c)
	if !ok {
		return
	}
	before := s.rows()
	added := s.add(true)
	if !c.Metric(2, func(m *harness.Metric) {
		created, err := expect.Created(added, 1, len(s.others))
		m.Must(s.own.decides(err), added.Evidence())
		if !strings.HasPrefix(created[0].Path, s.mine) {
			m.Must(&usp.Mismatch{Where: "oper_success: instantiated_path", Want: "a row of " + s.mine, Got: usp.Quote(created[0].Path)})
		}
		m.Must(expect.SameSet("rows that were created", []string{created[0].Path}, before.New(s.rows())))
	}) {
		return
	}
	c.Metric(3, func(m *harness.Metric) { mustFailDenied(c, m, added); m.Saw(added.Evidence()) })
}

// whollyDenied is 2.24.
func whollyDenied(c *harness.Case) {
	s, ok := search(c)
	if !ok {
		return
	}
	before := s.rows()
	added := s.add(false)
	denied := c.Metric(2, func(m *harness.Metric) {
		mustBeDenied(c, m, s.own, added)
		m.Must(s.namesDeniedTables(added))
	})
	if !denied {
		return
	}
	c.Step(4, "get %s", controllers+"*."+s.name)
	c.Metric(3, func(m *harness.Metric) {
		created := before.New(s.rows())
		for _, row := range created {
			c.OwnsPath(row)
		}
		m.Must(expect.SameSet("rows that were created", nil, created), c.Journal.Mark())
	})
}

// namesDeniedTables wants the Error's parameter errors to name tables in which the Controller may
// not write, or parameters in them, each once and with 7006. An Agent may stop at the first.
func (s *searched) namesDeniedTables(added *controller.Reply) error {
	errs := added.Body().GetError().GetParamErrs()
	if len(errs) == 0 || len(errs) > len(s.others) {
		return &usp.Mismatch{Where: "Error: number of param_errs", Want: s.atMost(), Got: fmt.Sprint(len(errs))}
	}
	var named []string
	for i, e := range errs {
		at := slices.IndexFunc(s.others, func(table string) bool { return strings.HasPrefix(e.GetParamPath()+".", table) })
		where := fmt.Sprintf("Error: param_errs[%d]: ", i)
		if at < 0 || slices.Contains(named, s.others[at]) {
			return &usp.Mismatch{Where: where + "param_path", Got: usp.Quote(e.GetParamPath()),
				Want: "a table that can only be read, such as " + s.others[0]}
		}
		named = append(named, s.others[at])
		if err := expect.Equal(where+"err_code", usp.CodePermissionDenied.String(), usp.ErrCode(e.GetErrCode()).String()); err != nil {
			return err
		}
	}
	return nil
}

func (s *searched) atMost() string {
	if len(s.others) == 1 {
		return "1"
	}
	return fmt.Sprintf("1 to %d", len(s.others))
}
