package result

import (
	"fmt"
	"strings"
	"testing"
)

func TestCausesAreGroupedByPlaceAndKind(t *testing.T) {
	fault := func(id string, n int, where, want, got, note string) Case {
		return Case{ID: id, Verdict: Fail, Metrics: []Metric{{N: n, Verdict: Fail, Where: where, Want: want, Got: got, Note: note}}}
	}
	refused := "Error 7003 Internal error: \"no\""
	run := &Run{Links: []Link{
		{Link: "mqtt5", Cases: []Case{
			fault("1.46", 1, "reply to Get", "GetResp", refused, ""),
			fault("1.64", 2, "oper_complete.command_key", `"usptest-operate-1-64-1"`, `""`, "no Notify within 5.2s"),
			fault("1.79", 2, "oper_complete.command_key", `"usptest-operate-1-79-1"`, `""`, ""),
			fault("1.82", 1, "reply to Get", "GetResp", "Error 7003 Internal error: another text", ""),
			fault("1.86", 1, "reply to Get", "GetResp", "Error 7006 Permission denied", ""),
			fault("1.1", 0, "address of the AddResp", "a", "b", ""),
			fault("1.36", 0, "address of the GetResp", "a", "b", ""),
			{ID: "6.2", Verdict: Error, Reason: "needs reboot (a restart); say how"},
			{ID: "9.1", Verdict: Waived, Metrics: []Metric{{N: 1, Verdict: Fail, Where: "reply to Get"}}},
		}},
		{Link: "stomp", Cases: []Case{
			fault("1.46", 1, "no GetResp within 4s; from the device meanwhile: 2 stomp SEND", "", "", ""),
			fault("1.52", 2, "no ValueChange Notify of usptest-1 within 5.2s; from the device meanwhile: nothing", "", "", ""),
			fault("1.53", 2, "no ValueChange Notify of usptest-2 within 9.1s", "", "", ""),
			fault("1.79", 2, "oper_complete.command_key", `"usptest-operate-1-79-9"`, `"x"`, ""),
			fault("1.57", 2, `no ObjectCreation Notify of usptest-3 within 6s; a Notify went to "x" instead of "y": set it`, "", "", ""),
		}},
	}}
	run.Conclude()
	var got []string
	for _, c := range run.Causes {
		got = append(got, fmt.Sprintf("%s | %s | %s | hint %t", c.Verdict, c.Headline, c.Where(2), c.Hint != ""))
	}
	want := []string{
		`fail | The device answers Get with Error 7003 Internal error: "no" instead of GetResp. | 1.46, 1.82 over mqtt5, stomp | hint false`,
		`fail | The device is at fault: oper_complete.command_key: want "usptest-operate-1-64-1", got "". | ` +
			`1.64, 1.79 over mqtt5, stomp | hint false`,
		`fail | The device is at fault: address of the AddResp: want a, got b. | 1.1, 1.36 over mqtt5 | hint false`,
		`fail | The device sends no ValueChange Notify of usptest-1 within 5.2s. | 1.52, 1.53 over stomp | hint true`,
		`fail | The device answers Get with Error 7006 Permission denied instead of GetResp. | 1.86 over mqtt5 | hint true`,
		`fail | The device sends no ObjectCreation Notify of usptest-3 within 6s: a Notify went to "x" instead of "y". | ` +
			`1.57 over stomp | hint true`,
		`error | The setup: needs reboot (a restart). | 6.2 over mqtt5 | hint true`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestACauseWithoutContact: it is of the setup, with what to do as its hint; a device that stays away in the middle of a run may be at
// fault.
func TestACauseWithoutContact(t *testing.T) {
	for trouble, want := range map[string]string{
		"no device at port 1883; restart it; link mqtt5: no; raise it; seen: x": "The setup: no device at port 1883.|Restart it; raise it",
		"the device did not come back after case 1.6: no device": "The setup, the lab or the harness: " +
			"the device did not come back after case 1.6: no device.|",
	} {
		link := Link{Link: "mqtt5", Trouble: strings.ReplaceAll(trouble, "1883", "1884")}
		link.Cases = []Case{{ID: "1.1", Verdict: Error, Reason: trouble}}
		run := &Run{Links: []Link{link}}
		run.Conclude()
		if len(run.Causes) != 1 || !strings.HasPrefix(run.Causes[0].Headline+"|"+run.Causes[0].Hint, want) {
			t.Errorf("want %s, got %+v", want, run.Causes)
		}
	}
}

func TestConditionsSayWhatBentTheRun(t *testing.T) {
	r := run(Pass)
	r.ToleranceMS, r.Selectors, r.Filters, r.OtherLinks, r.Repeat = 2000, []string{"1.*"}, []string{"--profile mandatory"}, []string{"stomp"}, 3
	r.Coverage = &Coverage{Plan: 213, Apply: 172, Automated: 124}
	r.Patience = []Patience{{Name: "notify", Is: "a Notify after its cause", DefaultMS: 30_000, MS: 60_000, Lenient: true},
		{Name: "quiet", Is: "silence", DefaultMS: 10_000, MS: 20_000}, {Name: "connect", DefaultMS: 60_000, MS: 20_000}}
	r.Conclude()
	for _, part := range []string{
		"judged 1 of the 172 cases that apply to this device (213 in the plan); usptest does not automate 48 of them",
		"by --profile mandatory", "limited to 1.*",
		"links that were not tried: stomp", "waits.notify (a Notify after its cause) was 1m0s instead of 30s, which is more lenient", "could be off by 2s",
	} {
		if !strings.Contains(r.Conclusion.Reason, part) {
			t.Errorf("want %q in %q", part, r.Conclusion.Reason)
		}
	}
	if strings.Contains(r.Conclusion.Reason, "quiet") || strings.Contains(r.Conclusion.Reason, "3 times") || strings.Contains(r.Conclusion.Reason, "connect") {
		t.Errorf("what widens no verdict is no reason: %q", r.Conclusion.Reason)
	}
	if n := len(r.Conditions); n != 8 || !r.Conditions[0].Widens || r.Conditions[n-1].Widens {
		t.Errorf("want 8 conditions, those that widen first, got %+v", r.Conditions)
	}
	for _, c := range r.Conditions {
		if !strings.HasSuffix(c.Text, ".") || strings.HasSuffix(c.Text, "..") {
			t.Errorf("want a sentence, got %q", c.Text)
		}
	}
}

func TestAWaitThatWidensAVerdictIsNeverConformant(t *testing.T) {
	for lenient, want := range map[bool]string{true: Partial, false: Conformant} {
		r := run(Pass)
		r.Patience = []Patience{{Name: "notify", DefaultMS: 1, MS: 2, Lenient: lenient}}
		if r.Conclude(); r.Conclusion.Value != want {
			t.Errorf("lenient %t: want %s, got %+v", lenient, want, r.Conclusion)
		}
	}
}
