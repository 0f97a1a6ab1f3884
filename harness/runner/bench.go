package runner

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/usptest/usptest/brokers/collector"
	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/brokers/stomp"
	"github.com/usptest/usptest/brokers/websocket"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/lab"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/pki"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// bench is a harness.Bench with what has to be put together and taken down for it.
type bench struct {
	*harness.Bench
	link   link.Link
	cancel context.CancelFunc
}

// newBench starts the broker of the Link, the collector and the Controller, and prepares the device without starting it. The error is one
// line with a remedy: a port in use, a file that is missing. ask reaches the operator; nil when there is none.
func newBench(ctx context.Context, j job, ask func(context.Context, string) error) (*bench, error) {
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
	b := &bench{cancel: cancel, Bench: &harness.Bench{
		Link: j.Link, Journal: events, DUT: j.DUT, Scale: j.Scale, StrictPlan: j.Strict,
		AgentAddress: vars.AgentTopic, ControllerAddress: vars.ControllerTopic,
	}}
	if j.Scale != 1 {
		b.Pulse = harness.StartPulse(ctx)
	}
	security, err := newSecurity(j.DUT, spec, vars)
	if err != nil {
		b.close()
		return nil, err
	}
	if err := b.listen(ctx, spec, &vars, security); err != nil {
		b.close()
		return nil, err
	}
	b.Device = lab.NewDevice(events, j.DUT, vars, lab.Options{CA: security.trust, Client: security.device, Ask: ask})
	b.Agent = controller.New(ctx, events, b.link, controller.Options{
		ID: vars.ControllerID, AgentID: vars.AgentID, Version: usp.Version, Timeout: j.DUT.Waits.Response,
	})
	if err := b.link.Start(ctx); err != nil {
		b.close()
		return nil, fmt.Errorf("%w; %s", err, listenRemedy(err, "free the port or change it in the DUT file"))
	}
	b.scripts(&vars)
	b.Device.SetVars(vars)
	return b, nil
}

// security is what the two ends of a Link with TLS show and trust; all empty without TLS.
type security struct {
	server *tls.Config
	client *tls.Config // when the harness dials a device that is a WebSocket server
	trust  []byte      // PEM: what the device has to trust
	device *tls.Certificate
}

func newSecurity(f *dut.File, spec dut.LinkSpec, vars dut.Vars) (security, error) {
	if !spec.TLS {
		return security{}, nil
	}
	ca, err := f.Authority(time.Now())
	if err != nil {
		return security{}, fmt.Errorf("tls.authority: %w", err)
	}
	if ca == nil {
		if ca, err = pki.NewCA(pki.Name); err != nil {
			return security{}, err
		}
	}
	name := pki.Spec{CommonName: vars.Host, EndpointID: vars.ControllerID, Client: true} // it also dials a device that is a server
	if ip := net.ParseIP(vars.Host); ip != nil {
		name.IPs = []net.IP{ip}
	} else {
		name.DNS = []string{vars.Host}
	}
	server, err := ca.Issue(name)
	if err != nil {
		return security{}, err
	}
	device, err := ca.Issue(pki.Spec{CommonName: "usptest device", EndpointID: vars.AgentID, Client: true, DNS: []string{"localhost"}})
	if err != nil {
		return security{}, err
	}
	s := security{trust: ca.PEM(), device: &device}
	own, err := f.ServerCertificate()
	if err != nil {
		return security{}, fmt.Errorf("tls: %w", err)
	}
	if own != nil {
		server = *own
	}
	s.server = &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
	if s.server.ClientCAs, err = f.ClientAuthorities(); err != nil {
		return security{}, fmt.Errorf("tls: %w", err)
	}
	if s.server.ClientCAs != nil {
		s.server.ClientAuth = tls.VerifyClientCertIfGiven
	}
	// a device that is a server shows what certificate it likes: who it is, the plan asks elsewhere
	s.client = &tls.Config{Certificates: []tls.Certificate{server}, InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
	return s, nil
}

// listen makes the link of the MTP and starts the collector.
func (b *bench) listen(ctx context.Context, spec dut.LinkSpec, vars *dut.Vars, s security) error {
	var err error
	b.Collector, err = collector.Start(ctx, b.Journal, collector.Options{Addr: address(b.DUT.Bind, b.DUT.Collector.HTTP)})
	if err != nil {
		return fmt.Errorf("%w; %s", err, listenRemedy(err, "change collector.http in the DUT file"))
	}
	_, port, err := net.SplitHostPort(b.Collector.Addr())
	if err != nil {
		return err
	}
	vars.CollectorURL = "http://" + net.JoinHostPort(vars.Host, port)
	b.CollectorURL = vars.CollectorURL
	addr := address(b.DUT.Bind, spec.Port)
	switch spec.MTP {
	case dut.MQTT:
		version := byte(mqtt.V5)
		if spec.Version == "3.1.1" {
			version = mqtt.V311
		}
		b.link = link.NewMQTT(b.Journal, link.MQTTOptions{Name: b.Link, Version: version, AgentTopic: vars.AgentTopic,
			ControllerTopic: vars.ControllerTopic, Broker: mqtt.Options{Addr: addr, TLS: s.server}})
	case dut.STOMP:
		b.link = link.NewSTOMP(b.Journal, link.STOMPOptions{Name: b.Link, ControllerDestination: vars.ControllerTopic,
			Broker: stomp.Options{Addr: addr, TLS: s.server, TimeScale: b.Scale}})
	case dut.WebSocket:
		o := link.WebSocketOptions{Name: b.Link, KeepAwake: true,
			Broker: websocket.Options{Addr: addr, TLS: s.server, Path: vars.Path, EndpointID: vars.ControllerID}}
		if spec.Role == dut.RoleServer {
			if vars.AgentPort, err = freePort(b.DUT.Bind); err != nil {
				return err
			}
			url, err := spec.Endpoint(*vars)
			if err != nil {
				return err
			}
			o.Dial = &websocket.DialOptions{URL: url.String(), TLS: s.client}
		}
		b.link = link.NewWebSocket(b.Journal, o)
	default:
		return fmt.Errorf("link %q has the unknown MTP %q", b.Link, spec.MTP)
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
func (b *bench) scripts(vars *dut.Vars) {
	var addr string
	switch l := b.link.(type) {
	case *link.MQTT:
		b.MQTT, addr = l.Broker(), l.Broker().Addr()
	case *link.STOMP:
		b.STOMP, addr = l.Broker(), l.Broker().Addr()
	case *link.WebSocket:
		b.KeepAwake = l.SetKeepAwake
		if b.WebSocket = l.Broker(); b.WebSocket != nil {
			addr = b.WebSocket.Addr()
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
func (b *bench) close() {
	if b.Device != nil {
		_ = b.Device.Close() // what stays in the temporary folder is no result of the run
	}
	if b.link != nil {
		_ = b.link.Close()
	}
	if b.Collector != nil {
		_ = b.Collector.Close()
	}
	b.cancel()
}

// contact starts the device and waits until it can be reached and answers. A device that is there but set up otherwise than the DUT file says is
// told by that, whether it answered or not.
func (b *bench) contact(ctx context.Context) error {
	mark := b.Journal.Mark()
	if err := b.Device.Start(ctx); err != nil {
		return err
	}
	err := b.reachable(ctx, mark, b.DUT.Waits.Connect, "connect")
	var launch *lab.LaunchError
	if ctx.Err() != nil || errors.As(err, &launch) {
		return err
	}
	if differs := b.misfit(mark); differs != "" {
		return errors.New(differs)
	}
	return err
}

// reachable waits until the device is connected and answers a request.
func (b *bench) reachable(ctx context.Context, mark uint64, patience time.Duration, wait string) error {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var launch *lab.LaunchError
	switch err := b.Device.WaitFor(waiting, b.Agent.Connected); {
	case err == nil:
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &launch):
		return err
	default:
		return b.absent(err, mark, patience, wait)
	}
	for {
		reply := b.Agent.Get(waiting, "Device.LocalAgent.EndpointID")
		switch {
		case reply.Message != nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case waiting.Err() != nil:
			if name := b.stranger(mark); name != "" {
				return fmt.Errorf("the device calls itself %q; device.endpoint in the DUT file is %q: make them the same", name, b.Agent.AgentID())
			}
			return fmt.Errorf("the device is connected but does not answer within %s (waits.%s): %w; it must know the Controller %q and grant it full access",
				patience, wait, reply.Err, b.Agent.ID())
		}
		if err := b.Agent.Connected(waiting); err != nil {
			return b.absent(err, mark, patience, wait)
		}
	}
}

// absent says that no device came in time. That the wait ended is said by how long it was.
func (b *bench) absent(err error, mark uint64, patience time.Duration, wait string) error {
	why := strings.TrimSuffix(err.Error(), ": "+context.DeadlineExceeded.Error())
	return fmt.Errorf("no device within %s (waits.%s): %s; %s", patience, wait, why, b.seen(mark))
}

// stranger returns by which Endpoint ID a device speaks that is not the expected one, or "".
func (b *bench) stranger(mark uint64) string {
	for _, e := range b.Journal.Since(mark) {
		if record, ok := e.Body.(*usppb.Record); ok && e.Dir == journal.In && record.GetFromId() != b.Agent.AgentID() {
			return record.GetFromId()
		}
	}
	return ""
}

// seen tells what came over the wire since mark, for a device that is not there.
func (b *bench) seen(mark uint64) string {
	counts, order := map[string]int{}, []string{}
	for _, e := range b.Journal.Since(mark) {
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
		return fmt.Sprintf("seen: no TCP connection to %s; check that the device is configured for this address", b.address())
	}
	for i, kind := range order {
		order[i] = fmt.Sprintf("%d %s", counts[kind], kind)
	}
	return "seen: " + strings.Join(order, ", ") + b.remedy(order, counts)
}

// remedy says what to do about a device of which so much was seen, by its event that tells most.
func (b *bench) remedy(seen []string, counts map[string]int) string {
	spec, _ := b.DUT.Link(b.Link)
	malformed := slices.ContainsFunc(seen, func(kind string) bool { return strings.HasSuffix(kind, " malformed") })
	switch {
	case counts["tls alert"] > 0:
		return fmt.Sprintf("; the device refuses the broker's certificate: it must trust the issuer (tls.authority in the DUT file), and look for the name %q", b.host())
	case spec.TLS && counts["tls handshake"] == 0 && counts["tcp open"] > 0:
		return "; the device does not begin with TLS, or does not finish: configure it for TLS, or remove tls: true from the link"
	case malformed, len(seen) == 1 && counts["tcp open"] > 0:
		return fmt.Sprintf("; what came is not %s: the device speaks another MTP, or TLS on one side only", spec.MTP)
	case counts["websocket HANDSHAKE"] > 0:
		return fmt.Sprintf("; the device has to ask for the path %q", spec.Path)
	case counts["mqtt SUBSCRIBE"] > 0, counts["stomp SUBSCRIBE"] > 0:
		return fmt.Sprintf("; the device listens elsewhere: agentTopic must be what it subscribes to, here %q", b.AgentAddress)
	case counts["mqtt CONNECT"] > 0, counts["stomp CONNECT"] > 0, counts["stomp STOMP"] > 0:
		return "; the device connects but does not subscribe: look at the login (username, password) and the topic or destination on the device"
	}
	return ""
}

// host is the name by which the device reaches the broker.
func (b *bench) host() string {
	spec, _ := b.DUT.Link(b.Link)
	return b.DUT.HostFor(spec)
}

// address is where the broker of the Link listens.
func (b *bench) address() string {
	switch {
	case b.MQTT != nil:
		return b.MQTT.Addr()
	case b.STOMP != nil:
		return b.STOMP.Addr()
	case b.WebSocket != nil:
		return b.WebSocket.Addr()
	}
	return "the harness"
}

// maxIdentity is how many bytes of a name the device may have.
const maxIdentity = 200

// deviceInfo is the object in which a device says who it is.
const deviceInfo = "Device.DeviceInfo."

// identify asks the device who it is. What it does not tell stays empty.
func (b *bench) identify(ctx context.Context) *identity {
	told := shown(b.Agent.Get(ctx, deviceInfo+"Manufacturer", deviceInfo+"ModelName", deviceInfo+"SoftwareVersion"))
	name := func(param string) string {
		value, _ := result.Cut(told[deviceInfo+param], maxIdentity)
		return value
	}
	return &identity{Vendor: name("Manufacturer"), Model: name("ModelName"), Software: name("SoftwareVersion"), Endpoint: b.Agent.AgentID(),
		Firmware: b.firmware(ctx)}
}

// shown are the parameters in a GetResp, by full path; none in any other reply.
func shown(got *controller.Reply) usp.Params {
	values := usp.Params{}
	for _, q := range got.Body().GetResponse().GetGetResp().GetReqPathResults() {
		maps.Copy(values, expect.Resolved(q))
	}
	return values
}

// prepare brings the device into its first state, where the DUT file asks for that before each case.
func (b *bench) prepare(ctx context.Context) error {
	if b.DUT.Lab.Launch == nil || b.DUT.Lab.Launch.Fresh != dut.FreshPerCase {
		return nil
	}
	return b.relaunch(ctx)
}

func (b *bench) relaunch(ctx context.Context) error {
	mark := b.Journal.Mark()
	if err := b.Device.Fresh(ctx); err != nil {
		return err
	}
	return b.reachable(ctx, mark, b.DUT.Waits.Connect, "connect")
}

// recover makes sure of a device that a case may have left in another state: one that the harness launched starts afresh, any other is
// waited for, and when it stays away the lab brings it back as it can. how says what was done, for the reader.
func (b *bench) recover(ctx context.Context) (how string, err error) {
	if b.Device.Launched() {
		return "the device was started afresh", b.relaunch(ctx)
	}
	back := func() error { return b.reachable(ctx, b.Journal.Mark(), b.DUT.Waits.Reconnect, "reconnect") }
	err = back()
	for _, act := range []struct {
		how string
		by  string
		do  func(context.Context) error
	}{
		{"the lab took the power from the device and gave it back", b.DUT.Lab.Power.By, b.Device.PowerCycle},
		{"the lab reset the device to its factory settings", b.DUT.Lab.FactoryReset.By, b.Device.FactoryReset},
	} {
		if err == nil || ctx.Err() != nil {
			break
		}
		if act.by == "" || act.by == dut.ByUSP {
			continue
		}
		acting, cancel := context.WithTimeout(ctx, b.DUT.Waits.Reconnect)
		failed := act.do(acting)
		cancel()
		if failed != nil {
			err = fmt.Errorf("%w; %w", err, failed)
			continue
		}
		how, err = act.how, back()
	}
	return how, err
}
