package messages

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/model"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// standard is what TR-181 says of its elements. An Agent may refuse to write what the standard lets a Controller write, but
// not the other way round; it need not have an element, and what it has beside the standard's is its own.
type standard struct{ *model.Model }

// standardOf reads what is known of TR-181, in the version that an answer claims.
func standardOf(c *harness.Case, got *controller.Reply) standard {
	facts, err := model.Facts()
	c.LabMust(err)
	uri := ""
	for _, q := range modelResults(got) {
		uri = cmp.Or(uri, q.GetDataModelInstUri())
	}
	return standard{facts.For(uri)}
}

// object is what the standard says of an object; nothing of one that it does not have.
func (s standard) object(path string) model.Object {
	if o := s.Objects[path]; o != nil {
		return *o
	}
	return model.Object{}
}

// The grammar of names (TR-106): parameters, commands and events are NCNames, vendor names begin with X_.
var (
	paramName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)
	commandName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*\(\)$`)
	eventName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*!$`)
	argName     = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.{}-]*$`)
)

func (s standard) validParams(o *supportedObject) error {
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
		known, ok := s.object(o.GetSupportedObjPath()).Params[p.GetParamName()]
		switch {
		case ok && known.Type != "" && known.Type != usp.ValueTypeName(p.GetValueType()):
			return &usp.Mismatch{Where: where + ": value_type", Want: known.Type + " (TR-181)", Got: p.GetValueType().String()}
		case ok && known.Access == model.ReadOnly && strings.HasPrefix(o.GetSupportedObjPath(), localAgent) &&
			p.GetAccess() != usppb.GetSupportedDMResp_PARAM_READ_ONLY:
			return &usp.Mismatch{Where: where + ": access", Want: "PARAM_READ_ONLY (TR-181)", Got: p.GetAccess().String()}
		}
	}
	return nil
}

func (s standard) validCommands(o *supportedObject) error {
	for _, check := range []func(*supportedObject) error{validCommandNames, s.validCommandTypes, validInputArgs} {
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

// validCommandTypes wants the type that TR-181 gives a command.
func (s standard) validCommandTypes(o *supportedObject) error {
	types := map[string]usppb.GetSupportedDMResp_CmdType{
		model.Sync: usppb.GetSupportedDMResp_CMD_SYNC, model.Async: usppb.GetSupportedDMResp_CMD_ASYNC,
	}
	for _, k := range o.GetSupportedCommands() {
		where, t := "supported_commands "+k.GetCommandName()+": command_type", k.GetCommandType()
		if t != usppb.GetSupportedDMResp_CMD_SYNC && t != usppb.GetSupportedDMResp_CMD_ASYNC {
			return &usp.Mismatch{Where: where, Want: "CMD_SYNC or CMD_ASYNC", Got: t.String()}
		}
		known, ok := types[s.object(o.GetSupportedObjPath()).Commands[k.GetCommandName()].Kind]
		if ok && known != t {
			return &usp.Mismatch{Where: where, Want: known.String() + " (TR-181)", Got: t.String()}
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

// validKeySets wants key sets on tables alone, each of names of the object's own parameters, without the table's path, and
// none of parameters that make another key in TR-181. What the object's parameters are is known from has: the answer itself
// may leave them out.
func (s standard) validKeySets(has dataModel) func(*supportedObject) error {
	return func(o *supportedObject) error {
		if !o.GetIsMultiInstance() {
			return expect.Count("number of unique_key_sets of an object that is no table", 0, len(o.GetUniqueKeySets()))
		}
		for _, set := range o.GetUniqueKeySets() {
			if err := expect.AtLeast("unique_key_sets: number of key_names", 1, len(set.GetKeyNames())); err != nil {
				return err
			}
			for _, key := range set.GetKeyNames() {
				known := slices.Contains(paramNames(has[o.GetSupportedObjPath()]), key)
				// a key may be a parameter of a child object, then with a dot; only own parameters can be looked up here
				if !known && !strings.Contains(key, ".") || strings.HasPrefix(key, root) {
					return &usp.Mismatch{Where: "unique_key_sets: key_names", Want: "names of parameters of the object", Got: usp.Quote(key)}
				}
			}
			if err := s.standardKey(o.GetSupportedObjPath(), set.GetKeyNames()); err != nil {
				return err
			}
		}
		return nil
	}
}

// standardKey wants a key set to be one of TR-181's, when all its parameters are.
func (s standard) standardKey(path string, names []string) error {
	o := s.object(path)
	if len(o.Keys) == 0 || slices.ContainsFunc(names, func(n string) bool { _, ok := o.Params[n]; return !ok }) {
		return nil
	}
	names = slices.Sorted(slices.Values(names))
	var keys []string
	for _, key := range o.Keys {
		if slices.Equal(key, names) {
			return nil
		}
		keys = append(keys, strings.Join(key, " with "))
	}
	return &usp.Mismatch{Where: "unique_key_sets: key_names", Want: strings.Join(keys, " or ") + " (TR-181)", Got: strings.Join(names, " with ")}
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
