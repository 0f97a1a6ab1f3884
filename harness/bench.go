package harness

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/usptest/usptest/brokers/collector"
	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/brokers/stomp"
	"github.com/usptest/usptest/brokers/uds"
	"github.com/usptest/usptest/brokers/websocket"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/lab"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/pki"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// Bench is one device under test, connected over one Link. Of the brokers only the one of the Link is there; the others are nil.
type Bench struct {
	Link      link.Link   // knows what differs between MTPs
	Beside    []link.Link // the further links of the device, over which it may send what it likes
	Journal   *journal.Journal
	Agent     *controller.Controller
	MQTT      *mqtt.Server
	STOMP     *stomp.Server
	WebSocket *websocket.Server
	UDS       *uds.Server
	// KeepAwake switches the PINGs that wake a slow Agent off and on again; nil unless the Link is one over WebSocket.
	KeepAwake  func(on bool)
	Collectors Collectors
	// Discovery is the network of a case that has one of its own; nil for any other.
	Discovery *Discovery
	Device    *lab.Device
	DUT       *dut.File
	// Identity is what the Controller proves with who it is, to the device itself.
	Identity Identity
	// Files serves the firmware images of the DUT file.
	Files Files
	// AgentAddress and ControllerAddress are the topics or destinations that both sides are configured with.
	AgentAddress, ControllerAddress string
	// Scale divides every protocol interval; 1 is real time.
	Scale float64

	// StrictPlan says that the letter of the plan is judged; see Strict.
	StrictPlan bool
	// Pulse measures the machine's stalls. In real time no verdict depends on them. nil in a fake.
	Pulse *Pulse

	running  *Case            // the case that is carried out, or was last; nil before the first
	first    string           // the case that was carried out first
	met      journal.Mark     // the newest event before it
	firmware *Firmware        // what the device had before a case replaced it; nil when it has it
	adoption time.Duration    // how long the Agent may take to adopt a changed Subscription, once known
	stuck    func(why string) // ends what hangs; nil: the process

	pingIntervals map[uint64]time.Duration // how often PINGs are due over each open connection; see link.Link
}

// Identity is a certificate of the Controller, and the authority that issues it.
type Identity struct {
	Certificate tls.Certificate
	Shown       *pki.Shown // what the Link shows, Certificate unless a case exchanges it; nil in a fake
	Authority   *pki.CA    // nil when the DUT file gives the certificate, so that no other can be issued
}

// Collectors are those of bulk data. Nothing may come to the last three of them.
type Collectors struct {
	HTTP, HTTPS   Collector
	WrongName     Collector // over HTTPS, with a certificate for another host; empty where the harness cannot make one
	UnknownIssuer Collector // over HTTPS, with a certificate from an authority that no device trusts
	Expired       Collector // over HTTPS, with a certificate that has expired; empty where the harness cannot make one
}

// Collector is a collector of bulk data and where the device reaches it, without a path. It is empty when there is none.
type Collector struct {
	*collector.Server
	URL string
}

// Run carries out one case and reports it. It never panics; whatever the body does, the clean-up runs. dirty says that the device may
// not be as the case found it.
func (b *Bench) Run(ctx context.Context, p plan.Case, body Body) (r result.Case, dirty bool) {
	caseCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	limit := b.budget(p)
	timer := time.AfterFunc(limit, cancel)
	defer timer.Stop()
	if b.Pulse != nil {
		b.Pulse.Reset()
	}
	if b.Discovery != nil {
		b.Discovery.Server.Reset() // what came before the first case counts in none
	}
	c := newCase(caseCtx, b, p)
	c.limit, c.timer = limit, timer
	b.running = c
	for _, m := range p.Metrics {
		c.metrics = append(c.metrics, result.Metric{N: m.N, Verdict: result.NotReached})
	}
	b.Agent.RenewContext() // each case has its own, over a link within session contexts
	ended := b.watch(caseCtx, "case "+p.ID)
	stopped := c.run(body)
	ended()
	interrupted, timedOut := ctx.Err() != nil, caseCtx.Err() != nil
	verdict, _ := result.CaseVerdict(c.metrics)
	acts, dirty := c.cleanUp(stopped == nil && !timedOut && (verdict == result.Pass || verdict == result.Advice))
	other := c.judgeUniversal()

	r = result.Case{
		ID: p.ID, Title: p.Title, Started: c.began, DurationMS: time.Since(c.began).Milliseconds(),
		Metrics: c.metrics, Steps: c.steps, Retries: c.retries, Notes: c.notes, Alternates: c.alternates, Relaxed: c.relaxed, CleanUp: acts,
	}
	r.Verdict, r.Reason = result.CaseVerdict(c.metrics)
	early, why := result.Verdict(""), "" // how the body ended before its time
	switch {
	case interrupted:
		early, why = result.Aborted, result.Interrupted
	case stopped != nil && stopped.err != errCutShort:
		early, why = stopped.verdict, stopped.err.Error()
	case timedOut:
		early, why = result.Error, fmt.Sprintf("the case did not end within its budget of %s", c.limit)
	}
	switch {
	case other != "" && !interrupted:
		r.Verdict, r.Reason = result.Error, other
	case r.Verdict == result.Fail && early == result.Error:
		r.Metrics = append(r.Metrics, result.Metric{Verdict: early, Where: why})
	case r.Verdict == result.Fail:
	case early != "":
		r.Verdict, r.Reason = early, why
	}
	if note := b.stood(r.Verdict); note != "" {
		r.Notes = append(r.Notes, note)
	}
	return r, dirty || !slices.Contains([]result.Verdict{result.Pass, result.Advice, result.Unsupported}, r.Verdict)
}

// stood says how long this computer stood still in a case that failed in real time, where that is more than the tolerance for measured times;
// "" otherwise. For a simulated device that is granted.
func (b *Bench) stood(verdict result.Verdict) string {
	failed := verdict == result.Fail || verdict == result.Error
	if !failed || b.Pulse == nil || b.Scale != 1 || b.Pulse.Worst() <= b.DUT.Waits.Tolerance {
		return ""
	}
	also := ""
	if b.Device.Launched() {
		also = ", and with it the device"
	}
	return fmt.Sprintf("this computer stood still for as long as %s in this case%s: what was measured or came late may be its fault; "+
		"run the case again on one that is less busy", b.Pulse.Worst().Round(time.Millisecond), also)
}

// stuckAfter is how long a body or a clean-up may go on after its context has ended.
const stuckAfter = 30 * time.Second

// watch ends the process when something goes on although its context has ended: nothing else can stop it, and the run must go on. The
// supervisor starts another worker. ended says that it is over.
func (b *Bench) watch(ctx context.Context, what string) (ended func()) {
	over := make(chan struct{})
	go func() {
		select {
		case <-over:
			return
		case <-ctx.Done():
		}
		late := time.NewTimer(stuckAfter)
		defer late.Stop()
		select {
		case <-over:
			return
		case <-late.C:
		}
		why := fmt.Sprintf("harness bug: %s goes on %s after its end", what, stuckAfter)
		if b.stuck != nil {
			b.stuck(why)
			return
		}
		stacks := make([]byte, 1<<20)
		os.Stderr.Write(stacks[:runtime.Stack(stacks, true)])
		panic(why)
	}()
	return func() { close(over) }
}

// run calls the body and says how it was stopped early, if it was. A panic of the body is a bug of the harness.
func (c *Case) run(body Body) (stopped *stop) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case *stop:
			stopped = p
		default:
			c.Journal.Append(journal.Event{Layer: journal.LayerNote, Dir: journal.Own, Type: "harness bug",
				Text: fmt.Sprintf("%v\n%s", p, debug.Stack())})
			stopped = &stop{result.Error, fmt.Errorf("harness bug: %v; please report it with this case's journal", p)}
		}
	}()
	body(c)
	return nil
}

// budget is how long a case may take: the wait that the plan forces, and patience for its requests and for reboots.
func (b *Bench) budget(p plan.Case) time.Duration {
	const requests = 12
	return 2*b.scaled(p.Budget) + requests*b.Agent.Timeout() + 2*b.DUT.Waits.Reconnect + 2*b.DUT.Waits.Notify
}

// ByHand has a person do something, who may take any time: the clock of the case's budget stands still.
func (b *Bench) ByHand(act func() error) error {
	if c := b.running; c != nil && c.timer.Stop() {
		began := time.Now()
		defer func() {
			c.limit += time.Since(began)
			c.timer.Reset(c.limit - time.Since(c.began))
		}()
	}
	return act()
}

// scaled divides a protocol interval by the time scale.
func (b *Bench) scaled(d time.Duration) time.Duration { return time.Duration(float64(d) / b.Scale) }

// judgeUniversal adds metric 0 when the device broke a universal metric in this case, or when its process went away more often than the
// case made it, or when it broke a rule beyond the plan. What it broke at first contact is the first case's. other
// names another device that meddled, "" when none did: nothing is said of the device under test then.
func (c *Case) judgeUniversal() (other string) {
	b := c.bench
	if b.first == "" {
		b.first, b.met = c.Plan.ID, c.start
	}
	concerns := func(seq journal.Mark) bool { return seq > c.start || c.Plan.ID == b.first && seq <= b.met }
	c.judgeFloods(concerns)
	c.metrics = append(c.metrics, c.beyond...)
	exits := slices.DeleteFunc(c.Device.Exits(), func(e lab.Exit) bool { return e.Seq <= c.start })
	if len(exits) > c.reboots {
		last := exits[len(exits)-1]
		if crashes := slices.DeleteFunc(exits, func(e lab.Exit) bool { return !e.Crash }); len(crashes) > 0 {
			last = crashes[len(crashes)-1] // the others may be the restarts
		}
		m := result.Metric{Verdict: result.Fail, Where: "the device's process", Want: "to run through the case",
			Got: "it ended: " + last.Text, Evidence: numbers(last.Seq)}
		if len(last.Log) > 0 {
			m.Note = "its last lines: " + strings.Join(last.Log, " | ")
		}
		c.metrics = append(c.metrics, m)
	}
	for _, e := range c.Journal.Since(0) {
		if wrong := b.Link.Announced(e, c.Agent.AgentID(), c.Agent.Speaks()); wrong != nil && concerns(e.Seq) {
			if wrong.Named != "" && !c.Agent.SpokeOver(e.Conn) {
				continue // it may be another device
			}
			m := result.Metric{Verdict: result.Fail, Note: wrong.Rule + ", beyond the plan", Evidence: numbers(wrong.Seq),
				Requirements: plan.RequirementsIn(wrong.Rule)}
			m.Where, m.Want, m.Got = finding(wrong.Err)
			c.metrics = append(c.metrics, m)
			break // it would be the same at each session
		}
	}
	broken := slices.DeleteFunc(c.Agent.Violations(0), func(v *controller.Violation) bool { return !concerns(v.Seq) })
	if i := slices.IndexFunc(broken, func(v *controller.Violation) bool { return v.Other }); i >= 0 {
		from := ""
		if e := c.Journal.At(broken[i].Seq); e != nil {
			record, _ := e.Body.(*usppb.Record)
			from = record.GetFromId()
		}
		return fmt.Sprintf("another device is connected over this link, with the Endpoint ID %s; the one under test is %q: disconnect the other one, or give it another port",
			usp.Quote(from), c.Agent.AgentID())
	}
	if len(broken) > 0 {
		first := broken[0] // tells it; a broken agent would repeat it with every message
		m := result.Metric{Verdict: result.Fail, Note: string(first.Rule), Evidence: numbers(first.Seq), Requirements: first.Requirements}
		if first.Before > 0 {
			m.Evidence = append(m.Evidence, uint64(first.Before))
		}
		m.Where, m.Want, m.Got = finding(first.Err)
		c.metrics = append(c.metrics, m)
	}
	return ""
}

// finding splits a check's error into where, want and got; an error that is no comparison is all where. Of what was awaited in vain, the
// event that came nearest tells most.
func finding(err error) (where, want, got string) {
	var m *usp.Mismatch
	if missed := nearMiss(err); missed != nil {
		err = missed.Miss
	}
	if !errors.As(err, &m) {
		return err.Error(), "", ""
	}
	return prefix(err, m) + m.Where, m.Want, m.Got
}

// missedNote says how long the right event was awaited when finding reports one that came nearest, or "".
func missedNote(err error) string {
	missed := nearMiss(err)
	if missed == nil {
		return ""
	}
	return strings.Replace(err.Error(), missed.Error(), missed.Meanwhile(), 1)
}

// nearMiss returns the time-out in an error whose nearest event was compared with what was awaited, or nil.
func nearMiss(err error) *journal.TimeoutError {
	var missed *journal.TimeoutError
	var m *usp.Mismatch
	if errors.As(err, &missed) && errors.As(missed.Miss, &m) {
		return missed
	}
	return nil
}

// prefix is what the errors around m say before it.
func prefix(err error, m *usp.Mismatch) string {
	whole, inner := err.Error(), m.Error()
	if n := len(whole) - len(inner); n > 0 && whole[n:] == inner {
		return whole[:n]
	}
	return ""
}
