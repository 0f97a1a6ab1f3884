package bulkdata

import (
	"bytes"
	stdcsv "encoding/csv"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usptest/usptest/harness/usp"
)

// csvIn is what reads CSV in a layout.
func csvIn(format, field, row, escape string) csvEncoding {
	e := newCSV(field, row, escape)
	e.format = format
	return e
}

func TestReports(t *testing.T) {
	comma := newCSV(",", "&#13;&#10;", "&quot;")
	for name, test := range map[string]struct {
		encoding
		data string
		want []map[string]string // CollectionTime under ""
	}{
		"pairs": {jsonEncoding{format: nameValuePair}, `{"Report":[{"CollectionTime":1364529149,"A.1.B":17}]}`,
			[]map[string]string{{"": "1364529149", "A.1.B": "17"}}},
		"hierarchy": {jsonEncoding{format: objectHierarchy}, `{"Report":[{"CollectionTime":"2025-01-01T00:00:00Z","A":{"1":{"B":true,"C":"x"}}}]}`,
			[]map[string]string{{"": "2025-01-01T00:00:00Z", "A.1.B": "true", "A.1.C": "x"}}},
		"exact number":   {jsonEncoding{}, `{"Report":[{"N":18446744073709551615}]}`, []map[string]string{{"N": "18446744073709551615"}}},
		"earlier report": {jsonEncoding{}, `{"Report":[{"UpTime":1},{"UpTime":2}]}`, []map[string]string{{"UpTime": "1"}, {"UpTime": "2"}}},
		"beside Report":  {jsonEncoding{}, `{"Device":"x","Report":[{"UpTime":1}]}`, []map[string]string{{"UpTime": "1"}}},
		"columns": {csvIn(parameterPerColumn, ",", "\r\n", `"`), "ReportTimestamp,UpTime\r\n1364529149,17\r\n",
			[]map[string]string{{"": "1364529149", "UpTime": "17"}}},
		"three reports in columns": {comma, "ReportTimestamp,A,B\r\n1,2,3\r\n4,5,6\r\n7,8,9", []map[string]string{
			{"": "1", "A": "2", "B": "3"}, {"": "4", "A": "5", "B": "6"}, {"": "7", "A": "8", "B": "9"}}},
		"rows": {csvIn(parameterPerRow, ",", "\r\n", `"`), "ReportTimestamp,ParameterName,ParameterValue,ParameterType\r\n1,A,2,int\r\n1,B,\"x,\"\"y\"\"\",string",
			[]map[string]string{{"": "1", "A": "2", "B": `x,"y"`}}},
		"three reports in rows": {comma, "ReportTimestamp,ParameterName,ParameterValue,ParameterType\r\n1,A,2,int\r\n1,B,3,int\r\n4,A,5,int\r\n4,B,6,int\r\n",
			[]map[string]string{{"": "1", "A": "2", "B": "3"}, {"": "4", "A": "5", "B": "6"}}},
		"rows without times": {comma, "ParameterName,ParameterValue,ParameterType\nA,2,int\nB,3,int\nA,5,int\nB,6,int\n",
			[]map[string]string{{"A": "2", "B": "3"}, {"A": "5", "B": "6"}}},
		"lost line break":        {newCSV(";", " ", "'"), "A;B\n';';\n", []map[string]string{{"A": ";", "B": ""}}},
		"own separators":         {newCSV("||", "##", "'"), "A||B##1||2##3||4", []map[string]string{{"A": "1", "B": "2"}, {"A": "3", "B": "4"}}},
		"swapped":                {newCSV(`"`, ",", "\n"), "A\"B,\n1,2\n\"3,", []map[string]string{{"A": "1,2", "B": "3"}}},
		"tab":                    {newCSV("\t", "\n", `"`), "A\tB\n1,2\t\"x\ty\"\n", []map[string]string{{"A": "1,2", "B": "x\ty"}}},
		"standard ones are text": {newCSV(";", "|", "'"), "A;B|\n,\";'a''b;'|", []map[string]string{{"A": "\n,\"", "B": "a'b;"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := test.wellFormed([]byte(test.data)); err != nil {
				t.Fatal(err)
			}
			reports, err := test.reports([]byte(test.data), false)
			if err != nil {
				t.Fatal(err)
			}
			var all []map[string]string
			for _, r := range reports {
				got := map[string]string{}
				for name, v := range r.values {
					got[name] = v.text
				}
				if r.time != nil {
					got[""] = r.time.text
				}
				all = append(all, got)
			}
			if !slices.EqualFunc(all, test.want, func(a, b map[string]string) bool { return maps.Equal(a, b) }) {
				t.Errorf("got %v, want %v", all, test.want)
			}
		})
	}
}

func TestATransferMayHaveNoInstance(t *testing.T) {
	reports, err := jsonEncoding{}.reports([]byte(`{"Report":[]}`), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newest("transfer 1", reports); err == nil {
		t.Error("want an error, got none")
	}
}

func TestTheTimeIsAValueByTheLetter(t *testing.T) {
	for _, test := range []struct {
		encoding
		data, name string
	}{
		{jsonEncoding{}, `{"Report":[{"CollectionTime":1,"A":2}]}`, "CollectionTime"},
		{newCSV("", "", ""), "ReportTimestamp,A\n1,2\n", "ReportTimestamp"},
		{newCSV("", "", ""), "ReportTimestamp,ParameterName,ParameterValue,ParameterType\n1,A,2,int\n", "ReportTimestamp"},
	} {
		reports, err := test.reports([]byte(test.data), true)
		if err != nil || len(reports) != 1 || !slices.Equal(reports[0].names(), []string{"A", test.name}) && !slices.Equal(reports[0].names(), []string{test.name, "A"}) {
			t.Errorf("%s: %v, %v", test.data, reports, err)
		}
	}
}

// A value knows its place: lines and columns are those of the text, fields those of its row.
func TestSpots(t *testing.T) {
	for name, test := range map[string]struct {
		encoding
		data string
		want spot
	}{
		"JSON":        {jsonEncoding{}, `{"Report":[{"A":1, "B" : 2}]}`, spot{1, 26, 0}},
		"three lines": {jsonEncoding{}, "{\"Report\": [\n{\"Ä\": \"ü\",\n  \"B\": {\"C\": true},\r\n\"B\":7}]}", spot{4, 5, 0}},
		"columns":     {newCSV(",", "\r\n", `"`), "A,B\r\n\"1,1\",2\r\n", spot{2, 7, 2}},
		"rows":        {newCSV(";", "|", "'"), "ParameterName;ParameterValue;ParameterType|A;1;int|B;2;int|", spot{3, 3, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			reports, err := test.reports([]byte(test.data), false)
			if err != nil {
				t.Fatal(err)
			}
			if got := reports[0].values["B"].spot; got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestNamesInAHierarchy(t *testing.T) {
	for data, want := range map[string]string{
		`{"Report":[{"A":{"1":{"B":2}}}]}`:                   "",
		`{"Report":[{"A.1.B":2}]}`:                           "",
		`{"Report":[{"Device.1.B":2}]}`:                      `line 1, column 26: want an object for each part of the path`,
		`{"Report":[{"Device":{"1":2}}]}`:                    "",
		`{"Report":[{"Device":1,"Device.1":2,"C":{"D":1}}]}`: "", // a value is where an object would be
	} {
		reports, err := jsonEncoding{format: objectHierarchy}.reports([]byte(data), false)
		if err != nil {
			t.Fatal(err)
		}
		if got := reports[0].layout; (got == nil) != (want == "") || got != nil && !strings.Contains(got.Error(), want) {
			t.Errorf("%s: got %v, want %q", data, got, want)
		}
	}
}

func TestMalformed(t *testing.T) {
	comma := newCSV(",", "\r\n", `"`)
	for name, test := range map[string]struct {
		encoding
		data, want string
	}{
		"cut":              {jsonEncoding{}, `{"Report":[{"UpTime":1}`, "JSON, line 1, column 24: want a whole value, got the end"},
		"empty":            {jsonEncoding{}, "", "got the end"},
		"two values":       {jsonEncoding{}, `{"Report":[]} {}`, "JSON, line 1, column 15: want well-formed JSON"},
		"no JSON":          {jsonEncoding{}, "UpTime=1", "JSON, line 1, column 1: want well-formed JSON"},
		"third line":       {jsonEncoding{}, "{\"Report\":[\n{\"A\":1,\n  B:2}]}", "JSON, line 3, column 3: want well-formed JSON"},
		"comma":            {jsonEncoding{}, `{"Report":[{"A":1},]}`, "line 1, column 20"},
		"byte order mark":  {jsonEncoding{}, "\ufeff{}", "line 1, column 1"},
		"not UTF-8":        {jsonEncoding{}, "{\"R\":\"\xff\"}", "JSON, line 1, column 7: want UTF-8"},
		"long":             {jsonEncoding{}, strings.Repeat(" ", maxReport+1), "longer"},
		"a million values": {jsonEncoding{}, "[" + strings.Repeat("1,", maxReport/2-2) + "1]", "longer"},
		"deep":             {jsonEncoding{}, strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1), "longer"},
		"header alone":     {comma, "UpTime\r\n", "a header and at least one row"},
		"too few":          {comma, "A,B,C\r\n1,2,3\r\n1,22\r\n", `CSV, line 3, column 5, field 3: want as many fields as the header has`},
		"too few, no end":  {comma, "A,B\n1", `CSV, line 2, column 2, field 2: want as many fields as the header has, got 1: "1"`},
		"too many":         {comma, "A,B\r\n11,2,3,4\r\n", `CSV, line 2, column 6, field 3: want as many fields as the header has`},
		"open quote":       {comma, "A\r\n\"1\r\n", "CSV, line"},
		"text after quote": {comma, "A\r\n\"1\"2\r\n", "CSV, line 2, column"},
		"quote in a field": {comma, "A\r\n1\"2\r\n", "CSV, line 2, column 2: want no"},
		"own escape":       {newCSV(";", "|", "'"), "A;B|1'2;3|", `want no "'" in a field that does not begin with it, got "1'2;3"`},
		"empty line":       {comma, "A,B\r\n\r\n1,2\r\n", "CSV, line 2, column 1: want a row, got an empty line"},
		"many fields":      {comma, strings.Repeat("a,", 2*maxValues) + "\n1\n", "longer"},
		"million rows":     {comma, "A\n" + strings.Repeat("1\n", maxReport/2-1), "longer"},
		"NUL":              {comma, "A\n\x00\n", "text in UTF-8"},
		"one separator":    {newCSV(",", ",", `"`), "A,1,", "are not three"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := test.wellFormed([]byte(test.data)); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if reports, err := test.reports([]byte(test.data), false); err == nil {
				t.Errorf("got %v, want an error", reports)
			}
		})
	}
}

func TestWrongLayout(t *testing.T) {
	for name, test := range map[string]struct {
		encoding
		data string
	}{
		"array":              {jsonEncoding{}, `[{"UpTime":1}]`},
		"other name":         {jsonEncoding{}, `{"report":[{"UpTime":1}]}`},
		"twice":              {jsonEncoding{}, `{"Report":[{"UpTime":1}],"Report":[]}`},
		"no array":           {jsonEncoding{}, `{"Report":{"UpTime":1}}`},
		"no objects":         {jsonEncoding{}, `{"Report":[1]}`},
		"endless nested":     {jsonEncoding{}, `{"Report":[` + strings.Repeat(`{"a":`, maxDepth+1) + "1" + strings.Repeat("}", maxDepth+1) + `]}`},
		"nested for pairs":   {jsonEncoding{format: nameValuePair}, `{"Report":[{"A":{"B":1}}]}`},
		"columns for rows":   {csvIn(parameterPerRow, "", "", ""), "A,B\n1,2\n"},
		"many reports":       {jsonEncoding{}, `{"Report":[` + strings.Repeat(`{},`, maxInstances) + `{}]}`},
		"many reports (CSV)": {newCSV("", "", ""), "A\n" + strings.Repeat("1\n", maxInstances+1)},
	} {
		t.Run(name, func(t *testing.T) {
			if reports, err := test.reports([]byte(test.data), false); err == nil {
				t.Errorf("got %v, want an error", reports)
			}
		})
	}
}

func TestNamesThatStandTwice(t *testing.T) {
	for _, test := range []struct {
		encoding
		data string
	}{
		{jsonEncoding{}, `{"Report":[{"A":1,"A":2}]}`},
		{jsonEncoding{}, `{"Report":[{"B":{"A":1},"B":{"A":2}}]}`},
		{newCSV("", "", ""), "A,A\n1,2\n"},
		{newCSV("", "", ""), "ReportTimestamp,ParameterName,ParameterValue,ParameterType\n1,A,1,int\n1,A,2,int\n"},
	} {
		if reports, err := test.reports([]byte(test.data), false); err != nil || len(reports[0].twice) != 1 {
			t.Errorf("%s: %v, %v", test.data, reports, err)
		}
	}
}

func TestCSVBeyondItsForm(t *testing.T) {
	for name, test := range map[string]struct {
		e                  csvEncoding
		data, header, rows string
	}{
		"columns":       {csvIn(parameterPerColumn, ",", "\r\n", `"`), "ReportTimestamp,A\r\n1,2\r\n", "", ""},
		"time last":     {csvIn(parameterPerColumn, ",", "\r\n", `"`), "A,ReportTimestamp\r\n1,2\r\n", "field 2: want ReportTimestamp in the first field", ""},
		"rows":          {csvIn(parameterPerRow, ",", "\n", `"`), "ParameterName,ParameterValue,ParameterType\nA,1,int\n", "", ""},
		"rows, type":    {csvIn(parameterPerRow, ",", "\n", `"`), "ParameterName,ParameterValue\nA,1\n", "want ParameterName,ParameterValue,ParameterType", ""},
		"rows, order":   {csvIn(parameterPerRow, ",", "\n", `"`), "ParameterType,ParameterName,ParameterValue\nint,A,1\n", "want ParameterName", ""},
		"line feeds":    {csvIn(parameterPerColumn, ",", "\r\n", `"`), "A\n1\n", "", `want "\r\n", got "\n"`},
		"mixed":         {csvIn(parameterPerColumn, ",", "\r\n", `"`), "A\r\n\"1\n\"\r\n2\n", "", `end of line 4: want "\r\n", got "\n"`},
		"with returns":  {csvIn(parameterPerColumn, ",", "\n", `"`), "A\r\n1\r\n", "", `want "\n", got "\r\n"`},
		"not told":      {csvIn(parameterPerColumn, ",", " ", `"`), "A\r\n1\r\n", "", ""},
		"own separator": {csvIn(parameterPerColumn, ",", ";", `"`), "A;1;", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			for want, err := range map[string]error{test.header: test.e.judgeHeader([]byte(test.data)), test.rows + " ": test.e.judgeRows([]byte(test.data))} {
				if want = strings.TrimSpace(want); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			}
		})
	}
}

// TestOwnSeparatorsReadLikeTheStandardOnes writes tables with encoding/csv, exchanges the separators, and reads them.
func TestOwnSeparatorsReadLikeTheStandardOnes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	separators := []string{",", ";", "\t", "|", "\n", "'", `"`, "€", "##", "<>"}
	for range 2000 {
		chosen := random.Perm(len(separators))
		e := newCSV(separators[chosen[0]], separators[chosen[1]], separators[chosen[2]])
		if e.anyRow {
			continue
		}
		in, out, err := e.exchange()
		if err != nil {
			t.Fatal(err)
		}
		want := [][]string{{"A", "B"}}
		for range 1 + random.IntN(3) {
			row := make([]string, 2)
			for i := range row {
				for range random.IntN(4) {
					row[i] += append(separators, "x")[random.IntN(len(separators)+1)]
				}
			}
			want = append(want, row)
		}
		var standard bytes.Buffer
		w := stdcsv.NewWriter(&standard)
		for _, row := range want {
			std := make([]string, len(row))
			for i := range row {
				std[i] = in.Replace(row[i])
			}
			if err := w.Write(std); err != nil {
				t.Fatal(err)
			}
		}
		w.Flush()
		got, err := e.table([]byte(out.Replace(standard.String())))
		if err != nil || !slices.EqualFunc(got, want, slices.Equal) {
			t.Fatalf("field %q, row %q, escape %q: %q reads as %q, %v; want %q", e.field, e.row, e.escape, out.Replace(standard.String()), got, err, want)
		}
	}
}

// TestFieldsBetweenDoubleQuotes reads the other meaning of an escape character, which is not a double quote.
func TestFieldsBetweenDoubleQuotes(t *testing.T) {
	e := csvIn(parameterPerColumn, ";", "\n", "'")
	for data, want := range map[string]string{
		"\"it's;'\"up\"\n1\n":              `it's;"up`,
		"\"it''s;'\"up\"\r\n\"1\"\r\n":     `it's;"up`,
		"\"A\"\n1":                         "A",
		"'it''s;\"up'\n1\n":                `it's;"up`,
		"\ufeff\"A\"\n1\n":                 "A",
		"\"it's;\"\"up\"\n1\n":             "",
		"\"it's;'\"up\n1\n":                "",
		"\"A\"B\n1\n":                      `"A"B`,
		"a\"b\n1\n":                        `a"b`,
		"\"it's;'\"up\" \n1\n":             "",
		"\"two\nlines of '\"one\"\"\n1\n":  "",
		"\"two\nlines of '\"one'\"\"\n1\n": "two\nlines of \"one\"",
	} {
		rows, err := e.table([]byte(data))
		if (err == nil) != (want != "") || err == nil && rows[0][0] != want {
			t.Errorf("%q reads as %q, %v; want %q", data, rows, err, want)
		}
	}
}

func TestTimesOfCollection(t *testing.T) {
	noon := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		format, encoding string
		v                *value
		want             string // of the error
	}{
		"seconds":      {"Unix-Epoch", "JSON", &value{text: "1777636800", kind: kindNumber}, ""},
		"milliseconds": {"Unix-Epoch", "JSON", &value{text: "1777636800000", kind: kindNumber}, ""},
		"CSV":          {"Unix-Epoch", "CSV", &value{text: "1777636800", kind: kindText}, ""},
		"date":         {"ISO-8601", "JSON", &value{text: "2026-05-01T12:00:00Z", kind: kindString}, ""},
		"date in CSV":  {"ISO-8601", "CSV", &value{text: "2026-05-01T14:00:00+02:00", kind: kindText}, ""},
		"a string":     {"Unix-Epoch", "JSON", &value{text: "1777636800", kind: kindString}, "want a number"},
		"no date":      {"ISO-8601", "JSON", &value{text: "today", kind: kindString}, "in the format ISO-8601"},
		"none":         {"ISO-8601", "JSON", nil, "got none"},
		"unwanted":     {"None", "JSON", &value{text: "1777636800", kind: kindNumber}, "want none"},
	} {
		t.Run(name, func(t *testing.T) {
			times, err := timesIn("CollectionTime", test.format, test.encoding, test.v)
			switch {
			case test.want == "" && (err != nil || !anyNear(times, noon, time.Second)):
				t.Errorf("got %v, %v", times, err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestWhole(t *testing.T) {
	before, after := []string{"A", "B", "C"}, []string{"A", "B", "D"}
	for _, test := range []struct {
		names []string
		want  string
	}{
		{[]string{"A", "B"}, ""},
		{[]string{"A", "B", "C", "D"}, ""},
		{[]string{"A"}, `"B" among them`},
		{[]string{"A", "B", "E"}, `got "E"`},
	} {
		if err := whole("report", test.names, before, after); (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: %v, want %q", test.names, err, test.want)
		}
	}
}

func FuzzReports(f *testing.F) {
	f.Add([]byte(`{"Report":[{"A":{"B":1}}]}`), ",", "\r\n", `"`)
	f.Add([]byte("A;B|1;'2'|"), ";", "|", "'")
	f.Fuzz(func(_ *testing.T, data []byte, field, row, escape string) {
		for _, e := range []encoding{jsonEncoding{}, newCSV(field, row, escape)} {
			if reports, err := e.reports(data, false); err == nil {
				for i := range reports {
					_ = valid("", "", usp.TypeInt, reports[i].values["A"])
				}
			}
		}
	})
}

func TestFromOutage(t *testing.T) {
	for _, test := range []struct {
		came   []uint64
		passed bool
	}{
		{[]uint64{25, 29}, false},
		{[]uint64{10, 20, 25}, false}, // in the second in which the outage began or ended, before or after that
		{[]uint64{14, 25, 29}, true},
		{[]uint64{25, 19, 29}, true},
		{nil, false},
	} {
		if err := fromOutage(test.came, 10, 20); (err == nil) != test.passed {
			t.Errorf("%d: %v", test.came, err)
		}
	}
	if got := later([]uint64{19, 25, 20, 25}, 20); got != 2 {
		t.Errorf("want 2 later than the outage, got %d", got)
	}
}
