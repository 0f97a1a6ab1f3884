package runner

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/lab"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// simple is a device in memory that shows its parameters and deletes what it is told to.
type simple struct {
	link.Link // knows the MTP, but is never started
	receive   func(link.Inbound)

	mu      sync.Mutex
	params  usp.Params
	deleted []string
	refuses bool // it answers everything with an Error
	mute    bool
	forbids bool          // it lets nobody add anything
	late    time.Duration // how long it takes to answer; 0: none
	away    bool
	arrives func() // what it does when it connects; may be nil
	drops   func() // what it does when it is disconnected; may be nil
	adds    func() // what happens when it is to add something; may be nil
	named   string // it answers nothing, and speaks of its own accord under this Endpoint ID
}

func (s *simple) OnRecord(f func(link.Inbound)) { s.receive = f }

func (s *simple) Name() string { return "memory" }

func (s *simple) Addr() string { return "127.0.0.1:7" }

func (s *simple) Reset() {}

func (s *simple) Drop() {
	if s.drops != nil {
		s.drops()
	}
}

func (s *simple) ReplyTo() string { return "" }

func (s *simple) Connected(ctx context.Context) error {
	if s.arrives != nil {
		s.arrives()
	}
	if !s.away {
		return nil
	}
	<-ctx.Done()
	return fmt.Errorf("%w: %w", link.ErrUnreachable, ctx.Err())
}

func (s *simple) Send(_ context.Context, raw []byte) (journal.Mark, error) {
	if s.away {
		return 0, link.ErrUnreachable
	}
	if s.named != "" {
		wrapped := must(usp.WrapMessage("self::usptest", usp.EndpointID(s.named), usp.Version, usp.NewMsg("hello", &usppb.Notify{SubscriptionId: "s",
			Notification: &usppb.Notify_ValueChange_{ValueChange: &usppb.Notify_ValueChange{ParamPath: "Device.LocalAgent.EndpointID", ParamValue: s.named}}})))
		s.receive(link.Inbound{Raw: must(usp.Marshal(wrapped))})
		return 1, nil
	}
	record := must(usp.ParseRecord(raw))
	m := must(usp.ParseMessage(record.GetNoSessionContext().GetPayload()))
	if reply := s.answer(m.GetHeader().GetMsgId(), m.GetBody().GetRequest()); !s.isMute() {
		wrapped := must(usp.WrapMessage("self::usptest", "proto::device", usp.Version, reply))
		in := link.Inbound{Raw: must(usp.Marshal(wrapped))}
		if s.late == 0 {
			s.receive(in)
		} else {
			time.AfterFunc(s.late, func() { s.receive(in) })
		}
	}
	return 1, nil
}

func (s *simple) isMute() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mute
}

func (s *simple) answer(id string, request *usppb.Request) *usppb.Msg {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuses {
		return usp.NewError(id, usp.CodeRequestDenied, "no")
	}
	if request.GetAdd() != nil && s.adds != nil {
		s.adds()
	}
	if request.GetAdd() != nil && s.forbids {
		return usp.NewError(id, usp.CodePermissionDenied, "no")
	}
	if request.GetDelete() != nil {
		s.deleted = append(s.deleted, request.GetDelete().GetObjPaths()...)
		return usp.NewMsg(id, &usppb.DeleteResp{})
	}
	resp := &usppb.GetResp{}
	for _, path := range request.GetGet().GetParamPaths() {
		q := &usppb.GetResp_RequestedPathResult{RequestedPath: path}
		for _, name := range s.params.Names() {
			at := strings.LastIndexByte(name, '.') + 1
			if name == path || strings.HasPrefix(name, strings.TrimSuffix(path, "*.ID")) {
				q.ResolvedPathResults = append(q.ResolvedPathResults, &usppb.GetResp_ResolvedPathResult{
					ResolvedPath: name[:at], ResultParams: usp.Params{name[at:]: s.params[name]}})
			}
		}
		resp.ReqPathResults = append(resp.ReqPathResults, q)
	}
	return usp.NewMsg(id, resp)
}

// simpleRig is a rig with a simple device.
func simpleRig(t *testing.T, s *simple) *rig {
	j := journal.New()
	f := &dut.File{Waits: dut.Waits{Connect: 8 * time.Second, Response: 4 * time.Second, Reconnect: 6 * time.Second}}
	f.SetDefaults()
	s.Link = link.NewMQTT(j, link.MQTTOptions{Version: mqtt.V5})
	return &rig{name: "mqtt5", Bench: &harness.Bench{
		Link: s, Journal: j, DUT: f, Scale: 1, Device: lab.NewDevice(j, f, dut.Vars{}, lab.Options{}),
		Agent: controller.New(t.Context(), j, s, controller.Options{
			ID: "self::usptest", AgentID: "proto::device", Version: usp.Version, Timeout: f.Waits.Response,
		}),
	}}
}
