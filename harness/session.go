package harness

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/retry"
	"github.com/usptest/usptest/harness/session"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// Session is the session context that a case has opened with the device: requests of c.Agent go within it, and the harness does what
// TR-369 demands of its end. The device may begin another one in its place.
type Session struct {
	c      *Case
	object string // Controller.{i}.E2ESession. of the harness's Controller
	tls    *session.TLS
	is     usp.Params // the parameters of object when the session context was opened
}

// OpenSession opens a session context, which begins with the next request. A device that is set up to forbid session contexts is made to
// allow them. In the end requests go without session context again, and the device forgets the one that there was.
func (c *Case) OpenSession() *Session { return c.openSession(nil) }

func (c *Case) openSession(secure *session.TLS) *Session {
	c.Uses(plan.NeedSession)
	row, err := c.ControllerRow()
	c.DeviceMust(err)
	s := &Session{c: c, object: row + "E2ESession.", tls: secure}
	is, err := c.ReadAll(s.object)
	c.DeviceMust(err)
	s.is = is
	mode, modern := is[s.object+"SessionMode"]
	c.Cleanup("leave the session context", func(ctx context.Context) error {
		c.Agent.LeaveContext()
		if !modern || mode == "Require" {
			return nil
		}
		return EndContext(ctx, c.Agent, s.object, mode)
	})
	switch {
	case mode == "Forbid":
		c.Set(s.object, usp.Params{"SessionMode": "Allow"})
	case !modern && is[s.object+"Enable"] == "false": // before TR-181 2.15
		c.Restore(s.object, "Enable")
		c.Set(s.object, usp.Params{"Enable": "true"})
	}
	s.keepTo(is)
	c.Agent.OpenContext(secure)
	return s
}

// EndContext ends the session context of a Controller whose requests go without one, by the SessionMode of an E2ESession object, which has
// the given value then.
func EndContext(ctx context.Context, by *controller.Controller, object, mode string) error {
	for _, mode := range []string{"Forbid", mode} { // the first ends it (R-E2E.6b)
		set := usp.Update(object, usp.Params{"SessionMode": mode}, nil)
		answer := by.Set(ctx, false, set)
		if answer.Message == nil { // a device may end the session context with the first request outside it
			answer = by.Set(ctx, false, set)
		}
		if err := expect.Type(answer, usp.SetResp); err != nil {
			return err
		}
	}
	return nil
}

// GoOutside makes a device that requires session contexts allow requests without until the end of the case, in which they go so. Before
// TR-181 2.15 there is no SessionMode, and with it no way to allow both.
func (c *Case) GoOutside() {
	secure, requires := c.Agent.Keeps()
	if !requires {
		return
	}
	row, err := c.ControllerRow()
	c.DeviceMust(err)
	object := row + "E2ESession."
	is, err := c.ReadAll(object)
	c.DeviceMust(err)
	if _, modern := is[object+"SessionMode"]; !modern {
		c.Unsupported("requests go within session contexts, and the device has no SessionMode that could allow others")
	}
	c.Restore(object, "SessionMode")
	c.Cleanup("go within session contexts", func(context.Context) error {
		c.Agent.KeepContext(secure)
		return nil
	})
	c.Set(object, usp.Params{"SessionMode": "Allow"})
	c.Agent.ReleaseContext()
	c.Agent.Get(c, EndpointID) // a device may end the session context with the first request outside it
}

// keepTo has a device that shows its PayloadSecurity, which is TLS by default, use that of the session context. One that does not let it
// be set may allow both.
func (s *Session) keepTo(is usp.Params) {
	const name = "PayloadSecurity"
	want := "Plaintext"
	if s.tls != nil {
		want = "TLS"
	}
	now, shown := is[s.object+name]
	if !shown || now == want {
		return
	}
	s.c.Restore(s.object, name)
	set := s.c.Agent.Set(s.c, false, usp.Update(s.object, usp.Params{name: want}, nil))
	if err := expect.Type(set, usp.SetResp); err != nil {
		s.c.Note("%s%s stays %s: %v", s.object, name, now, err)
	}
}

// Object is the E2ESession object of the harness's Controller, such as "Device.LocalAgent.Controller.1.E2ESession.".
func (s *Session) Object() string { return s.object }

// Settle sets parameters of the E2ESession object within the session context, and puts them back at the end. A device that begins another
// session context with its new settings has begun it then: it loses what is on its way meanwhile, and a Get, unlike an Add, is asked again.
func (s *Session) Settle(params usp.Params) {
	for _, name := range params.Names() {
		s.c.Restore(s.object, name)
	}
	s.c.Set(s.object, params)
	_, err := s.c.ReadAll(s.object)
	s.c.DeviceMust(err)
}

// SettleShown is Settle for those parameters that the device has.
func (s *Session) SettleShown(params usp.Params) {
	maps.DeleteFunc(params, func(name, _ string) bool {
		_, shown := s.is[s.object+name]
		return !shown
	})
	if len(params) > 0 {
		s.Settle(params)
	}
}

// Require makes the device begin session contexts itself, which it must not do otherwise (TR-181, SessionMode).
func (s *Session) Require() {
	if _, err := s.c.Read(s.object + "SessionMode"); err != nil {
		return // before TR-181 2.15 Enable said so
	}
	s.Settle(usp.Params{"SessionMode": "Require"})
}

// Retries is the policy by which the device retries session contexts, from the parameters of the E2ESession object (R-E2E.10).
func (s *Session) Retries(is usp.Params) (retry.Policy, error) {
	least, err := strconv.Atoi(is[s.object+"SessionRetryMinimumWaitInterval"])
	multiplier, bad := strconv.ParseUint(is[s.object+"SessionRetryIntervalMultiplier"], 10, 32)
	if err := errors.Join(err, bad); err != nil {
		return retry.Policy{}, fmt.Errorf("%sSessionRetryMinimumWaitInterval and SessionRetryIntervalMultiplier: %w", s.object, err)
	}
	return retry.Policy{Initial: time.Duration(least) * time.Second, Multiplier: multiplier}, nil
}

// RestartWait is how long the device may take to begin a new session context: it may be a retry (R-E2E.10). The budget of the case is
// extended by one.
func (s *Session) RestartWait() Wait {
	is, err := s.c.ReadAll(s.object)
	s.c.DeviceMust(err)
	policy, err := s.Retries(is)
	if err != nil { // a device without the parameters, which has their defaults (R-E2E.10)
		policy = retry.Policy{Initial: 5 * time.Second, Multiplier: 2000}
	}
	most := policy.Window(1).Most
	s.c.Extend(most)
	wait := s.c.ResponseWait()
	wait.D += s.c.Scaled(most)
	return wait
}

// Reopen begins another session context with the next request.
func (s *Session) Reopen() { s.c.Agent.OpenContext(s.tls) }

// ID returns the session_id of the session context that there is now.
func (s *Session) ID() (id uint64) {
	s.c.Agent.InContext(func(x *session.Context) { id = x.ID() })
	return id
}

// Records makes the Records that carry a request, and sends none of them.
func (s *Session) Records(msg *usppb.Msg) []*usppb.Record {
	_, records, err := s.c.Agent.Prepare(msg)
	s.c.LabMust(err)
	return records
}

// Empty makes a Record without payload that asks for one of the device's again, 0 for none.
func (s *Session) Empty(again uint64) *usppb.Record {
	return s.made(func(x *session.Context) (*usppb.Record, error) { return x.Empty(again) })
}

// Ask makes a Record without payload that asks for one of the device's again, and does not acknowledge that one.
func (s *Session) Ask(again uint64) *usppb.Record {
	return s.made(func(x *session.Context) (*usppb.Record, error) { return x.Ask(again) })
}

// made is a Record that the session context makes.
func (s *Session) made(by func(*session.Context) (*usppb.Record, error)) (r *usppb.Record) {
	var err error
	s.c.Agent.InContext(func(x *session.Context) { r, err = by(x) })
	s.c.LabMust(err)
	return r
}

// Hold keeps what the device asks for again from being sent, or ends that.
func (s *Session) Hold(on bool) {
	s.script("Hold", on, "what the device asks for again is held back")
	s.c.Agent.InContext(func(x *session.Context) { x.Holds = on })
}

// Spare keeps a Record of the device from being acknowledged, so that it can be asked for again.
func (s *Session) Spare(sequence uint64) {
	s.script("Spare", sequence != 0, fmt.Sprintf("the device's Record %d is not acknowledged", sequence))
	s.c.Agent.InContext(func(x *session.Context) { x.Spares = sequence })
}

// script writes a verb of the Controller's script into the journal: what holds from now on, or that it ends.
func (s *Session) script(verb string, on bool, what string) {
	if !on {
		what = "the Controller does as it should again"
	}
	s.c.Journal.Append(journal.Event{Layer: journal.LayerScript, Dir: journal.Own, Type: verb, Text: "session context: " + what})
}

// Send sends Records of the session context as they are, and returns the number of the last one's packet.
func (s *Session) Send(records ...*usppb.Record) (seq journal.Mark) {
	var err error
	for _, r := range records {
		seq, err = s.c.Agent.SendPrepared(s.c, r)
		s.c.DeviceMust(err)
	}
	return seq
}

// Received is a Record with session context that came from the device.
type Received struct {
	*usppb.SessionContextRecord
	Seq journal.Mark // number of its event
	At  time.Time
}

// Received returns the Records with session context that came from the device after mark, oldest first.
func (s *Session) Received(mark journal.Mark) (all []Received) {
	for _, e := range s.c.Journal.Since(mark) {
		if r, ok := received(e); ok {
			all = append(all, r)
		}
	}
	return all
}

// Carrier returns the Record that carried a Message, the last one when it came in segments. It is empty when the Message came without
// session context.
func (s *Session) Carrier(m *controller.Message) Received {
	if m == nil {
		return Received{}
	}
	r, _ := received(s.c.Journal.At(m.Record))
	return r
}

// Await returns the first Record with session context that came from the device after mark and for which match returns nil. The
// session context has taken it then.
func (s *Session) Await(what string, wait Wait, mark journal.Mark, match func(Received) error) (Received, error) {
	e, err := s.c.Await(what, wait, mark, func(e *journal.Event) error {
		r, ok := received(e)
		if !ok {
			return journal.ErrSkip
		}
		return match(r)
	})
	if err != nil {
		return Received{}, err
	}
	s.c.Agent.CatchUp()
	r, _ := received(e)
	return r, nil
}

func received(e *journal.Event) (Received, bool) {
	if e == nil || e.Dir != journal.In || e.Layer != journal.LayerRecord {
		return Received{}, false
	}
	record, ok := e.Body.(*usppb.Record)
	if !ok || record.GetSessionContext() == nil {
		return Received{}, false
	}
	return Received{record.GetSessionContext(), e.Seq, e.At}, true
}

// Describe names the Record by its numbers.
func (r Received) Describe() string {
	if r.SessionContextRecord == nil {
		return "a Record without session context"
	}
	return fmt.Sprintf("Record %d of the session context %d", r.GetSequenceId(), r.GetSessionId())
}
