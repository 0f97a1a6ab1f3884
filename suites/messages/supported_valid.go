package messages

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// standard are parameters that every Agent has, with what TR-181 says of them, by supported path. An Agent may refuse to write what the
// standard lets a Controller write, but not the other way round.
var standard = map[string]struct {
	t        usp.ValueType
	readOnly bool
}{
	localAgent + "EndpointID":                  {usp.TypeString, true},
	localAgent + "ControllerNumberOfEntries":   {usp.TypeUnsignedInt, true},
	localAgent + "SubscriptionNumberOfEntries": {usp.TypeUnsignedInt, true},
	subscriptions + "{i}.Enable":               {usp.TypeBoolean, false},
	subscriptions + "{i}.ID":                   {usp.TypeString, false},
	subscriptions + "{i}.NotifType":            {usp.TypeString, false},
	subscriptions + "{i}.ReferenceList":        {usp.TypeString, false},
	subscriptions + "{i}.CreationDate":         {usp.TypeDateTime, true},
	subscriptions + "{i}.TimeToLive":           {usp.TypeUnsignedInt, false},
	controllers + "{i}.EndpointID":             {usp.TypeString, false},
	controllers + "{i}.Enable":                 {usp.TypeBoolean, false},
	controllers + "{i}.PeriodicNotifTime":      {usp.TypeDateTime, false},
}

// The grammar of names (TR-106): parameters, commands and events are NCNames, vendor names begin with X_.
var (
	paramName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)
	commandName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*\(\)$`)
	eventName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*!$`)
	argName     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.{}-]*$`)
)

func validParams(o *supportedObject) error {
	seen := map[string]bool{}
	for _, p := range o.GetSupportedParams() {
		if err := validName("param_name", paramName, p.GetParamName(), seen); err != nil {
			return err
		}
		where := "supported_params " + p.GetParamName()
		if _, known := usppb.GetSupportedDMResp_ParamAccessType_name[int32(p.GetAccess())]; !known {
			return &usp.Mismatch{Where: where + ": access", Want: "PARAM_READ_ONLY, PARAM_READ_WRITE or PARAM_WRITE_ONLY", Got: p.GetAccess().String()}
		}
		if _, known := usppb.GetSupportedDMResp_ParamValueType_name[int32(p.GetValueType())]; !known || p.GetValueType() == usppb.GetSupportedDMResp_PARAM_UNKNOWN {
			return &usp.Mismatch{Where: where + ": value_type", Want: "a type other than PARAM_UNKNOWN", Got: p.GetValueType().String()}
		}
		if _, known := usppb.GetSupportedDMResp_ValueChangeType_name[int32(p.GetValueChange())]; !known || p.GetValueChange() == usppb.GetSupportedDMResp_VALUE_CHANGE_UNKNOWN {
			return &usp.Mismatch{Where: where + ": value_change", Want: "VALUE_CHANGE_ALLOWED or VALUE_CHANGE_WILL_IGNORE", Got: p.GetValueChange().String()}
		}
		known, ok := standard[o.GetSupportedObjPath()+p.GetParamName()]
		switch {
		case ok && known.t != p.GetValueType():
			return &usp.Mismatch{Where: where + ": value_type", Want: known.t.String() + " (TR-181)", Got: p.GetValueType().String()}
		case ok && known.readOnly && p.GetAccess() != usppb.GetSupportedDMResp_PARAM_READ_ONLY:
			return &usp.Mismatch{Where: where + ": access", Want: "PARAM_READ_ONLY (TR-181)", Got: p.GetAccess().String()}
		}
	}
	return nil
}

func validCommands(o *supportedObject) error {
	for _, check := range []func(*supportedObject) error{validCommandNames, validCommandTypes, validInputArgs} {
		if err := check(o); err != nil {
			return err
		}
	}
	return nil
}

// validCommandNames looks at the names of commands and of their output arguments.
func validCommandNames(o *supportedObject) error {
	seen := map[string]bool{}
	for _, k := range o.GetSupportedCommands() {
		if err := validName("command_name", commandName, k.GetCommandName(), seen); err != nil {
			return err
		}
		if err := validNames("supported_commands "+k.GetCommandName()+": output_arg_names", k.GetOutputArgNames()); err != nil {
			return err
		}
	}
	return nil
}

func validCommandTypes(o *supportedObject) error {
	for _, k := range o.GetSupportedCommands() {
		if t := k.GetCommandType(); t != usppb.GetSupportedDMResp_CMD_SYNC && t != usppb.GetSupportedDMResp_CMD_ASYNC {
			return &usp.Mismatch{Where: "supported_commands " + k.GetCommandName() + ": command_type", Want: "CMD_SYNC or CMD_ASYNC", Got: t.String()}
		}
	}
	return nil
}

func validInputArgs(o *supportedObject) error {
	for _, k := range o.GetSupportedCommands() {
		if err := validNames("supported_commands "+k.GetCommandName()+": input_arg_names", k.GetInputArgNames()); err != nil {
			return err
		}
	}
	return nil
}

func validEvents(o *supportedObject) error {
	if err := validEventNames(o); err != nil {
		return err
	}
	return validEventArgs(o)
}

func validEventNames(o *supportedObject) error {
	seen := map[string]bool{}
	for _, e := range o.GetSupportedEvents() {
		if err := validName("event_name", eventName, e.GetEventName(), seen); err != nil {
			return err
		}
	}
	return nil
}

func validEventArgs(o *supportedObject) error {
	for _, e := range o.GetSupportedEvents() {
		if err := validNames("supported_events "+e.GetEventName()+": arg_names", e.GetArgNames()); err != nil {
			return err
		}
	}
	return nil
}

// validKeySets wants key sets on tables alone, each of names of the object's own parameters, without the table's path. What the object's
// parameters are is known from model: the answer itself may leave them out.
func validKeySets(model dataModel) func(*supportedObject) error {
	return func(o *supportedObject) error {
		if !o.GetIsMultiInstance() {
			return expect.Count("number of unique_key_sets of an object that is no table", 0, len(o.GetUniqueKeySets()))
		}
		for _, set := range o.GetUniqueKeySets() {
			if err := expect.AtLeast("unique_key_sets: number of key_names", 1, len(set.GetKeyNames())); err != nil {
				return err
			}
			for _, key := range set.GetKeyNames() {
				known := slices.Contains(paramNames(model[o.GetSupportedObjPath()]), key)
				// a key may be a parameter of a child object, then with a dot; only own parameters can be looked up here
				if !known && !strings.Contains(key, ".") || strings.HasPrefix(key, root) {
					return &usp.Mismatch{Where: "unique_key_sets: key_names", Want: "names of parameters of the object", Got: usp.Quote(key)}
				}
			}
		}
		return nil
	}
}

// validName wants a name of the right form that has not come before.
func validName(where string, form *regexp.Regexp, name string, seen map[string]bool) error {
	if !form.MatchString(name) {
		return &usp.Mismatch{Where: where, Want: "a name of the form " + form.String(), Got: usp.Quote(name)}
	}
	if seen[name] {
		return &usp.Mismatch{Where: where, Want: "every name once", Got: fmt.Sprintf("%q twice", name)}
	}
	seen[name] = true
	return nil
}

// validNames wants argument names: relative paths, each once.
func validNames(where string, names []string) error {
	seen := map[string]bool{}
	for _, name := range names {
		if strings.HasPrefix(name, root) {
			return &usp.Mismatch{Where: where, Want: "relative paths", Got: usp.Quote(name)}
		}
		if err := validName(where, argName, name, seen); err != nil {
			return err
		}
	}
	return nil
}
