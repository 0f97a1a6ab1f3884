package bulkdata

import (
	"bytes"
	stdcsv "encoding/csv"
	"errors"
	"fmt"
	"html"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/usptest/usptest/harness/usp"
)

// The layouts of CSV.
const (
	parameterPerRow    = "ParameterPerRow"
	parameterPerColumn = "ParameterPerColumn"
)

// reportTimestamp is the column in which a CSV report says when it was collected.
const reportTimestamp = "ReportTimestamp"

// csvEncoding reads both layouts of CSV with the separators of a profile.
type csvEncoding struct {
	format             string // of the profile: ParameterPerRow, ParameterPerColumn, or "" for either
	field, row, escape string
	anyRow             bool // the device does not say how its rows end
}

// newCSV takes the separators as a profile has them. They may come as XML entities, as they are printed in TR-181. An empty one is the
// default, and so is a row separator of blanks: TR-181's default is a line break that the XML lost.
func newCSV(field, row, escape string) csvEncoding {
	e := csvEncoding{field: html.UnescapeString(field), row: html.UnescapeString(row), escape: html.UnescapeString(escape)}
	if e.field == "" {
		e.field = ","
	}
	if e.row != "\n" && e.row != "\r\n" && strings.TrimSpace(e.row) == "" {
		e.row, e.anyRow = "\n", true
	}
	if e.escape == "" {
		e.escape = `"`
	}
	return e
}

func (csvEncoding) name() string     { return "CSV" }
func (e csvEncoding) layout() string { return e.format }

func (e csvEncoding) wellFormed(data []byte) error {
	_, err := e.table(data)
	return err
}

// The separators that encoding/csv reads.
const (
	stdField  = ","
	stdRow    = "\n"
	stdEscape = `"`
)

// exchange replaces the separators of a profile by those that encoding/csv reads, which are given characters that no text has where they
// are text. out undoes what in does.
func (e csvEncoding) exchange() (in, out *strings.Replacer, err error) {
	own, std := []string{e.field, e.row, e.escape}, []string{stdField, stdRow, stdEscape}
	if own[0] == own[1] || own[1] == own[2] || own[0] == own[2] {
		return nil, nil, fmt.Errorf("FieldSeparator %q, RowSeparator %q and EscapeCharacter %q of the profile are not three", e.field, e.row, e.escape)
	}
	var there, back []string
	for i := range own {
		there, back = append(there, own[i], std[i]), append(back, std[i], own[i])
		if spare := string(rune(0xF0000 + i)); !slices.Contains(own, std[i]) {
			there, back = append(there, std[i], spare), append(back, spare, std[i])
		}
	}
	return strings.NewReplacer(there...), strings.NewReplacer(back...), nil
}

// table takes a text apart with encoding/csv. The first row is the header, and all rows have as many fields as it has.
func (e csvEncoding) table(data []byte) ([][]string, error) {
	rows, _, err := e.tableWithSpots(data)
	return rows, err
}

// tableWithSpots also returns where each field begins. A row separator ends a line, and columns count bytes.
func (e csvEncoding) tableWithSpots(data []byte) (rows [][]string, spots [][]spot, err error) {
	e, data = e.meant(data)
	return e.read(data)
}

func (e csvEncoding) read(data []byte) (rows [][]string, spots [][]spot, err error) {
	if len(data) > maxReport {
		return nil, nil, errTooMuch
	}
	if at := bytes.IndexByte(data, 0); at >= 0 || !utf8.Valid(data) {
		return nil, nil, &usp.Mismatch{Where: "CSV", Want: "text in UTF-8", Got: usp.Quote(string(data))}
	}
	if e.row == "\r\n" { // which encoding/csv reads by itself
		e.row = stdRow
	}
	in, out, err := e.exchange()
	if err != nil {
		return nil, nil, err
	}
	text := in.Replace(string(data))
	reader := stdcsv.NewReader(strings.NewReader(text))
	for fields := 0; ; {
		begin := reader.InputOffset()
		row, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			if errors.Is(err, stdcsv.ErrFieldCount) {
				got := fmt.Sprintf("%d: %s", len(row), usp.Quote(out.Replace(strings.Join(row, stdField))))
				where := "CSV, " + miscounted(reader, text, row, len(rows[0])).String()
				return nil, nil, &usp.Mismatch{Where: where, Want: "as many fields as the header has", Got: got}
			}
			return nil, nil, e.located(err, text, out)
		}
		if skipped := text[begin:]; strings.HasPrefix(skipped, stdRow) || strings.HasPrefix(skipped, "\r\n") {
			return nil, nil, misread("CSV", []byte(text), begin, "a row", "an empty line")
		}
		if fields += len(row); fields > maxValues {
			return nil, nil, errTooMuch
		}
		begins := make([]spot, len(row))
		for i := range row {
			begins[i].line, begins[i].column = reader.FieldPos(i)
			begins[i].field = i + 1
			row[i] = out.Replace(row[i])
		}
		spots = append(spots, begins)
		rows = append(rows, row)
	}
	if len(rows) < 2 {
		return nil, nil, &usp.Mismatch{Where: "CSV", Want: "a header and at least one row", Got: usp.Quote(string(data))}
	}
	return rows, spots, nil
}

// meant returns a text with the separators by which it can be read, if there are any. RFC 4180 lets an escape character mean two things: it
// takes the place of the double quote, or fields stay between double quotes, and it stands before one in them.
func (e csvEncoding) meant(data []byte) (csvEncoding, []byte) {
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // by which some say that a text is in UTF-8
	rows, _, err := e.read(data)
	plain := func(name string) bool { return !strings.HasPrefix(name, stdEscape) }
	if err == nil && slices.ContainsFunc(rows[0], plain) || e.escape == stdEscape || !bytes.Contains(data, []byte(stdEscape)) {
		return e, data
	}
	other := e
	other.escape = stdEscape
	text := e.doubled(data)
	if _, _, err := other.read(text); err != nil {
		return e, data
	}
	return other, text
}

// doubled replaces, in fields between double quotes, what the escape character stands before: a double quote by two, itself by one. Two
// double quotes of the text itself become what no reader takes.
func (e csvEncoding) doubled(data []byte) []byte {
	var out bytes.Buffer
	quote, inside := []byte(stdEscape), false
	for rest := data; len(rest) > 0; {
		one := 1
		switch {
		case inside && bytes.HasPrefix(rest, []byte(e.escape+stdEscape)):
			out.WriteString(stdEscape + stdEscape)
			one = len(e.escape) + 1
		case inside && bytes.HasPrefix(rest, []byte(e.escape+e.escape)):
			out.WriteString(e.escape)
			one = 2 * len(e.escape)
		case inside && bytes.HasPrefix(rest, []byte(stdEscape+stdEscape)):
			out.WriteString(stdEscape + "?")
		default:
			out.WriteByte(rest[0])
			inside = inside != bytes.HasPrefix(rest, quote)
		}
		rest = rest[one:]
	}
	return out.Bytes()
}

// miscounted is where the first field stands that a row has too many, or where the row ends because a field is missing.
func miscounted(reader *stdcsv.Reader, text string, row []string, want int) spot {
	if len(row) > want {
		line, column := reader.FieldPos(want)
		return spot{line, column, want + 1}
	}
	read := strings.TrimSuffix(strings.TrimSuffix(text[:reader.InputOffset()], stdRow), "\r")
	return spot{strings.Count(read, stdRow) + 1, len(read) - strings.LastIndex(read, stdRow), len(row) + 1}
}

// located says where and why encoding/csv could not read a row.
func (e csvEncoding) located(err error, text string, out *strings.Replacer) error {
	var parse *stdcsv.ParseError
	if !errors.As(err, &parse) {
		return err
	}
	where := fmt.Sprintf("CSV, line %d, column %d", parse.Line, parse.Column)
	switch {
	case errors.Is(err, stdcsv.ErrQuote):
		return &usp.Mismatch{Where: where, Want: fmt.Sprintf("a field between two %q to end at the second, and an end of each", e.escape), Got: usp.Quote(line(text, parse.Line, out))}
	case errors.Is(err, stdcsv.ErrBareQuote):
		return &usp.Mismatch{Where: where, Want: fmt.Sprintf("no %q in a field that does not begin with it", e.escape), Got: usp.Quote(line(text, parse.Line, out))}
	}
	return &usp.Mismatch{Where: where, Want: "well-formed CSV", Got: parse.Err.Error()}
}

// line is the nth line of a text as it came.
func line(text string, n int, out *strings.Replacer) string {
	lines := strings.SplitN(text, stdRow, n+1)
	return out.Replace(lines[min(n, len(lines))-1])
}

func (e csvEncoding) reports(data []byte, byLetter bool) ([]report, error) {
	rows, spots, err := e.tableWithSpots(data)
	if err != nil {
		return nil, err
	}
	header := rows[0]
	perRow := slices.Contains(header, "ParameterName") && slices.Contains(header, "ParameterValue")
	switch {
	case e.format == parameterPerRow && !perRow:
		return nil, &usp.Mismatch{Where: "header of the CSV", Want: "ParameterName, ParameterValue and ParameterType, as " + parameterPerRow + " has them",
			Got: usp.Quote(strings.Join(header, e.field))}
	case e.format == parameterPerRow || e.format == "" && perRow:
		return e.perRow(header, rows[1:], spots[1:], byLetter)
	}
	return e.perColumn(header, rows[1:], spots[1:], byLetter)
}

// perColumn reads rows that are a report each, with a column for each parameter.
func (e csvEncoding) perColumn(header []string, rows [][]string, spots [][]spot, byLetter bool) ([]report, error) {
	if len(rows) > maxInstances {
		return nil, errTooMuch
	}
	var out []report
	for n, row := range rows {
		r := report{values: map[string]value{}}
		for i, name := range header {
			v := value{text: row[i], kind: kindText, spot: spots[n][i]}
			if name == reportTimestamp && !byLetter && r.time == nil {
				r.time = &v
			} else if err := r.add(name, v); err != nil {
				return nil, err
			}
		}
		out = append(out, r)
	}
	return out, nil
}

// perRow reads rows that are a parameter each. A report ends where the time changes or, without times, where its first parameter comes
// again.
func (e csvEncoding) perRow(header []string, rows [][]string, spots [][]spot, byLetter bool) ([]report, error) {
	name, text := slices.Index(header, "ParameterName"), slices.Index(header, "ParameterValue")
	base, at := slices.Index(header, "ParameterType"), slices.Index(header, reportTimestamp)
	var out []report
	var first string // parameter of the report at hand
	for n, row := range rows {
		var when *value
		if at >= 0 && !byLetter {
			when = &value{text: row[at], kind: kindText, spot: spots[n][at]}
		}
		last := len(out) - 1
		if last < 0 || when != nil && when.text != out[last].time.text || when == nil && row[name] == first {
			if len(out) >= maxInstances {
				return nil, errTooMuch
			}
			out, first, last = append(out, report{time: when, values: map[string]value{}}), row[name], last+1
			if at >= 0 && byLetter {
				out[last].values[reportTimestamp] = value{text: row[at], kind: kindText, spot: spots[n][at]}
			}
		}
		v := value{text: row[text], kind: kindText, spot: spots[n][text]}
		if base >= 0 {
			v.base = &value{text: row[base], kind: kindText, spot: spots[n][base]}
		}
		if err := out[last].add(row[name], v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// judgeHeader wants the columns of ParameterPerRow in the order of TR-369, and the time in the first column of either layout.
func (e csvEncoding) judgeHeader(data []byte) error {
	rows, err := e.table(data)
	if err != nil {
		return nil // which is another fault
	}
	header := rows[0]
	if at := slices.Index(header, reportTimestamp); at > 0 {
		return &usp.Mismatch{Where: "CSV, line 1, field " + fmt.Sprint(at+1), Want: reportTimestamp + " in the first field", Got: usp.Quote(strings.Join(header, e.field))}
	} else if at == 0 {
		header = header[1:]
	}
	if want := []string{"ParameterName", "ParameterValue", "ParameterType"}; e.format == parameterPerRow && !slices.Equal(header, want) {
		return &usp.Mismatch{Where: "CSV, line 1", Want: strings.Join(want, e.field), Got: usp.Quote(strings.Join(header, e.field))}
	}
	return nil
}

// judgeRows wants rows to end as the profile says. Either line break will do where the device does not say.
func (e csvEncoding) judgeRows(data []byte) error {
	if e.anyRow || e.row != "\n" && e.row != "\r\n" {
		return nil // another separator than a line break has been read by
	}
	read, data := e.meant(data)
	inside, line := false, 1
	for at := range data {
		if bytes.HasPrefix(data[at:], []byte(read.escape)) { // two in a row change nothing
			inside = !inside
		}
		if data[at] != '\n' {
			continue
		}
		got := map[bool]string{true: "\r\n", false: "\n"}[bytes.HasSuffix(data[:at], []byte("\r"))]
		if !inside && got != e.row {
			return &usp.Mismatch{Where: fmt.Sprintf("CSV, end of line %d", line), Want: fmt.Sprintf("%q", e.row), Got: fmt.Sprintf("%q", got)}
		}
		line++
	}
	return nil
}
