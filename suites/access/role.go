package access

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// The tables whose rights the cases change, and those that give rights.
const (
	subscriptions = harness.Subscriptions
	controllers   = harness.Controllers
	trust         = "Device.LocalAgent.ControllerTrust."
	roleTable     = trust + "Role."
	permissions   = "Permission."
)

// roles are the Roles of the harness's Controller. Their rights add up: what one Role grants no
// other takes away. No case changes a right to Permissions, so that the harness cannot lock itself
// out: it can delete whatever it has added.
type roles struct {
	c     *harness.Case
	paths []string          // those that Permissions are added to, such as "Device.LocalAgent.ControllerTrust.Role.1."
	fixed []string          // those that take no Permission
	order map[string]uint64 // by path, the highest Order in use; none for a Role whose Permissions have no Order

	tagged []string // those whose Permissions have an Alias, which tells a later run that they are the harness's
}

// permission is a row of a Permission table. rights are the parameters that differ from full
// rights.
type permission struct {
	target string
	rights usp.Params
}

// ownRoles reads the Roles that the Controller has been assigned or has inherited.
func ownRoles(c *harness.Case) *roles {
	row, err := c.ControllerRow()
	c.DeviceMust(err)
	values, err := c.ReadAll(row)
	c.DeviceMust(err)
	r := &roles{c: c, order: map[string]uint64{}}
	for _, path := range append(references(values[row+"AssignedRole"]), references(values[row+"InheritedRole"])...) {
		if !slices.Contains(r.paths, path) {
			r.paths = append(r.paths, path)
		}
	}
	if len(r.paths) == 0 {
		c.LabMust(fmt.Errorf("%sAssignedRole and InheritedRole are empty; assign a Role to the harness's Controller", row))
	}
	for _, path := range r.paths {
		r.readPermissions(path)
	}
	r.findFixed()
	return r
}

// references are the rows that a list of references names, each with its final dot.
func references(list string) (rows []string) {
	for path := range strings.SplitSeq(list, ",") {
		if path = expect.WithoutDot(strings.TrimSpace(path)); path != "" {
			rows = append(rows, path+".")
		}
	}
	return rows
}

// readPermissions learns from the Permissions of a Role, enabled or not, which Orders are in use, and
// whether rows have an Order and an Alias at all. A Role without rows has what is supported.
func (r *roles) readPermissions(role string) {
	values, err := r.c.ReadAll(role) // and not the table alone, which may be empty
	r.c.DeviceMust(err)
	highest, ordered, tagged, rows := uint64(0), false, false, 0
	for path, text := range values {
		if !strings.HasPrefix(path, role+permissions) {
			continue
		}
		rows++
		switch {
		case strings.HasSuffix(path, ".Alias"):
			tagged = true
		case strings.HasSuffix(path, ".Order"):
			order, err := strconv.ParseUint(text, 10, 32)
			if err != nil {
				r.c.DeviceMust(&usp.Mismatch{Where: path, Want: "an unsignedInt", Got: usp.Quote(text)})
			}
			highest, ordered = max(highest, order), true
		}
	}
	if rows == 0 {
		const table = roleTable + "{i}." + permissions + "{i}."
		ordered, tagged = supports(r.c, table, "Order"), supports(r.c, table, "Alias")
	}
	if tagged {
		r.tagged = append(r.tagged, role)
	}
	if ordered {
		r.order[role] = highest
		return
	}
	r.c.Note("the Permissions of %s have no Order, which is not in the profile ControllerTrust:1; they are added without", role)
}

// findFixed tries with a Permission that is not enabled which of the Roles can be written to. A device may deny that for some of its Roles.
func (r *roles) findFixed() {
	alone := len(r.paths) == 1
	r.paths = slices.DeleteFunc(r.paths, func(role string) bool {
		added := r.add(role, permission{harness.EndpointID, usp.Params{"Enable": "false"}})
		created, err := expect.OneCreated(added)
		switch {
		case err == nil: // there may be room for no more than the procedure needs
			r.c.DeviceMust(expect.Type(r.c.Agent.Delete(r.c, false, created.Path), usp.DeleteResp))
			return false
		case alone && expect.Denied(added) != nil: // another error of the only Role is for the metrics
			return false
		}
		r.fixed = append(r.fixed, role)
		r.c.Note("%s takes no Permission: %v", role, err)
		return true
	})
	if len(r.paths) == 0 {
		r.c.LabMust(fmt.Errorf("no Role of the harness's Controller takes a Permission; give it one Role that can be written to"))
	}
}

// inOrder wants the Permissions of the Role that the procedure works with to have an Order.
func (r *roles) inOrder() {
	if _, ordered := r.order[r.paths[0]]; !ordered {
		r.c.Unsupported("the Permissions of the device have no Order, which is not in the profile ControllerTrust:1")
	}
}

// grant adds the Permission under test to a Role of the Controller, above all those that are there.
func (r *roles) grant(target string, rights usp.Params) *controller.Reply {
	return r.add(r.paths[0], permission{target, rights})
}

// mustHaveRoom blocks the procedure where the Agent has no room for a Permission under test (7005), which is no fault. It needs n of them.
func (r *roles) mustHaveRoom(added *controller.Reply, n int) {
	if expect.IsFull(added) {
		_, err := expect.OneCreated(added)
		r.c.LabMust(fmt.Errorf("%w; the case adds %d Permissions, one for each Controller: make room for them in %s%s",
			err, n, r.paths[0], permissions))
	}
}

// withhold adds a Permission that takes rights away to every Role of the Controller, as a fixture,
// and reports whether that could be done. Without Order it is not: nothing says which one counts of
// this Permission and the one under test, which overlaps it.
func (r *roles) withhold(target string, rights usp.Params) bool {
	if _, ordered := r.order[r.paths[0]]; !ordered {
		return false
	}
	if _, err := expect.OneCreated(r.grant(target, rights)); err != nil {
		return false
	}
	r.withholdElsewhere(permission{target, rights})
	return true
}

// withholdElsewhere adds Permissions to every other Role of the Controller, as a fixture: one of
// them might still grant what the Permissions under test take away.
func (r *roles) withholdElsewhere(all ...permission) {
	for _, role := range r.paths[1:] {
		_, err := expect.Created(r.add(role, all...), len(all), 0)
		r.c.LabMust(err)
	}
}

// decides ends the body as an error where a right that was taken away is still there and a Role
// that cannot be written to may grant it: then nothing is said of the device. It returns err
// otherwise.
func (r *roles) decides(err error) error {
	if err != nil && len(r.fixed) > 0 {
		r.c.LabMust(fmt.Errorf("%w; %s may grant it, which takes no Permission: give the harness's Controller one Role that can be written to",
			err, strings.Join(r.fixed, ", ")))
	}
	return err
}

// add adds Permissions to a Role in one Add, each with a higher Order than the one before.
func (r *roles) add(role string, all ...permission) *controller.Reply {
	return r.addIn(role, false, all)
}

// addReversed is add, but the Permission with the highest Order is created first.
func (r *roles) addReversed(role string, all ...permission) *controller.Reply {
	return r.addIn(role, true, all)
}

func (r *roles) addIn(role string, reversed bool, all []permission) *controller.Reply {
	r.c.Uses(plan.NeedRole)
	var objects []*usppb.Add_CreateObject
	for _, p := range all {
		params := usp.Params{
			"Enable": "true", "Targets": p.target, "Param": "rwxn", "Obj": "rwxn", "InstantiatedObj": "rwxn", "CommandEvent": "rwxn",
		}
		maps.Copy(params, p.rights)
		if highest, ordered := r.order[role]; ordered {
			if highest == math.MaxUint32 {
				r.c.LabMust(fmt.Errorf("%s%s has a row with the highest Order there is; lower it", role, permissions))
			}
			r.order[role] = highest + 1
			params["Order"] = strconv.FormatUint(highest+1, 10)
		}
		if slices.Contains(r.tagged, role) {
			params["Alias"] = r.c.Fresh("permission")
		}
		objects = append(objects, usp.Create(role+permissions, nil, params))
	}
	if reversed {
		slices.Reverse(objects)
	}
	added := r.c.Agent.Add(r.c, false, objects...)
	r.c.Owns(added)
	return added
}

// orderByLetter makes the Permissions that follow have no Order, as the plan prints them, where the
// run is by its letter.
func (r *roles) orderByLetter() {
	if r.c.Strict("permission-without-order") {
		clear(r.order)
	}
}
