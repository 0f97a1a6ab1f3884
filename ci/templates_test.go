package ci

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rhysd/actionlint"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// template reads a file of templates/.
func template(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("templates", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// decode reads YAML; an unknown key is a fault.
func decode(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict(text, into); err != nil {
		t.Fatal(err)
	}
}

// lab is where the script of a template runs: usptest and every other program but those of a shell are fakes.
type lab struct {
	dir  string
	exit int      // what usptest returns
	env  []string // name=value
	// program is usptest itself instead of a fake, which carries out these cases only.
	program string
	cases   string
}

// run carries out a script as a pipeline does, and returns the arguments of usptest and the exit code.
func (l lab) run(t *testing.T, script string) (args []string, code int) {
	t.Helper()
	bin, called := filepath.Join(l.dir, "fakes"), filepath.Join(l.dir, "called")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	os.Remove(called)
	usptest := fmt.Sprintf(`printf '%%s\n' "$@" >%s; exit %d`, called, l.exit)
	if l.program != "" {
		usptest = fmt.Sprintf(`printf '%%s\n' "$@" >%s; [ "$1" != run ] || set -- "$@" %s; exec %s "$@"`, called, l.cases, l.program)
	}
	for name, text := range map[string]string{"usptest": usptest, "go": "", "sudo": "", "apt-get": ""} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-e", "-u", "-c", script)
	cmd.Dir = l.dir
	cmd.Env = append([]string{"PATH=" + bin + ":/usr/bin:/bin"}, l.env...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(called)
	if err != nil {
		t.Fatalf("usptest was not called: %v\n%s", err, out)
	}
	if l.program != "" {
		t.Logf("%s", out)
	}
	return strings.Fields(string(text)), cmd.ProcessState.ExitCode()
}

// spread checks the script that carries out shards: it is given the number of this shard, counted from first, and the number of all. passes
// says whether the template passes the exit codes 1 and 3 on.
func spread(t *testing.T, script string, first, of int, passes bool, env func(i int) []string) {
	t.Helper()
	for i := range of {
		l := lab{dir: t.TempDir(), env: env(first + i)}
		args, code := l.run(t, script)
		if at := slices.Index(args, "--shard"); code != 0 || args[0] != "run" || at < 0 || args[at+1] != fmt.Sprintf("%d/%d", i+1, of) {
			t.Errorf("shard %d of %d: got exit code %d of usptest %q", i+1, of, code, args)
		}
		if slices.Contains(args, "--baseline") {
			t.Errorf("there is no baseline, and usptest is given one: %q", args)
		}
	}
	for exit, want := range map[int]int{0: 0, 1: 0, 2: 2, 3: 0, 130: 130} {
		if passes {
			want = exit
		}
		if _, code := (lab{dir: t.TempDir(), exit: exit, env: env(first)}).run(t, script); code != want {
			t.Errorf("usptest ends with %d: want the script to end with %d, got %d", exit, want, code)
		}
	}
}

// baselined checks that a script takes the baseline when the repository has one.
func baselined(t *testing.T, script string, env []string) {
	t.Helper()
	l := lab{dir: t.TempDir(), env: env}
	if err := os.MkdirAll(filepath.Join(l.dir, "usptest"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(l.dir, "usptest", "known.json"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if args, _ := l.run(t, script); !slices.Contains(args, "usptest/known.json") {
		t.Errorf("the baseline is not used: %q", args)
	}
}

// gate checks the script that joins the parts: its exit code is that of usptest.
func gate(t *testing.T, script string, env ...string) {
	t.Helper()
	for _, exit := range []int{0, 1, 2, 3} {
		args, code := lab{dir: t.TempDir(), exit: exit, env: env}.run(t, script)
		if code != exit || args[0] != "merge" || !slices.Contains(args, "--out") {
			t.Errorf("usptest ends with %d: want the script to end so, got %d of usptest %q", exit, code, args)
		}
	}
}

// pipeline is what a template does with usptest: a script for each of a number of shards, counted from first, and one that joins them.
type pipeline struct {
	build      string // a script that builds the agent, where the template has one
	run, merge string
	summary    string // a script that shows the result, where the template has one
	first, of  int
	env        func(i int) []string // of a shard
	mergeEnv   []string
	passes     bool // whether a shard passes on that the device is at fault
}

// check tries the scripts with a fake of usptest.
func (p pipeline) check(t *testing.T) {
	spread(t, p.run, p.first, p.of, p.passes, p.env)
	gate(t, p.merge, p.mergeEnv...)
	if p.build != "" {
		built(t, p.build)
	}
}

// built checks the script that builds the agent: its configure finds libwebsockets only when the package was installed before.
func built(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"apt-get": `echo "$@" >>installed`, "sudo": `exec "$@"`, "make": `[ -e Makefile ] && : >obuspa`,
		"autoreconf": `printf '#!/bin/sh\ngrep -qw libwebsockets-dev installed && : >Makefile\n' >configure; chmod +x configure`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-e", "-u", "-c", script)
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + dir + ":/usr/bin:/bin"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("the agent is not built: %v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "obuspa")); err != nil {
		t.Error(err)
	}
}

func TestGitHubTemplate(t *testing.T) {
	text := template(t, "github-actions.yml")
	linter, err := actionlint.NewLinter(os.Stderr, &actionlint.LinterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for content, faulty := range map[string]bool{string(text): false, strings.Replace(string(text), "needs: build", "needs: biuld", 1): true} {
		found, err := linter.Lint("github-actions.yml", []byte(content), nil)
		if err != nil || faulty != (len(found) > 0) {
			t.Errorf("want faults: %v, got %v, %v", faulty, found, err)
		}
	}
	p := gitHub(t)
	p.check(t)
	baselined(t, p.run, p.env(p.first))
}

func gitHub(t *testing.T) pipeline {
	t.Helper()
	text := template(t, "github-actions.yml")
	var workflow struct {
		Jobs map[string]struct {
			Strategy struct{ Matrix struct{ Shard []int } }
			Steps    []struct{ Run string }
		}
	}
	if err := yaml.Unmarshal(text, &workflow); err != nil {
		t.Fatal(err)
	}
	step := func(job, command string) string {
		for _, s := range workflow.Jobs[job].Steps {
			if strings.Contains(s.Run, command) {
				return s.Run
			}
		}
		t.Fatalf("the job %s has no step with %q", job, command)
		return ""
	}
	shards := workflow.Jobs["test"].Strategy.Matrix.Shard
	script := strings.NewReplacer("${{ matrix.shard }}", "$SHARD", "${{ strategy.job-total }}", fmt.Sprint(len(shards))).Replace(step("test", "usptest run"))
	return pipeline{
		build: step("build", "./configure"),
		run:   script, merge: step("report", "usptest merge"), summary: step("report", "usptest report"), of: len(shards),
		env: func(i int) []string { return []string{fmt.Sprintf("SHARD=%d", shards[i]), "USPTEST=x"} }, mergeEnv: []string{"USPTEST=x"},
	}
}

func TestGitLabTemplate(t *testing.T) {
	p := gitLab(t)
	p.check(t)
	baselined(t, p.run, p.env(p.first))
}

func gitLab(t *testing.T) pipeline {
	t.Helper()
	type job struct {
		Stage        string            `json:"stage"`
		Image        string            `json:"image"`
		Extends      string            `json:"extends"`
		Parallel     int               `json:"parallel"`
		Variables    map[string]string `json:"variables"`
		BeforeScript []string          `json:"before_script"`
		Script       []string          `json:"script"`
		AllowFailure struct {
			ExitCodes []int `json:"exit_codes"`
		} `json:"allow_failure"`
		Artifacts struct {
			When     string            `json:"when"`
			Paths    []string          `json:"paths"`
			ExposeAs string            `json:"expose_as"`
			ExpireIn string            `json:"expire_in"`
			Reports  map[string]string `json:"reports"`
		} `json:"artifacts"`
	}
	var file struct {
		Stages    []string          `json:"stages"`
		Variables map[string]string `json:"variables"`
		Build     job               `json:"build"`
		Usptest   job               `json:".usptest"`
		Test      job               `json:"test"`
		Report    job               `json:"report"`
	}
	decode(t, template(t, "gitlab-ci.yml"), &file)
	for name, j := range map[string]job{"build": file.Build, "test": file.Test, "report": file.Report} {
		if !slices.Contains(file.Stages, j.Stage) || len(j.Script) == 0 || j.Image == "" && j.Extends != ".usptest" {
			t.Errorf("%s: want a stage of %v, an image and a script, got %+v", name, file.Stages, j)
		}
	}
	if test := file.Test; !slices.Equal(test.AllowFailure.ExitCodes, []int{1, 3}) || test.Artifacts.When != "always" {
		t.Errorf("a shard with faults must not keep the report from being made: %+v", test)
	}
	// libwebsockets has to be 4.2 or newer: Debian 12 has 4.1.6, Debian 13 has 4.3
	release := map[string]string{"debian:13": "trixie"}[file.Build.Image]
	if release == "" || !strings.HasSuffix(file.Usptest.Image, "-"+release) {
		t.Errorf("the agent is built in %s and runs in %s: want one release, with libwebsockets 4.2", file.Build.Image, file.Usptest.Image)
	}
	report := file.Report
	if report.Artifacts.When != "always" || report.Artifacts.Reports["junit"] != "usptest-run/junit.xml" ||
		report.AllowFailure.ExitCodes != nil {
		t.Errorf("the job report must show what failed, and fail: %+v", report)
	}
	script := func(j job, before []string) string {
		return strings.Join(append(slices.Clone(before), j.Script...), "\n")
	}
	return pipeline{
		build: script(file.Build, nil),
		run:   script(file.Test, file.Usptest.BeforeScript), merge: script(file.Report, file.Report.BeforeScript),
		first: 1, of: file.Test.Parallel, passes: true,
		env: func(i int) []string {
			return []string{fmt.Sprintf("CI_NODE_INDEX=%d", i), fmt.Sprintf("CI_NODE_TOTAL=%d", file.Test.Parallel), "USPTEST=x"}
		},
		mergeEnv: []string{"USPTEST=x"},
	}
}

func TestJenkinsTemplate(t *testing.T) {
	p := jenkins(t)
	p.check(t)
	baselined(t, p.run, p.env(p.first))
}

func jenkins(t *testing.T) pipeline {
	t.Helper()
	text := string(template(t, "Jenkinsfile"))
	scripts := map[string]string{}
	for _, m := range regexp.MustCompile(`(?s)sh '''(.*?)'''`).FindAllStringSubmatch(text, -1) {
		for _, command := range []string{"usptest run", "usptest merge"} {
			if strings.Contains(m[1], command) {
				scripts[command] = m[1]
			}
		}
	}
	// no linter of Groovy runs without Jenkins: at least every block is closed
	code := regexp.MustCompile(`(?s)sh '''.*?'''|//[^\n]*|'[^'\n]*'|"[^"\n]*"`).ReplaceAllString(text, "")
	var open []rune
	for _, r := range code {
		switch closes := map[rune]rune{'}': '{', ')': '('}; {
		case r == '{' || r == '(':
			open = append(open, r)
		case closes[r] == 0:
		case len(open) == 0 || open[len(open)-1] != closes[r]:
			t.Fatalf("%q closes what was not opened, with %q open", r, open)
		default:
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Fatalf("%q is not closed", open)
	}
	axis := regexp.MustCompile(`values ('1'(?:, '\d+')*)`).FindStringSubmatch(text)
	of := regexp.MustCompile(`SHARDS = '(\d+)'`).FindStringSubmatch(text)
	if axis == nil || of == nil {
		t.Fatal("want an axis with the values '1', … and SHARDS")
	}
	shards := strings.Split(axis[1], ", ")
	if fmt.Sprint(len(shards)) != of[1] || strings.Count(text, "unstash 'part-") != len(shards) {
		t.Errorf("the axis has %d values; SHARDS is %s, and %d parts are joined", len(shards), of[1], strings.Count(text, "unstash 'part-"))
	}
	return pipeline{
		run: scripts["usptest run"], merge: scripts["usptest merge"], first: 1, of: len(shards), mergeEnv: []string{"USPTEST=x"},
		env: func(i int) []string { return []string{fmt.Sprintf("SHARD=%d", i), "SHARDS=" + of[1], "USPTEST=x"} },
	}
}

func TestKubernetesTemplate(t *testing.T) { kubernetes(t).check(t) }

func kubernetes(t *testing.T) pipeline {
	t.Helper()
	var results core.PersistentVolumeClaim
	var shards, merge batch.Job
	documents := bytes.Split(template(t, "kubernetes.yaml"), []byte("\n---\n"))
	if len(documents) != 3 {
		t.Fatalf("want 3 documents, got %d", len(documents))
	}
	for i, into := range []any{&results, &shards, &merge} {
		decode(t, documents[i], into)
	}
	if err := yaml.UnmarshalStrict(bytes.Replace(documents[1], []byte("completions"), []byte("completion"), 1), &batch.Job{}); err == nil {
		t.Error("an unknown key is not found")
	}
	if mode := shards.Spec.CompletionMode; mode == nil || *mode != batch.IndexedCompletion || shards.Spec.Completions == nil {
		t.Fatalf("want an Indexed Job with a number of completions, got %+v", shards.Spec)
	}
	if merge.Spec.Suspend == nil || !*merge.Spec.Suspend {
		t.Error("the parts are joined before they are there")
	}
	of := int(*shards.Spec.Completions)
	for _, j := range []batch.Job{shards, merge} {
		volumes := j.Spec.Template.Spec.Volumes
		if !slices.ContainsFunc(volumes, func(v core.Volume) bool {
			return v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == results.Name
		}) {
			t.Errorf("%s does not have the volume %s", j.Name, results.Name)
		}
		for _, m := range j.Spec.Template.Spec.Containers[0].VolumeMounts {
			if !slices.ContainsFunc(volumes, func(v core.Volume) bool { return v.Name == m.Name }) {
				t.Errorf("%s: there is no volume %q", j.Name, m.Name)
			}
		}
	}
	pod := shards.Spec.Template.Spec.Containers[0]
	if len(pod.Env) != 1 || pod.Env[0].Value != fmt.Sprint(of) {
		t.Errorf("want as many shards as completions, %d, got %+v", of, pod.Env)
	}
	return pipeline{ // Kubernetes counts from 0
		run: pod.Args[0], merge: merge.Spec.Template.Spec.Containers[0].Args[0], of: of,
		env: func(i int) []string {
			return []string{fmt.Sprintf("JOB_COMPLETION_INDEX=%d", i), pod.Env[0].Name + "=" + pod.Env[0].Value}
		},
	}
}
