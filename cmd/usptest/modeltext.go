package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/usptest/usptest/harness/model"
	"github.com/usptest/usptest/harness/result"
)

// maxLacks is how many of the elements that a profile lacks a table names.
const maxLacks = 3

// listedProfile is one element of "usptest model --list --format json".
type listedProfile struct {
	Name     string       `json:"profile"`
	Version  string       `json:"version"` // of TR-181, with which it came
	Status   model.Status `json:"status,omitempty"`
	Requires int          `json:"requires"`
}

func listProfiles(w io.Writer, format string, m *model.Model) error {
	listed := []listedProfile{}
	rows := [][]string{}
	for _, name := range m.VisibleProfiles() {
		p := m.Profiles[name]
		l := listedProfile{name, p.Version, p.Status, len(m.Wanted(name))}
		listed = append(listed, l)
		rows = append(rows, []string{l.Name, l.Version, fmt.Sprint(l.Requires), string(l.Status)})
	}
	if format == "json" {
		return writeJSON(w, listed)
	}
	return writeTable(w, format, []string{"profile", "since", "requires", "status"}, rows)
}

// writeModel writes what a comparison found.
func writeModel(w io.Writer, format string, r *model.Report) error {
	if format == "json" {
		return writeJSON(w, r)
	}
	fmt.Fprintln(w, result.VisibleLine(fmt.Sprintf("%q compared with %s", r.Device, r.Model)))
	fmt.Fprintln(w)
	var rows [][]string
	for _, s := range r.Profiles {
		if s.State == model.Absent && len(r.Claimed) == 0 {
			continue
		}
		rows = append(rows, []string{s.Profile, s.State, fmt.Sprintf("%d of %d", s.Has, s.Of), lacks(s.Lacks)})
	}
	if len(r.Claimed) > 0 {
		rows = claimedOnly(r, rows)
	}
	if err := writeTable(w, format, []string{"profile", "state", "has", "lacks"}, rows); err != nil {
		return err
	}
	if absent := absentProfiles(r); absent != "" && len(r.Claimed) == 0 {
		fmt.Fprintf(w, "\nabsent: %s\n", absent)
	}
	rows = nil
	for _, f := range r.Findings {
		kind := "fault"
		if f.Advice {
			kind = "advice"
		}
		rows = append(rows, []string{kind, f.Path, f.Want, f.Got, f.Profile})
	}
	if len(rows) > 0 {
		fmt.Fprintln(w)
		if err := writeTable(w, format, []string{"finding", "path", "want", "got", "profile"}, rows); err != nil {
			return err
		}
	}
	fmt.Fprintln(w)
	for _, n := range r.Notes {
		fmt.Fprintln(w, "note:", result.VisibleLine(n))
	}
	fmt.Fprintln(w, verdict(r))
	return nil
}

// claimedOnly are the rows of the claimed profiles.
func claimedOnly(r *model.Report, rows [][]string) [][]string {
	var some [][]string
	for _, name := range r.Claimed {
		for _, row := range rows {
			if row[0] == name {
				some = append(some, row)
			}
		}
	}
	return some
}

func verdict(r *model.Report) string {
	faults, advice := 0, 0
	for _, f := range r.Findings {
		if f.Advice {
			advice++
		} else {
			faults++
		}
	}
	text := fmt.Sprintf("%d faults, %d of them in claimed profiles; %d pieces of advice", faults, r.Faults(), advice)
	if len(r.Claimed) == 0 {
		text = fmt.Sprintf("%d faults, %d pieces of advice; no profile was claimed, so nothing fails", faults, advice)
	}
	return text
}

func lacks(paths []string) string {
	var shown []string
	for _, p := range paths {
		if len(shown) == maxLacks {
			return fmt.Sprintf("%s and %d more", strings.Join(shown, ", "), len(paths)-maxLacks)
		}
		shown = append(shown, p)
	}
	return strings.Join(shown, ", ")
}

func absentProfiles(r *model.Report) string {
	var names []string
	for _, s := range r.Profiles {
		if s.State == model.Absent {
			names = append(names, s.Profile)
		}
	}
	return strings.Join(names, ", ")
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(v)
}

// writeTable writes rows as a table of text or Markdown. What stands in them can come from a device.
func writeTable(w io.Writer, format string, head []string, rows [][]string) error {
	if format == "markdown" {
		fmt.Fprintf(w, "| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat("---|", len(head)))
		for _, row := range rows {
			for i, cell := range row {
				row[i] = markdownCell(cell)
			}
			fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
		}
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

// markdownCell takes the meaning from what Markdown and HTML would read in a cell.
func markdownCell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "`", "\\`", "[", `\[`).Replace(result.VisibleLine(s))
}
