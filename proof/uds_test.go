package proof

import (
	"context"
	"slices"
	"testing"

	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/runner"
	"github.com/usptest/usptest/suites"
)

// inRole gives the device this role on Unix domain sockets.
func inRole(d *dut.File, role string) *dut.File {
	for i := range d.Links {
		if d.Links[i].MTP == dut.UDS {
			d.Links[i].Role = role
		}
	}
	return d
}

// TestUnixDomainSockets carries out cases that apply to every MTP over a Unix domain socket, at which the clean agent listens or to which
// it connects. It passes those that are not about what only another set-up has; as a client it reaches one Controller.
func TestUnixDomainSockets(t *testing.T) {
	t.Parallel()
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	var apply []plan.Case
	for _, c := range p.Cases {
		if c.AppliesTo("uds") && c.Status == plan.Active && suites.Bodies()[c.ID] != nil && !slices.Contains(c.Needs, "l2-network") {
			apply = append(apply, c)
		}
	}
	if len(apply) < 150 {
		t.Errorf("%d cases apply", len(apply))
	}
	for _, role := range []string{dut.RoleServer, dut.RoleClient} {
		for _, c := range program.Sample(*full, len(apply)/3, apply) {
			if role == dut.RoleClient && slices.Contains(c.Needs, "second-controller") {
				continue
			}
			t.Run(role+" "+c.ID, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				s := open(ctx, t, runner.SessionOptions{DUT: inRole(device(t), role), Link: "uds"})
				defer s.Close()
				r, err := s.Run(ctx, c, suites.Bodies()[c.ID])
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
