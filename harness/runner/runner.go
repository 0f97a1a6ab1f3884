// Package runner carries out a run: it decides which cases run over which Link, deals them to worker processes, gathers what they
// report and concludes. It is the only package that knows ginkgo.
package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// Options say what to run, on what, and who wants to hear of it.
type Options struct {
	Plan   *plan.Plan
	Bodies harness.Bodies
	DUT    *dut.File
	// Links are names such as mqtt5 or stomp+tls.
	Links []string
	// Selectors are ids, globs or chapters; none means every case. Filters narrow them.
	Selectors []string
	Filters   []plan.Filter
	// Failed limits the run to the cases that failed or could not be judged in an earlier one, which is named FailedOf; nil: no limit.
	Failed   *result.Run
	FailedOf string
	// Out is the folder for cases.jsonl and the journals. It exists.
	Out string
	// Instances is how many devices run at once, where the harness can launch them.
	Instances int
	// Scale divides every protocol interval; 1 is real time.
	Scale float64
	// StrictPlan judges by the letter of the plan where an erratum tells of another reading.
	StrictPlan bool
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
	// AtOnce is closed when workers are to be killed that still put their device back, after the context has ended; nil: never.
	AtOnce <-chan struct{}
	// Ask has an operator do something to the device and returns when it is done; nil: there is no operator.
	Ask func(ctx context.Context, what string) error
}

// Progress hears of a run while it goes on. Its methods are called from one goroutine at a time.
type Progress interface {
	// Start gives the head of the run (its Links are empty) and the ids of the cases of which CaseDone will tell over each of Options.Links.
	Start(run *result.Run, cases [][]string)
	CaseStarted(link, id string)
	CaseDone(link string, c result.Case)
	// Note is a line for the reader: a worker's trouble, a device restarted.
	Note(link, text string)
}

// Run carries out the cases and returns what was found. It returns an error only when there is nothing to report: a selection that
// matches nothing, elements of the DUT file that the device does not have (a *dut.Problems), or a folder that cannot be written. When ctx ends, the clean-up still runs, and what was not carried out is aborted.
func Run(ctx context.Context, o Options) (*result.Run, error) {
	cases, err := o.Plan.Select(o.Selectors)
	if err != nil {
		return nil, err
	}
	started := time.Now()
	run := &result.Run{
		Schema: result.Schema, Tool: o.Tool, Again: o.Again, AgainCase: o.AgainCase, TimeScale: o.Scale, StrictPlan: o.StrictPlan, Started: started,
		ToleranceMS: o.DUT.Waits.Tolerance.Milliseconds(),
		Plan:        result.Plan{ID: o.Plan.ID, Version: o.Plan.Version, Hash: o.Plan.Hash()},
		Device: result.Device{Vendor: o.DUT.Device.Vendor, Model: o.DUT.Device.Model, Software: o.DUT.Device.Software,
			Endpoint: endpoint(o.DUT), Reference: o.Reference, Defects: o.Defects},
		Features: unknownFeatures(o.Plan, o.DUT, "no device told its supported data model"), Baseline: o.Baseline, Repeat: o.Repeat, FailedOf: o.FailedOf,
	}
	if len(cases) < len(o.Plan.Cases) {
		run.Selectors = o.Selectors
	}
	for _, w := range o.DUT.Waivers {
		run.Waivers = append(run.Waivers, result.Waiver{Case: w.Case, Reason: w.Reason, Issue: w.Issue, Until: w.Until.Format(time.DateOnly)})
	}
	decided := o.decide(cases)
	if err := nothingToRun(decided); err != nil {
		return nil, err
	}
	if decided, run.Shard, err = o.takeShard(decided); err != nil {
		return nil, err
	}
	log, err := newCaseLog(filepath.Join(o.Out, "cases.jsonl"))
	if err != nil {
		return nil, err
	}
	ctx, refuse := context.WithCancel(ctx)
	defer refuse()
	s := &supervisor{Options: o, log: log, waivers: run.Waivers, features: slices.Clone(run.Features), refuse: refuse, grace: graceAfterInterrupt}
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
	o.Progress.Start(run, todo)
	for _, d := range decided {
		for _, c := range d.errors() {
			o.Progress.CaseDone(d.link, c)
		}
	}
	run.Links = s.runAll(ctx, decided)
	if s.refused() {
		return nil, errors.Join(&dut.Problems{List: s.elements}, log.discard())
	}
	fillIn(&run.Device, s.identity)
	run.Features, run.Alternates = s.features, result.Alternates(run.Links)
	run.WallMS = time.Since(started).Milliseconds()
	run.Conclude()
	return run, log.close()
}

// linkPlan is what a run does over one Link: the cases to carry out, and the results of the others, which are known beforehand.
type linkPlan struct {
	link string
	run  []plan.Case
	rest []result.Case
}

// errors are the cases that ought to be carried out and cannot be.
func (l linkPlan) errors() []result.Case {
	return slices.DeleteFunc(slices.Clone(l.rest), func(c result.Case) bool { return c.Verdict != result.Error })
}

// decide sorts the cases of every Link. What is so for every Link of the run is told once: over the first Link that it concerns, or over
// the nearest where there is none.
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
			if o.Failed != nil && !o.Failed.Open(link, c.ID) {
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

// nearest is the Link that tells of a case which belongs to none of this run: one that only lacks TLS, or must not have it, or the first.
func (o Options) nearest(c plan.Case) string {
	c.TLS = plan.TLSEither
	return o.Links[max(0, slices.IndexFunc(o.Links, c.AppliesTo))]
}

// elsewhere is the decision about a case that belongs to no Link of this run: the device does not support it over any Link, or the run left its
// Link out. What the device supports and the run did not try must not look as if it did not apply.
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

// fillIn completes what the DUT file says of the device with what the device says of itself.
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
	d.Firmware = i.Firmware
}

// nothingToRun is the error of a selection that leaves no case to carry out: nothing may be silently green.
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

// caseLog writes every finished case as one JSON line, so that a crash of this very process loses nothing that was measured.
type caseLog struct {
	mu   sync.Mutex
	file *os.File
	err  error
}

// loggedCase is one line of cases.jsonl.
type loggedCase struct {
	Link string      `json:"link"`
	Case result.Case `json:"case"`
}

func newCaseLog(path string) (*caseLog, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("%w; choose another folder with --out", err)
	}
	return &caseLog{file: f}, nil
}

// write keeps the first error, such as a full disk, for close: the run goes on.
func (l *caseLog) write(link string, c result.Case) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line, err := json.Marshal(loggedCase{link, c})
	if err == nil {
		_, err = l.file.Write(append(line, '\n'))
	}
	if l.err == nil {
		l.err = err
	}
}

func (l *caseLog) close() error {
	return errors.Join(l.err, l.file.Close())
}

// discard removes the file of a run that has nothing to report.
func (l *caseLog) discard() error { return errors.Join(l.close(), os.Remove(l.file.Name())) }
