package hostile

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness/result"
)

// killedCases fail in one case and pass in others, over two links, with two workers each.
var killedCases = []string{"run", "--link", "mqtt5", "--link", "stomp", "--instances=4", "--defect", "add-creates-nothing",
	"1.1", "1.36", "1.41", "1.52", "1.53", "1.59", "1.79"}

// verdicts are those of all cases of a run, with the finding of each metric.
func verdicts(run *result.Run) string {
	var lines []string
	for _, l := range run.Links {
		for _, c := range l.Cases {
			line := fmt.Sprint(l.Link, " ", c.ID, " ", c.Verdict)
			for _, m := range c.Metrics {
				line += fmt.Sprint(" ", m.N, " ", m.Verdict)
			}
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// TestARunThatIsKilledIsWholeAfterResume kills the supervisor, a worker, or all of them at random moments of a run, and of the run that
// goes on.
func TestARunThatIsKilledIsWholeAfterResume(t *testing.T) {
	t.Parallel()
	began := time.Now()
	whole := filepath.Join(t.TempDir(), "out")
	program.Run(t, path(t), append(killedCases, "--out", whole)...).Want(t, result.ExitDeviceFault)
	lasts := time.Since(began)
	want := verdicts(runIn(t, whole))
	times := 2
	if *full {
		times = 12
	}
	for n := range times {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "out")
			args := append(killedCases, "--out", dir)
			for killed := 0; ; killed++ {
				if killed > 0 && hasBegun(dir) {
					args = []string{"run", "--resume", dir}
				}
				if killed > n%2 { // some are killed again while they go on
					break
				}
				killAtRandom(t, lasts, args)
			}
			p := program.Run(t, path(t), args...)
			if p.Exit == result.ExitUsage && strings.Contains(p.Stderr.String(), "there is nothing to resume") {
				t.Log("it came to its end before it was killed")
			} else {
				p.Want(t, result.ExitDeviceFault)
			}
			run := runIn(t, dir)
			if got := verdicts(run); got != want {
				t.Errorf("the verdicts differ; want\n%s\ngot\n%s\n%s", want, got, &p.Stdout)
			}
			for _, l := range run.Links {
				for _, c := range l.Cases {
					if events, err := result.ReadJournal(dir, c.Journal); err != nil || len(events) == 0 {
						t.Errorf("%s %s: %d events, %v", l.Link, c.ID, len(events), err)
					}
				}
			}
			if err := result.Unseal(dir, func(string) bool { return true }); err != nil {
				t.Error(err)
			}
			if run.Model == nil {
				t.Error("the comparison of the data model is lost")
			}
		})
	}
}

// hasBegun reports whether a run has written its head, so that it can go on.
func hasBegun(dir string) bool {
	data, err := os.ReadFile(filepath.Join(dir, result.CasesFile))
	return err == nil && strings.Contains(string(data), "\n")
}

// killAtRandom starts usptest and kills some of its processes at a moment before it has lasted so long. It returns when the supervisor has
// ended; workers may be left that restore their devices.
func killAtRandom(t *testing.T, lasts time.Duration, args []string) {
	t.Helper()
	p := &program.Program{}
	cmd := p.Command(t, path(t), args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	moment := rand.N(lasts)
	select {
	case <-time.After(moment):
	case <-ended:
	}
	victims := []int{cmd.Process.Pid}
	switch workers := childrenOf(cmd.Process.Pid); rand.N(3) {
	case 0:
		victims = append(victims, workers...)
	case 1:
		if len(workers) > 0 {
			victims = workers[:1]
		}
	}
	t.Logf("%s after %s: SIGKILL for %d of %s", args[1], moment.Round(time.Millisecond), len(victims), cmd)
	for _, pid := range victims {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Error(err)
		}
	}
	<-ended
}

// TestResumeWaitsForAWorkerThatIsLeft holds the lock of a worker while its run goes on. A worker of a run is seen to hold it.
func TestResumeWaitsForAWorkerThatIsLeft(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	start := func(args ...string) (*program.Program, *exec.Cmd) {
		t.Helper()
		p := &program.Program{}
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { reader.Close() })
		p.Live = reader
		cmd := p.Command(t, path(t), args...)
		cmd.Stdout, cmd.Stderr = writer, writer
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		writer.Close()
		return p, cmd
	}
	p, cmd := start("run", "--link", "mqtt5", "--instances=1", "--out", dir, "1.36", "1.53", "1.59")
	p.Await(t, "pass 1.36")
	lock := flock.New(filepath.Join(dir, result.WorkersFile))
	if free, err := lock.TryLock(); err != nil || free {
		t.Errorf("no worker holds %s: %v", lock, err)
	}
	if free, err := lock.TryRLock(); err != nil || !free {
		t.Fatalf("workers do not share %s: %v", lock, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	resumed, again := start("run", "--resume", dir)
	resumed.Await(t, "waiting until it has finished")
	if strings.Contains(resumed.Stdout.String(), "to run") {
		t.Error("it began before the worker had ended")
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	if exit := resumed.Wait(t, again); exit != result.ExitPassed {
		t.Errorf("exit code %d\n%s", exit, &resumed.Stdout)
	}
	if counts := runIn(t, dir).Counts(); counts[result.Pass] != 3 {
		t.Errorf("want 3 cases passed, got %v", counts)
	}
}
