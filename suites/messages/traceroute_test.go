package messages

import (
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

func TestATraceWithoutProbesHasFailedWhenItSaysSo(t *testing.T) {
	ended := func(status string) *usppb.Notify_OperationComplete {
		return &usppb.Notify_OperationComplete{OperationResp: &usppb.Notify_OperationComplete_ReqOutputArgs{
			ReqOutputArgs: &usppb.Notify_OperationComplete_OutputArgs{OutputArgs: map[string]string{"Status": status}}}}
	}
	failed := &usppb.Notify_OperationComplete{OperationResp: &usppb.Notify_OperationComplete_CmdFailure{
		CmdFailure: &usppb.Notify_OperationComplete_CommandFailure{ErrCode: uint32(usp.CodeCommandFailure), ErrMsg: "no route"}}}
	for name, test := range map[string]struct {
		done *usppb.Notify_OperationComplete
		want string // in the finding; "" for none
	}{
		"complete":      {ended("Complete"), ""},
		"without end":   {ended("Error_MaxHopCountExceeded"), ""},
		"says nothing":  {ended(""), ""},
		"an error":      {ended("Error_Internal"), `the end "Error_Internal"`},
		"not resolved":  {ended("Error_CannotResolveHostName"), "Error_CannotResolveHostName"},
		"a cmd_failure": {failed, "no route"},
	} {
		t.Run(name, func(t *testing.T) {
			err := failure(test.done, "192.0.2.1")
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}
