package result

import (
	"strings"
	"testing"
)

func TestOnlyFailures(t *testing.T) {
	metrics := []Metric{{N: 1, Verdict: Pass}, {N: 2, Verdict: Fail, Want: "a", Got: "b"}, {N: 3, Verdict: NotReached}}
	full := &Run{Coverage: &Coverage{Plan: 213, Apply: 100}, Links: []Link{
		{Link: "mqtt5", Cases: []Case{{ID: "1.1", Verdict: Pass}, {ID: "1.2", Verdict: Fail, Metrics: metrics}, {ID: "1.3", Verdict: Error}}},
		{Link: "stomp", Trouble: "the device went away", Cases: []Case{
			{ID: "1.1", Verdict: Aborted}, {ID: "1.2", Verdict: Waived, Metrics: metrics},
		}},
		{Link: "websocket", Cases: []Case{{ID: "1.1", Verdict: Pass}}},
	}}
	full.Conclude()
	some := full.OnlyFailures()
	if !some.Limited || full.Limited || len(full.Links[0].Cases[1].Metrics) != 3 {
		t.Fatal("want another run that is limited, and the full one untouched")
	}
	if len(some.Links) != 2 || some.Links[1].Trouble != "" {
		t.Fatalf("want the links with failures, and nothing about what could not be judged, got %+v", some.Links)
	}
	for _, l := range some.Links {
		if len(l.Cases) != 1 || l.Cases[0].ID != "1.2" || len(l.Cases[0].Metrics) != 1 || l.Cases[0].Metrics[0].N != 2 {
			t.Errorf("%s: want metric 2 of 1.2 alone, got %+v", l.Link, l.Cases)
		}
	}
	if len(some.Causes) != 1 || some.Causes[0].Verdict != Fail {
		t.Errorf("want the causes of failures, got %+v", some.Causes)
	}
	if c := some.Conclusion; c.Value != NotConformant || strings.Contains(c.Reason, "judged") {
		t.Errorf("want a conclusion about the failures alone, got %+v", c)
	}
}

// TestALimitedReportWithoutAFailureSaysNothing makes sure that a reader cannot take it for a proof that everything passed.
func TestALimitedReportWithoutAFailureSaysNothing(t *testing.T) {
	full := &Run{Links: []Link{{Link: "mqtt5", Cases: []Case{{ID: "1.1", Verdict: Pass}}}}}
	some := full.OnlyFailures()
	if c := some.Conclusion; c.Value != Limited || !strings.Contains(c.Reason, "says nothing") || len(some.Links)+len(some.Causes) > 0 {
		t.Errorf("got %+v with %d links and %d causes", c, len(some.Links), len(some.Causes))
	}
}
