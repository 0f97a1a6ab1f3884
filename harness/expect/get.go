package expect

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// OneResult wants a GetResp with one req_path_results element for path, without an error, and returns it.
func OneResult(r *controller.Reply, path string) (*usppb.GetResp_RequestedPathResult, error) {
	return ResultAmong(r, 1, path)
}

// ResultAmong is OneResult for a GetResp with n elements, in any order.
func ResultAmong(r *controller.Reply, n int, path string) (*usppb.GetResp_RequestedPathResult, error) {
	q, err := requestedResult(r, n, path)
	if err != nil {
		return nil, err
	}
	return q, NoError("req_path_results for "+path+": err_code", q.GetErrCode(), q.GetErrMsg())
}

// GetFailure wants a GetResp with n req_path_results elements and among them one for path with a code that suits.
func GetFailure(r *controller.Reply, n int, path string) error {
	q, err := requestedResult(r, n, path)
	if err != nil {
		return err
	}
	return Code("req_path_results for "+path+": err_code", q.GetErrCode(), usp.Get)
}

// requestedResult wants a GetResp with n elements and returns the one for path.
func requestedResult(r *controller.Reply, n int, path string) (*usppb.GetResp_RequestedPathResult, error) {
	if err := Type(r, usp.GetResp); err != nil {
		return nil, err
	}
	results := r.Body().GetResponse().GetGetResp().GetReqPathResults()
	if err := Count("GetResp: number of req_path_results", n, len(results)); err != nil {
		return nil, err
	}
	var paths []string
	for _, q := range results {
		if q.GetRequestedPath() == path {
			return q, nil
		}
		paths = append(paths, q.GetRequestedPath())
	}
	return nil, usp.Differs("req_path_results: requested_path", quoteAll(paths), "%q", path)
}

// OneParameter wants a result with one resolved_path_results element, which is for object and has the one parameter name, and returns its
// value.
func OneParameter(q *usppb.GetResp_RequestedPathResult, object, name string) (string, error) {
	where := "req_path_results for " + q.GetRequestedPath()
	if err := Count(where+": number of resolved_path_results", 1, len(q.GetResolvedPathResults())); err != nil {
		return "", err
	}
	r := q.GetResolvedPathResults()[0]
	if err := Equal(where+": resolved_path", object, r.GetResolvedPath()); err != nil {
		return "", err
	}
	return r.GetResultParams()[name], Keys(where+": result_params", r.GetResultParams(), AnyOf{{name}})
}

// ResolvedPaths are the objects that a result shows, each once, sorted: an object may come in several parts.
func ResolvedPaths(q *usppb.GetResp_RequestedPathResult) []string {
	var paths []string
	for _, r := range q.GetResolvedPathResults() {
		paths = append(paths, r.GetResolvedPath())
	}
	slices.Sort(paths)
	return slices.Compact(paths)
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
	return Values(Resolved(q), object, want, types)
}

// Values wants parameters of one object among those that a Get brought, with the wanted values, compared by their types.
func Values(got usp.Params, object string, want usp.Params, types Types) error {
	for _, name := range want.Names() {
		value, ok := got[object+name]
		if !ok {
			return usp.Differs("GetResp: "+object+name, "no such parameter", "%q", want[name])
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
		return usp.Differs("rows after the request", "the new row "+rows[0], "the rows that were there before")
	}
	if rows := after.New(before); len(rows) > 0 {
		return usp.Differs("rows after the request", rows[0]+" gone", "the rows that were there before")
	}
	return nil
}

// Rows are the objects that parameters belong to, in order. What is below a row belongs to the row.
func (s Snapshot) Rows() []string {
	objects := map[string]bool{}
	for path := range s {
		object, _ := usp.SplitName(path)
		objects[object] = true
	}
	return Outermost(slices.Sorted(maps.Keys(objects)))
}

// Outermost leaves out of objects, which are sorted, those that are below a row among them.
func Outermost(objects []string) []string {
	var out []string
	for _, object := range objects {
		if n := len(out); n == 0 || !isRow(out[n-1]) || !strings.HasPrefix(object, out[n-1]) {
			out = append(out, object)
		}
	}
	return out
}

// isRow reports whether an object path ends with a number.
func isRow(object string) bool {
	_, number := usp.SplitName(WithoutDot(object))
	_, err := strconv.ParseUint(number, 10, 32)
	return err == nil
}
