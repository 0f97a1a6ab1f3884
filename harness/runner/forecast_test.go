package runner

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// TestAForecastHasEveryCaseOnce holds what would run, and what not, against what is decided.
func TestAForecastHasEveryCaseOnce(t *testing.T) {
	o := smallOptions("mqtt5", "stomp")
	for i := range o.Plan.Cases {
		if o.Plan.Cases[i].ID == "6.1" {
			o.Plan.Cases[i].Takes = time.Minute
		}
	}
	f, err := Foresee(o)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range f.ToRun {
		got = append(got, fmt.Sprintf("%s %s %s", c.Link, c.ID, c.Takes))
	}
	for _, l := range f.Links {
		for _, c := range l.Cases {
			got = append(got, fmt.Sprintf("%s %s %s", l.Link, c.ID, c.Verdict))
		}
	}
	want := "mqtt5 1.1 1s; mqtt5 1.6 1s; stomp 1.1 1s; stomp 1.6 1s; stomp 6.1 1m1s; " +
		"mqtt5 1.2 not-automated; mqtt5 1.3 deprecated; mqtt5 1.4 unsupported; mqtt5 1.5 error; " +
		"mqtt5 7.1 deselected; mqtt5 7.2 deselected; mqtt5 9.1 deselected; " +
		"stomp 1.4 unsupported; stomp 1.5 error; stomp 6.2 not-automated; stomp 6.3 deselected"
	if text := strings.Join(got, "; "); text != want {
		t.Errorf("\n got %s\nwant %s", text, want)
	}
	if f.Takes != 65*time.Second || f.AtOnce != 1 {
		t.Errorf("want 65 s with one device, got %s with %d", f.Takes, f.AtOnce)
	}
}

func TestAForecastOfNothingIsTheErrorOfTheRun(t *testing.T) {
	o := smallOptions("mqtt5")
	o.Selectors = []string{"1.3"}
	if _, err := Foresee(o); err == nil || !strings.Contains(err.Error(), "nothing to run") {
		t.Errorf("got %v", err)
	}
}

// TestAForecastTriesNoNetwork: there is no program with which a worker could be started.
func TestAForecastTriesNoNetwork(t *testing.T) {
	o := smallOptions("mqtt5")
	o.Plan.Cases = append(o.Plan.Cases, plan.Case{ID: "8.1", Status: plan.Active, Needs: []string{"l2-network"}})
	o.Bodies["8.1"] = o.Bodies["1.1"]
	f, err := Foresee(o)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Notes) != 1 || !strings.HasPrefix(f.Notes[0], "8.1: ") || f.ToRun[len(f.ToRun)-1].ID != "8.1" {
		t.Errorf("got %+v, %q", f.ToRun, f.Notes)
	}
}

// TestAForecastOfAResumedRunKeepsWhatIsFinished wants the rest alone to run.
func TestAForecastOfAResumedRunKeepsWhatIsFinished(t *testing.T) {
	o := smallOptions("mqtt5")
	run, _, err := o.begin(time.Now(), func([]linkPlan) {})
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range run.Links[0].Cases {
		if c.ID == "1.1" {
			run.Links[0].Cases[i] = result.Case{ID: c.ID, Verdict: result.Pass, Started: time.Now()}
		}
	}
	o.Resumed = run
	f, err := Foresee(o)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.ToRun) != 1 || f.ToRun[0].ID != "1.6" {
		t.Errorf("want 1.6 alone, got %+v", f.ToRun)
	}
	for _, c := range f.Links[0].Cases {
		if c.ID == "1.1" && !strings.Contains(c.Reason, "finished") {
			t.Errorf("got %+v", c)
		}
	}
}
