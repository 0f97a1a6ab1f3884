package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness/result"
)

// verdicts are those of a run, each with its link, case and reason.
func verdicts(run *result.Run) []string {
	var all []string
	for _, l := range run.Links {
		for _, c := range l.Cases {
			line := fmt.Sprintf("%s %s %s", l.Link, c.ID, c.Verdict)
			for _, m := range c.Metrics {
				line += fmt.Sprintf(" %d:%s", m.N, m.Verdict)
			}
			all = append(all, line)
		}
	}
	return all
}

// TestShardsMergeToTheRun runs the reference agent whole and in three shards.
func TestShardsMergeToTheRun(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	args := []string{"--link", "mqtt5", "--link", "stomp", "--instances=2", "--defect", "add-creates-nothing",
		"1.1", "1.3?", "6.2", "6.12", "9.1", "9.10"}
	whole, merged := filepath.Join(top, "whole"), filepath.Join(top, "merged")
	var parts []string
	var runs [4]program.Program // the whole and its shards, at the same time
	var processes [4]*exec.Cmd
	for i := range runs {
		out, shard := whole, []string(nil)
		if i > 0 {
			out, shard = filepath.Join(top, fmt.Sprint("part", i)), []string{"--shard", fmt.Sprintf("%d/3", i)}
			parts = append(parts, out)
		}
		processes[i] = runs[i].Command(t, self(t), slices.Concat([]string{"run", "--out", out}, shard, args)...)
		if err := processes[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range runs {
		runs[i].Wait(t, processes[i])
	}
	runs[0].Want(t, result.ExitDeviceFault)
	for i, part := range parts {
		p := &runs[i+1]
		p.Want(t, p.Exit, fmt.Sprintf("shard %d/3", i+1))
		if run := runIn(t, part); len(run.Links) != 2 || run.Conclusion.Value == result.Conformant {
			t.Errorf("shard %d: got %+v over %d links", i+1, run.Conclusion, len(run.Links))
		}
	}
	slices.Reverse(parts)
	usptest(t, append([]string{"merge", "--out", merged}, parts...)...).Want(t, result.ExitDeviceFault, "fail 1.1", "in GetResp, event", "not-conformant", "exit 1")
	want, got := runIn(t, whole), runIn(t, merged)
	if w, g := verdicts(want), verdicts(got); !slices.Equal(w, g) {
		t.Errorf("want\n%q\ngot\n%q", w, g)
	}
	if !reflect.DeepEqual(want.Conclusion, got.Conclusion) || !slices.Equal(want.Selectors, got.Selectors) || got.Shard != nil {
		t.Errorf("want the conclusion %+v, got %+v", want.Conclusion, got.Conclusion)
	}
	for _, l := range got.Links {
		for _, c := range l.Cases {
			if c.Journal != "" && !exists(filepath.Join(merged, filepath.FromSlash(c.Journal))) {
				t.Errorf("%s %s lost its journal", l.Link, c.ID)
			}
		}
	}
	if err := result.Unseal(merged, func(string) bool { return true }); err != nil || !exists(filepath.Join(merged, sumsFile)) {
		t.Errorf("the merged run is not sealed: %v", err)
	}
	usptest(t, "diff", whole, merged).Want(t, result.ExitPassed, "regression 0, fix 0, changed 0, new 0, vanished 0")

	// what cannot be joined
	refused := func(texts []string, args ...string) {
		t.Helper()
		usptest(t, append([]string{"merge", "--out", filepath.Join(top, "refused")}, args...)...).Want(t, result.ExitUsage, texts...)
		if exists(filepath.Join(top, "refused")) {
			t.Error("there is a folder nevertheless")
		}
	}
	refused([]string{"shard 3/3 is missing"}, parts[1:]...)
	refused([]string{"shard 3/3 is there twice"}, append(parts, parts[0])...)
	refused([]string{"is not a shard"}, whole)
	refused([]string{"nowhere"}, "nowhere")
	other := filepath.Join(top, "other")
	usptest(t, "run", "--link", "mqtt5", "--out", other, "--shard", "3/3", "1.3?").Want(t, result.ExitPassed)
	refused([]string{`device: defects: "" and "add-creates-nothing"`}, append([]string{other}, parts[1:]...)...)
	write(t, append(read(t, parts[0], runFile), ' '), parts[0], runFile)
	refused([]string{"run.json: want SHA-256"}, parts...)
	usptest(t, "merge", "--out", parts[1], parts[1]).Want(t, result.ExitUsage, "shard 1/3 is missing")
}

func TestTheOnlyShardIsMergedElsewhere(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "part")
	usptest(t, "run", "--link", "mqtt5", "--out", dir, "--shard", "1/1", "1.36").Want(t, result.ExitPassed)
	usptest(t, "merge", "--out", dir, dir).Want(t, result.ExitUsage, "is the folder of a part")
	usptest(t, "merge", "--out", filepath.Dir(dir), dir).Want(t, result.ExitUsage, `holds "part"`)
	usptest(t, "merge", dir).Want(t, result.ExitUsage, "out")
	usptest(t, "merge", "--out", filepath.Join(filepath.Dir(dir), "merged"), filepath.Join(dir, runFile)).Want(t, result.ExitPassed, "exit 0")
}

func TestShardsThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, shard := range []string{"0/3", "4/3", "1", "1/0", "a/b", "1/2/3", "-1/2"} {
		usptest(t, "run", "--shard", shard, "--out", filepath.Join(t.TempDir(), "out"), "1.1").Want(t, result.ExitUsage, "--shard", "such as 2/4")
	}
	usptest(t, "run", "--link", "mqtt5", "--shard", "2/3", "--out", filepath.Join(t.TempDir(), "out"), "1.1", "1.36").
		Want(t, result.ExitUsage, "there are 2 cases to run", "make that many shards at most")
}
