package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/result"
)

// scripted runs three cases of smallPlan over MQTT with a worker that follows a script.
func scripted(t *testing.T, ctx context.Context, change func(*Options), script ...string) (*result.Run, *hearing) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h := &hearing{}
	o := smallOptions("mqtt5")
	o.Bodies["1.2"] = o.Bodies["1.1"]
	o.DUT.Waivers = nil
	o.Selectors, o.Out, o.Progress = []string{"1.1", "1.2", "1.6"}, t.TempDir(), h
	o.Worker = append([]string{self}, script...)
	if change != nil {
		change(&o)
	}
	run, err := Run(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return run, h
}

// verdicts are those of a run's only link, in order.
func verdicts(run *result.Run) string {
	var words []string
	for _, c := range run.Links[0].Cases {
		words = append(words, fmt.Sprintf("%s %s", c.ID, c.Verdict))
	}
	return strings.Join(words, "; ")
}

func TestWhateverAWorkerDoesEveryCaseHasAResult(t *testing.T) {
	for name, test := range map[string]struct {
		script  []string
		want    string
		trouble string // in the link's trouble; empty for none
	}{
		"in good order": {[]string{"started 1.1", "pass 1.1", "started 1.2", "fail 1.2", "started 1.6", "pass 1.6", "done"},
			"1.1 pass; 1.2 fail; 1.6 pass", ""},
		"no contact": {[]string{"trouble no device", "fail 1.1", "fail 1.2", "fail 1.6", "done"}, "1.1 fail; 1.2 fail; 1.6 fail", "no device"},
		"dies in a case": {[]string{"started 1.1", "pass 1.1", "started 1.2", "stderr panic: oh no", "exit"},
			"1.1 pass; 1.2 error; 1.6 aborted", "worker process died: exit status 3; its last words: panic: oh no"},
		"dies at once":         {[]string{"exit"}, "1.1 aborted; 1.2 aborted; 1.6 aborted", "worker process died: exit status 3"},
		"ends without a word":  {[]string{"note hello"}, "1.1 aborted; 1.2 aborted; 1.6 aborted", "worker process died: unexpected EOF"},
		"forgets a case":       {[]string{"pass 1.1", "pass 1.6", "done"}, "1.1 pass; 1.2 aborted; 1.6 pass", "without a result of case 1.2"},
		"unreadable report":    {[]string{"pass 1.1", "started 1.2", "raw {", "hang"}, "1.1 pass; 1.2 error; 1.6 aborted", "unreadable report of a worker: unexpected end"},
		"speaks on, unheard":   {[]string{"raw nonsense", "flood"}, "1.1 aborted; 1.2 aborted; 1.6 aborted", "unreadable report of a worker: invalid character"},
		"endless report":       {[]string{"flood"}, "1.1 aborted; 1.2 aborted; 1.6 aborted", "unreadable report of a worker: bufio.Scanner: token too long"},
		"speaks on after done": {[]string{"pass 1.1", "pass 1.2", "pass 1.6", "done", "raw {"}, "1.1 pass; 1.2 pass; 1.6 pass", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run, _ := scripted(t, t.Context(), nil, test.script...)
			if got := verdicts(run); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if got := run.Links[0].Trouble; (test.trouble == "") != (got == "") || !strings.Contains(got, test.trouble) {
				t.Errorf("trouble: got %q, want %q", got, test.trouble)
			}
		})
	}
}

func TestAWorkerThatCannotBeStarted(t *testing.T) {
	run, _ := scripted(t, t.Context(), func(o *Options) { o.Worker = []string{filepath.Join(o.Out, "nowhere")} })
	if got := verdicts(run); got != "1.1 aborted; 1.2 aborted; 1.6 aborted" || !strings.Contains(run.Links[0].Trouble, "cannot start a worker") {
		t.Errorf("got %s, %q", got, run.Links[0].Trouble)
	}
}

func TestWhatAWorkerReportsIsHeardAndKept(t *testing.T) {
	run, h := scripted(t, t.Context(), nil, "device ACME", "note hello", "started 1.1", "pass 1.1", "pass 1.2", "pass 1.6", "done")
	if run.Device.Vendor != "ACME" {
		t.Errorf("device: got %+v", run.Device)
	}
	if got, want := strings.Join(h.heard, "; "), "start [3]; mqtt5 note hello; mqtt5 started 1.1; mqtt5 pass 1.1; mqtt5 pass 1.2; mqtt5 pass 1.6"; got != want {
		t.Errorf("progress:\n got %s\nwant %s", got, want)
	}
}

func TestTheWaitsOfThePlanAreThoseOfTheCasesThatWereCarriedOut(t *testing.T) {
	run, _ := scripted(t, t.Context(), func(o *Options) { o.Plan.Cases[0].Wait, o.Plan.Cases[1].Wait = 20*time.Second, 40*time.Second }, "carried out 1.1", "pass 1.2", "pass 1.6", "done")
	if want := (result.Waits{TotalMS: 20_000, LongestMS: 20_000, Longest: "1.1"}); run.Waits != want {
		t.Errorf("want %+v, got %+v", want, run.Waits)
	}
}

func TestFeaturesAreTheMostCertainThatAnyDeviceShows(t *testing.T) {
	run, _ := scripted(t, t.Context(), nil, "shows 1", "shows 2", "pass 1.1", "pass 1.2", "pass 1.6", "done")
	if len(run.Features) != 2 || run.Features[0].Detected != result.Yes || run.Features[1].Detected != result.Yes {
		t.Errorf("got %+v", run.Features)
	}
	run, _ = scripted(t, t.Context(), nil, "pass 1.1", "pass 1.2", "pass 1.6", "done")
	if f := run.Features[0]; f.Detected != result.Unknown || f.Why == "" {
		t.Errorf("without an inspection: got %+v", f)
	}
}

func TestAnElementThatTheDeviceLacksEndsTheRunBeforeItsFirstCase(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	h := &hearing{}
	o := smallOptions("mqtt5", "stomp")
	o.Progress, o.Out, o.Worker = h, t.TempDir(), []string{self, "lacks elements.readable", "end-of-input", "done"}
	run, err := Run(t.Context(), o)
	var problems *dut.Problems
	if run != nil || !errors.As(err, &problems) || err.Error() != "lab.yaml:7: elements.readable: " {
		t.Errorf("got %v, %v", run, err)
	}
	for _, line := range h.heard[1:] {
		if !strings.HasSuffix(line, " error 1.5") { // that the lab lacks something for it was known before
			t.Errorf("heard %q", line)
		}
	}
	if left, _ := os.ReadDir(o.Out); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A process that the worker started, such as the device, may stay behind and hold on to the worker's pipes.
func TestARunEndsWhenItsWorkersDo(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	run, _ := scripted(t, t.Context(), nil, "pass 1.1", "pass 1.2", "leave "+l.Addr().String(), "pass 1.6", "done")
	if got := verdicts(run); got != "1.1 pass; 1.2 pass; 1.6 pass" {
		t.Errorf("got %s", got)
	}
}

func TestAnInterruptEndsTheWorker(t *testing.T) {
	for name, script := range map[string][]string{
		"that listens":      {"pass 1.1", "started 1.2", "end-of-input", "raw {\"case\":{\"id\":\"1.2\",\"verdict\":\"aborted\"}}", "done"},
		"that ends at once": {"pass 1.1", "started 1.2", "end-of-input", "exit"},
		"that does not":     {"pass 1.1", "started 1.2", "hang"},
		"not waited for":    {"pass 1.1", "started 1.2", "hang"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			self, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			h := &hearing{on: func(line string) {
				if line == "mqtt5 started 1.2" {
					cancel()
				}
			}}
			o := smallOptions("mqtt5")
			o.Progress, o.Worker, o.Out = h, append([]string{self}, script...), t.TempDir()
			log, err := newCaseLog(filepath.Join(o.Out, "cases.jsonl"))
			if err != nil {
				t.Fatal(err)
			}
			s := &supervisor{Options: o, log: log, grace: time.Hour}
			switch name {
			case "that does not":
				s.grace = time.Millisecond
			case "not waited for":
				atOnce := make(chan struct{})
				close(atOnce)
				s.AtOnce = atOnce
			}
			links := s.runAll(ctx, []linkPlan{{link: "mqtt5", run: o.Plan.Cases[:3]}})
			run := &result.Run{Links: links}
			if got := verdicts(run); got != "1.1 pass; 1.2 aborted; 1.3 aborted" {
				t.Errorf("got %s", got)
			}
			if links[0].Trouble != "" {
				t.Errorf("an interrupt is no trouble, got %q", links[0].Trouble)
			}
		})
	}
}

// TestATimeLimitIsTheReason: the worker knows only that it is to stop, and its supervisor knows why.
func TestATimeLimitIsTheReason(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	run, _ := scripted(t, ctx, func(o *Options) {
		o.Progress = &hearing{on: func(line string) {
			if line == "mqtt5 started 1.2" {
				cancel(errors.New("the run reached its --timeout of 45m0s"))
			}
		}}
	}, "pass 1.1", "started 1.2", "end-of-input", `raw {"case":{"id":"1.2","verdict":"aborted","reason":"`+result.Interrupted+`"}}`, "done")
	if got := verdicts(run); got != "1.1 pass; 1.2 aborted; 1.6 aborted" || run.ExitCode() != result.ExitError {
		t.Errorf("got %s, exit %d", got, run.ExitCode())
	}
	for _, c := range run.Links[0].Cases[1:] {
		if c.Reason != "the run reached its --timeout of 45m0s" {
			t.Errorf("%s: got %q", c.ID, c.Reason)
		}
	}
}

func TestAnInterruptedRunStartsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	run, h := scripted(t, ctx, nil, "pass 1.1", "pass 1.2", "pass 1.6", "done")
	if got := verdicts(run); got != "1.1 aborted; 1.2 aborted; 1.6 aborted" || h.has("mqtt5 started") {
		t.Errorf("got %s, heard %q", got, h.heard)
	}
}

func TestAnOperatorIsAskedForAWorker(t *testing.T) {
	for name, test := range map[string]struct {
		ask  func(context.Context, string) error
		want string
	}{
		"done": {func(context.Context, string) error { return nil }, `mqtt5 note answer {"n":7}`},
		"refused": {func(_ context.Context, what string) error { return errors.New("not " + what) },
			`mqtt5 note answer {"n":7,"error":"not mqtt5: please reboot it"}`},
		"no operator": {nil, `mqtt5 note answer {"n":7,"error":"there is no operator to ask"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, h := scripted(t, t.Context(), func(o *Options) { o.Ask = test.ask }, "ask reboot it", "pass 1.1", "pass 1.2", "pass 1.6", "done")
			if !h.has(test.want) {
				t.Errorf("want %s, heard %q", test.want, h.heard)
			}
		})
	}
}

func TestAPleaEndsWithItsWorker(t *testing.T) {
	ended := make(chan struct{})
	scripted(t, t.Context(), func(o *Options) {
		o.Ask = func(ctx context.Context, _ string) error {
			<-ctx.Done()
			close(ended)
			return ctx.Err()
		}
	}, `raw {"ask":{"n":1,"what":"reboot"}}`, "exit")
	<-ended
}

func TestTailKeepsTheLastWords(t *testing.T) {
	var words tail
	if words.text() != "" {
		t.Errorf("got %q", words.text())
	}
	if n, err := io.WriteString(&words, strings.Repeat("a", 3*maxTail)); n != 3*maxTail || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	io.WriteString(&words, "the end\n")
	if got := words.text(); !strings.HasSuffix(got, "athe end") || len(got) > maxTail+len("; its last words: ") {
		t.Errorf("got %d bytes ending in %q", len(got), got[len(got)-10:])
	}
}
