package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/lab"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// working is a worker with a simple device and a body for each of some cases, whose reports go to the buffer.
func working(t *testing.T, s *simple, bodies harness.Bodies) (*worker, *bytes.Buffer) {
	var out bytes.Buffer
	return &worker{job: job{Link: "mqtt5", Out: t.TempDir()}, bodies: bodies, rig: simpleRig(t, s), out: json.NewEncoder(&out)}, &out
}

// told are the reports in a few words.
func told(t *testing.T, out *bytes.Buffer) string {
	t.Helper()
	var words []string
	for line := range bytes.Lines(out.Bytes()) {
		var r report
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		switch {
		case r.Started != "":
			words = append(words, "started "+r.Started)
		case r.Case != nil:
			words = append(words, fmt.Sprintf("%s %s %s", r.Case.Verdict, r.Case.ID, r.Case.Reason))
		case r.Trouble != nil:
			words = append(words, "trouble "+r.Trouble.Text)
		case r.Note != "":
			words = append(words, "note "+r.Note)
		}
	}
	return strings.Join(words, "; ")
}

func planned(id string) plan.Case { return plan.Case{ID: id, Metrics: []plan.Metric{{N: 1}}} }

func TestOneCaseAfterTheOther(t *testing.T) {
	pass := func(c *harness.Case) { c.Metric(1, func(*harness.Metric) {}) }
	fail := func(c *harness.Case) { c.DeviceMust(errors.New("refused")) }
	for name, test := range map[string]struct {
		first harness.Body
		leave func(*simple) // what becomes of the device in the first case
		want  string
	}{
		"all is well": {pass, nil, "started 1.1; pass 1.1 ; started 1.2; pass 1.2 "},
		"a failure":   {fail, nil, "started 1.1; fail 1.1 refused; started 1.2; pass 1.2 "},
		"the device is gone": {fail, func(s *simple) { s.away = true },
			"started 1.1; trouble the device did not come back after case 1.1: no device within 6s (waits.reconnect), " +
				"seen: no TCP connection to 127.0.0.1:7; check that the device is configured for this address; no Agent can be reached; " +
				"fail 1.1 refused; " +
				"error 1.2 the device did not come back after case 1.1: no device within 6s (waits.reconnect), " +
				"seen: no TCP connection to 127.0.0.1:7; check that the device is configured for this address; no Agent can be reached"},
		"gone, but the case passed": {pass, func(s *simple) { s.away = true }, "started 1.1; pass 1.1 ; started 1.2; pass 1.2 "}, // the next case will tell
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &simple{}
				w, out := working(t, s, harness.Bodies{"1.2": pass, "1.1": func(c *harness.Case) {
					if test.leave != nil {
						test.leave(s)
					}
					test.first(c)
				}})
				w.one(t.Context(), planned("1.1"))
				if n := len(w.rig.Journal.Since(0)); name == "all is well" && n > 0 {
					t.Errorf("the journal still has %d events of the case", n)
				}
				w.one(t.Context(), planned("1.2"))
				if got := told(t, out); got != test.want {
					t.Errorf("\n got %s\nwant %s", got, test.want)
				}
				if _, err := os.Stat(filepath.Join(w.Out, "journal", "mqtt5", "1.1.jsonl")); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestRightsThatAreNotPutBackAreANoteOfLaterCases(t *testing.T) {
	const want = "the harness's Controller may have fewer rights since case 1.1, whose clean-up failed (delete a Permission: refused): " +
		"put its Roles back as they were, and run what fails from here on again"
	for name, test := range map[string]struct {
		needs    []string
		refuses  bool
		launched bool
		want     []string // the notes of the next case
	}{
		"it keeps a Permission":           {[]string{plan.NeedRole}, true, false, []string{want}},
		"it keeps another row":            {nil, true, false, nil},
		"it keeps nothing":                {[]string{plan.NeedRole}, false, false, nil},
		"it keeps one, and starts afresh": {[]string{plan.NeedRole}, true, true, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pass := func(c *harness.Case) { c.Metric(1, func(*harness.Metric) {}) }
				w, out := working(t, &simple{}, harness.Bodies{"1.2": pass, "1.1": func(c *harness.Case) {
					c.Cleanup("delete a Permission", func(context.Context) error {
						if test.refuses {
							return errors.New("refused")
						}
						return nil
					})
					pass(c)
				}})
				if test.launched {
					f := *w.rig.DUT
					f.Lab.Launch = &dut.Launch{Exec: []string{"/nowhere/agent"}}
					w.rig.Device = lab.NewDevice(w.rig.Journal, &f, dut.Vars{}, lab.Options{})
				}
				first := planned("1.1")
				first.Needs = test.needs
				w.one(t.Context(), first)
				if told, note := told(t, out), "note "+want; strings.Contains(told, note) != (test.want != nil) {
					t.Errorf("told %s", told)
				}
				w.lost = "" // a program that is nowhere does not start afresh
				if r := w.one(t.Context(), planned("1.2")); r.Verdict != result.Pass || !slices.Equal(r.Notes, test.want) {
					t.Errorf("want a pass with the notes %q, got %s %q", test.want, r.Verdict, r.Notes)
				}
			})
		})
	}
}

func TestADeviceThatStaysAwayIsBroughtBackByTheLab(t *testing.T) {
	for name, test := range map[string]struct {
		lab     dut.LabSpec
		returns string // what brings it back
		want    string // how, or how the error ends
		asked   int
	}{
		"by its power": {dut.LabSpec{Power: dut.Hook{By: dut.ByHand}, FactoryReset: dut.Hook{By: dut.ByHand}}, "take the power",
			"the lab took the power from the device and gave it back", 1},
		"by its reset": {dut.LabSpec{Power: dut.Hook{By: dut.ByHand}, FactoryReset: dut.Hook{By: dut.ByHand}}, "reset the device",
			"the lab reset the device to its factory settings", 2},
		"by a reset over USP, which is no way": {dut.LabSpec{FactoryReset: dut.Hook{By: dut.ByUSP}}, "reset the device",
			"no Agent can be reached", 0},
		"by nobody": {dut.LabSpec{Power: dut.Hook{By: dut.ByHand}}, "", "lab.power: the operator was asked to take the power from the device, and give it back: out for lunch", 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, asked := &simple{away: true}, 0
				r := simpleRig(t, s)
				f := *r.DUT
				f.Lab = test.lab
				r.DUT, r.Device = &f, lab.NewDevice(r.Journal, &f, dut.Vars{}, lab.Options{Ask: func(_ context.Context, what string) error {
					asked++
					if test.returns == "" {
						return errors.New("out for lunch")
					}
					s.away = !strings.HasPrefix(what, test.returns)
					return nil
				}})
				how, err := r.recover(t.Context())
				if err != nil {
					how = err.Error()
				}
				if !strings.HasSuffix(how, test.want) || asked != test.asked {
					t.Errorf("asked %d times, got %s", asked, how)
				}
			})
		})
	}
}

func TestAnInterruptedWorkerStartsNoCase(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w, out := working(t, &simple{}, nil)
	if r := w.one(ctx, planned("1.1")); r.Verdict != result.Aborted || told(t, out) != "aborted 1.1 "+result.Interrupted {
		t.Errorf("got %+v, told %s", r, told(t, out))
	}
}

func TestADeviceThatCannotBePreparedIsAnErrorOfTheCase(t *testing.T) {
	w, out := working(t, &simple{}, nil)
	f := *w.rig.DUT
	f.Lab.Launch = &dut.Launch{Exec: []string{"/nowhere/agent"}, Fresh: dut.FreshPerCase}
	w.rig.DUT, w.rig.Device = &f, lab.NewDevice(w.rig.Journal, &f, dut.Vars{}, lab.Options{})
	t.Cleanup(func() { w.rig.Device.Close() })
	r := w.one(t.Context(), planned("1.1"))
	if r.Verdict != result.Error || !strings.Contains(r.Reason, "/nowhere/agent") || !strings.Contains(told(t, out), "trouble the device did not come back after case 1.1") {
		t.Errorf("got %s %q, told %s", r.Verdict, r.Reason, told(t, out))
	}
}

func TestAJournalThatCannotBeWrittenCostsNoVerdict(t *testing.T) {
	w, out := working(t, &simple{}, harness.Bodies{"1.1": func(c *harness.Case) { c.Metric(1, func(*harness.Metric) {}) }})
	if err := os.WriteFile(filepath.Join(w.Out, "journal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := w.one(t.Context(), planned("1.1"))
	if r.Verdict != result.Pass || r.Journal != "" || len(r.Notes) != 1 || !strings.Contains(told(t, out), "trouble 1.1: the journal could not be written") {
		t.Errorf("got %+v, told %s", r, told(t, out))
	}
}
