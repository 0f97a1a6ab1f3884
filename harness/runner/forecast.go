package runner

import (
	"slices"
	"strings"
	"time"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// Foresee says what Run would do with the same options. It starts no process, opens no connection and writes nothing. Its errors are those
// of a run that would have nothing to report.
func Foresee(o Options) (*result.Forecast, error) {
	f := &result.Forecast{AtOnce: o.atOnce()}
	run, links, err := o.begin(time.Now(), func(links []linkPlan) {
		var wired []string
		for _, l := range links {
			for _, c := range l.run {
				if needsWire(c) && !slices.Contains(wired, c.ID) {
					wired = append(wired, c.ID)
				}
			}
		}
		if len(wired) > 0 && o.DUT.Lab.Network.Interface == "" {
			f.Notes = append(f.Notes, strings.Join(wired, " ")+": whether this computer allows an isolated network is tried when the run begins")
		}
	})
	if err != nil {
		return nil, err
	}
	f.Run = run
	var parts [][]plan.Case
	for i, l := range links {
		run.Links[i].Cases = l.rest
		for j, c := range l.rest {
			if o.Resumed != nil && !c.Started.IsZero() {
				l.rest[j].Reason = "finished in the run that is resumed"
			}
		}
		for _, c := range l.run {
			f.ToRun = append(f.ToRun, result.Planned{Link: l.link, ID: c.ID, Title: c.Title, Takes: o.estimate(c)})
		}
		parts = append(parts, o.parts(l, len(links))...)
	}
	takes := func(part []plan.Case) (sum time.Duration) {
		for _, c := range part {
			sum += o.estimate(c)
		}
		return sum
	}
	for _, side := range even(parts, f.AtOnce, takes) {
		f.Takes = max(f.Takes, takes(slices.Concat(side...)))
	}
	return f, nil
}
