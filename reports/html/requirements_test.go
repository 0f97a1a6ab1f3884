package html

import (
	"bytes"
	"strings"
	"testing"

	"github.com/usptest/usptest/fixtures/runs"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// TestRequirements has each requirement in its place, with its verdict and links to what tests it.
func TestRequirements(t *testing.T) {
	run := runs.Example()
	broken := &run.Links[1].Cases[0] // of which the plan says nothing about R-ARC.6
	broken.Verdict = result.Fail
	broken.Metrics = append(broken.Metrics, result.Metric{Verdict: result.Fail, Note: "Endpoint IDs are valid", Requirements: []string{"R-ARC.6"}})
	data := render(t, run, runs.Plan())
	d := parse(t, data)
	d.inert(t)
	for id, want := range map[string]string{
		"R-ADD.3":   "R-ADD.3 MUST✕ failA required parameter that cannot be set keeps its object from being created.1.1",
		"R-ADD.4":   "R-ADD.4 MUST✕ failThe response names each parameter that could not be set, and why. Not in full: 1.1 sets none that fails.1.1",
		"R-NOT.8":   "R-NOT.8 SHOULDA Controller should not answer a Notify without send_resp.binds Controllers",
		"R-STOMP.5": "R-STOMP.5 MUSTnot testedThe STOMP frame has the configured host. Not tested: no case of this part of a plan does.",
		"R-ARC.6":   "R-ARC.6 MUST✕ failAn instance-id has at most 50 characters." + broken.ID + " every case",
	} {
		row := d.ids["tr369-"+id]
		if row == nil {
			t.Errorf("%s is not there", id)
		} else if got := strings.TrimSpace(inside(row)); got != want {
			t.Errorf("want %q, got %q", want, got)
		}
	}
	for _, link := range []string{`<a class="fail" href="#mqtt5-1.1">1.1</a>`, `<a class="fail" href="#` + anchor(run.Links[1].Link, broken.ID) + `">`} {
		if !bytes.Contains(data, []byte(link)) {
			t.Errorf("nowhere is %s", link)
		}
	}
	if limited := parse(t, render(t, run.OnlyFailures(), runs.Plan())); limited.ids["requirements"] != nil {
		t.Error("a limited report says what passed")
	}
}

// TestRequirementsAreShort: all of them with a run of every case take little of the file.
func TestRequirementsAreShort(t *testing.T) {
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	run := &result.Run{Links: []result.Link{{Link: "websocket+tls"}}}
	for _, c := range p.Cases {
		run.Links[0].Cases = append(run.Links[0].Cases, result.Case{ID: c.ID, Verdict: result.Fail, Metrics: []result.Metric{{N: 1, Verdict: result.Fail}}})
	}
	r, err := newRenderer(run, p)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := r.template.ExecuteTemplate(&b, "requirements", r.requirements()); err != nil {
		t.Fatal(err)
	}
	if size := b.Len(); size < len(p.Requirements)*100 || size > maxFile/40 {
		t.Errorf("%d requirements take %d bytes", len(p.Requirements), size)
	}
}
