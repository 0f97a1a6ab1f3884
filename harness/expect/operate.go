package expect

import (
	"slices"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// OneOperation wants an OperateResp with one operation_results element for the command, which may go by other names too.
func OneOperation(r *controller.Reply, command string, names ...string) (*usppb.OperateResp_OperationResult, error) {
	if err := Type(r, usp.OperateResp); err != nil {
		return nil, err
	}
	results := r.Body().GetResponse().GetOperateResp().GetOperationResults()
	if err := Count("OperateResp: number of operation_results", 1, len(results)); err != nil {
		return nil, err
	}
	executed := results[0].GetExecutedCommand()
	if slices.Contains(names, executed) {
		return results[0], nil
	}
	return results[0], Equal("operation_results[0].executed_command", command, executed)
}

// CommandFailure wants the result of a command that failed with a code.
func CommandFailure(result *usppb.OperateResp_OperationResult, code usp.ErrCode) error {
	if result.GetCmdFailure() == nil || usp.ErrCode(result.GetCmdFailure().GetErrCode()) != code {
		return usp.Differs("operation_results[0]", outcome(result), "cmd_failure %s", code)
	}
	return nil
}

// OutputArgs wants the result of a synchronous command: req_output_args, which must be there even when it is empty (R-ENC.3).
func OutputArgs(result *usppb.OperateResp_OperationResult) error {
	if _, ok := result.GetOperationResp().(*usppb.OperateResp_OperationResult_ReqOutputArgs); ok {
		return nil
	}
	return usp.Differs("operation_results[0]", outcome(result), "req_output_args")
}

// RequestPath wants the result of an asynchronous command: the path of a row of Device.LocalAgent.Request., with or without final dot.
func RequestPath(result *usppb.OperateResp_OperationResult) error {
	member, ok := result.GetOperationResp().(*usppb.OperateResp_OperationResult_ReqObjPath)
	if !ok {
		return usp.Differs("operation_results[0]", outcome(result), "req_obj_path")
	}
	const table = "Device.LocalAgent.Request."
	path, err := usp.ParsePath(WithoutDot(member.ReqObjPath) + ".")
	if err != nil || path.Kind != usp.InstancePath || !path.ByNumber() || path.Parent().String() != table {
		return usp.Differs("operation_results[0].req_obj_path", quote(member.ReqObjPath), "a row of %s by number", table)
	}
	return nil
}

// outcome names the member of operation_resp that is set.
func outcome(result *usppb.OperateResp_OperationResult) string {
	switch r := result.GetOperationResp().(type) {
	case *usppb.OperateResp_OperationResult_ReqObjPath:
		return "req_obj_path " + quote(r.ReqObjPath)
	case *usppb.OperateResp_OperationResult_ReqOutputArgs:
		return "req_output_args"
	case *usppb.OperateResp_OperationResult_CmdFailure:
		return "cmd_failure " + told(r.CmdFailure)
	}
	return "no member of operation_resp"
}
