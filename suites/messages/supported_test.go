package messages

import "testing"

func TestChildOf(t *testing.T) {
	for _, c := range []struct {
		parent, path string
		want         bool
	}{
		{"Device.LocalAgent.", "Device.LocalAgent.ControllerTrust.", true},
		{"Device.LocalAgent.", "Device.LocalAgent.Controller.{i}.", true},
		{"Device.LocalAgent.", "Device.LocalAgent.", false},
		{"Device.LocalAgent.", "Device.LocalAgent.Controller.{i}.MTP.{i}.", false},
		{"Device.LocalAgent.", "Device.LocalAgent.Controller.{i}.E2ESession.", false},
		{"Device.LocalAgent.Controller.", "Device.LocalAgent.Controller.{i}.", false},
		{"Device.LocalAgent.Controller.", "Device.LocalAgent.Controller.{i}.MTP.{i}.", true},
		{"Device.LocalAgent.Controller.", "Device.LocalAgent.Controller.{i}.MTP.{i}.STOMP.", false},
		{"Device.LocalAgent.Controller.", "Device.LocalAgent.ControllerTrust.", false},
	} {
		if got := childOf(c.parent, c.path); got != c.want {
			t.Errorf("%s below %s: want %v, got %v", c.path, c.parent, c.want, got)
		}
	}
}
