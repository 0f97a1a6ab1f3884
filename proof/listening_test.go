package proof

import (
	"slices"
	"testing"

	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/runner"
	"github.com/usptest/usptest/suites"
)

// listening is the reference agent as a WebSocket server, which the harness dials, with or without TLS.
func listening(t *testing.T, ways ...string) *dut.File {
	t.Helper()
	d := device(t, ways...)
	d.Lab.Launch.Exec = append(slices.Clone(d.Lab.Launch.Exec), "--listen", "--port={{.AgentPort}}", "--path=/usp")
	d.Links = []dut.LinkSpec{
		{MTP: dut.WebSocket, Role: dut.RoleServer, URL: "ws://127.0.0.1:{{.AgentPort}}/usp"},
		{MTP: dut.WebSocket, Role: dut.RoleServer, URL: "wss://127.0.0.1:{{.AgentPort}}/usp", TLS: true},
	}
	return d
}

// TestFurtherControllersDialAsThemselves carries out cases with a second Controller on an Agent that listens with TLS, and ignores Records
// whose sender the certificate does not name.
func TestFurtherControllersDialAsThemselves(t *testing.T) {
	t.Parallel()
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	s := open(t.Context(), t, runner.SessionOptions{DUT: listening(t, "certificate-names-sender-first"), Link: "websocket+tls"})
	defer s.Close()
	for _, id := range []string{"1.78", "2.9", "2.27", "9.9", "R-GET.1", "R-SEC.16"} {
		c, _ := p.Case(id)
		if r, err := s.Run(t.Context(), c, suites.Bodies()[id]); err != nil || r.Verdict != result.Pass {
			t.Errorf("%s: want pass, got %s %s, %v", id, r.Verdict, r.Reason, err)
		}
	}
}

// TestAgentThatListens carries out cases in which the Agent is the WebSocket server: it passes, and what is wrong with it in this role is
// found.
func TestAgentThatListens(t *testing.T) {
	t.Parallel()
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	run := func(t *testing.T, s *runner.Session, id string) result.Case {
		t.Helper()
		c, _ := p.Case(id)
		r, err := s.Run(t.Context(), c, suites.Bodies()[id])
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for name, ids := range map[string][]string{
		"":                                   {"2.9", "7.1", "7.2", "7.4", "7.6", "7.7", "7.10", "7.11", "7.12", "R-WS.17"},
		"websocket-session-while-going-down": {"7.1", "7.10", "7.11"},
		"websocket-listens-twice":            {"7.7", "R-WS.17"},
	} {
		t.Run("passes "+name, func(t *testing.T) {
			t.Parallel()
			var ways []string
			if name != "" {
				ways = append(ways, name)
			}
			s := open(t.Context(), t, runner.SessionOptions{DUT: listening(t, ways...), Link: "websocket"})
			defer s.Close()
			for _, id := range ids {
				if r := run(t, s, id); r.Verdict != result.Pass {
					t.Errorf("%s: want pass, got %s %s", id, r.Verdict, r.Reason)
				}
			}
		})
	}
	for _, d := range []struct {
		defect, id string
		metric     int
	}{
		{"unknown-controller-trusted", "2.9", 1},
		{"websocket-close-unanswered", "7.4", 1},
		{"websocket-ignores-garbage", "7.6", 1},
		{"websocket-no-connect-record", "7.10", 1},
		{"websocket-late-connect-record", "7.10", 1},
		{"websocket-record-before-connect-record", "7.10", 1},
		{"websocket-wants-extension-in-request", "7.11", 1},
		{"websocket-never-pings", "R-WS.17", 1},
	} {
		t.Run(d.defect, func(t *testing.T) {
			t.Parallel()
			s := open(t.Context(), t, runner.SessionOptions{DUT: listening(t, d.defect), Link: "websocket"})
			defer s.Close()
			if err := exactly(run(t, s, d.id), d.metric); err != nil {
				t.Error(err)
			}
		})
	}
}
