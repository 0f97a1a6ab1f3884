package dut

import (
	"maps"
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/model"
)

func TestCheckElements(t *testing.T) {
	const boot = "Device.LocalAgent.Controller.{i}.BootParameter.{i}."
	device := having(map[string]model.Element{
		"Device.DeviceInfo.ModelName":                     {Type: "string"},
		"Device.DeviceInfo.UpTime":                        {Type: "unsignedInt"},
		"Device.DeviceInfo.ProvisioningCode":              {Type: "string", Writable: true},
		"Device.X.Untold":                                 {Writable: true},
		"Device.LocalAgent.Subscription.{i}.Enable":       {Type: "boolean", Writable: true},
		"Device.LocalAgent.Subscription.{i}.TimeToLive":   {Type: "unsignedInt", Writable: true},
		"Device.LocalAgent.Subscription.{i}.CreationDate": {Type: "dateTime"},
		"Device.LocalAgent.Controller.{i}.Alias":          {Type: "string", Writable: true},
		boot:                                              {Creatable: true, Deletable: true},
		boot + "Enable":                                   {Type: "boolean", Writable: true},
		boot + "ParameterName":                            {Type: "string", Writable: true},
		"Device.LocalAgent.Controller.{i}.Fixed.{i}.":     {},
		"Device.Reboot()":                                 {Arguments: []string{"Cause"}},
		"Device.SelfTest()":                               {Async: true, Arguments: []string{"Host", "Seconds"}},
		"Device.Boot!":                                    {},
	})
	for _, test := range []struct{ role, element, problem string }{
		{RoleReadable, "Device.DeviceInfo.ModelName", ""},
		{RoleReadable, "Device.DeviceInfo.ModelNam", "no Device.DeviceInfo.ModelNam; did you mean ModelName?"},
		{RoleReadable, "Device.Elsewhere.X", "the device has no Device.Elsewhere.X"},
		{RoleChanging, "Device.DeviceInfo.ProvisioningCode", ""},
		{RoleChanging, "Device.X.Untold", ""},
		{RoleChanging, "Device.DeviceInfo.ModelName", "read-only string"},
		{RoleChanging, "Device.LocalAgent.Subscription.3.TimeToLive", "writable unsignedInt"},
		{RoleFlag, "Device.LocalAgent.Subscription.{i}.Enable", ""},
		{RoleFlag, "Device.LocalAgent.Subscription.{i}.TimeToLive", "writable unsignedInt"},
		{RoleNumber, "Device.LocalAgent.Subscription.{i}.TimeToLive", ""},
		{RoleNumber, "Device.LocalAgent.Subscription.{i}.CreationDate", "read-only dateTime"},
		{RoleNestedTable, boot, ""},
		{RoleNestedTable, "Device.LocalAgent.Controller.{i}.Fixed.{i}.", "cannot be added and deleted"},
		{RoleNestedTable, "Device.LocalAgent.Controller.{i}.None.{i}.", "the device has no"},
		{RoleNestedKey, "ParameterName", ""},
		{RoleNestedKey, "Enable", "writable boolean"},
		{RoleControllerKey, "Alias", ""},
		{RoleControllerKey, "ControllerCode", "the device has no"},
		{RoleSyncCommand, "Device.Reboot()", ""},
		{RoleSyncCommand, "Device.SelfTest()", "an asynchronous command"},
		{RoleAsyncCommand, "Device.Reboot()", "a synchronous command"},
		{RoleTimer, "Device.SelfTest()", ""},
		{RoleEvent, "Device.Boot!", ""},
		{RoleWriteOnce, "Device.LocalAgent.Subscription.{i}.CreationDate", "read-only dateTime"},
		{RoleNoObject, "Device.Nowhere.", ""},
		{RoleNoObject, "Device.LocalAgent.Controller.{i}.Fixed.{i}.", "the device has it"},
		{RoleNoParameter, "Nothing", ""},
		{RoleNoParameter, "TimeToLive", "the device has it"},
		{RoleEvent, "Device.Boo!", "did you mean Boot!?"},
	} {
		f := &File{Path: "lab.yaml", Elements: map[string]string{test.role: test.element}, ElementPlaces: map[string]Place{test.role: {7, 3}}}
		told(t, test.role+" "+test.element, f.CheckElements(device), test.problem)
	}

	several := &File{Path: "lab.yaml", ElementPlaces: map[string]Place{RoleAsyncArguments: {7, 3}, RoleTimerDelay: {7, 3}}}
	several.Elements = map[string]string{RoleAsyncCommand: "Device.SelfTest()", RoleAsyncArguments: "Host=x,Hops=3"}
	told(t, "arguments", several.CheckElements(device), `Device.SelfTest() has no input argument "Hops", only ["Host" "Seconds"]`)
	several.Elements = map[string]string{RoleTimer: "Device.SelfTest()", RoleTimerDelay: "Minutes"}
	told(t, "delay", several.CheckElements(device), `no input argument "Minutes"`)
	several.Elements = nil
	told(t, "nothing said", several.CheckElements(&model.Model{}), "")
}

func TestSuggestElements(t *testing.T) {
	own := map[string]model.Element{}
	for _, r := range Roles() {
		if strings.HasPrefix(r.Name, "no-") {
			continue // what the device must not have
		}
		path := strings.ReplaceAll(r.Default, "{controller}", "{i}")
		switch r.Name {
		case RoleNestedKey:
			path = controllerRow + "BootParameter.{i}." + path
		case RoleControllerKey:
			path = controllerRow + path
		}
		own[path] = model.Element{Writable: true, Creatable: true, Deletable: true, Async: r.Name == RoleAsyncCommand || r.Name == RoleTimer,
			Arguments: []string{"DelaySeconds", "Host", "ProtocolVersion"}}
	}
	own[controllerRow+"BootParameter.{i}.Enable"] = model.Element{Writable: true}
	if chosen, lacking := SuggestElements(having(own)); len(chosen) > 0 || len(lacking) > 0 {
		t.Errorf("a device that has the plan's own elements needs none, got %v and %v", chosen, lacking)
	}
	delete(own, "Device.IP.Diagnostics.TraceRoute()")
	delete(own, "Device.LocalAgent.SoftwareVersion")
	delete(own, "Device.ScheduleTimer()")
	own["Device.SelfTestDiagnostics()"] = model.Element{Async: true}
	own["Device.DeviceInfo.ModelName"] = model.Element{}
	chosen, lacking := SuggestElements(having(own))
	want := map[string]string{RoleAsyncCommand: "Device.SelfTestDiagnostics()", RoleAsyncArguments: "", RoleReadable: "Device.DeviceInfo.ModelName"}
	if !maps.Equal(chosen, want) {
		t.Errorf("want %v, got %v", want, chosen)
	}
	if len(lacking) != 2 || lacking[0].Name != RoleTimer || lacking[1].Name != RoleTimerDelay {
		t.Errorf("want the timer and its argument to be lacking, got %v", lacking)
	}
}

// told wants one problem, at line 7, with a text; none when the text is empty.
func told(t *testing.T, name string, got []Problem, want string) {
	t.Helper()
	if want == "" {
		if len(got) > 0 {
			t.Errorf("%s: want no problem, got %v", name, got)
		}
		return
	}
	if len(got) != 1 || !strings.HasPrefix(got[0].String(), "lab.yaml:7:3: elements.") || !strings.Contains(got[0].Remedy, want) {
		t.Errorf("%s: want %q, got %v", name, want, got)
	}
}

// having is the model of a device that has elements.
func having(elements map[string]model.Element) *model.Model {
	m := &model.Model{Objects: map[string]*model.Object{}}
	for path, e := range elements {
		at := strings.LastIndexByte(path, '.') + 1
		o := m.Objects[path[:at]]
		if o == nil {
			o = &model.Object{Params: map[string]model.Param{}, Commands: map[string]model.Command{}, Events: map[string]model.Event{}}
			m.Objects[path[:at]] = o
		}
		args := map[string]model.Argument{}
		for _, name := range e.Arguments {
			args[name] = model.Argument{}
		}
		switch name := path[at:]; {
		case name == "":
			o.Create, o.Delete = e.Creatable, e.Deletable
		case strings.HasSuffix(name, "()"):
			o.Commands[name] = model.Command{Kind: map[bool]string{true: model.Async, false: model.Sync}[e.Async], In: args}
		case strings.HasSuffix(name, "!"):
			o.Events[name] = model.Event{Args: args}
		default:
			o.Params[name] = model.Param{Type: e.Type, Access: map[bool]model.Access{true: model.ReadWrite, false: model.ReadOnly}[e.Writable]}
		}
	}
	return m
}
