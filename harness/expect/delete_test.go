package expect

import (
	"testing"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

type (
	deletedObject  = usppb.DeleteResp_DeletedObjectResult
	deletedStatus  = usppb.DeleteResp_DeletedObjectResult_OperationStatus
	deletedSuccess = usppb.DeleteResp_DeletedObjectResult_OperationStatus_OperationSuccess
	deletedFailure = usppb.DeleteResp_DeletedObjectResult_OperationStatus_OperationFailure
)

func deleted(path string, affected ...string) *deletedObject {
	return &deletedObject{RequestedPath: path, OperStatus: &deletedStatus{
		OperStatus: &usppb.DeleteResp_DeletedObjectResult_OperationStatus_OperSuccess{OperSuccess: &deletedSuccess{AffectedPaths: affected}}}}
}

func notDeleted(path string, code usp.ErrCode) *deletedObject {
	return &deletedObject{RequestedPath: path, OperStatus: &deletedStatus{
		OperStatus: &usppb.DeleteResp_DeletedObjectResult_OperationStatus_OperFailure{OperFailure: &deletedFailure{ErrCode: uint32(code)}}}}
}

func TestDeleted(t *testing.T) {
	const first, second = "Device.A.1.", "Device.B."
	for name, test := range map[string]struct {
		results         []*deletedObject
		success, failed string // the errors for first and second
	}{
		"both":          {[]*deletedObject{notDeleted(second, usp.CodeInvalidPath), deleted(first, first)}, "", ""},
		"one is lost":   {[]*deletedObject{deleted(first, first)}, "want 2, got 1", "want 2, got 1"},
		"exchanged":     {[]*deletedObject{notDeleted(first, usp.CodeInvalidPath), deleted(second)}, "want oper_success, got oper_failure", "want oper_failure, got oper_success"},
		"other paths":   {[]*deletedObject{deleted(second), deleted(second)}, `requested_path: want "Device.A.1."`, "want oper_failure"},
		"no status":     {[]*deletedObject{{RequestedPath: first}, {RequestedPath: second}}, "neither success nor failure", "neither success nor failure"},
		"code of a Set": {[]*deletedObject{deleted(first, first), notDeleted(second, usp.CodeRequiredParameterFailed)}, "", "err_code"},
	} {
		t.Run(name, func(t *testing.T) {
			reply := &controller.Reply{Request: usp.NewDelete("1", true), Message: &controller.Message{
				Msg: usp.NewMsg("1", &usppb.DeleteResp{DeletedObjResults: test.results}),
			}}
			affected, err := DeletedAmong(reply, 2, first)
			wantError(t, err, test.success)
			if err == nil && (len(affected) != 1 || affected[0] != first) {
				t.Errorf("affected_paths are %v", affected)
			}
			wantError(t, DeleteFailure(reply, 2, second), test.failed)
		})
	}
}
