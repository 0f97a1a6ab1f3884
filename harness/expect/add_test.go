package expect

import (
	"testing"

	"github.com/usptest/usptest/harness/usp"
)

func TestCreated(t *testing.T) {
	const (
		good   = `created_obj_results {requested_path: "D.T." oper_status {oper_success {instantiated_path: "D.T.1." unique_keys {key: "ID" value: "a"}}}}`
		search = `created_obj_results {requested_path: "D.C.[A==true].T." oper_status {oper_success {instantiated_path: "D.C.7.T.1."}}}`
		failed = `created_obj_results {requested_path: "D.T." oper_status {oper_failure {err_code: 7021}}}`
	)
	add := usp.NewAdd("1", false, usp.Create("D.T.", nil, nil), usp.Create("D.C.[A==true].T.", nil, nil), usp.Create("D.C.*.T.", nil, nil))
	for name, test := range map[string]struct {
		results             string
		successes, failures int
		want                string
	}{
		"one":               {good, 1, 0, ""},
		"one by search":     {search, 1, 0, ""},
		"one of each":       {failed + good, 1, 1, ""},
		"failure":           {failed, 0, 1, ""},
		"missing":           {good, 2, 0, "number of created_obj_results: want 2, got 1"},
		"failed":            {good + failed, 2, 0, "want 2 oper_success, 0 oper_failure, got 1 oper_success, 1 oper_failure"},
		"did not fail":      {good, 0, 1, "want 0 oper_success, 1 oper_failure"},
		"code of a failure": {`created_obj_results {requested_path: "D.T." oper_status {oper_failure {err_code: 7104}}}`, 0, 1, "7104"},
		"no status":         {`created_obj_results {requested_path: "D.T." oper_status {}}`, 1, 0, "neither success nor failure"},
		"parameter error": {`created_obj_results {requested_path: "D.T." oper_status {oper_success {instantiated_path: "D.T.1."
			param_errs {param: "A" err_code: 7012}}}}`, 1, 0, "no parameter errors"},
		"other table":    {`created_obj_results {requested_path: "D.T." oper_status {oper_success {instantiated_path: "D.U.1."}}}`, 1, 0, `got "D.U.1."`},
		"search path":    {`created_obj_results {requested_path: "D.C.*.T." oper_status {oper_success {instantiated_path: "D.C.*.T.1."}}}`, 1, 0, "by number"},
		"another schema": {`created_obj_results {requested_path: "D.C.*.T." oper_status {oper_success {instantiated_path: "D.C.1.U.1."}}}`, 1, 0, "by number"},
		"not asked for": {`created_obj_results {requested_path: "D.U." oper_status {oper_success {instantiated_path: "D.U.1."}}}`, 1, 0,
			`requested_path: want one of "D.T.", "D.C.[A==true].T.", "D.C.*.T.", got "D.U."`},
		"failure not asked for": {`created_obj_results {oper_status {oper_failure {err_code: 7021}}}`, 0, 1, `requested_path: want one of`},
		"a row by key":          {`created_obj_results {requested_path: "D.T." oper_status {oper_success {instantiated_path: "D.T.[A==1]."}}}`, 1, 0, "by number"},
		"the table":             {`created_obj_results {requested_path: "D.T." oper_status {oper_success {instantiated_path: "D.T."}}}`, 1, 0, "by number"},
	} {
		t.Run(name, func(t *testing.T) {
			rows, err := Created(replyTo(t, add, `response {add_resp {`+test.results+`}}`), test.successes, test.failures)
			wantError(t, err, test.want)
			if err == nil && len(rows) != test.successes {
				t.Errorf("want %d rows, got %v", test.successes, rows)
			}
		})
	}
	_, err := Created(replyTo(t, usp.NewAdd("1", false), `error {err_code: 7003}`), 1, 0)
	wantError(t, err, "want AddResp")
}
