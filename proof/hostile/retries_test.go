package hostile

import (
	"bufio"
	"net"
	"time"

	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// retryModes misbehave when the harness has ended or refused their session, as 6.3, 7.8 and 11.6 do, or have more of them than one.
func retryModes() map[string]mode {
	const storm = 1_000
	anyGet := func(request *usppb.Msg) bool { return request.GetBody().GetRequest().GetGet() != nil }
	all := map[string]mode{
		"keeps two sessions":        {link: "websocket", act: keepAnother},
		"keeps two sessions in 7.2": {link: "websocket", in: "7.2", waits: anyGet, act: keepAnother},
	}
	for _, m := range []struct {
		mode
		tooEarly string // what is found of a retry at once
	}{
		{mode{link: "websocket", in: "7.8", waits: anyGet}, "wait before retry 1: want 5s to 10s"},
		{mode{link: "stomp", in: "6.3"}, "random waits between 0 and the end of each window"}, // one at once may be chance
		{mode{link: "mqtt5", in: "11.6"}, "wait before retry 1: want 5s"},
	} {
		m.verdict = result.Fail
		at := " in " + m.in
		first := m.mode
		first.findings = m.tooEarly
		first.lost = func(h *hostile) {
			for range storm {
				h.opensSession()
			}
		}
		all["tries again at once a thousand times"+at] = first
		m.findings = "no attempt by then"
		m.lost = func(h *hostile) {
			<-time.After(30 * time.Second) // until long after its first retry was due
			for range storm {
				h.opensSession()
			}
		}
		all["comes and goes while the case cleans up"+at] = m.mode
		m.brief, m.lost = true, func(*hostile) { select {} } // the process is killed at the end
		all["never tries again"+at] = m.mode
	}
	return all
}

// keepAnother opens a second session, whose Records go to the agent like those of its own.
func keepAnother(s *session, reply packet, _ *usppb.Msg) bool {
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
}

// dialSession opens a session with the harness beside the agent's own, as that was opened, and returns it before the answer is read; nil
// when that fails.
func (h *hostile) dialSession() net.Conn {
	h.mu.Lock()
	hello := h.hello
	h.mu.Unlock()
	c, err := net.Dial("tcp", h.harness)
	if err != nil {
		return nil
	}
	if _, err := c.Write(hello); err != nil {
		c.Close()
		return nil
	}
	return c
}

// opensSession opens a session and ends it as soon as it is answered.
func (h *hostile) opensSession() {
	c := h.dialSession()
	if c == nil {
		return
	}
	defer c.Close()
	bufio.NewReader(c).ReadByte()
}
