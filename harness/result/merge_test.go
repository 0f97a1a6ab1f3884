package result

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/usptest/usptest/harness/model"
)

// shards are two parts of a run over two links.
func shards() []Part {
	began := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	part := func(i int, links ...Link) Part {
		return Part{[]string{"", "a/run.json", "b/run.json"}[i], &Run{
			Schema: Schema, TimeScale: 1, Tool: Tool{"usptest", "1"}, Plan: Plan{"TP-469", "1", "p"}, Device: Device{Vendor: "ACME", Model: "X1"},
			Shard: &Shard{Index: i, Of: 2, Deal: "d"}, Started: began.Add(time.Duration(i) * time.Minute), WallMS: int64(1000 * i),
			Again:    []string{"usptest", "run", "--shard", []string{"", "1/2", "2/2"}[i], "--dut", "lab.yaml"},
			Features: []Feature{{Number: 1, Declared: true, Detected: []string{"", Unknown, Yes}[i]}}, Links: links,
		}}
	}
	case1 := func(id string, v Verdict) Case { return Case{ID: id, Verdict: v} }
	return []Part{
		part(2, Link{Link: "mqtt5", WallMS: 7, Cases: []Case{case1("1.1", Pass)}}, Link{Link: "stomp", Cases: []Case{case1("1.2", Pass)}, Trouble: "no contact"}),
		part(1, Link{Link: "mqtt5", WallMS: 5, Cases: []Case{case1("1.2", Pass), case1("1.3", Waived)}}, Link{Link: "stomp", Cases: []Case{case1("1.1", Fail)}}),
	}
}

func TestMerge(t *testing.T) {
	parts := shards()
	parts[1].Model = &model.Report{Device: "uri"}
	run, err := Merge(parts, strings.Compare)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range run.Links {
		for _, c := range l.Cases {
			got = append(got, l.Link+" "+c.ID+" "+string(c.Verdict))
		}
	}
	if want := []string{"mqtt5 1.1 pass", "mqtt5 1.2 pass", "mqtt5 1.3 waived", "stomp 1.1 fail", "stomp 1.2 pass"}; !reflect.DeepEqual(got, want) {
		t.Errorf("want %v, got %v", want, got)
	}
	if run.Shard != nil || run.Dir != "" || run.WallMS != 2000 || run.Links[0].WallMS != 7 || !run.Started.Equal(parts[1].Started) {
		t.Errorf("the head is wrong: %+v", run)
	}
	if run.Conclusion.Value != NotConformant || run.ExitCode() != ExitDeviceFault {
		t.Errorf("want a conclusion of the whole, got %+v", run.Conclusion)
	}
	if want := []string{"usptest", "run", "--dut", "lab.yaml"}; !reflect.DeepEqual(run.Again, want) {
		t.Errorf("want %v, got %v", want, run.Again)
	}
	if run.Links[1].Trouble != "shard 2/2: no contact" || run.Features[0].Detected != Yes {
		t.Errorf("trouble or detection are lost: %+v", run)
	}
	if run.Model == nil || run.Model.Device != "uri" {
		t.Errorf("the data model: %+v", run.Model)
	}
}

func TestMergeRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		change func(parts []Part) []Part
		want   string
	}{
		"no parts":        {func([]Part) []Part { return nil }, "nothing to merge"},
		"another plan":    {func(p []Part) []Part { p[1].Plan.Hash = "q"; return p }, `b/run.json and a/run.json differ in plan hash: "p" and "q"`},
		"another version": {func(p []Part) []Part { p[1].Plan.Version = "2"; return p }, `plan: "TP-469 1" and "TP-469 2"`},
		"another tool":    {func(p []Part) []Part { p[1].Tool.Version = "2"; return p }, `tool: "usptest 1" and "usptest 2"`},
		"another device":  {func(p []Part) []Part { p[1].Device.Endpoint = "os::2"; return p }, `device: endpoint: "" and "os::2"`},
		"another time":    {func(p []Part) []Part { p[1].TimeScale = 25; return p }, `time scale: "1" and "25"`},
		"by the letter":   {func(p []Part) []Part { p[1].StrictPlan = true; return p }, `--strict-plan: "false" and "true"`},
		"another deal":    {func(p []Part) []Part { p[1].Shard.Deal = "e"; return p }, "cases that were dealt"},
		"another number":  {func(p []Part) []Part { p[1].Shard.Of = 3; return p }, `number of shards: "2" and "3"`},
		"a baseline":      {func(p []Part) []Part { p[1].Baseline = &Baseline{Software: "4"}; return p }, `baseline: "" and "4 `},
		"other waivers":   {func(p []Part) []Part { p[1].Waivers = []Waiver{{Case: "1.1"}}; return p }, "differ in waivers"},
		"no shard":        {func(p []Part) []Part { p[1].Shard = nil; return p }, "a/run.json is not a shard"},
		"a false shard":   {func(p []Part) []Part { p[1].Shard.Index = 3; return p }, "a/run.json is not a shard"},
		"missing":         {func(p []Part) []Part { return p[:1] }, "shard 1/2 is missing"},
		"missing many":    {func(p []Part) []Part { p[0].Shard.Of = 1 << 40; return p[:1] }, "shard 1/1099511627776 is missing"},
		"twice":           {func(p []Part) []Part { p[1].Shard.Index = 2; return p }, "shard 2/2 is there twice: b/run.json and a/run.json"},
		"overlapping":     {func(p []Part) []Part { p[1].Links[0].Cases[0].ID = "1.1"; return p }, "mqtt5 1.1 is in both b/run.json and a/run.json"},
	} {
		run, err := Merge(test.change(shards()), strings.Compare)
		if err == nil || run != nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: want an error with %q, got %v", name, test.want, err)
		}
	}
}
