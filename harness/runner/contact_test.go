package runner

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/brokers/websocket"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// itself is what a device shows at first contact.
func itself() usp.Params { return usp.Params{endpointID: "proto::device"} }

func TestTheFirstContact(t *testing.T) {
	for name, test := range map[string]struct {
		device *simple
		want   string
	}{
		"answers": {&simple{params: itself()}, ""},
		"refuses": {&simple{refuses: true}, `the device answers, but does not show Device.LocalAgent.EndpointID to the Controller "self::usptest": ` +
			`it answers Error `},
		"answers late": {&simple{params: itself(), late: 5 * time.Second}, `the device answers too late: a GetResp came 5.0 s after its request; ` +
			`raise waits.response in the DUT file, now 4s`},
		"is mute":      {&simple{mute: true}, `the device is connected but does not answer within 8s (waits.connect): no reply to Get within 4s`},
		"is another":   {&simple{named: "proto::other"}, `the device calls itself "proto::other"; device.endpoint in the DUT file is "proto::device": make them the same`},
		"is not there": {&simple{away: true}, `no device within 8s (waits.connect): no Agent can be reached; seen: no TCP connection to 127.0.0.1:7`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				err := simpleRig(t, test.device).contact(t.Context())
				if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)) {
					t.Errorf("got %v", err)
				}
				if took := time.Since(began); err != nil && !test.device.refuses && took != 8*time.Second {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

func TestAnInterruptEndsTheFirstContact(t *testing.T) {
	for name, device := range map[string]*simple{"is mute": {mute: true}, "is not there": {away: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				if err := simpleRig(t, device).contact(ctx); !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestWhatWasSeenIsCounted(t *testing.T) {
	for _, test := range []struct {
		link string
		seen []string // layer and type
		want string
	}{
		{"mqtt5", nil, "seen: no TCP connection to 127.0.0.1:7;"},
		{"mqtt5", []string{"tcp open", "tls alert", "tcp open"}, "seen: 2 tcp open, 1 tls alert; the device refuses the broker's certificate"},
		{"mqtt5+tls", []string{"tcp open"}, "seen: 1 tcp open; the device does not begin with TLS"},
		{"mqtt5", []string{"tcp open", "mqtt malformed"}, "what came is not MQTT"},
		{"websocket", []string{"tcp open", "websocket HANDSHAKE"}, `seen: 1 tcp open, 1 websocket HANDSHAKE`},
		{"mqtt5", []string{"tcp open"}, "seen: 1 tcp open; what came is not MQTT"},
	} {
		d := &simple{}
		r := simpleRig(t, d)
		if r.name = test.link; r.name == "websocket" {
			d.Link = link.NewWebSocket(r.Journal, link.WebSocketOptions{Broker: websocket.Options{Path: "/usp"}})
		}
		r.DUT.Links = []dut.LinkSpec{{MTP: dut.MQTT, Version: "5.0"}, {MTP: dut.MQTT, Version: "5.0", TLS: true}, {MTP: dut.WebSocket}}
		for _, kind := range test.seen {
			layer, typ, _ := strings.Cut(kind, " ")
			r.Journal.Append(journal.Event{Layer: journal.Layer(layer), Dir: journal.In, Type: typ})
		}
		r.Journal.Append(journal.Event{Layer: journal.LayerTCP, Dir: journal.Out, Type: "close"})
		if got := r.seen(0); !strings.Contains(got, test.want) {
			t.Errorf("%s, %v: want %q, got %q", test.link, test.seen, test.want, got)
		}
	}
}

func TestADeviceThatIsSetUpOtherwise(t *testing.T) {
	d := &simple{}
	r := simpleRig(t, d)
	d.Link = link.NewMQTT(r.Journal, link.MQTTOptions{Version: mqtt.V5, Login: link.Login{Username: "ours"}})
	d.arrives = func() {
		r.Journal.Append(journal.Event{Layer: journal.LayerMQTT, Dir: journal.In, Type: mqtt.Connect,
			Body: &mqtt.Packet{Type: mqtt.Connect, HasUsername: true, Username: "its own"}})
	}
	const want = `the device is not set up as the DUT file says: it logs in as "its own", and the link's username is "ours"; make them the same, there or here`
	if err := r.contact(t.Context()); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

// TestASecondDeviceOnTheLink: what it does is not held against the device under test.
func TestASecondDeviceOnTheLink(t *testing.T) {
	d := &simple{params: itself()}
	r := simpleRig(t, d)
	d.arrives = func() {
		r.Journal.Append(journal.Event{Layer: journal.LayerTCP, Dir: journal.In, Type: "open", Conn: 9, Remote: "192.0.2.7:4711"})
		r.Journal.Append(journal.Event{Layer: journal.LayerRecord, Dir: journal.In, Conn: 9, Body: &usppb.Record{FromId: "proto::other"}})
	}
	const want = `another device is connected over this link, from 192.0.2.7:4711, with the Endpoint ID "proto::other"; the one under test is "proto::device"`
	if err := r.contact(t.Context()); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v", err)
	}
}

// TestAnotherVersionOfMQTTIsToldAtOnce: no wait can help.
func TestAnotherVersionOfMQTTIsToldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		d := &simple{away: true}
		r := simpleRig(t, d)
		d.arrives = func() {
			r.Journal.Append(journal.Event{Layer: journal.LayerMQTT, Dir: journal.In, Type: mqtt.Connect, Body: &mqtt.Packet{Type: mqtt.Connect, Version: mqtt.V311}})
		}
		const want = `the device is not set up as the DUT file says: it connects with MQTT 3.1.1, and the link's version is 5.0; make them the same`
		if err := r.contact(t.Context()); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("took %s", took)
		}
	})
}

// TestATLSHandshakeThatTheDeviceBreaksOff: it did begin.
func TestATLSHandshakeThatTheDeviceBreaksOff(t *testing.T) {
	for why, want := range map[string]string{
		"EOF": "the device began TLS and broke it off (EOF): most often it does not trust the issuer (tls.authority in the DUT file), " +
			"or looks for another name than those in the certificate: localhost, 127.0.0.1",
		"tls: client offered only unsupported versions: [301]": "the device and usptest have no version or cipher suite of TLS in common",
	} {
		r := simpleRig(t, &simple{})
		r.name, r.names, r.DUT.Links = "mqtt5+tls", "localhost, 127.0.0.1", []dut.LinkSpec{{MTP: dut.MQTT, Version: "5.0", TLS: true}}
		for _, e := range []journal.Event{{Layer: journal.LayerTCP, Dir: journal.In, Type: "open"}, {Layer: journal.LayerTLS, Dir: journal.In, Type: "ClientHello"},
			{Layer: journal.LayerTLS, Dir: journal.Own, Type: gate.HandshakeBroken, Text: why}} {
			r.Journal.Append(e)
		}
		if got := r.seen(0); !strings.Contains(got, want) {
			t.Errorf("want %q, got %q", want, got)
		}
	}
}

// TestTheCertificateHasEveryName by which a device may reach the brokers.
func TestTheCertificateHasEveryName(t *testing.T) {
	for _, test := range []struct {
		bind, host string
		want       string
	}{{"127.0.0.1", "localhost", "localhost, 127.0.0.1"}, {"127.0.0.1", "lab.example", "lab.example, localhost, 127.0.0.1"},
		{"192.0.2.1", "lab.example", "lab.example, 192.0.2.1"}, {"0.0.0.0", "192.0.2.1", "localhost, 192.0.2.1"}} {
		s, err := newSecurity(&dut.File{Bind: test.bind}, dut.LinkSpec{TLS: true}, dut.Vars{Host: test.host, ControllerID: "self::c", AgentID: "proto::a"})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.names(); got != test.want {
			t.Errorf("bind %s, host %s: want %s, got %s", test.bind, test.host, test.want, got)
		}
	}
}
