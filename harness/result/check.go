package result

import (
	"fmt"
	"path"
	"regexp"
	"slices"
)

const (
	maxLinks = 16
	maxMS    = 366 * 24 * 60 * 60 * 1000 // a year
)

// ModelJournal has the place of a case's id in the name of the journal in which the device describes its data model.
const ModelJournal = "model"

// JournalName is the file of a case's events, relative to run.json, with forward slashes.
func JournalName(link, id string) string { return path.Join("journal", link, id+".jsonl") }

// CaptureName is the file of a case's packets, relative to run.json, with forward slashes.
func CaptureName(link, id string) string { return path.Join("capture", link, id+".pcapng") }

// check finds what no run can have written. Of a run that passed, links and ids can be names of files.
func (r *Run) check() error {
	name := regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+_-]{0,31}$`)
	if len(r.Links) > maxLinks {
		return fmt.Errorf("links: want %d at most, got %d", maxLinks, len(r.Links))
	}
	if r.TimeScale <= 0 {
		return fmt.Errorf("timeScale: want more than 0, got %v", r.TimeScale)
	}
	if err := lasts("wallMs", r.WallMS); err != nil {
		return err
	}
	if r.Model != nil && r.Model.Journal != "" && !slices.ContainsFunc(r.Links, func(l Link) bool { return r.Model.Journal == JournalName(l.Link, ModelJournal) }) {
		return fmt.Errorf("model: journal: want one of a link, got %q", short(r.Model.Journal))
	}
	type key struct{ link, id string }
	seen := map[key]bool{}
	for _, l := range r.Links {
		where := fmt.Sprintf("the link %q", short(l.Link))
		switch {
		case !name.MatchString(l.Link):
			return fmt.Errorf("%s: want a name such as mqtt5+tls", where)
		case seen[key{l.Link, ""}]:
			return fmt.Errorf("%s is there twice", where)
		}
		seen[key{l.Link, ""}] = true
		if err := lasts(where+": wallMs", l.WallMS); err != nil {
			return err
		}
		for _, c := range l.Cases {
			switch {
			case !name.MatchString(c.ID):
				return fmt.Errorf("%s: the case %q: want an id such as 1.36", where, short(c.ID))
			case seen[key{l.Link, c.ID}]:
				return fmt.Errorf("%s %s is there twice", l.Link, c.ID)
			}
			seen[key{l.Link, c.ID}] = true
			if err := c.check(l.Link); err != nil {
				return fmt.Errorf("%s %s: %w", l.Link, c.ID, err)
			}
		}
	}
	return nil
}

// check finds what no case over that link can have.
func (c Case) check(link string) error {
	if !slices.Contains(CaseVerdicts(), c.Verdict) {
		return fmt.Errorf("verdict: want one of %v, got %q", CaseVerdicts(), short(string(c.Verdict)))
	}
	if own := JournalName(link, c.ID); c.Journal != "" && c.Journal != own {
		return fmt.Errorf("journal: want %s, got %q", own, short(c.Journal))
	}
	if err := c.checkByHand(link); err != nil {
		return err
	}
	for _, m := range c.Metrics {
		if m.N < 0 || !slices.Contains(MetricVerdicts(), m.Verdict) {
			return fmt.Errorf("metric %d: verdict: want a number from 0 on and one of %v, got %q", m.N, MetricVerdicts(), short(string(m.Verdict)))
		}
	}
	for i, r := range c.Rounds {
		if !slices.Contains(CaseVerdicts(), r.Verdict) {
			return fmt.Errorf("round %d: verdict: want one of %v, got %q", i+1, CaseVerdicts(), short(string(r.Verdict)))
		}
	}
	for _, s := range c.Steps {
		if s.N < 0 {
			return fmt.Errorf("step %d: want a number from 0 on", s.N)
		}
	}
	if err := lasts("waitMs", c.WaitMS); err != nil {
		return err
	}
	return lasts("durationMs", c.DurationMS)
}

// lasts holds a number of milliseconds against what can be.
func lasts(where string, ms int64) error {
	if ms < 0 || ms > maxMS {
		return fmt.Errorf("%s: want 0 to %d, got %d", where, int64(maxMS), ms)
	}
	return nil
}

// short is the beginning of a text that may be anything, for an error.
func short(text string) string {
	head, left := Cut(text, maxBare)
	if left > 0 {
		head += "…"
	}
	return VisibleLine(head)
}
