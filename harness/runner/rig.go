package runner

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/lab"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/network"
	"github.com/usptest/usptest/harness/session"
	"github.com/usptest/usptest/harness/usp"
)

// rig is a harness.Bench with what has to be put together and taken down for it.
type rig struct {
	*harness.Bench
	name    string // of the link, such as mqtt5+tls
	names   string // in the certificate that the device is shown
	cancel  context.CancelFunc
	network *network.Network // nil without one of its own
	folders []string         // of Unix domain sockets, removed at the end
}

// newRig starts the broker of the Link, the collector and the Controller, and prepares the device without starting it. The error is one
// line with a remedy: a port in use, a file that is missing. ask reaches the operator; nil when there is none.
func newRig(ctx context.Context, j job, ask func(context.Context, string) error) (*rig, error) {
	spec, ok := j.DUT.Link(j.Link)
	if !ok {
		return nil, fmt.Errorf("the DUT file has no link %q", j.Link)
	}
	events, asking := journal.New(), ctx
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // the clean-up after an interrupt still needs the brokers
	r := &rig{name: j.Link, cancel: cancel, Bench: &harness.Bench{Journal: events, DUT: j.DUT, Scale: j.Scale, StrictPlan: j.Strict}}
	if err := r.wire(&j); err != nil {
		r.close()
		return nil, err
	}
	vars, err := j.DUT.Vars(spec, j.Instance)
	if err != nil {
		r.close()
		return nil, err
	}
	r.AgentAddress, r.ControllerAddress, vars.Interface = vars.AgentTopic, vars.ControllerTopic, r.wireFor(j.DUT)
	r.Pulse = harness.StartPulse(ctx)
	security, err := newSecurity(j.DUT, spec, vars, r.also()...)
	if err != nil {
		r.close()
		return nil, err
	}
	r.names, r.Identity = security.names(), security.own
	if err := r.collectors(ctx, &vars, security); err != nil {
		r.close()
		return nil, err
	}
	if err := r.files(ctx, &vars, security); err != nil {
		r.close()
		return nil, err
	}
	var scripts func(*harness.Bench)
	if r.Link, scripts, err = r.connect(events, spec, &vars, security); err != nil {
		r.close()
		return nil, err
	}
	if err := r.besides(j, security); err != nil {
		r.close()
		return nil, err
	}
	byHand := ask
	if ask != nil { // the person is waited for as long as the run goes on
		byHand = func(_ context.Context, what string) error {
			return r.ByHand(func() error { return ask(asking, what) })
		}
	}
	r.Device = lab.NewDevice(events, j.DUT, vars, lab.Options{CA: security.trust, Client: security.device, Ask: byHand, Start: r.starter()})
	r.Agent = controller.New(ctx, events, r.Link, controller.Options{
		ID: vars.ControllerID, AgentID: vars.AgentID, Version: usp.Version, Timeout: j.DUT.Waits.Response, Beside: r.Beside,
	})
	switch spec.Session {
	case dut.SessionPlain:
		r.Agent.KeepContext(nil)
	case dut.SessionTLS:
		r.Agent.KeepContext(&session.TLS{Certificate: r.Identity.Certificate, Unprotected: !spec.TLS})
	}
	for _, l := range append([]link.Link{r.Link}, r.Beside...) {
		if err := l.Start(ctx); err != nil {
			r.close()
			return nil, fmt.Errorf("%w; %s", err, listenRemedy(err, "free the port or change it in the DUT file"))
		}
	}
	scripts(r.Bench)
	if _, port, err := net.SplitHostPort(r.Link.Addr()); err == nil {
		vars.Port, _ = strconv.Atoi(port)
	}
	r.Device.SetVars(vars)
	return r, nil
}

// besides makes the links over which the device may reach the harness while another one is tested.
func (r *rig) besides(j job, s security) error {
	for _, name := range j.Beside {
		spec, _ := j.DUT.Link(name)
		vars, err := j.DUT.Vars(spec, j.Instance)
		if err != nil {
			return err
		}
		own, err := s.of(j.DUT, spec)
		if err != nil {
			return err
		}
		l, _, err := r.connect(r.Journal.Beside(name), spec, &vars, own)
		if err != nil {
			return err
		}
		r.Beside = append(r.Beside, l)
	}
	return nil
}

// listenRemedy says what to do when a server cannot listen; inUse is for a port that is taken.
func listenRemedy(err error, inUse string) string {
	var op *net.OpError
	switch {
	case errors.As(err, &op) && op.Net == "unix":
		return "the folder of the socket must be there and writable, and nobody else may listen at its path; " +
			"change path of the link in the DUT file"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "bind is no address of this machine; name one in the DUT file"
	case errors.Is(err, syscall.EACCES):
		return "this user may not listen there; choose a port above 1023 in the DUT file"
	}
	return inUse
}

func address(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// close takes everything down. It is called once.
func (r *rig) close() {
	if r.Device != nil {
		_ = r.Device.Close() // what stays in the temporary folder is no result of the run
	}
	if r.Link != nil {
		_ = r.Link.Close()
	}
	for _, l := range r.Beside {
		_ = l.Close()
	}
	of := r.Collectors
	for _, c := range []harness.Collector{of.HTTP, of.HTTPS, of.WrongName, of.UnknownIssuer, of.Expired} {
		if c.Server != nil {
			_ = c.Close()
		}
	}
	for _, dir := range r.folders {
		_ = os.RemoveAll(dir)
	}
	r.unwire()
	if r.Files.Server != nil {
		_ = r.Files.Close()
	}
	r.cancel()
}
