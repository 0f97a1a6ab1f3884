package runner

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/lab"
	"github.com/usptest/usptest/harness/usp"
)

// rig is a harness.Bench with what has to be put together and taken down for it.
type rig struct {
	*harness.Bench
	name   string // of the link: mqtt5, mqtt3, stomp or websocket, with "+tls" when it is protected
	names  string // in the certificate that the device is shown
	cancel context.CancelFunc
}

// newRig starts the broker of the Link, the collector and the Controller, and prepares the device without starting it. The error is one
// line with a remedy: a port in use, a file that is missing. ask reaches the operator; nil when there is none.
func newRig(ctx context.Context, j job, ask func(context.Context, string) error) (*rig, error) {
	spec, ok := j.DUT.Link(j.Link)
	if !ok {
		return nil, fmt.Errorf("the DUT file has no link %q", j.Link)
	}
	vars, err := j.DUT.Vars(spec, j.Instance)
	if err != nil {
		return nil, err
	}
	events := journal.New()
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // the clean-up after an interrupt still needs the brokers
	r := &rig{name: j.Link, cancel: cancel, Bench: &harness.Bench{
		Journal: events, DUT: j.DUT, Scale: j.Scale, StrictPlan: j.Strict,
		AgentAddress: vars.AgentTopic, ControllerAddress: vars.ControllerTopic,
	}}
	if j.Scale != 1 {
		r.Pulse = harness.StartPulse(ctx)
	}
	security, err := newSecurity(j.DUT, spec, vars)
	if err != nil {
		r.close()
		return nil, err
	}
	r.names = security.names()
	if err := r.collectors(ctx, &vars, security); err != nil {
		r.close()
		return nil, err
	}
	scripts, err := r.connect(spec, &vars, security)
	if err != nil {
		r.close()
		return nil, err
	}
	r.Device = lab.NewDevice(events, j.DUT, vars, lab.Options{CA: security.trust, Client: security.device, Ask: ask})
	r.Agent = controller.New(ctx, events, r.Link, controller.Options{
		ID: vars.ControllerID, AgentID: vars.AgentID, Version: usp.Version, Timeout: j.DUT.Waits.Response,
	})
	if err := r.Link.Start(ctx); err != nil {
		r.close()
		return nil, fmt.Errorf("%w; %s", err, listenRemedy(err, "free the port or change it in the DUT file"))
	}
	scripts()
	if _, port, err := net.SplitHostPort(r.Link.Addr()); err == nil {
		vars.Port, _ = strconv.Atoi(port)
	}
	r.Device.SetVars(vars)
	return r, nil
}

// listenRemedy says what to do when a server cannot listen; inUse is for a port that is taken.
func listenRemedy(err error, inUse string) string {
	switch {
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
	for _, c := range []harness.Collector{r.Collectors.HTTP, r.Collectors.HTTPS, r.Collectors.WrongName, r.Collectors.UnknownIssuer} {
		if c.Server != nil {
			_ = c.Close()
		}
	}
	r.cancel()
}
