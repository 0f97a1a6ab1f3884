package result

import (
	"strings"
	"testing"
)

// TestRoundsThatDifferAreFlaky goes through what rounds can be together.
func TestRoundsThatDifferAreFlaky(t *testing.T) {
	for _, test := range []struct {
		rounds     []Verdict
		want       Verdict
		shown      int // the round whose metrics are shown, from 1 on
		conclusion string
		exit       int
	}{
		{[]Verdict{Pass}, Pass, 1, Conformant, ExitPassed},
		{[]Verdict{Pass, Pass, Pass}, Pass, 1, Conformant, ExitPassed},
		{[]Verdict{Fail, Fail}, Fail, 1, NotConformant, ExitDeviceFault},
		{[]Verdict{Pass, Fail, Pass}, Flaky, 2, NotConformant, ExitDeviceFault},
		{[]Verdict{Fail, Pass}, Flaky, 1, NotConformant, ExitDeviceFault},
		{[]Verdict{Pass, Error}, Flaky, 2, Partial, ExitDeviceFault},
		{[]Verdict{Error, Error}, Error, 1, Partial, ExitError},
		{[]Verdict{Pass, Aborted}, Aborted, 2, Partial, ExitError},
		{[]Verdict{Fail, Aborted}, Fail, 1, NotConformant, ExitDeviceFault},
		{[]Verdict{Pass, Fail, Aborted}, Flaky, 2, NotConformant, ExitDeviceFault},
	} {
		var rounds []Case
		var seq []uint64
		for i, v := range test.rounds {
			rounds = append(rounds, Case{ID: "1.1", Verdict: v, Reason: "why", DurationMS: 10, Metrics: []Metric{{N: i + 1, Verdict: v}}, CleanUp: []CleanUp{{Name: "delete"}}})
			seq = append(seq, uint64(100*i))
		}
		c := Together(rounds, seq)
		if c.Verdict != test.want || c.Metrics[0].N != test.shown || len(c.CleanUp) != len(rounds) || c.DurationMS != int64(10*len(rounds)) {
			t.Errorf("%v: want %s with the metrics of round %d, got %+v", test.rounds, test.want, test.shown, c)
		}
		if many := len(rounds) > 1; many && (len(c.Rounds) != len(rounds) || c.Rounds[1].Seq != 100 || c.Rounds[1].Verdict != test.rounds[1]) || !many && c.Rounds != nil {
			t.Errorf("%v: got the rounds %+v", test.rounds, c.Rounds)
		}
		if c.Verdict == Flaky && !strings.Contains(c.Reason, "rounds passed; round ") {
			t.Errorf("%v: nothing says why it is flaky: %q", test.rounds, c.Reason)
		}
		r := over("mqtt5", c)
		if r.Conclude(); r.Conclusion.Value != test.conclusion || r.ExitCode() != test.exit {
			t.Errorf("%v: want %s and exit code %d, got %+v and %d", test.rounds, test.conclusion, test.exit, r.Conclusion, r.ExitCode())
		}
	}
}
