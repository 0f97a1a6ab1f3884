// Package harness has the words a case body is written in: Case, Metric, Step, clean-up and waits. A body is a plain function; what a
// case is called, how many metrics it has and what it needs come from the plan.
package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/usptest/usptest/brokers/uds"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/lab"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// Body carries out one case of the plan.
type Body func(c *Case)

// Bodies maps ids of the plan to what carries them out. A duplicate id does not compile.
type Bodies map[string]Body

// Case is one run of one case over one Link. It is the context of everything the body does: it ends with the case's budget.
type Case struct {
	context.Context
	Plan plan.Case

	// Link is mqtt5, mqtt3, stomp, websocket or uds, with "+tls" when the Link is protected.
	Link string
	// MTP says how the standards speak of the Link's MTP.
	MTP link.MTP
	// Agent asks the device and takes what it sends.
	Agent *controller.Controller
	// Journal has every event of the case.
	Journal *journal.Journal
	// UDS is the harness's end of the Link, and its script; nil unless the Link is one over Unix domain sockets.
	UDS *uds.Server
	// KeepAwake switches the PINGs that wake a slow Agent off and on again; nil unless the Link is one over WebSocket.
	KeepAwake func(on bool)
	// Discovery is the network of a case that has one of its own; nil for any other.
	Discovery *Discovery
	// Files serves the firmware images of the DUT file.
	Files Files
	// Device is the device as the lab handles it, DUT its file.
	Device *lab.Device
	DUT    *dut.File
	// AgentAddress and ControllerAddress are the topics or destinations that both sides are configured with.
	AgentAddress, ControllerAddress string
	// Scale divides every protocol interval; 1 is real time.
	Scale float64

	bench *Bench // what the body must not reach

	start       journal.Mark
	began       time.Time
	metrics     []result.Metric
	judging     int // the metric that is judged now, 0 for none
	steps       []result.Step
	retries     []result.Retry
	notes       []string
	alternates  []result.Alternate
	relaxed     []string // errata by which the case was judged, see Strict
	cleanup     []cleanup
	lost        bool            // an Add had no answer in time
	used        map[string]bool // needs of the case that it has used
	fresh       int
	reboots     int             // how often the case made the device restart
	restarts    journal.Mark    // the mark before the last time
	restartedAt time.Time       // when that was
	set         bool            // the case has set something as a fixture
	timeless    bool            // the lab keeps the time from the device
	beyond      []result.Metric // faults beyond the plan

	limit    time.Duration // the case's budget
	patience time.Duration // what the clean-up may take beside cleanupPatience
	timer    *time.Timer   // ends the case when that is used up
}

// newCase is a case of the plan on a bench.
func newCase(ctx context.Context, b *Bench, p plan.Case) *Case {
	return &Case{
		Context: ctx, Plan: p, Link: b.Link.Name(), MTP: b.Link.MTP(), Agent: b.Agent, Journal: b.Journal, UDS: b.UDS,
		KeepAwake: b.KeepAwake, Discovery: b.Discovery, Files: b.Files, Device: b.Device, DUT: b.DUT,
		AgentAddress: b.AgentAddress, ControllerAddress: b.ControllerAddress, Scale: b.Scale,
		bench: b, start: b.Journal.Mark(), began: time.Now(), used: map[string]bool{},
	}
}

// Extend adds to the case's budget what the device makes it wait longer than the plan does: an interval of the protocol, which the time
// scale divides.
func (c *Case) Extend(interval time.Duration) {
	more := c.Scaled(interval)
	if c.timer.Stop() { // else the case has ended
		c.limit += more
		c.timer.Reset(c.limit - time.Since(c.began))
	}
}

// stop ends a body early, from DeviceMust, LabMust and Unsupported.
type stop struct {
	verdict result.Verdict
	err     error
}

// Step writes into the journal and the report that step n of the procedure begins.
func (c *Case) Step(n int, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	e := c.Journal.Append(journal.Event{Layer: journal.LayerStep, Dir: journal.Own, Type: fmt.Sprintf("step %d", n), Text: text})
	c.steps = append(c.steps, result.Step{N: n, Text: text, Seq: uint64(e.Seq)})
}

// Note adds a remark for the reader of the report: an alternate that was used, a procedure that was adapted.
func (c *Case) Note(format string, args ...any) {
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}

// errCutShort ends a body whose case has ended before it: its budget is used up, or the run was interrupted.
var errCutShort = errors.New("the case ended before")

// DeviceMust ends the body when err is not nil: the device blocks the procedure, which is its fault.
func (c *Case) DeviceMust(err error) { c.must(result.Fail, err) }

// LabMust ends the body when err is not nil: bench or harness is at fault, and nothing is said of the device.
func (c *Case) LabMust(err error) { c.must(result.Error, err) }

// Unsupported ends the body: the device does not have what the case is about, which the features of the plan do not tell. Nothing is said
// of it.
func (c *Case) Unsupported(why string) { c.must(result.Unsupported, errors.New(why)) }

func (c *Case) must(v result.Verdict, err error) {
	switch {
	case err == nil:
	case c.cutShort(err):
		panic(&stop{result.Error, errCutShort})
	default:
		panic(&stop{v, c.parted(err)})
	}
}

// parted adds to the error of a device that cannot be reached why it left, where its last Record of this case is a Disconnect.
func (c *Case) parted(err error) error {
	if !errors.Is(err, link.ErrUnreachable) {
		return err
	}
	for _, e := range slices.Backward(c.Journal.Everything(0)) {
		record, ok := e.Body.(*usppb.Record)
		if !ok || e.Dir != journal.In {
			continue
		}
		if left := record.GetDisconnect(); left != nil {
			return fmt.Errorf("the device disconnected with %s, %q; %w", usp.ErrCode(left.GetReasonCode()), left.GetReason(), err)
		}
		break // it came back since
	}
	return err
}

// cutShort reports whether err is of a wait that came to its end with the whole case, which is no fault of the device.
func (c *Case) cutShort(err error) bool {
	return c.Err() != nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled))
}

// Strict reports whether the case is judged by the letter of the plan in a matter of which an erratum tells, by its id: where a body does
// what the erratum accepts, it asks here first. The erratum's strict text says what the letter is. To ask about one that does not touch
// the case, or the metric that is judged, is a fault of the body.
func (c *Case) Strict(erratum string) bool {
	if !slices.ContainsFunc(c.Plan.Letters, func(e plan.Erratum) bool { return e.ID == erratum && e.Concerns(c.Plan.ID, c.judging) }) {
		panic(fmt.Sprintf("case %s, metric %d: no erratum %s with a letter of its own touches it", c.Plan.ID, c.judging, erratum))
	}
	if !c.bench.StrictPlan && !slices.Contains(c.relaxed, erratum) {
		c.relaxed = append(c.relaxed, erratum)
	}
	return c.bench.StrictPlan
}

// Fresh returns an id that no other case of this run uses and that a later run recognises as ours, for example "usptest-add-1-1-1".
func (c *Case) Fresh(word string) string {
	c.fresh++
	return fmt.Sprintf("%s%s-%s-%d", Tag, word, strings.ReplaceAll(c.Plan.ID, ".", "-"), c.fresh)
}

// Tag begins every id that the harness gives to something on the device, so that leftovers of an aborted run can be found.
const Tag = "usptest-"

// Metric is one metric while it is judged.
type Metric struct {
	result *result.Metric
}

// failed ends the judging of one metric.
type failed struct{ err error }

// Metric judges metric n: check calls Must until one fails. It returns whether the metric passed. A metric is judged once. Where no
// requirement behind it is a MUST, it is advice and no fault. One whose requirements are all newer than what the device speaks is not
// applicable: check is not called then, and the body goes on.
func (c *Case) Metric(n int, check func(m *Metric)) (passed bool) {
	r := c.unjudged(n)
	if since := c.Plan.Metrics[n-1].Since; since != "" && usp.EarlierVersion(c.Agent.Speaks(), since) {
		c.NotApplicable(n, fmt.Sprintf("what it tests came with USP %s; the device speaks USP %s", since, c.Agent.Speaks()))
		return true
	}
	c.judging = n
	defer func() {
		c.judging = 0
		switch p := recover().(type) {
		case nil:
		case failed:
			if c.cutShort(p.err) {
				panic(&stop{result.Error, errCutShort}) // the metric stays not reached
			}
			r.Verdict = result.Fail
			if c.Plan.Metrics[n-1].Advice {
				r.Verdict = result.Advice
			}
			r.Where, r.Want, r.Got = finding(c.parted(p.err))
			if missed := missedNote(p.err); missed != "" {
				r.Note = missed
			}
		default:
			panic(p)
		}
	}()
	check(&Metric{r})
	r.Verdict = result.Pass
	return true
}

// NotApplicable says that metric n has no meaning for this device, and why.
func (c *Case) NotApplicable(n int, why string) {
	r := c.unjudged(n)
	r.Verdict, r.Note = result.NotApplicable, why
}

// unjudged returns metric n, which has no verdict yet.
func (c *Case) unjudged(n int) *result.Metric {
	if n < 1 || n > len(c.metrics) {
		panic(fmt.Sprintf("case %s has %d metrics in the plan, body judged metric %d", c.Plan.ID, len(c.metrics), n))
	}
	r := &c.metrics[n-1]
	if r.Verdict != result.NotReached {
		panic(fmt.Sprintf("case %s: metric %d judged twice", c.Plan.ID, n))
	}
	return r
}

// Saw adds the numbers of events to the evidence of the metric, before a check or without one. Number 0 is no event.
func (m *Metric) Saw(evidence ...journal.Mark) {
	for _, seq := range numbers(evidence...) {
		if seq != 0 && !slices.Contains(m.result.Evidence, seq) {
			m.result.Evidence = append(m.result.Evidence, seq)
		}
	}
}

// Must ends the metric as failed when err is not nil. The evidence are the numbers of the events that were judged, as for Saw; after a
// failure they come last, the newest at the end. What was awaited in vain and has no other is reported with the event that came nearest, or
// by the one after which it was awaited.
func (m *Metric) Must(err error, evidence ...journal.Mark) {
	m.Saw(evidence...)
	if err == nil {
		return
	}
	slices.Sort(m.result.Evidence)
	judged := slices.DeleteFunc(numbers(slices.Sorted(slices.Values(evidence))...), func(seq uint64) bool { return seq == 0 })
	before := slices.DeleteFunc(m.result.Evidence, func(seq uint64) bool { return slices.Contains(judged, seq) })
	m.result.Evidence = append(before, slices.Compact(judged)...)
	var missed *journal.TimeoutError
	if errors.As(err, &missed) && len(m.result.Evidence) == 0 {
		if missed.Nearest != nil {
			m.result.Evidence = numbers(missed.Nearest.Seq)
		} else if missed.Mark > 0 {
			m.result.Evidence = numbers(missed.Mark)
		}
	}
	panic(failed{err})
}

// numbers are marks as the report has them.
func numbers(marks ...journal.Mark) []uint64 {
	n := make([]uint64, len(marks))
	for i, mark := range marks {
		n[i] = uint64(mark)
	}
	return n
}

// Note adds a remark to the metric, for example which of several lawful outcomes was seen.
func (m *Metric) Note(format string, args ...any) { m.result.Note = fmt.Sprintf(format, args...) }
