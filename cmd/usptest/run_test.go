package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/suites"
)

// self is this test binary, which is usptest when it is started by a test.
func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// usptest runs usptest to its end.
func usptest(t *testing.T, args ...string) *program.Program {
	t.Helper()
	return program.Run(t, self(t), args...)
}

// runIn reads what a run left in dir, as a user's tools would.
func runIn(t *testing.T, dir string) *result.Run {
	t.Helper()
	r, err := result.Load(filepath.Join(dir, runFile))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAnUntouchedAgentPassesAndTheFilesAreThere(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	usptest(t, "run", "--link", "mqtt5", "--out", dir, "1.1", "1.36").Want(t, result.ExitPassed, "pass 1.1", "pass 1.36", "exit 0")
	r := runIn(t, dir)
	if got := r.Counts()[result.Pass]; got != 2 || r.Conclusion.Value != result.Partial {
		t.Errorf("want 2 cases passed and the conclusion partial, got %d and %+v", got, r.Conclusion)
	}
	if events, err := r.Events(r.Links[0].Cases[0]); err != nil || len(events) < 10 {
		t.Errorf("want a timeline in journal/, got %d events, %v", len(events), err)
	}
	var suites struct {
		Suites []struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
		} `xml:"testsuite"`
	}
	data, err := os.ReadFile(filepath.Join(dir, junitFile))
	if err == nil {
		err = xml.Unmarshal(data, &suites)
	}
	if err != nil || len(suites.Suites) != 2 || suites.Suites[0].Tests != 2 || suites.Suites[0].Failures+suites.Suites[1].Failures != 0 {
		t.Errorf("junit.xml: want a suite with 2 tests and the data model, got %+v, %v", suites, err)
	}
	html, err := os.ReadFile(filepath.Join(dir, reportFile))
	if err != nil || !bytes.Contains(html, []byte(`id="mqtt5-1.1"`)) {
		t.Errorf("report.html: want the anchor mqtt5-1.1, got %d bytes, %v", len(html), err)
	}
	check := exec.CommandContext(t.Context(), "sha256sum", "--check", "--quiet", sumsFile)
	check.Dir = dir
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("SHA256SUMS: %v\n%s", err, out)
	}
	if bytes.Contains(html, []byte("reference-secret")) {
		t.Error("report.html shows the password")
	}
}

func TestABrokenAgentIsADeviceFault(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	usptest(t, "run", "--link", "mqtt5", "--out", dir, "--defect", "add-creates-nothing", "1.1", "1.36").
		Want(t, result.ExitDeviceFault, "fail 1.1", "metric 3", "again: usptest run --link mqtt5 --defect add-creates-nothing 1.1", "not-conformant")
	if counts := runIn(t, dir).Counts(); counts[result.Fail] != 1 || counts[result.Pass] != 1 {
		t.Errorf("want one case failed and one passed, got %v", counts)
	}
}

func TestUsageErrorsSayWhatIsWrongAndWhatWasMeant(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args  []string
		texts []string
	}{
		"unknown id":           {[]string{"run", "1.1000"}, []string{`selector "1.1000"`, "1.100"}},
		"unknown label":        {[]string{"run", "--select", "obligation:mandatry"}, []string{"obligation:mandatory"}},
		"malformed expression": {[]string{"run", "--select", "section:1 &&"}, []string{"malformed"}},
		"unknown profile":      {[]string{"run", "--profile", "Reboot:2"}, []string{"Reboot:1"}},
		"unknown feature":      {[]string{"run", "--feature", "43"}, []string{"1 to 42"}},
		"unknown link":         {[]string{"run", "--link", "mqtt4"}, []string{"mqtt5"}},
		"unknown defect":       {[]string{"run", "--defect", "no-such-defect", "1.1"}, []string{"no-such-defect"}},
		"missing DUT file":     {[]string{"run", "--dut", "nowhere.yaml"}, []string{"nowhere.yaml"}},
		"nothing to run":       {[]string{"run", "--link", "mqtt5", "6.2"}, []string{"nothing to run", "stomp"}},
		"unknown flag":         {[]string{"run", "--defects", "x"}, []string{"--defects"}},
		"show without a case":  {[]string{"show", "1.*"}, []string{"one case"}},
		"list format":          {[]string{"list", "--format", "xml"}, []string{"table, json, markdown"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := c.args
			if args[0] == "run" {
				args = slices.Concat(args, []string{"--out", filepath.Join(t.TempDir(), "out")})
			}
			usptest(t, args...).Want(t, result.ExitUsage, c.texts...)
		})
	}
}

func TestAnOutputFolderThatHoldsSomethingElseIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	thesis := filepath.Join(dir, "thesis.tex")
	if err := os.WriteFile(thesis, []byte("years of work"), 0o644); err != nil {
		t.Fatal(err)
	}
	usptest(t, "run", "--out", dir, "1.1").Want(t, result.ExitUsage, "thesis.tex", "choose another folder")
	if _, err := os.Stat(thesis); err != nil {
		t.Error(err)
	}
	usptest(t, "run", "--out", filepath.Join(thesis, "below"), "1.1").Want(t, result.ExitUsage, "--out")
}

// dutFile writes a DUT file of a device that is launched by a shell command.
func dutFile(t *testing.T, link, launch string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lab.yaml")
	text := fmt.Sprintf(`device: {vendor: ACME, model: X1, software: "1.0", endpoint: "proto::x1"}
links: [%s]
lab:
  launch: {exec: [sh, -c, %q], fresh: per-run}
waits: {connect: 2s, response: 1s}
`, link, launch)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

const anyMQTT = `{mtp: mqtt, version: "5.0"}`

func TestADeviceThatNeverConnectsIsFoundOnce(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	p := usptest(t, "run", "--dut", dutFile(t, anyMQTT, "exec sleep 100"), "--out", dir, "1.1", "1.2", "1.36")
	p.Want(t, result.ExitError, "waits.connect", "no TCP connection")
	r := runIn(t, dir)
	if r.Links[0].Trouble == "" || r.Counts()[result.Error] != 3 {
		t.Errorf("want trouble and 3 errors, got %+v", r.Links[0])
	}
}

// TestADeviceWithAnotherLoginIsToldSo: the broker takes any login, and the run does not begin with a device that is another.
func TestADeviceWithAnotherLoginIsToldSo(t *testing.T) {
	t.Parallel()
	const words = "the device is not set up as the DUT file says: its password is not the link's"
	dir := filepath.Join(t.TempDir(), "out")
	file := agentFile(t, "add-creates-nothing", "")
	write(t, []byte(strings.Replace(string(read(t, filepath.Dir(file), filepath.Base(file))), `version: "5.0"}`, `version: "5.0", username: x1, password: x1-secret}`, 1)), file)
	write(t, []byte(strings.Replace(string(read(t, filepath.Dir(file), filepath.Base(file))), `"--host=`, `"--username={{.Username}}", "--password=x2-secret", "--host=`, 1)), file)
	p := usptest(t, "run", "--dut", file, "--out", dir, "1.1")
	p.Want(t, result.ExitError, "trouble mqtt5: "+words, "error 1.1")
	p.Lacks(t, "x2-secret")
}

func TestADeviceThatEndsAtOnceShowsItsLastWords(t *testing.T) {
	t.Parallel()
	p := usptest(t, "run", "--dut", dutFile(t, anyMQTT, "echo cannot open the database >&2; exit 3"), "--out", filepath.Join(t.TempDir(), "out"), "1.1")
	p.Want(t, result.ExitError, "cannot open the database", "lab.launch")
}

func TestAPortInUseIsNamed(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	p := usptest(t, "run", "--dut", dutFile(t, fmt.Sprintf(`{mtp: stomp, port: %d}`, port), "exec sleep 100"), "--out", filepath.Join(t.TempDir(), "out"), "1.1")
	p.Want(t, result.ExitError, strconv.Itoa(port), "free the port")
}

// children are the worker processes of a supervisor, by process id.
func children(t *testing.T, parent int) []int {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
	if err != nil || len(threads) == 0 {
		t.Skip("SKIPPED, NOT PROVEN: this system has no /proc that names the children of a process")
	}
	var pids []int
	for _, thread := range threads {
		data, err := os.ReadFile(thread)
		if err != nil {
			continue // a thread that ended meanwhile
		}
		for _, word := range strings.Fields(string(data)) {
			pid, err := strconv.Atoi(word)
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

// startedRun starts a run and returns when its first case has been reported as finished.
func startedRun(t *testing.T, dir string, flags ...string) (*program.Program, *exec.Cmd) {
	t.Helper()
	p := &program.Program{}
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	args := append([]string{"run", "--link", "mqtt5", "--out", dir}, flags...)
	cmd := p.Command(t, self(t), append(args, "1.36", "1.53", "1.103")...)
	cmd.Stdout, cmd.Stderr = writer, writer
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	p.Live = reader
	t.Cleanup(func() { reader.Close() })
	p.Await(t, "pass 1.36")
	return p, cmd
}

func TestAnInterruptKeepsWhatWasMeasured(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "out")
			p, cmd := startedRun(t, dir)
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if exit := p.Wait(t, cmd); exit != result.ExitInterrupted {
				t.Errorf("exit code: want %d, got %d", result.ExitInterrupted, exit)
			}
			counts := runIn(t, dir).Counts()
			if counts[result.Pass] < 1 || counts[result.Aborted] < 1 {
				t.Errorf("want the finished case to stay and the rest aborted, got %v", counts)
			}
		})
	}
}

func TestAKilledWorkerCostsNoMoreThanItsCases(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	p, cmd := startedRun(t, dir)
	for _, pid := range children(t, cmd.Process.Pid) {
		worker, err := os.FindProcess(pid)
		if err != nil {
			t.Fatal(err)
		}
		if err := worker.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	if exit := p.Wait(t, cmd); exit != result.ExitError {
		t.Errorf("exit code: want %d, got %d", result.ExitError, exit)
	}
	r := runIn(t, dir)
	if counts := r.Counts(); counts[result.Pass] < 1 || counts[result.Error]+counts[result.Aborted] < 1 || !strings.Contains(r.Links[0].Trouble, "worker process died") {
		t.Errorf("want finished cases to stay and the dead worker named, got %v, %q", counts, r.Links[0].Trouble)
	}
}

func TestRequirementsAreAContract(t *testing.T) {
	t.Parallel()
	p := usptest(t, "requirements", "--format", "json")
	p.Want(t, result.ExitPassed)
	var listed []map[string]any
	if err := json.Unmarshal(p.Stdout.Bytes(), &listed); err != nil {
		t.Fatal(err)
	}
	for _, r := range listed {
		for _, key := range []string{"id", "chapter", "level", "binds", "text", "cases", "automated"} {
			if _, ok := r[key]; !ok {
				t.Fatalf("%v has no %q", r["id"], key)
			}
		}
	}
	if len(listed) < 329 {
		t.Errorf("want all requirements, got %d", len(listed))
	}
}

// TestRequirementsOfARun: a device that breaks the path grammar in each GetResp fails the requirement about it, and no other one of 1.61.
func TestRequirementsOfARun(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "out")
	usptest(t, "run", "--link", "mqtt5", "--instances", "1", "--defect", "get-parameter-resolved-to-itself", "--out", dir, "1.1", "1.61", "11.17").
		Want(t, result.ExitDeviceFault)
	p := usptest(t, "requirements", dir, "--format", "json")
	p.Want(t, result.ExitPassed)
	var listed []listedRequirement
	if err := json.Unmarshal(p.Stdout.Bytes(), &listed); err != nil {
		t.Fatal(err)
	}
	want := map[string]struct {
		of string
		is result.Verdict
	}{"R-ARC.7": {"1.61", result.Fail}, "R-OPR.4": {"1.61", result.Pass}, "R-ENC.0": {"every case", result.Pass}, "R-MTP.6": {"11.17", result.Pass},
		"R-STOMP.36": {"6.11", ""}}
	for _, r := range listed {
		w, ok := want[r.ID]
		if ok && (r.Verdict != w.is || r.Verdicts["mqtt5"][w.of] != w.is) {
			t.Errorf("%s: want %q of %s, got %q of %v", r.ID, w.is, w.of, r.Verdict, r.Verdicts)
		}
		delete(want, r.ID)
	}
	if len(want) > 0 {
		t.Errorf("not listed: %v", want)
	}
}

func TestListIsAContract(t *testing.T) {
	t.Parallel()
	p := usptest(t, "list", "--format", "json")
	p.Want(t, result.ExitPassed)
	var cases []map[string]any
	if err := json.Unmarshal(p.Stdout.Bytes(), &cases); err != nil {
		t.Fatal(err)
	}
	automated, of := 0, map[any]int{}
	for _, c := range cases {
		of[c["plan"]]++
		for _, key := range []string{"plan", "id", "title", "status", "obligation", "features", "metrics", "automated"} {
			if _, ok := c[key]; !ok {
				t.Fatalf("%v has no %q", c["id"], key)
			}
		}
		if c["automated"] == true {
			automated++
		}
	}
	if of["TP-469"] != 230 || of["TR-369"] == 0 || len(of) != 2 || automated != len(suites.Bodies()) {
		t.Errorf("want 230 cases of TP-469 and some checks of TR-369, %d of them automated, got %v and %d", len(suites.Bodies()), of, automated)
	}
}

func TestShowNamesMetricsAndWhatCatchesThem(t *testing.T) {
	t.Parallel()
	p := usptest(t, "show", "1.1")
	p.Want(t, result.ExitPassed, "Metrics (4)", "R-ADD", "--defect add-creates-nothing")
	if !regexp.MustCompile(`Erratum \S+`).Match(p.Stdout.Bytes()) {
		t.Error("want the errata of the case")
	}
}
