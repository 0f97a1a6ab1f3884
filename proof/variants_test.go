package proof

import (
	"cmp"
	"testing"

	"github.com/usptest/usptest/fixtures/agent/defects"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/runner"
	"github.com/usptest/usptest/suites"
)

// TestLawfulVariants carries out cases on Agents that differ from the reference agent in what TR-369 and TR-181 leave to them. No verdict is a
// fail; where the lab cannot judge, it says so.
func TestLawfulVariants(t *testing.T) {
	t.Parallel()
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct { // by variant
		link        string // mqtt5 when empty
		passed      []string
		unjudged    []string // errors of the lab
		unsupported []string
	}{
		"without-alias":                           {passed: []string{"1.1", "1.5", "1.10", "1.33", "1.35", "1.71", "1.81", "1.84", "1.88", "1.95", "2.10", "2.21", "2.23", "2.26"}},
		"without-expiration":                      {unjudged: []string{"1.22", "1.48", "1.49", "1.50", "1.51"}},
		"without-boot-parameters":                 {unjudged: []string{"1.10", "1.33", "1.35", "1.71", "1.84", "1.95", "2.21", "2.22", "2.23", "2.24"}},
		"with-statistics":                         {passed: []string{"1.1", "1.3", "1.4", "1.9", "1.14", "1.15", "1.19", "1.20", "1.24", "1.27", "1.31", "1.34", "1.39", "1.40", "1.44", "1.45", "1.46", "1.86", "1.90"}},
		"empty-tables-are-no-path":                {passed: []string{"1.3", "1.4", "1.6", "1.7", "1.8", "1.9", "1.10", "1.25", "1.29", "1.33", "1.34", "1.35", "1.82", "1.84", "1.86", "1.90", "2.21", "2.23", "2.24", "2.26"}},
		"busy-neighbour":                          {passed: []string{"1.3", "1.4", "1.6", "1.7", "1.8", "1.9", "1.20", "1.24", "1.27", "1.28", "1.88", "2.15", "2.23", "2.24", "2.25", "2.26"}},
		"diverging-rows":                          {passed: []string{"1.39", "1.89"}},
		"controllers-without-mtp":                 {passed: []string{"1.70"}},
		"full-tables":                             {passed: []string{"1.10", "1.33", "1.71", "1.83", "2.15", "2.21", "2.22", "2.25", "2.26"}, unjudged: []string{"1.35", "2.23", "2.24", "2.27"}},
		"websocket-first-session-gives-way":       {link: "websocket", passed: []string{"7.2", "7.4", "7.11"}},
		"websocket-second-session-closed-at-once": {link: "websocket", passed: []string{"7.2", "7.11"}},
		"mqtt-qos-read-only":                      {passed: []string{"11.1", "11.9", "11.13"}},
		"usp-1.3-denies-with-error":               {passed: []string{"2.17", "2.18"}},
		"denied-command-fails-with-7022":          {passed: []string{"2.17", "2.18"}},
		"fixed-roles":                             {passed: []string{"2.15", "2.27"}, unsupported: []string{"2.10"}},
		"no-strangers":                            {unsupported: []string{"2.9"}},
		"second-role":                             {passed: []string{"2.9", "2.12", "2.14", "2.16", "2.18", "2.20", "2.21", "2.22", "2.23", "2.24", "2.25", "2.26", "2.27"}},
		"second-role-fixed":                       {passed: []string{"2.12", "2.15", "2.16", "2.21", "2.24", "2.26", "2.27"}},
		"permissions-without-alias":               {passed: []string{"2.15", "2.21"}},
		"high-order":                              {passed: []string{"2.15", "2.16", "2.21"}},
		"stomp-destination-fixed":                 {unsupported: []string{"6.6", "6.7", "6.10"}, link: "stomp"},
		"stomp-closes-without-disconnect":         {passed: []string{"6.7"}, link: "stomp"},
	}
	for _, v := range defects.Variants() {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			test, ok := tests[v.Name]
			if !ok {
				t.Fatal("no case is carried out with this variant")
			}
			d := device(t, v.Name)
			s := open(t.Context(), t, runner.SessionOptions{DUT: d, Link: cmp.Or(test.link, "mqtt5")})
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
			for _, id := range test.passed {
				run(id, result.Pass)
			}
			for _, id := range test.unjudged {
				run(id, result.Error)
			}
			for _, id := range test.unsupported {
				run(id, result.Unsupported)
			}
		})
	}
}
