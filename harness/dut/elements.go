package dut

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
)

// The roles of elements for which the plan allows a substitute ("Elements Specified in the Test Procedure").
const (
	RoleReadable       = "readable"
	RoleChanging       = "changing"
	RoleSyncCommand    = "sync-command"
	RoleAsyncCommand   = "async-command"
	RoleAsyncArguments = "async-arguments"
)

// Role is a part that an element of the data model plays in the plan's procedures.
type Role struct {
	Name    string
	Default string // what the plan uses; {controller} is the number of the harness's own Controller row
	Text    string // what a substitute must be able to do
	valid   func(string) error
}

// Roles is the table of all roles.
func Roles() []Role {
	return []Role{
		{RoleReadable, "Device.LocalAgent.SoftwareVersion", "a parameter that can be read and named by a ValueChange subscription",
			pathOf(usp.ParameterPath, "a parameter path such as Device.DeviceInfo.ModelName")},
		{RoleChanging, "Device.LocalAgent.Controller.{controller}.ProvisioningCode", "a text parameter that can be set at will",
			pathOf(usp.ParameterPath, "a parameter path such as Device.DeviceInfo.ProvisioningCode")},
		{RoleSyncCommand, "Device.Reboot()", "a command without mandatory arguments that answers at once",
			pathOf(usp.CommandPath, "a command path such as Device.Reboot()")},
		{RoleAsyncCommand, "Device.IP.Diagnostics.TraceRoute()", "an asynchronous command that succeeds with the arguments given as async-arguments",
			pathOf(usp.CommandPath, "a command path such as Device.SelfTestDiagnostics()")},
		{RoleAsyncArguments, "Host=127.0.0.1,ProtocolVersion=IPv4", "the input arguments of async-command, Name=value with commas between; empty for none",
			func(s string) error { _, err := ParseArguments(s); return err }},
	}
}

// Element is the element that plays a role: the vendor's substitute, or the plan's own. substitute is true for the former; the report
// has to name it. A role that does not exist is a fault of the caller and gives an empty element.
func (f *File) Element(role string) (element string, substitute bool) {
	if e, ok := f.Elements[role]; ok {
		return e, true
	}
	for _, r := range Roles() {
		if r.Name == role {
			return r.Default, false
		}
	}
	return "", false
}

// ParseArguments reads input arguments: Name=value, with commas between.
func ParseArguments(s string) (usp.Params, error) {
	args := usp.Params{}
	if strings.TrimSpace(s) == "" {
		return args, nil
	}
	for part := range strings.SplitSeq(s, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("%q is not of the form Name=value", part)
		}
		args[name] = value
	}
	return args, nil
}

// pathOf checks that an element is a path of a kind; allowed tells the vendor what that looks like.
func pathOf(kind usp.PathKind, allowed string) func(string) error {
	return func(s string) error {
		path, err := usp.ParsePath(s)
		if err != nil {
			return err
		}
		if path.Kind != kind || path.HasWildcard() || path.IsSearch() {
			return fmt.Errorf("it has to be %s", allowed)
		}
		return nil
	}
}

// elements reads the substitutes.
func (d *fileDecoder) elements(v value) {
	roles := map[string]Role{}
	for _, r := range Roles() {
		roles[r.Name] = r
	}
	names := slices.Sorted(maps.Keys(roles))
	d.f.Elements = map[string]string{}
	d.pairs(v, func(name string, key, val value) {
		role, ok := roles[name]
		if !ok {
			remedy := ""
			if near := plan.Near(name, names); len(near) > 0 {
				remedy = "did you mean " + strings.Join(near, " or ") + "?"
			}
			d.add(value{v.key, key.node}, "key "+strconv.Quote(name), strings.Join(names, ", "), remedy)
			return
		}
		var s string
		if !d.text(val, &s) {
			return
		}
		if err := role.valid(s); err != nil {
			d.add(val, strconv.Quote(s), role.Text, err.Error())
			return
		}
		d.f.Elements[name] = s
	})
}
