package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/session"
	"github.com/usptest/usptest/harness/usp"
)

// mustAllow says what session contexts the device must allow; "" over a link without them.
func (r *rig) mustAllow() string {
	spec, _ := r.DUT.Link(r.name)
	switch spec.Session {
	case dut.SessionPlain:
		return ", and allow it session contexts"
	case dut.SessionTLS:
		return ", and allow it session contexts with TLS in payloads"
	}
	return ""
}

// refused reports whether the device may have refused a request since it came without session context.
func (r *rig) refused(reply *controller.Reply) bool {
	_, keeps := r.Agent.Keeps()
	if keeps || !slices.Contains(r.DUT.Features, plan.FeatureSessionContext) {
		return false
	}
	return reply.Body().GetError() != nil || errors.Is(reply.Err, context.DeadlineExceeded)
}

// goWithin has all requests go within session contexts, where the device answers them so and its SessionMode is Require (TR-181): it may
// answer nothing else. It reports whether that is so.
func (r *rig) goWithin(ctx context.Context) bool {
	spec, _ := r.DUT.Link(r.name)
	kinds := []*session.TLS{nil}
	if slices.Contains(r.DUT.Features, plan.FeatureTLSInRecords) {
		kinds = append(kinds, &session.TLS{Certificate: r.Identity.Certificate, Unprotected: !spec.TLS})
	}
	for _, secure := range kinds {
		r.Agent.KeepContext(secure)
		object, values := r.sessionObject(ctx)
		mode, shown := values[object+"SessionMode"]
		if mode == "Require" || !shown && values[object+"Enable"] == "true" { // before TR-181 2.15
			return true
		}
		r.Agent.ReleaseContext()
		if shown {
			r.endContext(ctx, object, mode)
			return false
		}
	}
	return false
}

// endContext ends the session context that was tried. It sets SessionMode twice, and nothing may come between the two: whoever owns the device
// would find it at Forbid.
func (r *rig) endContext(ctx context.Context, object, mode string) {
	const requests = 4 // at most
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), requests*r.DUT.Waits.Response)
	defer cancel()
	if err := harness.EndContext(ending, r.Agent, object, mode); err != nil {
		r.Journal.Append(journal.Event{Layer: journal.LayerNote, Dir: journal.Own, Type: "session context not ended",
			Text: fmt.Sprintf("%sSessionMode may be another than %s, which it was: %v", object, mode, err)})
	}
}

// sessionObject is the E2ESession object of the harness's Controller, with what the device shows of Controllers.
func (r *rig) sessionObject(ctx context.Context) (object string, values usp.Params) {
	values = shown(r.Agent.Get(ctx, harness.Controllers))
	for path, id := range values {
		if row, ok := strings.CutSuffix(path, "EndpointID"); ok && id == r.Agent.ID() {
			object = row + "E2ESession."
		}
	}
	return object, values
}

// learnExpiration reads after which time the device considers session contexts expired, where requests go within them.
func (r *rig) learnExpiration(ctx context.Context) {
	if _, keeps := r.Agent.Keeps(); !keeps {
		return
	}
	object, values := r.sessionObject(ctx)
	if seconds, err := time.ParseDuration(values[object+"SessionExpiration"] + "s"); err == nil {
		r.Agent.Expires(time.Duration(float64(seconds) / r.Scale))
	}
}
