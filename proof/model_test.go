package proof

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/onsi/gomega"

	"github.com/usptest/usptest/fixtures/agent/defects"
	"github.com/usptest/usptest/harness/model"
	"github.com/usptest/usptest/harness/runner"
)

// TestModelFindings is the proof of "usptest model" with --values and --write: it finds nothing on the clean reference agent, nor
// where rows differ in what they have, and with each defect of the data model findings of its kind alone. Every kind has a defect.
func TestModelFindings(t *testing.T) {
	t.Parallel()
	facts, err := model.Facts()
	if err != nil {
		t.Fatal(err)
	}
	check := runner.ModelCheck{Model: facts, Profiles: []string{"LocalAgent:1", "Subscriptions:1"}, Values: true, Write: localAgent}
	lawful := []defects.Defect{{Name: "clean"}, {Name: "diverging-rows"}}
	kinds := []string{}
	for _, d := range append(lawful, defects.DescribedDefects()...) {
		kinds = append(kinds, d.Case)
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			var ways []string
			if d.Name != "clean" {
				ways = []string{d.Name}
			}
			r, err := runner.CheckModel(t.Context(), device(t, ways...), "mqtt5", check)
			if err != nil {
				t.Fatal(err)
			}
			if (len(r.Findings) > 0) != (d.Case != "") || r.Values < 100 {
				t.Errorf("%d values and %d findings", r.Values, len(r.Findings))
			}
			for _, f := range r.Findings {
				if string(f.Kind) != d.Case || f.Event == 0 {
					t.Errorf("want findings of the kind %q alone, got %+v", d.Case, f)
				}
			}
		})
	}
	for _, kind := range model.Kinds() {
		if !slices.Contains(kinds, string(kind)) {
			t.Errorf("no defect is found by %s: add one to defects.DescribedDefects", kind)
		}
	}
}

// localAgent is the object whose parameters are set.
const localAgent = "Device.LocalAgent."

// TestWriteRestores interrupts --write as soon as the device has another value than before. It has its own again at the end.
func TestWriteRestores(t *testing.T) {
	t.Parallel()
	facts, err := model.Facts()
	if err != nil {
		t.Fatal(err)
	}
	for range 10 { // the interrupt may come too late
		if interruptedWrite(t, facts) {
			return
		}
	}
	t.Error("no attempt was interrupted in time")
}

// interruptedWrite reports whether the interrupt came in time.
func interruptedWrite(t *testing.T, facts *model.Model) bool {
	t.Helper()
	state := filepath.Join(t.TempDir(), "state.json")
	f := device(t)
	f.Lab.Launch.Exec = append(f.Lab.Launch.Exec, "--state="+state)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	values := func() string {
		var kept struct{ Values map[string]string }
		if raw, err := os.ReadFile(state); err == nil {
			_ = json.Unmarshal(raw, &kept) // a file that is being replaced has none
		}
		return kept.Values[localAgent+"AdvertisedDeviceSubtypes"] + " " + kept.Values[localAgent+"MaxSubscriptionChangeAdoptionTime"]
	}
	done := make(chan error)
	go func() {
		_, err := runner.CheckModel(ctx, f, "mqtt5", runner.ModelCheck{Model: facts, Write: localAgent})
		done <- err
	}()
	gomega.NewWithT(t).Eventually(values, "30s", "1ms").ShouldNot(gomega.BeElementOf(" ", " 5"))
	interrupt()
	err := <-done
	if got := values(); got != " " && got != " 5" {
		t.Errorf("the device is left with %q; %v", got, err)
	}
	return err != nil
}
