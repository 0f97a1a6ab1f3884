package bulkdata

import (
	"html"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness/usp"
)

// csvEncoding reads both layouts of CSV, ParameterPerColumn and ParameterPerRow, with the separators of the profile.
type csvEncoding struct {
	field, row, escape string
	byLetter           bool // the time of the report is a value like any other
}

// newCSV takes the separators as the profile tells them. They may come as XML entities, as in TR-181; a line break that was lost on the way
// reads as a blank, so that rows then end at line breaks.
func newCSV(field, row, escape string) csvEncoding {
	e := csvEncoding{field: html.UnescapeString(field), row: html.UnescapeString(row), escape: html.UnescapeString(escape)}
	if e.field == "" {
		e.field = ","
	}
	if strings.TrimSpace(e.row) == "" {
		e.row = "\n"
	}
	if e.escape == "" {
		e.escape = `"`
	}
	return e
}

func (e csvEncoding) wellFormed(data []byte) error {
	_, err := e.rows(data)
	return err
}

// rows takes the text apart. The first row is the header, and all rows have as many fields as it has.
func (e csvEncoding) rows(data []byte) ([][]string, error) {
	if len(data) > maxReport {
		return nil, errTooMuch
	}
	text := string(data)
	if e.row == "\n" {
		text = strings.ReplaceAll(text, "\r\n", "\n")
	}
	var rows [][]string
	var row []string
	for fields := 0; text != ""; fields++ {
		if fields > maxValues {
			return nil, errTooMuch
		}
		field, rest, err := e.next(text)
		if err != nil {
			return nil, err
		}
		row = append(row, field)
		if after, more := strings.CutPrefix(rest, e.field); more {
			if text = after; text == "" {
				row = append(row, "")
			}
			continue
		}
		text = strings.TrimPrefix(rest, e.row)
		rows, row = append(rows, row), nil
	}
	if row != nil {
		rows = append(rows, row)
	}
	for _, r := range rows {
		if len(r) != len(rows[0]) {
			return nil, &usp.Mismatch{Where: "CSV", Want: "as many fields in each row as in the header", Got: usp.Quote(strings.Join(r, e.field))}
		}
	}
	if len(rows) < 2 {
		return nil, &usp.Mismatch{Where: "CSV", Want: "a header and at least one row", Got: usp.Quote(string(data))}
	}
	return rows, nil
}

// next reads one field and returns what follows it, which begins with a separator or is empty.
func (e csvEncoding) next(text string) (field, rest string, err error) {
	inner, escaped := strings.CutPrefix(text, e.escape)
	if !escaped {
		end := len(text)
		for _, separator := range []string{e.field, e.row} {
			if at := strings.Index(text, separator); at >= 0 {
				end = min(end, at)
			}
		}
		return text[:end], text[end:], nil
	}
	var b strings.Builder
	for {
		before, after, ended := strings.Cut(inner, e.escape)
		if !ended {
			return "", "", &usp.Mismatch{Where: "CSV", Want: "an end of each escaped field", Got: usp.Quote(text)}
		}
		b.WriteString(before)
		if inner, escaped = strings.CutPrefix(after, e.escape); !escaped {
			rest = after
			break
		}
		b.WriteString(e.escape)
	}
	if rest != "" && !strings.HasPrefix(rest, e.field) && !strings.HasPrefix(rest, e.row) {
		return "", "", &usp.Mismatch{Where: "CSV", Want: "a separator after an escaped field", Got: usp.Quote(rest)}
	}
	return b.String(), rest, nil
}

func (e csvEncoding) reports(data []byte) ([]report, error) {
	rows, err := e.rows(data)
	if err != nil {
		return nil, err
	}
	const timestamp = "ReportTimestamp"
	header := rows[0]
	name, text := slices.Index(header, "ParameterName"), slices.Index(header, "ParameterValue")
	if name >= 0 && text >= 0 {
		r := report{}
		for _, row := range rows[1:] {
			r[row[name]] = value{text: row[text]}
		}
		return []report{r}, nil
	}
	var out []report
	for _, row := range rows[1:] {
		r := report{}
		for i, name := range header {
			if name != timestamp || e.byLetter {
				r[name] = value{text: row[i]}
			}
		}
		out = append(out, r)
	}
	return out, nil
}
