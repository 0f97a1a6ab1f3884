package dut

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/usptest/usptest/harness/model"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
)

// The roles of elements for which the plan allows a substitute ("Elements Specified in the Test Procedure").
const (
	RoleReadable       = "readable"
	RoleChanging       = "changing"
	RoleFlag           = "subscription-flag"
	RoleNumber         = "subscription-number"
	RoleNestedTable    = "nested-table"
	RoleNestedKey      = "nested-key"
	RoleNestedValues   = "nested-values"
	RoleControllerKey  = "controller-key"
	RoleSyncCommand    = "sync-command"
	RoleAsyncCommand   = "async-command"
	RoleAsyncArguments = "async-arguments"
	RoleTimer          = "timer"
	RoleTimerDelay     = "timer-delay"
	RoleEvent          = "event"
	RoleBootParameter  = "boot-parameter"
	RoleWriteOnce      = "write-once"
	RoleNoObject       = "no-object"
	RoleNoParameter    = "no-parameter"
)

// Role is a part that an element of the data model plays in the plan's procedures.
type Role struct {
	Name    string
	Default string // what the plan uses; {controller} is the number of the harness's own Controller row
	Text    string // what a substitute must be able to do
	// valid says what is wrong with the form of a substitute.
	valid func(string) error
	// fits says what a device, by its supported data model, has instead of what the role needs.
	fits func(d described, element string) error
}

// described is a device by its supported data model, with the DUT file that speaks of it.
type described struct {
	model *model.Model
	file  *File
}

// The tables in which some roles have their place.
const (
	subscriptionRow = "Device.LocalAgent.Subscription.{i}."
	controllerRow   = "Device.LocalAgent.Controller.{i}."
)

// Roles is the table of all roles.
func Roles() []Role {
	parameter := func(example string) func(string) error {
		return pathOf(usp.ParameterPath, "a parameter path such as "+example)
	}
	command := func(example string) func(string) error {
		return pathOf(usp.CommandPath, "a command path such as "+example)
	}
	return []Role{
		{RoleReadable, "Device.LocalAgent.SoftwareVersion", "a parameter that can be read and named by a ValueChange subscription",
			parameter("Device.DeviceInfo.ModelName"), isThere},
		{RoleChanging, "Device.LocalAgent.Controller.{controller}.ProvisioningCode", "a text parameter that can be set at will",
			parameter("Device.DeviceInfo.ProvisioningCode"), isWritable("string")},
		{RoleFlag, subscriptionRow + "NotifRetry", "a boolean of every Subscription that can be set without harm",
			memberOf(subscriptionRow), isWritable("boolean")},
		{RoleNumber, subscriptionRow + "NotifExpiration", "a number of every Subscription that can be set to 5, 9, 10 and 20",
			lastingNumber, isWritable("unsignedInt", "unsignedLong", "int", "long")},
		{RoleNestedTable, controllerRow + "BootParameter.{i}.", "a table in the rows of Controller whose rows can be added and deleted and have a boolean Enable",
			tableIn(controllerRow), isNestedTable},
		{RoleNestedKey, "ParameterName", "the text parameter that is the unique key of nested-table", name, isNestedKey},
		{RoleNestedValues, "Device.LocalAgent.EndpointID,Device.LocalAgent.SoftwareVersion,Device.LocalAgent.UpTime", "three values that nested-key can have, with commas between",
			threeValues, nil},
		{RoleControllerKey, "EndpointID", "a parameter of Controller that is a unique key by itself: EndpointID or Alias", name,
			func(d described, element string) error { return isThere(d, controllerRow+element) }},
		{RoleSyncCommand, "Device.Reboot()", "a command without mandatory arguments that answers at once", command("Device.Reboot()"), isCommand(false)},
		{RoleAsyncCommand, "Device.IP.Diagnostics.TraceRoute()", "an asynchronous command that succeeds with the arguments given as async-arguments",
			command("Device.SelfTestDiagnostics()"), isCommand(true)},
		{RoleAsyncArguments, "Host=127.0.0.1,ProtocolVersion=IPv4", "the input arguments of async-command, Name=value with commas between; empty for none",
			func(s string) error { _, err := ParseArguments(s); return err }, areArguments},
		{RoleTimer, "Device.ScheduleTimer()", "an asynchronous command that completes after the seconds in its one mandatory argument, timer-delay",
			command("Device.ScheduleTimer()"), isCommand(true)},
		{RoleTimerDelay, "DelaySeconds", "the input argument of timer that takes the seconds", name,
			func(d described, element string) error { return isArgument(d, RoleTimer, element) }},
		{RoleEvent, "Device.Boot!", "an event of the supported data model", pathOf(usp.EventPath, "an event path such as Device.Boot!"), isThere},
		{RoleBootParameter, "Device.DeviceInfo.BootFirmwareImage", "a parameter that a BootParameter can name, whose value is the same after a reboot",
			parameter("Device.DeviceInfo.SoftwareVersion"), isThere},
		{RoleWriteOnce, subscriptionRow + "Alias", "a text parameter of every Subscription that can be set only in the Add", memberOf(subscriptionRow), isWritable("string")},
		{RoleNoObject, "Device.LocalAgent.InvalidObject.", "an object that the device does not have",
			pathOf(usp.ObjectPath, "an object path such as Device.LocalAgent.InvalidObject."), isAbsent},
		{RoleNoParameter, "InvalidParameter", "a name that no parameter of a Subscription or of the LocalAgent has", name,
			func(d described, element string) error {
				return errors.Join(isAbsent(d, subscriptionRow+element), isAbsent(d, "Device.LocalAgent."+element))
			}},
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

// CheckElements holds the substitutes of the file against a device's supported data model, and says of each that the device does not have
// as its role needs it what it has instead.
func (f *File) CheckElements(device *model.Model) []Problem {
	var problems []Problem
	for _, r := range Roles() {
		element, substitute := f.Element(r.Name)
		if !substitute || r.fits == nil {
			continue
		}
		if err := r.fits(described{device, f}, element); err != nil {
			at := f.ElementPlaces[r.Name]
			problems = append(problems, Problem{File: f.Path, Line: at.Line, Column: at.Column, Key: "elements." + r.Name,
				Value: strconv.Quote(element), Allowed: r.Text, Remedy: err.Error()})
		}
	}
	slices.SortFunc(problems, func(a, b Problem) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column)) })
	return problems
}

// substitutes are elements of TR-181 that can play a role without harm, the best first, each with what goes with it.
func substitutes() []map[string]string {
	const info = "Device.DeviceInfo."
	return []map[string]string{
		{RoleReadable: info + "SoftwareVersion"},
		{RoleReadable: info + "ModelName"},
		{RoleChanging: info + "ProvisioningCode"},
		{RoleChanging: info + "FriendlyName"},
		{RoleFlag: subscriptionRow + "Persistent"},
		{RoleControllerKey: "Alias"},
		{RoleAsyncCommand: "Device.IP.Diagnostics.IPPing()", RoleAsyncArguments: "Host=127.0.0.1,NumberOfRepetitions=1"},
		{RoleAsyncCommand: "Device.SelfTestDiagnostics()", RoleAsyncArguments: ""},
		{RoleEvent: "Device.LocalAgent.Periodic!"},
		{RoleBootParameter: info + "SoftwareVersion"},
		{RoleBootParameter: "Device.LocalAgent.SoftwareVersion"},
	}
}

// SuggestElements looks at a device's supported data model for elements of the plan's procedures that the device lacks. chosen are
// substitutes for them, lacking are the roles for which there is none.
func SuggestElements(device *model.Model) (chosen map[string]string, lacking []Role) {
	chosen = map[string]string{}
	for _, r := range Roles() {
		own := strings.ReplaceAll(r.Default, "{controller}", "{i}")
		if _, told := chosen[r.Name]; told || r.fits == nil || r.fits(described{device, &File{}}, own) == nil {
			continue
		}
		found := slices.IndexFunc(substitutes(), func(s map[string]string) bool {
			_, plays := s[r.Name]
			return plays && len((&File{Elements: s}).CheckElements(device)) == 0
		})
		if found < 0 {
			lacking = append(lacking, r)
			continue
		}
		maps.Copy(chosen, substitutes()[found])
	}
	return chosen, lacking
}

// has finds an element by its path, in which rows have numbers or {i}.
func (d described) has(element string) (model.Element, error) {
	schema := element
	if path, err := usp.ParsePath(element); err == nil {
		schema = path.Schema()
	}
	if e, ok := d.model.Element(schema); ok {
		return e, nil
	}
	object, last := usp.SplitName(schema)
	var siblings []string
	for path := range d.model.Paths() {
		if name, ok := strings.CutPrefix(path, object); ok && name != "" && !strings.Contains(name, ".") {
			siblings = append(siblings, name)
		}
	}
	slices.Sort(siblings)
	if near := plan.Near(last, siblings); len(near) > 0 {
		return model.Element{}, fmt.Errorf("the device has no %s; did you mean %s?", schema, strings.Join(near, " or "))
	}
	return model.Element{}, fmt.Errorf("the device has no %s", schema)
}

func isThere(d described, element string) error {
	_, err := d.has(element)
	return err
}

func isAbsent(d described, element string) error {
	if _, err := d.has(element); err != nil {
		return nil
	}
	return errors.New("the device has it")
}

// isWritable wants a parameter that can be set and has one of the types. Of a type that the device does not tell nothing is known.
func isWritable(types ...string) func(described, string) error {
	return func(d described, element string) error {
		e, err := d.has(element)
		if err != nil {
			return err
		}
		if !e.Writable || e.Type != "" && !slices.Contains(types, e.Type) {
			return fmt.Errorf("the device has it as a %s %s", access(e.Writable), orElse(e.Type, "parameter"))
		}
		return nil
	}
}

func access(writable bool) string {
	if writable {
		return "writable"
	}
	return "read-only"
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func isCommand(async bool) func(described, string) error {
	kind := map[bool]string{true: "an asynchronous", false: "a synchronous"}
	return func(d described, element string) error {
		e, err := d.has(element)
		if err == nil && e.Async != async {
			err = fmt.Errorf("the device has it as %s command", kind[e.Async])
		}
		return err
	}
}

// isArgument wants the command that plays a role to have an input argument.
func isArgument(d described, role, argument string) error {
	command, _ := d.file.Element(role)
	e, err := d.has(command)
	switch {
	case err != nil:
		return err
	case !slices.Contains(e.Arguments, argument):
		return fmt.Errorf("%s has no input argument %q, only %q", command, argument, e.Arguments)
	}
	return nil
}

func areArguments(d described, element string) error {
	args, err := ParseArguments(element)
	for _, argument := range args.Names() {
		err = errors.Join(err, isArgument(d, RoleAsyncCommand, argument))
	}
	return err
}

func isNestedTable(d described, element string) error {
	e, err := d.has(element)
	switch {
	case err != nil:
		return err
	case !e.Creatable || !e.Deletable:
		return errors.New("the device has it as a table whose rows cannot be added and deleted")
	}
	return isWritable("boolean")(d, element+"Enable")
}

func isNestedKey(d described, element string) error {
	table, _ := d.file.Element(RoleNestedTable)
	return isWritable("string")(d, table+element)
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

// memberOf checks that an element is a parameter of a table's rows, such as Device.LocalAgent.Subscription.{i}.Persistent.
func memberOf(row string) func(string) error {
	return func(s string) error {
		rest, ok := strings.CutPrefix(s, row)
		if !ok || name(rest) != nil {
			return fmt.Errorf("it has to begin with %s and end with the name of a parameter", row)
		}
		return nil
	}
}

// lastingNumber checks that an element is a parameter of Subscriptions that leaves the Subscription alone.
func lastingNumber(s string) error {
	if s == subscriptionRow+"TimeToLive" {
		return errors.New("it ends the Subscription, perhaps before the case has looked at it")
	}
	return memberOf(subscriptionRow)(s)
}

// tableIn checks that an element is a table in the rows of another.
func tableIn(row string) func(string) error {
	return func(s string) error {
		rest, inside := strings.CutPrefix(s, row)
		table, rows := strings.CutSuffix(rest, ".{i}.")
		if !inside || !rows || name(table) != nil {
			return fmt.Errorf("it has to be the path of a table such as %sBootParameter.{i}.", row)
		}
		return nil
	}
}

// name checks that an element is a name alone.
func name(s string) error {
	if path, err := usp.ParsePath("Device." + s); err != nil || path.Kind != usp.ParameterPath || strings.Contains(s, ".") {
		return errors.New("it has to be a name without its path")
	}
	return nil
}

func threeValues(s string) error {
	if values := strings.Split(s, ","); len(values) != 3 || slices.Contains(values, "") || values[0] == values[1] || values[1] == values[2] || values[0] == values[2] {
		return errors.New("it has to be three different values")
	}
	return nil
}

// elements are the substitutes.
func (d *fileDecoder) elements() kind {
	var fields []field
	for _, role := range Roles() {
		s := Schema{Type: "string", Default: role.Default}
		fields = append(fields, field{role.Name, false, role.Text, kind{s, func(v value) { d.element(role, v) }}})
	}
	slices.SortFunc(fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
	return d.aMapping(fields...)
}

// element reads the substitute for a role.
func (d *fileDecoder) element(role Role, v value) {
	var s string
	if !d.text(v, &s) {
		return
	}
	if err := role.valid(s); err != nil {
		d.add(v, strconv.Quote(s), role.Text, err.Error())
		return
	}
	if d.f.Elements == nil {
		d.f.Elements, d.f.ElementPlaces = map[string]string{}, map[string]Place{}
	}
	line, column := v.position()
	d.f.Elements[role.Name], d.f.ElementPlaces[role.Name] = s, Place{line, column}
}
