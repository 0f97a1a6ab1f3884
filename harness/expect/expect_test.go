package expect

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/usp"
)

// finds compares a comparison's error, all of it, with where, want and got; an empty where wants no error.
func finds(t *testing.T, err error, where, want, got string) {
	t.Helper()
	if where == "" {
		if err != nil {
			t.Errorf("want no error, got %v", err)
		}
		return
	}
	var m *usp.Mismatch
	if !errors.As(err, &m) {
		t.Errorf("want a comparison, got %v", err)
		return
	}
	if (*m != usp.Mismatch{Where: where, Want: want, Got: got}) {
		t.Errorf("\n got %s | %s | %s\nwant %s | %s | %s", m.Where, m.Want, m.Got, where, want, got)
	}
}

func TestComparisons(t *testing.T) {
	long := strings.Repeat("x", 300)
	for name, test := range map[string]struct {
		err       error
		want, got string // of the finding at "w"; both empty for none
	}{
		"equal":               {Equal("w", "a", "a"), "", ""},
		"not equal":           {Equal("w", "a", "A\n"), `"a"`, `"A\n"`},
		"long":                {Equal("w", "a", long), `"a"`, fmt.Sprintf("%q… (300 bytes)", long[:200])},
		"count":               {Count("w", 2, 2), "", ""},
		"other count":         {Count("w", 2, 3), "2", "3"},
		"enough":              {AtLeast("w", 2, 2), "", ""},
		"too few":             {AtLeast("w", 2, 1), "at least 2", "1"},
		"one of":              {OneOf("w", []string{"a", "b"}, "b"), "", ""},
		"none of":             {OneOf("w", []string{"a", "b"}, "c"), `one of "a", "b"`, `"c"`},
		"of nothing":          {OneOf("w", nil, ""), "one of none", `""`},
		"another":             {NotEqual("w", "a", "b"), "", ""},
		"the same":            {NotEqual("w", "a", "a"), `anything but "a"`, `"a"`},
		"no error":            {NoError("w", 0, "ignored"), "", ""},
		"an error":            {NoError("w", 7016, "gone"), "no error", `7016 Object does not exist: "gone"`},
		"something":           {Nothing("w", "a Notify"), "none", "a Notify"},
		"same boolean":        {Value("w", usp.TypeBoolean, "true", "1"), "", ""},
		"other boolean":       {Value("w", usp.TypeBoolean, "true", "0"), `"true"`, `"0"`},
		"no boolean":          {Value("w", usp.TypeBoolean, "true", "yes"), `"true"`, `"yes"`},
		"strings as they are": {Value("w", usp.TypeString, "true", "1"), `"true"`, `"1"`},
		"same path":           {SamePath("w", "Device.A.", "Device.A"), "", ""},
		"other path":          {SamePath("w", "Device.A.", "Device.B."), `"Device.A."`, `"Device.B."`},
		"code of the request": {Code("w", 7012, usp.Set), "", ""},
		"code of another":     {Code("w", 7012, usp.Get), "a code that TR-369 allows for Get, one of 7000-7008, 7010, 7016, 7026 or 7800-7999", "7012 Invalid value"},
		"no code":             {Code("w", 0, usp.Get), "a code that TR-369 allows for Get, one of 7000-7008, 7010, 7016, 7026 or 7800-7999", "0 no error"},
		"keys":                {Keys("w", usp.Params{"B": "", "A": ""}, AnyOf{{"C"}, {"A", "B"}}), "", ""},
		"other keys":          {Keys("w", usp.Params{"B": "", "A": ""}, AnyOf{{"C", "B"}, {"A"}}), "B, C; or A", "A, B"},
		"no keys":             {Keys("w", nil, AnyOf{{"A"}}), "A", "none"},
		"no keys are lawful":  {Keys("w", nil, AnyOf{nil}), "", ""},
		"same set":            {SameSet("w", []string{"a", "b"}, []string{"b", "a"}), "", ""},
		"smaller set":         {SameSet("w", []string{"b", "a"}, []string{"b"}), `"a", "b"`, `"b"`},
		"one twice":           {SameSet("w", []string{"a"}, []string{"a", "a"}), `"a"`, `"a", "a"`},
		"empty set":           {SameSet("w", []string{"a"}, nil), `"a"`, "none"},
		"among them":          {Contains("w", []string{"a"}, []string{"b", "a"}), "", ""},
		"not among them":      {Contains("w", []string{"b", "c"}, []string{"b", "a"}), `"c" among them`, `"b", "a"`},
		"many":                {SameSet("w", nil, strings.Split("abcdefghij", "")), "none", `"a", "b", "c", "d", "e", "f", "g", "h", and 2 more`},
	} {
		t.Run(name, func(t *testing.T) {
			where := "w"
			if test.want == "" && test.got == "" {
				where = ""
			}
			finds(t, test.err, where, test.want, test.got)
		})
	}
}

func TestTypeOfAReply(t *testing.T) {
	missing := errors.New("nothing came")
	get := usp.NewGet("1", "Device.")
	finds(t, Type(replyTo(t, get, `response {get_resp {}}`), usp.GetResp), "", "", "")
	finds(t, Type(replyTo(t, get, `response {set_resp {}}`), usp.GetResp), "reply to Get", "GetResp", "SetResp")
	finds(t, Type(replyTo(t, get, `error {err_code: 7003 err_msg: "oh"}`), usp.GetResp), "reply to Get", "GetResp", `Error 7003 Internal error: "oh"`)
	finds(t, Type(replyTo(t, get, `error {}`), usp.Error), "", "", "")
	if err := Type(&controller.Reply{Request: get, Err: missing}, usp.GetResp); err != missing {
		t.Errorf("want what was seen instead, got %v", err)
	}
	if err := Type(&controller.Reply{Request: get}, usp.GetResp); err == nil {
		t.Error("no reply and no error: want an error")
	}
}

// A reply that did not come fails every check with what was seen instead.
func TestAMissingReplyFailsEveryCheck(t *testing.T) {
	missing := errors.New("nothing came")
	r := &controller.Reply{Request: usp.NewGet("1"), Err: missing}
	for name, check := range map[string]func() error{
		"OneCreated":      func() error { _, err := OneCreated(r); return err },
		"Deleted":         func() error { _, err := Deleted(r, "Device."); return err },
		"DeleteFailure":   func() error { return DeleteFailure(r, 1, "Device.") },
		"OneResult":       func() error { _, err := OneResult(r, "Device."); return err },
		"GetFailure":      func() error { return GetFailure(r, 1, "Device.") },
		"Params":          func() error { return Params(r, "Device.", nil, nil) },
		"OneInstances":    func() error { _, err := OneInstances(r, "Device."); return err },
		"OneOperation":    func() error { _, err := OneOperation(r, "Device.Reboot()"); return err },
		"UpdatedObject":   func() error { _, err := UpdatedObject(r, "Device.", 1); return err },
		"WildcardFailure": func() error { return WildcardFailure(r, "Device.", "A", nil) },
		"WildcardError":   func() error { return WildcardError(r, "A", nil) },
		"ErrorCode":       func() error { return ErrorCode(r) },
		"OneParamError":   func() error { return OneParamError(r, func(string) error { return nil }) },
		"Denied":          func() error { return Denied(r) },
	} {
		if err := check(); err != missing {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestOneCreated(t *testing.T) {
	const good = `oper_success {instantiated_path: "Device.T.3." unique_keys {key: "ID" value: "a"}}`
	for name, test := range map[string]struct{ status, where, want, got string }{
		"as it should be": {good, "", "", ""},
		"refused": {`oper_failure {err_code: 7017 err_msg: "full"}`, "AddResp: created_obj_results", "1 oper_success, 0 oper_failure",
			`0 oper_success, 1 oper_failure; created_obj_results[0].oper_status: oper_failure 7017 Object could not be created: "full"`},
		"no status": {"", "created_obj_results[0].oper_status", "oper_success or oper_failure", "neither success nor failure"},
		"parameter error": {`oper_success {instantiated_path: "Device.T.3." param_errs {param: "A" err_code: 7012 err_msg: "no"}}`,
			"created_obj_results[0].oper_success.param_errs", "no parameter errors", `"A" 7012 Invalid value: "no"`},
		"row of another table": {`oper_success {instantiated_path: "Device.U.3."}`,
			"created_obj_results[0].oper_success.instantiated_path", "an instance of Device.T. by number", `"Device.U.3."`},
		"row by alias": {`oper_success {instantiated_path: "Device.T.[ID==\"a\"]."}`,
			"created_obj_results[0].oper_success.instantiated_path", "an instance of Device.T. by number", `"Device.T.[ID==\"a\"]."`},
	} {
		t.Run(name, func(t *testing.T) {
			r := replyTo(t, usp.NewAdd("1", false, usp.Create("Device.T.", nil, nil)), `response {add_resp {created_obj_results {requested_path: "Device.T." oper_status {`+test.status+`}}}}`)
			created, err := OneCreated(r)
			finds(t, err, test.where, test.want, test.got)
			if strings.HasPrefix(test.status, "oper_success") != (created.Path != "") { // also beside an error: it is there, and somebody has to delete it
				t.Errorf("got %+v", created)
			}
			if test.where == "" && (created.Table != "Device.T." || created.Path != "Device.T.3." || created.UniqueKeys["ID"] != "a") {
				t.Errorf("got %+v", created)
			}
		})
	}
	for _, n := range []int{0, 2} {
		body := strings.Repeat(`created_obj_results {requested_path: "Device.T." oper_status {`+good+`}}`, n)
		_, err := OneCreated(replyTo(t, usp.NewAdd("1", false), `response {add_resp {`+body+`}}`))
		finds(t, err, "AddResp: number of created_obj_results", "1", fmt.Sprint(n))
	}
}

func TestErrors(t *testing.T) {
	isX := func(path string) error { return Equal("param_path", "Device.X", path) }
	for name, test := range map[string]struct{ body, where, want, got string }{
		"as it should be": {`error {err_code: 7004 param_errs {param_path: "Device.X" err_code: 7012}}`, "", "", ""},
		"a response":      {`response {set_resp {}}`, "reply to Set", "Error", "SetResp"},
		"code":            {`error {err_code: 7023}`, "Error.err_code", "a code that TR-369 allows for Set, one of 7000-7016, 7020-7021, 7025-7026 or 7800-7999", "7023 Command canceled"},
		"nothing named":   {`error {err_code: 7004}`, "Error: number of param_errs", "1", "0: none"},
		"two named": {`error {err_code: 7004 param_errs {param_path: "Device.X"} param_errs {param_path: "Device.Y"}}`,
			"Error: number of param_errs", "1", `2: "Device.X", "Device.Y"`},
		"another named": {`error {err_code: 7004 param_errs {param_path: "Device.Y" err_code: 7012}}`, "param_path", `"Device.X"`, `"Device.Y"`},
		"inner code": {`error {err_code: 7004 param_errs {param_path: "Device.X" err_code: 7023}}`,
			"param_errs[0].err_code", "a code that TR-369 allows for Set, one of 7000-7016, 7020-7021, 7025-7026 or 7800-7999", "7023 Command canceled"},
	} {
		t.Run(name, func(t *testing.T) {
			finds(t, OneParamError(setReply(t, test.body), isX), test.where, test.want, test.got)
		})
	}
}

func TestUpdates(t *testing.T) {
	row := func(path, rest string) string {
		return `updated_inst_results {affected_path: "` + path + `" ` + rest + `}`
	}
	const updated = `updated_params {key: "A" value: "1"} updated_params {key: "B" value: "2"}`
	for name, test := range map[string]struct{ status, where, want, got string }{
		"as it should be": {`oper_success {` + row("D.1.", updated) + row("D.2.", updated) + `}`, "", "", ""},
		"no row":          {`oper_success {}`, "", "", ""}, // AffectedPaths tells
		"refused": {`oper_failure {err_code: 7020 err_msg: "no"}`,
			`updated_obj_results for "D.*.": oper_status`, "oper_success", `oper_failure 7020 Object could not be updated: "no"`},
		"no status": {"", `updated_obj_results for "D.*.": oper_status`, "oper_success", "neither success nor failure"},
		"parameter error": {`oper_success {` + row("D.1.", updated) + row("D.2.", updated+`param_errs {param: "C" err_code: 7012 err_msg: "no"}`) + `}`,
			"updated_inst_results for D.2.: param_errs", "none", `"C" 7012 Invalid value: "no"`},
		"one is missing": {`oper_success {` + row("D.1.", updated) + row("D.2.", `updated_params {key: "A"}`) + `}`,
			"updated_inst_results for D.2.: updated_params", "A, B", "A"},
		"one too many": {`oper_success {` + row("D.1.", updated+`updated_params {key: "C"}`) + `}`,
			"updated_inst_results for D.1.: updated_params", "A, B", "A, B, C"},
	} {
		t.Run(name, func(t *testing.T) {
			object, err := UpdatedObject(setReply(t, `response {set_resp {updated_obj_results {requested_path: "D.*." oper_status {`+test.status+`}}}}`), "D.*.", 1)
			if err != nil {
				t.Fatal(err)
			}
			ok, err := UpdateSuccess(object, "B", "A")
			finds(t, err, test.where, test.want, test.got)
			if name == "as it should be" && strings.Join(AffectedPaths(ok), " ") != "D.1. D.2." {
				t.Errorf("got %q", AffectedPaths(ok))
			}
		})
	}
}

func TestTheUpdatedObjectIsFound(t *testing.T) {
	const two = `response {set_resp {updated_obj_results {requested_path: "D.1."} updated_obj_results {requested_path: "D.2."}}}`
	if o, err := UpdatedObject(setReply(t, two), "D.2.", 2); err != nil || o.GetRequestedPath() != "D.2." {
		t.Errorf("got %v, %v", o, err)
	}
	_, err := UpdatedObject(setReply(t, two), "D.2.", 1)
	finds(t, err, "SetResp: number of updated_obj_results", "1", "2")
	_, err = UpdatedObject(setReply(t, two), "D.3.", 2)
	finds(t, err, "updated_obj_results: requested_path", `"D.3."`, `"D.1.", "D.2."`)
}

func TestUpdateFailures(t *testing.T) {
	const where = `updated_obj_results for "D.1."`
	instance := func(rest string) string { return `oper_failure {err_code: 7021 updated_inst_failures {` + rest + `}}` }
	for name, test := range map[string]struct{ status, where, want, got string }{
		"as it should be": {instance(`affected_path: "D.1." param_errs {param: "A" err_code: 7010}`), "", "", ""},
		"success":         {`oper_success {}`, where + ": oper_status", "oper_failure", "oper_success"},
		"no status":       {"", where + ": oper_status", "oper_failure", "neither success nor failure"},
		"code":            {`oper_failure {err_code: 7104}`, where + ": err_code", "a code that TR-369 allows for Set, one of 7000-7016, 7020-7021, 7025-7026 or 7800-7999", "7104 Invalid Record value"},
		"no instance":     {`oper_failure {err_code: 7021}`, where + ": number of updated_inst_failures", "1", "0"},
		"other instance":  {instance(`affected_path: "D.2."`), "updated_inst_failures[0].affected_path", `"D.1."`, `"D.2."`},
		"no parameter":    {instance(`affected_path: "D.1."`), "updated_inst_failures[0]: number of param_errs", "1", "0"},
		"other parameter": {instance(`affected_path: "D.1." param_errs {param: "B" err_code: 7010}`), "updated_inst_failures[0]: param_errs[0].param", `"A"`, `"B"`},
		"inner code": {instance(`affected_path: "D.1." param_errs {param: "A" err_code: 7104}`), "updated_inst_failures[0]: param_errs[0].err_code",
			"a code that TR-369 allows for Set, one of 7000-7016, 7020-7021, 7025-7026 or 7800-7999", "7104 Invalid Record value"},
	} {
		t.Run(name, func(t *testing.T) {
			object, err := UpdatedObject(setReply(t, `response {set_resp {updated_obj_results {requested_path: "D.1." oper_status {`+test.status+`}}}}`), "D.1.", 1)
			if err != nil {
				t.Fatal(err)
			}
			finds(t, UpdateFailure(object, "D.1.", "A"), test.where, test.want, test.got)
		})
	}
}

func TestValuesThatWereSet(t *testing.T) {
	const object = "Device.T.1."
	want := usp.Params{"Enable": "true", "ID": "a"}
	body := func(params string) string {
		return `response {get_resp {req_path_results {requested_path: "Device.T.1." resolved_path_results {resolved_path: "Device.T.1." ` + params + `}}}}`
	}
	for name, test := range map[string]struct{ body, where, want, got string }{
		"as they were set": {body(`result_params {key: "Enable" value: "1"} result_params {key: "ID" value: "a"} result_params {key: "Other"}`), "", "", ""},
		"other value":      {body(`result_params {key: "Enable" value: "1"} result_params {key: "ID" value: "A"}`), "Device.T.1.ID", `"a"`, `"A"`},
		"other boolean":    {body(`result_params {key: "Enable" value: "0"} result_params {key: "ID" value: "a"}`), "Device.T.1.Enable", `"true"`, `"0"`},
		"one is missing":   {body(`result_params {key: "Enable" value: "1"}`), "GetResp: Device.T.1.ID", `"a"`, "no such parameter"},
		"no result":        {`response {get_resp {}}`, "GetResp: number of req_path_results", "1", "0"},
		"another path":     {`response {get_resp {req_path_results {requested_path: "Device.T."}}}`, "req_path_results: requested_path", `"Device.T.1."`, `"Device.T."`},
		"an error": {`response {get_resp {req_path_results {requested_path: "Device.T.1." err_code: 7026 err_msg: "gone"}}}`,
			"req_path_results for Device.T.1.: err_code", "no error", `7026 Invalid path: "gone"`},
	} {
		t.Run(name, func(t *testing.T) {
			finds(t, Params(replyTo(t, usp.NewGet("1", object), test.body), object, want, Types{"Enable": usp.TypeBoolean}), test.where, test.want, test.got)
		})
	}
}

func TestOperations(t *testing.T) {
	const command = "Device.Reboot()"
	operated := func(results string) (*controller.Reply, error) {
		r := replyTo(t, usp.NewOperate("1", command, "", true, nil), `response {operate_resp {`+results+`}}`)
		_, err := OneOperation(r, command, "Device.Alias()")
		return r, err
	}
	for name, test := range map[string]struct{ results, where, want, got string }{
		"as it should be": {`operation_results {executed_command: "Device.Reboot()"}`, "", "", ""},
		"by another name": {`operation_results {executed_command: "Device.Alias()"}`, "", "", ""},
		"another command": {`operation_results {executed_command: "Device.Other()"}`, "operation_results[0].executed_command", `"Device.Reboot()"`, `"Device.Other()"`},
		"none":            {"", "OperateResp: number of operation_results", "1", "0"},
		"two":             {`operation_results {} operation_results {}`, "OperateResp: number of operation_results", "1", "2"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := operated(test.results)
			finds(t, err, test.where, test.want, test.got)
		})
	}
	const where = "operation_results[0]"
	for name, test := range map[string]struct {
		member                 string
		output, request, fails string // what each check got; "" when it is content
	}{
		"output":         {`req_output_args {}`, "", "req_output_args", "req_output_args"},
		"request":        {`req_obj_path: "Device.LocalAgent.Request.7."`, `req_obj_path "Device.LocalAgent.Request.7."`, "", `req_obj_path "Device.LocalAgent.Request.7."`},
		"failure":        {`cmd_failure {err_code: 7022 err_msg: "no"}`, `cmd_failure 7022 Command failure: "no"`, `cmd_failure 7022 Command failure: "no"`, ""},
		"other failure":  {`cmd_failure {err_code: 7023}`, `cmd_failure 7023 Command canceled: ""`, `cmd_failure 7023 Command canceled: ""`, `cmd_failure 7023 Command canceled: ""`},
		"nothing at all": {"", "no member of operation_resp", "no member of operation_resp", "no member of operation_resp"},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := operated(`operation_results {` + test.member + `}`)
			result := r.Body().GetResponse().GetOperateResp().GetOperationResults()[0]
			for _, check := range []struct {
				err       error
				want, got string
			}{
				{OutputArgs(result), "req_output_args", test.output},
				{RequestPath(result), "req_obj_path", test.request},
				{CommandFailure(result, usp.CodeCommandFailure), "cmd_failure 7022 Command failure", test.fails},
			} {
				where := where
				if check.got == "" {
					where = ""
				}
				finds(t, check.err, where, check.want, check.got)
			}
		})
	}
}

func TestRequestPaths(t *testing.T) {
	for path, good := range map[string]bool{
		"Device.LocalAgent.Request.7.":   true,
		"Device.LocalAgent.Request.7":    true,
		"Device.LocalAgent.Request.":     false,
		"Device.LocalAgent.Request.*.":   false,
		"Device.Request.7.":              false,
		"Device.LocalAgent.Request.7.A.": false,
		"":                               false,
	} {
		r := replyTo(t, usp.NewOperate("1", "", "", true, nil), fmt.Sprintf(`response {operate_resp {operation_results {req_obj_path: %q}}}`, path))
		err := RequestPath(r.Body().GetResponse().GetOperateResp().GetOperationResults()[0])
		where := "operation_results[0].req_obj_path"
		if good {
			where = ""
		}
		finds(t, err, where, "a row of Device.LocalAgent.Request. by number", fmt.Sprintf("%q", path))
	}
}

func TestSnapshots(t *testing.T) {
	before := Snapshot{"D.1.A": "1", "D.1.B": "2", "D.2.A": "3"}
	if got := strings.Join(before.Rows(), " "); got != "D.1. D.2." {
		t.Errorf("got %s", got)
	}
	if got := strings.Join((Snapshot{"D.1.A": "", "D.1.X_Stats.A": "", "D.1.X_Log.1.A": "", "D.10.A": "", "E.A": "", "E.B.C": ""}).Rows(), " "); got != "D.1. D.10. E. E.B." {
		t.Errorf("got %s", got)
	}
	more := Snapshot{"D.1.A": "9", "D.2.A": "3", "D.3.A": "4"}
	if got := strings.Join(before.New(more), " "); got != "D.3." {
		t.Errorf("got %s", got)
	}
	const where = "rows after the request"
	finds(t, before.Unchanged(Snapshot{"D.1.A": "other value", "D.2.A": ""}), "", "", "")
	finds(t, before.Unchanged(more), where, "the rows that were there before", "the new row D.3.")
	finds(t, before.Unchanged(Snapshot{"D.1.A": "1"}), where, "the rows that were there before", "D.2. gone")
	finds(t, before.Gone("D.3.", "D.4."), "", "", "")
	finds(t, before.Gone("D.3.", "D.2."), where, "D.2. gone", "D.2. still there")
	finds(t, before.Has("D.2.", "D.1."), "", "", "")
	finds(t, before.Has("D.2.", "D.3."), where, "D.3. still there", "D.3. gone")
}

func TestWithoutDot(t *testing.T) {
	for path, want := range map[string]string{"Device.A.": "Device.A", "Device.A": "Device.A", "": ""} {
		if got := WithoutDot(path); got != want {
			t.Errorf("%q: got %q", path, got)
		}
	}
}
