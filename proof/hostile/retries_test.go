package hostile

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// retryModes misbehave when the harness has ended their session, as 7.8 does, or have more of them than one.
func retryModes() map[string]mode {
	const storm = 1_000
	anyGet := func(request *usppb.Msg) bool { return request.GetBody().GetRequest().GetGet() != nil }
	return map[string]mode{
		"tries again at once a thousand times": {link: "websocket", in: "7.8", waits: anyGet, verdict: result.Fail, findings: "wait before retry 1: want 5s to 10s",
			lost: func(h *hostile) {
				for range storm {
					h.opensSession()
				}
			}},
		"never tries again": {link: "websocket", in: "7.8", waits: anyGet, verdict: result.Fail, findings: "no attempt by then",
			brief: true, lost: func(*hostile) { select {} }}, // the process is killed at the end
		"comes and goes while the case cleans up": {link: "websocket", in: "7.8", waits: anyGet, verdict: result.Fail, findings: "no attempt by then",
			lost: func(h *hostile) {
				<-time.After(30 * time.Second) // until long after its first retry was due
				for range storm {
					h.opensSession()
				}
			}},
		"keeps two sessions": {link: "websocket", act: func(s *session, reply packet, _ *usppb.Msg) bool {
			if second := s.dialSession(); second != nil {
				go s.pass(second, func(p packet) bool {
					if p.opens {
						return true
					}
					_, err := s.down.Write(p.raw)
					return err == nil
				})
			}
			return s.bytes(reply.raw)
		}},
	}
}

// dialSession opens a WebSocket to the harness beside the agent's own, and returns it before the answer is read; nil when that fails.
func (h *hostile) dialSession() net.Conn {
	c, err := net.Dial("tcp", h.harness)
	if err != nil {
		return nil
	}
	if _, err := io.WriteString(c, strings.Replace(string(h.opening()), "/usp/more", h.path, 1)); err != nil {
		c.Close()
		return nil
	}
	return c
}

// opensSession opens a WebSocket and ends it at once. It reports whether the harness had accepted it.
func (h *hostile) opensSession() (accepted bool) {
	c := h.dialSession()
	if c == nil {
		return false
	}
	defer c.Close()
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	return err == nil && answer.StatusCode == http.StatusSwitchingProtocols
}
