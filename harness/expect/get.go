package expect

import (
	"maps"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// OneResult wants a GetResp with one req_path_results element for path, without an error, and returns it.
func OneResult(r *controller.Reply, path string) (*usppb.GetResp_RequestedPathResult, error) {
	if err := Type(r, usp.GetResp); err != nil {
		return nil, err
	}
	results := r.Body().GetResponse().GetGetResp().GetReqPathResults()
	if err := Count("GetResp: number of req_path_results", 1, len(results)); err != nil {
		return nil, err
	}
	q := results[0]
	if err := Equal("req_path_results[0].requested_path", path, q.GetRequestedPath()); err != nil {
		return q, err
	}
	return q, NoError("req_path_results[0].err_code", q.GetErrCode(), q.GetErrMsg())
}

// Resolved collects the parameters of one result by full path.
func Resolved(q *usppb.GetResp_RequestedPathResult) usp.Params {
	values := usp.Params{}
	for _, r := range q.GetResolvedPathResults() {
		for name, value := range r.GetResultParams() {
			values[r.GetResolvedPath()+name] = value
		}
	}
	return values
}

// Types gives the type of parameters by name, for those that are not strings.
type Types map[string]usp.ValueType

// Params wants a GetResp for object, whose parameters have the wanted values, compared by their types.
func Params(r *controller.Reply, object string, want usp.Params, types Types) error {
	q, err := OneResult(r, object)
	if err != nil {
		return err
	}
	got := Resolved(q)
	for _, name := range want.Names() {
		value, ok := got[object+name]
		if !ok {
			return mismatch("GetResp: "+object+name, "no such parameter", "%q", want[name])
		}
		t, typed := types[name]
		if !typed {
			t = usp.TypeString
		}
		if err := Value(object+name, t, want[name], value); err != nil {
			return err
		}
	}
	return nil
}

// Snapshot is the state of a table: the parameters of all its rows by full path.
type Snapshot usp.Params

// New are the rows that after has and before had not.
func (before Snapshot) New(after Snapshot) []string {
	was := before.Rows()
	return slices.DeleteFunc(after.Rows(), func(row string) bool { return slices.Contains(was, row) })
}

// Unchanged wants the same rows as before; one that appeared or vanished is named. Values that differ do not count.
func (before Snapshot) Unchanged(after Snapshot) error {
	if rows := before.New(after); len(rows) > 0 {
		return mismatch("rows after the request", "the new row "+rows[0], "the rows that were there before")
	}
	if rows := after.New(before); len(rows) > 0 {
		return mismatch("rows after the request", rows[0]+" gone", "the rows that were there before")
	}
	return nil
}

// Rows are the objects that parameters belong to, in order.
func (s Snapshot) Rows() []string {
	rows := map[string]bool{}
	for path := range s {
		rows[path[:strings.LastIndexByte(path, '.')+1]] = true
	}
	return slices.Sorted(maps.Keys(rows))
}
