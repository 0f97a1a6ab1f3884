package records

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/pki"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/retry"
	"github.com/usptest/usptest/harness/session"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// integrity is 3.2: a Get whose non-payload fields are not those that were signed is not carried out, and one that is signed well is. That
// the device looks at the authority of the signer's certificate is beyond the plan.
func integrity(c *harness.Case) {
	c.GoOutside()
	c.DeviceMust(expect.Type(c.Agent.Get(c, endpointID), usp.GetResp))
	forgeries := slices.Concat(harness.Forgeries(), c.Impostures())
	forged := c.SendForged(endpointID, forgeries)
	c.Step(len(forgeries)+1, "send a Get with a valid signature")
	mustBeIgnored := func(m *harness.Metric) {
		m.Saw(forged.Evidence...)
		c.GetSigned(m, endpointID)
		c.GetSigned(m, endpointID) // gives time to an Agent that works on several requests at once
		forged.MustBeIgnored(m, c.Journal.Mark(), true)
	}
	if !c.Metric(1, mustBeIgnored) {
		return
	}
	forged = c.SendForged(endpointID, []harness.Forgery{c.UnknownAuthority()})
	c.Beyond("TR-369 R-E2E.31, R-SEC.24", mustBeIgnored)
}

// badHello is 3.3: a ClientHello whose signature is not valid, or not the Controller's, begins nothing. One with a valid signature does,
// before and after.
func badHello(c *harness.Case) {
	s := c.OpenSecureSession(0)
	s.Secure()
	stranger := c.Certificate(pki.Good, func(s *pki.Spec) { s.EndpointIDs = []string{"self::usptest-stranger"} })
	forgeries := []struct {
		what  string
		spoil func(*usppb.Record)
	}{
		{"whose signature is not valid", func(r *usppb.Record) { r.MacSignature[len(r.MacSignature)-1] ^= 1 }},
		{"with the certificate and signature of another Endpoint", func(r *usppb.Record) { s.SignAs(stranger, r) }},
	}
	mark := c.Journal.Mark()
	begun := map[uint64]string{}
	var gets []*usppb.Msg
	var evidence []journal.Mark
	for i, forgery := range forgeries {
		s.Reopen()
		get := usp.NewGet(c.Agent.NewMsgID(), endpointID)
		records := s.Records(get)
		for _, r := range records {
			begun[r.GetSessionContext().GetSessionId()] = forgery.what
			forgery.spoil(r)
		}
		c.Step(i+1, "begin a session context with a TLS ClientHello %s", forgery.what)
		gets, evidence = append(gets, get), append(evidence, s.Send(records...))
	}
	c.Metric(1, func(m *harness.Metric) {
		m.Saw(evidence...)
		mustAnswerAfterwards(m, s, c)
		for _, r := range s.Received(mark) {
			if what, bad := begun[r.GetSessionId()]; bad {
				m.Must(expect.Nothing("Record in the session context of a ClientHello "+what, r.Describe()), r.Seq)
			}
		}
		for i, get := range gets {
			mustNotAnswer(m, c, mark, get, "the Get with a ClientHello "+forgeries[i].what)
		}
	})
}

// mustNotAnswer wants no answer to a request to have come after mark.
func mustNotAnswer(m *harness.Metric, c *harness.Case, mark journal.Mark, request *usppb.Msg, what string) {
	for _, e := range c.Journal.Since(mark) {
		if answerTo(request)(e) == nil {
			m.Must(expect.Nothing("answer to "+what, e.Body.(*controller.Message).Describe()), e.Seq)
		}
	}
}

// mustAnswerAfterwards wants a new session context to work. The device may begin one at the same time, after which another one is tried.
// What it had to say in one that it has begun already was said before.
func mustAnswerAfterwards(m *harness.Metric, s *harness.Session, c *harness.Case) {
	s.HearOut()
	const tries = 3
	var err error
	for range tries {
		var h *session.Handshake
		if h, _, err = s.Shake(); err == nil && h.Err == nil {
			got := c.Agent.Get(c, endpointID)
			if err = expect.Type(got, usp.GetResp); err == nil {
				m.Saw(got.Evidence())
				return
			}
		}
	}
	m.Must(fmt.Errorf("a session context begun afterwards: %w", err))
}

// macs is 3.4: after the TLS handshake the device's Records have a MAC, and it is right. That it looks at the Controller's MACs, and
// begins another session context where one is not valid, is beyond the plan.
func macs(c *harness.Case) {
	c.Uses(plan.NeedInvalidRecord)
	s := c.OpenSecureSession(0)
	c.Step(1, "begin a session context with TLS")
	s.Secure()
	id, mark := s.ID(), c.Journal.Mark()
	c.Step(2, "get Device.LocalAgent.")
	got := c.Agent.Get(c, harness.LocalAgent)
	if !c.Metric(1, func(m *harness.Metric) {
		carriers := carriersOf(c, id, got, mark)
		for _, e := range carriers {
			m.Must(hasMAC(c, e.Body.(*usppb.Record)), e.Seq)
		}
		if len(carriers) == 0 {
			m.Must(expect.Type(got, usp.GetResp), got.Evidence())
		}
	}) {
		return
	}
	if !c.Metric(2, func(m *harness.Metric) {
		for _, v := range c.Agent.Violations(mark) {
			m.Must(v.Err, v.Seq)
		}
		m.Must(expect.Type(got, usp.GetResp), got.Evidence())
		m.Must(inContext(s, id, got), got.Record)
	}) {
		return
	}
	c.Beyond("TR-369 R-E2E.23, R-E2E.30, R-E2E.33", func(m *harness.Metric) {
		mustVerify(m, s, c, "a Get in a Record whose MAC is not valid", spoilMAC)
		mustVerify(m, s, c, "a Get in a Record whose MAC is cut short",
			func(r *usppb.Record) { r.MacSignature = r.MacSignature[:len(r.MacSignature)/2] })
	})
	if !c.Protected() {
		c.Beyond("TR-369 R-E2E.28, R-E2E.30", func(m *harness.Metric) {
			mustVerify(m, s, c, "a Get in a Record without a MAC", func(r *usppb.Record) { r.MacSignature = nil })
		})
	}
	c.Beyond("TR-369 R-E2E.23", func(m *harness.Metric) { mustBeginAgain(m, s, c) })
}

// mustBeginAgain wants the device to begin another session context after a Record whose MAC is not valid.
func mustBeginAgain(m *harness.Metric, s *harness.Session, c *harness.Case) {
	s.Require()
	wait := s.RestartWait()
	s.Secure()
	id, records := s.ID(), s.Records(usp.NewGet(c.Agent.NewMsgID(), endpointID))
	for _, r := range records {
		spoilMAC(r)
	}
	mark := c.Journal.Mark()
	seq := s.Send(records...)
	begun, err := s.Await("new session context after a Record whose MAC is not valid", wait, mark, func(r harness.Received) error {
		if r.GetSessionId() == id {
			return journal.ErrSkip
		}
		return nil
	})
	m.Must(err, seq)
	m.Saw(seq, begun.Seq)
}

// spoilMAC makes a MAC one that is not valid.
func spoilMAC(r *usppb.Record) { r.MacSignature[len(r.MacSignature)-1] ^= 1 }

// mustVerify wants no answer to a Get in the session context whose Records lost their right MAC, and one to a Get in the next one.
func mustVerify(m *harness.Metric, s *harness.Session, c *harness.Case, what string, spoil func(*usppb.Record)) {
	get := usp.NewGet(c.Agent.NewMsgID(), endpointID)
	records := s.Records(get)
	for _, r := range records {
		spoil(r)
	}
	mark := c.Journal.Mark()
	seq := s.Send(records...)
	m.Saw(seq)
	awaitRefusal(s, c, seq, get)
	mustAnswerAfterwards(m, s, c)
	mustNotAnswer(m, c, mark, get, what)
}

// carriersOf returns the events of the Records in a session context that carried a reply, or without it of all after mark. What the device
// sends at the end of a handshake, such as an acknowledgement or a ticket of TLS 1.3, may come later than this side sees the end, and be
// signed.
func carriersOf(c *harness.Case, id uint64, reply *controller.Reply, mark journal.Mark) (carriers []*journal.Event) {
	for _, e := range c.Journal.Since(mark) {
		r, ok := e.Body.(*usppb.Record)
		body := r.GetSessionContext()
		if !ok || e.Dir != journal.In || body.GetSessionId() != id {
			continue
		}
		if reply.Message != nil && e.Seq > reply.Record {
			break
		}
		state := body.GetPayloadSarState()
		begins := state == usppb.SessionContextRecord_NONE || state == usppb.SessionContextRecord_BEGIN
		if reply.Message != nil && begins && len(body.GetPayload()) > 0 {
			carriers = nil
		}
		carriers = append(carriers, e)
	}
	return carriers
}

// hasMAC wants a Record to have a MAC, which is 32 bytes long, where the MTP does not protect it or the plan's own words count.
func hasMAC(c *harness.Case, r *usppb.Record) error {
	const size = 32
	n := len(r.GetMacSignature())
	if n == size || n == 0 && c.Protected() && !c.Strict("mac-where-the-mtp-protects") {
		return nil
	}
	got := strconv.Itoa(n) + " bytes"
	if n == 0 {
		got = "none"
	} else if len(r.GetSenderCert()) > 0 {
		got += ", a signature"
	}
	return &usp.Mismatch{Where: "mac_signature of a Record after the TLS handshake", Want: "a MAC of 32 bytes", Got: got}
}

// handshakes is 3.5: the device ends a handshake with an alert when the Controller shows what it must refuse, and waits
// before it tries again when the Controller does.
func handshakes(c *harness.Case) {
	c.Uses(plan.NeedTiming)
	row, err := c.ControllerRow()
	c.DeviceMust(err)
	s := c.OpenSecureSession(tls.VersionTLS12)
	s.Secure()
	s.Require()
	c.Restore(row, "PeriodicNotifInterval")
	c.Step(1, "get %s", s.Object())
	is, err := c.ReadAll(s.Object())
	c.DeviceMust(err)
	policy, err := s.Retries(is)
	c.DeviceMust(err)
	_, id := c.Subscribe(usp.Params{"NotifType": "Event", "ReferenceList": "Device.LocalAgent.Periodic!", "NotifRetry": "false"})
	c.SettleSubscription()
	succeedAtLast(s, c)
	s.Show(c.Certificate(pki.Good, func(s *pki.Spec) { s.EndpointIDs = []string{"self::usptest-stranger"} }))
	mark := c.Journal.Mark()
	c.Step(2, "begin a session context with TLS and the certificate of another Endpoint")
	c.Step(3, "await the device's alert")
	if !c.Metric(1, func(m *harness.Metric) {
		// a retry count that is not reset afterwards makes the next wait four times as long as a first one may be (R-E2E.12)
		const times = 3
		for range times {
			mustRefuse(m, s, c, mark)
			mark = c.Journal.Mark()
		}
	}) {
		return
	}
	s.Show(nil)
	s.Secure()
	interval := expireBetweenEvents(s, c, row, is, policy)
	c.Step(4, "await a session context that the device begins, for a Periodic! event")
	s.Refuse(true)
	mark = c.Journal.Mark()
	c.Step(5, "end its TLS handshake with an alert")
	c.Metric(2, func(m *harness.Metric) { mustWait(m, s, c, policy, interval, mark, id) })
}

// succeedAtLast has TLS handshakes succeed again at the end, before anything is put back that was changed until now.
func succeedAtLast(s *harness.Session, c *harness.Case) {
	c.Cleanup("let TLS handshakes succeed again", func(ctx context.Context) error {
		s.Show(nil)
		s.Refuse(false)
		const tries = 3 // the device may begin a session context at the same time
		var err error
		for range tries {
			if err = expect.Type(c.Agent.Get(ctx, endpointID), usp.GetResp); err == nil {
				return nil
			}
			c.Agent.RenewContext()
		}
		return err
	})
}

// expireBetweenEvents sets PeriodicNotifInterval and SessionExpiration so that the session context expires before each Periodic! event but
// the first. Then the device has to begin another one (R-E2E.7), but not while it retries (R-E2E.11). It returns the interval before
// scaling.
func expireBetweenEvents(s *harness.Session, c *harness.Case, row string, is usp.Params, policy retry.Policy) time.Duration {
	const apart, least = 15 * time.Second, time.Minute
	expiration := policy.Window(1).Most + policy.Window(2).Most + apart
	interval := max(expiration+apart, least)
	seconds := func(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }
	c.Extend(2*interval - 2*least)
	if _, has := is[s.Object()+"SessionExpiration"]; has {
		s.Settle(usp.Params{"SessionExpiration": seconds(expiration)})
	}
	c.Set(row, usp.Params{"PeriodicNotifInterval": seconds(interval)})
	return interval
}

// mustRefuse wants an alert of the device in a handshake that the Controller begins.
func mustRefuse(m *harness.Metric, s *harness.Session, c *harness.Case, mark journal.Mark) {
	_, _, _ = s.Shake() // which need not end, as the Controller sees it
	for seq, a := range s.Alerts(mark) {
		c.Note("the device has refused the Controller's certificate: %s", a.Text)
		m.Saw(seq)
		return
	}
	e, err := c.Await("TLS alert of the device", c.ResponseWait(), mark, func(e *journal.Event) error {
		if a, ok := e.Body.(*session.Alert); ok && !a.Sent {
			return nil
		}
		return journal.ErrSkip
	})
	m.Must(err, mark)
	m.Saw(e.Seq)
}

// mustWait refuses two handshakes of the device and wants it to try again each time after the wait that policy says. Then it may come in.
// The first Periodic! event may still come in the session context that there is.
func mustWait(m *harness.Metric, s *harness.Session, c *harness.Case, policy retry.Policy, interval time.Duration, mark journal.Mark,
	subscription string) {
	first := harness.Wait{D: c.Scaled(2*interval) + c.NotifyWait().D}
	failed := mustFail(m, s, c, "session context of the device", first, mark)
	const retries = 2
	for n := 1; n <= retries; n++ {
		if n == retries {
			s.Refuse(false)
		}
		window := policy.Scaled(c.Scale).Window(n)
		c.Extend(policy.Window(n).Most)
		late := c.Waits().Tolerance + c.Lag()
		again, err := s.Await(fmt.Sprintf("retry %d of the session context", n), harness.Wait{D: window.Most + late, From: failed.At}, failed.Seq,
			begins(failed.Seq, s, c))
		m.Must(err, failed.Seq)
		waited := again.At.Sub(failed.At)
		c.Note("retry %d of the session context came after %s; it must be after %s", n, waited.Round(time.Millisecond), window)
		// a device may count whole seconds; a machine that stands still lengthens what is measured, since the alert is sent after failed
		if waited < window.Least-c.Scaled(time.Second) {
			m.Must(&usp.Mismatch{Where: fmt.Sprintf("wait before retry %d of the session context", n), Want: window.String(),
				Got: waited.Round(time.Millisecond).String()}, failed.Seq, again.Seq)
		}
		m.Saw(failed.Seq, again.Seq)
		if n < retries {
			failed = mustFail(m, s, c, "end of the handshake", c.ResponseWait(), failed.Seq)
		}
	}
	wait := c.NotifyWait()
	wait.D += c.Scaled(interval)
	n, err := c.AwaitNotify("Periodic! Notify after the retry", wait, failed.Seq, func(n *usppb.Notify) error {
		if n.GetSubscriptionId() != subscription {
			return journal.ErrSkip
		}
		return nil
	})
	m.Must(err, failed.Seq)
	m.Saw(n.Seq)
}

// mustFail awaits a handshake of the device, and the alert that the Controller ends it with.
func mustFail(m *harness.Metric, s *harness.Session, c *harness.Case, what string, wait harness.Wait, mark journal.Mark) *journal.Event {
	_, seq, err := s.Handshake(wait, mark, func(h *session.Handshake) bool { return !h.Client && h.Err != nil })
	if err != nil {
		m.Must(fmt.Errorf("%s: %w", what, err), mark)
	}
	return c.Journal.At(seq)
}

// begins matches the first Record of a session context that the device begins.
func begins(after journal.Mark, s *harness.Session, c *harness.Case) func(harness.Received) error {
	before := map[uint64]bool{}
	for _, r := range s.Received(0) {
		if r.Seq <= after {
			before[r.GetSessionId()] = true
		}
	}
	return func(r harness.Received) error {
		if before[r.GetSessionId()] {
			return journal.ErrSkip
		}
		return nil
	}
}

// renegotiation is 3.6: a request to renegotiate is ignored or answered with no_renegotiation, and the session goes on.
func renegotiation(c *harness.Case) {
	s := c.OpenSecureSession(tls.VersionTLS12)
	c.Step(1, "begin a session context with TLS")
	s.Secure()
	id, mark := s.ID(), c.Journal.Mark()
	c.Step(2, "ask to renegotiate TLS")
	s.Send(s.Renegotiate())
	c.Step(3, "get %s", deviceInfo)
	got := c.Agent.Get(c, deviceInfo)
	c.Step(4, "await the GetResp")
	c.Metric(1, func(m *harness.Metric) {
		const noRenegotiation = 100
		for seq, a := range s.Alerts(mark) {
			if a.Code != noRenegotiation {
				m.Must(&usp.Mismatch{Where: "answer to a request to renegotiate TLS", Want: "nothing, or the alert no_renegotiation", Got: a.Text}, seq)
			}
			m.Saw(seq)
		}
		m.Must(expect.Type(got, usp.GetResp), got.Evidence())
		m.Must(inContext(s, id, got), got.Record)
	})
}

// mixedSecurity is 3.13: a Record in the clear is not answered in a session context with TLS, and a new one begins.
func mixedSecurity(c *harness.Case) {
	s := c.OpenSecureSession(0)
	c.Step(1, "begin a session context with TLS")
	s.Secure()
	s.Require()
	wait := s.RestartWait()
	id := s.ID()
	get := usp.NewGet(c.Agent.NewMsgID(), endpointID)
	clear := s.Clear(get)
	mark := c.Journal.Mark()
	c.Step(2, "send a Get in the clear")
	seq := s.Send(clear)
	restart, missed := s.Await("new session context", wait, mark, func(r harness.Received) error {
		if r.GetSessionId() == id {
			return journal.ErrSkip
		}
		return nil
	})
	passed := c.Metric(1, func(m *harness.Metric) {
		m.Saw(seq)
		mustAnswerAfterwards(m, s, c)
		for _, e := range c.Emitted(mark, c.Journal.Mark()) {
			if e.MsgID() == get.GetHeader().GetMsgId() {
				m.Must(expect.Nothing("answer to a Get in the clear", e.Describe()), e.Seq)
			}
		}
		mustNotAnswer(m, c, mark, get, "a Get in the clear")
	})
	if !passed {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		m.Must(missed, mark)
		m.Saw(restart.Seq)
	})
}
