package hostile

import (
	"bytes"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/usptest/usptest/brokers/probes"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// secondModes turn against the second Controller of 1.78, when it asks for something itself for the second time.
func secondModes() map[string]mode {
	all := map[string]mode{
		"garbage to the second Controller": {verdict: result.Fail, findings: "the protobuf encoding of a Record",
			act: func(s *session, p packet, _ *usppb.Msg) bool {
				for range 100 {
					if !s.record(p, bytes.Repeat([]byte{0xf7, 3, 0x80}, 1000)) {
						return false
					}
				}
				return s.bytes(p.raw)
			}},
		"10,000 Notifies to the second Controller": {late: true, verdict: result.Pass,
			act: func(s *session, p packet, _ *usppb.Msg) bool {
				for n := range burst {
					if !s.record(p, wrapBetween(s.agent, s.asker, notify(n, ""))) {
						return false
					}
				}
				return s.bytes(p.raw)
			}},
		"the second Controller's answer to the first": {verdict: result.Fail, findings: "to another Controller's request: want ",
			act: func(s *session, p packet, m *usppb.Msg) bool { return s.message(p, m) }},
		"somebody else's answer to the second Controller": {verdict: result.Fail, findings: `got "proto::someone-else"`,
			act: func(s *session, p packet, m *usppb.Msg) bool {
				return s.record(p, wrapBetween("proto::someone-else", s.asker, m))
			}},
		"the second Controller as the Agent": {verdict: result.Fail, findings: "from_id of the Record: want ",
			act: func(s *session, p packet, m *usppb.Msg) bool { return s.record(p, wrapBetween(s.asker, s.agent, m)) }},
		"many connections to the second Controller": {late: true, verdict: result.Pass,
			act: func(s *session, p packet, _ *usppb.Msg) bool {
				opening := s.head // of the WebSocket at the second Controller's own path
				if len(opening) == 0 {
					opening = s.opening()
				}
				s.everywhere(opening, func(write func([]byte) bool) {
					for n := range 100 {
						write(p.wrap(wrapBetween(s.agent, s.asker, notify(n, ""))))
					}
				})
				return s.bytes(p.raw)
			}},
		"drops the second Controller": {verdict: result.Error, findings: "cannot subscribe: " + noReply,
			act: func(*session, packet, *usppb.Msg) bool { return false }},
	}
	for name, m := range all {
		m.in = "1.78"
		m.waits = func(m *usppb.Msg) bool { return strings.Contains(m.String(), "usptest-second-") }
		all[name] = m
	}
	return all
}

// datagrams is how many one port of the silent host gets in a flood.
const datagrams = 3_000

// probeModes turn against the silent host of 1.92.
func probeModes() map[string]mode {
	host := ""
	return map[string]mode{
		"floods the silent host": {in: "1.92", late: true, verdict: result.Fail, findings: `tries for one hop: want "3"`,
			waits: func(m *usppb.Msg) bool {
				operate := m.GetBody().GetRequest().GetOperate()
				host = operate.GetInputArgs()["Host"]
				return strings.HasSuffix(operate.GetCommand(), "TraceRoute()")
			},
			act: func(s *session, p packet, _ *usppb.Msg) bool {
				var busy sync.WaitGroup
				for port := probes.FirstPort; port <= probes.LastPort; port++ {
					busy.Go(func() {
						c, err := net.Dial("udp", net.JoinHostPort(host, strconv.Itoa(port)))
						if err != nil {
							return
						}
						defer c.Close()
						data := []byte(strings.Repeat(evilText, 1_000))
						for range datagrams {
							c.Write(data[:rand.N(len(data))])
						}
					})
				}
				busy.Wait()
				return s.bytes(p.raw)
			}},
	}
}
