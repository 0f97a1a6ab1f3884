package proof

import (
	"cmp"
	"testing"

	"github.com/usptest/usptest/fixtures/agent/defects"
	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/runner"
	"github.com/usptest/usptest/suites"
)

// TestLawfulVariants carries out cases on Agents that differ from the reference agent in what TR-369 and TR-181 leave to them. No verdict
// is a fail; where the lab cannot judge, it says so.
func TestLawfulVariants(t *testing.T) {
	t.Parallel()
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range program.Sample(*full, 4, defects.Variants()) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			if len(v.Passed)+len(v.Unjudged)+len(v.Unsupported) == 0 {
				t.Fatal("no case is carried out with this variant")
			}
			var cases []plan.Case
			for _, id := range v.Passed {
				c, _ := p.Case(id)
				cases = append(cases, c)
			}
			if elsewhere(t, cases...) {
				return
			}
			d := device(t, v.Name)
			d.Lab.Network.IP = v.IP
			s := open(t.Context(), t, runner.SessionOptions{DUT: d, Link: cmp.Or(v.Link, "mqtt5")})
			defer s.Close()
			run := func(id string, want result.Verdict) {
				c, _ := p.Case(id)
				r, err := s.Run(t.Context(), c, suites.Bodies()[id])
				if err != nil {
					t.Fatal(err)
				}
				if r.Verdict != want {
					t.Errorf("%s: want %s, got %s %s", id, want, r.Verdict, r.Reason)
				}
			}
			for _, id := range v.Passed {
				run(id, result.Pass)
			}
			for _, id := range v.Unjudged {
				run(id, result.Error)
			}
			for _, id := range v.Unsupported {
				run(id, result.Unsupported)
			}
		})
	}
}
