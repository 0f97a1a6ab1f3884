// Command dissent writes what runs found on OB-USP-Agent: where their verdicts are not the published ones, and what the checks beyond the
// plan found, each with requirement, request and reply, so that anybody can repeat it. It takes the folders of the runs, and the results
// that OB-USP-Agent publishes with its sources:
//
//	go run ./ci/dissent -published conformance_test_results.txt usptest-runs/latest >docs/dissent.md
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
	requirements, err := p.Requirements()
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
	page := &page{plan: p, requirements: requirements, theirs: theirs}
	for _, folder := range folders {
		run, err := result.Load(filepath.Join(folder, "run.json"))
		if err != nil {
			return err
		}
		page.runs = append(page.runs, run)
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
	runs         []*result.Run
}

func (p *page) line(format string, args ...any) { fmt.Fprintf(&p.b, format+"\n", args...) }

func (p *page) write() error {
	d := p.runs[0].Device
	p.line("# Dissent: what usptest says of OB-USP-Agent\n")
	p.line("Made by `go run ./ci/dissent` from runs of usptest against OB-USP-Agent %s with the DUT file `fixtures/duts/obuspa.yaml`.",
		result.VisibleLine(d.Software))
	p.line("Requirements are in our own words; messages are as in the journals of the runs, decoded.\n")
	p.line("## Against the published verdicts\n")
	p.against()
	p.line("\n## Beyond the plan")
	return p.beyond()
}

// against compares the verdicts with the published ones, case by case.
func (p *page) against() {
	type compared struct {
		place
		link string
		c    result.Case
	}
	count := map[string]int{}
	var links []string
	var differ []compared
	for _, run := range p.runs {
		for _, l := range run.Links {
			mtp := strings.ToUpper(strings.TrimRight(strings.TrimSuffix(l.Link, "+tls"), "0123456789"))
			for _, c := range l.Cases {
				pass, known := p.theirs[place{mtp, c.ID}]
				if !known || c.Verdict != result.Pass && c.Verdict != result.Fail {
					continue
				}
				if count[l.Link]++; count[l.Link] == 1 {
					links = append(links, l.Link)
				}
				if pass != (c.Verdict == result.Pass) {
					differ = append(differ, compared{place{mtp, c.ID}, l.Link, c})
				}
			}
		}
	}
	p.line("| link | cases that both judge | of them other than published |\n|---|---|---|")
	for _, link := range links {
		var ids []string
		for _, d := range differ {
			if d.link == link {
				ids = append(ids, d.id)
			}
		}
		p.line("| %s | %d | %s |", link, count[link], cmp.Or(strings.Join(ids, ", "), "none"))
	}
	for _, d := range differ {
		published := map[bool]string{true: "pass", false: "fail"}[p.theirs[d.place]]
		p.line("\n### %s over %s: published %s, usptest %s\n", d.id, d.link, published, d.c.Verdict)
		p.line("%s.", result.VisibleLine(d.c.Title))
		if d.c.Reason != "" {
			p.line("usptest found: %s", result.VisibleLine(d.c.Reason))
		}
		for _, e := range p.plan.Errata {
			if slices.Contains(d.c.Relaxed, e.ID) {
				p.line("- Erratum %s: %s %s", e.ID, e.Wrong, e.Accept)
			}
		}
	}
}

// beyond writes each metric of a check that is not fine, once, with the links over which it was found.
func (p *page) beyond() error {
	type finding struct {
		run   *result.Run
		c     result.Case
		m     result.Metric
		links []string
	}
	var findings []*finding
	for _, run := range p.runs {
		for _, l := range run.Links {
			for _, c := range l.Cases {
				for _, m := range c.Metrics {
					if !c.IsCheck() || m.Verdict != result.Fail && m.Verdict != result.Advice {
						continue
					}
					same := func(f *finding) bool { return f.c.ID == c.ID && f.m.N == m.N && f.m.Verdict == m.Verdict }
					i := slices.IndexFunc(findings, same)
					if i < 0 {
						i, findings = len(findings), append(findings, &finding{run: run, c: c, m: m})
					}
					if !slices.Contains(findings[i].links, l.Link) {
						findings[i].links = append(findings[i].links, l.Link)
					}
				}
			}
		}
	}
	slices.SortStableFunc(findings, func(a, b *finding) int {
		return cmp.Or(cmp.Compare(a.m.Verdict, b.m.Verdict)*-1, plan.Compare(a.c.ID, b.c.ID), cmp.Compare(a.m.N, b.m.N))
	})
	if len(findings) == 0 {
		p.line("\nThe checks beyond the plan found nothing.")
	}
	for _, f := range findings {
		known, _ := p.plan.Case(f.c.ID)
		text, about := "what holds in every case", []string(nil)
		for _, m := range known.Metrics {
			if m.N == f.m.N {
				text, about = m.Text, m.Requirements
			}
		}
		p.line("\n### %s, metric %d: %s\n", f.c.ID, f.m.N, text)
		p.line("%s over %s. Again: `usptest run --dut fixtures/duts/obuspa.yaml --link %s %s`\n",
			f.m.Verdict, strings.Join(f.links, ", "), f.links[0], f.c.ID)
		for _, r := range p.requirements {
			if slices.Contains(about, r.ID) {
				p.line("- %s (%s): %s", r.ID, r.Level, r.Text)
			}
		}
		p.line("- Found: %s", short(f.m.Finding(), 600))
		if f.m.Note != "" && f.m.Note != f.m.Finding() {
			p.line("- Note: %s", short(f.m.Note, 600))
		}
		events, err := f.run.Events(f.c)
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

// short is text that a device may have sent, in one line of at most so many bytes.
func short(s string, most int) string {
	head, left := result.Cut(s, most)
	if left > 0 {
		head += "…"
	}
	return result.VisibleLine(head)
}
