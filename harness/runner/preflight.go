package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/model"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
)

// Found is what a device reports about itself at the first contact.
type Found struct {
	Device   result.Device
	Features []result.Feature // the plan's table, as declared and as detected
	// Blind says why the supported data model is not known, so that neither Features nor the DUT file's elements could be checked; empty
	// when it is.
	Blind string
	// Beside are the links over which the device is connected at the same time.
	Beside []string
	// Model is what the device has; nil when Blind says why.
	Model *model.Model
	// Broken are the rules that the device broke while it got in, for which the first case of a run fails.
	Broken []string
	// Journal is the file with all that was seen of a contact that failed, or in which rules were broken, relative to the folder that was
	// given; Began is when it began.
	Journal string
	Began   time.Time
}

// ContactID is the name of the journal of a first contact that failed, in the place of a case's id.
const ContactID = "contact"

// Preflight tries the first contact over one link and returns what the device reports about itself. Nothing on the device is changed. The
// error is a *dut.Problems when the device lacks elements that the DUT file names. Where the contact fails, its journal is kept below the
// folder out, unless that is ""; see Found.Journal.
func Preflight(ctx context.Context, p *plan.Plan, f *dut.File, name, out string) (Found, error) {
	r, err := newRig(ctx, job{DUT: f, Link: name, Beside: f.Beside(name), Instance: 1, Scale: 1}, nil)
	if err != nil {
		return Found{}, err
	}
	defer r.close()
	return r.preflight(ctx, p, out)
}

// preflight is Preflight with a rig of its own.
func (r *rig) preflight(ctx context.Context, p *plan.Plan, out string) (Found, error) {
	found := Found{Began: time.Now()}
	keep := func() (kept error) {
		if out != "" && ctx.Err() == nil {
			found.Journal, kept = writeJournal(out, r.name, ContactID, found.Began, r.Journal.Everything(0), r.Journal.Masker())
		}
		return kept
	}
	if err := r.contact(ctx); err != nil {
		return found, errors.Join(err, keep())
	}
	if err := r.mayChange(ctx); err != nil {
		return found, errors.Join(err, keep())
	}
	fillIn(&found.Device, *r.identify(ctx))
	saw := r.inspect(ctx, p)
	found.Features, found.Blind, found.Model = saw.Features, saw.Blind, saw.model
	found.Beside = r.connectedBeside(ctx)
	if other := r.otherDevice(0); other != "" { // it has come since
		return found, errors.Join(errors.New(other), keep())
	}
	var err error
	if found.Broken = r.brokenOnTheWay(); len(found.Broken) > 0 {
		err = keep()
	}
	if len(saw.Elements) > 0 {
		err = errors.Join(&dut.Problems{List: saw.Elements}, err)
	}
	return found, err
}

// mayChange tries whether the Controller may add a Subscription, as most cases do. The Add is one of two objects, of which the second is
// not valid, so that a device that allows it creates neither.
func (r *rig) mayChange(ctx context.Context) error {
	const table = harness.Subscriptions
	valid := usp.Params{"ID": "usptest-rights", "NotifType": "ObjectDeletion", "ReferenceList": table, "Enable": "false"}
	invalid := usp.Params{"ID": "usptest-rights-invalid", "NotifType": "no type of notification"}
	tried := r.Agent.Add(ctx, false, usp.Create(table, valid, nil), usp.Create(table, invalid, nil))
	if expect.IsForbidden(tried) {
		return fmt.Errorf("the device shows its values to the Controller %q, but does not let it change %s (7006): "+
			"give that Controller (controller.endpoint in the DUT file) a Role with full access", r.Agent.ID(), table)
	}
	if tried.Message != nil {
		for _, row := range usp.CreatedBy(tried.Msg) { // the cases judge that
			r.Agent.Delete(ctx, false, row.Path)
		}
	}
	return nil
}

// brokenOnTheWay are the rules that a device has broken which got in all the same, each once.
func (r *rig) brokenOnTheWay() (broken []string) {
	var breaches []link.Breach
	for _, e := range r.Journal.Since(0) {
		if b := r.Link.Announced(e, r.Agent.AgentID(), r.Agent.Speaks()); b != nil && (b.Named == "" || r.Agent.SpokeOver(e.Conn)) {
			breaches = append(breaches, *b)
		}
	}
	told := map[string]bool{}
	for _, b := range append(breaches, r.broken(0)...) {
		if text := fmt.Sprintf("%v (%s)", b.Err, b.Rule); !told[b.Rule] {
			told[b.Rule] = true
			boundTexts(r.Journal.Masker(), &text)
			broken = append(broken, text)
		}
	}
	return broken
}

// besidePatience is how long a device that is connected over one link is waited for over its others, all together.
const besidePatience = 3 * time.Second

// connectedBeside names the further links over which the device is connected, or will be before ctx ends.
func (r *rig) connectedBeside(ctx context.Context) (names []string) {
	ctx, cancel := context.WithTimeout(ctx, besidePatience)
	defer cancel()
	for _, l := range r.Beside {
		if l.Connected(ctx) == nil {
			names = append(names, l.Name())
		}
	}
	return names
}

// Listenable tries every port and socket on which the harness is going to listen, for the chosen links and for bulk data: one error with
// a remedy for each that cannot be had.
func Listenable(f *dut.File, links []string) []error {
	var errs []error
	try := func(what string, at gate.Options) {
		if err := gate.Try(at); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w; %s", what, err, listenRemedy(err, "free the port or change it in the DUT file")))
		}
	}
	for _, name := range withBeside(f, links) {
		spec, _ := f.Link(name)
		if at, ok := spec.Listens(f.Bind); ok {
			try(name, at)
		}
	}
	try("collector.http", gate.Options{Addr: address(f.Bind, f.Collector.HTTP)})
	if len(f.Firmware) > 0 {
		try("fileServer", gate.Options{Addr: address(f.Bind, f.FileServer.Port)})
	}
	return errs
}

// withBeside are links and those that listen besides them.
func withBeside(f *dut.File, links []string) []string {
	return slices.DeleteFunc(f.LinkNames(), func(name string) bool {
		beside := slices.ContainsFunc(links, func(other string) bool { return slices.Contains(f.Beside(other), name) })
		return !slices.Contains(links, name) && !beside
	})
}

// DeviceFault reports whether the error of a first contact is the device's: it broke a rule, and no other set-up would let it in.
func DeviceFault(err error) bool {
	var fault *faultError
	return errors.As(err, &fault)
}
