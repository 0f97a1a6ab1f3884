package expect

import (
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// The protobuf messages of a SetResp under names that fit on a line.
type (
	updatedObject  = usppb.SetResp_UpdatedObjectResult
	updatedSuccess = usppb.SetResp_UpdatedObjectResult_OperationStatus_OperationSuccess
	updatedFailure = usppb.SetResp_UpdatedObjectResult_OperationStatus_OperationFailure
)

// UpdatedObject wants one updated_obj_results element for path in a SetResp with n such elements, in any order.
func UpdatedObject(r *controller.Reply, path string, n int) (*updatedObject, error) {
	if err := Type(r, usp.SetResp); err != nil {
		return nil, err
	}
	results := r.Body().GetResponse().GetSetResp().GetUpdatedObjResults()
	if err := Count("SetResp: number of updated_obj_results", n, len(results)); err != nil {
		return nil, err
	}
	var paths []string
	for _, o := range results {
		if o.GetRequestedPath() == path {
			return o, nil
		}
		paths = append(paths, o.GetRequestedPath())
	}
	return nil, usp.Differs("updated_obj_results: requested_path", quoteAll(paths), "%q", path)
}

// UpdateSuccess wants oper_success for an object, without parameter errors, and in every instance's updated_params exactly the named
// parameters.
func UpdateSuccess(o *updatedObject, params ...string) (*updatedSuccess, error) {
	ok, err := succeeded(o)
	if err != nil {
		return nil, err
	}
	for _, u := range ok.GetUpdatedInstResults() {
		where := "updated_inst_results for " + u.GetAffectedPath()
		if errs := u.GetParamErrs(); len(errs) > 0 {
			return ok, usp.Differs(where+": param_errs", quote(errs[0].GetParam())+" "+told(errs[0]), "none")
		}
		if err := Keys(where+": updated_params", u.GetUpdatedParams(), AnyOf{params}); err != nil {
			return ok, err
		}
	}
	return ok, nil
}

// Updated wants oper_success for an object with exactly these instances, in any order, without parameter errors, and in each of them one
// updated parameter: a boolean, with this value after the update.
func Updated(o *updatedObject, affected []string, param, value string) error {
	ok, err := UpdateSuccess(o, param)
	if err != nil {
		return err
	}
	if err := SameSet("oper_success: affected_path", affected, AffectedPaths(ok)); err != nil {
		return err
	}
	for _, u := range ok.GetUpdatedInstResults() {
		if err := updatedTo(u, param, value); err != nil {
			return err
		}
	}
	return nil
}

// updatedTo wants the value of a boolean after the update.
func updatedTo(u *usppb.SetResp_UpdatedInstanceResult, param, value string) error {
	return Value("updated_inst_results for "+u.GetAffectedPath()+": updated_params: "+param, usp.TypeBoolean, value, u.GetUpdatedParams()[param])
}

// PartlyUpdated wants oper_success for an object with one instance at path, in which one parameter, a boolean, was updated to a value and
// the other has the one parameter error, with a lawful code, by its name, or by its path as well.
func PartlyUpdated(o *updatedObject, path, updated, value, failed string, byPath bool) error {
	ok, err := succeeded(o)
	if err != nil {
		return err
	}
	if err := SameSet("oper_success: affected_path", []string{path}, AffectedPaths(ok)); err != nil {
		return err
	}
	u := ok.GetUpdatedInstResults()[0]
	where := "updated_inst_results for " + path
	if err := Keys(where+": updated_params", u.GetUpdatedParams(), AnyOf{{updated}}); err != nil {
		return err
	}
	if err := updatedTo(u, updated, value); err != nil {
		return err
	}
	errs := u.GetParamErrs()
	if byPath && len(errs) == 1 && errs[0].GetParam() == path+failed {
		failed = path + failed
	}
	return oneParamErr(where, errs, failed)
}

// refused wants oper_failure for an object.
func refused(where string, o *updatedObject) (*updatedFailure, error) {
	switch status := o.GetOperStatus(); {
	case status.GetOperFailure() != nil:
		return status.GetOperFailure(), nil
	case status.GetOperSuccess() != nil:
		return nil, usp.Differs(where+": oper_status", "oper_success", "oper_failure")
	}
	return nil, usp.Differs(where+": oper_status", "neither success nor failure", "oper_failure")
}

// succeeded wants oper_success for an object.
func succeeded(o *updatedObject) (*updatedSuccess, error) {
	where := "updated_obj_results for " + quote(o.GetRequestedPath())
	if f := o.GetOperStatus().GetOperFailure(); f != nil {
		return nil, usp.Differs(where+": oper_status", "oper_failure "+told(f), "oper_success")
	}
	ok := o.GetOperStatus().GetOperSuccess()
	if ok == nil {
		return nil, usp.Differs(where+": oper_status", "neither success nor failure", "oper_success")
	}
	return ok, nil
}

// oneParamErr wants one parameter error, for param, with a code that is lawful in a Set.
func oneParamErr(where string, errs []*usppb.SetResp_ParameterError, param string) error {
	if err := Count(where+": number of param_errs", 1, len(errs)); err != nil {
		return err
	}
	if err := Equal(where+": param_errs[0].param", param, errs[0].GetParam()); err != nil {
		return err
	}
	return Code(where+": param_errs[0].err_code", errs[0].GetErrCode(), usp.Set)
}

// AffectedPaths are the instances that a success names, in its order.
func AffectedPaths(ok *updatedSuccess) []string {
	var paths []string
	for _, u := range ok.GetUpdatedInstResults() {
		paths = append(paths, u.GetAffectedPath())
	}
	return paths
}

// Contains wants every wanted string among the ones got.
func Contains(where string, want, got []string) error {
	have := map[string]bool{}
	for _, s := range got {
		have[s] = true
	}
	for _, s := range want {
		if !have[s] {
			return usp.Differs(where, quoteAll(got), "%q among them", s)
		}
	}
	return nil
}

// UpdateFailure wants oper_failure for an object with a lawful code, one instance at path, and in it one parameter error for param.
func UpdateFailure(o *updatedObject, path, param string) error {
	where := "updated_obj_results for " + quote(o.GetRequestedPath())
	f, err := refused(where, o)
	if err != nil {
		return err
	}
	if err := Code(where+": err_code", f.GetErrCode(), usp.Set); err != nil {
		return err
	}
	if err := Count(where+": number of updated_inst_failures", 1, len(f.GetUpdatedInstFailures())); err != nil {
		return err
	}
	failure := f.GetUpdatedInstFailures()[0]
	if err := Equal("updated_inst_failures[0].affected_path", path, failure.GetAffectedPath()); err != nil {
		return err
	}
	return oneParamErr("updated_inst_failures[0]", failure.GetParamErrs(), param)
}

// WildcardFailure wants a SetResp with oper_failure for one search path, and in it at least one of the rows that match, each with one
// parameter error for param; every code lawful.
func WildcardFailure(r *controller.Reply, path, param string, matching []string) error {
	o, err := UpdatedObject(r, path, 1)
	if err != nil {
		return err
	}
	f, err := refused("updated_obj_results[0]", o)
	if err != nil {
		return err
	}
	if err := Code("oper_failure: err_code", f.GetErrCode(), usp.Set); err != nil {
		return err
	}
	if err := AtLeast("oper_failure: number of updated_inst_failures", 1, len(f.GetUpdatedInstFailures())); err != nil {
		return err
	}
	for _, failure := range f.GetUpdatedInstFailures() {
		if err := OneOf("updated_inst_failures: affected_path", matching, failure.GetAffectedPath()); err != nil {
			return err
		}
		if err := oneParamErr("updated_inst_failures for "+failure.GetAffectedPath(), failure.GetParamErrs(), param); err != nil {
			return err
		}
	}
	return nil
}

// WildcardError wants an Error whose parameter errors, at least one, name param of rows that match; every code lawful.
func WildcardError(r *controller.Reply, param string, matching []string) error {
	if err := ErrorCode(r); err != nil {
		return err
	}
	errs := r.Body().GetError().GetParamErrs()
	if err := AtLeast("Error: number of param_errs", 1, len(errs)); err != nil {
		return err
	}
	var lawful []string
	for _, row := range matching {
		lawful = append(lawful, row+param)
	}
	for _, e := range errs {
		if err := OneOf("param_errs: param_path", lawful, e.GetParamPath()); err != nil {
			return err
		}
		if err := Code("param_errs: err_code", e.GetErrCode(), usp.Set); err != nil {
			return err
		}
	}
	return nil
}
