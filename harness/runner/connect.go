package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/brokers/stomp"
	"github.com/usptest/usptest/brokers/uds"
	"github.com/usptest/usptest/brokers/websocket"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/link"
)

// connect makes the Link of the MTP, the one place that distinguishes MTPs. Its broker is there for the scripts of a bench once the Link is
// started and scripts was called.
func (r *rig) connect(j *journal.Journal, spec dut.LinkSpec, vars *dut.Vars, s security) (made link.Link, scripts func(*harness.Bench), err error) {
	addr, login := address(r.DUT.Bind, spec.Port), link.Login{Username: spec.Username, Password: spec.Password}
	switch spec.MTP {
	case dut.MQTT:
		version := byte(mqtt.V5)
		if spec.Version == "3.1.1" {
			version = mqtt.V311
		}
		broker := mqtt.Options{Addr: addr, TLS: s.server}
		if spec.AssignTopic {
			broker.SubscribeTopics, broker.ResponseInfo = []string{vars.AgentTopic}, vars.AgentTopic
		}
		l := link.NewMQTT(j, link.MQTTOptions{Name: spec.Name(), Version: version, AgentTopic: vars.AgentTopic,
			ControllerTopic: vars.ControllerTopic, ControllerID: vars.ControllerID, Login: login,
			Broker: broker})
		return l, func(b *harness.Bench) { b.MQTT = l.Broker() }, nil
	case dut.STOMP:
		broker := stomp.Options{Addr: addr, TLS: s.server, TimeScale: r.Scale, Patience: min(r.DUT.Waits.Connect/2, time.Minute)}
		if spec.AssignTopic {
			broker.SubscribeDest = vars.AgentTopic
		}
		l := link.NewSTOMP(j, link.STOMPOptions{Name: spec.Name(), AgentDestination: vars.AgentTopic,
			ControllerDestination: vars.ControllerTopic, ControllerID: vars.ControllerID, Login: login,
			Broker: broker})
		return l, func(b *harness.Bench) { b.STOMP = l.Broker() }, nil
	case dut.WebSocket:
		o := link.WebSocketOptions{Name: spec.Name(), KeepAwake: true,
			Broker: websocket.Options{Addr: addr, TLS: s.server, DialTLS: s.client, Path: vars.Path, EndpointID: vars.ControllerID}}
		if spec.TLS {
			o.Shown = s.own.Shown
		}
		if spec.Role == dut.RoleServer {
			if o.Dial, err = r.dial(spec, vars, s); err != nil {
				return nil, nil, err
			}
		}
		l := link.NewWebSocket(j, o)
		return l, func(b *harness.Bench) { b.WebSocket, b.KeepAwake = l.Broker(), l.SetKeepAwake }, nil
	case dut.UDS:
		if vars.Path == "" {
			if vars.Path, err = r.socket(); err != nil {
				return nil, nil, err
			}
		}
		o := link.UDSOptions{Name: spec.Name(), Broker: uds.Options{EndpointID: vars.ControllerID, TimeScale: r.Scale}}
		if spec.Role == dut.RoleServer {
			o.Dial = vars.Path
		} else {
			o.Broker.Path = vars.Path
		}
		l := link.NewUDS(j, o)
		return l, func(b *harness.Bench) { b.UDS = l.Broker() }, nil
	}
	return nil, nil, fmt.Errorf("link %q has the unknown MTP %q", spec.Name(), spec.MTP)
}

// socket is the path of a Unix domain socket in a folder of the rig's own.
func (r *rig) socket() (string, error) {
	dir, err := os.MkdirTemp("", "usptest-")
	if err != nil {
		return "", err
	}
	r.folders = append(r.folders, dir)
	return filepath.Join(dir, "usp"), nil
}

// dial says how a device that is a WebSocket server is dialled, and gives it a port that it may listen on.
func (r *rig) dial(spec dut.LinkSpec, vars *dut.Vars, s security) (*websocket.DialOptions, error) {
	var err error
	if vars.AgentPort, err = gate.FreePort(r.DUT.Bind); err != nil {
		return nil, err
	}
	url, err := spec.Endpoint(*vars)
	if err != nil {
		return nil, err
	}
	return &websocket.DialOptions{URL: url.String(), TLS: s.client}, nil
}
