package expect

import (
	"fmt"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/usp"
)

// ErrorCode wants an Error whose err_code TR-369 allows for the request.
func ErrorCode(r *controller.Reply) error {
	if err := Type(r, usp.Error); err != nil {
		return err
	}
	return Code("Error.err_code", r.Body().GetError().GetErrCode(), usp.MsgTypeOf(r.Request))
}

// OneParamError wants an Error with a lawful code and one param_errs element, whose param_path the check accepts and whose code is
// lawful too.
func OneParamError(r *controller.Reply, accepts func(path string) error) error {
	if err := ErrorCode(r); err != nil {
		return err
	}
	errs := r.Body().GetError().GetParamErrs()
	if len(errs) != 1 {
		var paths []string
		for _, e := range errs {
			paths = append(paths, e.GetParamPath())
		}
		return mismatch("Error: number of param_errs", fmt.Sprintf("%d: %s", len(errs), quoteAll(paths)), "1")
	}
	if err := accepts(errs[0].GetParamPath()); err != nil {
		return err
	}
	return Code("param_errs[0].err_code", errs[0].GetErrCode(), usp.MsgTypeOf(r.Request))
}
