package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/lab"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// contact starts the device and waits until it can be reached and answers. A device that does not get in because it breaks a rule is a
// *faultError. One that is there but set up otherwise than the DUT file says is told by that, whether it answered or not.
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
	x := r.Link.Explain(r.Journal.Since(mark))
	if breaches := append(x.Breaches, r.broken(mark)...); err != nil && len(breaches) > 0 {
		return &faultError{breach: breaches[0], setUp: x.Mismatches}
	}
	if other := r.otherDevice(mark); err == nil && other != "" {
		return errors.New(other)
	}
	if err == nil {
		err = r.mayRead(ctx)
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
	if object := r.Agent.Get(ctx, "Device.LocalAgent."); len(shown(object)) > 0 {
		return nil
	}
	return fmt.Errorf("the device answers, but does not show %s to the Controller %q: it answers %s; give that Controller a Role with full access",
		endpointID, r.Agent.ID(), controller.Summary(reply.Msg))
}

// watch gives up the wait for a device as soon as it cannot help any more.
func (r *rig) watch(ctx context.Context, mark uint64, giveUp func()) {
	_, err := r.Journal.Await(ctx, mark, func(e *journal.Event) error {
		if e.Dir == journal.In && r.Link.StartsSession(e) && r.Link.Explain([]*journal.Event{e}).Final {
			return nil
		}
		return journal.ErrSkip
	})
	if err == nil {
		giveUp()
	}
}

// faultError is a device that does not get in because it breaks a rule.
type faultError struct {
	breach link.Breach
	setUp  []string // what is set up otherwise besides
}

func (e *faultError) Error() string {
	text := fmt.Sprintf("the device is at fault before the first case: %v (%s)", e.breach.Err, e.breach.Rule)
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
		Evidence: []uint64{e.breach.Seq}}
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
func (r *rig) broken(mark uint64) []link.Breach {
	var found []link.Breach
	for _, v := range r.Agent.Violations(mark) {
		if !v.SetUp {
			found = append(found, link.Breach{Rule: string(v.Rule), Seq: v.Seq, Err: v.Err})
		}
	}
	return found
}

// endpointID is what a device is asked for at first contact.
const endpointID = "Device.LocalAgent.EndpointID"

// reachable waits until the device is connected and answers a request.
func (r *rig) reachable(ctx context.Context, mark uint64, patience time.Duration, wait string) error {
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
		return r.absent(err, mark, patience, wait)
	}
	for {
		reply := r.Agent.Get(waiting, endpointID)
		switch {
		case reply.Message != nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case waiting.Err() != nil:
			if name := r.stranger(mark); name != "" {
				return fmt.Errorf("the device calls itself %q; device.endpoint in the DUT file is %q: make them the same", name, r.Agent.AgentID())
			}
			if late := r.late(mark); late != "" {
				return fmt.Errorf("the device answers too late: %s; raise waits.response in the DUT file, now %s", late, r.DUT.Waits.Response)
			}
			return fmt.Errorf("the device is connected but does not answer within %s (waits.%s): %w; it must know the Controller %q and grant it full access",
				patience, wait, reply.Err, r.Agent.ID())
		}
		if err := r.Agent.Connected(waiting); err != nil {
			return r.absent(err, mark, patience, wait)
		}
	}
}

// late tells of an answer that came after waits.response, or "".
func (r *rig) late(mark uint64) string {
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

// absent says that no device came in time. That the wait ended is said by how long it was.
func (r *rig) absent(err error, mark uint64, patience time.Duration, wait string) error {
	why := strings.TrimSuffix(err.Error(), ": "+context.DeadlineExceeded.Error())
	text := r.seen(mark)
	if strings.HasPrefix(text, unseen) && wait == "connect" && !r.Device.Launched() {
		text += "; a device that tried before usptest listened waits before it tries again, often a minute and more: restart it, or raise waits.connect"
	}
	return fmt.Errorf("no device within %s (waits.%s): %s; %s", patience, wait, why, text)
}

// otherDevice tells of a second device on the link: a connection over which nothing but another Endpoint ID is heard; "" when there is none.
func (r *rig) otherDevice(mark uint64) string {
	var conns []uint64
	names, from := map[uint64]string{}, map[uint64]string{}
	for _, e := range r.Journal.Since(mark) {
		if e.Remote != "" {
			from[e.Conn] = e.Remote
		}
		record, ok := e.Body.(*usppb.Record)
		if !ok || e.Dir != journal.In {
			continue
		}
		if _, known := names[e.Conn]; !known {
			conns = append(conns, e.Conn)
		}
		if names[e.Conn] != r.Agent.AgentID() { // once it was right, it is our device
			names[e.Conn] = record.GetFromId()
		}
	}
	for _, conn := range conns {
		if names[conn] != r.Agent.AgentID() {
			return fmt.Sprintf("another device is connected over this link, from %s, with the Endpoint ID %s; the one under test is %q: disconnect the other one, "+
				"or give it another port", from[conn], usp.Quote(names[conn]), r.Agent.AgentID())
		}
	}
	return ""
}

// stranger returns by which Endpoint ID a device speaks that is not the expected one, or "".
func (r *rig) stranger(mark uint64) string {
	for _, e := range r.Journal.Since(mark) {
		if record, ok := e.Body.(*usppb.Record); ok && e.Dir == journal.In && record.GetFromId() != r.Agent.AgentID() {
			return record.GetFromId()
		}
	}
	return ""
}

const unseen = "seen: no TCP connection to "

// seen tells what came over the wire since mark, for a device that is not there.
func (r *rig) seen(mark uint64) string {
	counts, order, events := map[string]int{}, []string{}, r.Journal.Since(mark)
	for _, e := range events {
		if e.Dir != journal.In {
			continue
		}
		kind := fmt.Sprintf("%s %s", e.Layer, e.Type)
		if counts[kind] == 0 {
			order = append(order, kind)
		}
		counts[kind]++
	}
	if len(order) == 0 {
		return fmt.Sprintf(unseen+"%s; check that the device is configured for this address", r.Link.Addr())
	}
	for i, kind := range order {
		order[i] = fmt.Sprintf("%d %s", counts[kind], kind)
	}
	text := "seen: " + strings.Join(order, ", ")
	if remedy := r.remedy(order, counts, events); remedy != "" {
		text += "; " + remedy
	}
	return text
}

// remedy says what to do about a device of which so much was seen, by its event that tells most.
func (r *rig) remedy(seen []string, counts map[string]int, events []*journal.Event) string {
	spec, _ := r.DUT.Link(r.name)
	malformed := slices.ContainsFunc(seen, func(kind string) bool { return strings.HasSuffix(kind, " malformed") })
	switch {
	case counts["tls alert"] > 0:
		return fmt.Sprintf("the device refuses the broker's certificate: it must trust the issuer (tls.authority in the DUT file), and look for the name %q", r.host())
	case spec.TLS && counts["tls handshake"] == 0 && counts["tls ClientHello"] > 0:
		return r.brokeOff(events)
	case spec.TLS && counts["tls handshake"] == 0 && counts["tcp open"] > 0:
		return "the device does not begin with TLS, or does not finish: configure it for TLS, or remove tls: true from the link"
	case malformed, len(seen) == 1 && counts["tcp open"] > 0:
		return fmt.Sprintf("what came is not %s: the device speaks another MTP, or TLS on one side only", r.Link.MTP().Name)
	}
	return r.Link.Explain(events).Remedy
}

// brokeOff says why a TLS handshake that the device began did not come to its end.
func (r *rig) brokeOff(events []*journal.Event) string {
	why, hello := "", ""
	for _, e := range events {
		switch {
		case e.Layer != journal.LayerTLS:
		case e.Type == "ClientHello":
			hello = e.Text
		case e.Type == gate.HandshakeFailed || e.Type == gate.HandshakeBroken:
			why = e.Text
		}
	}
	if strings.Contains(why, "unsupported versions") || strings.Contains(why, "no cipher suite") {
		return fmt.Sprintf("the device and usptest have no version or cipher suite of TLS in common: the device begins with %s (%s); "+
			"TR-369 wants TLS 1.2 or later", hello, why)
	}
	return fmt.Sprintf("the device began TLS and broke it off (%s): most often it does not trust the issuer (tls.authority in the DUT file), "+
		"or looks for another name than those in the certificate: %s", why, r.names)
}

// host is the name by which the device reaches the broker.
func (r *rig) host() string {
	spec, _ := r.DUT.Link(r.name)
	return r.DUT.HostFor(spec)
}
