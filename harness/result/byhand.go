package result

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// ByHand is a verdict that a person gave to a case that usptest did not judge. It is the person's alone.
type ByHand struct {
	Verdict Verdict `json:"verdict"` // PassByHand or FailByHand
	Who     string  `json:"who"`
	When    string  `json:"when"` // a date, such as 2026-03-02
	Why     string  `json:"why"`
	// Attachment is a file with evidence, relative to run.json, with forward slashes; empty when there is none.
	Attachment string `json:"attachment,omitempty"`
	// Instead and Reason are the verdict of usptest that it stands for, and its reason.
	Instead Verdict `json:"instead"`
	Reason  string  `json:"reason,omitempty"`
}

// String says who gave the verdict, and why.
func (h ByHand) String() string {
	text := fmt.Sprintf("%s, %s: %s", h.Who, h.When, h.Why)
	if h.Attachment != "" {
		text += " (" + h.Attachment + ")"
	}
	return text
}

// AttachmentDir is the folder of the attachments of all cases, relative to run.json.
const AttachmentDir = "attachment"

// AttachmentName is the file of an attachment, relative to run.json, with forward slashes.
func AttachmentName(link, id, file string) string { return path.Join(AttachmentDir, link, id, file) }

// ByHandOver finds the link over which a verdict by hand for a case counts: link, or the only one over which the case is open where link is
// empty. The error says why there is none: usptest judged the case itself, it does not apply to the device, or it is not in the run.
func (r *Run) ByHandOver(link, id string) (string, error) {
	var open []string
	var closed error
	for _, l := range r.Links {
		if link != "" && link != l.Link {
			continue
		}
		for _, c := range l.Cases {
			switch {
			case c.ID != id:
			case slices.Contains([]Verdict{Error, Aborted, Deselected, NotAutomated, PassByHand, FailByHand}, c.Verdict):
				open = append(open, l.Link)
			case c.Verdict == Unsupported || c.Verdict == Deprecated:
				closed = fmt.Errorf("it does not apply: it is %s over %s, %s", c.Verdict, l.Link, c.Reason)
			default:
				closed = fmt.Errorf("usptest itself judged it over %s: %s; a verdict by hand is for what it could not judge",
					l.Link, c.Verdict)
			}
		}
	}
	switch {
	case len(open) == 1:
		return open[0], nil
	case len(open) > 1:
		return "", fmt.Errorf("it was not judged over %s; name one of them as the link", strings.Join(open, ", "))
	case closed != nil:
		return "", closed
	case link != "":
		return "", fmt.Errorf("it is not in the run over %q; its links are %s", link, strings.Join(linkNames(r), ", "))
	}
	return "", errors.New("it is not in the run")
}

// Judge books a verdict by hand for a case over a link that ByHandOver has found, and returns the case. Earlier ones by hand stay beside
// it.
func (r *Run) Judge(link, id string, h ByHand) Case {
	i := slices.IndexFunc(r.Links, func(l Link) bool { return l.Link == link })
	at := slices.IndexFunc(r.Links[i].Cases, func(c Case) bool { return c.ID == id })
	c := &r.Links[i].Cases[at]
	h.Instead, h.Reason = c.Verdict, c.Reason
	if n := len(c.ByHand); n > 0 {
		h.Instead, h.Reason = c.ByHand[n-1].Instead, c.ByHand[n-1].Reason
	}
	c.ByHand = append(c.ByHand, h)
	c.Verdict, c.Reason = h.Verdict, h.String()
	return *c
}

// byHand says how many cases were judged by hand; empty when none was.
func (r *Run) byHand() string {
	count := r.Counts()
	n := count[PassByHand] + count[FailByHand]
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%s %s judged by hand, which usptest cannot vouch for: %d passed, %d failed",
		plural(n, "case"), choose(n, "was", "were"), count[PassByHand], count[FailByHand])
}

// checkByHand finds what no verdicts by hand of a case can be.
func (c Case) checkByHand(link string) error {
	hand := []Verdict{PassByHand, FailByHand}
	if n := len(c.ByHand); slices.Contains(hand, c.Verdict) != (n > 0) || n > 0 && c.ByHand[n-1].Verdict != c.Verdict {
		return fmt.Errorf("byHand: want the last of them to be the verdict %q", short(string(c.Verdict)))
	}
	for _, h := range c.ByHand {
		if own := AttachmentName(link, c.ID, path.Base(h.Attachment)); h.Attachment != "" && h.Attachment != own {
			return fmt.Errorf("byHand: attachment: want %s, got %q", own, short(h.Attachment))
		}
	}
	return nil
}
