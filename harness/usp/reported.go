package usp

import (
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/usptest/usptest/harness/usp/usppb"
)

// ValidatePaths checks that every path which an Agent reports in a Message is written by the grammar (TR-369 R-ARC.7)
// and is of the kind that belongs there: a row where a row is reported, a relative parameter path among the values.
// What only echoes the request (requested_path, the paths of errors) is not judged. It returns the first Mismatch.
func ValidatePaths(m *usppb.Msg) error {
	return reported{func(path string, form pathForm) error {
		_, err := form.accept(path)
		return err
	}}.message(m)
}

// ValidateReported is ValidatePaths and ValidateAddressing at once.
func ValidateReported(m *usppb.Msg) (paths, addressing error) {
	byNumber := true
	paths = reported{func(path string, form pathForm) error {
		p, err := form.accept(path)
		byNumber = byNumber && (form.schema || p.ByNumber())
		return err
	}}.message(m)
	if paths != nil || !byNumber {
		addressing = ValidateAddressing(m)
	}
	return paths, addressing
}

// ValidateAddressing checks that every row which an Agent reports is addressed by instance number (TR-369 R-MSG.3).
// Paths that do not parse are left to ValidatePaths. It returns the first Mismatch.
func ValidateAddressing(m *usppb.Msg) error {
	return reported{func(path string, form pathForm) error {
		if form.schema {
			return nil
		}
		if p, err := form.parse(path); err == nil && !p.ByNumber() {
			return Differs("", Quote(path), "instance numbers alone")
		}
		return nil
	}}.message(m)
}

// pathForm is what kind of path a field holds.
type pathForm struct {
	parse  func(string) (Path, error)
	kinds  []PathKind // the first one is the rule in a few words
	schema bool       // of the supported data model
}

// accept parses a path of this form. The place of its error is left to the caller.
func (f pathForm) accept(path string) (Path, error) {
	p, err := f.parse(path)
	if err != nil {
		broken := err.(*Mismatch)
		return p, &Mismatch{Want: broken.Want, Got: broken.Got}
	}
	if !slices.Contains(f.kinds, p.Kind) {
		return p, Differs("", Quote(path), "%s", f.kinds[0])
	}
	return p, nil
}

// The forms of the paths in an Agent's Messages.
var (
	objectForm     = pathForm{ParsePath, []PathKind{ObjectPath, InstancePath}, false}
	rowForm        = pathForm{ParsePath, []PathKind{InstancePath}, false}
	rowRefForm     = pathForm{ParseReference, []PathKind{InstancePath}, false}
	paramForm      = pathForm{ParsePath, []PathKind{ParameterPath}, false}
	commandForm    = pathForm{ParsePath, []PathKind{CommandPath}, false}
	relParamForm   = pathForm{ParseRelativePath, []PathKind{ParameterPath}, false}
	relCommandForm = pathForm{ParseRelativePath, []PathKind{CommandPath}, false}
	relEventForm   = pathForm{ParseRelativePath, []PathKind{EventPath}, false}

	modelObjectForm  = pathForm{ParseSchemaPath, []PathKind{ObjectPath, InstancePath}, true}
	divergentForm    = pathForm{ParseSchemaPath, []PathKind{InstancePath, ObjectPath}, true}
	modelParamForm   = pathForm{ParseRelativeSchemaPath, []PathKind{ParameterPath}, true}
	modelCommandForm = pathForm{ParseRelativeSchemaPath, []PathKind{CommandPath}, true}
	modelEventForm   = pathForm{ParseRelativeSchemaPath, []PathKind{EventPath}, true}

	registeredForm = pathForm{parseRegistered, []PathKind{ObjectPath, CommandPath, EventPath, ParameterPath}, false}
)

// parseRegistered reads the path of a Service Element: names alone, without rows of any table (TR-369 R-REG.2).
func parseRegistered(s string) (Path, error) {
	p, err := ParsePath(s)
	if err != nil {
		return p, err
	}
	for _, segment := range p.Segments {
		if segment.Kind != NameSegment || segment.Follow != 0 {
			return p, Differs("", Quote(s), "names alone, without the row of a table")
		}
	}
	return p, nil
}

// reported walks over the paths that a Message reports, in order, until one is refused. The place is put before the
// error on the way out (at), so that a Message without fault costs no text.
type reported struct {
	judge func(path string, form pathForm) error
}

func (v reported) message(m *usppb.Msg) error {
	if m.GetBody().GetRequest() != nil {
		return at("body.request", v.request(m.Body.GetRequest()))
	}
	return at("body.response", v.response(BodyOf(m)))
}

func (v reported) request(r *usppb.Request) error {
	if n := r.GetNotify(); n != nil {
		return at("notify", v.notify(n))
	}
	return each("register.reg_paths", r.GetRegister().GetRegPaths(), func(p *usppb.Register_RegistrationPath) error {
		return v.field("path", p.Path, registeredForm)
	})
}

func (v reported) response(body proto.Message) error {
	switch body := body.(type) {
	case *usppb.GetResp:
		return each("get_resp.req_path_results", body.ReqPathResults, v.getResult)
	case *usppb.GetInstancesResp:
		return each("get_instances_resp.req_path_results", body.ReqPathResults, v.instancesResult)
	case *usppb.GetSupportedDMResp:
		return each("get_supported_dm_resp.req_obj_results", body.ReqObjResults, v.supportedResult)
	case *usppb.AddResp:
		return each("add_resp.created_obj_results", body.CreatedObjResults, v.createdResult)
	case *usppb.SetResp:
		return each("set_resp.updated_obj_results", body.UpdatedObjResults, v.updatedResult)
	case *usppb.DeleteResp:
		return each("delete_resp.deleted_obj_results", body.DeletedObjResults, v.deletedResult)
	case *usppb.OperateResp:
		return each("operate_resp.operation_results", body.OperationResults, v.operationResult)
	}
	return nil
}

func (v reported) getResult(r *usppb.GetResp_RequestedPathResult) error {
	return each("resolved_path_results", r.ResolvedPathResults,
		func(resolved *usppb.GetResp_ResolvedPathResult) error {
			return firstOf(
				v.field("resolved_path", resolved.ResolvedPath, objectForm),
				v.keys("result_params", resolved.ResultParams, relParamForm))
		})
}

func (v reported) instancesResult(r *usppb.GetInstancesResp_RequestedPathResult) error {
	return each("curr_insts", r.CurrInsts, func(inst *usppb.GetInstancesResp_CurrInstance) error {
		return firstOf(
			v.field("instantiated_obj_path", inst.InstantiatedObjPath, rowForm),
			v.keys("unique_keys", inst.UniqueKeys, relParamForm))
	})
}

func (v reported) supportedResult(r *usppb.GetSupportedDMResp_RequestedObjectResult) error {
	return each("supported_objs", r.SupportedObjs, v.supportedObject)
}

func (v reported) supportedObject(obj *usppb.GetSupportedDMResp_SupportedObjectResult) error {
	return firstOf(
		v.field("supported_obj_path", obj.SupportedObjPath, modelObjectForm),
		each("supported_params", obj.SupportedParams, func(p *usppb.GetSupportedDMResp_SupportedParamResult) error {
			return v.field("param_name", p.ParamName, modelParamForm)
		}),
		each("supported_commands", obj.SupportedCommands, func(c *usppb.GetSupportedDMResp_SupportedCommandResult) error {
			return firstOf(
				v.field("command_name", c.CommandName, modelCommandForm),
				v.names("input_arg_names", c.InputArgNames),
				v.names("output_arg_names", c.OutputArgNames))
		}),
		each("supported_events", obj.SupportedEvents, func(e *usppb.GetSupportedDMResp_SupportedEventResult) error {
			return firstOf(
				v.field("event_name", e.EventName, modelEventForm),
				v.names("arg_names", e.ArgNames))
		}),
		each("divergent_paths", obj.DivergentPaths, func(path string) error {
			return v.judge(path, divergentForm)
		}),
		each("unique_key_sets", obj.UniqueKeySets, func(set *usppb.GetSupportedDMResp_SupportedUniqueKeySet) error {
			return v.names("key_names", set.KeyNames)
		}))
}

func (v reported) createdResult(r *usppb.AddResp_CreatedObjectResult) error {
	ok := r.GetOperStatus().GetOperSuccess()
	if ok == nil {
		return nil
	}
	return at("oper_status.oper_success", firstOf(
		v.field("instantiated_path", ok.InstantiatedPath, rowForm),
		v.keys("unique_keys", ok.UniqueKeys, relParamForm)))
}

func (v reported) updatedResult(r *usppb.SetResp_UpdatedObjectResult) error {
	return firstOf(
		each("oper_status.oper_success.updated_inst_results",
			r.GetOperStatus().GetOperSuccess().GetUpdatedInstResults(),
			func(inst *usppb.SetResp_UpdatedInstanceResult) error {
				return firstOf(
					v.field("affected_path", inst.AffectedPath, objectForm),
					v.keys("updated_params", inst.UpdatedParams, relParamForm))
			}),
		each("oper_status.oper_failure.updated_inst_failures",
			r.GetOperStatus().GetOperFailure().GetUpdatedInstFailures(),
			func(inst *usppb.SetResp_UpdatedInstanceFailure) error {
				return v.field("affected_path", inst.AffectedPath, objectForm)
			}))
}

func (v reported) deletedResult(r *usppb.DeleteResp_DeletedObjectResult) error {
	ok := r.GetOperStatus().GetOperSuccess()
	return at("oper_status.oper_success", firstOf(
		each("affected_paths", ok.GetAffectedPaths(), func(path string) error {
			return v.judge(path, rowForm)
		}),
		each("unaffected_path_errs", ok.GetUnaffectedPathErrs(), func(e *usppb.DeleteResp_UnaffectedPathError) error {
			return v.field("unaffected_path", e.UnaffectedPath, rowForm)
		})))
}

// operationResult leaves a failed command alone: its path may be the request's, that fits nothing.
func (v reported) operationResult(r *usppb.OperateResp_OperationResult) error {
	switch result := r.OperationResp.(type) {
	case *usppb.OperateResp_OperationResult_ReqObjPath:
		return firstOf(
			v.field("executed_command", r.ExecutedCommand, commandForm),
			v.field("req_obj_path", result.ReqObjPath, rowRefForm))
	case *usppb.OperateResp_OperationResult_ReqOutputArgs:
		return firstOf(
			v.field("executed_command", r.ExecutedCommand, commandForm),
			v.keys("req_output_args.output_args", result.ReqOutputArgs.GetOutputArgs(), relParamForm))
	}
	return nil
}

func (v reported) notify(n *usppb.Notify) error {
	switch body := n.Notification.(type) {
	case *usppb.Notify_Event_:
		return at("event", firstOf(
			v.field("obj_path", body.Event.GetObjPath(), objectForm),
			v.field("event_name", body.Event.GetEventName(), relEventForm),
			v.keys("params", body.Event.GetParams(), relParamForm)))
	case *usppb.Notify_ValueChange_:
		return v.field("value_change.param_path", body.ValueChange.GetParamPath(), paramForm)
	case *usppb.Notify_ObjCreation:
		return at("obj_creation", firstOf(
			v.field("obj_path", body.ObjCreation.GetObjPath(), rowForm),
			v.keys("unique_keys", body.ObjCreation.GetUniqueKeys(), relParamForm)))
	case *usppb.Notify_ObjDeletion:
		return v.field("obj_deletion.obj_path", body.ObjDeletion.GetObjPath(), rowForm)
	case *usppb.Notify_OperComplete:
		return at("oper_complete", firstOf(
			v.field("obj_path", body.OperComplete.GetObjPath(), objectForm),
			v.field("command_name", body.OperComplete.GetCommandName(), relCommandForm),
			v.keys("req_output_args.output_args", body.OperComplete.GetReqOutputArgs().GetOutputArgs(), relParamForm)))
	}
	return nil
}

// field judges the path in one field.
func (v reported) field(name, path string, form pathForm) error { return at(name, v.judge(path, form)) }

// keys judges the names of a map, in order.
func (v reported) keys(name string, values map[string]string, form pathForm) error {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if err := v.field(name, key, form); err != nil {
			return err
		}
	}
	return nil
}

// names judges the names of arguments or key parameters of the supported data model.
func (v reported) names(name string, names []string) error {
	return each(name, names, func(name string) error { return v.judge(name, modelParamForm) })
}

// each judges the items of a list until one is refused.
func each[T any](name string, items []T, judge func(T) error) error {
	for i, item := range items {
		if err := judge(item); err != nil {
			return at(fmt.Sprintf("%s[%d]", name, i), err)
		}
	}
	return nil
}

// firstOf returns the first error.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
