package runner

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/brokers/websocket"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/plan"
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
		"is mute": {&simple{mute: true}, `the device is connected but does not answer within 8s (waits.connect): no reply to Get within 4s`},
		"is another": {&simple{named: "proto::other"},
			`the device calls itself "proto::other", and device.endpoint in the DUT file is "proto::device"; make them the same`},
		"is not there": {&simple{away: true}, `no device within 8s (waits.connect), seen: no TCP connection to 127.0.0.1:7`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				err := simpleRig(t, test.device).contact(t.Context())
				if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)) {
					t.Errorf("got %v", err)
				}
				if took := time.Since(began); err != nil && !test.device.refuses && test.device.named == "" && took != 8*time.Second {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

// TestARequestThatIsLostWithTheSession is made again in the next one, at once.
func TestARequestThatIsLostWithTheSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &simple{params: itself(), mute: true}
		r := simpleRig(t, d)
		time.AfterFunc(time.Second, func() {
			d.mu.Lock()
			d.mute = false
			d.mu.Unlock()
			r.Journal.Append(journal.Event{Layer: journal.LayerMQTT, Dir: journal.In, Type: mqtt.Connect})
		})
		began := time.Now()
		if err := r.contact(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != time.Second { // of the bubble's clock
			t.Errorf("took %s", took)
		}
	})
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
		text, remedy := r.seen(0)
		if got := text + "; " + remedy; !strings.Contains(got, test.want) {
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

// TestASecondDeviceThatComesAfterTheFirstContact: check looks again at its end, so that what both said is not taken for one device's.
func TestASecondDeviceThatComesAfterTheFirstContact(t *testing.T) {
	for name, test := range map[string]struct{ from, says string }{
		"the same device": {"proto::device", ""},
		"another one": {"proto::other",
			`another device is connected over this link, from 192.0.2.7:4711, with the Endpoint ID "proto::other"`},
	} {
		d := &simple{params: itself()}
		r := simpleRig(t, d)
		d.adds = func() {
			r.Journal.Append(journal.Event{Layer: journal.LayerTCP, Dir: journal.In, Type: "open", Conn: 9, Remote: "192.0.2.7:4711"})
			r.Journal.Append(journal.Event{Layer: journal.LayerRecord, Dir: journal.In, Conn: 9, Body: &usppb.Record{FromId: test.from}})
		}
		out := t.TempDir()
		found, err := r.preflight(t.Context(), &plan.Plan{}, out)
		if test.says == "" && err != nil || test.says != "" && (err == nil || !strings.HasPrefix(err.Error(), test.says)) {
			t.Errorf("%s: got %v", name, err)
		}
		if kept := found.Journal != ""; kept != (test.says != "") {
			t.Errorf("%s: journal kept: %v", name, kept)
		}
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
		if _, got := r.seen(0); !strings.Contains(got, want) {
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

// TestADeviceThatWaitsBetweenItsAttempts may have been refused before usptest listened: the message says so, but not of one that usptest
// launches.
func TestADeviceThatWaitsBetweenItsAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const hint = "restart it, or raise waits.connect"
		if err := simpleRig(t, &simple{away: true}).contact(t.Context()); err == nil || !strings.Contains(err.Error(), hint) {
			t.Errorf("want %q, got %v", hint, err)
		}
	})
}

// TestAFaultThatIsRepeatedEndsTheWait: one attempt that breaks a rule may be followed by a right one; the same again is no way to get in.
func TestAFaultThatIsRepeatedEndsTheWait(t *testing.T) {
	for name, test := range map[string]struct {
		problems []string // of the CONNECT of each attempt, one a second
		takes    time.Duration
		again    bool
	}{
		"once":      {[]string{"Will QoS is 3"}, 8 * time.Second, false},
		"otherwise": {[]string{"Will QoS is 3", "the reserved bit is set"}, 8 * time.Second, false},
		"again":     {[]string{"Will QoS is 3", "Will QoS is 3", "Will QoS is 3"}, 2 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, d := time.Now(), &simple{away: true}
				r := simpleRig(t, d)
				d.Link = link.NewMQTT(r.Journal, link.MQTTOptions{Version: mqtt.V5})
				for i, problem := range test.problems {
					time.AfterFunc(time.Duration(i+1)*time.Second, func() {
						r.Journal.Append(journal.Event{Layer: journal.LayerMQTT, Dir: journal.In, Type: mqtt.Malformed, Conn: uint64(i + 1),
							Raw: []byte("\x10\x08\x00\x04MQTT\x05\x1e"), Text: problem})
					})
				}
				var fault *faultError
				if err := r.contact(t.Context()); !errors.As(err, &fault) || fault.again != test.again {
					t.Errorf("got %v", err)
				}
				if took := time.Since(began); took != test.takes {
					t.Errorf("took %s", took)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) { // a device that gets in at its second attempt
		d := &simple{params: itself()}
		r := simpleRig(t, d)
		d.Link = link.NewMQTT(r.Journal, link.MQTTOptions{Version: mqtt.V5})
		d.arrives = func() {
			r.Journal.Append(journal.Event{Layer: journal.LayerMQTT, Dir: journal.In, Type: mqtt.Malformed, Raw: []byte("\x10\x06\x00\x04MQTT")})
		}
		if err := r.contact(t.Context()); err != nil {
			t.Errorf("got %v", err)
		}
	})
}

// TestAnAttemptThatEndsAlikeTwiceEndsTheWait: what only another setup can mend needs no third attempt. A clock that is not set yet may be
// right at the next one.
func TestAnAttemptThatEndsAlikeTwiceEndsTheWait(t *testing.T) {
	event := func(layer journal.Layer, dir journal.Dir, kind, text string, body any) journal.Event {
		return journal.Event{Layer: layer, Dir: dir, Type: kind, Text: text, Body: body}
	}
	other := event(journal.LayerRecord, journal.In, "MQTTConnect", "", &usppb.Record{FromId: "proto::other"})
	notFound := event(journal.LayerWebSocket, journal.Out, websocket.HandshakeEvent, "", &websocket.Handshake{Status: 404})
	for name, test := range map[string]struct {
		events []journal.Event // how each attempt ends, one a second
		takes  time.Duration
		says   string
	}{
		"another MTP": {[]journal.Event{event(journal.LayerMQTT, journal.In, mqtt.Malformed, "x", nil),
			event(journal.LayerMQTT, journal.In, mqtt.Malformed, "x", nil)}, 2 * time.Second, "it did the same again"},
		"two others": {[]journal.Event{event(journal.LayerMQTT, journal.In, mqtt.Malformed, "x", nil),
			event(journal.LayerMQTT, journal.In, mqtt.Malformed, "y", nil)}, 8 * time.Second, "no device within 8s"},
		"no TLS": {[]journal.Event{event(journal.LayerTLS, journal.Own, gate.HandshakeFailed, "x", nil),
			event(journal.LayerTLS, journal.Own, gate.HandshakeFailed, "x", nil)}, 2 * time.Second, "it did the same again"},
		"no trust": {[]journal.Event{event(journal.LayerTLS, journal.In, "alert", "tls: unknown certificate authority", nil),
			event(journal.LayerTLS, journal.In, "alert", "tls: unknown certificate authority", nil)},
			2 * time.Second, "it did the same again"},
		"a clock": {[]journal.Event{event(journal.LayerTLS, journal.In, "alert", "tls: expired certificate", nil),
			event(journal.LayerTLS, journal.In, "alert", "tls: expired certificate", nil)}, 8 * time.Second, "no device within 8s"},
		"no words": {[]journal.Event{event(journal.LayerTLS, journal.In, gate.HandshakeBroken, "EOF", nil),
			event(journal.LayerTLS, journal.In, gate.HandshakeBroken, "EOF", nil)}, 8 * time.Second, "no device within 8s"},
		"OpenSSL": {[]journal.Event{event(journal.LayerTLS, journal.Own, gate.HandshakeFailed, "bad record MAC", nil),
			event(journal.LayerTLS, journal.Own, gate.HandshakeFailed, "bad record MAC", nil)}, 8 * time.Second, "no device within 8s"},
		"path": {[]journal.Event{notFound, notFound}, 2 * time.Second, "it did the same again"},
		"Go": {[]journal.Event{event(journal.LayerTLS, journal.In, "alert", "bad certificate", nil),
			event(journal.LayerTLS, journal.In, "alert", "bad certificate", nil)}, 2 * time.Second, "it did the same again"},
		"name": {[]journal.Event{other, other}, 2 * time.Second,
			`the device calls itself "proto::other", and device.endpoint in the DUT file is "proto::device"; make them the same, ` +
				"or disconnect it if it is another device"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, d := time.Now(), &simple{away: true}
				r := simpleRig(t, d)
				d.Link = link.NewMQTT(r.Journal, link.MQTTOptions{Version: mqtt.V5})
				for i, e := range test.events {
					time.AfterFunc(time.Duration(i+1)*time.Second, func() {
						e.Conn = uint64(i + 1)
						r.Journal.Append(e)
					})
				}
				if err := r.contact(t.Context()); err == nil || !strings.Contains(err.Error(), test.says) {
					t.Errorf("want %q, got %v", test.says, err)
				}
				if took := time.Since(began); took != test.takes {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

// TestASilentDeviceAtFaultComesAgain: it is disconnected once, so that it can show whether it does the same again.
func TestASilentDeviceAtFaultComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, d := time.Now(), &simple{away: true}
		r := simpleRig(t, d)
		d.Link = link.NewMQTT(r.Journal, link.MQTTOptions{Version: mqtt.V311, AgentTopic: "there"})
		subscribe := func(conn uint64) {
			r.Journal.Append(journal.Event{Layer: journal.LayerMQTT, Dir: journal.In, Type: mqtt.Subscribe, Conn: conn,
				Body: &mqtt.Packet{Type: mqtt.Subscribe, Filters: []mqtt.Filter{{Topic: "there"}}}})
		}
		d.drops = func() { time.AfterFunc(time.Second, func() { subscribe(2) }) }
		d.arrives = func() { subscribe(1) }
		var fault *faultError
		if err := r.contact(t.Context()); !errors.As(err, &fault) || !fault.again || fault.breach.Rule != "R-MQTT.24" {
			t.Errorf("got %v", err)
		}
		if took := time.Since(began); took >= 8*time.Second { // waits.connect
			t.Errorf("took %s", took)
		}
	})
}

// TestADeviceByAnotherNameIsNotWaitedFor: once it has had its time, no more of it helps.
func TestADeviceByAnotherNameIsNotWaitedFor(t *testing.T) {
	for name, away := range map[string]bool{"requests reach it": false, "requests do not reach it": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, d := time.Now(), &simple{mute: true, away: away}
				r := simpleRig(t, d)
				d.arrives = sync.OnceFunc(func() {
					r.Journal.Append(journal.Event{Layer: journal.LayerTCP, Dir: journal.In, Type: "open", Conn: 1})
					r.Journal.Append(journal.Event{Layer: journal.LayerRecord, Dir: journal.In, Conn: 1,
						Body: &usppb.Record{FromId: "proto::other"}})
				})
				const want = `the device calls itself "proto::other", and device.endpoint in the DUT file is "proto::device"`
				if err := r.contact(t.Context()); err == nil || !strings.HasPrefix(err.Error(), want) {
					t.Errorf("got %v", err)
				}
				if took := time.Since(began); took != 4*time.Second { // waits.response
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

// TestAControllerThatMayOnlyRead: it is found by trying, and the setup is to be mended.
func TestAControllerThatMayOnlyRead(t *testing.T) {
	const says = `does not let it change Device.LocalAgent.Subscription. (7006): give that Controller`
	for forbids, want := range map[bool]string{true: says, false: ""} {
		err := simpleRig(t, &simple{params: itself(), forbids: forbids}).mayChange(t.Context())
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("forbids %v: got %v", forbids, err)
		}
	}
}

// TestASecondDeviceThatOpensASession: it need not have sent a Record yet. The device under test may name itself wrongly, too.
func TestASecondDeviceThatOpensASession(t *testing.T) {
	for name, test := range map[string]struct {
		conn uint64 // over which another name opens a session; the device under test speaks over 0
		also bool   // the device under test opens one by that name, too
		says string
	}{
		"another device": {9, false, `another device is connected over this link, from 192.0.2.7:4711, with the Endpoint ID `},
		"itself":         {9, true, ""},
	} {
		d := &simple{params: itself()}
		r := simpleRig(t, d)
		open := func(conn uint64) {
			named := &mqtt.Packet{Type: mqtt.Connect, Version: mqtt.V5,
				UserProps: []mqtt.Pair{{Name: "usp-endpoint-id", Value: "proto::other"}}}
			r.Journal.Append(journal.Event{Layer: journal.LayerMQTT, Dir: journal.In, Type: mqtt.Connect, Conn: conn,
				Remote: "192.0.2.7:4711", Body: named})
		}
		d.arrives = func() {
			open(test.conn)
			if test.also {
				wrapped := must(usp.WrapMessage("self::usptest", "proto::device", usp.Version, usp.NewMsg("1", &usppb.Notify{})))
				d.receive(link.Inbound{Raw: must(usp.Marshal(wrapped)), Conn: 5})
				open(5)
			}
		}
		err := r.contact(t.Context())
		if test.says == "" && err != nil || test.says != "" && (err == nil || !strings.HasPrefix(err.Error(), test.says)) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
