package runner

import (
	"fmt"
	"net"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/brokers/stomp"
	"github.com/usptest/usptest/brokers/websocket"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/link"
)

// connect makes the Link of the MTP, the one place that tells MTPs apart. Its broker is there for scripts once the Link is started and
// scripts was called.
func (r *rig) connect(spec dut.LinkSpec, vars *dut.Vars, s security) (scripts func(), err error) {
	addr, login := address(r.DUT.Bind, spec.Port), link.Login{Username: spec.Username, Password: spec.Password}
	switch spec.MTP {
	case dut.MQTT:
		version := byte(mqtt.V5)
		if spec.Version == "3.1.1" {
			version = mqtt.V311
		}
		l := link.NewMQTT(r.Journal, link.MQTTOptions{Name: r.name, Version: version, AgentTopic: vars.AgentTopic,
			ControllerTopic: vars.ControllerTopic, ControllerID: vars.ControllerID, Login: login,
			Broker: mqtt.Options{Addr: addr, TLS: s.server}})
		r.Link = l
		return func() { r.MQTT = l.Broker() }, nil
	case dut.STOMP:
		l := link.NewSTOMP(r.Journal, link.STOMPOptions{Name: r.name, AgentDestination: vars.AgentTopic,
			ControllerDestination: vars.ControllerTopic, ControllerID: vars.ControllerID, Login: login,
			Broker: stomp.Options{Addr: addr, TLS: s.server, TimeScale: r.Scale}})
		r.Link = l
		return func() { r.STOMP = l.Broker() }, nil
	case dut.WebSocket:
		o := link.WebSocketOptions{Name: r.name, KeepAwake: true,
			Broker: websocket.Options{Addr: addr, TLS: s.server, DialTLS: s.client, Path: vars.Path, EndpointID: vars.ControllerID}}
		if spec.Role == dut.RoleServer {
			if o.Dial, err = r.dial(spec, vars, s); err != nil {
				return nil, err
			}
		}
		l := link.NewWebSocket(r.Journal, o)
		r.Link = l
		return func() { r.WebSocket, r.KeepAwake = l.Broker(), l.SetKeepAwake }, nil
	}
	return nil, fmt.Errorf("link %q has the unknown MTP %q", r.name, spec.MTP)
}

// dial says how a device that is a WebSocket server is dialled, and gives it a port that it may listen on.
func (r *rig) dial(spec dut.LinkSpec, vars *dut.Vars, s security) (*websocket.DialOptions, error) {
	var err error
	if vars.AgentPort, err = freePort(r.DUT.Bind); err != nil {
		return nil, err
	}
	url, err := spec.Endpoint(*vars)
	if err != nil {
		return nil, err
	}
	return &websocket.DialOptions{URL: url.String(), TLS: s.client}, nil
}

// freePort finds a port that nobody listens on now.
func freePort(host string) (int, error) {
	l, err := net.Listen("tcp", address(host, 0))
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
