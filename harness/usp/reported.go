package usp

import (
	"fmt"
	"maps"
	"slices"

	"github.com/usptest/usptest/harness/usp/usppb"
)

// ValidatePaths checks that every path which an Agent reports in a Message is written by the grammar (TR-369 R-ARC.7)
// and is of the kind that belongs there: a row where a row is reported, a relative parameter path among the values.
// What only echoes the request (requested_path, the paths of errors) is not judged. It returns the first Mismatch.
func ValidatePaths(m *usppb.Msg) error {
	return reported{func(place, path string, form pathForm) error {
		p, err := form.parse(path)
		if err != nil {
			broken := err.(*Mismatch)
			return &Mismatch{place, broken.Want, broken.Got}
		}
		if !slices.Contains(form.kinds, p.Kind) {
			return mismatch(place, path, "the form of an %s", form.kinds[0])
		}
		return nil
	}}.message(m)
}

// ValidateAddressing checks that every row which an Agent reports is addressed by instance number (TR-369 R-MSG.3).
// Paths that do not parse are left to ValidatePaths. It returns the first Mismatch.
func ValidateAddressing(m *usppb.Msg) error {
	return reported{func(place, path string, form pathForm) error {
		p, err := form.parse(path)
		if err == nil && !form.schema && !p.ByNumber() {
			return mismatch(place, path, "instance numbers alone")
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

// The forms of the paths in an Agent's Messages.
func object() pathForm   { return pathForm{ParsePath, []PathKind{ObjectPath, InstancePath}, false} }
func row() pathForm      { return pathForm{ParsePath, []PathKind{InstancePath}, false} }
func rowRef() pathForm   { return pathForm{ParseReference, []PathKind{InstancePath}, false} }
func param() pathForm    { return pathForm{ParsePath, []PathKind{ParameterPath}, false} }
func command() pathForm  { return pathForm{ParsePath, []PathKind{CommandPath}, false} }
func relParam() pathForm { return pathForm{ParseRelativePath, []PathKind{ParameterPath}, false} }
func relCommand() pathForm {
	return pathForm{ParseRelativePath, []PathKind{CommandPath}, false}
}
func relEvent() pathForm { return pathForm{ParseRelativePath, []PathKind{EventPath}, false} }
func schemaForm(kinds ...PathKind) pathForm {
	return pathForm{ParseSchemaPath, kinds, true}
}
func relSchema(kind PathKind) pathForm {
	return pathForm{ParseRelativeSchemaPath, []PathKind{kind}, true}
}

// reported walks over the paths that a Message reports, in order, until one is refused.
type reported struct {
	judge func(place, path string, form pathForm) error
}

func (v reported) message(m *usppb.Msg) error {
	switch body := BodyOf(m).(type) {
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
	case *usppb.Notify:
		return v.notify("notify", body)
	case *usppb.Register:
		return each("register.reg_paths", body.RegPaths, func(at string, p *usppb.Register_RegistrationPath) error {
			return v.judge(at+".path", p.Path, schemaForm(ObjectPath, InstancePath))
		})
	}
	return nil
}

func (v reported) getResult(at string, r *usppb.GetResp_RequestedPathResult) error {
	return each(at+".resolved_path_results", r.ResolvedPathResults,
		func(at string, resolved *usppb.GetResp_ResolvedPathResult) error {
			return firstOf(
				v.judge(at+".resolved_path", resolved.ResolvedPath, object()),
				v.keys(at+".result_params", resolved.ResultParams, relParam()))
		})
}

func (v reported) instancesResult(at string, r *usppb.GetInstancesResp_RequestedPathResult) error {
	return each(at+".curr_insts", r.CurrInsts, func(at string, inst *usppb.GetInstancesResp_CurrInstance) error {
		return firstOf(
			v.judge(at+".instantiated_obj_path", inst.InstantiatedObjPath, row()),
			v.keys(at+".unique_keys", inst.UniqueKeys, relParam()))
	})
}

func (v reported) supportedResult(at string, r *usppb.GetSupportedDMResp_RequestedObjectResult) error {
	return each(at+".supported_objs", r.SupportedObjs, v.supportedObject)
}

func (v reported) supportedObject(at string, obj *usppb.GetSupportedDMResp_SupportedObjectResult) error {
	return firstOf(
		v.judge(at+".supported_obj_path", obj.SupportedObjPath, schemaForm(ObjectPath, InstancePath)),
		each(at+".supported_params", obj.SupportedParams, func(at string, p *usppb.GetSupportedDMResp_SupportedParamResult) error {
			return v.judge(at+".param_name", p.ParamName, relSchema(ParameterPath))
		}),
		each(at+".supported_commands", obj.SupportedCommands, func(at string, c *usppb.GetSupportedDMResp_SupportedCommandResult) error {
			return firstOf(
				v.judge(at+".command_name", c.CommandName, relSchema(CommandPath)),
				v.names(at+".input_arg_names", c.InputArgNames),
				v.names(at+".output_arg_names", c.OutputArgNames))
		}),
		each(at+".supported_events", obj.SupportedEvents, func(at string, e *usppb.GetSupportedDMResp_SupportedEventResult) error {
			return firstOf(
				v.judge(at+".event_name", e.EventName, relSchema(EventPath)),
				v.names(at+".arg_names", e.ArgNames))
		}),
		each(at+".divergent_paths", obj.DivergentPaths, func(at, path string) error {
			return v.judge(at, path, schemaForm(InstancePath, ObjectPath))
		}),
		each(at+".unique_key_sets", obj.UniqueKeySets, func(at string, set *usppb.GetSupportedDMResp_SupportedUniqueKeySet) error {
			return v.names(at+".key_names", set.KeyNames)
		}))
}

func (v reported) createdResult(at string, r *usppb.AddResp_CreatedObjectResult) error {
	ok := r.GetOperStatus().GetOperSuccess()
	if ok == nil {
		return nil
	}
	at += ".oper_status.oper_success"
	return firstOf(
		v.judge(at+".instantiated_path", ok.InstantiatedPath, row()),
		v.keys(at+".unique_keys", ok.UniqueKeys, relParam()))
}

func (v reported) updatedResult(at string, r *usppb.SetResp_UpdatedObjectResult) error {
	return firstOf(
		each(at+".oper_status.oper_success.updated_inst_results",
			r.GetOperStatus().GetOperSuccess().GetUpdatedInstResults(),
			func(at string, inst *usppb.SetResp_UpdatedInstanceResult) error {
				return firstOf(
					v.judge(at+".affected_path", inst.AffectedPath, object()),
					v.keys(at+".updated_params", inst.UpdatedParams, relParam()))
			}),
		each(at+".oper_status.oper_failure.updated_inst_failures",
			r.GetOperStatus().GetOperFailure().GetUpdatedInstFailures(),
			func(at string, inst *usppb.SetResp_UpdatedInstanceFailure) error {
				return v.judge(at+".affected_path", inst.AffectedPath, object())
			}))
}

func (v reported) deletedResult(at string, r *usppb.DeleteResp_DeletedObjectResult) error {
	ok := r.GetOperStatus().GetOperSuccess()
	at += ".oper_status.oper_success"
	return firstOf(
		each(at+".affected_paths", ok.GetAffectedPaths(), func(at, path string) error {
			return v.judge(at, path, row())
		}),
		each(at+".unaffected_path_errs", ok.GetUnaffectedPathErrs(),
			func(at string, e *usppb.DeleteResp_UnaffectedPathError) error {
				return v.judge(at+".unaffected_path", e.UnaffectedPath, row())
			}))
}

// operationResult leaves a failed command alone: its path may be the request's, that fits nothing.
func (v reported) operationResult(at string, r *usppb.OperateResp_OperationResult) error {
	switch result := r.OperationResp.(type) {
	case *usppb.OperateResp_OperationResult_ReqObjPath:
		return firstOf(
			v.judge(at+".executed_command", r.ExecutedCommand, command()),
			v.judge(at+".req_obj_path", result.ReqObjPath, rowRef()))
	case *usppb.OperateResp_OperationResult_ReqOutputArgs:
		return firstOf(
			v.judge(at+".executed_command", r.ExecutedCommand, command()),
			v.keys(at+".req_output_args.output_args", result.ReqOutputArgs.GetOutputArgs(), relParam()))
	}
	return nil
}

func (v reported) notify(at string, n *usppb.Notify) error {
	switch body := n.Notification.(type) {
	case *usppb.Notify_Event_:
		at += ".event"
		return firstOf(
			v.judge(at+".obj_path", body.Event.GetObjPath(), object()),
			v.judge(at+".event_name", body.Event.GetEventName(), relEvent()),
			v.keys(at+".params", body.Event.GetParams(), relParam()))
	case *usppb.Notify_ValueChange_:
		return v.judge(at+".value_change.param_path", body.ValueChange.GetParamPath(), param())
	case *usppb.Notify_ObjCreation:
		at += ".obj_creation"
		return firstOf(
			v.judge(at+".obj_path", body.ObjCreation.GetObjPath(), row()),
			v.keys(at+".unique_keys", body.ObjCreation.GetUniqueKeys(), relParam()))
	case *usppb.Notify_ObjDeletion:
		return v.judge(at+".obj_deletion.obj_path", body.ObjDeletion.GetObjPath(), row())
	case *usppb.Notify_OperComplete:
		at += ".oper_complete"
		return firstOf(
			v.judge(at+".obj_path", body.OperComplete.GetObjPath(), object()),
			v.judge(at+".command_name", body.OperComplete.GetCommandName(), relCommand()),
			v.keys(at+".req_output_args.output_args", body.OperComplete.GetReqOutputArgs().GetOutputArgs(), relParam()))
	}
	return nil
}

// keys judges the names of a map, in order.
func (v reported) keys(at string, values map[string]string, form pathForm) error {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if err := v.judge(at, key, form); err != nil {
			return err
		}
	}
	return nil
}

// names judges the names of arguments or key parameters of the supported data model.
func (v reported) names(at string, names []string) error {
	return each(at, names, func(at, name string) error {
		return v.judge(at, name, relSchema(ParameterPath))
	})
}

// each judges the items of a list until one is refused.
func each[T any](at string, items []T, judge func(at string, item T) error) error {
	for i, item := range items {
		if err := judge(fmt.Sprintf("%s[%d]", at, i), item); err != nil {
			return err
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
