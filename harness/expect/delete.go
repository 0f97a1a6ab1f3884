package expect

import (
	"slices"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// Deleted wants a DeleteResp with one deleted_obj_results element for path, a success, and returns what it says it deleted, sorted.
func Deleted(r *controller.Reply, path string) ([]string, error) { return DeletedAmong(r, 1, path) }

// DeletedAmong is Deleted for a DeleteResp with n elements, in any order.
func DeletedAmong(r *controller.Reply, n int, path string) ([]string, error) {
	result, err := deletedResult(r, n, path)
	if err != nil {
		return nil, err
	}
	where := "deleted_obj_results for " + path
	if f := result.GetOperStatus().GetOperFailure(); f != nil {
		return nil, usp.Differs(where+": oper_status", "oper_failure "+told(f), "oper_success")
	}
	ok := result.GetOperStatus().GetOperSuccess()
	if ok == nil {
		return nil, usp.Differs(where+": oper_status", "neither success nor failure", "oper_success")
	}
	if errs := ok.GetUnaffectedPathErrs(); len(errs) > 0 {
		return nil, usp.Differs("oper_success.unaffected_path_errs", quote(errs[0].GetUnaffectedPath())+" "+told(errs[0]), "none")
	}
	return slices.Sorted(slices.Values(ok.GetAffectedPaths())), nil
}

// DeleteFailure wants a DeleteResp with n elements and among them one for path, an oper_failure with a code that suits.
func DeleteFailure(r *controller.Reply, n int, path string) error {
	result, err := deletedResult(r, n, path)
	if err != nil {
		return err
	}
	where := "deleted_obj_results for " + path
	switch status := result.GetOperStatus(); {
	case status.GetOperFailure() != nil:
		return Code(where+": err_code", status.GetOperFailure().GetErrCode(), usp.Delete)
	case status.GetOperSuccess() != nil:
		return usp.Differs(where+": oper_status", "oper_success", "oper_failure")
	}
	return usp.Differs(where+": oper_status", "neither success nor failure", "oper_failure")
}

// deletedResult wants a DeleteResp with n elements and returns the one for path.
func deletedResult(r *controller.Reply, n int, path string) (*usppb.DeleteResp_DeletedObjectResult, error) {
	if err := Type(r, usp.DeleteResp); err != nil {
		return nil, err
	}
	results := r.Body().GetResponse().GetDeleteResp().GetDeletedObjResults()
	if err := Count("DeleteResp: number of deleted_obj_results", n, len(results)); err != nil {
		return nil, err
	}
	var paths []string
	for _, result := range results {
		if result.GetRequestedPath() == path {
			return result, nil
		}
		paths = append(paths, result.GetRequestedPath())
	}
	return nil, usp.Differs("deleted_obj_results: requested_path", quoteAll(paths), "%q", path)
}

// SameSet wants the same strings, in any order.
func SameSet(where string, want, got []string) error {
	w, g := slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(got))
	if slices.Equal(w, g) {
		return nil
	}
	return usp.Differs(where, quoteAll(g), "%s", quoteAll(w))
}

// Gone wants none of the rows in a snapshot.
func (s Snapshot) Gone(rows ...string) error {
	for _, row := range s.Rows() {
		if slices.Contains(rows, row) {
			return usp.Differs("rows after the request", row+" still there", "%s gone", row)
		}
	}
	return nil
}

// Has wants every one of the rows in a snapshot.
func (s Snapshot) Has(rows ...string) error {
	have := s.Rows()
	for _, row := range rows {
		if !slices.Contains(have, row) {
			return usp.Differs("rows after the request", row+" gone", "%s still there", row)
		}
	}
	return nil
}
