package proof

import (
	"context"
	"testing"

	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/runner"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
	"github.com/usptest/usptest/suites"
)

// TestWithinSessionContexts carries out the cases of chapter 1 over links within session contexts, in the clear and with TLS in payloads:
// the clean agent passes them, and each Message between it and the Controller goes so.
func TestWithinSessionContexts(t *testing.T) {
	t.Parallel()
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	for link, security := range map[string]usppb.Record_PayloadSecurity{
		"mqtt5+session": usppb.Record_PLAINTEXT, "websocket+session-tls": usppb.Record_TLS12} {
		var apply []plan.Case
		for _, c := range p.Cases {
			if c.AppliesTo(link) && c.Status == plan.Active && suites.Bodies()[c.ID] != nil {
				apply = append(apply, c)
			}
		}
		if len(apply) < 100 {
			t.Errorf("%d cases apply over %s", len(apply), link)
		}
		for _, c := range program.Sample(*full, len(apply)/3, apply) {
			t.Run(link+" "+c.ID, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				s := open(ctx, t, runner.SessionOptions{DUT: device(t), Link: link})
				defer s.Close()
				r, err := s.Run(ctx, c, func(c *harness.Case) {
					mark := c.Journal.Mark()
					suites.Bodies()[c.Plan.ID](c)
					goWithin(t, c.Agent.ID(), c.Journal.Since(mark), security)
				})
				if err != nil {
					t.Fatal(err)
				}
				if r.Verdict != result.Pass {
					t.Errorf("%s: %s", r.Verdict, r.Reason)
				}
			})
		}
	}
}

// TestChecksOutsideRequiredContexts breaks agents that require session contexts in what only requests without one can show: the checks have
// them allowed, and find it.
func TestChecksOutsideRequiredContexts(t *testing.T) {
	t.Parallel()
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		id, link, required, defect string
		metric                     int
	}{
		{"R-MSG.1", "mqtt5", "context-required", "unknown-payload-security-taken", 3},
		{"R-MSG.8", "mqtt5", "context-required", "both-kinds-handled", 3},
		{"R-UDS.16", "uds", "context-required-over-uds", "uds-takes-early-records", 2},
	} {
		t.Run(test.id, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			s := open(ctx, t, runner.SessionOptions{DUT: device(t, test.required, test.defect), Link: test.link})
			defer s.Close()
			c, _ := p.Case(test.id)
			r, err := s.Run(ctx, c, suites.Bodies()[test.id])
			if err != nil {
				t.Fatal(err)
			}
			if r.Verdict != result.Fail || r.Metrics[test.metric-1].Verdict != result.Fail {
				t.Errorf("want metric %d to fail, got %s: %s", test.metric, r.Verdict, r.Reason)
			}
		})
	}
}

// goWithin requires that the requests of a Controller among events go within session contexts, and that there are some.
func goWithin(t *testing.T, controller string, events []*journal.Event, security usppb.Record_PayloadSecurity) {
	t.Helper()
	requests := 0
	for _, e := range events {
		record, ok := e.Body.(*usppb.Record)
		if !ok || e.Dir != journal.Out || e.Layer != journal.LayerRecord || record.GetFromId() != controller {
			continue
		}
		if body := record.GetSessionContext(); body != nil {
			if requests++; record.GetPayloadSecurity() != security {
				t.Errorf("event %d: got %s, want payload %s", e.Seq, e.Text, security)
			}
			continue
		}
		m, err := usp.ParseMessage(record.GetNoSessionContext().GetPayload())
		if err != nil || m.GetBody().GetRequest() != nil {
			t.Errorf("event %d: got %s", e.Seq, e.Text)
		}
	}
	if requests == 0 {
		t.Error("no Record went within a session context")
	}
}
