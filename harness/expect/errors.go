package expect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
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
		return usp.Differs("Error: number of param_errs", fmt.Sprintf("%d: %s", len(errs), quoteAll(paths)), "1")
	}
	if err := accepts(errs[0].GetParamPath()); err != nil {
		return err
	}
	return Code("param_errs[0].err_code", errs[0].GetErrCode(), usp.MsgTypeOf(r.Request))
}

// Denied wants an Error that reports a missing permission (7006), as its own code or as that of a parameter.
func Denied(r *controller.Reply) error {
	if err := Type(r, usp.Error); err != nil {
		return err
	}
	e := r.Body().GetError()
	got := []string{usp.ErrCode(e.GetErrCode()).String()}
	for _, p := range e.GetParamErrs() {
		got = append(got, fmt.Sprintf("%s for %s", usp.ErrCode(p.GetErrCode()), quote(p.GetParamPath())))
	}
	isDenial := func(p *usppb.Error_ParamError) bool { return usp.ErrCode(p.GetErrCode()) == usp.CodePermissionDenied }
	if usp.ErrCode(e.GetErrCode()) == usp.CodePermissionDenied || slices.ContainsFunc(e.GetParamErrs(), isDenial) {
		return nil
	}
	const most = 4
	return usp.Differs("Error: err_code", strings.Join(got[:min(most, len(got))], "; "), "%s", usp.CodePermissionDenied)
}
