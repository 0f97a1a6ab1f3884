package result

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Cause is what lies behind one or more findings: the same fault, seen in several cases and over several links.
type Cause struct {
	// Verdict is that of what was found: Fail, Error, Aborted or Flaky.
	Verdict Verdict `json:"verdict"`
	// Headline is a sentence about the device, or about the lab.
	Headline string `json:"headline"`
	// Hint is what usually helps; empty where nothing is known.
	Hint string `json:"hint,omitempty"`
	// Cases are where it was seen, in the order of the run.
	Cases []CauseCase `json:"cases"`
}

// CauseCase is a case in which a cause was seen.
type CauseCase struct {
	ID     string   `json:"id"`
	Metric int      `json:"metric,omitempty"` // 0: no metric of the plan
	Links  []string `json:"links"`
}

// Size is how often the cause was seen.
func (c Cause) Size() (n int) {
	for _, k := range c.Cases {
		n += len(k.Links)
	}
	return n
}

// Where says in which cases a cause was seen, at most this many ids, and over which links.
func (c Cause) Where(most int) string {
	var ids, links []string
	for _, k := range c.Cases {
		if !slices.Contains(ids, k.ID) {
			ids = append(ids, k.ID)
		}
		for _, l := range k.Links {
			if !slices.Contains(links, l) {
				links = append(links, l)
			}
		}
	}
	text := strings.Join(ids[:min(most, len(ids))], ", ")
	if more := len(ids) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text + " over " + strings.Join(links, ", ")
}

// causeKey is what findings of one cause have in common: who is at fault, what kind of fault it is, and in which place.
type causeKey struct {
	verdict     Verdict
	kind, place string
}

// causes groups what went wrong. Findings are of one cause when kind and place are the same, or when it is the same metric of the same case
// over another link. What excuses or knows a failure changes nothing here, but that a waived one is no cause.
func (r *Run) causes() []Cause {
	type metricOf struct {
		verdict Verdict
		id      string
		n       int
	}
	var all []Cause
	byKey, byMetric := map[causeKey]int{}, map[metricOf]int{}
	add := func(link string, c Case, v Verdict, m Metric, rest string) {
		key := causeKey{v, m.kind(), m.place()}
		of := metricOf{v, c.ID, m.N}
		i, known := byKey[key]
		if !known && m.N > 0 {
			i, known = byMetric[of]
		}
		if !known {
			i, all = len(all), append(all, Cause{Verdict: v, Headline: m.headline(v), Hint: cmp.Or(hint(m), rest)})
		}
		byKey[key], byMetric[of] = i, i
		cases := &all[i].Cases
		at := slices.IndexFunc(*cases, func(k CauseCase) bool { return k.ID == c.ID && k.Metric == m.N })
		if at < 0 {
			at, *cases = len(*cases), append(*cases, CauseCase{ID: c.ID, Metric: m.N})
		}
		if k := &(*cases)[at]; !slices.Contains(k.Links, link) {
			k.Links = append(k.Links, link)
		}
	}
	for _, l := range r.Links {
		for _, c := range l.Cases {
			if c.IsCheck() && !r.GateChecks || !slices.Contains([]Verdict{Fail, Flaky, Error, Aborted}, c.Verdict) {
				continue
			}
			told := false
			for _, m := range c.Metrics {
				if m.Verdict == Fail || m.Verdict == Error {
					add(l.Link, c, m.Verdict, m, "")
					told = true
				}
			}
			switch {
			case told:
			case c.Verdict == Error && l.withoutContact(c):
				add(l.Link, c, c.Verdict, Metric{Where: setup + c.Reason}, remedy(c.Reason))
			default:
				add(l.Link, c, c.Verdict, Metric{Where: c.Reason}, "")
			}
		}
	}
	order := CaseVerdicts()
	slices.SortStableFunc(all, func(a, b Cause) int {
		return cmp.Or(slices.Index(order, a.Verdict)-slices.Index(order, b.Verdict), b.Size()-a.Size())
	})
	return all
}

// setup begins what is a matter of the setup and says nothing about the device.
const setup = "setup: "

// withoutContact reports whether a case is an error because the device could not be reached over the link at all, through no fault of its
// own that was seen. Instances of a link have other ports, and else the same trouble.
func (l Link) withoutContact(c Case) bool {
	if l.Trouble == "" || len(c.Metrics) > 0 || strings.HasPrefix(l.Trouble, "the device did not come back") {
		return false
	}
	same := func(s string) string { return numbers.ReplaceAllString(s, "#") }
	return same(c.Reason) == same(l.Trouble)
}

// remedy is what the reason of a failed contact says to do: what follows its first part, without what usptest saw meanwhile.
func remedy(reason string) string {
	parts := slices.DeleteFunc(strings.Split(reason, "; ")[1:], func(s string) bool {
		return strings.HasPrefix(s, "seen: ") || strings.HasPrefix(s, "link ") || strings.HasPrefix(s, "no Agent can be reached")
	})
	return sentence(strings.Join(parts, "; "))
}

var (
	ownIDs     = regexp.MustCompile(`usptest-[0-9A-Za-z-]+`)
	numbers    = regexp.MustCompile(`[0-9]+(\.[0-9]+)?`)
	reply      = regexp.MustCompile(`\b[A-Z][A-Za-z]*Resp\b`)
	anError    = regexp.MustCompile(`^Error ([0-9]{4})`)
	durationOf = regexp.MustCompile(` (within|after|for|in) [0-9][0-9.a-zµ]*(; .*)?$`)
)

// place is where a fault was found, without what is another in each run: rows, ids, times, and what came instead.
func (m Metric) place() string {
	where := m.clause()
	where = durationOf.ReplaceAllString(where, "")
	if m.N == 0 { // what holds for every reply is broken by all of them alike
		where = reply.ReplaceAllString(where, "reply")
	}
	return numbers.ReplaceAllString(ownIDs.ReplaceAllString(where, "id"), "#")
}

// clause is where a fault was found, or else what is said of it, without what else was seen meanwhile.
func (m Metric) clause() string {
	where, _, _ := strings.Cut(cmp.Or(m.Where, m.Note), "; ")
	return where
}

// kind is the kind of a fault: an error that the device reports, a value that differs, or something that did not come.
func (m Metric) kind() string {
	if e := anError.FindStringSubmatch(m.Got); e != nil {
		return "error " + e[1]
	}
	if m.Want != "" || m.Got != "" {
		return "value"
	}
	return "text"
}

// Bounds of a headline, in bytes.
const (
	maxHeadline = 400 // of where the fault is
	maxCompared = 200 // of what was wanted, and of what came
)

// headline says of a finding what the device, or the lab, does wrong.
func (m Metric) headline(v Verdict) string {
	seen, _, _ := strings.Cut(m.Got, "; ")
	where, want, got := CutWords(m.clause(), maxHeadline), CutWords(m.Want, maxCompared), CutWords(seen, maxCompared)
	asked, reply := strings.CutPrefix(where, "reply to ")
	missing, nothing := strings.CutPrefix(where, "no ")
	_, to, astray := strings.Cut(cmp.Or(m.Where, m.Note), NotifyWentTo)
	to, _, _ = strings.Cut(to, ": ")
	switch {
	case v == Aborted:
		return sentence(where) + "."
	case v == Error && (strings.HasPrefix(where, setup) || strings.HasPrefix(where, "needs ")):
		return "The setup: " + strings.TrimPrefix(where, setup) + "."
	case v == Error && m.Want == "" && m.Got == "":
		return "The setup, the lab or the harness: " + where + "."
	case reply && m.Got != "":
		return fmt.Sprintf("The device answers %s with %s instead of %s.", asked, got, want)
	case m.Want != "" || m.Got != "":
		return fmt.Sprintf("The device is at fault: %s: want %s, got %s.", where, cmp.Or(want, "nothing"), cmp.Or(got, "nothing"))
	case nothing && astray:
		return fmt.Sprintf("The device sends no %s: a Notify went to %s.", missing, CutWords(to, maxCompared))
	case nothing:
		return "The device sends no " + missing + "."
	}
	return sentence(where) + "."
}

// NotifyWentTo is in a finding about a Notify that was sent, but to another topic or destination; which one follows.
const NotifyWentTo = "a Notify went to "

// hints are what usually helps, by a sign in a finding.
var hints = []struct{ sign, hint string }{
	{"Error 7006", "Give the Controller of the DUT file full access: look at its AssignedRole, and at the Permission rows of that role."},
	{"Error 7010", "The device does not know a path that it described itself; hold its GetSupportedDM against it."},
	{"Error 7016", "The object is not there. If the plan allows another of its kind, name it under elements in the DUT file."},
	{"the device's process", "The device crashed. Its last lines are with the finding, and all of its output is in the journal."},
	{"did not come back", "Look at why the device stays away after its restart; raise waits.reconnect in the DUT file if it only needs longer."},
	{"needs reboot", "Say under lab.reboot in the DUT file how to restart the device."},
	{"needs oob-recovery", "Say under lab.factoryReset in the DUT file how to bring the device back without USP."},
	{"needs no-absolute-time", "Say under lab.time in the DUT file how to keep the time from the device, and how to give it back."},
	{"no contact", "Run usptest check with the same DUT file; it says what came from the device and what to change."},
	{NotifyWentTo, "Set the topic or destination of the Controller on the device, in its MTP table, or controllerTopic in the DUT file."},
	{"Notify", "If the device only looks for changes at intervals, raise waits.notify in the DUT file above that interval."},
}

// hint is what usually helps against a finding; empty where nothing is known.
func hint(m Metric) string {
	text := m.Where + ": want " + m.Want + ", got " + m.Got + " " + m.Note
	missing := strings.HasPrefix(m.Where, "no ")
	for _, h := range hints {
		if strings.Contains(text, h.sign) && (h.sign != "Notify" || missing) {
			return h.hint
		}
	}
	return ""
}
