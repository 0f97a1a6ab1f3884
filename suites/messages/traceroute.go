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
	id := subscribeToCompletion(c, traceRoute)
	mark, began := c.Journal.Mark(), false
	c.Cleanup("let the diagnostic end", func(ctx context.Context) error {
		if !began {
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, c.Scaled(defaultTimeout)+c.NotifyWait().D)
		defer cancel()
		_, err := c.Journal.Await(ctx, mark, endOf(id, key))
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
		sent := tries(c, m, host, mark, endOf(id, key))
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

// offers says whether the supported data model has a command.
func offers(c *harness.Case, command string) bool {
	object, name := split(command)
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

// tries wants as many probes after mark as are due for the first hop that is silent, and the first one for the next hop. It returns
// their events. Without any probe it is not known what the device did, unless it says that it failed.
func tries(c *harness.Case, m *harness.Metric, host string, mark uint64, isEnd func(*journal.Event) error) []*journal.Event {
	var sent []*journal.Event
	next := func(wait harness.Wait, after uint64) (ended bool, err error) {
		e, err := c.Await("probe at "+host, wait, after, func(e *journal.Event) error {
			if _, ok := e.Body.(*probes.Probe); ok {
				return nil
			}
			return isEnd(e)
		})
		if err != nil {
			return false, err
		}
		if _, ok := e.Body.(*probes.Probe); !ok {
			m.Must(nil, e.Seq)
			return true, nil
		}
		sent = append(sent, e)
		return false, nil
	}

	ended, err := next(c.NotifyWait(), mark)
	if ended {
		e, awaited := c.Journal.Await(c, mark, isEnd)
		c.LabMust(awaited)
		m.Must(failure(e.Body.(*controller.Message).GetBody().GetRequest().GetNotify().GetOperComplete(), host), e.Seq)
		err = fmt.Errorf("%s ended as if %s had answered, but no probe came there", traceRoute, host)
	}
	if err != nil {
		c.LabMust(fmt.Errorf("the probes cannot be observed: %w; UDP ports %d to %d were watched: a device that probes with ICMP, or elsewhere, "+
			"needs a capture of its packets, to be judged by hand", err, probes.FirstPort, probes.LastPort))
	}
	for len(sent) <= defaultTries {
		last := sent[len(sent)-1]
		ended, err := next(harness.Wait{D: c.Scaled(2*defaultTimeout) + c.Lag()}, last.Seq)
		m.Must(err, last.Seq)
		if ended || len(sent) <= defaultTries && hop(sent[len(sent)-1]) != hop(sent[0]) {
			n := len(sent)
			if !ended {
				n--
			}
			m.Must(expect.Equal("tries for one hop", strconv.Itoa(defaultTries), strconv.Itoa(n)), last.Seq)
		}
	}
	if hop(sent[defaultTries]) == hop(sent[0]) {
		m.Must(expect.Equal("tries for one hop", strconv.Itoa(defaultTries), "more"), sent[defaultTries].Seq)
	}
	return sent
}

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
func endOf(id, key string) func(*journal.Event) error {
	return controller.NotifyEvent(func(n *usppb.Notify) error {
		if n.GetSubscriptionId() != id || n.GetOperComplete().GetCommandKey() != key {
			return journal.ErrSkip
		}
		return nil
	})
}
