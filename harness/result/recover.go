package result

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness/model"
)

// WorkersFile is the name of the file on which each worker of a run holds a shared lock. Who has it alone knows that no worker is left.
const WorkersFile = ".workers"

// TurnFile is the name of the file on which a worker holds a lock while it carries out a case that adds certificates.
const TurnFile = ".turn"

// CasesFile is the name of the file that a run writes while it goes on; its lines are Logged.
const CasesFile = "cases.jsonl"

// Logged is a line of CasesFile; one of its fields is set, and Link is beside Case, Trouble and LeftOn.
type Logged struct {
	// Run is the run before its first case, or before it went on: each case that is still to come is Aborted. It replaces all lines before.
	Run *Run `json:"run,omitempty"`
	// Device, Features and Model are what a device said at first contact.
	Device   *Device       `json:"device,omitempty"`
	Features []Feature     `json:"features,omitempty"`
	Model    *model.Report `json:"model,omitempty"`
	Link     string        `json:"link,omitempty"`
	Case     *Case         `json:"case,omitempty"`
	Trouble  string        `json:"trouble,omitempty"`
	LeftOn   string        `json:"leftOn,omitempty"`
}

// The reasons of cases that a run did not come to, or not to the end of.
const (
	Unfinished  = "the run ended before the case did"
	Interrupted = "the run was interrupted"
)

// Recover reads the CasesFile of a run that did not end in good order, and concludes. A last line that was cut short is left out; anything
// else that is no line of such a file is an error with its line.
func Recover(path string) (*Run, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	var run *Run
	lines := bufio.NewScanner(bytes.NewReader(data[:bytes.LastIndexByte(data, '\n')+1]))
	lines.Buffer(nil, len(data)+1)
	for n := 1; lines.Scan(); n++ {
		var l Logged
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			return nil, fmt.Errorf("%s:%d: not a line of a run: %w", path, n, err)
		}
		switch {
		case l.Run != nil:
			if run = l.Run; run.Schema != Schema {
				return nil, fmt.Errorf("%s:%d: schema: want %q, got %q; use the version of usptest that wrote it", path, n, Schema, VisibleLine(run.Schema))
			}
		case run == nil:
			return nil, fmt.Errorf("%s:%d: want the head of a run first; an earlier version of usptest wrote this file", path, n)
		case !run.take(l):
			return nil, fmt.Errorf("%s:%d: %s %s is not a case of this run", path, n, short(l.Link), short(l.Case.ID))
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if run == nil {
		return nil, fmt.Errorf("%s: the run ended before it began; start a new one", path)
	}
	run.Dir = filepath.Dir(path)
	if err := run.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	run.Alternates = Alternates(run.Links)
	run.WallMS = max(run.WallMS, run.lasted())
	run.Conclude()
	return run, nil
}

// take books a line. ok is false when it speaks of a case that the run does not have.
func (r *Run) take(l Logged) (ok bool) {
	if l.Device != nil {
		r.Device = *l.Device
	}
	if l.Features != nil {
		r.Features = l.Features
	}
	r.Model = cmp.Or(r.Model, l.Model)
	i := slices.IndexFunc(r.Links, func(o Link) bool { return o.Link == l.Link })
	if l.Case == nil {
		if i >= 0 && l.Trouble != "" {
			r.Links[i].Trouble = l.Trouble
		}
		if i >= 0 && l.LeftOn != "" {
			r.Links[i].LeftOn = l.LeftOn
		}
		return true
	}
	if i < 0 {
		return false
	}
	at := slices.IndexFunc(r.Links[i].Cases, func(c Case) bool { return c.ID == l.Case.ID })
	if at < 0 {
		return false
	}
	r.Links[i].Cases[at] = *l.Case
	return true
}

// lasted is how long it took until the last case ended, in milliseconds.
func (r *Run) lasted() (ms int64) {
	for _, l := range r.Links {
		for _, c := range l.Cases {
			if !c.Started.IsZero() {
				ms = max(ms, c.Started.Sub(r.Started).Milliseconds()+c.DurationMS)
			}
		}
	}
	return min(max(ms, 0), maxMS)
}

// Undone reports whether a case was to be carried out and did not come to its end: it was aborted, or is an error without a judged metric.
func (c Case) Undone() bool {
	return c.Verdict == Aborted || c.Verdict == Error && !slices.ContainsFunc(c.Metrics, func(m Metric) bool { return m.Verdict != NotReached })
}

// Resumes says why a run cannot go on as the run r; nil when it can: device, DUT file, cases and all that decides verdicts are the same.
func (r *Run) Resumes(before *Run) error {
	dut := func(r *Run) DUTFile {
		if r.DUT == nil {
			return DUTFile{}
		}
		return *r.DUT
	}
	all := append(before.settings(r), []Difference{
		{"SHA-256 of the DUT file", dut(before).SHA256, dut(r).SHA256},
		{"selection", fmt.Sprint(before.Selectors, before.Filters), fmt.Sprint(r.Selectors, r.Filters)},
		{"links", fmt.Sprint(linkNames(before)), fmt.Sprint(linkNames(r))},
		{"defects", fmt.Sprint(before.Device.Defects), fmt.Sprint(r.Device.Defects)},
		{"--shard", fmt.Sprint(before.Shard), fmt.Sprint(r.Shard)},
	}...)
	if dut(before).SHA256 == dut(r).SHA256 {
		one, other := firstDifference(dut(before).Text, dut(r).Text)
		all = append(all, Difference{"DUT file with the variables of this environment", one, other})
	}
	problems := problems(all)
	if len(problems) == 0 {
		problems = append(before.lacks(r, "was not"), r.lacks(before, "is no longer")...)
	}
	if len(problems) > 0 {
		return fmt.Errorf("the run cannot go on, since it would not be one run; begin another:\n%w", errors.Join(problems...))
	}
	return nil
}

// problems are the differences that are there.
func problems(all []Difference) (problems []error) {
	for _, d := range all {
		if d.One != d.Other {
			problems = append(problems, errors.New(d.String()))
		}
	}
	return problems
}

// lacks are the cases of other, over its links, that r does not have; the first of them stands for the others.
func (r *Run) lacks(other *Run, was string) []error {
	for _, l := range other.Links {
		for _, c := range l.Cases {
			if !slices.ContainsFunc(cases(r, l.Link), func(k Case) bool { return k.ID == c.ID }) {
				return []error{fmt.Errorf("%s %s %s part of the run", VisibleLine(l.Link), VisibleLine(c.ID), was)}
			}
		}
	}
	return nil
}

// firstDifference are the first lines in which two texts differ; both are empty when they do not.
func firstDifference(one, other string) (string, string) {
	a, b := strings.Split(one, "\n"), strings.Split(other, "\n")
	for i := range max(len(a), len(b)) {
		var x, y string
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			return strings.TrimSpace(x), strings.TrimSpace(y)
		}
	}
	return "", ""
}
