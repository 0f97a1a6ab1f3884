package runner

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"github.com/usptest/usptest/brokers/collector"
	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/brokers/stomp"
	"github.com/usptest/usptest/brokers/websocket"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/lab"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/usp"
)

// rig is a harness.Bench with what has to be put together and taken down for it.
type rig struct {
	*harness.Bench
	link   link.Link
	cancel context.CancelFunc
}

// newBench starts the broker of the Link, the collector and the Controller, and prepares the device without starting it. The error is one
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
	r := &rig{cancel: cancel, Bench: &harness.Bench{
		Link: j.Link, Journal: events, DUT: j.DUT, Scale: j.Scale, StrictPlan: j.Strict,
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
	if err := r.listen(ctx, spec, &vars, security); err != nil {
		r.close()
		return nil, err
	}
	r.Device = lab.NewDevice(events, j.DUT, vars, lab.Options{CA: security.trust, Client: security.device, Ask: ask})
	r.Agent = controller.New(ctx, events, r.link, controller.Options{
		ID: vars.ControllerID, AgentID: vars.AgentID, Version: usp.Version, Timeout: j.DUT.Waits.Response,
	})
	if err := r.link.Start(ctx); err != nil {
		r.close()
		return nil, fmt.Errorf("%w; %s", err, listenRemedy(err, "free the port or change it in the DUT file"))
	}
	r.scripts(&vars)
	r.Device.SetVars(vars)
	return r, nil
}

// listen makes the link of the MTP and starts the collector.
func (r *rig) listen(ctx context.Context, spec dut.LinkSpec, vars *dut.Vars, s security) error {
	var err error
	r.Collector, err = collector.Start(ctx, r.Journal, collector.Options{Addr: address(r.DUT.Bind, r.DUT.Collector.HTTP)})
	if err != nil {
		return fmt.Errorf("%w; %s", err, listenRemedy(err, "change collector.http in the DUT file"))
	}
	_, port, err := net.SplitHostPort(r.Collector.Addr())
	if err != nil {
		return err
	}
	vars.CollectorURL = "http://" + net.JoinHostPort(vars.Host, port)
	r.CollectorURL = vars.CollectorURL
	addr := address(r.DUT.Bind, spec.Port)
	switch spec.MTP {
	case dut.MQTT:
		version := byte(mqtt.V5)
		if spec.Version == "3.1.1" {
			version = mqtt.V311
		}
		r.link = link.NewMQTT(r.Journal, link.MQTTOptions{Name: r.Link, Version: version, AgentTopic: vars.AgentTopic,
			ControllerTopic: vars.ControllerTopic, Broker: mqtt.Options{Addr: addr, TLS: s.server}})
	case dut.STOMP:
		r.link = link.NewSTOMP(r.Journal, link.STOMPOptions{Name: r.Link, ControllerDestination: vars.ControllerTopic,
			Broker: stomp.Options{Addr: addr, TLS: s.server, TimeScale: r.Scale}})
	case dut.WebSocket:
		o := link.WebSocketOptions{Name: r.Link, KeepAwake: true,
			Broker: websocket.Options{Addr: addr, TLS: s.server, DialTLS: s.client, Path: vars.Path, EndpointID: vars.ControllerID}}
		if spec.Role == dut.RoleServer {
			if vars.AgentPort, err = freePort(r.DUT.Bind); err != nil {
				return err
			}
			url, err := spec.Endpoint(*vars)
			if err != nil {
				return err
			}
			o.Dial = &websocket.DialOptions{URL: url.String(), TLS: s.client}
		}
		r.link = link.NewWebSocket(r.Journal, o)
	default:
		return fmt.Errorf("link %q has the unknown MTP %q", r.Link, spec.MTP)
	}
	return nil
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

// scripts hands the brokers to the cases and completes the template variables with what only a listening server knows.
func (r *rig) scripts(vars *dut.Vars) {
	var addr string
	switch l := r.link.(type) {
	case *link.MQTT:
		r.MQTT, addr = l.Broker(), l.Broker().Addr()
	case *link.STOMP:
		r.STOMP, addr = l.Broker(), l.Broker().Addr()
	case *link.WebSocket:
		r.KeepAwake = l.SetKeepAwake
		if r.WebSocket = l.Broker(); r.WebSocket != nil {
			addr = r.WebSocket.Addr()
		}
	}
	if _, port, err := net.SplitHostPort(addr); err == nil {
		vars.Port, _ = strconv.Atoi(port)
	}
}

func address(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }

// freePort finds a port that nobody listens on now.
func freePort(host string) (int, error) {
	l, err := net.Listen("tcp", address(host, 0))
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// close takes everything down. It is called once.
func (r *rig) close() {
	if r.Device != nil {
		_ = r.Device.Close() // what stays in the temporary folder is no result of the run
	}
	if r.link != nil {
		_ = r.link.Close()
	}
	if r.Collector != nil {
		_ = r.Collector.Close()
	}
	r.cancel()
}
