package proof

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/model"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/runner"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
	"github.com/usptest/usptest/suites"
)

var leftOnly = flag.String("left", "", "take only the cases whose id matches this `expression`, and interrupt each after every Record")

// TestDeviceIsLeftAsFound takes every writable value and every instance of the reference agent before and after each case, and wants them
// equal: when the case has passed, and when it was interrupted as a third or two thirds of the Records had come.
func TestDeviceIsLeftAsFound(t *testing.T) {
	t.Parallel()
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	chosen := regexp.MustCompile(cmp.Or(*leftOnly, "."))
	ids := slices.Sorted(maps.Keys(suites.Bodies()))
	if *leftOnly == "" {
		ids = program.Sample(*full, 15, ids)
	}
	for _, id := range ids {
		c, _ := p.Case(id)
		body, at := suites.Bodies()[id], slices.IndexFunc(defectLinks, c.AppliesTo)
		if !chosen.MatchString(id) || at < 0 {
			continue
		}
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			if elsewhere(t, c) {
				return
			}
			var d examined
			var found usp.Params
			var came int64
			for try := 1; ; try++ {
				d = openDevice(t, c, defectLinks[at])
				found = d.kept(t)
				var r result.Case
				if r, came = d.run(t, body, 0); r.Verdict == result.Pass {
					break
				}
				if try == tries || d.Stall() < troubles {
					t.Fatalf("%s %s", r.Verdict, r.Reason)
				}
				t.Logf("try %d: %s %s; the machine stood still for as long as %s", try, r.Verdict, r.Reason, d.Stall())
			}
			d.same(t, "when the case has passed", found)
			usesItsNeeds(t, d.last)
			parts := []int64{came / 3, 2 * came / 3}
			if *leftOnly != "" {
				parts = parts[:0]
				for part := range came {
					parts = append(parts, part)
				}
			}
			for _, part := range parts {
				if part > 0 {
					d.run(t, body, part)
					d.same(t, fmt.Sprintf("when it was interrupted after %d of %d Records", part, came), found)
				}
			}
		})
	}
}

// examined is a reference agent in a session of its own.
type examined struct {
	*runner.Session
	plan plan.Case
	last *harness.Case // that was carried out
}

func openDevice(t *testing.T, c plan.Case, link string) examined {
	t.Helper()
	f := device(t)
	s := open(t.Context(), t, runner.SessionOptions{DUT: f, Link: link})
	t.Cleanup(s.Close)
	return examined{Session: s, plan: c}
}

// run carries out a body, and interrupts it after that many Records; 0 lets it end.
func (d *examined) run(t *testing.T, body harness.Body, part int64) (r result.Case, came int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var records atomic.Int64
	r, err := d.Run(ctx, d.plan, func(c *harness.Case) {
		stop := c.Journal.Listen(func(e *journal.Event) {
			if e.Layer == journal.LayerRecord && e.Dir == journal.In && records.Add(1) == part {
				cancel()
			}
		})
		defer stop()
		d.last = c
		body(c)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, act := range r.CleanUp {
		if act.Error != "" {
			t.Errorf("interrupted after %d Records: clean-up: %s: %s", part, act.Name, act.Error)
		}
	}
	return r, records.Load()
}

// kept are all values that a Controller may set, and all instances, each with the value "there".
func (d examined) kept(t *testing.T) usp.Params {
	t.Helper()
	if err := d.Reachable(t.Context()); err != nil {
		t.Fatal(err)
	}
	for try := 1; ; try++ {
		kept, whole := usp.Params{}, false
		r, err := d.Run(t.Context(), d.plan, func(c *harness.Case) {
			read(c, kept)
			whole = true
		})
		if whole {
			return ranked(kept)
		}
		if err != nil || try == tries || d.Stall() < troubles {
			t.Fatalf("the device does not tell what it has: %v, %s", err, r.Reason)
		}
	}
}

// read reads what is kept.
func read(c *harness.Case, kept usp.Params) {
	writable := map[string]bool{}
	var tables []string // those that are in no table
	supported := c.Agent.GetSupportedDM(c, &usppb.GetSupportedDM{ObjPaths: []string{"Device."}, ReturnParams: true})
	c.DeviceMust(expect.Type(supported, usp.GetSupportedDMResp))
	for _, q := range supported.Body().GetResponse().GetGetSupportedDmResp().GetReqObjResults() {
		for _, o := range q.GetSupportedObjs() {
			if table, ok := strings.CutSuffix(o.GetSupportedObjPath(), "{i}."); ok && !strings.Contains(table, "{i}") {
				tables = append(tables, table)
			}
			for _, p := range o.GetSupportedParams() {
				writable[o.GetSupportedObjPath()+p.GetParamName()] = p.GetAccess() != usppb.GetSupportedDMResp_PARAM_READ_ONLY
			}
		}
	}
	q, err := expect.OneResult(c.Agent.Get(c, "Device."), "Device.")
	c.DeviceMust(err)
	for path, value := range expect.Resolved(q) {
		if writable[model.SchemaPath(path)] {
			kept[path] = value
		}
	}
	listed := c.Agent.GetInstances(c, false, tables...)
	c.DeviceMust(expect.Type(listed, usp.GetInstancesResp))
	for _, q := range listed.Body().GetResponse().GetGetInstancesResp().GetReqPathResults() {
		c.DeviceMust(expect.NoError("GetInstances of "+q.GetRequestedPath(), q.GetErrCode(), q.GetErrMsg()))
		for _, i := range q.GetCurrInsts() {
			kept[i.GetInstantiatedObjPath()] = "there"
		}
	}
}

// rebuilt matches the rows that 11.10 has to delete. What it adds again has another instance number (R-ARC.8).
var rebuilt = regexp.MustCompile(`^(Device\.MQTT\.Client\.\d+\.Subscription\.)(\d+)(\..*)$`)

// ranked gives such rows their rank in the table as a number.
func ranked(kept usp.Params) usp.Params {
	var numbers []int
	for path := range kept {
		if m := rebuilt.FindStringSubmatch(path); m != nil && m[3] == "." {
			n, _ := strconv.Atoi(m[2])
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	by := usp.Params{}
	for path, value := range kept {
		if m := rebuilt.FindStringSubmatch(path); m != nil {
			n, _ := strconv.Atoi(m[2])
			path = fmt.Sprintf("%s%d%s", m[1], slices.Index(numbers, n)+1, m[3])
		}
		by[path] = value
	}
	return by
}

// same wants the device to have what it had. Its own record of commands, Request, it keeps as long as it likes.
func (d examined) same(t *testing.T, when string, found usp.Params) {
	t.Helper()
	left := d.kept(t)
	for path, was := range found {
		if is, ok := left[path]; !ok || is != was {
			t.Errorf("%s: %s: want %q as before, got %q", when, path, was, is)
		}
	}
	for path, is := range left {
		if _, ok := found[path]; !ok && !strings.HasPrefix(path, "Device.LocalAgent.Request.") {
			t.Errorf("%s: %s: want it gone, got %q", when, path, is)
		}
	}
}
