// Command dissent writes what runs found on OB-USP-Agent: where their verdicts are not the published ones, which cases fail that have no
// published verdict, and what the checks beyond the plan found, each with requirement, request and reply, so that anybody can repeat it. It
// takes the folders of the runs, and the results that OB-USP-Agent publishes with its sources:
//
//	go run ./ci/dissent -published conformance_test_results.txt usptest-runs/latest >docs/dissent.md
//
// Each run names its DUT file, which is one of fixtures/duts. Of what several runs with one DUT file judged over one link, the last counts.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

func main() {
	published := flag.String("published", "", "the `file` with the published results")
	flag.Parse()
	if err := dissent(os.Stdout, *published, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "dissent:", err)
		os.Exit(1)
	}
}

// dissent writes the page of the runs in these folders.
func dissent(w io.Writer, published string, folders []string) error {
	if published == "" || len(folders) == 0 {
		return errors.New("want -published FILE and the folders of runs")
	}
	p, err := plan.Load()
	if err != nil {
		return err
	}
	text, err := os.ReadFile(published)
	if err != nil {
		return err
	}
	theirs, err := read(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", published, err)
	}
	page := &page{plan: p, requirements: p.Requirements, theirs: theirs}
	for _, folder := range folders {
		run, err := result.Load(filepath.Join(folder, "run.json"))
		if err != nil {
			return err
		}
		if run.DUT == nil {
			return fmt.Errorf("%s: the run has no DUT file", folder)
		}
		page.take(run)
	}
	if err := page.write(); err != nil {
		return err
	}
	_, err = io.WriteString(w, page.b.String())
	return err
}

// place is a case over an MTP, as the published results name it: STOMP, MQTT or WEBSOCKET.
type place struct{ mtp, id string }

// read reads published results: a heading for each MTP, and a line for each case, such as "usp_conformance_1_1    Pass| ...".
func read(text string) (map[place]bool, error) {
	head := regexp.MustCompile(`^(\w+) over TLS$`)
	line := regexp.MustCompile(`^usp_conformance_(\d+)_(\d+)\s+\+?(\w+)\|`)
	passed, mtp := map[place]bool{}, ""
	for l := range strings.Lines(text) {
		l = strings.TrimSpace(l)
		if m := head.FindStringSubmatch(l); m != nil {
			mtp = m[1]
		} else if m := line.FindStringSubmatch(l); m != nil {
			passed[place{mtp, m[1] + "." + m[2]}] = strings.EqualFold(m[3], "pass")
		}
	}
	if len(passed) == 0 {
		return nil, errors.New("no published result can be read")
	}
	return passed, nil
}

// page is the document as it is written.
type page struct {
	b            strings.Builder
	plan         *plan.Plan
	requirements []plan.Requirement
	theirs       map[place]bool
	files        []string // the DUT files of the runs, in their order
	judged       []judged
}

// judged is a case as it was judged over a link of a DUT file.
type judged struct {
	result.Case
	run        *result.Run
	file, link string
}

// take adds the cases of a run. What it judged counts instead of what an earlier one did with the same DUT file over the same link.
func (p *page) take(run *result.Run) {
	file := "fixtures/duts/" + filepath.Base(run.DUT.File)
	if !slices.Contains(p.files, file) {
		p.files = append(p.files, file)
	}
	for _, l := range run.Links {
		for _, c := range l.Cases {
			j := judged{c, run, file, l.Link}
			same := func(o judged) bool { return o.ID == j.ID && o.file == j.file && o.link == j.link }
			switch i := slices.IndexFunc(p.judged, same); {
			case i < 0:
				p.judged = append(p.judged, j)
			case slices.Contains([]result.Verdict{result.Pass, result.Fail, result.Advice}, c.Verdict):
				p.judged[i] = j
			}
		}
	}
}

// where is the link of a case, with its DUT file where that is not the first one.
func (p *page) where(j judged) string {
	if j.file == p.files[0] {
		return j.link
	}
	return fmt.Sprintf("%s (`%s`)", j.link, filepath.Base(j.file))
}

func (p *page) line(format string, args ...any) { fmt.Fprintf(&p.b, format+"\n", args...) }

func (p *page) write() error {
	if len(p.judged) == 0 {
		return errors.New("no run has a case")
	}
	p.line("# Dissent: what usptest says of OB-USP-Agent\n")
	p.line("Made by `go run ./ci/dissent` from runs of usptest against OB-USP-Agent %s with the DUT file%s `%s`.",
		result.VisibleLine(p.judged[0].run.Device.Software), map[bool]string{true: "s"}[len(p.files) > 1], strings.Join(p.files, "`, `"))
	p.line("Requirements are in our own words; messages are as in the journals of the runs, decoded.\n")
	p.line("## Against the published verdicts\n")
	p.against()
	p.unpublished()
	p.line("\n## Beyond the plan")
	return p.beyond()
}

// published is the published verdict of a case, where there is one.
func (p *page) published(j judged) (pass, known bool) {
	mtp := strings.ToUpper(strings.TrimRight(strings.TrimSuffix(j.link, "+tls"), "0123456789"))
	pass, known = p.theirs[place{mtp, j.ID}]
	return pass, known
}

// against compares the verdicts with the published ones, case by case.
func (p *page) against() {
	count, others := map[string]int{}, map[string][]string{}
	var places []string
	var differ []judged
	for _, j := range p.judged {
		pass, known := p.published(j)
		if !known || j.Verdict != result.Pass && j.Verdict != result.Fail {
			continue
		}
		where := p.where(j)
		if count[where]++; count[where] == 1 {
			places = append(places, where)
		}
		if pass != (j.Verdict == result.Pass) {
			differ, others[where] = append(differ, j), append(others[where], j.ID)
		}
	}
	p.line("| link | cases that both judge | of them other than published |\n|---|---|---|")
	for _, where := range places {
		p.line("| %s | %d | %s |", where, count[where], cmp.Or(strings.Join(others[where], ", "), "none"))
	}
	for _, j := range differ {
		published := result.Fail
		if pass, _ := p.published(j); pass {
			published = result.Pass
		}
		p.line("\n### %s over %s: published %s, usptest %s\n", j.ID, p.where(j), published, j.Verdict)
		p.line("%s.", result.VisibleLine(j.Title))
		if j.Reason != "" {
			p.line("usptest found: %s", result.VisibleLine(j.Reason))
		}
		p.notes(j, "")
		for _, e := range p.plan.Errata {
			if slices.Contains(j.Relaxed, e.ID) {
				p.line("- Erratum %s: %s %s", e.ID, e.Wrong, e.Accept)
			}
		}
	}
}

// notes writes what a case notes of its metrics that failed.
func (p *page) notes(j judged, indent string) {
	for _, m := range j.Metrics {
		if m.Verdict == result.Fail && m.Note != "" {
			p.line("%sNote: %s", indent, short(m.Note, 600))
		}
	}
}

// unpublished writes the cases that fail and have no published verdict: those of links and cases that the published results do not have.
func (p *page) unpublished() {
	p.line("\n## Failed, and not published\n")
	none := true
	for _, j := range p.judged {
		if _, known := p.published(j); known || j.IsCheck() || j.Verdict != result.Fail {
			continue
		}
		none = false
		p.line("- %s over %s, %s: %s", j.ID, p.where(j), result.VisibleLine(j.Title), short(strings.ReplaceAll(j.Reason, "\n", "; "), 600))
		p.notes(j, "  ")
	}
	if none {
		p.line("None.")
	}
}

// beyond writes each metric of a check that is not fine, once, with the links over which it was found.
func (p *page) beyond() error {
	type finding struct {
		judged
		m      result.Metric
		places []string
	}
	var findings []*finding
	for _, j := range p.judged {
		for _, m := range j.Metrics {
			if !j.IsCheck() || m.Verdict != result.Fail && m.Verdict != result.Advice {
				continue
			}
			i := slices.IndexFunc(findings, func(f *finding) bool { return f.ID == j.ID && f.m.N == m.N && f.m.Verdict == m.Verdict })
			if i < 0 {
				i, findings = len(findings), append(findings, &finding{judged: j, m: m})
			}
			findings[i].places = append(findings[i].places, p.where(j))
		}
	}
	slices.SortStableFunc(findings, func(a, b *finding) int {
		return cmp.Or(cmp.Compare(a.m.Verdict, b.m.Verdict)*-1, plan.Compare(a.ID, b.ID), cmp.Compare(a.m.N, b.m.N))
	})
	if len(findings) == 0 {
		p.line("\nThe checks beyond the plan found nothing.")
	}
	for _, f := range findings {
		known, _ := p.plan.Case(f.ID)
		text, about := "what holds in every case", []string(nil)
		for _, m := range known.Metrics {
			if m.N == f.m.N {
				text, about = m.Text, m.Requirements
			}
		}
		p.line("\n### %s, metric %d: %s\n", f.ID, f.m.N, text)
		p.line("%s over %s. Again: `usptest run --dut %s --link %s %s`\n", f.m.Verdict, strings.Join(f.places, ", "), f.file, f.link, f.ID)
		for _, r := range p.requirements {
			if slices.Contains(about, r.ID) {
				p.line("- %s (%s): %s", r.ID, r.Level, r.Text)
			}
		}
		p.line("- Found: %s", short(f.m.Finding(), 600))
		if f.m.Note != "" && f.m.Note != f.m.Finding() {
			p.line("- Note: %s", short(f.m.Note, 600))
		}
		events, err := f.run.Events(f.Case)
		if err != nil {
			return err
		}
		p.exchange(events, f.m.Evidence)
	}
	return nil
}

// maxShown is how many events of evidence are shown: those that were looked at last, where the metric ended.
const maxShown = 2

// exchange shows what the evidence of a metric is: a Message with the one that it answers, or what followed a request without an answer.
func (p *page) exchange(events []result.Event, evidence []uint64) {
	evidence = slices.Clone(evidence[max(0, len(evidence)-maxShown):])
	slices.Sort(evidence)
	for _, seq := range evidence {
		i := slices.IndexFunc(events, func(e result.Event) bool { return e.Seq == seq })
		if i < 0 {
			continue
		}
		e := events[i]
		if e.Layer != "message" {
			p.show("Seen", e)
			for _, before := range slices.Backward(events[:i]) {
				if before.Layer == "message" && before.Dir == "out" {
					p.show("After the request", before)
					break
				}
			}
			continue
		}
		if e.Dir == "out" {
			p.show("Request", e)
			p.line("\nReply: none.")
			continue
		}
		what := "Message"
		for _, before := range slices.Backward(events[:i]) {
			if before.Layer == "message" && before.Dir == "out" && messageID(before) == messageID(e) {
				p.show("Request", before)
				what = "Reply"
				break
			}
		}
		p.show(what, e)
	}
}

// messageID is the line of a decoded Message with its msg_id; empty when it has none.
func messageID(e result.Event) string {
	return regexp.MustCompile(`msg_id: .*`).FindString(e.Decoded)
}

// maxLines is how many lines of a Message are shown at most: half of them from its beginning, half from its end.
const maxLines = 80

// show writes an event as a block of code.
func (p *page) show(what string, e result.Event) {
	lines := strings.Split(strings.TrimRight(cmp.Or(e.Decoded, e.Text), "\n"), "\n")
	p.line("\n%s:\n\n```text", what)
	for i, l := range lines {
		left := len(lines) - maxLines
		switch {
		case left <= 0 || i < maxLines/2 || i >= maxLines/2+left:
			p.line("%s", short(l, 300))
		case i == maxLines/2:
			p.line("… %d lines more", left)
		}
	}
	p.line("```")
}

// short is text that a device may have sent, cut to one line of at most that many bytes.
func short(s string, most int) string {
	head, left := result.Cut(s, most)
	if left > 0 {
		head += "…"
	}
	return result.VisibleLine(head)
}
