package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/result"
)

// TestACaseWhoseRoundsDifferIsFlaky runs against an agent that is broken from its third start on: the first is for contact, the second for
// the first round.
func TestACaseWhoseRoundsDifferIsFlaky(t *testing.T) {
	t.Parallel()
	file := agentFile(t, "add-creates-nothing", "")
	text := string(read(t, filepath.Dir(file), filepath.Base(file)))
	started := filepath.Join(t.TempDir(), "started")
	wrapper := `exec: [sh, -c, 'echo >> "$0"; if [ $(wc -l < "$0") -gt 2 ]; then exec "$@" --defect=add-creates-nothing; fi; exec "$@"', ` + started + ", "
	text = strings.Replace(strings.Replace(text, "exec: [", wrapper, 1), `, --defect=add-creates-nothing]`, "]\n    fresh: per-case", 1)
	write(t, []byte(text), file)
	dir := filepath.Join(t.TempDir(), "out")
	p := usptest(t, "run", "--dut", file, "--repeat", "3", "--out", dir, "1.1", "1.36")
	p.Want(t, result.ExitDeviceFault, "flaky 1.1", "round 2 fail", "pass 1.36", "not-conformant: 1 case is flaky", "again: usptest run --dut "+file+" --repeat 3 1.1")
	run := runIn(t, dir)
	c := run.Links[0].Cases[0]
	if run.Repeat != 3 || c.Verdict != result.Flaky || len(c.Rounds) < 2 || c.Rounds[0].Verdict == c.Rounds[1].Verdict {
		t.Errorf("want a flaky case with its rounds, got %+v", c)
	}
	if !strings.Contains(c.Reason, "1 of 3 rounds passed; round 2: fail: metric 3") {
		t.Errorf("got the reason %q", c.Reason)
	}
	if junit := string(read(t, dir, junitFile)); !strings.Contains(junit, `type="flaky"`) || !strings.Contains(junit, "round 1 pass") {
		t.Errorf("junit.xml does not tell that a case is flaky:\n%s", junit)
	}
	if report := string(read(t, dir, reportFile)); !strings.Contains(report, `<span class="badge flaky">`) || !strings.Contains(report, "<h4>Rounds</h4>") {
		t.Error("report.html does not tell that a case is flaky")
	}
	usptest(t, "run", "--repeat", "0", "1.1").Want(t, result.ExitUsage, "--repeat 0: want 1 to 100")
}
