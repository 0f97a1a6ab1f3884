package websocket

import (
	"fmt"
	"net/http"

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
		m.Must(nil, e.Seq)
		if conn, err := c.WebSocket.Conn(e.Conn); err == nil && !conn.Dialled() {
			if eid := conn.Handshake().EID(); eid != c.Agent.AgentID() {
				m.Note("R-WS.10b: the eid in the query of the opening request is %q, the Agent's Endpoint ID %q", eid, c.Agent.AgentID())
			}
		}
	}) {
		return
	}
	c.BackAfter(mark)
	c.Step(3, "get %s", deviceInfo)
	got := c.Agent.Get(c, deviceInfo)
	c.Answered(2, got, usp.GetResp)
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
	conn, err := c.WebSocket.Conn(got.Conn)
	c.DeviceMust(err)
	return conn
}
