package websocket

import (
	"context"
	"net/http"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/journal"
)

// sessionRetry is 7.8: the Agent opens its session again by itself, and waits longer with each
// failure (R-WS.19). The session that is cut has been used, so that its retry count is 0 (R-WS.20).
func sessionRetry(c *harness.Case) {
	c.Step(1, "get the retry settings of the Controller's MTP")
	conn := session(c)
	if conn.Dialled() {
		c.Unsupported("the harness dials this device, which opens no session by itself")
	}
	policy := c.SessionRetryPolicy(conn)
	c.Cleanup("let the device connect again", func(ctx context.Context) error {
		c.WebSocket().RefuseNext(0, 0)
		return c.Reachable(ctx)
	})
	c.Step(2, "refuse every opening request with %d", http.StatusServiceUnavailable)
	c.WebSocket().RefuseNext(-1, http.StatusServiceUnavailable)
	mark := c.Journal.Mark()
	c.Step(3, "reset the TCP connection of the session")
	conn.Abort("the case ends it")
	failure, err := c.Await("end of the session", c.ResponseWait(), mark, func(e *journal.Event) error {
		if e.Conn == conn.ID() && e.Layer == journal.LayerTCP && e.Type == "close" {
			return nil
		}
		return journal.ErrSkip
	})
	c.LabMust(err)
	retries := c.WatchRetries(policy, failure, c.StartsSession)
	c.Step(4, "wait until it tries to open a session")
	if !c.Metric(1, retries.Next) {
		return
	}
	c.Step(6, "wait until it tries again, until it is accepted")
	c.Metric(2, func(m *harness.Metric) { retries.Rest(m, func() { c.WebSocket().RefuseNext(0, 0) }) })
}
