package console

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// Total are the ids of the cases of a link that will be carried out.
type Total struct {
	Link  string
	Cases []string
}

// Progress shows a run while it runs. Its methods are safe for concurrent use; a block is never torn apart. Errors of the writer are
// ignored: the run goes on when nobody can watch it.
type Progress struct {
	w    io.Writer
	plan *plan.Plan
	o    Options

	mu      sync.Mutex
	head    result.Run // what is known of the run before it ends: no more than its links' names
	began   time.Time
	total   int
	done    int
	work    time.Duration // what all cases are expected to take, one after the other
	behind  time.Duration // what of it is done
	failed  int
	errors  int
	running []running
	reasons map[string]string // by link: the reason of its newest error
	status  bool              // the status line is on the screen
	stop    chan struct{}     // ends the redrawing
	asked   time.Time         // since when a person is waited for; zero while nobody is
	held    strings.Builder   // what is shown when that is over
}

// running is a case that has begun.
type running struct{ link, id string }

// New makes a Progress that writes to w.
func New(w io.Writer, p *plan.Plan, o Options) *Progress {
	return &Progress{w: w, plan: p, o: o, reasons: map[string]string{}}
}

// Start says what is about to run. Of run it takes Tool, Plan, Device and AgainCase, and it keeps a copy.
func (p *Progress) Start(run *result.Run, totals []Total) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.head, p.began = *run, p.o.now()
	p.head.Links = nil
	var links []string
	for _, t := range totals {
		p.total += len(t.Cases)
		for _, id := range t.Cases {
			p.work += p.expected(id)
		}
		p.head.Links = append(p.head.Links, result.Link{Link: t.Link})
		links = append(links, fmt.Sprintf("%s %d", t.Link, len(t.Cases)))
	}
	if !p.o.Quiet {
		p.print(fmt.Sprintf("%s\n%s to run: %s\n", heading(run), cases(p.total), result.VisibleLine(strings.Join(links, ", "))))
	}
	if p.o.Terminal && !p.o.Quiet && p.o.Refresh > 0 {
		p.stop = make(chan struct{})
		go p.redraw(p.stop)
	}
}

// cases counts them.
func cases(n int) string {
	if n == 1 {
		return "1 case"
	}
	return fmt.Sprintf("%d cases", n)
}

// CaseStarted says that a case has begun.
func (p *Progress) CaseStarted(link, id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = append(p.running, running{link, id})
	p.print("")
}

// CaseDone shows how a case ended. A case that was never started was not run; it is counted in the summary.
func (p *Progress) CaseDone(link string, c result.Case) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.running, running{link, c.ID}); i >= 0 {
		p.running = slices.Delete(p.running, i, i+1)
		p.done++
		p.behind += p.expected(c.ID)
	}
	switch {
	case c.IsCheck(): // the summary has them
	case (c.Verdict == result.Fail || c.Verdict == result.Flaky) && c.Baseline != result.Known, c.Baseline == result.Stale:
		p.failed++
	case c.Verdict == result.Error:
		p.errors++
	}
	var b strings.Builder
	p.o.finished(&b, &p.head, p.plan, link, c, p.reasons)
	p.print(b.String())
}

// Note shows a line about the run as a whole. Quiet hides it.
func (p *Progress) Note(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.o.Quiet {
		p.print(value(line) + "\n")
	}
}

// Ask shows what a person has to do, as a sentence without its end, such as "mqtt5: please reboot the device". It stays the last text on
// the screen, above the status line, until over is called with whether the person has pressed Enter; whatever else is to be shown comes
// then.
func (p *Progress) Ask(what string) (over func(answered bool)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.print(p.o.paint(bold, value(what+" now, then press Enter")) + "\n")
	p.asked = p.o.now()
	p.print("")
	return func(answered bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if answered && p.status {
			io.WriteString(p.w, backUp)
		}
		p.release()
	}
}

// backUp goes to the left edge of the line above, which a status line is on when Enter was pressed, and clears the screen from there.
const backUp = "\x1b[A\r\x1b[J"

// release shows what was held back for a person.
func (p *Progress) release() {
	text := p.held.String()
	p.held.Reset()
	p.asked = time.Time{}
	p.print(text)
}

// Stop takes the status line away for good. It may be called more than once.
func (p *Progress) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stop != nil {
		close(p.stop)
		p.stop = nil
	}
	if !p.asked.IsZero() {
		p.release()
	}
	p.erase()
	p.o.Terminal = false
}

// Done shows the summary of the finished run. code is the exit code that follows; files are those that were written.
func (p *Progress) Done(run *result.Run, code int, files []string) {
	p.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	if p.o.Quiet && code == result.ExitPassed {
		p.o.green(&b, run)
	} else {
		p.o.leftOn(&b, run)
		var notRun strings.Builder
		if p.o.notRun(&notRun, run); notRun.Len() > 0 {
			b.WriteString("\n" + notRun.String())
		}
		p.o.causes(&b, run)
		p.o.summary(&b, run, false)
	}
	fmt.Fprintf(&b, "exit %d: %s\n", code, exit(run, code))
	if len(files) > 0 {
		fmt.Fprintf(&b, "wrote %s\n", result.VisibleLine(strings.Join(files, ", ")))
	}
	p.print(b.String())
}

// redraw keeps the elapsed time moving while a long case runs.
func (p *Progress) redraw(stop chan struct{}) {
	tick := time.NewTicker(p.o.Refresh)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			p.mu.Lock()
			p.print("")
			p.mu.Unlock()
		}
	}
}

// print writes text above the status line, in one piece.
func (p *Progress) print(text string) {
	if !p.asked.IsZero() {
		p.held.WriteString(text)
		text = ""
	}
	var b strings.Builder
	if p.status && p.o.Terminal {
		b.WriteString(eraseLine)
	}
	b.WriteString(text)
	p.status = p.o.Terminal && !p.o.Quiet && !p.began.IsZero()
	if p.status {
		b.WriteString(p.statusLine())
	}
	if b.Len() > 0 {
		io.WriteString(p.w, b.String())
	}
}

// eraseLine goes to the left edge and clears what is there.
const eraseLine = "\r\x1b[K"

func (p *Progress) erase() {
	if p.status {
		io.WriteString(p.w, eraseLine)
		p.status = false
	}
}

// expected is about how long a case takes: what its procedure waits for, and a second for everything else.
func (p *Progress) expected(id string) time.Duration {
	c, _ := p.plan.Case(id)
	return time.Duration(float64(c.Takes)/max(1, p.head.TimeScale)) + time.Second
}

// left estimates how long the run still takes, at its pace so far; zero while too little is done for an estimate.
func (p *Progress) left(elapsed time.Duration) time.Duration {
	const least = 20 // a twentieth of the work
	if p.behind*least < p.work || p.behind == 0 {
		return 0
	}
	return time.Duration(float64(elapsed) * float64(p.work-p.behind) / float64(p.behind))
}

// clock is a duration as minutes and seconds.
func clock(d time.Duration) string {
	return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

// barWidth is how many columns the bar of the status line has.
const barWidth = 24

// statusLine says how far the run is, in one line that fits the terminal.
func (p *Progress) statusLine() string {
	filled := 0
	if p.total > 0 {
		filled = min(barWidth, p.done*barWidth/p.total)
	}
	now := p.o.now()
	elapsed := now.Sub(p.began)
	// the last column stays free: some terminals wrap when it is written
	room := max(0, p.o.width()-1)
	waits := ""
	if !p.asked.IsZero() {
		waits = clip(fmt.Sprintf("waiting for a person, %s  ", clock(now.Sub(p.asked))), room)
		room -= utf8.RuneCountInString(waits)
		waits = p.o.paint(yellow, waits)
	}
	left := fmt.Sprintf("[%s%s] %d/%d  %s", strings.Repeat("#", filled), strings.Repeat(".", barWidth-filled), p.done, p.total, clock(elapsed))
	if more := p.left(elapsed); more > 0 {
		left += ", about " + clock(more) + " left"
	}
	faults := ""
	if p.failed > 0 {
		faults += fmt.Sprintf("  %d fail", p.failed)
	}
	if p.errors > 0 {
		faults += fmt.Sprintf("  %d error", p.errors)
	}
	var cases []string
	for _, r := range p.running {
		cases = append(cases, r.link+" "+r.id)
	}
	left = clip(left, room)
	faults = clip(faults, room-utf8.RuneCountInString(left))
	doing := clip("  "+result.VisibleLine(strings.Join(cases, ", ")), room-utf8.RuneCountInString(left+faults))
	colour := yellow
	if p.failed > 0 {
		colour = red
	}
	if faults != "" {
		faults = p.o.paint(colour, faults)
	}
	return waits + left + faults + p.o.paint(faint, doing)
}

// clip shortens s to at most n characters.
func clip(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:max(0, n)])
}
