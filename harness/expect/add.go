package expect

import (
	"fmt"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/usp"
)

// OneCreated wants an AddResp with one CreatedObjectResult, a success without parameter errors, and returns the new row.
func OneCreated(r *controller.Reply) (usp.Created, error) {
	if err := Type(r, usp.AddResp); err != nil {
		return usp.Created{}, err
	}
	results := r.Body().GetResponse().GetAddResp().GetCreatedObjResults()
	if err := Count("AddResp: number of created_obj_results", 1, len(results)); err != nil {
		return usp.Created{}, err
	}
	status := results[0].GetOperStatus()
	if f := status.GetOperFailure(); f != nil {
		return usp.Created{}, mismatch("created_obj_results[0].oper_status",
			fmt.Sprintf("oper_failure %s: %s", usp.ErrCode(f.GetErrCode()), quote(f.GetErrMsg())), "oper_success")
	}
	ok := status.GetOperSuccess()
	if ok == nil {
		return usp.Created{}, mismatch("created_obj_results[0].oper_status", "neither success nor failure", "oper_success")
	}
	created := usp.Created{Table: results[0].GetRequestedPath(), Path: ok.GetInstantiatedPath(), UniqueKeys: ok.GetUniqueKeys()}
	for _, e := range ok.GetParamErrs() {
		return created, mismatch("oper_success.param_errs",
			fmt.Sprintf("%s %s: %s", quote(e.GetParam()), usp.ErrCode(e.GetErrCode()), quote(e.GetErrMsg())), "no parameter errors")
	}
	path, err := usp.ParsePath(created.Path)
	if err != nil {
		return created, fmt.Errorf("oper_success.instantiated_path: %w", err)
	}
	if path.Kind != usp.InstancePath || !path.ByNumber() || path.Parent().String() != created.Table {
		return created, mismatch("oper_success.instantiated_path", quote(created.Path), "an instance of %s by number", created.Table)
	}
	return created, nil
}
