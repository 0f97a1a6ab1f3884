package ci

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness/result"
)

// agentLaunch is a DUT file that launches the reference agent by the program that is at PROGRAM.
const agentLaunch = `device: {vendor: usptest, model: reference agent, software: "1", endpoint: "proto::template-{{.Instance}}"}
links:
  - {mtp: mqtt, version: "5.0"}
lab:
  launch:
    exec: [PROGRAM, agent, --link=mqtt5, "--host={{.Host}}", "--port={{.Port}}", "--endpoint={{.AgentID}}",
      "--controller={{.ControllerID}}", "--agent-topic={{.AgentTopic}}", "--controller-topic={{.ControllerTopic}}",
      "--state={{.Dir}}/state.json"]
`

// TestTemplatesWithTheProgram carries out the scripts of each template from the first shard to the report, with usptest as it was built in
// the place of the release, the reference agent as the device, and a few cases.
func TestTemplatesWithTheProgram(t *testing.T) {
	source, err := filepath.Abs(filepath.Join("..", "cmd", "usptest"))
	if err != nil {
		t.Fatal(err)
	}
	path, err := program.Build(source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(filepath.Dir(path)) })
	cases := []string{"1.1", "1.11", "1.24", "1.36", "1.66"} // one for each shard at least
	t.Run("templates", func(t *testing.T) {
		for name, pipeline := range map[string]func(*testing.T) pipeline{
			"GitHub": gitHub, "GitLab": gitLab, "Jenkins": jenkins, "Kubernetes": kubernetes,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				p, dir := pipeline(t), t.TempDir()
				for _, folder := range []string{"usptest", "lab", "results"} { // of a repository, and of a pod
					if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
						t.Fatal(err)
					}
					file := []byte(strings.ReplaceAll(agentLaunch, "PROGRAM", path))
					if err := os.WriteFile(filepath.Join(dir, folder, "lab.yaml"), file, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				at := strings.NewReplacer("/lab/", dir+"/lab/", "/results/", dir+"/results/", "--out part ", "--out parts/$SHARD ")
				summary := filepath.Join(dir, "summary.md")
				for i := range p.of {
					l := lab{dir: dir, program: path, cases: strings.Join(cases, " "), env: p.env(p.first + i)}
					if _, code := l.run(t, at.Replace(p.run)); code != result.ExitPassed {
						t.Fatalf("shard %d ends with %d", i+1, code)
					}
				}
				joined := lab{dir: dir, program: path, env: append(p.mergeEnv, "GITHUB_STEP_SUMMARY="+summary)}
				if _, code := joined.run(t, at.Replace(p.merge)); code != result.ExitPassed {
					t.Fatalf("the parts are joined with %d", code)
				}
				out := filepath.Join(dir, "usptest-run")
				if name == "Kubernetes" {
					out = filepath.Join(dir, "results", "usptest-run")
				}
				run, err := result.Load(filepath.Join(out, result.RunFile))
				if err != nil {
					t.Fatal(err)
				}
				if got := run.Counts()[result.Pass]; got != len(cases) {
					t.Errorf("want %d cases passed, got %v", len(cases), run.Counts())
				}
				if p.summary == "" {
					return
				}
				if _, code := joined.run(t, p.summary); code != result.ExitPassed {
					t.Errorf("the summary ends with %d", code)
				}
				if text, err := os.ReadFile(summary); err != nil || !strings.HasPrefix(string(text), "## TP-469 ") {
					t.Errorf("want a summary of the run, got %v\n%s", err, text)
				}
			})
		}
	})
}
