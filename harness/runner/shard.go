package runner

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// even spreads items over n parts, the long ones first, each to the part with the least to do. It gives the same parts on every machine.
func even[T any](items []T, n int, takes func(T) time.Duration) [][]T {
	byLength := slices.Clone(items)
	slices.SortStableFunc(byLength, func(a, b T) int { return cmp.Compare(takes(b), takes(a)) })
	parts, load := make([][]T, n), make([]time.Duration, n)
	for _, item := range byLength {
		least := slices.Index(load, slices.Min(load))
		parts[least] = append(parts[least], item)
		load[least] += takes(item)
	}
	return parts
}

// estimate is about how long a case takes: what its procedure waits for, and a little for everything else. A simulated device is the faster
// the more its intervals are divided, and restarts at once; a device that usptest launches restarts in seconds.
func (o Options) estimate(c plan.Case) time.Duration {
	waits, besides := c.Takes, time.Second
	if slices.Contains(c.Needs, plan.NeedReboot) && (o.Scale > 1 || o.DUT.Lab.Launch != nil) {
		waits = max(0, waits-time.Minute) // as long as the tables reckon for a reboot
		besides += 4 * time.Second
	}
	if o.Scale > 1 {
		besides = time.Second / 4
		waits = time.Duration(float64(waits) / o.Scale)
	}
	return (waits + besides) * time.Duration(max(1, o.Repeat))
}

// takeShard keeps what this machine has to do of a run that is spread over several, and notes what was dealt. The cases that are not
// carried out are reported by the first.
func (o Options) takeShard(whole []linkPlan) ([]linkPlan, *result.Shard, error) {
	if o.Shard == nil {
		return whole, nil, nil
	}
	type hand struct {
		link int
		plan.Case
	}
	var all []hand
	for i, l := range whole {
		for _, c := range l.run {
			all = append(all, hand{i, c})
		}
	}
	if len(all) < o.Shard.Of {
		return nil, nil, fmt.Errorf("--shard %s: there are %d cases to run, counted over all links; make that many shards at most", o.Shard, len(all))
	}
	mine := slices.Clone(whole)
	for i := range mine {
		mine[i].run = nil
		if o.Shard.Index > 1 {
			mine[i].rest = nil
		}
	}
	for _, h := range even(all, o.Shard.Of, func(h hand) time.Duration { return o.estimate(h.Case) })[o.Shard.Index-1] {
		mine[h.link].run = append(mine[h.link].run, h.Case)
	}
	for i := range mine {
		slices.SortFunc(mine[i].run, func(a, b plan.Case) int { return plan.Compare(a.ID, b.ID) })
	}
	return mine, &result.Shard{Index: o.Shard.Index, Of: o.Shard.Of, Deal: dealt(whole)}, nil
}

// dealt is the SHA-256 of what a run does, hexadecimal: shards with the same one were dealt from the same cases.
func dealt(whole []linkPlan) string {
	h := sha256.New()
	for _, l := range whole {
		for _, c := range l.run {
			fmt.Fprintln(h, l.link, c.ID)
		}
		for _, c := range l.rest {
			fmt.Fprintln(h, l.link, c.ID, c.Verdict)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}
