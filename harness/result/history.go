package result

import (
	"cmp"
	"slices"
	"time"
)

// RunHead says which run something is about: what was tested, when, by which plan and tool, and what came of it.
type RunHead struct {
	// File is the run.json, as the reader named it.
	File    string    `json:"file,omitempty"`
	Started time.Time `json:"started"`
	Tool    Tool      `json:"tool"`
	Plan    Plan      `json:"plan"`
	Device  Device    `json:"device"`
	// Conclusion is conformant, partial or not-conformant, and Counts how many cases have each verdict, over all links.
	Conclusion string          `json:"conclusion"`
	Counts     map[Verdict]int `json:"counts"`
}

// Head is what others say of the run at file.
func (r *Run) Head(file string) RunHead {
	device := r.Device
	device.Firmware, device.Says = nil, nil
	return RunHead{
		File: file, Started: r.Started, Tool: r.Tool, Plan: r.Plan, Device: device, Conclusion: r.Conclusion.Value, Counts: r.Counts(),
	}
}

// HistorySchema names the version of the JSON of a History.
const HistorySchema = "usptest-history/v1"

// History is how the cases of devices changed from run to run.
type History struct {
	Schema  string          `json:"schema"`
	Devices []DeviceHistory `json:"devices"`
}

// DeviceHistory is a matrix: the runs of one model, the oldest first, and what each case was in them.
type DeviceHistory struct {
	Vendor string `json:"vendor"`
	Model  string `json:"model"`
	// Reference says that it is the project's own reference agent.
	Reference bool          `json:"reference,omitempty"`
	Runs      []RunHead     `json:"runs"`
	Cases     []CaseHistory `json:"cases"`
}

// CaseHistory is a row: the verdicts of a case, one for each run.
type CaseHistory struct {
	ID    string      `json:"id"`
	Title string      `json:"title"`
	Runs  []CaseOfRun `json:"runs"`
	// Changed says that the verdict is not the same in all runs that judged the case.
	Changed bool `json:"changed,omitempty"`
}

// CaseOfRun is a case in a run: the verdict that weighs most, and those of the links. It is empty where the run did not have the case.
type CaseOfRun struct {
	Verdict Verdict            `json:"verdict,omitempty"`
	Links   map[string]Verdict `json:"links,omitempty"`
}

// NewHistory sorts runs, each with the name of its file, by device and time. before orders ids of cases. Cases that no run judged are left
// out.
func NewHistory(runs []*Run, files []string, before func(a, b string) int) *History {
	h := &History{Schema: HistorySchema, Devices: []DeviceHistory{}}
	order := make([]int, len(runs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return runs[a].Started.Compare(runs[b].Started) })
	of := map[int][]*Run{} // the runs of each device
	for _, i := range order {
		r := runs[i]
		at := slices.IndexFunc(h.Devices, func(d DeviceHistory) bool {
			return d.Vendor == r.Device.Vendor && d.Model == r.Device.Model && d.Reference == r.Device.Reference
		})
		if at < 0 {
			at = len(h.Devices)
			h.Devices = append(h.Devices, DeviceHistory{Vendor: r.Device.Vendor, Model: r.Device.Model, Reference: r.Device.Reference})
		}
		h.Devices[at].Runs = append(h.Devices[at].Runs, r.Head(files[i]))
		of[at] = append(of[at], r)
	}
	for i := range h.Devices {
		h.Devices[i].Cases = rows(of[i], before)
	}
	return h
}

// rows are the cases that any of the runs judged.
func rows(runs []*Run, before func(a, b string) int) []CaseHistory {
	cases := []CaseHistory{}
	place := map[string]int{}
	for n, r := range runs {
		for _, l := range r.Links {
			for _, c := range l.Cases {
				at, known := place[c.ID]
				if !known {
					at, place[c.ID] = len(cases), len(cases)
					cases = append(cases, CaseHistory{ID: c.ID, Title: c.Title, Runs: make([]CaseOfRun, len(runs))})
				}
				of := &cases[at].Runs[n]
				if of.Links == nil {
					of.Links = map[string]Verdict{}
				}
				of.Links[l.Link] = c.Verdict
				of.Verdict = heavier(of.Verdict, c.Verdict)
			}
		}
	}
	cases = slices.DeleteFunc(cases, func(c CaseHistory) bool {
		return !slices.ContainsFunc(c.Runs, func(o CaseOfRun) bool { return judged(o.Verdict) })
	})
	for i := range cases {
		var first Verdict
		for _, o := range cases[i].Runs {
			if judged(o.Verdict) {
				first = cmp.Or(first, o.Verdict)
				cases[i].Changed = cases[i].Changed || o.Verdict != first
			}
		}
	}
	slices.SortFunc(cases, func(a, b CaseHistory) int { return before(a.ID, b.ID) })
	return cases
}

// heavier is the one of two verdicts of a case, over two links, that says more: a fault before an error, an error before a pass, and a pass
// before what was not judged.
func heavier(a, b Verdict) Verdict {
	order := []Verdict{Fail, FailByHand, Flaky, Waived, Error, Aborted, Advice, PassByHand, Pass,
		NotAutomated, Deselected, Unsupported, Deprecated}
	weight := func(v Verdict) int {
		if i := slices.Index(order, v); i >= 0 {
			return i
		}
		return len(order)
	}
	if a == "" || weight(b) < weight(a) {
		return b
	}
	return a
}

// Over are the links over which the case has the verdict that weighs most, where the links differ; nil where they agree.
func (o CaseOfRun) Over() (links []string) {
	agree := true
	for link, v := range o.Links {
		if v == o.Verdict {
			links = append(links, link)
		} else if judged(v) {
			agree = false
		}
	}
	if agree {
		return nil
	}
	slices.Sort(links)
	return links
}
