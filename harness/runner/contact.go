package runner

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/brokers/websocket"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/lab"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// contact starts the device and waits until it can be reached and answers. A device that cannot connect because it breaks a rule is a
// *faultError. One that is there but not set up as the DUT file says is reported so, whether it answered or not.
func (r *rig) contact(ctx context.Context) error {
	mark := r.Journal.Mark()
	if err := r.Device.Start(ctx); err != nil {
		return err
	}
	waiting, giveUp := context.WithCancel(ctx)
	defer giveUp()
	go r.watch(waiting, mark, giveUp)
	err := r.reachable(waiting, mark, r.DUT.Waits.Connect, "connect")
	var launch *lab.LaunchError
	if ctx.Err() != nil || errors.As(err, &launch) {
		return err
	}
	gaveUp := waiting.Err() != nil
	x := r.explain(mark)
	if breaches := append(x.Breaches, r.broken(mark)...); err != nil && len(breaches) > 0 {
		return &faultError{breach: breaches[0], setUp: x.Mismatches, again: gaveUp || errors.Is(err, errWrongAgain)}
	}
	if other := r.otherDevice(mark); err == nil && other != "" {
		return errors.New(other)
	}
	if err == nil {
		err = r.mayRead(ctx)
	} else if named := r.namedOtherwise(mark); named != nil {
		err = named
	} else if gaveUp && len(x.Mismatches) == 0 {
		return r.absent(err, mark, "the device does not get in, and it did the same again, so usptest waited no longer")
	}
	if len(x.Mismatches) > 0 {
		return fmt.Errorf("the device is not set up as the DUT file says: %s; make them the same, there or here", strings.Join(x.Mismatches, "; "))
	}
	return err
}

// mayRead asks for values that every Controller with rights is shown. A device that shows them in a wrong way, or in one of two
// ways to ask alone, is judged by the cases.
func (r *rig) mayRead(ctx context.Context) error {
	reply := r.Agent.Get(ctx, endpointID)
	if reply.Message == nil || len(shown(reply)) > 0 {
		return reply.Err
	}
	if object := r.Agent.Get(ctx, harness.LocalAgent); len(shown(object)) > 0 {
		return nil
	}
	answer := controller.Summary(reply.Msg)
	if reply.Msg.GetBody().GetError() == nil {
		answer = "a " + usp.TypeName(usp.MsgTypeOf(reply.Msg)) + " without it"
	}
	return fmt.Errorf("the device answers, but does not show %s to the Controller %q: it answers %s; "+
		"give that Controller (controller.endpoint in the DUT file) a Role with full access%s",
		endpointID, r.Agent.ID(), answer, r.otherController())
}

// otherController says to which other Controller the device speaks; "" when it speaks to no other.
func (r *rig) otherController() string {
	for _, e := range r.Journal.Since(0) {
		record, ok := e.Body.(*usppb.Record)
		if ok && e.Dir == journal.In && record.GetToId() != r.Agent.ID() && !answers(record) {
			return fmt.Sprintf("; it sends Records to the Controller %s: compare controller.endpoint in the DUT file with the device",
				usp.Quote(record.GetToId()))
		}
	}
	return ""
}

// watch gives up the wait for a device as soon as it cannot help any more: the device is set up for another version of the MTP, or it has
// come again and broken the same rule in the same way, or got no further for the same reason. Once is not enough: a device may try
// otherwise what was refused. One that cannot get in and stays connected is disconnected once, so that it comes again; one that speaks by
// another Endpoint ID need not come again.
func (r *rig) watch(ctx context.Context, mark journal.Mark, giveUp func()) {
	dropped, came := false, time.Now()
	for from := mark; ; {
		patience, cancel := context.WithDeadline(ctx, came.Add(r.DUT.Waits.Response))
		_, err := r.Journal.Await(patience, from, func(e *journal.Event) error {
			if e.Link != "" {
				return journal.ErrSkip
			}
			return nil
		})
		cancel()
		seen := r.Journal.Mark()
		for _, e := range r.Journal.Since(from) {
			if e.Link == "" && e.Layer == journal.LayerTCP && e.Type == "open" {
				came = e.At
			}
		}
		from = seen
		x, again := r.explain(mark), r.stuck(r.Journal.Since(mark))
		switch {
		case ctx.Err() != nil:
			return
		case x.Final || repeated(x.Breaches) || again > 1:
			giveUp()
			return
		case err != nil || time.Since(came) >= r.DUT.Waits.Response:
			if r.namedOtherwise(mark) != nil {
				giveUp()
				return
			}
			if came = time.Now(); !dropped && len(x.Breaches)+again > 0 {
				dropped = true
				r.Link.Drop()
			}
		}
		select {
		case <-time.After(lookAgain): // what came meanwhile is looked at together
		case <-ctx.Done():
			return
		}
	}
}

// lookAgain is the pause between two looks at what has come from a device.
const lookAgain = 100 * time.Millisecond

// repeated reports whether two of the breaches are the same.
func repeated(breaches []link.Breach) bool {
	seen := map[string]bool{}
	for _, b := range breaches {
		key := b.Rule + " " + b.Err.Error()
		if seen[key] {
			return true
		}
		seen[key] = true
	}
	return false
}

// stuck counts the connections on which the device got no further for the same reason that only another setup can mend; of several reasons
// it is the most frequent one.
func (r *rig) stuck(events []*journal.Event) (most int) {
	conns := map[string][]uint64{} // by the reason
	for _, e := range events {
		if why := r.stuckBy(e); why != "" && e.Link == "" && !slices.Contains(conns[why], e.Conn) {
			conns[why] = append(conns[why], e.Conn)
			most = max(most, len(conns[why]))
		}
	}
	return most
}

// stuckBy says why a device gets no further, if an event shows that; else "". A certificate that the device does not take is none where the
// reason may be a clock that it has not set yet (some clients show it as a bad record MAC), nor is the answer of a device's own server,
// which may still be starting. An alert about a bad certificate is one, since most clients have another alert for the time.
func (r *rig) stuckBy(e *journal.Event) string {
	switch body := e.Body.(type) {
	case *websocket.Handshake:
		if e.Dir == journal.Out && body.Status == http.StatusNotFound {
			return "not found"
		}
	case *usppb.Record:
		if e.Dir == journal.In && body.GetFromId() != r.Agent.AgentID() {
			return "Records of " + body.GetFromId()
		}
	}
	switch {
	case isMalformed(e), e.Layer == journal.LayerTLS && e.Type == gate.HandshakeFailed && !strings.Contains(e.Text, "bad record MAC"):
		return fmt.Sprintf("%s %s %s", e.Layer, e.Type, e.Text)
	case e.Layer == journal.LayerTLS && e.Type == "alert" &&
		(strings.Contains(e.Text, "unknown certificate authority") || strings.Contains(e.Text, "bad certificate")):
		return e.Text
	}
	return ""
}

// explain is what the link makes of all that came since mark, and of the versions of TLS that the device offers.
func (r *rig) explain(mark journal.Mark) link.Explanation {
	events := r.Journal.Since(mark)
	x := r.Link.Explain(events)
	x.Breaches = append(x.Breaches, oldTLS(events, r.Link.MTP().TLSRule)...)
	return x
}

// oldTLS are the attempts of a device that never offers TLS 1.2 or later, as the rule demands.
func oldTLS(events []*journal.Event, rule string) (breaches []link.Breach) {
	for _, e := range events {
		hello, ok := e.Body.(*gate.ClientHello)
		switch {
		case !ok || e.Link != "":
		case hello.Newest() >= tls.VersionTLS12:
			return nil
		default:
			breaches = append(breaches, link.Breach{Rule: rule, Seq: e.Seq, Err: &usp.Mismatch{Where: "versions in the ClientHello of the device",
				Want: "TLS 1.2 or later among them", Got: hello.Offers()}})
		}
	}
	return breaches
}

// faultError is a device that cannot connect because it breaks a rule.
type faultError struct {
	breach link.Breach
	setUp  []string // what is set up otherwise besides
	again  bool     // it did the same again, so that the wait for it ended early
}

func (e *faultError) Error() string {
	text := fmt.Sprintf("the device is at fault before the first case: %v (%s)", e.breach.Err, e.breach.Rule)
	if e.again {
		text += "; it did the same again, so usptest waited no longer"
	}
	if len(e.setUp) > 0 {
		text += "; besides, it is not set up as the DUT file says: " + strings.Join(e.setUp, "; ")
	}
	return text
}

// concerns reports whether a case of the plan is about the rule that was broken.
func (e *faultError) concerns(c plan.Case) bool {
	return slices.Contains(c.Requirements, e.breach.Rule)
}

// metric is the universal metric of a case that fails by the fault.
func (e *faultError) metric() result.Metric {
	m := result.Metric{Verdict: result.Fail, Note: e.breach.Rule + ", seen at first contact: the device could not be tested any further",
		Evidence: []uint64{uint64(e.breach.Seq)}, Requirements: e.breach.Requirements}
	if m.Requirements == nil {
		m.Requirements = plan.RequirementsIn(e.breach.Rule)
	}
	var differs *usp.Mismatch
	if errors.As(e.breach.Err, &differs) {
		m.Where, m.Want, m.Got = differs.Where, differs.Want, differs.Got
	} else {
		m.Where = e.breach.Err.Error()
	}
	return m
}

// broken are the universal metrics that the device broke since mark. An Endpoint ID that is valid, but another than the DUT file says, is
// a matter of the set-up, unless the device answers to another one than it was asked from.
func (r *rig) broken(mark journal.Mark) []link.Breach {
	var found []link.Breach
	for _, v := range r.Agent.Violations(mark) {
		if !v.SetUp {
			found = append(found, link.Breach{Rule: string(v.Rule), Requirements: v.Requirements, Seq: v.Seq, Err: v.Err})
		}
	}
	return found
}

// endpointID is what a device is asked for at first contact.
const endpointID = harness.EndpointID

// reachable waits until the device is connected and answers a request. Whether it answers within session contexts alone is tried once, in a
// time of its own.
func (r *rig) reachable(ctx context.Context, mark journal.Mark, patience time.Duration, wait string) error {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var launch *lab.LaunchError
	switch err := r.Device.WaitFor(waiting, r.Agent.Connected); {
	case err == nil:
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &launch):
		return err
	default:
		return r.absent(err, mark, notWithin(patience, wait))
	}
	for first := true; ; first = false {
		reply := r.ask(waiting)
		if first && r.refused(reply) {
			if r.goWithin(ctx) {
				return nil
			}
			again, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			waiting = again
		}
		switch {
		case reply.Message != nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case waiting.Err() != nil:
			if other := r.announcesOther(mark); other != "" {
				return fmt.Errorf("the device is connected but does not answer, and names itself otherwise: %s; "+
					"make it and device.endpoint in the DUT file the same", other)
			}
			if late := r.late(mark); late != "" {
				return fmt.Errorf("the device answers too late: %s; raise waits.response in the DUT file, now %s", late, r.DUT.Waits.Response)
			}
			return fmt.Errorf("the device is connected but does not answer within %s (waits.%s): %w; "+
				"it must know the Controller %q and grant it full access%s%s",
				patience, wait, reply.Err, r.Agent.ID(), r.mustAllow(), r.otherController())
		}
		if r.wrongAnswers(mark) > 1 {
			return errWrongAgain
		}
		if err := r.Agent.Connected(waiting); err != nil {
			return r.absent(err, mark, notWithin(patience, wait))
		}
	}
}

// ask asks the device for its Endpoint ID. It gives up when the device begins another session: it may know nothing of the request then.
func (r *rig) ask(ctx context.Context) *controller.Reply {
	asking, giveUp := context.WithCancel(ctx)
	defer giveUp()
	mark := r.Journal.Mark()
	go func() {
		defer giveUp()
		_, _ = r.Journal.Await(asking, mark, func(e *journal.Event) error {
			if e.Link == "" && r.Link.StartsSession(e) {
				return nil
			}
			return journal.ErrSkip
		})
	}()
	return r.Agent.Get(asking, endpointID)
}

// errWrongAgain is a device that has answered two requests so that a rule is broken and neither answer could be taken.
var errWrongAgain = errors.New("the device answers wrongly")

// wrongAnswers counts the answers since mark with which the device broke a rule.
func (r *rig) wrongAnswers(mark journal.Mark) (n int) {
	broken := map[journal.Mark]bool{}
	for _, b := range r.broken(mark) {
		broken[b.Seq] = true
	}
	for _, b := range r.Link.Explain(r.Journal.Since(mark)).Breaches {
		broken[b.Seq] = true
	}
	for seq := range broken {
		if e := r.Journal.At(seq); e != nil && answers(e.Body) {
			n++
		}
	}
	return n
}

// answers reports whether the body of an event holds a Message that is no request.
func answers(body any) bool {
	switch b := body.(type) {
	case *controller.Message:
		return b.GetBody().GetRequest() == nil
	case *usppb.Record:
		m, err := usp.ParseMessage(usp.PayloadOf(b))
		return err == nil && m.GetBody().GetRequest() == nil
	}
	return false
}

// late describes an answer that came after waits.response; "" when there is none.
func (r *rig) late(mark journal.Mark) string {
	asked := map[string]time.Time{}
	for _, e := range r.Journal.Since(mark) {
		m, ok := e.Body.(*controller.Message)
		switch {
		case !ok:
		case e.Dir == journal.Out:
			asked[m.GetHeader().GetMsgId()] = e.At
		case m.GetBody().GetRequest() == nil:
			if at, ours := asked[m.GetHeader().GetMsgId()]; ours {
				return fmt.Sprintf("a %s came %.1f s after its request", e.Type, e.At.Sub(at).Seconds())
			}
		}
	}
	return ""
}
