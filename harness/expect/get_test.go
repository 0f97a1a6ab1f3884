package expect

import (
	"testing"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

func getResp(results ...*usppb.GetResp_RequestedPathResult) *controller.Reply {
	return &controller.Reply{Request: usp.NewGet("1"), Message: &controller.Message{
		Msg: usp.NewMsg("1", &usppb.GetResp{ReqPathResults: results}),
	}}
}

func shown(path, object string, params usp.Params) *usppb.GetResp_RequestedPathResult {
	return &usppb.GetResp_RequestedPathResult{RequestedPath: path,
		ResolvedPathResults: []*usppb.GetResp_ResolvedPathResult{{ResolvedPath: object, ResultParams: params}}}
}

func TestResults(t *testing.T) {
	ok := shown("Device.A.X", "Device.A.", usp.Params{"X": "1"})
	unknown := &usppb.GetResp_RequestedPathResult{RequestedPath: "Device.A.Y", ErrCode: uint32(usp.CodeInvalidPath)}
	foreign := &usppb.GetResp_RequestedPathResult{RequestedPath: "Device.A.Y", ErrCode: uint32(usp.CodeRequiredParameterFailed)}
	for name, test := range map[string]struct {
		reply           *controller.Reply
		success, failed string // the errors for Device.A.X and Device.A.Y
	}{
		"both":          {getResp(unknown, ok), "", ""},
		"one is lost":   {getResp(ok), "number of req_path_results: want 2, got 1", "number of req_path_results: want 2, got 1"},
		"other paths":   {getResp(unknown, unknown), `requested_path: want "Device.A.X"`, ""},
		"no code":       {getResp(ok, shown("Device.A.Y", "Device.A.", nil)), "", "err_code"},
		"code of a Set": {getResp(ok, foreign), "", "err_code"},
		"all failed":    {getResp(&usppb.GetResp_RequestedPathResult{RequestedPath: "Device.A.X", ErrCode: 7026}, unknown), "err_code: want no error", ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ResultAmong(test.reply, 2, "Device.A.X")
			wantError(t, err, test.success)
			wantError(t, GetFailure(test.reply, 2, "Device.A.Y"), test.failed)
		})
	}
}

func TestOneParameter(t *testing.T) {
	two := shown("Device.A.X", "Device.A.", usp.Params{"X": "1"})
	two.ResolvedPathResults = append(two.ResolvedPathResults, two.ResolvedPathResults...)
	if paths := ResolvedPaths(two); len(paths) != 1 {
		t.Errorf("an object in two parts is %v", paths)
	}
	for name, test := range map[string]struct {
		result *usppb.GetResp_RequestedPathResult
		want   string
	}{
		"as asked":    {shown("Device.A.X", "Device.A.", usp.Params{"X": "1"}), ""},
		"two objects": {two, "number of resolved_path_results: want 1, got 2"},
		"itself":      {shown("Device.A.X", "Device.A.X", usp.Params{"X": "1"}), `resolved_path: want "Device.A."`},
		"neighbour":   {shown("Device.A.X", "Device.A.", usp.Params{"X": "1", "Y": "2"}), "result_params: want X, got X, Y"},
		"no value":    {shown("Device.A.X", "Device.A.", nil), "result_params: want X, got none"},
	} {
		t.Run(name, func(t *testing.T) {
			value, err := OneParameter(test.result, "Device.A.", "X")
			wantError(t, err, test.want)
			if err == nil && value != "1" {
				t.Errorf("got the value %q", value)
			}
		})
	}
}
