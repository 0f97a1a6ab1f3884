package messages

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/usptest/usptest/brokers/probes"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

const traceRoute = "Device.IP.Diagnostics.TraceRoute()"

// What TR-181 has an Agent use when TraceRoute() is not told.
const (
	defaultTries   = 3
	defaultTimeout = 5 * time.Second
)

// operateWithDefaults is 1.92. The host of the diagnostic is this computer, which sees the probes that are UDP, and answers none. Where
// hops on the way answer, it is their probes that never come here: those of the hop behind them do.
func operateWithDefaults(c *harness.Case) {
	if !offers(c, traceRoute) {
		c.Unsupported("its supported data model has no " + traceRoute + ", and the procedure fits no other command")
	}
	key := c.Fresh("operate")
	id := c.SubscribeToCompletion(traceRoute)
	mark, began := c.Journal.Mark(), false
	c.Cleanup("let the diagnostic end", func(ctx context.Context) error {
		if !began {
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, c.Scaled(defaultTimeout)+c.NotifyWait().D)
		defer cancel()
		_, err := c.Journal.Await(ctx, mark, endOf(c, id, key))
		return err
	})
	host := c.SilentHost()

	c.Step(1, "operate %s to %s, with its mandatory arguments alone", traceRoute, host)
	operated := c.Agent.Operate(c, traceRoute, key, usp.Params{"Host": host, "ProtocolVersion": "Any"})
	if began = judgeRequest(c, operated, traceRoute); !began {
		return
	}
	c.Step(3, "watch the probes, and answer none")
	c.Metric(2, func(m *harness.Metric) {
		sent := tries(c, m, host, mark, endOf(c, id, key))
		// a hundredth is what the plan grants; a scaled run is not so exact
		tolerance := func(d time.Duration) time.Duration { return d / 100 }
		if c.Scale != 1 {
			tolerance = func(time.Duration) time.Duration { return c.Waits().Tolerance }
		}
		within := func(where string, a, b *journal.Event, d time.Duration) {
			m.Must(gap(c, where, a.At, b.At, c.Scaled(d), c.Scaled(d), tolerance(d)), a.Seq, b.Seq)
		}
		for i, next := range sent[1:] {
			within(fmt.Sprintf("time from try %d to the next probe", i+1), sent[i], next, defaultTimeout)
		}
		within("time of all tries", sent[0], sent[defaultTries], defaultTries*defaultTimeout)
	})
}

// offers reports whether the supported data model has a command.
func offers(c *harness.Case, command string) bool {
	object, name := usp.SplitName(command)
	got := c.Agent.GetSupportedDM(c, &usppb.GetSupportedDM{ObjPaths: []string{object}, FirstLevelOnly: true, ReturnCommands: true})
	c.DeviceMust(expect.Type(got, usp.GetSupportedDMResp))
	for _, q := range got.Body().GetResponse().GetGetSupportedDmResp().GetReqObjResults() {
		for _, o := range q.GetSupportedObjs() {
			if o.GetSupportedObjPath() == object && slices.Contains(commandNames(o), name) {
				return true
			}
		}
	}
	return false
}

// tries wants as many probes after mark as are due for the first hop that is silent, and then the first one for the next hop. It returns
// their events.
func tries(c *harness.Case, m *harness.Metric, host string, mark journal.Mark, isEnd func(*journal.Event) error) []*journal.Event {
	var sent []*journal.Event
	for len(sent) <= defaultTries {
		wait, after := c.NotifyWait(), mark
		if n := len(sent); n > 0 {
			wait, after = harness.Wait{D: (c.Scaled(2*defaultTimeout) + c.Lag()).Round(time.Millisecond)}, sent[n-1].Seq
		}
		e, err := c.Await("probe at "+host, wait, after, func(e *journal.Event) error {
			if isProbe(e) {
				return nil
			}
			return isEnd(e)
		})
		if len(sent) == 0 && (err != nil || !isProbe(e)) {
			c.LabMust(unobserved(m, host, e, err))
		}
		m.Must(err, after)
		if !isProbe(e) || len(sent) > 0 && len(sent) < defaultTries && hop(e) != hop(sent[0]) {
			m.Must(expect.Equal("tries for one hop", strconv.Itoa(defaultTries), strconv.Itoa(len(sent))), after, e.Seq)
		}
		sent = append(sent, e)
	}
	if next := sent[defaultTries]; hop(next) == hop(sent[0]) {
		m.Must(expect.Equal("tries for one hop", strconv.Itoa(defaultTries), "more"), next.Seq)
	}
	return sent
}

// unobserved says why nothing is known of the probes: none came before the end of the command, if there was one. A command that says of
// itself that it failed has sent none.
func unobserved(m *harness.Metric, host string, end *journal.Event, err error) error {
	if end != nil {
		m.Must(failure(end.Body.(*controller.Message).GetBody().GetRequest().GetNotify().GetOperComplete(), host), end.Seq)
		err = fmt.Errorf("%s ended as if %s had answered, but no probe came there", traceRoute, host)
	}
	return fmt.Errorf("the probes cannot be observed: %w; UDP ports %d to %d were watched: a device that probes with ICMP, or elsewhere, "+
		"needs a capture of its packets, to be judged by hand", err, probes.FirstPort, probes.LastPort)
}

func isProbe(e *journal.Event) bool { _, ok := e.Body.(*probes.Probe); return ok }

// hop is the TTL of a probe.
func hop(e *journal.Event) int { return e.Body.(*probes.Probe).TTL }

// failure wants an OperationComplete without probes not to say that the diagnostic failed.
func failure(done *usppb.Notify_OperationComplete, host string) error {
	got := done.GetReqOutputArgs().GetOutputArgs()["Status"]
	if f := done.GetCmdFailure(); f != nil {
		got = usp.ErrCode(f.GetErrCode()).String() + ": " + f.GetErrMsg()
	}
	if got == "Complete" || got == "Error_MaxHopCountExceeded" || got == "" {
		return nil
	}
	return &usp.Mismatch{Where: traceRoute, Want: "probes to " + host, Got: "none, and the end " + usp.Quote(got)}
}

// endOf matches the OperationComplete Notify of one command.
func endOf(c *harness.Case, id, key string) func(*journal.Event) error {
	return c.Agent.NotifyEvent(func(n *usppb.Notify) error {
		if n.GetSubscriptionId() != id || n.GetOperComplete().GetCommandKey() != key {
			return journal.ErrSkip
		}
		return nil
	})
}
