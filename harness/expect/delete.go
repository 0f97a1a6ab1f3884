package expect

import (
	"fmt"
	"slices"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/usp"
)

// Deleted wants a DeleteResp with one deleted_obj_results element for path, a success, and returns what it says it deleted, sorted.
func Deleted(r *controller.Reply, path string) ([]string, error) {
	if err := Type(r, usp.DeleteResp); err != nil {
		return nil, err
	}
	results := r.Body().GetResponse().GetDeleteResp().GetDeletedObjResults()
	if err := Count("DeleteResp: number of deleted_obj_results", 1, len(results)); err != nil {
		return nil, err
	}
	if err := Equal("deleted_obj_results[0].requested_path", path, results[0].GetRequestedPath()); err != nil {
		return nil, err
	}
	if f := results[0].GetOperStatus().GetOperFailure(); f != nil {
		return nil, mismatch("deleted_obj_results[0].oper_status",
			fmt.Sprintf("oper_failure %s: %s", usp.ErrCode(f.GetErrCode()), quote(f.GetErrMsg())), "oper_success")
	}
	ok := results[0].GetOperStatus().GetOperSuccess()
	if ok == nil {
		return nil, mismatch("deleted_obj_results[0].oper_status", "neither success nor failure", "oper_success")
	}
	for _, e := range ok.GetUnaffectedPathErrs() {
		return nil, mismatch("oper_success.unaffected_path_errs", fmt.Sprintf("%s %s", quote(e.GetUnaffectedPath()), usp.ErrCode(e.GetErrCode())), "none")
	}
	return slices.Sorted(slices.Values(ok.GetAffectedPaths())), nil
}

// SameSet wants the same strings, in any order.
func SameSet(where string, want, got []string) error {
	w, g := slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(got))
	if slices.Equal(w, g) {
		return nil
	}
	return mismatch(where, quoteAll(g), "%s", quoteAll(w))
}

// Gone wants none of the rows in a snapshot.
func (s Snapshot) Gone(rows ...string) error {
	for _, row := range s.Rows() {
		if slices.Contains(rows, row) {
			return mismatch("rows after the request", row+" still there", "%s gone", row)
		}
	}
	return nil
}

// Has wants every one of the rows in a snapshot.
func (s Snapshot) Has(rows ...string) error {
	have := s.Rows()
	for _, row := range rows {
		if !slices.Contains(have, row) {
			return mismatch("rows after the request", row+" gone", "%s still there", row)
		}
	}
	return nil
}
