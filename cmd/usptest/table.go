package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/reports/markdown"
)

// The formats of what is not a report.
const (
	formatTable    = "table"
	formatJSON     = "json"
	formatMarkdown = "markdown"
)

var listFormats = []string{formatTable, formatJSON, formatMarkdown}

// knownFormat refuses a --format that is none of those.
func knownFormat(format string, formats []string) error {
	if slices.Contains(formats, format) {
		return nil
	}
	return fmt.Errorf("--format %q: want one of %s", format, strings.Join(formats, ", "))
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(v)
}

// writeTable writes rows as a table of text or Markdown. Their content may come from a device.
func writeTable(w io.Writer, format string, head []string, rows [][]string) error {
	if format == formatMarkdown {
		for _, row := range rows {
			for i, cell := range row {
				row[i] = markdown.Cell(cell)
			}
		}
		markdown.Table(w, head, rows)
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.ToUpper(strings.Join(head, "\t")))
	for _, row := range rows {
		for i, cell := range row {
			row[i] = result.VisibleLine(cell)
		}
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}
