package html

import (
	"fmt"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness/result"
)

// maxModel is how many findings about the data model the report shows.
const maxModel = 200

// modelView is how the device's data model compares with TR-181.
type modelView struct {
	Device, Model text
	Profiles      []profileView
	Absent        text
	Findings      []modelFinding
	More          int // findings that are not shown
	Notes         []text
	Journal       text
}

// profileView is a profile of which the device has something, or that it claims.
type profileView struct {
	Name, Lacks text
	State, Tone string
	Claimed     bool
	Has, Of     int
}

// modelFinding is one thing in which the device differs from TR-181.
type modelFinding struct {
	Kind, Tone               string
	Path, Want, Got, Profile text
	Event                    uint64
}

// model makes the section about the data model; nil when no device described it.
func (r *renderer) model() *modelView {
	m := r.run.Model
	if m == nil {
		return nil
	}
	v := &modelView{Device: line(m.Device, maxText), Model: line(m.Model, maxText), Journal: line(m.Journal, maxText)}
	var absent []string
	for _, p := range m.Profiles {
		claimed := slices.Contains(m.Claimed, p.Profile)
		if p.State == "absent" && !claimed {
			absent = append(absent, p.Profile)
			continue
		}
		tone := "rest"
		switch {
		case p.State == "complete":
			tone = "pass"
		case claimed:
			tone = "fail"
		}
		v.Profiles = append(v.Profiles, profileView{Name: line(p.Profile, maxText), Lacks: line(strings.Join(p.Lacks, ", "), maxText),
			State: result.VisibleLine(p.State), Tone: tone, Claimed: claimed, Has: p.Has, Of: p.Of})
	}
	v.Absent = line(strings.Join(absent, ", "), maxText)
	for _, f := range m.Findings {
		if len(v.Findings) == maxModel {
			v.More++
			continue
		}
		kind, tone := "fault", "error"
		switch {
		case f.Advice:
			kind, tone = "advice", "rest"
		case f.Profile != "":
			tone = "fail"
		}
		v.Findings = append(v.Findings, modelFinding{Kind: kind, Tone: tone, Path: line(f.Path, maxText), Want: line(f.Want, maxText),
			Got: line(f.Got, maxText), Profile: line(f.Profile, maxText), Event: f.Event})
	}
	for _, n := range m.Notes[:min(maxList, len(m.Notes))] {
		v.Notes = append(v.Notes, line(n, maxText))
	}
	return v
}

// Summary is the section in a sentence.
func (v *modelView) Summary() string {
	count := map[string]int{}
	for _, p := range v.Profiles {
		count[p.State]++
	}
	return fmt.Sprintf("%d profiles complete, %d in part. This section is apart from the test plan and its conclusion.", count["complete"], count["partial"])
}
