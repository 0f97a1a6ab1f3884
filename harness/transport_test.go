package harness

import (
	"maps"
	"net"
	"testing"

	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
)

func TestTheRowOfTheBroker(t *testing.T) {
	const mtp, client = "Device.LocalAgent.MTP.", "Device.MQTT.Client."
	two := usp.Params{
		mtp + "1.Enable": "true", mtp + "1.Protocol": "MQTT", mtp + "1.MQTT.Reference": client + "1",
		mtp + "2.Enable": "true", mtp + "2.Protocol": "MQTT", mtp + "2.MQTT.Reference": client + "2.",
		mtp + "3.Enable": "true", mtp + "3.Protocol": "STOMP", mtp + "3.STOMP.Reference": "Device.STOMP.Connection.4",
		mtp + "4.Enable": "true", mtp + "4.Protocol": "STOMP", mtp + "4.STOMP.Reference": "Device.STOMP.Connection.5",
		controllerTable + "7.EndpointID": ownID,
	}
	for name, test := range map[string]struct {
		link   string
		params usp.Params // beside two
		want   string
	}{
		"the first of them":            {"mqtt5", nil, client + "1."},
		"another one is off":           {"mqtt5", usp.Params{mtp + "1.Enable": "false"}, client + "2."},
		"another one refers to none":   {"mqtt5", usp.Params{mtp + "1.MQTT.Reference": ""}, client + "2."},
		"by the port":                  {"mqtt5", usp.Params{client + "1.BrokerPort": "1883", client + "2.BrokerPort": "{port}"}, client + "2."},
		"by the address":               {"mqtt5", usp.Params{client + "1.BrokerAddress": "192.0.2.1", client + "2.BrokerAddress": "127.0.0.1"}, client + "2."},
		"by the topic":                 {"mqtt5", usp.Params{mtp + "2.MQTT.ResponseTopicConfigured": "agent"}, client + "2."},
		"by the Controller":            {"mqtt5", usp.Params{controllerTable + "7.MTP.1.MQTT.Reference": client + "2"}, client + "2."},
		"by the Controller's MTP":      {"mqtt5", usp.Params{controllerTable + "7.MTP.1.MQTT.AgentMTPReference": mtp + "2"}, client + "2."},
		"the first of them over STOMP": {"stomp", nil, "Device.STOMP.Connection.4."},
		"by the port over STOMP":       {"stomp", usp.Params{"Device.STOMP.Connection.5.Port": "{port}"}, "Device.STOMP.Connection.5."},
		"by the host over STOMP":       {"stomp", usp.Params{"Device.STOMP.Connection.5.Host": "127.0.0.1"}, "Device.STOMP.Connection.5."},
		"by the destination":           {"stomp", usp.Params{mtp + "4.STOMP.Destination": "agent"}, "Device.STOMP.Connection.5."},
	} {
		t.Run(name, func(t *testing.T) {
			params := maps.Clone(two)
			maps.Copy(params, test.params)
			b, d := newBench(t, params)
			d.Link, b.AgentAddress = links(b.Journal)[test.link], "agent"
			port := listen(t, d.Link)
			for path, value := range params {
				if value == "{port}" {
					params[path] = port
				}
			}
			r := trying(t, b, func(c *Case) {
				if got := c.BrokerRow(); got != test.want {
					t.Errorf("got %s, want %s", got, test.want)
				}
			})
			if r.Verdict != result.Pass {
				t.Errorf("got %s %q", r.Verdict, r.Reason)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		b, _ := newBench(t, usp.Params{mtp + "1.Enable": "true", mtp + "1.Protocol": "STOMP", mtp + "1.MQTT.Reference": client + "1"})
		want := "Device.LocalAgent.MTP.: want an enabled row of protocol MQTT whose MQTT.Reference names a row, got none"
		if r := trying(t, b, func(c *Case) { c.BrokerRow() }); r.Verdict != result.Fail || r.Reason != want {
			t.Errorf("got %s %q", r.Verdict, r.Reason)
		}
	})
}

// listen starts a Link and returns its port.
func listen(t *testing.T, l link.Link) (port string) {
	t.Helper()
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	_, port, err := net.SplitHostPort(l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
