package result

import (
	"strings"
	"testing"
	"time"
)

// TestARunGoesOnWithItsOwnSettingsAlone changes whatever decides verdicts, one thing at a time.
func TestARunGoesOnWithItsOwnSettingsAlone(t *testing.T) {
	fresh := func() *Run {
		return &Run{
			Tool: Tool{"usptest", "1"}, Plan: Plan{"TP", "1", "a"}, TimeScale: 1, ToleranceMS: 1000,
			DUT:   &DUTFile{"lab.yaml", "b", "links:\n  port: 1\n"},
			Links: []Link{{Link: "mqtt5", Cases: []Case{{ID: "1.1", Verdict: Aborted}, {ID: "1.2", Verdict: Unsupported}}}},
		}
	}
	if err := fresh().Resumes(fresh()); err != nil {
		t.Errorf("the same run cannot go on: %v", err)
	}
	for want, change := range map[string]func(*Run){
		"tool:":                    func(r *Run) { r.Tool.Version = "2" },
		"plan hash:":               func(r *Run) { r.Plan.Hash = "b" },
		"SHA-256 of the DUT file:": func(r *Run) { r.DUT.SHA256 = "c" },
		`DUT file with the variables of this environment: "port: 2" and "port: 1"`: func(r *Run) { r.DUT.Text = "links:\n  port: 2\n" },
		"time scale:":            func(r *Run) { r.TimeScale = 2 },
		"tolerance in ms:":       func(r *Run) { r.ToleranceMS = 2000 },
		"--strict-plan:":         func(r *Run) { r.StrictPlan = true },
		"--repeat:":              func(r *Run) { r.Repeat = 3 },
		"--failed:":              func(r *Run) { r.FailedOf = "before/run.json" },
		"--shard:":               func(r *Run) { r.Shard = &Shard{Index: 1, Of: 2} },
		"baseline:":              func(r *Run) { r.Baseline = &Baseline{Software: "1", Started: time.Unix(0, 0)} },
		"waivers:":               func(r *Run) { r.Waivers = []Waiver{{Case: "1.1"}} },
		"selection:":             func(r *Run) { r.Selectors = []string{"1.1"} },
		"links:":                 func(r *Run) { r.Links[0].Link = "stomp" },
		"defects:":               func(r *Run) { r.Device.Defects = []string{"silent"} },
		"mqtt5 1.3 is no longer": func(r *Run) { r.Links[0].Cases[1].ID = "1.3" },
	} {
		before := fresh()
		change(before)
		if err := fresh().Resumes(before); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
