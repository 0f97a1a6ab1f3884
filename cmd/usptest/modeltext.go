package main

import (
	"fmt"
	"io"
	"strings"

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
	if format == formatJSON {
		return writeJSON(w, listed)
	}
	return writeTable(w, format, []string{"profile", "since", "requires", "status"}, rows)
}

// writeModel writes what a comparison found.
func writeModel(w io.Writer, format string, r *model.Report) error {
	if format == formatJSON {
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
		row := []string{kind, f.Path, f.Want, f.Got, f.Profile}
		if r.Journal != "" {
			row = append(row, fmt.Sprint(f.Event))
		}
		rows = append(rows, row)
	}
	if len(rows) > 0 {
		fmt.Fprintln(w)
		head := []string{"finding", "path", "want", "got", "profile", "event"}
		if err := writeTable(w, format, head[:len(rows[0])], rows); err != nil {
			return err
		}
	}
	fmt.Fprintln(w)
	for _, n := range r.Notes {
		fmt.Fprintln(w, "note:", result.VisibleLine(n))
	}
	if r.Journal != "" {
		fmt.Fprintln(w, "journal:", r.Journal)
	}
	fmt.Fprintln(w, r.Summary())
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
