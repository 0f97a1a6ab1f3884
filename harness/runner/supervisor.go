package runner

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/lab"
	"github.com/usptest/usptest/harness/model"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// supervisor owns the worker processes of a run.
type supervisor struct {
	Options
	log     *caseLog
	waivers []result.Waiver
	advice  []result.ExpectedAdvice
	mu      sync.Mutex // one caller of Progress at a time

	device   result.Device
	stranger error // another device than the one that the resumed run tested
	features []result.Feature
	model    *model.Report // of the first link that reported it
	// elements are the wrong elements of the DUT file; refuse then ends the run.
	elements []dut.Problem
	refuse   context.CancelFunc
	grace    time.Duration // how long workers may clean up after an interrupt
}

// Grace is how long workers may clean up after a run was interrupted. A device whose firmware may have been replaced gets as long as its
// restoration takes.
func Grace(f *dut.File) time.Duration {
	const grace = 30 * time.Second
	if len(f.Firmware) == 0 {
		return grace
	}
	return grace + 2*f.Waits.Firmware + f.Waits.Reconnect
}

// runAll carries out every Link: as many workers at once as there are instances.
func (s *supervisor) runAll(ctx context.Context, links []linkPlan) []result.Link {
	out := make([]result.Link, len(links))
	slots := make(chan struct{}, s.atOnce())
	var wg sync.WaitGroup
	instance := 0
	for i, l := range links {
		out[i].Link, out[i].Cases = l.link, append([]result.Case{}, l.rest...)
		if len(l.run) == 0 {
			continue
		}
		var mu sync.Mutex
		for n, part := range s.parts(l, len(links)) {
			instance++
			number := instance
			wg.Go(func() {
				slots <- struct{}{}
				defer func() { <-slots }()
				began := time.Now()
				j := job{DUT: s.DUT, Link: l.link, Beside: s.beside(l.link), Cases: ids(part), Out: s.Out, Instance: number, Scale: s.Scale,
					Strict: s.StrictPlan, Repeat: s.Repeat, Compare: n == 0, Wire: needsWire(part[0])}
				got := s.worker(ctx, j, part)
				mu.Lock()
				defer mu.Unlock()
				out[i].Cases = append(out[i].Cases, got.Cases...)
				out[i].WallMS = max(out[i].WallMS, time.Since(began).Milliseconds())
				if got.LeftOn != "" {
					out[i].LeftOn = joinNotes(out[i].LeftOn, got.LeftOn)
				}
				if got.Trouble != "" {
					out[i].Trouble, out[i].DeviceLog = got.Trouble, got.DeviceLog
				}
			})
		}
	}
	wg.Wait()
	for i := range out {
		slices.SortFunc(out[i].Cases, func(a, b result.Case) int { return plan.Compare(a.ID, b.ID) })
	}
	return out
}

// joinNotes puts two remarks into one; each may be empty.
func joinNotes(one, other string) string {
	if one == "" || other == "" {
		return one + other
	}
	return one + "; " + other
}

// parts deals the cases of one of these links to its workers. Those that need a network of their own are a part by themselves.
func (o Options) parts(l linkPlan, links int) [][]plan.Case {
	if o.Sampled[l.link] != nil {
		return deal(l.run, 1, o.estimate)
	}
	wired := slices.DeleteFunc(slices.Clone(l.run), func(c plan.Case) bool { return !needsWire(c) })
	plain := slices.DeleteFunc(slices.Clone(l.run), needsWire)
	parts := deal(plain, max(1, o.share(links)-min(len(wired), 1)), o.estimate)
	if len(wired) > 0 {
		parts = append(parts, deal(wired, 1, o.estimate)...)
	}
	return parts
}

// beside are the links that listen besides one that is tested. Where links are tested at the same time, each has a device and a worker of
// its own.
func (s *supervisor) beside(link string) []string {
	if s.atOnce() > 1 {
		return nil
	}
	return s.DUT.Beside(link)
}

// atOnce is how many workers run at the same time.
func (o Options) atOnce() int {
	if o.DUT.Lab.Launch == nil {
		return 1
	}
	return max(1, o.Instances)
}

// share is how many instances one Link gets.
func (o Options) share(links int) int {
	if o.DUT.Lab.Launch == nil {
		return 1
	}
	return max(1, o.Instances/max(1, links))
}

// deal spreads cases over n workers, as evenly as they take, and puts each part in the plan's order, but for those after which the
// device may have to be brought back. They come last, so that a device that stays away affects no other case of the plan: first those that
// change the rights of the harness's own Controller. The checks beyond the plan are last of all, since no check may spoil a verdict of the
// plan; a device that stays away before them affects them alone.
func deal(cases []plan.Case, n int, takes func(plan.Case) time.Duration) [][]plan.Case {
	parts := even(cases, min(n, len(cases)), takes)
	risk := func(c plan.Case) int {
		switch {
		case c.IsCheck():
			return 3
		case slices.Contains(c.Needs, plan.NeedRecovery), slices.Contains(c.Needs, plan.NeedCertStore):
			return 2
		case slices.Contains(c.Needs, plan.NeedRole):
			return 1
		}
		return 0
	}
	for _, part := range parts {
		slices.SortFunc(part, func(a, b plan.Case) int {
			return cmp.Or(cmp.Compare(risk(a), risk(b)), plan.Compare(a.ID, b.ID))
		})
	}
	return parts
}

func ids(cases []plan.Case) []string {
	var out []string
	for _, c := range cases {
		out = append(out, c.ID)
	}
	return out
}

// stopped is the reason of every case that the end of ctx aborts: an interrupt, unless the cause is another.
func stopped(ctx context.Context) string {
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause.Error()
	}
	return result.Interrupted
}

// worker runs one worker process to its end and returns what it found. Whatever happens to the process, every case has a result.
func (s *supervisor) worker(ctx context.Context, j job, cases []plan.Case) result.Link {
	w := &workerRun{supervisor: s, link: j.Link, open: cases}
	for {
		left := len(w.open)
		err := ctx.Err()
		if err == nil {
			j.Cases, w.finished = ids(w.open), false
			err = w.attend(ctx, j)
		}
		switch {
		case s.refused():
		case ctx.Err() != nil:
			w.settle(result.Aborted, stopped(ctx))
		case err != nil:
			if w.lose(err.Error()); len(w.open) > 0 && len(w.open) < left {
				w.tell("a new worker continues with the other cases")
				continue
			}
			w.settle(result.Aborted, err.Error())
		case len(w.open) > 0:
			why := fmt.Sprintf("worker process ended without a result of case %s", w.open[0].ID)
			w.lose(why)
			w.settle(result.Aborted, why)
		}
		return w.result
	}
}

// tell is a line for the reader.
func (w *workerRun) tell(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Progress.Note(w.link, text)
}

// refused reports whether the DUT file turned out to be wrong, so that nothing is to be reported.
func (s *supervisor) refused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.elements) > 0 || s.stranger != nil
}

// met takes over what a device reports about itself. One that says another name than in the run that is resumed ends the run. s.mu is held.
func (s *supervisor) met(i identity) {
	if was := s.device.Says; s.Resumed != nil && was != nil && *was != (result.Identity{Vendor: i.Vendor, Model: i.Model, Software: i.Software}) {
		s.stranger = fmt.Errorf("--resume: another device is connected: it reports %s %s %s, and the run is of %s %s %s; start a new run",
			i.Vendor, i.Model, i.Software, was.Vendor, was.Model, was.Software)
		s.refuse()
		return
	}
	if was := s.device.Endpoint; s.Resumed != nil && s.DUT.Lab.Launch == nil && was != "" && i.Endpoint != "" && was != i.Endpoint {
		s.stranger = fmt.Errorf("--resume: another device is connected: its Endpoint ID is %s, and the run is of %s; start a new run",
			i.Endpoint, was)
		s.refuse()
		return
	}
	fillIn(&s.device, i)
	device := s.device
	s.log.write(result.Logged{Device: &device})
}

// attend starts a worker process, hands it the job, takes its reports and waits for its end. The error says why there are no more reports.
func (w *workerRun) attend(ctx context.Context, j job) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.Command(w.Worker[0], w.Worker[1:]...)
	words := &tail{}
	cmd.Stderr = words
	cmd.WaitDelay = time.Second // what the worker has started may outlive it and hold on to its standard error
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("cannot start a worker: %w", err)
	}
	defer stdin.Close()
	reports, theirs, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("cannot start a worker: %w", err)
	}
	defer reports.Close()
	err = passReports(cmd, theirs)
	var lent *lender
	if err == nil {
		lent, err = w.startWorker(j, cmd)
	}
	theirs.Close()
	if err != nil {
		return fmt.Errorf("cannot start a worker: %w", err)
	}
	if lent != nil {
		w.tell(fmt.Sprintf("port %s is in use by this run; it gets back what it had: %s", lent.name, lent.port.Had()))
		defer func() {
			if err := lent.back(); err != nil {
				w.tell(err.Error())
			}
		}()
	}
	ended := make(chan struct{})
	go w.stopWorker(ctx, ended, cmd.Process, stdin)
	w.answers = json.NewEncoder(stdin)
	err = w.answers.Encode(j)
	if err == nil {
		if err = w.read(ctx, reports); err != nil {
			cmd.Process.Kill() // nobody reads what else it has to say
		}
	}
	waitErr := cmd.Wait()
	close(ended)
	var broken *reportError
	switch {
	case w.finished:
		return nil
	case errors.As(err, &broken):
		return errors.Join(err, w.removeContainers(ctx))
	}
	return fmt.Errorf("worker process died: %w%s", errors.Join(cmp.Or(waitErr, err, io.ErrUnexpectedEOF), w.removeContainers(ctx)), words.text())
}

// removeContainers removes the device of a worker that has died, where it is a container; a process has died with its worker.
func (w *workerRun) removeContainers(ctx context.Context) error {
	if launch := w.DUT.Lab.Launch; launch == nil || launch.Image == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeWait)
	defer cancel()
	if err := lab.RemoveStrays(ctx); err != nil {
		return fmt.Errorf("its device's container may still be there: %w", err)
	}
	return nil
}

// removeWait bounds how long the removal of containers may take.
const removeWait = 30 * time.Second

// stopWorker ends a worker when the run is interrupted: closing its input asks it to clean up and stop; after some time, or at once when
// that is wanted, it is killed.
func (s *supervisor) stopWorker(ctx context.Context, ended <-chan struct{}, worker *os.Process, stdin io.Closer) {
	select {
	case <-ended:
		return
	case <-ctx.Done():
	}
	stdin.Close()
	t := time.NewTimer(s.grace)
	defer t.Stop()
	select {
	case <-ended:
		return
	case <-t.C:
	case <-s.AtOnce:
	}
	worker.Kill()
}

// workerRun gathers what one worker reports. The supervisor's mutex guards it.
type workerRun struct {
	*supervisor
	link     string
	open     []plan.Case // not reported yet
	running  string      // the case that has started
	result   result.Link
	finished bool

	asking  sync.Mutex    // one answer at a time
	answers *json.Encoder // to the worker's input
}

// reportError is a report that cannot be read.
type reportError struct{ cause error }

func (e *reportError) Error() string { return "unreadable report of a worker: " + e.cause.Error() }

// maxReport bounds one line of a worker.
const maxReport = 16 << 20

// read takes the reports of a worker until the last one. The error is a *reportError.
func (w *workerRun) read(ctx context.Context, r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), maxReport)
	for !w.finished && lines.Scan() {
		var m report
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			return &reportError{err}
		}
		w.take(ctx, m)
	}
	if err := lines.Err(); err != nil {
		return &reportError{err}
	}
	return nil
}

func (w *workerRun) take(ctx context.Context, m report) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case m.Started != "":
		w.running = m.Started
		w.Progress.CaseStarted(w.link, m.Started)
	case m.Case != nil:
		if slices.ContainsFunc(w.open, func(p plan.Case) bool { return p.ID == m.Case.ID }) { // and was not told before
			if m.Case.Verdict == result.Aborted && m.Case.Reason == result.Interrupted {
				m.Case.Reason = stopped(ctx)
			}
			w.add(*m.Case)
		}
	case m.Note != "":
		w.Progress.Note(w.link, m.Note)
	case m.Device != nil:
		w.met(*m.Device)
	case m.Inspect != nil:
		w.inspected(*m.Inspect)
	case m.Trouble != nil:
		w.result.Trouble, w.result.DeviceLog = m.Trouble.Text, m.Trouble.DeviceLog
		w.log.write(result.Logged{Link: w.link, Trouble: m.Trouble.Text})
		w.Progress.Note(w.link, m.Trouble.Text)
	case m.LeftOn != "":
		w.result.LeftOn, w.result.Trouble = m.LeftOn, cmp.Or(w.result.Trouble, m.LeftOn)
		w.log.write(result.Logged{Link: w.link, LeftOn: m.LeftOn})
		w.Progress.Note(w.link, m.LeftOn)
	case m.Ask != nil:
		go w.ask(ctx, *m.Ask) // the operator may take a while, and other reports come in meanwhile
	case m.Done:
		w.finished = true
	}
}

// inspected takes over what the supported data model of a device says. w.mu is held.
func (w *workerRun) inspected(found inspection) {
	result.MergeFeatures(w.features, found.Features)
	w.log.write(result.Logged{Features: slices.Clone(w.features)})
	if w.model == nil && found.Compared != nil {
		w.model = found.Compared
		w.log.write(result.Logged{Model: w.model})
	}
	if found.Blind != "" {
		w.Progress.Note(w.link, found.Blind+"; features and elements of the DUT file could not be checked")
	}
	if len(found.Elements) > 0 {
		w.elements = found.Elements
		w.refuse()
	}
}

// ask passes a worker's plea to the operator and the outcome back.
func (w *workerRun) ask(ctx context.Context, p plea) {
	a := answer{N: p.N}
	if w.Ask == nil {
		a.Error = "there is no operator to ask"
	} else if err := w.Ask(ctx, w.link+": please "+p.What); err != nil {
		a.Error = err.Error()
	}
	w.asking.Lock()
	defer w.asking.Unlock()
	_ = w.answers.Encode(a) // a worker that is gone is found out by its reports
}

// add books the result of a case. w.mu is held.
func (w *workerRun) add(c result.Case) {
	w.open = slices.DeleteFunc(w.open, func(p plan.Case) bool { return p.ID == c.ID })
	w.running = ""
	touch(w.Plan, &c, w.StrictPlan)
	if known, ok := w.Plan.Case(c.ID); ok && !c.Started.IsZero() {
		c.WaitMS = known.Wait.Milliseconds() * int64(max(1, len(c.Rounds)))
	}
	result.Waive(w.waivers, &c)
	result.Expect(w.advice, &c)
	w.Baseline.Mark(w.link, &c)
	w.result.Cases = append(w.result.Cases, c)
	w.log.write(result.Logged{Link: w.link, Case: &c})
	if c.Failed() && c.Journal != "" {
		c.Timeline, _ = result.ReadJournal(w.Out, c.Journal) // without it the console shows numbers of events alone
	}
	w.Progress.CaseDone(w.link, c)
}

// lose books a worker's death: the case that ran is an error.
func (w *workerRun) lose(why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.result.Trouble = why
	w.log.write(result.Logged{Link: w.link, Trouble: why})
	w.Progress.Note(w.link, why)
	if i := slices.IndexFunc(w.open, func(p plan.Case) bool { return p.ID == w.running }); i >= 0 {
		p := w.open[i]
		if slices.Contains(p.Needs, plan.NeedFirmware) && w.DUT.Lab.Launch == nil {
			w.result.LeftOn = "the device may be left on a firmware of the test: nothing gave it back in case " + p.ID
			w.log.write(result.Logged{Link: w.link, LeftOn: w.result.LeftOn})
		}
		w.add(result.Case{ID: p.ID, Title: p.Title, Verdict: result.Error, Reason: why})
	}
}

// settle gives every case without a result the same one.
func (w *workerRun) settle(v result.Verdict, why string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range slices.Clone(w.open) {
		w.add(result.Case{ID: p.ID, Title: p.Title, Verdict: v, Reason: why})
	}
}

// touch names the errata that concern the judged metrics of a case, and apart those of which a run by the plan's letter took the letter.
// Slips in the plan's text affect no verdict.
func touch(p *plan.Plan, c *result.Case, strict bool) {
	c.Errata, c.ByLetter = nil, nil
	for _, m := range c.Metrics {
		for _, e := range p.ErrataFor(c.ID, m.N) {
			list := &c.Errata
			if strict && e.ByLetter() {
				list = &c.ByLetter
			}
			if e.Weight != plan.Editorial && !slices.Contains(*list, e.ID) {
				*list = append(*list, e.ID)
			}
		}
	}
}

// tail keeps the last bytes that a worker wrote to its standard error.
type tail struct {
	mu   sync.Mutex
	last []byte
}

const maxTail = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = append(t.last, p...)
	if len(t.last) > maxTail {
		t.last = slices.Clone(t.last[len(t.last)-maxTail:])
	}
	return len(p), nil
}

func (t *tail) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.last) == 0 {
		return ""
	}
	return "; its last words: " + strings.TrimSpace(string(t.last))
}
