package runner

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// Found is what a device says of itself at the first contact.
type Found struct {
	Device   result.Device
	Features []result.Feature // the plan's table, as declared and as detected
	// Blind says why the supported data model is not known, so that neither Features nor the DUT file's elements could be checked; empty when
	// it is.
	Blind string
	// Model is what the device has; empty when Blind says why.
	Model plan.Model
	// Journal is the file with all that was seen of a contact that failed, relative to the folder that was given; Began is when it began.
	Journal string
	Began   time.Time
}

// ContactID is the name of the journal of a first contact that failed, in the place of a case's id.
const ContactID = "contact"

// Preflight tries the first contact over one link and tells what the device says of itself. Nothing on the device is changed. The error is a
// *dut.Problems when the device lacks elements that the DUT file names. Where the contact fails, its journal is kept below the folder out,
// unless that is ""; see Found.Journal.
func Preflight(ctx context.Context, p *plan.Plan, f *dut.File, link, out string) (Found, error) {
	r, err := newRig(ctx, job{DUT: f, Link: link, Instance: 1, Scale: 1}, nil)
	if err != nil {
		return Found{}, err
	}
	defer r.close()
	began := time.Now()
	if err := r.contact(ctx); err != nil {
		found := Found{Began: began}
		if out != "" && ctx.Err() == nil {
			var kept error
			found.Journal, kept = writeJournal(out, link, ContactID, began, r.Journal.Since(0), r.Journal.Masker())
			err = errors.Join(err, kept)
		}
		return found, err
	}
	var found Found
	fillIn(&found.Device, *r.identify(ctx))
	saw := r.inspect(ctx, p)
	found.Features, found.Blind, found.Model = saw.Features, saw.Blind, saw.model
	if len(saw.Elements) > 0 {
		err = &dut.Problems{List: saw.Elements}
	}
	return found, err
}

// Listenable tries every port on which the harness is going to listen, for the chosen links and for bulk data: one error with a remedy for
// each that cannot be had.
func Listenable(f *dut.File, links []string) []error {
	var errs []error
	try := func(what string, port int) {
		l, err := net.Listen("tcp", address(f.Bind, port))
		if err == nil {
			err = l.Close()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w; %s", what, err, listenRemedy(err, "free the port or change it in the DUT file")))
		}
	}
	for _, name := range links {
		if spec, ok := f.Link(name); ok && spec.Role != dut.RoleServer {
			try(name, spec.Port)
		}
	}
	try("collector.http", f.Collector.HTTP)
	return errs
}

// DeviceFault reports whether the error of a first contact is the device's: it broke a rule, and no other set-up would let it in.
func DeviceFault(err error) bool {
	var fault *faultError
	return errors.As(err, &fault)
}
