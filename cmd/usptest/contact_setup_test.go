package main

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness/result"
)

// TestASetUpThatDoesNotFit is a reference agent that is set up otherwise than its DUT file says, in one thing each. It is no fault of the
// device, and the message names both sides.
func TestASetUpThatDoesNotFit(t *testing.T) {
	t.Parallel()
	const (
		mqtt      = `{mtp: mqtt, version: "5.0", agentTopic: there, controllerTopic: here, username: ours, password: secret}`
		mqtt3     = `{mtp: mqtt, version: "3.1.1"}`
		stomp     = `{mtp: stomp, agentTopic: there, controllerTopic: here, username: ours, password: secret}`
		webSocket = `{mtp: websocket}`
		secure    = `{mtp: mqtt, version: "5.0", tls: true}`
	)
	tests := map[string]struct{ link, flags, says string }{
		"MQTT user":         {mqtt, "--username=other", `it logs in as "other", and the link's username is "ours"`},
		"MQTT password":     {mqtt, "--username=ours --password=other", `its password is not the link's`},
		"MQTT topic":        {mqtt, "--agent-topic=other", `it subscribes to "other", and the link's agentTopic is "there"`},
		"MQTT controller":   {mqtt, "--controller-topic=other", `it sends its Records to "other", and the link's controllerTopic is "here"`},
		"MQTT version":      {mqtt, "--link=mqtt3", `it connects with MQTT 3.1.1, and the link's version is 5.0`},
		"MQTT 3.1.1":        {mqtt3, "--link=mqtt5", `it connects with MQTT 5.0, and the link's version is 3.1.1`},
		"MQTT port":         {mqtt, "--port=1", `seen: no TCP connection to 127.0.0.1:`},
		"MQTT, but STOMP":   {mqtt, "--link=stomp", `which begins like STOMP`},
		"MQTT, TLS there":   {mqtt, "--link=mqtt5+tls", `which begins like TLS`},
		"MQTT, TLS here":    {secure, "--link=mqtt5", `the device does not begin with TLS, or does not finish`},
		"TLS, no trust":     {secure, "--trust=", `the device refuses the broker's certificate: it must trust the issuer`},
		"TLS, another name": {secure, "--host=127.0.0.2", `seen: no TCP connection to 127.0.0.1:`},
		"Controller":        {mqtt, "--controller=self::other", `does not show Device.LocalAgent.EndpointID to the Controller "self::usptest"`},
		"Endpoint ID": {mqtt, "--endpoint=proto::other",
			`the device calls itself "proto::other", and device.endpoint in the DUT file is "proto::x1"; make them the same, ` +
				`or disconnect it if it is another device`},
		"STOMP Endpoint ID": {stomp, "--username=ours --password=secret --endpoint=proto::other",
			`the device calls itself "proto::other", and device.endpoint in the DUT file is "proto::x1"; make them the same`},
		"STOMP user":        {stomp, "--username=other", `it logs in as "other", and the link's username is "ours"`},
		"STOMP destination": {stomp, "--agent-topic=other", `it subscribes to "other", and the link's agentTopic is "there"`},
		"STOMP, but MQTT":   {stomp, "--link=mqtt5", `what came is not STOMP: the device speaks another MTP, or TLS on one side only`},
		"WebSocket path":    {webSocket, "--path=/other", `it asks for the path "/other", and the link's path is "/usp"`},
		"WebSocket, MQTT":   {webSocket, "--link=mqtt5", `what came is not WebSocket: the device speaks another MTP, or TLS on one side only`},
	}
	for _, name := range program.Sample(*full, 4, slices.Sorted(maps.Keys(tests))) {
		test := tests[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := usptest(t, "check", "--dut", contactFile(t, test.link, strings.Fields(test.flags)...), "--out", filepath.Join(t.TempDir(), "kept"))
			p.Want(t, result.ExitError, test.says)
		})
	}
}

// TestATopicThatTheBrokerAssigns: an Agent without a topic of its own listens where the broker tells it, if the link says so.
func TestATopicThatTheBrokerAssigns(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		link string
		exit int
	}{
		"MQTT":          {`{mtp: mqtt, version: "5.0", agentTopic: there, controllerTopic: here, assignTopic: true}`, result.ExitPassed},
		"STOMP":         {`{mtp: stomp, agentTopic: there, controllerTopic: here, assignTopic: true}`, result.ExitPassed},
		"MQTT, without": {`{mtp: mqtt, version: "5.0", agentTopic: there, controllerTopic: here}`, result.ExitError},
		"MQTT 3.1.1":    {`{mtp: mqtt, version: "3.1.1", agentTopic: there, assignTopic: true}`, result.ExitUsage},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			usptest(t, "check", "--dut", contactFile(t, test.link, "--agent-topic="), "--out", filepath.Join(t.TempDir(), "kept")).Want(t, test.exit)
		})
	}
}
