package requirements

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/usptest/usptest/brokers/websocket"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
)

// webSocketSessions is R-WS.12 and what else TR-369 says of opening a WebSocket session. A device is tried as client and as server, where
// it is both.
func webSocketSessions(c *harness.Case) {
	began, conn := c.Journal.Mark(), webSocketOf(c)
	if conn.Dialled() {
		const why = "the harness dials this device, which opens no session by itself"
		c.NotApplicable(1, why)
		c.NotApplicable(2, why)
	} else {
		c.Cleanup("let the device connect again", c.ConnectAnew)
		if conn = asWebSocketClient(c, conn); conn == nil {
			return
		}
	}

	c.Step(4, "get Device., and look at every frame of the Agent")
	c.DeviceMust(expect.Type(c.Agent.Get(c, "Device."), usp.GetResp))
	c.Metric(3, func(m *harness.Metric) {
		for _, e := range c.Journal.Since(began) {
			f, ok := e.Body.(*websocket.Frame)
			if ok && e.Dir == journal.In && (f.Opcode == websocket.OpContinuation || f.Opcode == websocket.OpBinary && !f.Fin) {
				what := fmt.Sprintf("a %s frame of %d bytes, final: %v", e.Type, f.Size, f.Fin)
				m.Must(expect.Nothing("fragments of the Agent", what), e.Seq)
			}
		}
	})

	to, err := c.ToAgent(conn)
	if err != nil {
		for n := 4; n <= 6; n++ {
			c.NotApplicable(n, fmt.Sprintf("the Agent accepts no session from a Controller (R-WS.6): %v", err))
		}
		return
	}
	if !conn.Dialled() {
		c.Cleanup("let the device connect again", c.ConnectAnew) // before its settings are put back
	}
	asWebSocketServer(c, conn, to)
}

// otherSubprotocol is one that no Agent asks for.
const otherSubprotocol = "v0.usptest"

// asWebSocketClient tries a device that opens its sessions. It returns the session that it has then, and nil when a metric failed.
func asWebSocketClient(c *harness.Case, conn *websocket.Conn) *websocket.Conn {
	policy := c.SessionRetryPolicy(conn)
	third := policy.Scaled(c.Scale).Window(3).Most
	c.Extend(policy.Window(1).Most + policy.Window(2).Most + policy.Window(3).Most)
	c.Step(1, "end the session, and answer the next opening request without %s, and the one after it with %s", websocket.Subprotocol,
		otherSubprotocol)
	c.WebSocket().Subprotocol("")
	mark := c.Journal.Mark()
	conn.Abort("the check ends it")
	patience := harness.Wait{D: third + c.Waits().Tolerance + c.Lag() + c.ReconnectWait().D}
	answer, err := c.Await("opening request of the device", patience, mark, answered)
	c.DeviceMust(err)
	mark = answer.Seq
	if !c.Metric(1, func(m *harness.Metric) {
		m.Must(opensNone(c, answer), answer.Seq)
		m.Saw(answer.Seq)
		c.WebSocket().Subprotocol(otherSubprotocol)
		answer, err = c.Await("next opening request of the device", patience, mark, answered)
		m.Must(err, mark)
		m.Must(opensNone(c, answer), answer.Seq)
		m.Saw(answer.Seq)
	}) {
		return nil
	}
	c.Step(2, "answer the request after that as usual, and get the parameters of the device")
	c.WebSocket().Subprotocol(websocket.Subprotocol)
	_, err = c.Await("next opening request of the device", patience, answer.Seq, answered)
	c.DeviceMust(err)
	c.BackAfter(answer.Seq)
	conn = webSocketOf(c)

	c.Step(3, "end that session, and wait for the next one")
	mark = c.Journal.Mark()
	conn.Abort("the check ends it")
	failure, err := c.Await("end of the session", c.ResponseWait(), mark, closesTCP(conn.ID()))
	c.LabMust(err)
	if !c.Metric(2, c.WatchRetries(policy, failure, c.StartsSession).Next) {
		return nil
	}
	c.BackAfter(failure.Seq)
	return webSocketOf(c)
}

// asWebSocketServer opens sessions to the Agent, at an address at which it listens. conn is the session that it has.
func asWebSocketServer(c *harness.Case, conn *websocket.Conn, to websocket.DialOptions) {
	c.Step(5, "open a session to the Agent, at %s, without the extension", to.URL)
	if conn.Dialled() { // so is the one that the harness has opened
		c.Metric(4, func(m *harness.Metric) { m.Note("the session of connection %d was opened without it", conn.ID()) })
	} else if !c.Metric(4, func(m *harness.Metric) { m.Must(opensInstead(c, conn, to)) }) {
		return
	}

	c.Step(6, "open one without %s", websocket.Subprotocol)
	without := to
	without.NoSubprotocol = true
	mark := c.Journal.Mark()
	other, refusal := dialAgent(c, without)
	c.Metric(5, func(m *harness.Metric) {
		if refusal == nil {
			e, err := c.Await("answer to the opening request", c.ResponseWait(), mark, answered)
			c.LabMust(err)
			m.Must(opensNone(c, e), e.Seq)
			return
		}
		m.Saw(mark)
		m.Note("%v", refusal)
	})
	if refusal == nil {
		other.Abort("the check ends it")
		<-other.Done()
	}

	c.Step(7, "open one with the extension")
	extended := to
	extended.Extension = true
	mark = c.Journal.Mark()
	last, err := dialAgent(c, extended)
	if err != nil && conn.Dialled() {
		c.NotApplicable(6, fmt.Sprintf("the Agent opens no second session, which R-WS.4 lets it refuse: %v", err))
		return
	}
	c.DeviceMust(err)
	defer last.Abort("the check is over")
	c.Metric(6, func(m *harness.Metric) {
		e, err := c.Await("answer to the opening request", c.ResponseWait(), mark, answered)
		c.LabMust(err)
		eid, there := e.Body.(*websocket.Handshake).ExtensionEID()
		if !there {
			m.Must(&usp.Mismatch{Where: "response to a request with " + websocket.Extension, Want: "the extension", Got: "none"}, e.Seq)
		}
		m.Must(expect.Equal("eid of "+websocket.Extension, c.Agent.AgentID(), eid), e.Seq)
	})
}

// opensInstead ends the session that the Agent has opened, and opens one to it, which must be answered over and is ended then. What the
// Agent opens from then on is refused: it would be a second one (R-WS.4).
func opensInstead(c *harness.Case, conn *websocket.Conn, to websocket.DialOptions) error {
	c.WebSocket().RefuseNext(-1, http.StatusServiceUnavailable)
	conn.Abort("its end makes room for another session")
	<-conn.Done()
	for deadline := time.Now().Add(c.ResponseWait().D); ; c.Pause(50 * time.Millisecond) { // it may still have to notice the end
		opened, got := getOverNew(c, to)
		if got.Message == nil && time.Now().Before(deadline) {
			continue
		}
		if opened != nil {
			opened.Abort("its end makes room for another session")
			<-opened.Done()
		}
		return expect.Type(got, usp.GetResp)
	}
}

// webSocketOf returns the session over which the Agent answers.
func webSocketOf(c *harness.Case) *websocket.Conn {
	got := c.Agent.Get(c, endpointID)
	c.DeviceMust(expect.Type(got, usp.GetResp))
	conn, err := c.WebSocket().Conn(got.Conn)
	c.DeviceMust(err)
	return conn
}

// answered matches the answer to an opening request, in either direction, that upgrades the connection.
func answered(e *journal.Event) error {
	h, ok := e.Body.(*websocket.Handshake)
	if !ok || h.Status != http.StatusSwitchingProtocols {
		return journal.ErrSkip
	}
	return nil
}

// closesTCP matches the end of a connection.
func closesTCP(conn uint64) func(*journal.Event) error {
	return func(e *journal.Event) error {
		if e.Conn == conn && e.Layer == journal.LayerTCP && e.Type == "close" {
			return nil
		}
		return journal.ErrSkip
	}
}

// opensNone wants the Agent to end a connection whose opening request was answered, and to send no Record over it.
func opensNone(c *harness.Case, answer *journal.Event) error {
	e, err := c.Await("end of the connection", c.ResponseWait(), answer.Seq, func(e *journal.Event) error {
		if e.Conn == answer.Conn && e.Layer == journal.LayerRecord && e.Dir == journal.In {
			return nil
		}
		return closesTCP(answer.Conn)(e)
	})
	if err == nil && e.Layer == journal.LayerRecord {
		where := "connection without " + websocket.Subprotocol
		err = &usp.Mismatch{Where: where, Want: "no Record, and its end", Got: "a Record of type " + e.Type}
	}
	return err
}

// dialAgent opens a WebSocket to the Agent.
func dialAgent(c *harness.Case, to websocket.DialOptions) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(c, c.ResponseWait().D)
	defer cancel()
	return c.WebSocket().Dial(ctx, to)
}

// getOverNew opens a session to the Agent and sends a Get over it. It does not wait for the answer longer than the session lasts.
func getOverNew(c *harness.Case, to websocket.DialOptions) (*websocket.Conn, *controller.Reply) {
	conn, err := dialAgent(c, to)
	if err != nil {
		return nil, &controller.Reply{Err: err}
	}
	ctx, cancel := context.WithCancel(c)
	defer cancel()
	go func() {
		select {
		case <-conn.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	return conn, c.Agent.Get(ctx, endpointID)
}
