package runner

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// smallPlan has a case for each decision.
func smallPlan() *plan.Plan {
	metrics := []plan.Metric{{N: 1}}
	return &plan.Plan{
		ID: "TP", Version: "1",
		Features: []plan.Feature{{Number: 1, Name: "one"}, {Number: 2, Name: "two"}},
		Needs:    []plan.Need{{Name: "reboot", By: plan.ByLab, Text: "a way to reboot"}},
		Cases: []plan.Case{
			{ID: "1.1", Status: plan.Active, Metrics: metrics},
			{ID: "1.2", Status: plan.Active, Metrics: metrics},                                         // not automated
			{ID: "1.3", Status: plan.Deprecated},                                                       //
			{ID: "1.4", Status: plan.Active, Metrics: metrics, Requires: plan.Requires{Any: []int{2}}}, // unsupported
			{ID: "1.5", Status: plan.Active, Metrics: metrics, Needs: []string{"reboot"}},              // lacks a need
			{ID: "1.6", Status: plan.Active, Metrics: metrics},                                         // has a waiver, and is run
			{ID: "6.1", Status: plan.Active, Metrics: metrics, MTPs: []string{"stomp"}},                //
			{ID: "6.2", Status: plan.Active, Metrics: metrics, MTPs: []string{"stomp"}},                // not automated
			{ID: "6.3", Status: plan.Active, Metrics: metrics, MTPs: []string{"stomp"}, TLS: plan.TLSRequired},
			{ID: "7.1", Status: plan.Active, Metrics: metrics, MTPs: []string{"websocket"}}, //
			{ID: "7.2", Status: plan.Active, Metrics: metrics, MTPs: []string{"websocket"}}, // not automated
			{ID: "9.1", Status: plan.Active, Metrics: metrics, TLS: plan.TLSRequired},       //
		},
	}
}

// smallOptions run smallPlan on a device with feature 1.
func smallOptions(links ...string) Options {
	bodies := harness.Bodies{}
	for _, id := range []string{"1.1", "1.4", "1.5", "1.6", "6.1", "7.1", "9.1"} {
		bodies[id] = func(*harness.Case) {}
	}
	f := &dut.File{Features: []int{1}, Waivers: []dut.Waiver{{Case: "1.6", Reason: "known", Until: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}}}
	f.SetDefaults()
	return Options{Plan: smallPlan(), Bodies: bodies, DUT: f, Links: links, Scale: 1}
}

func TestEveryCaseIsDecidedAndToldOnce(t *testing.T) {
	for name, test := range map[string]struct {
		links []string
		want  map[string]string // by link, ids with what was decided
	}{
		"one link": {[]string{"mqtt5"}, map[string]string{
			"mqtt5": "1.1 run; 1.2 not-automated; 1.3 deprecated; 1.4 unsupported; 1.5 error; 1.6 run; 6.1 deselected; 6.2 deselected; 6.3 deselected; 7.1 deselected; 7.2 deselected; 9.1 deselected",
		}},
		"a case of the second link alone": {[]string{"mqtt5", "stomp"}, map[string]string{
			"mqtt5": "1.1 run; 1.2 not-automated; 1.3 deprecated; 1.4 unsupported; 1.5 error; 1.6 run; 7.1 deselected; 7.2 deselected; 9.1 deselected",
			"stomp": "1.1 run; 1.4 unsupported; 1.5 error; 1.6 run; 6.1 run; 6.2 not-automated; 6.3 deselected",
		}},
		"one MTP with and without TLS": {[]string{"stomp", "stomp+tls"}, map[string]string{
			"stomp":     "1.1 run; 1.2 not-automated; 1.3 deprecated; 1.4 unsupported; 1.5 error; 1.6 run; 6.1 run; 6.2 not-automated; 7.1 deselected; 7.2 deselected",
			"stomp+tls": "1.1 run; 1.4 unsupported; 1.5 error; 1.6 run; 6.1 run; 6.3 not-automated; 9.1 run",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			o := smallOptions(test.links...)
			for _, l := range o.decide(o.Plan.Cases) {
				var got []string
				for _, c := range o.Plan.Cases {
					for _, r := range l.run {
						if r.ID == c.ID {
							got = append(got, c.ID+" run")
						}
					}
					for _, r := range l.rest {
						if r.ID == c.ID {
							got = append(got, fmt.Sprintf("%s %s", c.ID, r.Verdict))
						}
					}
				}
				if text := strings.Join(got, "; "); text != test.want[l.link] {
					t.Errorf("%s:\n got %s\nwant %s", l.link, text, test.want[l.link])
				}
			}
		})
	}
}

func TestADeselectedCaseSaysByWhat(t *testing.T) {
	o := smallOptions("mqtt5")
	o.Filters = []plan.Filter{{Name: "--select x", Match: func(labels []string) bool { return slices.Contains(labels, "case:1.5") }}}
	for _, c := range o.decide(o.Plan.Cases)[0].rest {
		if c.ID == "1.1" && (c.Verdict != result.Deselected || !strings.Contains(c.Reason, "--select x")) {
			t.Errorf("got %+v", c)
		}
	}
}

// TestAnUntriedLinkIsNoMissingFeature: a case of another Link speaks against a conformant run where the device supports what it needs.
func TestAnUntriedLinkIsNoMissingFeature(t *testing.T) {
	for feature, want := range map[int]string{1: "deselected is for stomp", 9: "unsupported needs feature 9"} {
		o := smallOptions("mqtt5")
		c, _ := o.Plan.Case("6.1")
		c.Requires = plan.Requires{Any: []int{feature}}
		rest := o.decide([]plan.Case{c})[0].rest
		if len(rest) != 1 || !strings.HasPrefix(fmt.Sprintf("%s %s", rest[0].Verdict, rest[0].Reason), want) {
			t.Errorf("feature %d: want %s, got %+v", feature, want, rest)
		}
	}
}

func TestNothingToRunIsAnError(t *testing.T) {
	o := smallOptions("mqtt5")
	o.Selectors, o.Out = []string{"6.1", "6.2", "1.3"}, t.TempDir()
	run, err := Run(t.Context(), o)
	if run != nil || err == nil || !strings.Contains(err.Error(), "of 3 selected cases none") || !strings.Contains(err.Error(), "is for stomp") {
		t.Errorf("got %v, %v", run, err)
	}
	if files, _ := os.ReadDir(o.Out); len(files) > 0 {
		t.Errorf("want no files, got %v", files)
	}
}

func TestACaseThatLacksANeedIsTold(t *testing.T) {
	run, h := scripted(t, t.Context(), func(o *Options) { o.Selectors = []string{"1.1", "1.5"} }, "started 1.1", "pass 1.1", "done")
	if got := verdicts(run); got != "1.1 pass; 1.5 error" {
		t.Errorf("got %s", got)
	}
	if !h.has("start [2]") || !h.has("mqtt5 error 1.5") {
		t.Errorf("heard %q", h.heard)
	}
}

func TestALimitedRunIsNeverConformant(t *testing.T) {
	run, _ := scripted(t, t.Context(), func(o *Options) { o.Selectors = []string{"1.1"} }, "started 1.1", "pass 1.1", "done")
	if run.Conclusion.Value != result.Partial || !strings.Contains(run.Conclusion.Reason, "limited to 1.1") {
		t.Errorf("want partial, limited to 1.1, got %+v", run.Conclusion)
	}
}

func TestASelectorThatMatchesNothingIsAnError(t *testing.T) {
	o := smallOptions("mqtt5")
	o.Selectors = []string{"1.9"}
	if run, err := Run(t.Context(), o); run != nil || err == nil || !strings.Contains(err.Error(), "1.9") {
		t.Errorf("got %v, %v", run, err)
	}
}

func TestDealSpreadsTheLongCases(t *testing.T) {
	cases := []plan.Case{
		{ID: "1.1"}, {ID: "1.2", Takes: time.Minute}, {ID: "1.3"}, {ID: "1.4", Takes: 2 * time.Minute}, {ID: "1.5", Takes: time.Minute}, {ID: "1.10"},
	}
	for n, want := range map[int]string{
		1: "[1.1 1.2 1.3 1.4 1.5 1.10]",
		2: "[1.1 1.3 1.4] [1.2 1.5 1.10]",
		9: "[1.4] [1.2] [1.5] [1.1] [1.3] [1.10]",
	} {
		var got []string
		for _, part := range deal(cases, n, Options{DUT: &dut.File{}}.estimate) {
			got = append(got, fmt.Sprint(ids(part)))
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%d parts: got %s, want %s", n, text, want)
		}
	}
}

func TestASimulatedDeviceRestartsAtOnce(t *testing.T) {
	slow := plan.Case{ID: "1.1", Takes: 160 * time.Second, Needs: []string{"reboot"}}
	for scale, want := range map[float64]time.Duration{1: 161 * time.Second, 25: 4250 * time.Millisecond} {
		if got := (Options{Scale: scale, DUT: &dut.File{}}).estimate(slow); got != want {
			t.Errorf("divided by %v: want %s, got %s", scale, want, got)
		}
	}
}

func TestCasesThatMayLoseTheDeviceComeLast(t *testing.T) {
	lost := []string{"reboot", "oob-recovery"}
	cases := []plan.Case{
		{ID: "6.7", Needs: lost}, {ID: "2.12", Needs: []string{"role-admin"}}, {ID: "6.8"}, {ID: "11.11", Needs: lost}, {ID: "11.2", Needs: lost[:1]},
	}
	if got := fmt.Sprint(ids(deal(cases, 1, Options{DUT: &dut.File{}}.estimate)[0])); got != "[6.8 11.2 2.12 6.7 11.11]" {
		t.Errorf("got %s", got)
	}
}

func TestInstancesAreSharedAmongTheLinks(t *testing.T) {
	for _, test := range []struct {
		launch           *dut.Launch
		instances, links int
		want             int
	}{
		{nil, 8, 1, 1},
		{&dut.Launch{}, 8, 1, 8},
		{&dut.Launch{}, 8, 3, 2},
		{&dut.Launch{}, 2, 5, 1},
		{&dut.Launch{}, 0, 1, 1},
	} {
		s := supervisor{Options: Options{DUT: &dut.File{Lab: dut.LabSpec{Launch: test.launch}}, Instances: test.instances}}
		if got := s.share(test.links); got != test.want {
			t.Errorf("%+v: got %d", test, got)
		}
	}
}

func TestParseFilter(t *testing.T) {
	labels := []string{"section:1", "obligation:mandatory"}
	for expression, want := range map[string]bool{
		"section:1":                             true,
		"section:2":                             false,
		"section:1 && !needs:reboot":            true,
		"(section:2) || (obligation:mandatory)": true,
	} {
		match, err := ParseFilter(expression)
		if err != nil || match(labels) != want {
			t.Errorf("%s: want %v, got an error %v", expression, want, err)
		}
	}
	for expression, want := range map[string]string{
		"section:1 &&":        "Unexpected EOF",
		"(section:1":          `Mismatched '(' - could not find matching ')', at "(section:1"`,
		"section:1 && ()":     `Found empty '()' group, at ")"`,
		"section:1 & needs:x": `Invalid token '&'.  Did you mean '&&'?, at "& needs:x"`,
	} {
		if _, err := ParseFilter(expression); err == nil || err.Error() != want {
			t.Errorf("%s: want %s, got %v", expression, want, err)
		}
	}
}

func TestWhatTheDeviceSaysFillsGaps(t *testing.T) {
	d := result.Device{Vendor: "ACME"}
	fillIn(&d, identity{Vendor: "other", Model: "X1", Software: "2", Endpoint: "os::1"})
	says := d.Says
	d.Says = nil
	if want := (result.Device{Vendor: "ACME", Model: "X1", Software: "2", Endpoint: "os::1"}); fmt.Sprint(d) != fmt.Sprint(want) {
		t.Errorf("got %+v", d)
	}
	if want := (result.Identity{Vendor: "other", Model: "X1", Software: "2"}); says == nil || *says != want {
		t.Errorf("want what the device says kept, got %+v", says)
	}
}

func TestErrataOfJudgedMetrics(t *testing.T) {
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range p.Cases {
		all := p.ErrataFor(c.ID, 0)
		r := result.Case{ID: c.ID, Errata: []string{"of another run"}}
		touch(p, &r, false)
		if len(r.Errata) != 0 {
			t.Fatalf("%s: no metric was judged, got %v", c.ID, r.Errata)
		}
		for _, m := range c.Metrics {
			r.Metrics = append(r.Metrics, result.Metric{N: m.N})
		}
		touch(p, &r, false)
		for _, e := range all {
			if slices.Contains(r.Errata, e.ID) != (e.Weight != plan.Editorial) {
				t.Errorf("%s: erratum %s of weight %q: got %v", c.ID, e.ID, e.Weight, r.Errata)
			}
		}
	}
}

func TestFinishedCasesAreLoggedAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cases.jsonl")
	l, err := newCaseLog(path)
	if err != nil {
		t.Fatal(err)
	}
	l.write(result.Logged{Link: "mqtt5", Case: &result.Case{ID: "1.1", Verdict: result.Pass}})
	l.write(result.Logged{Link: "stomp", Case: &result.Case{ID: "6.1", Verdict: result.Fail, Reason: "a\nb"}})
	data, err := os.ReadFile(path) // before close
	if err != nil {
		t.Fatal(err)
	}
	var got []result.Logged
	for line := range bytes.Lines(data) {
		var c result.Logged
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		got = append(got, c)
	}
	if len(got) != 2 || got[0].Link != "mqtt5" || got[1].Case.Reason != "a\nb" {
		t.Errorf("got %+v", got)
	}
	if err := l.close(); err != nil {
		t.Error(err)
	}
	l.write(result.Logged{Link: "mqtt5", Case: &result.Case{ID: "1.2"}})
	if err := l.close(); err == nil {
		t.Error("a case that could not be written: want an error at the end")
	}
}

func TestAFolderThatIsNotThereIsNamedWithARemedy(t *testing.T) {
	o := smallOptions("mqtt5")
	o.Out = filepath.Join(t.TempDir(), "missing")
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "missing") || !strings.Contains(err.Error(), "--out") {
		t.Errorf("got %v", err)
	}
}

func TestACaseThatOnlyLacksTLSSaysSo(t *testing.T) {
	o := smallOptions("mqtt5", "stomp")
	for _, c := range o.decide(o.Plan.Cases)[1].rest {
		if c.ID == "6.3" && !strings.Contains(c.Reason, "--link stomp+tls") {
			t.Errorf("got %q", c.Reason)
		}
	}
}
