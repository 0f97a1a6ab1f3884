package websocket

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

// oneSession is 7.2. The Agent may end either of two sessions with one Controller, at any layer: it
// may refuse TCP, TLS or the opening request, close the connection, or end it when it knows from
// the first Record who is there. An Agent that refuses the second one shows that it accepts it once
// the first is gone: one that never accepts a session would prove nothing.
func oneSession(c *harness.Case) {
	c.Step(1, "get %s", deviceInfo)
	first := session(c)
	to, err := c.ToAgent(first)
	c.Cleanup("let the device connect again", c.ConnectAnew) // before its settings are put back
	if err != nil {
		c.Unsupported(fmt.Sprintf("the Agent accepts no session from a Controller (R-WS.6): %v", err))
	}
	first = session(c)
	c.Step(2, "open a second WebSocket to the Agent, at %s", to.URL)
	mark := c.Journal.Mark()
	second, refusal := dial(c, to)
	if refusal == nil {
		c.Step(3, "get %s over the new connection", deviceInfo)
		c.Agent.Get(c, deviceInfo) // whichever way it is answered
	}
	c.Metric(1, func(m *harness.Metric) {
		if refusal != nil {
			m.Note("the second session was refused: %v", refusal)
			m.Must(acceptsAlone(c, first, to), mark)
			return
		}
		ended, err := c.Await("end of one of the two sessions", c.ResponseWait(), mark, endOf(first.ID(), second.ID()))
		if err != nil && c.Err() == nil {
			err = &usp.Mismatch{Where: "WebSocket sessions with the Controller", Want: "one",
				Got: fmt.Sprintf("two, connections %d and %d, %s after the second was opened", first.ID(), second.ID(), c.ResponseWait().D)}
		}
		m.Must(err, mark)
		m.Saw(ended.Seq)
		if ended.Conn == second.ID() {
			m.Note("the second session was ended")
			m.Must(acceptsAlone(c, first, to))
			return
		}
		m.Note("the first session was ended")
		got := c.Agent.Get(c, deviceInfo)
		if err := expect.Type(got, usp.GetResp); err != nil {
			m.Must(fmt.Errorf("over the session that took its place: %w", err), got.Evidence())
		}
	})
}

// dial opens a WebSocket to the Agent.
func dial(c *harness.Case, to websocket.DialOptions) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(c, c.ResponseWait().D)
	defer cancel()
	return c.WebSocket().Dial(ctx, to)
}

// endOf matches the end of one of two connections.
func endOf(first, second uint64) func(*journal.Event) error {
	return func(e *journal.Event) error {
		if e.Layer == journal.LayerTCP && e.Type == "close" && (e.Conn == first || e.Conn == second) {
			return nil
		}
		return journal.ErrSkip
	}
}

// acceptsAlone ends the session that the Agent kept and wants it to accept one from the Controller.
func acceptsAlone(c *harness.Case, kept *websocket.Conn, to websocket.DialOptions) error {
	if !kept.Dialled() {
		if err := expect.Type(instead(c, kept, to), usp.GetResp); err != nil {
			return fmt.Errorf("without another session, too: %w", err)
		}
		return nil
	}
	kept.Abort("its end makes room for another session") // which the harness opens by itself
	<-kept.Done()
	return expect.Type(c.Agent.Get(c, deviceInfo), usp.GetResp)
}

// instead ends the session that the Agent has opened, opens one to it, and returns the answer to a
// Get over that one. What the Agent dials from then on is refused.
func instead(c *harness.Case, opened *websocket.Conn, to websocket.DialOptions) *controller.Reply {
	c.WebSocket().RefuseNext(-1, http.StatusServiceUnavailable)
	opened.Abort("its end makes room for a session from the Controller")
	<-opened.Done()
	for deadline := time.Now().Add(c.ResponseWait().D); ; c.Pause(50 * time.Millisecond) { // it may still have to notice the end
		got := getOverNew(c, to)
		if got.Message != nil || time.Now().After(deadline) {
			return got
		}
	}
}

// getOverNew opens a session to the Agent and sends a Get over it. It does not wait for the answer
// longer than the session lasts.
func getOverNew(c *harness.Case, to websocket.DialOptions) *controller.Reply {
	conn, err := dial(c, to)
	if err != nil {
		return &controller.Reply{Err: err}
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
	return c.Agent.Get(ctx, deviceInfo)
}
