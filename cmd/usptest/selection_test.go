package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// listed are the cases of "usptest list" with these words.
func listed(t *testing.T, words ...string) map[string]listedCase {
	t.Helper()
	p := usptest(t, append([]string{"list", "--format", "json"}, words...)...)
	p.Want(t, result.ExitPassed)
	var cases []listedCase
	if err := json.Unmarshal(p.Stdout.Bytes(), &cases); err != nil {
		t.Fatal(err)
	}
	all := map[string]listedCase{}
	for _, c := range cases {
		all[c.ID] = c
	}
	return all
}

func TestListSelectsAsRunDoes(t *testing.T) {
	t.Parallel()
	if n, all := len(listed(t, "--profile", "tp469")), len(listed(t)); n != 230 || all <= n {
		t.Errorf("want 230 cases of the plan, and checks beside them without a selection, got %d of %d", n, all)
	}
	if all := listed(t, "--profile", "smoke", "--select", "!case:1.1"); len(all) != 7 || all["1.52"].ID == "" || all["1.1"].ID != "" {
		t.Errorf("want the smoke profile without 1.1, got %v", all)
	}
	if all := listed(t, "--feature", "17", "--link", "stomp", "6.*"); all["6.2"].Links[0] != "stomp" || all["7.1"].ID != "" {
		t.Errorf("want cases of chapter 6 over stomp, got %v", all)
	}
	usptest(t, "list", "--link", "mqtt4").Want(t, result.ExitUsage, "mqtt5")
	usptest(t, "list", "--select", "section:1 &&").Want(t, result.ExitUsage, "malformed")
	usptest(t, "list", "--profiles").Want(t, result.ExitPassed, "smoke", "needs:reboot", "Firmware:1")
}

// TestSessionSelectsLinksWithinSessionContexts: --session takes such links, of which the cases of chapter 1 can be carried out.
func TestSessionSelectsLinksWithinSessionContexts(t *testing.T) {
	t.Parallel()
	all := listed(t, "--session", "tls", "--link", "mqtt5")
	if over := all["1.36"].Links; len(all) < 100 || strings.Join(over, " ") != "mqtt5+session-tls" || all["3.2"].ID != "" {
		t.Errorf("got %d cases, 1.36 over %v", len(all), over)
	}
	over := listed(t, "--session", "plain", "1.1")["1.1"].Links
	if !slices.Contains(over, "stomp+tls+session") || slices.Contains(over, "stomp") {
		t.Errorf("1.1 over %v", over)
	}
	usptest(t, "list", "--session", "dtls").Want(t, result.ExitUsage, `--session "dtls": want plain or tls`)
	dir := filepath.Join(t.TempDir(), "out")
	usptest(t, "run", "--session", "tls", "--link", "mqtt5", "--link", "uds", "--out", dir, "1.36", "3.8").Want(t, result.ExitPassed,
		"pass 1.36", "mqtt5+session-tls", "uds+session-tls", "3.8: is carried out without session context; run it with --link mqtt5")
	if r := runIn(t, dir); len(r.Links) != 2 || r.Links[1].Link != "uds+session-tls" || r.Counts()[result.Pass] != 2 {
		t.Errorf("got %d links", len(r.Links))
	}
}

// TestARunWithoutSelectionHasASampleWithinSessionContexts looks at what would be carried out.
func TestARunWithoutSelectionHasASampleWithinSessionContexts(t *testing.T) {
	t.Parallel()
	const all = "mqtt5 mqtt3 stomp websocket mqtt5+tls mqtt5+session mqtt5+session-tls"
	p := usptest(t, "run", "--dry-run")
	p.Want(t, result.ExitPassed)
	if n := strings.Count(p.Stdout.String(), all); n != 20 {
		t.Errorf("%d cases go over all links", n)
	}
	if out := usptest(t, "run", "--dry-run", "1.*").Stdout.String(); strings.Contains(out, "session") {
		t.Errorf("with a selection: got %s", out)
	}
}

// TestListShowsWhatAppliesToADevice compares the list for a DUT file with what its features and links allow.
func TestListShowsWhatAppliesToADevice(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "lab.yaml")
	text := `device: {vendor: ACME, model: X1, software: "4.2", endpoint: "os::012345-A1B2C3"}
links:
  - {mtp: mqtt, version: "5.0", port: 1883, agentTopic: usptest/x1/agent, controllerTopic: usptest/x1/controller}
  - {mtp: stomp, port: 61613, agentTopic: /queue/agent, controllerTopic: /queue/controller}
features: [10, 17, 36]
`
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	all := listed(t, "--dut", file)
	for id, want := range map[string]string{
		"1.1":   "mqtt5 stomp",
		"1.105": "mqtt5 stomp", // feature 10
		"6.2":   "stomp",
		"11.2":  "mqtt5",
		"1.64":  "", // feature 3 is not declared
		"7.1":   "", // no such link
		"1.63":  "", // deprecated
	} {
		if got := strings.Join(all[id].Links, " "); got != want {
			t.Errorf("%s: want it over %q, got %q", id, want, got)
		}
	}
	if got := listed(t, "--dut", file, "--link", "mqtt5"); got["6.2"].ID != "" || len(got["1.1"].Links) != 1 {
		t.Errorf("want the cases over mqtt5 alone, got %v", got["1.1"])
	}
	usptest(t, "list", "--dut", file, "--link", "websocket").Want(t, result.ExitUsage, "no such link", "mqtt5, stomp")
}

func mustPlan(t *testing.T) *plan.Plan {
	t.Helper()
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestShowNamesTheLabels(t *testing.T) {
	t.Parallel()
	usptest(t, "show", "6.2").Want(t, result.ExitPassed, "labels case:6.2, section:6", "feature:17", "mtp:stomp")
}

// TestTheShellCompletesSelections asks as the shells do.
func TestTheShellCompletesSelections(t *testing.T) {
	t.Parallel()
	for flag, want := range map[string][2]string{
		"--link":    {"", "stomp+tls"},
		"--profile": {"", "Reboot:1"},
		"--feature": {"", "10\t"},
		"--select":  {"section:1 && !needs:re", "section:1 && !needs:reboot"},
	} {
		for _, command := range []string{"run", "list"} {
			usptest(t, "__complete", command, flag, want[0]).Want(t, result.ExitPassed, want[1])
		}
	}
}

// TestTheGuideToSelectionIsComplete compares docs/selection.md with the plan.
func TestTheGuideToSelectionIsComplete(t *testing.T) {
	text := documents(t)["selection.md"]
	p := mustPlan(t)
	has := func(what string, cells ...string) {
		t.Helper()
		row := "| `" + strings.ReplaceAll(strings.Join(cells, " | "), "||", `\|\|`) + " |\n"
		if !strings.Contains(text, row) {
			t.Errorf("%s: want the row\n%s", what, row)
		}
	}
	for _, f := range p.Profiles {
		has("profile", f.Name+"`", f.Text, "`"+f.Select+"`")
	}
	for _, n := range p.Needs {
		has("need", n.Name+"`", "the "+n.By, n.Text)
	}
	for _, label := range p.Labels() {
		if family, _, _ := strings.Cut(label, ":"); !strings.Contains(text, "| `"+family+":") {
			t.Errorf("the labels %s:… are missing", family)
		}
	}
	for _, name := range linkNames() {
		if name, _, _ := strings.Cut(name, "+"); !strings.Contains(text, "`"+name+"`") {
			t.Errorf("the link %s is missing", name)
		}
	}
}
