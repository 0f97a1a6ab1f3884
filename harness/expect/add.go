package expect

import (
	"fmt"
	"strings"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/usp"
)

// OneCreated wants an AddResp with one CreatedObjectResult, a success without parameter errors, and returns the new row.
func OneCreated(r *controller.Reply) (usp.Created, error) {
	rows, err := Created(r, 1, 0)
	if len(rows) == 0 {
		return usp.Created{}, err
	}
	return rows[0], err
}

// IsFull reports whether an Add of one object was refused because the Agent has no room for it (7005).
func IsFull(r *controller.Reply) bool { return refusedWith(r, usp.CodeResourcesExceeded) }

// IsForbidden reports whether an Add or a Set was refused because the Controller has no right to it (7006).
func IsForbidden(r *controller.Reply) bool { return refusedWith(r, usp.CodePermissionDenied) }

// refusedWith reports whether an Add or a Set was refused with a code, as a whole, for an object or for a parameter.
func refusedWith(r *controller.Reply, code usp.ErrCode) bool {
	has := func(got uint32) bool { return usp.ErrCode(got) == code }
	e := r.Body().GetError()
	for _, p := range e.GetParamErrs() {
		if has(p.GetErrCode()) {
			return true
		}
	}
	for _, o := range r.Body().GetResponse().GetAddResp().GetCreatedObjResults() {
		if has(o.GetOperStatus().GetOperFailure().GetErrCode()) {
			return true
		}
	}
	return has(e.GetErrCode())
}

// Created wants an AddResp with this many successes, each without parameter errors, and this many failures, each with a lawful code, in any
// order and each for a path that was asked for. It returns the new rows in the order of the AddResp; beside an error those that came before
// it.
func Created(r *controller.Reply, successes, failures int) ([]usp.Created, error) {
	if err := Type(r, usp.AddResp); err != nil {
		return nil, err
	}
	results := r.Body().GetResponse().GetAddResp().GetCreatedObjResults()
	if err := Count("AddResp: number of created_obj_results", successes+failures, len(results)); err != nil {
		return nil, err
	}
	var rows []usp.Created
	var refused, asked []string
	for _, o := range r.Request.GetBody().GetRequest().GetAdd().GetCreateObjs() {
		asked = append(asked, o.GetObjPath())
	}
	for i, result := range results {
		where := fmt.Sprintf("created_obj_results[%d].", i)
		if err := OneOf(where+"requested_path", asked, result.GetRequestedPath()); err != nil {
			return rows, err
		}
		status := result.GetOperStatus()
		if f := status.GetOperFailure(); f != nil {
			refused = append(refused, where+"oper_status: oper_failure "+told(f))
			if err := Code(where+"oper_failure: err_code", f.GetErrCode(), usp.Add); err != nil && failures > 0 {
				return rows, err
			}
			continue
		}
		ok := status.GetOperSuccess()
		if ok == nil {
			return rows, usp.Differs(where+"oper_status", "neither success nor failure", "oper_success or oper_failure")
		}
		created := usp.Created{Table: result.GetRequestedPath(), Path: ok.GetInstantiatedPath(), UniqueKeys: ok.GetUniqueKeys()}
		rows = append(rows, created)
		if errs := ok.GetParamErrs(); len(errs) > 0 {
			return rows, usp.Differs(where+"oper_success.param_errs", quote(errs[0].GetParam())+" "+told(errs[0]), "no parameter errors")
		}
		if err := instanceOf(where+"oper_success.instantiated_path", created); err != nil {
			return rows, err
		}
	}
	if len(refused) == failures {
		return rows, nil
	}
	got := append([]string{fmt.Sprintf("%d oper_success, %d oper_failure", len(rows), len(refused))}, refused...)
	return rows, usp.Differs("AddResp: created_obj_results", strings.Join(got, "; "),
		"%d oper_success, %d oper_failure", successes, failures)
}

// instanceOf wants a new row, by number, of the table that the Add asked for. Where the table was searched for, its supported path counts.
func instanceOf(where string, created usp.Created) error {
	path, err := usp.ParsePath(created.Path)
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	table, err := usp.ParsePath(created.Table)
	if err != nil {
		return fmt.Errorf("requested_path: %w", err)
	}
	if !path.IsRowOf(table) {
		return usp.Differs(where, quote(created.Path), "an instance of %s by number", created.Table)
	}
	return nil
}
