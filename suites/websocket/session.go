package websocket

import (
	"fmt"
	"net/http"
	"time"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/brokers/websocket"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
)

const deviceInfo = "Device.DeviceInfo."

// sessionEstablishment is 7.1. Whoever dials, the session is established when the opening request is answered with 101.
func sessionEstablishment(c *harness.Case) {
	c.Step(1, "reboot the device")
	mark := c.Reboot()
	c.Step(2, "wait until it connects")
	if !c.Metric(1, func(m *harness.Metric) {
		e, err := c.Await("WebSocket session", c.ReconnectWait(), mark, established)
		m.Must(err)
		m.Saw(e.Seq)
	}) {
		return
	}
	c.BackAfter(mark)
	c.Step(3, "get %s", deviceInfo)
	got := c.Agent.Get(c, deviceInfo)
	c.Answered(2, got, usp.GetResp)
}

// secureSession is 7.9: after a reboot the session is one over TLS.
func secureSession(c *harness.Case) {
	c.Step(1, "reboot the device")
	mark := c.Reboot()
	c.Step(2, "wait until it connects")
	if !c.Metric(1, func(m *harness.Metric) {
		e, err := c.Await("WebSocket session over TLS", c.ReconnectWait(), mark, func(e *journal.Event) error {
			if e.Layer == journal.LayerTLS && e.Type == gate.HandshakeFailed {
				return &usp.Mismatch{Where: "connection", Want: "TLS 1.2 or later", Got: e.Text}
			}
			return established(e)
		})
		m.Must(err)
		for _, earlier := range c.Journal.Since(mark) {
			failed := earlier.Layer == journal.LayerTLS && earlier.Type == gate.HandshakeFailed && earlier.Seq < e.Seq
			if failed && !c.Dialled(earlier.Conn) {
				m.Must(&usp.Mismatch{Where: "attempt to connect", Want: "TLS 1.2 or later", Got: earlier.Text}, earlier.Seq)
			}
		}
		secured := c.TLSOf(e.Conn)
		if secured == nil {
			m.Must(&usp.Mismatch{Where: "connection of the session", Want: "a TLS handshake", Got: "none"}, e.Seq)
		}
		m.Saw(secured.Seq, e.Seq)
		m.Note("%s", secured.Text)
	}) {
		return
	}
	c.BackAfter(mark)
	c.Step(3, "get %s", deviceInfo)
	c.Answered(2, c.Agent.Get(c, deviceInfo), usp.GetResp)
}

// connectRecord is 7.10: the first Record of a session is its Connect Record (R-MTP.6, R-MTP.8),
// and it comes within 30 s.
func connectRecord(c *harness.Case) {
	c.Step(1, "reboot the device")
	mark := c.Reboot()
	c.Step(2, "wait until it connects")
	session, err := newSession(c, mark)
	c.DeviceMust(err)
	c.Metric(1, func(m *harness.Metric) {
		record, first, err := c.FirstRecord(session)
		m.Must(err, session.Seq)
		if record.GetWebsocketConnect() == nil {
			m.Must(&usp.Mismatch{Where: "first Record of the session", Want: "a WebSocketConnectRecord", Got: first.Type}, first.Seq)
		}
		m.Saw(first.Seq)
	})
	c.BackAfter(mark)
}

// withoutExtension is 7.11: the extension bbf-usp-protocol is no condition of a session, whoever
// opens it (R-WS.11b, R-WS.11c). An Agent that listens, or can be made to, is tried as client and
// as server.
func withoutExtension(c *harness.Case) {
	c.Step(1, "let the Controller leave %s out of its answers and requests", websocket.Extension)
	c.WebSocket().NoExtension()
	c.Step(2, "reboot the device")
	mark := c.Reboot()
	if !c.Metric(1, func(m *harness.Metric) {
		e, err := newSession(c, mark)
		m.Must(err)
		m.Must(stays(c, e, time.Second), e.Seq)
	}) {
		return
	}
	c.BackAfter(mark)
	c.Step(4, "get %s", deviceInfo)
	got := c.Agent.Get(c, deviceInfo)
	c.Metric(2, func(m *harness.Metric) {
		m.Must(expect.Type(got, usp.GetResp), got.Evidence())
		client, err := c.WebSocket().Conn(got.Conn)
		if err != nil || client.Dialled() {
			return
		}
		to, err := c.ToAgent(client)
		c.Cleanup("let the device connect again", c.ConnectAnew) // before its settings are put back
		if err != nil {
			m.Note("not tried with the Agent as the server: %v", err)
			return
		}
		client = session(c)
		c.Step(3, "open a session to the Agent, at %s, instead of the one that it has opened, and get %s", to.URL, deviceInfo)
		asServer := instead(c, client, to)
		if err := expect.Type(asServer, usp.GetResp); err != nil {
			m.Must(fmt.Errorf("with the Agent as the server: %w", err), asServer.Evidence())
		}
		m.Saw(asServer.Evidence())
	})
}

// newSession awaits the first session after mark, which the device was made to restart after. One that the harness has opened to a device
// that was still going down ends with it, and is none.
func newSession(c *harness.Case, mark journal.Mark) (*journal.Event, error) {
	wait := c.ReconnectWait()
	for wait.From = time.Now(); ; {
		e, err := c.Await("WebSocket session", wait, mark, established)
		if err != nil || !c.Dialled(e.Conn) || stays(c, e, harness.GoingDown) == nil {
			return e, err
		}
		mark = e.Seq
	}
}

// stays wants the Agent to begin to use a session that has been opened, or at least to keep it for
// a moment.
func stays(c *harness.Case, session *journal.Event, moment time.Duration) error {
	wait := harness.Wait{D: c.Scaled(moment) + c.Waits().Tolerance}
	e, err := c.Await("first Record of the session", wait, session.Seq, func(e *journal.Event) error {
		if e.Conn != session.Conn || e.Layer != journal.LayerRecord && !(e.Layer == journal.LayerTCP && e.Type == "close") {
			return journal.ErrSkip
		}
		return nil
	})
	if err == nil && e.Layer == journal.LayerTCP {
		return &usp.Mismatch{Where: "session that was just opened", Want: "to stay open", Got: e.Text}
	}
	return nil
}

// established matches the answer to an opening request, in either direction, that opens the session.
func established(e *journal.Event) error {
	h, ok := e.Body.(*websocket.Handshake)
	switch {
	case !ok || h.Status == 0:
		return journal.ErrSkip
	case h.Status != http.StatusSwitchingProtocols:
		return &usp.Mismatch{Where: "status of the answer to the opening request", Want: fmt.Sprint(http.StatusSwitchingProtocols), Got: fmt.Sprint(h.Status)}
	}
	return nil
}

// session returns the connection over which the Agent answers.
func session(c *harness.Case) *websocket.Conn {
	got := c.Agent.Get(c, deviceInfo)
	c.DeviceMust(expect.Type(got, usp.GetResp))
	conn, err := c.WebSocket().Conn(got.Conn)
	c.DeviceMust(err)
	return conn
}
