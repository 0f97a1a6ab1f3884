package runner

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// TestShardsAreTheWholeAndEven deals the real plan: every case goes to one shard, those that are not run to the first, and no shard takes
// longer than it must.
func TestShardsAreTheWholeAndEven(t *testing.T) {
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	o := smallOptions("mqtt5", "stomp", "websocket+tls")
	o.Plan = p
	for _, c := range p.Cases {
		o.Bodies[c.ID] = func(*harness.Case) {}
	}
	whole := o.decide(p.Cases)
	want, rest := sorted(whole)
	var longest time.Duration
	for _, c := range p.Cases {
		longest = max(longest, o.estimate(c))
	}
	for _, of := range []int{1, 2, 3, 7} {
		var got []string
		var least, most time.Duration
		for i := range of {
			o.Shard = &result.Shard{Index: i + 1, Of: of}
			mine, shard, err := o.takeShard(o.decide(p.Cases))
			if err != nil {
				t.Fatal(err)
			}
			again, _, _ := o.takeShard(o.decide(p.Cases))
			ran, others := sorted(mine)
			if ranAgain, _ := sorted(again); !slices.Equal(ran, ranAgain) {
				t.Errorf("shard %s is not the same twice", shard)
			}
			if i == 0 && !slices.Equal(others, rest) || i > 0 && len(others) > 0 {
				t.Errorf("shard %s tells %d cases that are not run", shard, len(others))
			}
			if shard.Deal != dealt(whole) || len(mine) != len(whole) {
				t.Errorf("shard %s was dealt from other cases", shard)
			}
			var takes time.Duration
			for _, l := range mine {
				for _, c := range l.run {
					takes += o.estimate(c)
				}
			}
			if least, most = min(least, takes), max(most, takes); i == 0 {
				least = takes
			}
			got = append(got, ran...)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%d shards have %d cases, want %d", of, len(got), len(want))
		}
		if most-least > longest {
			t.Errorf("%d shards take from %s to %s; want no more between them than the longest case, %s", of, least, most, longest)
		}
	}
}

// TestAnEstimateKnowsTheDevice: how long a reboot takes depends on it, and cases are dealt by what they take.
func TestAnEstimateKnowsTheDevice(t *testing.T) {
	launched := &dut.Launch{Exec: []string{"agent"}}
	for name, test := range map[string]struct {
		launch *dut.Launch
		scale  float64
		want   time.Duration
	}{
		"by itself": {nil, 1, 106 * time.Second},
		"launched":  {launched, 1, 50 * time.Second},
		"simulated": {launched, 45, 1250 * time.Millisecond},
	} {
		o := smallOptions("mqtt5")
		o.DUT.Lab.Launch, o.Scale = test.launch, test.scale
		if got := o.estimate(plan.Case{Needs: []string{"reboot"}, Takes: 105 * time.Second}); got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
}

// sorted are the cases that are run and the others, each with its link.
func sorted(links []linkPlan) (run, rest []string) {
	for _, l := range links {
		for _, c := range l.run {
			run = append(run, l.link+" "+c.ID)
		}
		for _, c := range l.rest {
			rest = append(rest, l.link+" "+c.ID)
		}
	}
	return run, rest
}

func TestTheDealDependsOnWhatIsDecided(t *testing.T) {
	o := smallOptions("mqtt5", "stomp")
	deals := map[string]string{dealt(o.decide(o.Plan.Cases)): "as it is"}
	for name, change := range map[string]func(*Options){
		"fewer links":   func(o *Options) { o.Links = o.Links[:1] },
		"more features": func(o *Options) { o.DUT.Features = []int{1, 2} },
		"a filter": func(o *Options) {
			o.Filters = []plan.Filter{{Name: "x", Match: func(l []string) bool { return slices.Contains(l, "section:6") }}}
		},
	} {
		o := smallOptions("mqtt5", "stomp")
		change(&o)
		deal := dealt(o.decide(o.Plan.Cases))
		if other, ok := deals[deal]; ok {
			t.Errorf("%s is dealt like %s", name, other)
		}
		deals[deal] = name
	}
}

func TestMoreShardsThanCasesAreRefused(t *testing.T) {
	o := smallOptions("mqtt5")
	for _, of := range []int{2, 3} {
		o.Shard = &result.Shard{Index: of, Of: of}
		_, _, err := o.takeShard(o.decide(o.Plan.Cases))
		if refused := err != nil; refused != (of > 2) {
			t.Errorf("%d shards of 2 cases: %v", of, err)
		}
		if err != nil && !strings.Contains(err.Error(), fmt.Sprintf("--shard 3/%d: there are 2 cases", of)) {
			t.Error(err)
		}
	}
}
