package result

import (
	"fmt"
	"slices"
)

// Round is one of the rounds in which a case was carried out, in a run that repeats its cases.
type Round struct {
	Verdict    Verdict `json:"verdict"`
	Reason     string  `json:"reason,omitempty"`
	DurationMS int64   `json:"durationMs"`
	// Seq is the last event of the journal before the round began.
	Seq uint64 `json:"seq"`
}

// Together is the result of a case that was carried out in several rounds; there is at least one. Rounds that agree are that verdict, and
// rounds that differ are Flaky. Metrics and steps are those of the first round that did not pass, or of the first.
func Together(rounds []Case, seq []uint64) Case {
	if len(rounds) == 1 {
		return rounds[0]
	}
	shown := max(0, slices.IndexFunc(rounds, func(c Case) bool { return c.Verdict != Pass }))
	c := rounds[shown]
	c.Started, c.DurationMS, c.CleanUp = rounds[0].Started, 0, nil
	var judged []Verdict // each once
	passed := 0
	for i, r := range rounds {
		c.DurationMS += r.DurationMS
		c.CleanUp = append(c.CleanUp, r.CleanUp...)
		c.Rounds = append(c.Rounds, Round{Verdict: r.Verdict, Reason: r.Reason, DurationMS: r.DurationMS, Seq: seq[i]})
		if r.Verdict == Pass {
			passed++
		}
		if r.Verdict != Aborted && !slices.Contains(judged, r.Verdict) {
			judged = append(judged, r.Verdict)
		}
	}
	last := rounds[len(rounds)-1]
	switch {
	case len(judged) > 1:
		c.Verdict = Flaky
		c.Reason = fmt.Sprintf("%d of %d rounds passed; round %d: %s: %s", passed, len(rounds), shown+1, rounds[shown].Verdict, rounds[shown].Reason)
	case last.Verdict == Aborted && !slices.Contains(judged, Fail):
		c.Verdict, c.Reason = Aborted, last.Reason
	}
	return c
}

// failedOnce reports whether the device failed a round of a case that is Flaky; rounds that could not be judged prove nothing of the
// device.
func (c Case) failedOnce() bool {
	return slices.ContainsFunc(c.Rounds, func(r Round) bool { return r.Verdict == Fail })
}
