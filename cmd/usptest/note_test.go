package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness/result"
)

// TestAVerdictByHandIsNobodysPass judges two cases that the run left out, and looks for them wherever a run is shown.
func TestAVerdictByHandIsNobodysPass(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	beside := t.TempDir()
	usptest(t, "run", "--link", "mqtt5+tls", "--out", dir, "--select", "!case:2.6 && !case:2.8", "1.36", "2.6", "2.8").
		Want(t, result.ExitPassed)
	write(t, []byte("what was seen"), beside, "seen.txt")
	write(t, []byte(`- {case: "2.6", verdict: pass, who: J. Doe, when: 2026-03-02, why: it waited for the time, attachment: seen.txt}
- {case: "2.8", verdict: pass, who: J. Doe, when: 2026-03-02, why: it looked good}
`), beside, "manual.yaml")
	usptest(t, "note", dir, "--from", filepath.Join(beside, "manual.yaml")).
		Want(t, result.ExitPassed, "pass-by-hand 2.6 over mqtt5+tls: J. Doe, 2026-03-02: it waited for the time",
			"(attachment/mqtt5+tls/2.6/seen.txt)")
	usptest(t, "note", dir, "2.8", "--verdict", "fail", "--who", "M. Roe", "--why", "it was a reboot").
		Want(t, result.ExitPassed, "fail-by-hand 2.8", "not-conformant")
	run := runIn(t, dir)
	counts := run.Counts()
	if counts[result.Pass] != 1 || counts[result.PassByHand] != 1 || counts[result.FailByHand] != 1 || run.Coverage.Judged != 1 {
		t.Errorf("want one pass of usptest and two verdicts by hand, got %v and %+v", counts, run.Coverage)
	}
	const said = "2 cases were judged by hand, which usptest cannot vouch for: 1 passed, 1 failed"
	if reason := run.Conclusion.Reason; !strings.Contains(reason, said) {
		t.Errorf("got the conclusion %q", reason)
	}
	if run.ExitCode() != result.ExitDeviceFault {
		t.Errorf("a failure by hand ends with %d", run.ExitCode())
	}
	i := slices.IndexFunc(run.Links[0].Cases, func(c result.Case) bool { return c.ID == "2.8" })
	if hands := run.Links[0].Cases[i].ByHand; len(hands) != 2 || hands[1].Instead != result.Deselected || hands[0].Who != "J. Doe" {
		t.Errorf("want both verdicts and that of usptest, got %+v", hands)
	}
	if data := string(read(t, dir, "attachment", "mqtt5+tls", "2.6", "seen.txt")); data != "what was seen" {
		t.Errorf("the attachment has %q", data)
	}
	err := result.Unseal(dir, func(string) bool { return true })
	if err != nil || !strings.Contains(string(read(t, dir, sumsFile)), "seen.txt") {
		t.Errorf("the run is not sealed with its attachment: %v", err)
	}
	usptest(t, "report", dir).Want(t, result.ExitPassed, "pass-by-hand 2.6: J. Doe, 2026-03-02", "fail-by-hand 2.8: M. Roe", "judged by hand")
	for file, texts := range map[string][]string{
		junitFile:  {`<failure message="M. Roe`, `<skipped message="J. Doe`},
		reportFile: {"Judged by hand", `href="attachment/mqtt5`},
	} {
		for _, text := range texts {
			if !strings.Contains(string(read(t, dir, file)), text) {
				t.Errorf("%s lacks %s", file, text)
			}
		}
	}
	write(t, []byte("forged"), dir, "attachment", "mqtt5+tls", "2.6", "seen.txt")
	usptest(t, "note", dir, "2.8", "--verdict", "pass", "--who", "J. Doe", "--why", "again").
		Want(t, result.ExitUsage, "seen.txt: want SHA-256")
}

func TestVerdictsByHandThatAreRefused(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	usptest(t, "run", "--link", "mqtt5+tls", "--out", dir, "--select", "!case:2.6", "1.36", "2.6", "1.63").
		Want(t, result.ExitPassed)
	was := read(t, dir, runFile)
	huge := filepath.Join(t.TempDir(), "huge")
	write(t, nil, huge)
	if err := os.Truncate(huge, 1<<30); err != nil {
		t.Fatal(err)
	}
	note := func(id, verdict string, more ...string) []string {
		return append([]string{"note", dir, id, "--verdict", verdict, "--who", "J. Doe", "--why", "seen"}, more...)
	}
	bad := filepath.Join(t.TempDir(), "manual.yaml")
	write(t, []byte("- {case: \"2.6\", verdict: pass, who: J. Doe, why: seen}\n- {case: \"2.6\", verdict: pass, reason: seen}\n"), bad)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"an unknown case":          {note("2.600", "pass"), `"2.600" matches nothing`},
		"several cases":            {note("2.*", "pass"), "want the id of one case"},
		"a case that was judged":   {note("1.36", "fail"), "case 1.36: usptest itself judged it over mqtt5+tls: pass"},
		"a deprecated case":        {note("1.63", "pass"), "case 1.63: it does not apply"},
		"a case that is not there": {note("1.1", "pass"), "case 1.1: it is not in the run"},
		"another link":             {note("2.6", "pass", "--link", "stomp"), "case 2.6: it is not in the run over \"stomp\""},
		"another verdict":          {note("2.6", "good"), `verdict "good": want pass or fail`},
		"another date":             {note("2.6", "pass", "--when", "yesterday"), "want a date such as"},
		"no attachment":            {note("2.6", "pass", "--attachment", "nowhere.txt"), "nowhere.txt"},
		"a folder":                 {note("2.6", "pass", "--attachment", dir), "want a file"},
		"a huge attachment":        {note("2.6", "pass", "--attachment", huge), "want 16 MiB at most, got 1024"},
		"nobody":                   {[]string{"note", dir, "2.6", "--verdict", "pass", "--why", "seen"}, "who is missing"},
		"no case":                  {[]string{"note", dir}, "name a case, or a file with --from"},
		"an unknown key":           {[]string{"note", dir, "--from", bad}, "reason"},
		"no run":                   {[]string{"note", filepath.Dir(huge), "2.6"}, "has no run.json"},
	} {
		t.Run(name, func(t *testing.T) { usptest(t, c.args...).Want(t, result.ExitUsage, c.want) })
	}
	sealed := result.Unseal(dir, func(string) bool { return true }) == nil
	if string(read(t, dir, runFile)) != string(was) || !sealed || exists(filepath.Join(dir, attachmentDir)) {
		t.Error("the run is not as it was")
	}
}

// TestVerdictsByHandOutliveAResume judges by hand in a run that reached its time limit, and goes on.
func TestVerdictsByHandOutliveAResume(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	seen := filepath.Join(t.TempDir(), "seen.txt")
	write(t, []byte("what was seen"), seen)
	usptest(t, "run", "--link", "mqtt5", "--instances=1", "--out", dir, "--timeout", "1500ms", "--select", "!case:1.41",
		"1.36", "1.41", "1.54", "1.55").
		Want(t, result.ExitError, "could not be judged")
	usptest(t, "note", dir, "1.41", "--verdict", "fail", "--who", "J. Doe", "--why", "it was slow").Want(t, result.ExitPassed)
	usptest(t, "note", dir, "1.41", "--verdict", "pass", "--who", "M. Roe", "--why", "it was not", "--attachment", seen).
		Want(t, result.ExitPassed)
	usptest(t, "run", "--resume", dir, "--timeout", "0").Want(t, result.ExitPassed, "pass-by-hand 1.41: M. Roe", "judged by hand")
	run := runIn(t, dir)
	if counts := run.Counts(); counts[result.Pass] != 3 || counts[result.PassByHand] != 1 {
		t.Errorf("want 3 cases passed and one by hand, got %v", counts)
	}
	wantByHand(t, dir, run, "1.41", "J. Doe", "M. Roe")
}

// wantByHand wants a case of the first link to have verdicts of these persons, with an attachment of the last, and all to be sealed.
func wantByHand(t *testing.T, dir string, run *result.Run, id string, who ...string) {
	t.Helper()
	i := slices.IndexFunc(run.Links[0].Cases, func(c result.Case) bool { return c.ID == id })
	hands := run.Links[0].Cases[i].ByHand
	if len(hands) != len(who) {
		t.Fatalf("want verdicts of %v, got %+v", who, hands)
	}
	for i, h := range hands {
		if h.Who != who[i] || h.Instead != result.Deselected {
			t.Errorf("want a verdict of %s instead of deselected, got %+v", who[i], h)
		}
	}
	if data := string(read(t, dir, filepath.FromSlash(hands[len(hands)-1].Attachment))); data != "what was seen" {
		t.Errorf("the attachment has %q", data)
	}
	if err := result.Unseal(dir, func(string) bool { return true }); err != nil {
		t.Error(err)
	}
}

// TestVerdictsByHandOutliveAMerge judges by hand in a shard, and again in the run that all of them make.
func TestVerdictsByHandOutliveAMerge(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	merged, seen := filepath.Join(top, "merged"), filepath.Join(top, "seen.txt")
	write(t, []byte("what was seen"), seen)
	var parts []string
	for _, shard := range []string{"1/2", "2/2"} {
		part := filepath.Join(top, shard[:1])
		usptest(t, "run", "--link", "mqtt5", "--out", part, "--shard", shard, "--select", "!case:1.41", "1.36", "1.41", "1.79").
			Want(t, result.ExitPassed)
		parts = append(parts, part)
	}
	by := func(dir, who string) *program.Program {
		return usptest(t, "note", dir, "1.41", "--verdict", "pass", "--who", who, "--why", "it was fast", "--attachment", seen)
	}
	by(parts[0], "J. Doe").Want(t, result.ExitPassed) // what is not carried out is in the first part
	by(parts[1], "J. Doe").Want(t, result.ExitUsage, "case 1.41: it is not in the run")
	usptest(t, append([]string{"merge", "--out", merged}, parts...)...).Want(t, result.ExitPassed, "1 pass-by-hand")
	wantByHand(t, merged, runIn(t, merged), "1.41", "J. Doe")
	by(merged, "M. Roe").Want(t, result.ExitPassed, "2-seen.txt")
	wantByHand(t, merged, runIn(t, merged), "1.41", "J. Doe", "M. Roe")
}
