package bulkdata

import (
	"maps"
	"strings"
	"testing"
)

func TestReports(t *testing.T) {
	comma := newCSV(",", "&#13;&#10;", "&quot;")
	for name, test := range map[string]struct {
		encoding
		data string
		want []map[string]string
	}{
		"pairs": {jsonEncoding{}, `{"Report":[{"CollectionTime":1364529149,"UpTime":17}]}`, []map[string]string{{"UpTime": "17"}}},
		"hierarchy": {jsonEncoding{}, `{"Report":[{"CollectionTime":"2025-01-01T00:00:00Z","A":{"1":{"B":true,"C":"x"}}}]}`,
			[]map[string]string{{"A.1.B": "true", "A.1.C": "x"}}},
		"exact number":   {jsonEncoding{}, `{"Report":[{"N":18446744073709551615}]}`, []map[string]string{{"N": "18446744073709551615"}}},
		"earlier report": {jsonEncoding{}, `{"Report":[{"UpTime":1},{"UpTime":2}]}`, []map[string]string{{"UpTime": "1"}, {"UpTime": "2"}}},
		"columns":        {comma, "ReportTimestamp,UpTime\r\n1364529149,17\r\n", []map[string]string{{"UpTime": "17"}}},
		"rows": {comma, "ReportTimestamp,ParameterName,ParameterValue,ParameterType\r\n1,A,2,int\r\n1,B,\"x,\"\"y\"\"\",string",
			[]map[string]string{{"A": "2", "B": `x,"y"`}}},
		"lost line break": {newCSV(";", " ", "'"), "A;B\n';';\n", []map[string]string{{"A": ";", "B": ""}}},
		"own separators":  {newCSV("||", "##", "'"), "A||B##1||2##3||4", []map[string]string{{"A": "1", "B": "2"}, {"A": "3", "B": "4"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := test.wellFormed([]byte(test.data)); err != nil {
				t.Fatal(err)
			}
			reports, err := test.reports([]byte(test.data))
			if err != nil {
				t.Fatal(err)
			}
			if len(reports) != len(test.want) {
				t.Fatalf("got %v, want %v", reports, test.want)
			}
			for i, r := range reports {
				got := map[string]string{}
				for name, v := range r {
					got[name] = v.text
				}
				if !maps.Equal(got, test.want[i]) {
					t.Errorf("report %d: got %v, want %v", i, got, test.want[i])
				}
			}
		})
	}
}

func TestMalformed(t *testing.T) {
	comma := newCSV(",", "\r\n", `"`)
	for name, test := range map[string]struct {
		encoding
		data, want string
	}{
		"cut":              {jsonEncoding{}, `{"Report":[{"UpTime":1}`, "it ends too early"},
		"empty":            {jsonEncoding{}, "", "it ends too early"},
		"two values":       {jsonEncoding{}, `{"Report":[]} {}`, "something follows"},
		"no JSON":          {jsonEncoding{}, "UpTime=1", "invalid character"},
		"long":             {jsonEncoding{}, strings.Repeat(" ", maxReport+1), "longer"},
		"header alone":     {comma, "UpTime\r\n", "a header and at least one row"},
		"ragged":           {comma, "A,B\r\n1\r\n", "as many fields"},
		"open quote":       {comma, "A\r\n\"1\r\n", "an end of each escaped field"},
		"text after quote": {comma, "A\r\n\"1\"2\r\n", "a separator after an escaped field"},
		"many fields":      {comma, strings.Repeat("a,", 2*maxValues), "longer"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := test.wellFormed([]byte(test.data)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestWrongLayout(t *testing.T) {
	for name, data := range map[string]string{
		"array":          `[{"UpTime":1}]`,
		"other name":     `{"report":[{"UpTime":1}]}`,
		"no array":       `{"Report":{"UpTime":1}}`,
		"no objects":     `{"Report":[1]}`,
		"endless nested": `{"Report":[` + strings.Repeat(`{"a":`, maxDepth+1) + "1" + strings.Repeat("}", maxDepth+1) + `]}`,
	} {
		t.Run(name, func(t *testing.T) {
			if reports, err := (jsonEncoding{}).reports([]byte(data)); err == nil {
				t.Errorf("got %v, want an error", reports)
			}
		})
	}
}
