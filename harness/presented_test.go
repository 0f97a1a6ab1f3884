package harness

import (
	"context"
	"crypto/tls"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/pki"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// TestAConnectionThatIsNotUsedIsNoAttempt: a device may open two at once and drop one, which says nothing of the certificate.
func TestAConnectionThatIsNotUsedIsNoAttempt(t *testing.T) {
	event := func(conn uint64, layer journal.Layer, dir journal.Dir, kind string) journal.Event {
		return journal.Event{Layer: layer, Dir: dir, Type: kind, Conn: conn}
	}
	open := func(conn uint64) journal.Event { return event(conn, journal.LayerTCP, journal.In, "open") }
	closed := func(conn uint64) journal.Event { return event(conn, journal.LayerTCP, journal.Out, "close") }
	hello := func(conn uint64) journal.Event { return event(conn, journal.LayerTLS, journal.In, "ClientHello") }
	broken := func(conn uint64) journal.Event {
		return event(conn, journal.LayerTLS, journal.Own, gate.HandshakeBroken)
	}
	connect := func(conn uint64) journal.Event { return event(conn, journal.LayerMQTT, journal.In, mqtt.Connect) }
	for name, test := range map[string]struct {
		events []journal.Event
		most   int
		text   string // of the last attempt
	}{
		"dropped before": {[]journal.Event{open(1), open(2), broken(1), closed(1), hello(2), connect(2)}, 1, mqtt.Connect},
		"dropped after":  {[]journal.Event{open(1), open(2), hello(1), connect(1), broken(2), closed(2)}, 1, mqtt.Connect},
		"dropped alone":  {[]journal.Event{open(1), broken(1), closed(1)}, 1, "handshake broken off: "},
		"refused": {[]journal.Event{open(1), hello(1), broken(1), closed(1), open(2), hello(2), connect(2)}, 1,
			"handshake broken off: "},
		"refused, while another is open": {[]journal.Event{open(1), open(2), hello(1), broken(1), closed(1), hello(2), connect(2)}, 2,
			mqtt.Connect},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, _ := newBench(t, nil)
				r, _ := b.Run(t.Context(), planned(1), func(c *Case) {
					mark := c.Journal.Mark()
					for _, e := range test.events {
						c.Journal.Append(e)
					}
					got, err := c.Attempts(mark, test.most)
					if err != nil || got.Text != test.text || (got.Session != nil) != (test.text == mqtt.Connect) {
						t.Errorf("got %+v, %v", got, err)
					}
					c.Metric(1, pass)
				})
				if r.Verdict != result.Pass {
					t.Errorf("got %s %s", r.Verdict, r.Reason)
				}
			})
		})
	}
}

// TestTheCleanUpBeginsWithTheOwnCertificate: a device that refuses what a body has shown it could not say what has become of an Add.
func TestTheCleanUpBeginsWithTheOwnCertificate(t *testing.T) {
	b, d := newBench(t, nil)
	own, stranger := tls.Certificate{}, &tls.Certificate{}
	b.Identity.Shown = pki.Show(own, ownID, nil)
	shows := func() *tls.Certificate { shown, _ := b.Identity.Shown.ToClient(nil); return shown }
	asked := false
	d.answer = func(m *usppb.Msg) *usppb.Msg {
		if m.GetBody().GetRequest().GetGet() != nil {
			asked = true
			if shows() == stranger {
				t.Error("the device is asked while it is shown another certificate")
			}
		}
		return nil
	}
	b.Run(t.Context(), planned(1), func(c *Case) {
		ctx, cancel := context.WithCancel(c)
		cancel()
		c.Agent.Add(ctx, false, usp.Create(Controllers, nil, nil))
		b.Identity.Shown.Set(stranger)
		c.DeviceMust(errors.New("the body ends"))
	})
	if !asked {
		t.Error("the clean-up has not asked what has become of the Add")
	}
}

// TestAnAttemptAtADeviceThatGoesDownIsNone: the harness dials a server that still takes connections, though it was made to restart.
func TestAnAttemptAtADeviceThatGoesDownIsNone(t *testing.T) {
	open := func(conn uint64) journal.Event {
		return journal.Event{Layer: journal.LayerTCP, Dir: journal.Out, Type: "open", Conn: conn}
	}
	closed := func(conn uint64) journal.Event {
		return journal.Event{Layer: journal.LayerTCP, Dir: journal.In, Type: "close", Conn: conn}
	}
	connect := func(conn uint64) journal.Event {
		return journal.Event{Layer: journal.LayerMQTT, Dir: journal.In, Type: mqtt.Connect, Conn: conn}
	}
	launch := journal.Event{Layer: journal.LayerLab, Dir: journal.Own, Type: "launch"}
	for name, test := range map[string]struct {
		events  []journal.Event
		last    uint64 // the connection of the last attempt
		session bool
	}{
		"refused, and let in after the boot":    {[]journal.Event{open(1), closed(1), launch, open(2), connect(2)}, 2, true},
		"refused, also after the boot":          {[]journal.Event{open(1), closed(1), launch, open(2), closed(2)}, 2, false},
		"let in, and refused after the boot":    {[]journal.Event{open(1), connect(1), launch, open(2), closed(2)}, 2, false},
		"let in, and the session ends":          {[]journal.Event{open(1), connect(1), closed(1), open(2), connect(2)}, 2, true},
		"let in, and the device does not come":  {[]journal.Event{open(1), connect(1), closed(1)}, 1, false},
		"let in by a device without a launcher": {[]journal.Event{open(1), connect(1)}, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, _ := newBench(t, nil)
				r, _ := b.Run(t.Context(), planned(1), func(c *Case) {
					c.ExpectRestart()
					mark := c.Journal.Mark()
					for _, e := range test.events {
						c.Journal.Append(e)
					}
					got, err := c.Attempts(mark, 1)
					if err != nil || c.Journal.At(got.opened).Conn != test.last || (got.Session != nil) != test.session {
						t.Errorf("got %+v, %v", got, err)
					}
					c.Metric(1, pass)
				})
				if r.Verdict != result.Pass {
					t.Errorf("got %s %s", r.Verdict, r.Reason)
				}
			})
		})
	}
}
