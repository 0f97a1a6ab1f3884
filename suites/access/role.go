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
	"github.com/usptest/usptest/harness/usp"
)

// subscriptions is the table whose rights the cases change.
const subscriptions = "Device.LocalAgent.Subscription."

// roles are the Roles of the harness's Controller. Their rights add up: what a Role grants no other takes away.
type roles struct {
	c     *harness.Case
	paths []string          // such as "Device.LocalAgent.ControllerTrust.Role.1."
	order map[string]uint64 // by path, the highest Order in use; none for a Role whose Permissions have no Order
}

// ownRoles reads the Roles that the Controller has been assigned or has inherited.
func ownRoles(c *harness.Case) *roles {
	row, err := c.ControllerRow()
	c.DeviceMust(err)
	values, err := c.ReadAll(row)
	c.DeviceMust(err)
	r := &roles{c: c, order: map[string]uint64{}}
	for _, param := range []string{"AssignedRole", "InheritedRole"} {
		for path := range strings.SplitSeq(values[row+param], ",") {
			path = expect.WithoutDot(strings.TrimSpace(path)) + "."
			if path != "." && !slices.Contains(r.paths, path) {
				r.paths = append(r.paths, path)
			}
		}
	}
	if len(r.paths) == 0 {
		c.LabMust(fmt.Errorf("%sAssignedRole and InheritedRole are empty; assign a Role to the harness's Controller", row))
	}
	for _, path := range r.paths {
		if highest, ordered := highestOrder(c, path+permissions); ordered {
			r.order[path] = highest
		} else {
			c.Note("the Permissions of %s have no Order, which is not in the profile ControllerTrust:1; they are added without", path)
		}
	}
	return r
}

const permissions = "Permission."

// highestOrder finds the highest Order of the Permissions in a table, enabled or not; 0 for an empty table. ordered is false when there
// are Permissions, but none has an Order.
func highestOrder(c *harness.Case, table string) (highest uint64, ordered bool) {
	values, err := c.ReadAll(table)
	c.DeviceMust(err)
	ordered = len(values) == 0
	for path, text := range values {
		if !strings.HasSuffix(path, ".Order") {
			continue
		}
		order, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			c.DeviceMust(&usp.Mismatch{Where: path, Want: "an unsignedInt", Got: usp.Quote(text)})
		}
		highest, ordered = max(highest, order), true
	}
	return highest, ordered
}

// permit adds a Permission to the first Role of the Controller, above all those that are there. rights are the parameters that differ
// from full rights.
func (r *roles) permit(target string, rights usp.Params) *controller.Reply {
	return r.add(r.paths[0], target, rights)
}

// permitElsewhere adds the same Permission to every other Role of the Controller, as a fixture: one of them might still grant what permit
// takes away.
func (r *roles) permitElsewhere(target string, rights usp.Params) {
	for _, role := range r.paths[1:] {
		_, err := expect.OneCreated(r.add(role, target, rights))
		if err != nil {
			err = fmt.Errorf("the Controller has more than one Role, and %s cannot be changed: %w; give it one Role that can be written to", role, err)
		}
		r.c.LabMust(err)
	}
}

// deny adds Permissions without these rights on Subscriptions to every Role of the Controller, and says whether the first could be added.
func (r *roles) deny(rights usp.Params) bool {
	if _, err := expect.OneCreated(r.permit(subscriptions, rights)); err != nil {
		return false
	}
	r.permitElsewhere(subscriptions, rights)
	return true
}

func (r *roles) add(role, target string, rights usp.Params) *controller.Reply {
	params := usp.Params{
		"Enable": "true", "Targets": target, "Param": "rwxn", "Obj": "rwxn", "InstantiatedObj": "rwxn", "CommandEvent": "rwxn",
	}
	maps.Copy(params, rights)
	if highest, ordered := r.order[role]; ordered {
		if highest == math.MaxUint32 {
			r.c.LabMust(fmt.Errorf("%s%s has a row with the highest Order there is; lower it", role, permissions))
		}
		r.order[role] = highest + 1
		params["Order"] = strconv.FormatUint(highest+1, 10)
	}
	added := r.c.Agent.Add(r.c, false, usp.Create(role+permissions, nil, params))
	r.c.Owns(added)
	return added
}

// orderByLetter makes the Permissions that follow have no Order, as the plan prints them, where the run is by its letter.
func (r *roles) orderByLetter() {
	if r.c.Strict("permission-without-order") {
		clear(r.order)
	}
}
