package plan

import (
	"fmt"
	"slices"
	"strings"
)

// Setup is what a run knows of a device and of its user's wishes, as far as it decides which cases are carried out.
type Setup struct {
	Link     string   // as of Case.AppliesTo
	Features []int    // numbers of the features that the DUT file declares
	Filters  []Filter // every one must match
	// Automated reports whether usptest has a body for a case.
	Automated func(id string) bool
	// Offers reports whether the lab provides a need; it is asked about the needs that are ByLab. Nil: the lab provides nothing.
	Offers func(need string) bool
}

// Filter is one selection by labels: a --select expression or a profile. Name says which, for the reason of a decision.
type Filter struct {
	Name  string
	Match func(labels []string) bool
}

// Choice is what a run does with a case.
type Choice string

// The choices, in the order in which they are considered. All but Run, OtherLink and LacksNeed are words of the verdicts.
const (
	ChooseDeprecated   Choice = "deprecated"    // the plan no longer runs it
	ChooseOtherLink    Choice = "other-link"    // it belongs to another MTP, or needs a link with or without TLS
	ChooseUnsupported  Choice = "unsupported"   // the device does not have the feature
	ChooseDeselected   Choice = "deselected"    // the user left it out
	ChooseNotAutomated Choice = "not-automated" // usptest has no body for it yet
	ChooseLacksNeed    Choice = "lacks-need"    // the lab does not provide what it needs
	ChooseRun          Choice = "run"
)

// Decision is a choice and, unless it is ChooseRun, why, and how to change it.
type Decision struct {
	Choice Choice
	Reason string
	Need   string // the missing need when Choice is ChooseLacksNeed
}

// Applies reports whether the case is for this device and link, whether or not the run can or shall carry it out.
func (d Decision) Applies() bool {
	return !slices.Contains([]Choice{ChooseDeprecated, ChooseOtherLink, ChooseUnsupported}, d.Choice)
}

// Decide says what a run does with a case. What the device cannot do is considered before what the user left out, so that a case which
// could not run anyway is never counted as left out.
func (p *Plan) Decide(c Case, s Setup) Decision {
	if c.Status != Active {
		reason := fmt.Sprintf("%s in %s %s", c.Status, p.ID, p.Version)
		if c.Status == Future {
			reason = fmt.Sprintf("left to a later version by %s %s", p.ID, p.Version)
		}
		return Decision{Choice: ChooseDeprecated, Reason: reason}
	}
	if !c.AppliesTo(s.Link) {
		return Decision{Choice: ChooseOtherLink, Reason: linkReason(c, s.Link)}
	}
	if numbers, all := c.Requires.missing(s.Features); len(numbers) > 0 {
		return Decision{Choice: ChooseUnsupported, Reason: p.featureReason(numbers, all)}
	}
	labels := c.Labels()
	for _, f := range s.Filters {
		if !f.Match(labels) {
			return Decision{Choice: ChooseDeselected, Reason: fmt.Sprintf("left out by %s", f.Name)}
		}
	}
	if s.Automated != nil && !s.Automated(c.ID) {
		return Decision{Choice: ChooseNotAutomated, Reason: "this version of usptest does not automate it"}
	}
	for _, name := range c.Needs {
		need, _ := p.Need(name)
		if need.By == ByLab && (s.Offers == nil || !s.Offers(name)) {
			return Decision{
				Choice: ChooseLacksNeed, Need: name,
				Reason: fmt.Sprintf("needs %s (%s); say in the DUT file's lab section how", name, need.Text),
			}
		}
	}
	return Decision{Choice: ChooseRun}
}

// missing are the numbers of the features that are required and not declared: every one of them is wanted when all is true, one of them
// when it is false. None: the requirement is met.
func (r Requires) missing(declared []int) (numbers []int, all bool) {
	undeclared := func(f int) bool { return !slices.Contains(declared, f) }
	if lacking := slices.DeleteFunc(slices.Clone(r.All), func(f int) bool { return !undeclared(f) }); len(lacking) > 0 {
		return lacking, true
	}
	if slices.ContainsFunc(r.Any, func(f int) bool { return !undeclared(f) }) {
		return nil, false
	}
	return r.Any, false
}

// Refuted says why a case whose features are declared is not for the device all the same: what it lacks, by the number of the feature. It
// is empty for a case that can be carried out.
func (p *Plan) Refuted(c Case, declared []int, lacks map[int]string) string {
	has := slices.DeleteFunc(slices.Clone(declared), func(f int) bool { return lacks[f] != "" })
	numbers, _ := c.Requires.missing(has)
	var reasons []string
	for _, n := range numbers {
		if f, _ := p.Feature(n); lacks[n] != "" && slices.Contains(declared, n) {
			reasons = append(reasons, fmt.Sprintf("needs feature %d (%s), declared in the DUT file, but the device does not have it: %s",
				n, f.Name, lacks[n]))
		}
	}
	if len(reasons) == 0 {
		return ""
	}
	return strings.Join(reasons, "; ") + "; remove the number from features, or fix the device"
}

// featureReason names the missing features: "needs feature 3 (asynchronous command), …".
func (p *Plan) featureReason(numbers []int, all bool) string {
	var names []string
	for _, n := range numbers {
		f, _ := p.Feature(n)
		names = append(names, fmt.Sprintf("%d (%s)", n, f.Name))
	}
	word := " or "
	if all {
		word = " and "
	}
	return fmt.Sprintf("needs feature %s, not declared in the DUT file; add the number to features if the device has it", strings.Join(names, word))
}

func linkReason(c Case, link string) string {
	carrier, within := CutSession(link)
	if within && c.AppliesTo(carrier) {
		return fmt.Sprintf("is carried out without session context; run it with --link %s", carrier)
	}
	mtp, _ := strings.CutSuffix(carrier, "+tls")
	tls := c
	tls.TLS = TLSEither
	switch {
	case !tls.AppliesTo(carrier):
		return fmt.Sprintf("is for %s, and the run has no such link; add one to links or with --link", strings.Join(c.MTPs, " or "))
	case c.TLS == TLSRequired && mtp == "uds":
		return "needs TLS, which usptest does not speak over Unix domain sockets; run it over another link"
	case c.TLS == TLSRequired:
		return fmt.Sprintf("needs TLS; run it with --link %s+tls", mtp)
	}
	return fmt.Sprintf("needs a link without TLS; run it with --link %s", mtp)
}
