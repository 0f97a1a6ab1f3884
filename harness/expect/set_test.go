package expect

import (
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
	"google.golang.org/protobuf/encoding/prototext"
)

// setReply is the reply to a Set, its body in the text format of protobuf.
func setReply(t *testing.T, body string) *controller.Reply {
	t.Helper()
	return replyTo(t, usp.NewSet("1", false), body)
}

// replyTo is the reply to a request, its body in the text format of protobuf.
func replyTo(t *testing.T, request *usppb.Msg, body string) *controller.Reply {
	t.Helper()
	msg := &usppb.Msg{Header: &usppb.Header{MsgId: "1"}, Body: &usppb.Body{}}
	if err := prototext.Unmarshal([]byte(body), msg.Body); err != nil {
		t.Fatal(err)
	}
	msg.Header.MsgType = usp.MsgTypeOf(msg)
	return &controller.Reply{Request: request, Message: &controller.Message{Msg: msg}}
}

// wantError wants an error that holds a text, or none when the text is empty.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("got %v, want %q", err, want)
	}
}

func TestPartlyUpdated(t *testing.T) {
	for name, test := range map[string]struct{ status, want string }{
		"as it should be": {`oper_success {updated_inst_results {affected_path: "D.1." updated_params {key: "A" value: "1"}
			param_errs {param: "B" err_code: 7010}}}`, ""},
		"old value": {`oper_success {updated_inst_results {affected_path: "D.1." updated_params {key: "A" value: "0"}
			param_errs {param: "B" err_code: 7010}}}`, `updated_params: A: want "1", got "0"`},
		"failure":      {`oper_failure {err_code: 7021}`, "want oper_success"},
		"other row":    {`oper_success {updated_inst_results {affected_path: "D.2."}}`, `want "D.1."`},
		"both updated": {`oper_success {updated_inst_results {affected_path: "D.1." updated_params {key: "A"} updated_params {key: "B"}}}`, "want A, got A, B"},
		"no error":     {`oper_success {updated_inst_results {affected_path: "D.1." updated_params {key: "A" value: "1"}}}`, "number of param_errs: want 1, got 0"},
		"other error": {`oper_success {updated_inst_results {affected_path: "D.1." updated_params {key: "A" value: "true"} param_errs {param: "C" err_code: 7010}}}`,
			`param_errs[0].param: want "B", got "C"`},
		"code": {`oper_success {updated_inst_results {affected_path: "D.1." updated_params {key: "A" value: "true"} param_errs {param: "B" err_code: 7104}}}`, "7104"},
	} {
		t.Run(name, func(t *testing.T) {
			r := setReply(t, `response {set_resp {updated_obj_results {requested_path: "D.1." oper_status {`+test.status+`}}}}`)
			object, err := UpdatedObject(r, "D.1.", 1)
			if err != nil {
				t.Fatal(err)
			}
			wantError(t, PartlyUpdated(object, "D.1.", "A", "1", "B", false), test.want)
		})
	}
}

func TestUpdated(t *testing.T) {
	const first, second = `updated_inst_results {affected_path: "D.1." updated_params {key: "A" value: "1"}}`,
		`updated_inst_results {affected_path: "D.2." updated_params {key: "A" value: "true"}}`
	for name, test := range map[string]struct{ status, want string }{
		"as it should be":   {`oper_success {` + second + first + `}`, ""},
		"failure":           {`oper_failure {err_code: 7021}`, "want oper_success"},
		"row missing":       {`oper_success {` + first + `}`, `affected_path: want "D.1.", "D.2.", got "D.1."`},
		"row twice":         {`oper_success {` + first + second + second + `}`, "affected_path"},
		"old value":         {`oper_success {` + first + `updated_inst_results {affected_path: "D.2." updated_params {key: "A" value: "0"}}}`, `updated_params: A: want "1", got "0"`},
		"another parameter": {`oper_success {` + first + `updated_inst_results {affected_path: "D.2." updated_params {key: "B" value: "1"}}}`, "want A, got B"},
	} {
		t.Run(name, func(t *testing.T) {
			r := setReply(t, `response {set_resp {updated_obj_results {requested_path: "D.*." oper_status {`+test.status+`}}}}`)
			object, err := UpdatedObject(r, "D.*.", 1)
			if err != nil {
				t.Fatal(err)
			}
			wantError(t, Updated(object, []string{"D.1.", "D.2."}, "A", "1"), test.want)
		})
	}
}

func TestWildcardFailure(t *testing.T) {
	for name, test := range map[string]struct{ status, want string }{
		"as it should be": {`oper_failure {err_code: 7021 updated_inst_failures {affected_path: "D.2." param_errs {param: "A" err_code: 7012}}}`, ""},
		"success":         {`oper_success {}`, "want oper_failure"},
		"code":            {`oper_failure {err_code: 7104}`, "7104"},
		"no row":          {`oper_failure {err_code: 7021}`, "want at least 1, got 0"},
		"other row":       {`oper_failure {err_code: 7021 updated_inst_failures {affected_path: "D.3."}}`, `got "D.3."`},
		"no parameter":    {`oper_failure {err_code: 7021 updated_inst_failures {affected_path: "D.1."}}`, "number of param_errs: want 1, got 0"},
	} {
		t.Run(name, func(t *testing.T) {
			r := setReply(t, `response {set_resp {updated_obj_results {requested_path: "D.*." oper_status {`+test.status+`}}}}`)
			wantError(t, WildcardFailure(r, "D.*.", "A", []string{"D.1.", "D.2."}), test.want)
		})
	}
}

func TestWildcardError(t *testing.T) {
	for name, test := range map[string]struct{ body, want string }{
		"as it should be": {`error {err_code: 7021 param_errs {param_path: "D.2.A" err_code: 7012}}`, ""},
		"response":        {`response {set_resp {}}`, "want Error"},
		"code":            {`error {err_code: 7104}`, "7104"},
		"nothing named":   {`error {err_code: 7021}`, "want at least 1, got 0"},
		"search path":     {`error {err_code: 7021 param_errs {param_path: "D.*.A" err_code: 7012}}`, `got "D.*.A"`},
		"inner code":      {`error {err_code: 7021 param_errs {param_path: "D.1.A" err_code: 7104}}`, "7104"},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, WildcardError(setReply(t, test.body), "A", []string{"D.1.", "D.2."}), test.want)
		})
	}
}
