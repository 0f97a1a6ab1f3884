package expect

import (
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/usp"
)

// OneInstances wants a GetInstancesResp with one req_path_results element for path, without an error and without an instance that comes
// twice, and returns its instances.
func OneInstances(r *controller.Reply, path string) ([]string, error) {
	if err := Type(r, usp.GetInstancesResp); err != nil {
		return nil, err
	}
	results := r.Body().GetResponse().GetGetInstancesResp().GetReqPathResults()
	if err := Count("GetInstancesResp: number of req_path_results", 1, len(results)); err != nil {
		return nil, err
	}
	if err := Equal("req_path_results[0].requested_path", path, results[0].GetRequestedPath()); err != nil {
		return nil, err
	}
	if err := NoError("req_path_results[0].err_code", results[0].GetErrCode(), results[0].GetErrMsg()); err != nil {
		return nil, err
	}
	var rows []string
	seen := map[string]bool{}
	for _, i := range results[0].GetCurrInsts() {
		row := i.GetInstantiatedObjPath()
		if seen[row] {
			return nil, usp.Differs("curr_insts: instantiated_obj_path", quote(row)+" twice", "every instance once")
		}
		seen[row] = true
		rows = append(rows, row)
	}
	return rows, nil
}
