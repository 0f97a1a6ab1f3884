package stomp

import (
	"testing"

	"github.com/usptest/usptest/harness/usp"
)

func TestMTPRowOf(t *testing.T) {
	const connection = "Device.STOMP.Connection.2."
	values := usp.Params{}
	for row, at := range map[string][3]string{ // Enable, Reference and Destination
		"1": {"false", connection, "/agent"}, "2": {"true", "Device.STOMP.Connection.1", "/agent"},
		"3": {"true", "Device.STOMP.Connection.2", "/other"}, "4": {"1", connection, "/agent"},
	} {
		path := "Device.LocalAgent.MTP." + row + "."
		values[path+"Enable"], values[path+"Protocol"] = at[0], "STOMP"
		values[path+"STOMP.Reference"], values[path+"STOMP.Destination"] = at[1], at[2]
	}
	for destination, want := range map[string]string{
		"/agent": "Device.LocalAgent.MTP.4.", "/other": "Device.LocalAgent.MTP.3.", "/unknown": "Device.LocalAgent.MTP.3.",
	} {
		if got := mtpRowOf(values, connection, destination); got != want {
			t.Errorf("%s: want %s, got %s", destination, want, got)
		}
	}
	if got := mtpRowOf(values, "Device.STOMP.Connection.3.", "/agent"); got != "" {
		t.Errorf("want none, got %s", got)
	}
}
