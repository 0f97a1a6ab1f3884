package result

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Shard is the part of a run that one machine carried out.
type Shard struct {
	Index int `json:"index"` // 1 to Of
	Of    int `json:"of"`
	// Deal is a hash over all cases of all shards with what was decided about them. It is the same for all shards of a run.
	Deal string `json:"deal"`
}

// String is the form of the command line, such as 2/3.
func (s Shard) String() string { return fmt.Sprintf("%d/%d", s.Index, s.Of) }

// Part is one shard of a run, and where it was read.
type Part struct {
	Path string
	*Run
}

// Merge joins all shards of a run, in any order. The error names everything that keeps them apart: another plan, tool or device, another
// deal, a shard that is missing or there twice. order compares the ids of cases as the plan does.
func Merge(parts []Part, order func(a, b string) int) (*Run, error) {
	if len(parts) == 0 {
		return nil, errors.New("there is nothing to merge")
	}
	var problems []error
	for _, p := range parts {
		if s := p.Shard; s == nil || s.Of < 1 || s.Index < 1 || s.Index > s.Of {
			problems = append(problems, fmt.Errorf("%s is not a shard; merge the runs of usptest run --shard", p.Path))
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	first := parts[0]
	for _, p := range parts[1:] {
		for _, d := range first.unlike(p.Run) {
			problems = append(problems, fmt.Errorf("%s and %s differ in %s", first.Path, p.Path, d))
		}
	}
	if len(problems) == 0 {
		problems = complete(parts)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return join(parts, order), nil
}

// settings compares all that decides the verdicts of two runs, apart from the device and its DUT file. What is the same is in it, too.
func (r *Run) settings(other *Run) []Difference {
	baseline := func(r *Run) string {
		if r.Baseline == nil {
			return ""
		}
		return fmt.Sprintf("%s %s", r.Baseline.Software, r.Baseline.Started)
	}
	return []Difference{
		{"tool", r.Tool.Name + " " + r.Tool.Version, other.Tool.Name + " " + other.Tool.Version},
		{"plan", r.Plan.ID + " " + r.Plan.Version, other.Plan.ID + " " + other.Plan.Version},
		{"plan hash", r.Plan.Hash, other.Plan.Hash},
		{"time scale", fmt.Sprint(r.TimeScale), fmt.Sprint(other.TimeScale)},
		{"tolerance in ms", fmt.Sprint(r.ToleranceMS), fmt.Sprint(other.ToleranceMS)},
		{"--strict-plan", fmt.Sprint(r.StrictPlan), fmt.Sprint(other.StrictPlan)},
		{"--repeat", fmt.Sprint(r.Repeat), fmt.Sprint(other.Repeat)},
		{"--failed", r.FailedOf, other.FailedOf},
		{"baseline", baseline(r), baseline(other)},
		{"waivers", fmt.Sprint(r.Waivers), fmt.Sprint(other.Waivers)},
		{"expected advice", fmt.Sprint(r.ExpectedAdvice), fmt.Sprint(other.ExpectedAdvice)},
	}
}

// unlike are the differences that two shards of one run cannot have.
func (r *Run) unlike(other *Run) []Difference {
	all := append(r.settings(other), Difference{"number of shards", fmt.Sprint(r.Shard.Of), fmt.Sprint(other.Shard.Of)})
	all = slices.DeleteFunc(all, func(d Difference) bool { return d.One == d.Other })
	for _, d := range r.Device.Differences(other.Device, FieldVendor, FieldModel, FieldSoftware, FieldEndpoint, FieldReference, FieldDefects) {
		d.Field = "device: " + d.Field
		all = append(all, d)
	}
	if len(all) == 0 && r.Shard.Deal != other.Shard.Deal {
		all = append(all, Difference{"the cases that were dealt: selection, links, features or lab", r.Shard.Deal[:min(12, len(r.Shard.Deal))],
			other.Shard.Deal[:min(12, len(other.Shard.Deal))]})
	}
	return all
}

// complete finds shards that are missing or there twice, and cases that are there twice.
func complete(parts []Part) (problems []error) {
	of := min(parts[0].Shard.Of, len(parts)+maxMissing) // whatever a file says
	from := map[int]string{}
	told := map[place]string{}
	for _, p := range parts {
		if other, ok := from[p.Shard.Index]; ok {
			problems = append(problems, fmt.Errorf("shard %s is there twice: %s and %s", p.Shard, other, p.Path))
			continue
		}
		from[p.Shard.Index] = p.Path
		for _, l := range p.Links {
			for _, c := range l.Cases {
				at := place{l.Link, c.ID}
				if other, ok := told[at]; ok {
					problems = append(problems, fmt.Errorf("%s is in both %s and %s", VisibleLine(at.link+" "+at.id), other, p.Path))
				}
				told[at] = p.Path
			}
		}
	}
	for n := 1; n <= of; n++ {
		if _, ok := from[n]; !ok {
			problems = append(problems, fmt.Errorf("shard %d/%d is missing", n, parts[0].Shard.Of))
		}
	}
	return problems
}

// maxMissing is how many missing shards are named.
const maxMissing = 100

// join makes one run of parts that fit together. Times are as if all had run at once.
func join(parts []Part, order func(a, b string) int) *Run {
	run := *parts[0].Run
	run.Shard, run.Dir, run.Links = nil, "", nil
	run.Again = withoutShard(run.Again)
	run.Features = slices.Clone(run.Features)
	for _, name := range linkNames(runs(parts)...) {
		run.Links = append(run.Links, Link{Link: name, Cases: []Case{}})
	}
	for _, p := range parts {
		if p.Started.Before(run.Started) {
			run.Started = p.Started
		}
		run.WallMS = max(run.WallMS, p.WallMS)
		MergeFeatures(run.Features, p.Features)
		run.Model = cmp.Or(run.Model, p.Model)
		for _, l := range p.Links {
			to := &run.Links[slices.IndexFunc(run.Links, func(o Link) bool { return o.Link == l.Link })]
			to.Cases = append(to.Cases, l.Cases...)
			to.WallMS = max(to.WallMS, l.WallMS)
			if l.LeftOn != "" {
				to.LeftOn = strings.TrimPrefix(fmt.Sprintf("%s; shard %s: %s", to.LeftOn, p.Shard, l.LeftOn), "; ")
			}
			if l.Trouble != "" {
				to.Trouble = strings.TrimPrefix(fmt.Sprintf("%s; shard %s: %s", to.Trouble, p.Shard, l.Trouble), "; ")
				to.DeviceLog = append(to.DeviceLog, l.DeviceLog...)
			}
		}
	}
	for _, l := range run.Links {
		slices.SortStableFunc(l.Cases, func(a, b Case) int { return order(a.ID, b.ID) })
	}
	run.Alternates = Alternates(run.Links)
	run.Conclude()
	return &run
}

func runs(parts []Part) []*Run {
	var all []*Run
	for _, p := range parts {
		all = append(all, p.Run)
	}
	return all
}

// withoutShard is a command line for the whole.
func withoutShard(words []string) []string {
	var out []string
	for i := 0; i < len(words); i++ {
		switch {
		case words[i] == "--shard":
			i++
		case strings.HasPrefix(words[i], "--shard="):
		default:
			out = append(out, words[i])
		}
	}
	return out
}

// MergeFeatures takes over what another link, instance or shard tells with more certainty: that the device shows a feature, then that it
// does not.
func MergeFeatures(known, more []Feature) {
	certainty := []string{Unknown, No, Yes}
	at := func(f Feature) int { return slices.Index(certainty, f.Detected) }
	for i := range known {
		if i < len(more) && at(more[i]) > at(known[i]) {
			known[i] = more[i]
		}
	}
}

// Alternates gathers what the cases used of the DUT file's elements, by role.
func Alternates(links []Link) []Alternate {
	var all []Alternate
	for _, l := range links {
		for _, c := range l.Cases {
			all = append(all, c.Alternates...)
		}
	}
	slices.SortFunc(all, func(a, b Alternate) int { return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.Path, b.Path)) })
	return slices.Compact(all)
}
