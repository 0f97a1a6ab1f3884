package hostile

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/usptest/usptest/fixtures/agent"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// mode is one way to be hostile. Unless it says otherwise it waits for the Add of case 1.1, and acts instead of the reply to it.
type mode struct {
	link  string // the only one that it is tried over; mqtt5 when empty
	in    string // the case in which it turns hostile; 1.1 when empty
	start func(h *hostile)
	waits func(request *usppb.Msg) bool // nil: for the Add
	// answers is for a Record of the harness whose answer is replaced in place of waits, each time; nil: for none
	answers func(*usppb.Record) bool
	act     func(s *session, reply packet, msg *usppb.Msg) bool
	// lost is called when the harness has ended the connection after that, or the first one after a reboot; what the agent opens waits until
	// it returns. nil: nothing is done.
	lost func(h *hostile)
	// seams changes the agent behind the device; nil: it is the clean one.
	seams func(*agent.Seams)
	// secures says that the agent behind the device has TLS in payloads, and takes whatever is signed there.
	secures bool
	// requests says that what changes every reply changes the agent's own requests as well.
	requests bool

	// What the run has to say: the verdict of that case, pass when empty, and words of its findings, or other ones instead where that
	// depends on what comes first.
	verdict  result.Verdict
	findings string
	instead  string
	late     bool              // its replies come, however late: each wait is patient
	large    bool              // a reply is so large that a busy machine sends and reads it for long
	brief    bool              // it stays away: the wait for it to reconnect is short
	also     map[string]string // further cases that fail, and what is found in each
}

// hostileTag is in every request of case 1.1 that its own mode waits for.
const hostileTag = "usptest-add-1-1-"

func (m mode) waitsFor(msg *usppb.Msg) bool {
	if m.waits != nil {
		return m.waits(msg)
	}
	return msg.GetBody().GetRequest().GetAdd() != nil && strings.Contains(msg.String(), hostileTag)
}

// evilText is what a device may put wherever it sends text: markup, terminal sequences, marks that turn the reading direction, line ends.
const evilText = "<script>alert('usptest')</script>\x1b[2J\x1b]0;owned\x07\u202egnp.exe\u2066\x00\u009b31m\r\nfake line\n  metric 9 pass ]]> &amp; {{.}}"

const (
	mib        = 1 << 20
	largest    = 15 * mib // nearly what a broker takes
	burst      = 10_000   // Notifies
	manyConns  = 40
	deepGroups = 9_000
)

// modes are all ways to be hostile, by name.
func modes() map[string]mode {
	all := map[string]mode{
		"well-behaved": {late: true},
	}
	for _, some := range []map[string]mode{wireModes(), recordModes(), messageModes(), modelModes(), processModes(), floodModes(),
		secondModes(), probeModes(), retryModes(), lifeModes(), sessionModes()} {
		maps.Copy(all, some)
	}
	for name, m := range all {
		if m.act == nil {
			m.act = func(s *session, reply packet, _ *usppb.Msg) bool { return s.bytes(reply.raw) }
		}
		if m.in == "" {
			m.in = "1.1"
		}
		if m.verdict == "" {
			m.verdict = result.Pass
		}
		all[name] = m
	}
	return all
}

// modeOf is the mode of that name.
func modeOf(name string) mode {
	if strings.HasPrefix(name, mutating) {
		return mutation(name)
	}
	if d, told := describedDevices()[name]; told {
		return d.mode()
	}
	return modes()[name]
}

// noReply is how the finding begins when the reply to the Add never came.
const noReply = "no reply to Add within"

// wireModes break the MTP.
func wireModes() map[string]mode {
	return map[string]mode{
		"garbage on the socket": {verdict: result.Fail, findings: noReply,
			act: func(s *session, _ packet, _ *usppb.Msg) bool {
				return s.bytes(bytes.Repeat([]byte{0xff, 0x00, 0xfe, '\n', 0x0f}, 20_000))
			}},
		"64 MiB packet": {verdict: result.Fail, findings: noReply,
			act: func(s *session, _ packet, _ *usppb.Msg) bool {
				if !s.bytes(s.wire.claim(64 * mib)) {
					return false
				}
				for range 64 {
					if !s.bytes(make([]byte, mib)) {
						return false
					}
				}
				return true
			}},
		"half packets on many connections": {late: true, verdict: result.Pass,
			act: func(s *session, reply packet, _ *usppb.Msg) bool {
				s.everywhere(s.opening(), func(write func([]byte) bool) {
					if write(s.wire.claim(largest)) {
						for range largest/mib - 1 {
							write(make([]byte, mib))
						}
					}
				})
				return s.bytes(reply.raw)
			}},
		"connections come and go": {late: true, verdict: result.Pass,
			act: func(s *session, reply packet, _ *usppb.Msg) bool {
				for range 2_000 {
					if c := s.dial(); c != nil {
						c.Close()
					}
				}
				return s.bytes(reply.raw)
			}},
		"drops every connection": {verdict: result.Fail, findings: noReply,
			act: func(s *session, _ packet, _ *usppb.Msg) bool {
				s.mu.Lock()
				s.cue, s.cued = "", false
				s.mu.Unlock()
				return false
			}},
		"reads nothing": {verdict: result.Fail, findings: noReply,
			act: func(s *session, _ packet, _ *usppb.Msg) bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.deaf, s.silent = true, true
				return true
			}},
	}
}

// everywhere does something on many more connections at once, each with the given opening, and returns when all have.
func (s *session) everywhere(opening []byte, do func(write func([]byte) bool)) {
	var busy sync.WaitGroup
	for range manyConns {
		c := s.dial()
		if c == nil {
			continue
		}
		busy.Go(func() {
			write := func(b []byte) bool { _, err := c.Write(b); return err == nil }
			if write(opening) {
				do(write)
			}
		})
	}
	busy.Wait()
}

// recordModes break the Record.
func recordModes() map[string]mode {
	return map[string]mode{
		"truncated record": {verdict: result.Fail, findings: "broken from byte",
			act: func(s *session, p packet, _ *usppb.Msg) bool { return s.record(p, p.record[:len(p.record)-3]) }},
		"record of random bytes": {verdict: result.Fail, findings: "the protobuf encoding of a Record",
			act: func(s *session, p packet, _ *usppb.Msg) bool {
				return s.record(p, bytes.Repeat([]byte{0xf7, 3, 0x80}, 1000))
			}},
		"empty record": {verdict: result.Fail, findings: "version of the Record: want",
			act: func(s *session, p packet, _ *usppb.Msg) bool { return s.record(p, nil) }},
		"wrong to_id": {verdict: result.Fail, findings: `to_id of the Record: want "self::usptest", got "self::someone-else"`,
			act: func(s *session, p packet, m *usppb.Msg) bool {
				return s.record(p, wrapBetween(s.agent, "self::someone-else", m))
			}},
		"wrong from_id": {verdict: result.Fail, findings: `got "proto::someone-else"`,
			act: func(s *session, p packet, m *usppb.Msg) bool {
				return s.record(p, wrapBetween("proto::someone-else", s.owner, m))
			}},
		"endless endpoint id": {late: true, verdict: result.Fail, findings: "from_id of the Record: ",
			act: func(s *session, p packet, m *usppb.Msg) bool {
				return s.record(p, wrapBetween(strings.Repeat(evilText, 50_000), s.owner, m))
			}},
		"invalid UTF-8": {verdict: result.Fail, findings: "text in UTF-8",
			act: func(s *session, p packet, m *usppb.Msg) bool {
				m.Body = usp.NewError("", usp.CodeInternalError, "MARK").Body
				m.Header.MsgType = usp.Error
				return s.record(p, bytes.Replace(s.wrapped(m), []byte("MARK"), []byte("\xff\xfe\xed\xa0"), 1))
			}},
		"deep nesting": {verdict: result.Fail, findings: "Records and Messages are valid",
			act: func(s *session, p packet, _ *usppb.Msg) bool {
				return s.record(p, bytes.Repeat(protowire.AppendTag(nil, 100, protowire.StartGroupType), 200_000)) &&
					s.record(p, append(bytes.Repeat(protowire.AppendTag(nil, 100, protowire.StartGroupType), deepGroups),
						bytes.Repeat(protowire.AppendTag(nil, 100, protowire.EndGroupType), deepGroups)...))
			}},
		"element bomb": {verdict: result.Fail, findings: "elements in all",
			act: func(s *session, p packet, m *usppb.Msg) bool {
				// 2 bytes each; an AddResp's list would hold them all
				inner := bytes.Repeat([]byte{0x0a, 0}, largest/2)
				return s.record(p, s.wrappedBytes(nested(inner, 2, 2, 6)))
			}},
	}
}

// nested puts bytes into fields of the given numbers, the last one innermost.
func nested(b []byte, fields ...protowire.Number) []byte {
	for _, field := range slices.Backward(fields) {
		b = append(protowire.AppendVarint(protowire.AppendTag(nil, field, protowire.BytesType), uint64(len(b))), b...)
	}
	return b
}

// wrappedBytes is a Record of the agent's around bytes in place of a Message.
func (h *hostile) wrappedBytes(payload []byte) []byte {
	raw, err := usp.Marshal(&usppb.Record{Version: usp.Version, ToId: h.owner, FromId: h.agent, RecordType: &usppb.Record_NoSessionContext{
		NoSessionContext: &usppb.NoSessionContextRecord{Payload: payload}}})
	if err != nil {
		panic(err)
	}
	return raw
}

// messageModes break what a Message says.
func messageModes() map[string]mode {
	return map[string]mode{
		"unknown msg_id": {verdict: result.Fail, findings: noReply,
			act: func(s *session, p packet, m *usppb.Msg) bool {
				m.Header.MsgId = evilText
				return s.message(p, m)
			}},
		"endless msg_id": {verdict: result.Fail, findings: noReply,
			act: func(s *session, p packet, m *usppb.Msg) bool {
				m.Header.MsgId = strings.Repeat("\x1b", largest)
				return s.message(p, m)
			}},
		"duplicate replies": {verdict: result.Fail, findings: "want one, got a second one",
			act: func(s *session, p packet, _ *usppb.Msg) bool {
				for range 100 {
					if !s.record(p, p.record) {
						return false
					}
				}
				return true
			}},
		"evil texts": {verdict: result.Fail, findings: "<script>alert",
			act: func(s *session, p packet, m *usppb.Msg) bool {
				return s.message(p, usp.NewError(m.GetHeader().GetMsgId(), usp.CodeInternalError, evilText,
					&usppb.Error_ParamError{ParamPath: evilText, ErrCode: 7012, ErrMsg: evilText}))
			}},
		"endless texts": {late: true, verdict: result.Fail, findings: "want AddResp, got Error",
			act: func(s *session, p packet, m *usppb.Msg) bool {
				return s.message(p, usp.NewError(m.GetHeader().GetMsgId(), usp.CodeInternalError, strings.Repeat(evilText, largest/len(evilText))))
			}},
		"evil values": {verdict: result.Fail, findings: "<script>alert",
			act: func(s *session, p packet, m *usppb.Msg) bool {
				s.replies(func(m *usppb.Msg) *usppb.Msg {
					for _, q := range m.GetBody().GetResponse().GetGetResp().GetReqPathResults() {
						for _, r := range q.GetResolvedPathResults() {
							for name := range r.GetResultParams() {
								r.ResultParams[name] = evilText
							}
							r.ResultParams[evilText] = evilText
						}
					}
					return m
				})
				return s.bytes(p.raw)
			}},
		"huge map": {late: true, verdict: result.Fail, findings: "unique_keys",
			act: func(s *session, p packet, m *usppb.Msg) bool {
				ok := m.GetBody().GetResponse().GetAddResp().GetCreatedObjResults()[0].GetOperStatus().GetOperSuccess()
				for i := range 200_000 {
					ok.UniqueKeys[nth("Key", i)] = nth("value ", i)
				}
				return s.message(p, m)
			}},
		"created too much": {late: true, verdict: result.Fail, findings: "number of created_obj_results",
			act: func(s *session, p packet, m *usppb.Msg) bool {
				results := &m.GetBody().GetResponse().GetAddResp().CreatedObjResults
				*results = slices.Repeat(*results, 20_000)
				return s.message(p, m)
			}},
		"GetResp to everything": {verdict: result.Fail, findings: "want AddResp, got GetResp",
			act: func(s *session, p packet, m *usppb.Msg) bool {
				answer := func(m *usppb.Msg) *usppb.Msg { return usp.NewMsg(m.GetHeader().GetMsgId(), &usppb.GetResp{}) }
				s.replies(answer)
				return s.message(p, answer(m))
			}},
		"empty messages": {verdict: result.Fail, findings: "want AddResp, got",
			act: func(s *session, p packet, m *usppb.Msg) bool {
				answer := func(m *usppb.Msg) *usppb.Msg {
					return &usppb.Msg{Header: &usppb.Header{MsgId: m.GetHeader().GetMsgId()}}
				}
				s.replies(answer)
				return s.message(p, answer(m))
			}},
		"evil identity": {late: true, verdict: result.Pass,
			waits: func(m *usppb.Msg) bool { return strings.Contains(m.String(), "DeviceInfo.Manufacturer") },
			act: func(s *session, p packet, m *usppb.Msg) bool {
				for _, q := range m.GetBody().GetResponse().GetGetResp().GetReqPathResults() {
					for _, r := range q.GetResolvedPathResults() {
						for name := range r.GetResultParams() {
							r.ResultParams[name] = strings.Repeat(evilText, 10_000)
						}
					}
				}
				return s.message(p, m)
			}},
	}
}

// modelModes break what the device says of itself at the first contact.
func modelModes() map[string]mode {
	type (
		object = usppb.GetSupportedDMResp_SupportedObjectResult
		param  = usppb.GetSupportedDMResp_SupportedParamResult
	)
	waits := func(m *usppb.Msg) bool { return m.GetBody().GetRequest().GetGetSupportedDm() != nil }
	model := func(objects func() []*object) func(*session, packet, *usppb.Msg) bool {
		return func(s *session, p packet, m *usppb.Msg) bool {
			return s.message(p, usp.NewMsg(m.GetHeader().GetMsgId(), &usppb.GetSupportedDMResp{ReqObjResults: []*usppb.GetSupportedDMResp_RequestedObjectResult{{
				ReqObjPath: "Device.", SupportedObjs: objects()}}}))
		}
	}
	params := func(count int) (all []*param) {
		for i := range count {
			all = append(all, &param{ParamName: nth("P", i), ValueType: 999, Access: 999, ValueChange: -1})
		}
		return all
	}
	replace := func(m *usppb.Msg, value string) *usppb.Msg {
		for _, q := range m.GetBody().GetResponse().GetGetResp().GetReqPathResults() {
			for _, r := range q.GetResolvedPathResults() {
				for name := range r.GetResultParams() {
					r.ResultParams[name] = value
				}
			}
		}
		return m
	}
	return map[string]mode{
		"huge model": {late: true, verdict: result.Fail, findings: "want a known ParamAccessType, got unknown value 999",
			also: map[string]string{"1.36": "as described at first contact"}, waits: waits, act: model(func() []*object {
				return []*object{{SupportedObjPath: "Device.", SupportedParams: params(400_000)}}
			})},
		"a model of objects": {late: true, verdict: result.Fail, findings: "want a known ObjAccessType, got unknown value 999",
			also: map[string]string{"1.36": "as described at first contact"}, waits: waits, act: model(func() (all []*object) {
				for i := range 200_000 {
					all = append(all, &object{SupportedObjPath: nth("Device.X.{i}.Y.{i}.Z", i) + ".", Access: 999, IsMultiInstance: true})
				}
				return all
			})},
		"endless paths in the model": {late: true, verdict: result.Fail, findings: endlessPaths, waits: waits,
			act: thenHonest(model(func() []*object {
				return []*object{{SupportedObjPath: strings.Repeat("Device.", mib/2), SupportedParams: params(200_000)}}
			}))},
		"evil model": {late: true, verdict: result.Fail, findings: "want a known ObjAccessType, got unknown value -1",
			also: map[string]string{"1.36": "as described at first contact"}, waits: waits, act: model(func() (all []*object) {
				for i := range 1_000 {
					all = append(all, &object{SupportedObjPath: evilText + nth("Device.", i), Access: -1, SupportedParams: []*param{{ParamName: evilText, Access: -1, ValueType: -1}},
						SupportedCommands: []*usppb.GetSupportedDMResp_SupportedCommandResult{{CommandName: evilText + "()", CommandType: -1, InputArgNames: []string{evilText}}},
						SupportedEvents:   []*usppb.GetSupportedDMResp_SupportedEventResult{{EventName: evilText + "!", ArgNames: []string{evilText}}}})
				}
				return all
			})},
		"no model": {waits: waits, act: func(*session, packet, *usppb.Msg) bool { return true }},
		"an error for a model": {late: true, waits: waits, act: func(s *session, p packet, m *usppb.Msg) bool {
			return s.message(p, usp.NewError(m.GetHeader().GetMsgId(), usp.CodeInternalError, strings.Repeat(evilText, largest/len(evilText))))
		}},
		"endless values of features": {late: true, waits: func(m *usppb.Msg) bool {
			return strings.Contains(m.String(), "SupportedProtocols") || strings.Contains(m.String(), "Supported") && m.GetBody().GetRequest().GetGet() != nil
		}, act: func(s *session, p packet, m *usppb.Msg) bool {
			return s.message(p, replace(m, strings.Repeat("\x1b", 4*mib)))
		}},
		"endless paths of values": {late: true, verdict: result.Fail, findings: endlessPaths,
			waits: func(m *usppb.Msg) bool { return strings.Contains(m.String(), "LocalAgent.Subscription.*.ID") },
			act: thenHonest(func(s *session, p packet, m *usppb.Msg) bool {
				return s.message(p, usp.NewMsg(m.GetHeader().GetMsgId(), &usppb.GetResp{ReqPathResults: []*usppb.GetResp_RequestedPathResult{{
					ResolvedPathResults: []*usppb.GetResp_ResolvedPathResult{{ResolvedPath: strings.Repeat("Device.", mib/2), ResultParams: manyParams(100_000, "X")}}}}}))
			})},
		"endless rows of leftovers": {late: true, waits: func(m *usppb.Msg) bool { return strings.Contains(m.String(), "LocalAgent.Subscription.*.ID") },
			act: func(s *session, p packet, m *usppb.Msg) bool {
				q := &usppb.GetResp_RequestedPathResult{}
				for i := range 100_000 {
					q.ResolvedPathResults = append(q.ResolvedPathResults, &usppb.GetResp_ResolvedPathResult{
						ResolvedPath: nth("Device.LocalAgent.Subscription.", i+1000) + ".", ResultParams: map[string]string{"ID": "usptest-" + evilText}})
				}
				return s.message(p, usp.NewMsg(m.GetHeader().GetMsgId(), &usppb.GetResp{ReqPathResults: []*usppb.GetResp_RequestedPathResult{q}}))
			}},
	}
}

// endlessPaths is what is found of paths that would take all memory with the names below them.
const endlessPaths = "bytes of paths with the names below them"

// thenHonest lets the agent's own reply follow a Record that nobody can take, so that the request is answered.
func thenHonest(act func(*session, packet, *usppb.Msg) bool) func(*session, packet, *usppb.Msg) bool {
	return func(s *session, reply packet, m *usppb.Msg) bool { return act(s, reply, m) && s.bytes(reply.raw) }
}

// replies changes every reply from now on.
func (s *session) replies(change func(*usppb.Msg) *usppb.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.respond = change
}

// processModes are faults of the device as a whole.
func processModes() map[string]mode {
	end := func(code int) func(*session, packet, *usppb.Msg) bool {
		return func(*session, packet, *usppb.Msg) bool {
			fmt.Println(evilText)
			os.Exit(code)
			return false
		}
	}
	return map[string]mode{
		"hangs": {verdict: result.Fail, findings: noReply,
			act: func(s *session, _ packet, _ *usppb.Msg) bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.silent = true
				return true
			}},
		"dies":    {verdict: result.Fail, findings: "the device's process: want to run through the case, got it ended: exit status 3", act: end(3)},
		"reboots": {verdict: result.Fail, findings: "the device's process: want to run through the case, got it ended: exit status 0", act: end(0)},
		"writes an endless log": {late: true, verdict: result.Pass,
			act: func(s *session, p packet, _ *usppb.Msg) bool {
				line := []byte(strings.Repeat(evilText, mib/len(evilText)))
				for range 100 {
					os.Stdout.Write(line)
				}
				return s.bytes(p.raw)
			}},
	}
}

// notify is the nth Notify of a Subscription that nobody has.
func notify(n int, big string) *usppb.Msg {
	return usp.NewMsg(nth("notify-", n), &usppb.Notify{SubscriptionId: "nobody's " + big, SendResp: true, Notification: &usppb.Notify_ValueChange_{
		ValueChange: &usppb.Notify_ValueChange{ParamPath: "Device.DeviceInfo.UpTime", ParamValue: nth("", n)}}})
}

// floodModes send more than a harness can keep.
func floodModes() map[string]mode {
	send := func(count int, make func(n int) *usppb.Msg) func(*session, packet, *usppb.Msg) bool {
		return func(s *session, p packet, _ *usppb.Msg) bool {
			for n := range count {
				if !s.message(p, make(n)) {
					return false
				}
			}
			return s.bytes(p.raw)
		}
	}
	return map[string]mode{
		"10,000 Notifies": {late: true, verdict: result.Pass, act: send(burst, func(n int) *usppb.Msg { return notify(n, "") })},
		"large Notifies": {late: true, verdict: result.Pass,
			act: send(200, func(n int) *usppb.Msg { return notify(n, strings.Repeat("x", mib)) })},
		"large replies nobody asked for": {late: true, verdict: result.Fail, findings: "want that of a request that was sent",
			act: send(20, func(n int) *usppb.Msg {
				return usp.NewMsg(nth("none-", n), &usppb.GetResp{ReqPathResults: []*usppb.GetResp_RequestedPathResult{{
					ResolvedPathResults: []*usppb.GetResp_ResolvedPathResult{{ResolvedPath: "Device.", ResultParams: manyParams(100_000, "X")}}}}})
			})},
		"many secrets": {late: true, verdict: result.Fail, findings: "want that of a request that was sent",
			act: send(10, func(n int) *usppb.Msg {
				return usp.NewMsg(nth("none-", n), &usppb.GetResp{ReqPathResults: []*usppb.GetResp_RequestedPathResult{{
					ResolvedPathResults: []*usppb.GetResp_ResolvedPathResult{{ResolvedPath: "Device.", ResultParams: manyParams(20_000, "Password"+nth("", n))}}}}})
			})},
		"small records that decode large": {late: true, verdict: result.Fail, findings: "Records and Messages are valid",
			act: func(s *session, p packet, _ *usppb.Msg) bool {
				record := s.wrappedBytes(nested(bytes.Repeat([]byte{0x0a, 0}, 100_000), 2, 2, 6))
				for range 100 {
					if !s.record(p, record) {
						return false
					}
				}
				return s.bytes(p.raw)
			}},
		"fills the collector": {late: true, verdict: result.Pass,
			act: func(s *session, p packet, _ *usppb.Msg) bool {
				var busy sync.WaitGroup
				for range manyConns {
					busy.Go(func() {
						for range 5 {
							response, err := http.Post(s.collector+"/"+strings.Repeat("<script>", 100), evilText[:8], bytes.NewReader(make([]byte, 4*mib-1)))
							if err == nil {
								response.Body.Close()
							}
						}
					})
				}
				busy.Wait()
				return s.bytes(p.raw)
			}},
	}
}

// manyParams are parameters with values of 30 bytes.
func manyParams(count int, name string) usp.Params {
	params := usp.Params{}
	for i := range count {
		params[nth(name, i)] = nth("a value of thirty bytes or so ", i)
	}
	return params
}
