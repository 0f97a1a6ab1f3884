package proof

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/fixtures/agent"
	"github.com/usptest/usptest/fixtures/agent/defects"
	"github.com/usptest/usptest/fixtures/reference"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/runner"
	"github.com/usptest/usptest/suites"
)

// twoMTPs are the links of a device that runs by itself. It sends each Notify over the first one that is connected.
func twoMTPs(t *testing.T) []dut.LinkSpec {
	t.Helper()
	links := []dut.LinkSpec{{MTP: dut.MQTT, Version: "5.0"}, {MTP: dut.STOMP}}
	for i := range links {
		links[i].Port, links[i].AgentTopic, links[i].ControllerTopic = freePort(t), "usptest/agent", "usptest/controller"
		links[i].Username, links[i].Password = "usptest", "reference-secret"
	}
	return links
}

// byItself is the DUT file of a reference agent that nobody launches, over links with ports that stay the same. The agent runs until the
// test ends, and comes back after a reboot.
func byItself(t *testing.T, links []dut.LinkSpec, ways ...string) *dut.File {
	t.Helper()
	f := device(t)
	f.Device.Endpoint = "proto::usptest-agent"
	f.Links = links
	f.Lab = dut.LabSpec{Reboot: dut.Hook{By: dut.ByUSP}}
	c := agent.Config{EndpointID: f.Device.Endpoint, ControllerID: string(f.Controller), TimeScale: reference.Scale,
		StateFile: filepath.Join(t.TempDir(), "state.json")}
	for _, l := range links {
		c.MTPs = append(c.MTPs, agent.MTP{Protocol: l.MTP, Version: l.Version, Host: f.Bind, Port: l.Port, AgentTopic: l.AgentTopic,
			ControllerTopic: l.ControllerTopic, Username: l.Username, Password: l.Password})
	}
	if err := defects.Apply(&c, ways...); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		for {
			a, err := agent.New(c)
			if err == nil {
				err = a.Run(ctx)
			}
			if !errors.Is(err, agent.ErrReboot) && !errors.Is(err, agent.ErrFactoryReset) {
				ended <- err
				return
			}
		}
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the agent ended: %v", err)
		}
	})
	return f
}

// TestADeviceWithTwoMTPs passes with both of its links up what it passes with one alone: a few cases over each link, or in full every case
// over one of them, each in turn.
func TestADeviceWithTwoMTPs(t *testing.T) {
	t.Parallel()
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	sampled := []string{"1.57", "1.60", "1.64", "1.67", "2.1", "3.1", "4.1", "6.2", "6.12", "11.11", "11.17"}
	// a device that nobody launches, without a certificate of the run's authority
	lacks := []string{"oob-recovery", "cert-store", "l2-network", "firmware-images", "e2e-tls", "record-signing"}
	chosen := map[string][]string{} // by link
	for n, c := range p.Cases {
		if suites.Bodies()[c.ID] == nil || slices.ContainsFunc(c.Needs, func(need string) bool { return slices.Contains(lacks, need) }) {
			continue
		}
		var over []string
		for _, link := range twoMTPs(t) {
			if c.AppliesTo(link.Name()) {
				over = append(over, link.Name())
			}
		}
		switch {
		case !*full && !slices.Contains(sampled, c.ID):
			continue
		case *full && len(over) > 1:
			over = over[n%2:][:1]
		}
		for _, link := range over {
			chosen[link] = append(chosen[link], c.ID)
		}
	}
	const most = 30 // cases for one device
	for at, name := range slices.Sorted(maps.Keys(chosen)) {
		for ids := range slices.Chunk(chosen[name], most) {
			t.Run(fmt.Sprintf("%s from %s", name, ids[0]), func(t *testing.T) {
				t.Parallel()
				links := twoMTPs(t)
				var both, one map[string]result.Case // one agent after the other: each ends with its subtest
				t.Run("both", func(t *testing.T) { both = verdicts(t, p, byItself(t, links), name, ids) })
				others := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return both[id].Verdict == result.Pass })
				if len(others) == len(ids) {
					t.Errorf("want a case that passes, got %v", both)
				}
				t.Run("alone", func(t *testing.T) { one = verdicts(t, p, byItself(t, links[at:at+1]), name, others) })
				for id, alone := range one {
					if alone.Verdict != both[id].Verdict {
						t.Errorf("%s: %s %s with one MTP, %s %s with two", id, alone.Verdict, alone.Reason, both[id].Verdict, both[id].Reason)
					}
				}
			})
		}
	}
}

// TestCheckSaysThatADeviceHasTwoMTPs, also where it is not connected over the one that is tried.
func TestCheckSaysThatADeviceHasTwoMTPs(t *testing.T) {
	t.Parallel()
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	links := twoMTPs(t)
	f := byItself(t, links)
	found, err := runner.Preflight(t.Context(), p, f, links[0].Name(), "")
	if err != nil || !slices.Equal(found.Beside, []string{links[1].Name()}) {
		t.Errorf("want both links, got %v, %v", found.Beside, err)
	}
	f.Links = append(f.Links, dut.LinkSpec{MTP: dut.WebSocket, Port: freePort(t), Path: "/usp"})
	f.Waits.Connect = time.Second
	_, err = runner.Preflight(t.Context(), p, f, "websocket", "")
	if err == nil || !strings.Contains(err.Error(), "seen: no TCP connection") || !strings.Contains(err.Error(), "the device is connected over mqtt5") {
		t.Errorf("want the links that it has, got %v", err)
	}
}

// freePort is a port that nobody listens on now.
func freePort(t *testing.T) int {
	t.Helper()
	port, err := gate.FreePort("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// verdicts carries out cases, one after the other, over one link.
func verdicts(t *testing.T, p *plan.Plan, f *dut.File, link string, ids []string) map[string]result.Case {
	t.Helper()
	s := open(t.Context(), t, runner.SessionOptions{DUT: f, Link: link})
	defer s.Close()
	got := map[string]result.Case{}
	for _, id := range ids {
		c, _ := p.Case(id)
		if !c.AppliesTo(link) {
			continue
		}
		r, err := s.Run(t.Context(), c, suites.Bodies()[id])
		if err != nil {
			t.Fatal(err)
		}
		if got[id] = r; s.Reachable(t.Context()) != nil {
			t.Fatalf("the device is gone after %s", id)
		}
	}
	return got
}
