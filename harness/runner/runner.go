// Package runner carries out a run: it decides which cases run over which Link, deals them to worker processes, gathers what they
// report and concludes. It is the only package that knows ginkgo.
package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// Options say what to run, on what, and who receives the progress.
type Options struct {
	Plan   *plan.Plan
	Bodies harness.Bodies
	DUT    *dut.File
	// Links are names such as mqtt5 or stomp+tls.
	Links []string
	// Selectors are ids, globs or chapters; none means every case. Filters narrow them.
	Selectors []string
	Filters   []plan.Filter
	// Sampled limits what is carried out over some Links to the cases whose ids it gives. Its Links get one device each.
	Sampled map[string][]string
	// Failed limits the run to the cases that failed or could not be judged in an earlier one, which is named FailedOf; nil: no limit.
	Failed   *result.Run
	FailedOf string
	// Out is the folder for cases.jsonl and the journals. It exists.
	Out string
	// Instances is how many devices run at once, where the harness can launch them.
	Instances int
	// Scale divides every protocol interval; 1 is real time.
	Scale float64
	// StrictPlan judges by the letter of the plan where an erratum accepts another reading.
	StrictPlan bool
	// AdviceFails makes advice fail the run.
	AdviceFails bool
	// Repeat is how many rounds of each case are carried out; 0 is one.
	Repeat int
	// Reference says that the device is the project's own agent, with these Defects.
	Reference bool
	Defects   []string
	// Worker is the command line of a worker process; its standard input and output carry JSON lines.
	Worker []string
	Tool   result.Tool
	// Again is the command line that repeats the run, AgainCase the part of it that repeats any one case.
	Again, AgainCase []string
	Progress         Progress
	// Shard is the part of the run that is carried out here, by Index and Of; nil: all of it.
	Shard *result.Shard
	// Baseline is the run whose failures are known; nil: there is none.
	Baseline *result.Baseline
	// Resumed is an unfinished run in Out: its results are kept, and the rest is carried out; nil: a new run.
	Resumed *result.Run
	// AtOnce is closed when workers are to be killed that still put their device back, after the context has ended; nil: never.
	AtOnce <-chan struct{}
	// Ask has an operator do something to the device and returns when it is done; nil: there is no operator.
	Ask func(ctx context.Context, what string) error
}

// Progress receives events of a run while it goes on. Its methods are called from one goroutine at a time.
type Progress interface {
	// Start gives the head of the run (its Links are empty) and the ids of the cases that CaseDone will report over each of Options.Links.
	Start(run *result.Run, cases [][]string)
	CaseStarted(link, id string)
	CaseDone(link string, c result.Case)
	// Note is a line for the reader: a worker's trouble, a device restarted.
	Note(link, text string)
}

// Run carries out the cases and returns what was found. It returns an error only when there is nothing to report: a selection that matches
// nothing, elements of the DUT file that the device does not have (a *dut.Problems), or a folder that cannot be written. When ctx ends, the
// clean-up still runs, and what was not carried out is aborted; a cause of ctx is the reason.
func Run(ctx context.Context, o Options) (*result.Run, error) {
	began, leftOut := time.Now(), ""
	run, decided, err := o.begin(began, func(links []linkPlan) { leftOut = o.wireable(ctx, links) })
	if err != nil {
		return nil, err
	}
	log, err := newCaseLog(filepath.Join(o.Out, result.CasesFile))
	if err != nil {
		return nil, err
	}
	if err := log.begin(run); err != nil {
		return nil, err
	}
	ctx, refuse := context.WithCancel(ctx)
	defer refuse()
	s := &supervisor{Options: o, log: log, waivers: run.Waivers, advice: run.ExpectedAdvice,
		features: slices.Clone(run.Features), device: run.Device, refuse: refuse,
		grace: Grace(o.DUT)}
	var todo [][]string
	for _, d := range decided {
		var ids []string
		for _, c := range d.run {
			ids = append(ids, c.ID)
		}
		for _, c := range d.errors() {
			ids = append(ids, c.ID)
		}
		todo = append(todo, ids)
	}
	head := *run
	head.Links = nil
	o.Progress.Start(&head, todo)
	if leftOut != "" {
		o.Progress.Note(o.Links[0], leftOut)
	}
	for _, d := range decided {
		for _, c := range d.errors() {
			o.Progress.CaseDone(d.link, c)
		}
	}
	before := run.Links
	run.Links = s.runAll(ctx, decided)
	if s.stranger != nil {
		return nil, errors.Join(s.stranger, log.discard())
	}
	if s.refused() {
		return nil, errors.Join(&dut.Problems{List: s.elements}, log.discard())
	}
	for i := range run.Links {
		run.Links[i].WallMS += before[i].WallMS
		run.Links[i].LeftOn = joinNotes(before[i].LeftOn, run.Links[i].LeftOn)
	}
	run.Device = s.device
	run.Features, run.Alternates, run.Model = s.features, result.Alternates(run.Links), cmp.Or(s.model, run.Model)
	run.WallMS += time.Since(began).Milliseconds()
	run.Conclude()
	return run, log.close()
}

// begin decides about every case: what the run is before its first one, and what it does over each Link. wire settles the cases that need a
// network of their own.
func (o Options) begin(began time.Time, wire func([]linkPlan)) (run *result.Run, decided []linkPlan, err error) {
	cases, err := o.Plan.Select(o.Selectors)
	if err != nil {
		return nil, nil, err
	}
	run, decided = o.head(cases, began), o.decide(cases)
	run.GateChecks = o.gateChecks(decided)
	wire(decided)
	if err := nothingToRun(decided); err != nil {
		return nil, nil, err
	}
	if decided, run.Shard, err = o.takeShard(decided); err != nil {
		return nil, nil, err
	}
	for _, d := range decided {
		run.Links = append(run.Links, d.expected())
	}
	if o.Resumed != nil {
		err = o.goOn(run, decided)
	}
	return run, decided, err
}

// head is what is known of a run before it begins.
func (o Options) head(cases []plan.Case, started time.Time) *result.Run {
	run := &result.Run{
		Schema: result.Schema, Tool: o.Tool, Again: o.Again, AgainCase: o.AgainCase, TimeScale: o.Scale,
		StrictPlan: o.StrictPlan, AdviceFails: o.AdviceFails,
		Started:     started,
		ToleranceMS: o.DUT.Waits.Tolerance.Milliseconds(),
		Plan:        result.Plan{ID: o.Plan.ID, Version: o.Plan.Version, Hash: o.Plan.Hash()},
		Device: result.Device{Vendor: o.DUT.Device.Vendor, Model: o.DUT.Device.Model, Software: o.DUT.Device.Software,
			Endpoint: endpoint(o.DUT), Serial: o.DUT.Device.Serial, Reference: o.Reference, Defects: o.Defects},
		Features: unknownFeatures(o.Plan, o.DUT, "no device reported its supported data model"), Baseline: o.Baseline, Repeat: o.Repeat, FailedOf: o.FailedOf,
		Coverage: o.coverage(), Laboratory: o.DUT.Laboratory, Tester: o.DUT.Tester,
	}
	if !ofPlan(cases, o.Plan.Cases, func(plan.Case) bool { return true }) {
		run.Selectors = o.Selectors
	}
	for _, f := range o.Filters {
		if !ofPlan(o.Plan.Cases, o.Plan.Cases, func(c plan.Case) bool { return f.Match(c.Labels()) }) {
			run.Filters = append(run.Filters, f.Name)
		}
	}
	if o.DUT.Path != "" {
		run.DUT = &result.DUTFile{File: o.DUT.Path, SHA256: o.DUT.SHA256, Text: o.DUT.Masked(o.Plan)}
	}
	if !o.Reference { // whose waits fit its time scale
		for _, p := range o.DUT.Waits.Patience() {
			run.Patience = append(run.Patience, result.Patience{Name: p.Name, Is: p.Text, DefaultMS: p.Default.Milliseconds(),
				MS: p.Value.Milliseconds(), Lenient: p.Lenient})
		}
		for _, name := range o.DUT.LinkNames() {
			if !slices.Contains(o.Links, name) {
				run.OtherLinks = append(run.OtherLinks, name)
			}
		}
	}
	for _, w := range o.DUT.Waivers {
		run.Waivers = append(run.Waivers, result.Waiver{Case: w.Case, Reason: w.Reason, Issue: w.Issue, Until: w.Until.Format(time.DateOnly)})
	}
	for _, a := range o.DUT.Advice {
		expected := result.ExpectedAdvice{Check: a.Check, Metrics: a.Metrics, Reason: a.Reason, Issue: a.Issue}
		if !a.Until.IsZero() {
			expected.Until = a.Until.Format(time.DateOnly)
		}
		run.ExpectedAdvice = append(run.ExpectedAdvice, expected)
	}
	return run
}

// ofPlan reports whether all cases of the plan are among some that match; checks beyond the plan may lack.
func ofPlan(some, all []plan.Case, match func(plan.Case) bool) bool {
	count := func(cases []plan.Case, match func(plan.Case) bool) (n int) {
		for _, c := range cases {
			if !c.IsCheck() && match(c) {
				n++
			}
		}
		return n
	}
	return count(some, match) == count(all, func(plan.Case) bool { return true })
}

// gateChecks reports whether the checks beyond the plan count for the exit code: a selector names one, or there is nothing else to run.
func (o Options) gateChecks(decided []linkPlan) bool {
	checks, cases := 0, 0
	for _, l := range decided {
		for _, c := range l.run {
			if c.IsCheck() {
				checks++
			} else {
				cases++
			}
		}
	}
	return checks > 0 && (cases == 0 || len(o.Selectors) > 0)
}

// coverage counts what of the plan applies to the device by its declared features, over whatever link.
func (o Options) coverage() *result.Coverage {
	c := &result.Coverage{}
	setup := plan.Setup{Features: o.DUT.Features}
	for _, known := range o.Plan.Cases {
		if known.IsCheck() || known.Status != plan.Active {
			continue
		}
		c.Plan++
		known.MTPs, known.TLS = nil, plan.TLSEither
		if o.Plan.Decide(known, setup).Choice == plan.ChooseUnsupported {
			continue
		}
		c.Apply++
		if o.Bodies[known.ID] != nil {
			c.Automated++
		}
	}
	return c
}

// expected is the link before its first case: what is known beforehand, and each case to come as one that the run did not come to.
func (l linkPlan) expected() result.Link {
	e := result.Link{Link: l.link, Cases: slices.Clone(l.rest)}
	for _, c := range l.run {
		e.Cases = append(e.Cases, result.Case{ID: c.ID, Title: c.Title, Verdict: result.Aborted, Reason: result.Unfinished})
	}
	slices.SortFunc(e.Cases, func(a, b result.Case) int { return plan.Compare(a.ID, b.ID) })
	return e
}

// goOn takes over the results of the resumed run, and leaves only the unfinished of the decided cases to carry out.
func (o Options) goOn(run *result.Run, decided []linkPlan) error {
	if err := run.Resumes(o.Resumed); err != nil {
		return err
	}
	open := 0
	for i, d := range decided {
		was := o.Resumed.Links[slices.IndexFunc(o.Resumed.Links, func(l result.Link) bool { return l.Link == d.link })]
		run.Links[i].WallMS, run.Links[i].LeftOn = was.WallMS, was.LeftOn
		decided[i].run = nil
		for j, c := range d.rest { // what a person said of it stays
			at := slices.IndexFunc(was.Cases, func(k result.Case) bool { return k.ID == c.ID && len(k.ByHand) > 0 })
			if at >= 0 {
				decided[i].rest[j] = was.Cases[at]
			}
		}
		for _, c := range d.run {
			at := slices.IndexFunc(was.Cases, func(k result.Case) bool { return k.ID == c.ID })
			if at < 0 || was.Cases[at].Undone() {
				decided[i].run = append(decided[i].run, c)
				continue
			}
			decided[i].rest = append(decided[i].rest, was.Cases[at])
		}
		open += len(decided[i].run)
		done := decided[i].expected()
		run.Links[i].Cases = done.Cases
	}
	if open == 0 && sealed(o.Resumed.Dir) {
		return errors.New("every case of the run is finished; there is nothing to resume. --failed repeats what failed or could not be judged")
	}
	run.Model = o.Resumed.Model
	run.Started, run.WallMS, run.Device, run.Features = o.Resumed.Started, o.Resumed.WallMS, o.Resumed.Device, o.Resumed.Features
	return nil
}

// sealed reports whether the folder of a run has all that a run writes: the seals are the last.
func sealed(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, result.SumsFile))
	return err == nil
}

// linkPlan is what a run does over one Link: the cases to carry out, and the results of the others, which are known beforehand.
type linkPlan struct {
	link string
	run  []plan.Case
	rest []result.Case
}

// errors are the cases that ought to be carried out and cannot be.
func (l linkPlan) errors() []result.Case {
	return slices.DeleteFunc(slices.Clone(l.rest), func(c result.Case) bool { return c.Verdict != result.Error || !c.Started.IsZero() })
}

// decide sorts the cases of every Link. What is the same for every Link of the run is reported once: over the first Link that it concerns,
// or over the nearest where there is none.
func (o Options) decide(cases []plan.Case) []linkPlan {
	setup := plan.Setup{
		Features: o.DUT.Features, Filters: o.Filters,
		Automated: func(id string) bool { return o.Bodies[id] != nil },
		Offers:    o.DUT.Offers,
	}
	var out []linkPlan
	told := map[string]bool{}
	for _, link := range o.Links {
		p := linkPlan{link: link}
		setup.Link = link
		for _, c := range cases {
			sample, sampled := o.Sampled[link]
			if sampled && !slices.Contains(sample, c.ID) || o.Failed != nil && !o.Failed.Open(link, c.ID) {
				continue
			}
			d := o.Plan.Decide(c, setup)
			switch d.Choice {
			case plan.ChooseRun:
				p.run = append(p.run, c)
				continue
			case plan.ChooseOtherLink:
				if slices.ContainsFunc(o.Links, c.AppliesTo) || link != o.nearest(c) {
					continue
				}
				d = o.elsewhere(c, setup, d)
			case plan.ChooseDeselected:
				if c.IsCheck() {
					continue // it is no part of the plan, so that nothing lacks
				}
			case plan.ChooseDeprecated, plan.ChooseNotAutomated:
				if told[c.ID] {
					continue
				}
				told[c.ID] = true
			}
			p.rest = append(p.rest, result.Case{ID: c.ID, Title: c.Title, Verdict: verdict(d.Choice), Reason: d.Reason})
		}
		out = append(out, p)
	}
	return out
}

// nearest is the Link that reports a case that fits no Link of this run: one that only lacks TLS, or must not have it, or the first.
func (o Options) nearest(c plan.Case) string {
	c.TLS = plan.TLSEither
	return o.Links[max(0, slices.IndexFunc(o.Links, c.AppliesTo))]
}

// elsewhere is the decision about a case that belongs to no Link of this run: the device does not support it over any Link, or the run left
// its Link out. What the device supports and the run did not try must not look as if it did not apply.
func (o Options) elsewhere(c plan.Case, setup plan.Setup, d plan.Decision) plan.Decision {
	c.MTPs, c.TLS = nil, plan.TLSEither
	if there := o.Plan.Decide(c, setup); there.Choice == plan.ChooseUnsupported {
		return there
	}
	return d
}

// verdict is that of a case which is not carried out.
func verdict(c plan.Choice) result.Verdict {
	switch c {
	case plan.ChooseOtherLink:
		return result.Deselected
	case plan.ChooseLacksNeed:
		return result.Error
	}
	return result.Verdict(c)
}

// endpoint is the device's Endpoint ID, of the first instance where each has its own.
func endpoint(f *dut.File) string {
	id, err := f.AgentID(1)
	if err != nil {
		return f.Device.Endpoint
	}
	return string(id)
}

// fillIn completes the device's identity in the DUT file with what the device reports.
func fillIn(d *result.Device, i identity) {
	for _, f := range []struct {
		to   *string
		from string
	}{{&d.Vendor, i.Vendor}, {&d.Model, i.Model}, {&d.Software, i.Software}, {&d.Endpoint, i.Endpoint}} {
		if *f.to == "" {
			*f.to = f.from
		}
	}
	if i.Vendor+i.Model+i.Software != "" {
		d.Says = &result.Identity{Vendor: i.Vendor, Model: i.Model, Software: i.Software}
	}
	d.Firmware, d.USP = i.Firmware, i.USP
}

// nothingToRun is the error of a selection that leaves no case to carry out: an empty run must not look like a pass.
func nothingToRun(links []linkPlan) error {
	reasons := map[string]int{}
	for _, l := range links {
		if len(l.run) > 0 {
			return nil
		}
		for _, c := range l.rest {
			reasons[fmt.Sprintf("%s: %s", c.Verdict, c.Reason)]++
		}
	}
	most, count := "no case was selected", 0
	for reason, n := range reasons {
		if n > count || n == count && reason < most {
			most, count = reason, n
		}
	}
	return fmt.Errorf("nothing to run: of %d selected cases none can be carried out; the most frequent reason is %q", total(reasons), most)
}

func total(counts map[string]int) (sum int) {
	for _, n := range counts {
		sum += n
	}
	return sum
}
