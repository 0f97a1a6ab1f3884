package expect

import (
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

func TestDenied(t *testing.T) {
	refused := func(outer, inner usp.ErrCode) *usppb.Msg {
		return usp.NewError("1", outer, "", &usppb.Error_ParamError{ParamPath: "Device.X", ErrCode: uint32(inner)})
	}
	for name, test := range map[string]struct {
		reply *usppb.Msg
		want  string // in the error; empty for none
	}{
		"outer":   {refused(usp.CodePermissionDenied, usp.CodeInvalidValue), ""},
		"inner":   {refused(usp.CodeObjectNotUpdated, usp.CodePermissionDenied), ""},
		"neither": {refused(usp.CodeObjectNotUpdated, usp.CodeInvalidValue), `want 7006 Permission denied, got 7020 Object could not be updated; 7012 Invalid value for "Device.X"`},
		"success": {usp.NewMsg("1", &usppb.SetResp{}), "want Error, got SetResp"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Denied(&controller.Reply{Request: usp.NewSet("1", false), Message: &controller.Message{Msg: test.reply}})
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
