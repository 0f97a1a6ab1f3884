package hostile

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"flag"
	"fmt"
	"html"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness/result"
)

// maxPeaks bounds the peaks of all processes of a run together, in bytes, whatever the device does.
const maxPeaks = 300 << 20

var hostileOnly = flag.String("hostile", "", "run only the hostile devices whose link and name match this `expression`")

// overEveryMTP says which modes are tried over every MTP; the rest are, over MQTT 5.0, as good as over any.
func overEveryMTP(name string) bool {
	_, wire := wireModes()[name]
	return wire || slices.Contains([]string{"well-behaved", "truncated record", "evil values", "10,000 Notifies", "large Notifies",
		"large replies nobody asked for", "hangs", "dies", "10,000 Notifies to the second Controller",
		"many connections to the second Controller", "drops the second Controller"}, name)
}

// floods says which modes send so much that a program under the race detector, or on a busy machine, cannot keep up with its waits.
func floods(name string) bool {
	return slices.Contains([]string{"10,000 Notifies", "large Notifies", "large replies nobody asked for", "element bomb", "huge model", "a model of objects",
		"endless paths in the model", "endless paths of values", "endless values of features", "endless rows of leftovers", "an error for a model",
		"huge map", "many secrets", "small records that decode large", "created too much", "10,000 Notifies to the second Controller", "many connections to the second Controller",
		"floods the silent host", "downloads 10 GB", "reports without end", "reports a million rows", "reports 250,000 values",
		"reports what decodes huge", "segments without end", "a segment that is never the last", "Records that come too early", "gaps without end",
		"two session_ids without end", "a TLS record of 15 MiB", "15 MiB of TLS records", "15 MiB of warnings in a TLS handshake",
		"a TLS record of 15 MiB after the handshake"}, name)
}

// takesLong says which modes have a case wait for half a minute and more.
func takesLong(name string) bool {
	return slices.ContainsFunc([]string{"restarts without end", "never ends a download", "never tries again",
		"comes and goes while the case cleans up"}, func(mode string) bool { return strings.HasPrefix(name, mode) })
}

// TestHostileDevices has devices turn hostile in one case, mostly 1.1. Whatever they do: that case says what was wrong, the cases after it
// pass, the harness neither fails nor grows, and what the device sent is text in every report.
//
// A mode that belongs to every MTP takes one of them, each the next, in the sample and under the race detector, where each is slow.
// Otherwise it takes all of them, and of the two versions of MQTT, which one broker serves, each the next. Modes that take long are not in
// the sample, nor are floods: on a busy machine nothing can keep up with them.
func TestHostileDevices(t *testing.T) {
	t.Parallel()
	chosen, sampled := regexp.MustCompile(*hostileOnly), !*full && *hostileOnly == ""
	links, all := []string{"mqtt5", "mqtt3", "stomp", "websocket"}, modes()
	names := slices.Sorted(maps.Keys(all))
	if sampled {
		names = program.Sample(*full, 5, slices.DeleteFunc(names, func(name string) bool { return floods(name) || takesLong(name) }))
	}
	for i, name := range names {
		m, over := all[name], links[:1]
		switch {
		case m.link != "":
			over = []string{m.link}
		case overEveryMTP(name) && (sampled || program.Race):
			at := i % len(links)
			over = links[at : at+1]
		case overEveryMTP(name):
			over = []string{links[i%2], "stomp", "websocket"}
		}
		for _, link := range over {
			if full := link + " " + name; chosen.MatchString(full) {
				t.Run(full, func(t *testing.T) {
					if program.Race && floods(name) {
						t.Skip("SKIPPED UNDER THE RACE DETECTOR, which is too slow for this flood on two processors; go test without -race proves it")
					}
					t.Parallel()
					attack(t, link, name, m)
				})
			}
		}
	}
}

// attack runs the case of that mode with a device in it, and then 1.36 and 1.41.
func attack(t *testing.T, link, name string, m mode) {
	dir := filepath.Join(t.TempDir(), "out")
	p := &program.Program{}
	file := hostileDUT(t, link, name, m)
	cmd := p.Command(t, path(t), "run", "--dut", file, "--out", dir, m.in, "1.36", "1.41")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	peakOf := watchPeaks(t, cmd.Process.Pid, 2)
	p.Wait(t, cmd)
	peak := peakOf()
	exit := result.ExitPassed
	switch m.verdict {
	case result.Fail:
		exit = result.ExitDeviceFault
	case result.Error:
		exit = result.ExitError
	}
	p.Want(t, exit, "report.html")
	run := runIn(t, dir)
	judged := 0
	for _, c := range run.Links[0].Cases {
		want, findings := result.Pass, ""
		if c.ID == m.in {
			want, findings = m.verdict, m.findings
			if m.instead != "" && !found(c, findings) {
				findings = m.instead
			}
		} else if words, ok := m.also[c.ID]; ok {
			want, findings = m.verdict, words
		}
		if slices.Contains([]string{m.in, "1.36", "1.41"}, c.ID) {
			judged++
			if c.Verdict != want || !found(c, findings) {
				t.Errorf("%s: want %s %q, got %s %s; metrics %+v", c.ID, want, findings, c.Verdict, c.Reason, c.Metrics)
			}
		}
	}
	if judged != 3 {
		t.Errorf("want 3 cases, got %d", judged)
	}
	if strings.HasPrefix(m.in, "9.") {
		firmwareIsTold(t, run, string(readFile(t, versionFile(file))))
	}
	harmless(t, dir, p)
	t.Logf("%d MiB at the most", peak>>20)
	if peak > maxPeaks && !program.Race {
		t.Errorf("the processes took %d MiB at the most, want less than %d", peak>>20, maxPeaks>>20)
	}
}

// firmwareIsTold wants the device to run the firmware that it had, or the run to say before all else that it may not. runs is the version
// that has booted last.
func firmwareIsTold(t *testing.T, run *result.Run, runs string) {
	t.Helper()
	switch told := run.LeftOn(); {
	case told == "" && runs != ownVersion:
		t.Errorf("the device is left on version %q, and the run does not say so", runs)
	case told != "" && run.Conclusion.Reasons[0] != told:
		t.Errorf("want %q as the first reason, got %q", told, run.Conclusion.Reasons)
	}
}

// versionFile is where a device of a DUT file writes the version that it boots.
func versionFile(dut string) string { return dut + ".version" }

var seeds = flag.Int("seeds", 1, "how many devices change what their agent says, each in ways of its own")

// TestMutatedMessages has every second Message that the agent sends say something else, in every case: bodies must be able to judge
// whatever a device sends. With -seeds 20 it is a search for replies that they are not ready for.
func TestMutatedMessages(t *testing.T) {
	t.Parallel()
	for seed := range *seeds {
		name := nth(mutating, seed)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "out")
			cases := "1.*"
			if !*full {
				cases = "1.1?"
			}
			p := program.Run(t, path(t), "run", "--dut", hostileDUT(t, "mqtt5", name, mode{}), "--instances=4", "--out", dir, cases)
			p.Want(t, result.ExitDeviceFault, "report.html")
			harmless(t, dir, p)
			for _, c := range runIn(t, dir).Links[0].Cases {
				if strings.Contains(c.Reason, "harness bug") || c.Verdict == result.Aborted {
					t.Errorf("%s %s: %s", c.ID, c.Verdict, c.Reason)
				}
			}
		})
	}
}

// found reports whether words are in what the case says was wrong.
func found(c result.Case, words string) bool {
	all := c.Reason
	for _, m := range c.Metrics {
		all += "\n" + m.Finding() + "\n" + m.Note
	}
	return strings.Contains(all, words)
}

// hostileDUT writes the DUT file of a hostile device.
func hostileDUT(t *testing.T, link, name string, m mode) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	spec := map[string]string{"mqtt5": `{mtp: mqtt, version: "5.0"}`, "mqtt3": `{mtp: mqtt, version: "3.1.1"}`, "stomp": "{mtp: stomp}",
		"websocket":    "{mtp: websocket}",
		withinSessions: `{mtp: mqtt, version: "5.0", session: plain}`}[link]
	command := []string{strconv.Quote(self)}
	for _, word := range hostileFlags() {
		command = append(command, strconv.Quote(strings.Replace(word, "%s", name, 1)))
	}
	patience := "4s"
	switch {
	case m.late:
		patience = "5m"
	case m.large:
		patience = "20s"
	}
	reconnect := "5m"
	if m.brief {
		reconnect = "10s"
	}
	served := ""
	if m.ofItsLife() {
		served = images(t)
	}
	file := filepath.Join(t.TempDir(), "lab.yaml")
	text := fmt.Sprintf(`device: {vendor: ACME, model: X1, software: "1", endpoint: "proto::hostile-{{.Instance}}"}
controller: {endpoint: "self::usptest"}
links: [%s]
features: [3, 7, 10, 17, 19, 23, 24, 26, 32, 33, 36] # what some modes are about, from commands to bulk data
lab:
  launch: {exec: [%s], env: {%s: %q}, fresh: per-run}
  reboot: usp
waits: {connect: 5m, response: %s, reconnect: %s, firmware: 10s}
%s`, spec, strings.Join(command, ", "), asHostile, versionFile(file), patience, reconnect, served)
	writeFile(t, []byte(text), file)
	return file
}

// harmless looks into everything that a person may open.
func harmless(t *testing.T, dir string, p *program.Program) {
	t.Helper()
	for name, b := range map[string][]byte{"standard output": p.Stdout.Bytes(), "standard error": p.Stderr.Bytes(),
		junitFile: readFile(t, dir, junitFile), reportFile: readFile(t, dir, reportFile)} {
		if shown := result.Visible(string(b)); shown != string(b) {
			at := 0
			for at < len(b) && at < len(shown) && b[at] == shown[at] {
				at++
			}
			t.Errorf("%s has characters that steer a screen: %q", name, b[max(0, at-40):min(len(b), at+40)])
		}
		if bytes.Contains(b, []byte("harness bug")) || bytes.Contains(b, []byte("goroutine ")) {
			t.Errorf("%s speaks of a bug", name)
		}
	}
	if err := oneScript(readFile(t, dir, reportFile)); err != nil {
		t.Errorf("%s: %v", reportFile, err)
	}
	var suites struct {
		Suites []struct {
			Tests int `xml:"tests,attr"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(readFile(t, dir, junitFile), &suites); err != nil || len(suites.Suites) < 1 || len(suites.Suites) > 2 { // of the link, and of the data model
		t.Errorf("%s: %v, %+v", junitFile, err, suites)
	}
}

// oneScript reports whether a report has its own script and no other: the one that its policy names by its hash.
func oneScript(report []byte) error {
	if n := bytes.Count(bytes.ToLower(report), []byte("<script")); n != 1 {
		return fmt.Errorf("want one script, got %d", n)
	}
	_, rest, _ := bytes.Cut(report, []byte("<script>"))
	script, _, _ := bytes.Cut(rest, []byte("</script>"))
	hash := sha256.Sum256(script)
	source := "script-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'"
	head, _, _ := bytes.Cut(report, []byte("<style>"))
	if !strings.Contains(html.UnescapeString(string(head)), source) {
		return fmt.Errorf("want a policy with %s", source)
	}
	return nil
}
