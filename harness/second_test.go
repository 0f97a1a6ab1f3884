package harness

import (
	"maps"
	"strings"
	"testing"

	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// grows makes the device create row 2 of whatever table is added to, but for one that it refuses.
func grows(d *device, refused string) {
	d.answer = func(m *usppb.Msg) *usppb.Msg {
		add := m.GetBody().GetRequest().GetAdd()
		if add == nil {
			return nil
		}
		object := add.GetCreateObjs()[0]
		row := object.GetObjPath() + "2."
		if object.GetObjPath() == refused {
			return usp.NewError(m.GetHeader().GetMsgId(), usp.CodePermissionDenied, "no")
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, p := range object.GetParamSettings() {
			d.params[row+p.GetParam()] = p.GetValue()
		}
		return created(m, row)
	}
}

func TestASecondController(t *testing.T) {
	const own, second, roles = Controllers + "1.", Controllers + "2.", "Device.LocalAgent.ControllerTrust.Role.1"
	tables := map[string]usp.Params{ // the MTPs of the first Controller, by link
		"mqtt5":     {"1.Protocol": "STOMP", "1.STOMP.Destination": "d", "3.Protocol": "MQTT", "3.MQTT.Topic": "t", "3.MQTT.Reference": "Device.MQTT.Client.1"},
		"stomp":     {"1.Protocol": "STOMP", "1.STOMP.Destination": "d", "1.STOMP.Reference": "Device.STOMP.Connection.1"},
		"websocket": {"1.Protocol": "WebSocket", "1.WebSocket.Path": "/usp", "1.WebSocket.Host": "h"},
	}
	tests := map[string]struct {
		link, address, refused string
		inherits, bare         bool // its Role is an inherited one; it has no MTP
		want                   usp.Params
		reason                 string
	}{
		"MQTT": {link: "mqtt5", address: "t/2",
			want: usp.Params{"Protocol": "MQTT", "MQTT.Topic": "t/2", "MQTT.Reference": "Device.MQTT.Client.1", "Enable": "true"}},
		"STOMP": {link: "stomp", address: "d/2",
			want: usp.Params{"Protocol": "STOMP", "STOMP.Destination": "d/2", "STOMP.Reference": "Device.STOMP.Connection.1", "Enable": "true"}},
		"WebSocket": {link: "websocket", address: "/usp/2", inherits: true,
			want: usp.Params{"Protocol": "WebSocket", "WebSocket.Path": "/usp/2", "WebSocket.Host": "h", "Enable": "true"}},
		"WebSocket, dialled": {link: "websocket",
			want: usp.Params{"Protocol": "WebSocket", "WebSocket.Path": "/usp", "WebSocket.Host": "h", "Enable": "true"}},
		"WebSocket, dialled, without MTP": {link: "websocket", bare: true, want: usp.Params{}},
		"nothing to copy":                 {link: "mqtt5", address: "t/2", bare: true, reason: "Controller.1.MTP.: want a row whose Protocol is MQTT"},
		"no Controller":                   {link: "mqtt5", address: "t/2", refused: Controllers, reason: "7006"},
		"no MTP":                          {link: "mqtt5", address: "t/2", refused: second + "MTP.", reason: "7006"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			params := usp.Params{own + "EndpointID": ownID, own + "AssignedRole": roles, "Device.LocalAgent.EndpointID": agentID}
			if test.inherits {
				params[own+"AssignedRole"], params[own+"InheritedRole"] = "", roles
			}
			for name, value := range tables[test.link] {
				if !test.bare {
					params[own+"MTP."+name] = value
				}
			}
			b, d := newBench(t, params)
			d.Link, d.joined = links(b.Journal)[test.link], &end{address: test.address}
			grows(d, test.refused)
			r := trying(t, b, func(c *Case) {
				further, row := c.SecondController()
				if further.ID() != d.joined.id || row != second || d.params[second+"EndpointID"] != d.joined.id || d.params[second+"AssignedRole"] != roles {
					t.Errorf("%s joined as %q in %s, which is %q", further.ID(), d.joined.id, row, d.params)
				}
			})
			if joined := d.joined.id != ""; joined != (test.refused != Controllers) || d.joined.left != joined {
				t.Errorf("joined as %q, left: %v", d.joined.id, d.joined.left)
			}
			if test.reason != "" {
				if r.Verdict != result.Error || !strings.Contains(r.Reason, test.reason) || !strings.Contains(r.Reason, "does not take a second Controller") {
					t.Errorf("got %s %q", r.Verdict, r.Reason)
				}
				return
			}
			got := usp.Params{}
			for path, value := range d.params {
				if name, ok := strings.CutPrefix(path, second+"MTP.2."); ok {
					got[name] = value
				}
			}
			if r.Verdict != result.Pass || !maps.Equal(got, test.want) {
				t.Errorf("got %s %q, MTP %q", r.Verdict, r.Reason, got)
			}
			if asked := strings.Join(d.asked(), "; "); !strings.HasSuffix(asked, "Delete "+second) {
				t.Errorf("asked %s", asked)
			}
		})
	}
}
