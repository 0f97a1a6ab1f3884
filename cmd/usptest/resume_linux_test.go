package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness/result"
)

// begunRun starts a run of three cases and reads along until it says text.
func begunRun(t *testing.T, dir, text string) (p *program.Program, kill func()) {
	t.Helper()
	p = &program.Program{}
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := p.Command(t, self(t), "run", "--link", "mqtt5", "--out", dir, "--instances=1", "1.36", "1.53", "1.103")
	cmd.Stdout, cmd.Stderr = writer, writer
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	p.Live = reader
	t.Cleanup(func() { reader.Close() })
	p.Await(t, text)
	return p, func() {
		t.Helper()
		var gone []func()
		for _, pid := range children(t, cmd.Process.Pid) {
			gone = append(gone, whenGone(t, pid))
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_, _ = p.Stdout.ReadFrom(reader)
		_ = cmd.Wait() // it was killed
		for _, wait := range gone {
			wait()
		}
	}
}

// TestAKilledRunGoesOn kills a run at several moments, goes on, and wants what a run has that was left alone.
func TestAKilledRunGoesOn(t *testing.T) {
	t.Parallel()
	for _, moment := range []string{"to run", "pass 1.36", "pass 1.53"} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "out")
			_, kill := begunRun(t, dir, moment)
			kill()
			if exists(filepath.Join(dir, runFile)) {
				t.Fatal("the run came to its end")
			}
			usptest(t, "report", dir).Want(t, result.ExitPassed, "aborted", result.Unfinished)
			usptest(t, "run", "--resume", dir).Want(t, result.ExitPassed, "exit 0")
			wantWhole(t, dir)
			usptest(t, "run", "--resume", dir).Want(t, result.ExitUsage, "there is nothing to resume")
		})
	}
}

// wantWhole wants the run of dir to have all three cases passed, with their journals, and sealed.
func wantWhole(t *testing.T, dir string) {
	t.Helper()
	run := runIn(t, dir)
	if counts := run.Counts(); len(counts) != 1 || counts[result.Pass] != 3 {
		t.Errorf("want 3 cases passed, got %v", counts)
	}
	for _, c := range run.Links[0].Cases {
		if events, err := run.Events(c); err != nil || len(events) == 0 {
			t.Errorf("%s: %d events, %v", c.ID, len(events), err)
		}
	}
	if err := result.Unseal(dir, func(string) bool { return true }); err != nil {
		t.Error(err)
	}
}

// TestAWorkerThatIsKilledCostsItsCase kills the worker within a case: the others are carried out by a new one, and the lost case after
// --resume.
func TestAWorkerThatIsKilledCostsItsCase(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	p, cmd := startedRun(t, dir, "--instances=1")
	workers := children(t, cmd.Process.Pid)
	if len(workers) != 1 {
		t.Fatalf("want one worker, got %v", workers)
	}
	if err := syscall.Kill(workers[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if exit := p.Wait(t, cmd); exit != result.ExitError {
		t.Errorf("exit code: want %d, got %d\n%s", result.ExitError, exit, &p.Stdout)
	}
	counts := runIn(t, dir).Counts()
	if counts[result.Pass] < 2 || counts[result.Pass]+counts[result.Error] != 3 {
		t.Errorf("want one case lost at most, got %v", counts)
	}
	if counts[result.Error] == 0 {
		return // it died between two cases
	}
	usptest(t, "run", "--resume", dir).Want(t, result.ExitPassed, "exit 0")
	wantWhole(t, dir)
}

func TestWhatCannotBeResumedIsRefused(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	_, kill := begunRun(t, dir, "pass 1.36")
	kill()
	usptest(t, "run", "--resume", dir, "1.36").Want(t, result.ExitUsage, "leave out 1.36")
	usptest(t, "run", "--resume", dir, "--link", "mqtt5").Want(t, result.ExitUsage, "leave out --link")
	usptest(t, "run", "--resume", filepath.Join(dir, "nowhere")).Want(t, result.ExitUsage, "--resume", "nowhere")
	whole := string(read(t, dir, casesFile))
	for name, c := range map[string]struct{ old, new, text string }{
		"another plan":   {`"hash":"`, `"hash":"0`, "plan hash"},
		"another tool":   {`"name":"usptest"`, `"name":"other"`, "tool"},
		"another case":   {`"link":"mqtt5","case":{"id":"1.36"`, `"link":"mqtt5","case":{"id":"1.99"`, "is not a case of this run"},
		"another schema": {result.Schema, "usptest/v0", "schema"},
		"no line":        {`{"run"`, `{"ru"`, "want the head of a run first"},
	} {
		if !strings.Contains(whole, c.old) {
			t.Fatalf("%s: %q is not in\n%s", name, c.old, whole)
		}
		write(t, []byte(strings.Replace(whole, c.old, c.new, 1)), filepath.Join(dir, casesFile))
		usptest(t, "run", "--resume", dir).Want(t, result.ExitUsage, c.text)
	}
}
