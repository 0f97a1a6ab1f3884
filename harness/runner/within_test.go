package runner

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/pki"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/session"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// The parameters by which a device shows that it knows the Controller and session contexts.
const (
	controllerRow = harness.Controllers + "1."
	sessionMode   = controllerRow + "E2ESession.SessionMode"
)

// contextual is a device with session contexts.
type contextual struct {
	simple
	end     session.Context
	outside time.Duration // from when on, after its beginning, it hears what comes without session context
	deaf    bool          // it hears nothing of session contexts with end's payload_security
	refused bool          // it answers the first request with an Error
	sets    []string      // the SessionModes that it was to take
	onSet   func()        // what happens with each; may be nil
	mute    bool          // it answers no Set
	began   time.Time
}

// Send implements link.Link.
func (d *contextual) Send(_ context.Context, raw []byte) (journal.Mark, error) {
	record := must(usp.ParseRecord(raw))
	if record.GetSessionContext() == nil {
		if time.Since(d.began) >= d.outside {
			d.answerTo(record.GetNoSessionContext().GetPayload(), func(reply []byte) []*usppb.Record {
				return []*usppb.Record{must(usp.WrapMessage("self::usptest", "proto::device", usp.Version, must(usp.ParseMessage(reply))))}
			})
		}
		return 1, nil
	}
	if d.deaf || (d.end.TLS != nil) != (record.GetPayloadSecurity() == usppb.Record_TLS12) {
		return 1, nil
	}
	taken, err := d.end.In(record)
	if err != nil {
		return 0, err
	}
	d.send(taken.Reply)
	for _, payload := range taken.Msgs {
		d.answerTo(payload, func(reply []byte) []*usppb.Record { return must(d.end.Out(reply)) })
	}
	return 1, nil
}

// answerTo answers a request in the Records that wrap makes.
func (d *contextual) answerTo(payload []byte, wrap func([]byte) []*usppb.Record) {
	m := must(usp.ParseMessage(payload))
	id, request := m.GetHeader().GetMsgId(), m.GetBody().GetRequest()
	reply := d.answer(id, request)
	switch {
	case d.refused:
		d.refused, reply = false, usp.NewError(id, usp.CodeRequestDenied, "not so")
	case request.GetSet() != nil:
		d.sets = append(d.sets, request.GetSet().GetUpdateObjs()[0].GetParamSettings()[0].GetValue())
		if d.onSet != nil {
			d.onSet()
		}
		if d.mute {
			return
		}
		records := wrap(must(usp.Marshal(usp.NewMsg(id, &usppb.SetResp{}))))
		time.AfterFunc(time.Second, func() { d.send(records) })
		return
	}
	d.send(wrap(must(usp.Marshal(reply))))
}

func (d *contextual) send(records []*usppb.Record) {
	for _, r := range records {
		d.receive(link.Inbound{Raw: must(usp.Marshal(r))})
	}
}

// contextualRig is a rig with such a device. With secure its session contexts have TLS in payloads.
func contextualRig(t *testing.T, d *contextual, secure bool) *rig {
	t.Helper()
	d.params = usp.Params{endpointID: "proto::device", controllerRow + "EndpointID": "self::usptest", sessionMode: "Allow"}
	r := simpleRig(t, &d.simple)
	r.DUT.Features = []int{plan.FeatureSessionContext, plan.FeatureTLSInRecords}
	r.DUT.Links = []dut.LinkSpec{{MTP: dut.MQTT, Version: "5.0"}}
	issue := func(id string) tls.Certificate {
		return must(must(pki.NewCA("test")).Issue(pki.Spec{CommonName: "test", EndpointIDs: []string{id}}))
	}
	r.Identity.Certificate = issue("self::usptest")
	d.end.Header = session.Header{Version: usp.Version, To: "self::usptest", From: "proto::device"}
	if secure {
		d.end.TLS = &session.TLS{Certificate: issue("proto::device"), Unprotected: true}
	}
	r.Link, d.began = d, time.Now()
	r.Agent = controller.New(t.Context(), r.Journal, d, controller.Options{
		ID: "self::usptest", AgentID: "proto::device", Version: usp.Version, Timeout: r.DUT.Waits.Response})
	t.Cleanup(func() { // ends their TLS
		d.end.End()
		r.Agent.InContext(func(x *session.Context) {
			if x != nil {
				x.End()
			}
		})
	})
	return r
}

// TestADeviceThatRequiresSessionContexts is found to, however long the kinds of them take that it does not answer.
func TestADeviceThatRequiresSessionContexts(t *testing.T) {
	for name, secure := range map[string]bool{"in the clear": false, "with TLS": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &contextual{outside: time.Hour}
				r := contextualRig(t, d, secure)
				d.params[sessionMode] = "Require"
				if err := r.contact(t.Context()); err != nil {
					t.Error(err)
				}
				if kept, keeps := r.Agent.Keeps(); !keeps || (kept != nil) != secure {
					t.Errorf("kept %v, %v", kept, keeps)
				}
			})
		})
	}
}

// TestTheWaitForADeviceGoesOnAfterSessionContextsWereTried: their time is not the device's.
func TestTheWaitForADeviceGoesOnAfterSessionContextsWereTried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := contextualRig(t, &contextual{deaf: true, outside: 15 * time.Second}, false)
		if err := r.contact(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestADeviceIsNotLeftAtForbid when the contact ends between the two values of SessionMode that end a session context.
func TestADeviceIsNotLeftAtForbid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, interrupt := context.WithCancel(t.Context())
		d := &contextual{refused: true, onSet: interrupt}
		r := contextualRig(t, d, false)
		if err := r.contact(ctx); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if want := []string{"Forbid", "Allow"}; !slices.Equal(d.sets, want) {
			t.Errorf("SessionMode: want %q, got %q", want, d.sets)
		}
	})
}

// TestASessionContextThatDoesNotEndIsNoted: whoever owns the device may have to look after its SessionMode.
func TestASessionContextThatDoesNotEndIsNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := contextualRig(t, &contextual{refused: true, mute: true}, false)
		if err := r.contact(t.Context()); err != nil {
			t.Error(err)
		}
		noted := slices.ContainsFunc(r.Journal.Since(0), func(e *journal.Event) bool {
			return e.Layer == journal.LayerNote && strings.HasPrefix(e.Text, sessionMode+" may be another than Allow")
		})
		if !noted {
			t.Error("no note says so")
		}
	})
}
