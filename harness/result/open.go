package result

import "slices"

// Open reports whether a case over a link failed or could not be judged, so that it is worth another run: its verdict is fail, flaky,
// waived, error or aborted.
func (r *Run) Open(link, id string) bool {
	return slices.ContainsFunc(cases(r, link), func(c Case) bool { return c.ID == id && c.open() })
}

// OpenLinks are the links with cases that failed or could not be judged.
func (r *Run) OpenLinks() (names []string) {
	for _, l := range r.Links {
		if slices.ContainsFunc(l.Cases, Case.open) {
			names = append(names, l.Link)
		}
	}
	return names
}

func (c Case) open() bool { return c.Failed() || c.Verdict == Error || c.Verdict == Aborted }
