package runner

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
)

// Work is the worker process: it reads one job from in, carries it out and reports to out, one JSON line each. It stops early, with
// clean-up, when in ends.
func Work(ctx context.Context, p *plan.Plan, bodies harness.Bodies, in io.Reader, out io.Writer) error {
	input := bufio.NewReader(in)
	line, err := input.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("reading the job: %w", err)
	}
	var j job
	if err := json.Unmarshal(line, &j); err != nil {
		return fmt.Errorf("reading the job: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := &worker{job: j, plan: p, bodies: bodies, out: json.NewEncoder(out), answers: make(chan answer, 1)}
	go func() {
		defer cancel() // the input ends when the supervisor wants the worker to stop, or is gone
		for decoder := json.NewDecoder(input); ; {
			var a answer
			if decoder.Decode(&a) != nil {
				return
			}
			select {
			case <-w.answers: // nobody waited for it
			default:
			}
			w.answers <- a
		}
	}()
	if w.Try {
		w.try()
		return nil
	}
	if w.Lend != nil {
		w.lend()
		return nil
	}
	if err := w.run(ctx); err != nil {
		return err
	}
	w.report(report{Done: true})
	return nil
}

// worker carries out one job.
type worker struct {
	job
	plan   *plan.Plan
	bodies harness.Bodies

	mu      sync.Mutex
	out     *json.Encoder
	answers chan answer
	asked   int // how many pleas there were

	rig   *rig
	all   []plan.Requirement
	lacks map[int]string // what the device does not have of the declared features, by number
	lost  string         // why the device cannot be reached any more; every later case is an error
	left  string         // what may be left of a case that changed the rights of the harness's Controller; a note of every later case
}

// report writes one line. When it cannot, the supervisor is gone; then the input ends too, and with it the work.
func (w *worker) report(m report) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.out.Encode(m)
}

func (w *worker) note(format string, args ...any) {
	w.report(report{Note: fmt.Sprintf(format, args...)})
}

// ask has the operator do something to the device. The rig asks for one thing at a time.
func (w *worker) ask(ctx context.Context, what string) error {
	w.asked++
	w.report(report{Ask: &plea{w.asked, what}})
	for {
		select {
		case a := <-w.answers:
			switch {
			case a.N != w.asked: // to a plea that was given up
			case a.Error != "":
				return errors.New(a.Error)
			default:
				return nil
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (w *worker) run(ctx context.Context) error {
	var cases []plan.Case
	for _, id := range w.Cases {
		c, ok := w.plan.Case(id)
		if !ok || w.bodies[id] == nil {
			return fmt.Errorf("the job names case %q, which this worker does not have", id)
		}
		cases = append(cases, c)
	}
	lock := flock.New(filepath.Join(w.Out, result.WorkersFile))
	switch free, err := lock.TryRLock(); {
	case err != nil:
		return err
	case !free:
		return fmt.Errorf("another run has taken %s over", w.Out)
	}
	defer lock.Unlock()
	r, err := newRig(ctx, w.job, w.ask)
	if err != nil {
		w.giveUp(ctx, cases, err)
		return nil
	}
	defer r.close()
	w.rig = r
	began := time.Now()
	if err := r.contact(ctx); err != nil {
		w.giveUpContact(ctx, cases, err, began)
		return nil
	}
	w.report(report{Device: r.identify(ctx)})
	r.learnExpiration(ctx)
	if spec, _ := w.DUT.Link(w.Link); spec.Session == "" {
		if _, keeps := r.Agent.Keeps(); keeps {
			w.note("the device requires session contexts (SessionMode): requests over %s go within them", w.Link)
		}
	}
	found := r.inspect(ctx, w.plan)
	if w.Compare && found.Blind == "" {
		if found.Compared, err = r.compareEarly(ctx, found, w.Out, began); err != nil {
			w.note("the data model was not compared with TR-181: %v", err)
		}
	}
	w.report(report{Inspect: &found})
	if len(found.Elements) > 0 {
		return nil // the supervisor ends the run before its first case
	}
	w.lacks, w.all = found.lacks, w.plan.Requirements
	if err := r.Purge(ctx); err != nil {
		w.note("leftovers of an earlier run stay on the device: %v", err)
	}
	runTree(ctx, w.Link, cases, w.one)
	// a run that was interrupted reports it, too
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.DUT.Waits.Response)
	defer cancel()
	if left := r.LeftOn(asking); left != "" {
		boundTexts(r.Journal.Masker(), &left)
		w.report(report{LeftOn: left})
	}
	return nil
}

// deviceLogLines is how much of the device's own log is in the report when there is trouble.
const deviceLogLines = 20

// giveUp books a Link that cannot be run: found once, not once per case.
func (w *worker) giveUp(ctx context.Context, cases []plan.Case, why error) {
	verdict, text := result.Error, why.Error()
	if ctx.Err() != nil {
		verdict, text = result.Aborted, result.Interrupted
	} else {
		w.report(report{Trouble: &trouble{Text: text}})
	}
	for _, c := range cases {
		w.report(report{Case: &result.Case{ID: c.ID, Title: c.Title, Verdict: verdict, Reason: text}})
	}
}

// giveUpContact books a device that could not connect. One that is at fault fails the cases that are about the rule, or else the first one;
// the others are aborted. The first case, or the first that fails, has the journal of the wait.
func (w *worker) giveUpContact(ctx context.Context, cases []plan.Case, why error, began time.Time) {
	text := why.Error()
	boundTexts(w.rig.Journal.Masker(), &text)
	if ctx.Err() != nil {
		w.giveUp(ctx, cases, why)
		return
	}
	w.report(report{Trouble: &trouble{Text: text, DeviceLog: w.rig.Device.LogTail(deviceLogLines)}})
	var fault *faultError
	atFault := errors.As(why, &fault)
	at := 0
	if atFault {
		at = max(0, slices.IndexFunc(cases, fault.concerns))
	}
	for i, c := range cases {
		r := result.Case{ID: c.ID, Title: c.Title, Verdict: result.Error, Reason: text}
		switch {
		case atFault && (i == at || fault.concerns(c)):
			r.Metrics = []result.Metric{fault.metric()}
			for _, m := range c.Metrics {
				r.Metrics = append(r.Metrics, result.Metric{N: m.N, Verdict: result.NotReached})
			}
			r.Verdict, r.Reason = result.CaseVerdict(r.Metrics)
		case atFault:
			r.Verdict, r.Reason = result.Aborted, "the device did not get in: it is at fault before the first case"
		}
		if i == at {
			r.Started, r.DurationMS = began, time.Since(began).Milliseconds()
			w.keepJournal(&r, 0)
		}
		w.report(report{Case: &r})
	}
}

// one carries out one case in all its rounds, writes its journal and makes sure that the device is there for the next.
func (w *worker) one(ctx context.Context, p plan.Case) result.Case {
	if r, ok := w.cannot(ctx, p); ok {
		w.report(report{Case: &r})
		return r
	}
	if len(w.lacks) > 0 {
		if why := w.plan.Refuted(p, w.DUT.Features, w.lacks); why != "" {
			r := result.Case{ID: p.ID, Title: p.Title, Verdict: result.Unsupported, Reason: why, Refuted: true}
			w.report(report{Case: &r})
			return r
		}
	}
	speaks := w.rig.Agent.Speaks()
	if since := plan.Since(p, w.all); usp.EarlierVersion(speaks, since) {
		r := result.Case{ID: p.ID, Title: p.Title, Verdict: result.Unsupported,
			Reason: fmt.Sprintf("what it tests came with USP %s; the device speaks USP %s", since, speaks)}
		w.report(report{Case: &r})
		return r
	}
	defer w.takeTurn(ctx, p)()
	w.report(report{Started: p.ID})
	mark := w.rig.Journal.Mark()
	var rounds []result.Case
	var seq []uint64
	var dirty bool
	for len(rounds) < max(1, w.Repeat) {
		if dirty {
			w.recover(ctx, p.ID)
		}
		seq = append(seq, uint64(w.rig.Journal.Mark()))
		r, stop := w.cannot(ctx, p)
		if !stop {
			r, dirty = w.round(ctx, p)
		}
		if rounds = append(rounds, r); stop {
			break
		}
	}
	r := result.Together(rounds, seq)
	if w.left != "" {
		r.Notes = append(r.Notes, w.left)
	}
	if slices.ContainsFunc(r.Metrics, func(m result.Metric) bool {
		return slices.ContainsFunc(m.Evidence, func(seq uint64) bool { return seq <= uint64(mark) })
	}) {
		mark = 0 // it was at fault when it came
	}
	w.keepJournal(&r, mark)
	if dirty && ctx.Err() == nil && w.lost == "" {
		w.recover(ctx, p.ID)
	}
	w.seeToRights(p, r)
	w.report(report{Case: &r})
	return r
}

// seeToRights tells the reader, and every case that follows, of a case that changed the rights of the harness's Controller and could not
// put them back: what then fails may fail for want of a right. A device that the harness launched has started afresh.
func (w *worker) seeToRights(p plan.Case, r result.Case) {
	if w.rig.Device.Launched() || !slices.Contains(p.Needs, plan.NeedRole) {
		return
	}
	i := slices.IndexFunc(r.CleanUp, func(a result.CleanUp) bool { return a.Error != "" })
	if i < 0 {
		return
	}
	w.left = fmt.Sprintf("the harness's Controller may have fewer rights since case %s, whose clean-up failed (%s: %s): "+
		"put its Roles back as they were, and run what fails from here on again", p.ID, r.CleanUp[i].Name, r.CleanUp[i].Error)
	w.note("%s", w.left)
}

// cannot is the result of a case that can no longer start.
func (w *worker) cannot(ctx context.Context, p plan.Case) (r result.Case, ok bool) {
	r = result.Case{ID: p.ID, Title: p.Title}
	switch {
	case ctx.Err() != nil:
		r.Verdict, r.Reason = result.Aborted, result.Interrupted
	case w.lost != "":
		r.Verdict, r.Reason = result.Error, w.lost
	default:
		return r, false
	}
	return r, true
}

// takeTurn waits until no other worker of the run carries out a case that adds certificates, if p does: devices on one machine may keep
// them in the same place. It returns what ends the turn.
func (w *worker) takeTurn(ctx context.Context, p plan.Case) (end func()) {
	if !slices.Contains(p.Needs, plan.NeedCertStore) {
		return func() {}
	}
	turn := flock.New(filepath.Join(w.Out, result.TurnFile))
	if _, err := turn.TryLockContext(ctx, 100*time.Millisecond); err != nil && ctx.Err() == nil {
		w.note("%s: it does not wait for its turn: %v", p.ID, err)
	}
	return func() { turn.Unlock() }
}

// round carries out a case once. dirty says that the device may not be as it was.
func (w *worker) round(ctx context.Context, p plan.Case) (r result.Case, dirty bool) {
	r = result.Case{ID: p.ID, Title: p.Title, Verdict: result.Aborted, Reason: result.Interrupted}
	switch err := w.rig.prepare(ctx); {
	case err == nil:
		r, dirty = w.rig.Run(ctx, p, w.bodies[p.ID])
	case ctx.Err() == nil:
		r.Verdict, r.Reason, dirty = result.Error, err.Error(), true
	}
	w.rig.ResetBrokers()
	return r, dirty
}

// keepJournal writes the case's events, masks the secrets that crossed the wire, and forgets the events. A full disk loses the
// journal, not the verdict of the case, but a run without all its evidence is in trouble.
func (w *worker) keepJournal(r *result.Case, mark journal.Mark) {
	began := r.Started
	if began.IsZero() {
		began = time.Now()
	}
	mask := w.rig.Journal.Masker()
	boundCase(r, mask)
	name, err := writeJournal(w.Out, w.Link, r.ID, began, w.rig.Journal.Everything(mark), mask)
	if err != nil {
		r.Notes = append(r.Notes, "the journal could not be written: "+err.Error())
		w.report(report{Trouble: &trouble{Text: fmt.Sprintf("%s: the journal could not be written: %v; make room or choose another folder with --out", r.ID, err)}})
	}
	r.Journal = name
	w.rig.Journal.Forget(w.rig.Journal.Mark())
}

// recover probes a device that may not be as it was, and relaunches it or waits for it.
func (w *worker) recover(ctx context.Context, id string) {
	how, err := w.rig.recover(ctx)
	switch {
	case err != nil && ctx.Err() == nil:
		w.lost = fmt.Sprintf("the device did not come back after case %s: %v", id, err)
		w.report(report{Trouble: &trouble{Text: w.lost, DeviceLog: w.rig.Device.LogTail(deviceLogLines)}})
	case how != "":
		w.note("%s: %s", id, how)
	}
}

// Worker is what the hidden command "usptest worker" calls: Work on the process's own standard input and the supervisor's pipe.
func Worker(ctx context.Context, p *plan.Plan, bodies harness.Bodies) error {
	out := openReports()
	if _, err := out.Stat(); err != nil {
		return fmt.Errorf("a worker is started by usptest run alone: %w", err)
	}
	defer out.Close()
	return Work(ctx, p, bodies, os.Stdin, out)
}
