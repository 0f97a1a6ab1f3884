package harness

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/brokers/stomp"
	"github.com/usptest/usptest/brokers/websocket"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/lab"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

const (
	agentID = "proto::agent"
	ownID   = "self::controller"
)

// device is an Agent in memory with the parameters that a test gives it.
type device struct {
	link.Link // knows the MTP, but is never started
	receive   func(link.Inbound)

	mu       sync.Mutex
	params   usp.Params
	requests []string // what was asked, in order
	away     chan struct{}
	joined   *end   // of a further Controller
	dropped  func() // what happens when its session is cut; may be nil
	// answer goes before the device's own answers; nil means the device's own.
	answer func(*usppb.Msg) *usppb.Msg
}

// end is that of a further Controller.
type end struct {
	*device
	id, address string
	left        bool
}

func (d *device) Join(id string) link.Joined {
	d.joined.device, d.joined.id = d, id
	return d.joined
}

func (e *end) Address() string { return e.address }
func (e *end) Leave()          { e.left = true }

func (d *device) OnRecord(f func(link.Inbound)) { d.receive = f }

func (d *device) Name() string { return "memory" }

func (d *device) Reset() {}

func (d *device) ReplyTo() string { return "" }

func (d *device) Drop() {
	if d.dropped != nil {
		d.dropped()
	}
}

func (d *device) Connected(ctx context.Context) error {
	if d.away == nil {
		return nil
	}
	select {
	case <-d.away:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *device) Send(_ context.Context, raw []byte) (journal.Mark, error) {
	record, err := usp.ParseRecord(raw)
	if err != nil {
		return 0, err
	}
	m, err := usp.ParseMessage(record.GetNoSessionContext().GetPayload())
	if err != nil {
		return 0, err
	}
	d.mu.Lock()
	d.requests = append(d.requests, strings.Replace(controller.Summary(m), " "+m.GetHeader().GetMsgId(), "", 1))
	d.mu.Unlock()
	reply := d.own(m)
	if d.answer != nil {
		if other := d.answer(m); other != nil {
			reply = other
		}
	}
	if reply != nil {
		d.tell(record.GetFromId(), reply)
	}
	return 1, nil
}

// links are the Links of a test, none of which listens yet.
func links(j *journal.Journal) map[string]link.Link {
	const local = "127.0.0.1:0"
	return map[string]link.Link{
		"mqtt5":     link.NewMQTT(j, link.MQTTOptions{Version: mqtt.V5, AgentTopic: "agent", Broker: mqtt.Options{Addr: local}}),
		"stomp":     link.NewSTOMP(j, link.STOMPOptions{AgentDestination: "agent", Broker: stomp.Options{Addr: local}}),
		"websocket": link.NewWebSocket(j, link.WebSocketOptions{Broker: websocket.Options{Addr: local}}),
	}
}

// mute is the answer of a device that has none.
func mute() *usppb.Msg { return &usppb.Msg{} }

// say sends a Message to the first Controller.
func (d *device) say(m *usppb.Msg) { d.tell(ownID, m) }

// tell sends a Message to any Controller.
func (d *device) tell(to string, m *usppb.Msg) {
	if m.GetHeader() == nil { // mute
		return
	}
	record, err := usp.WrapMessage(usp.EndpointID(to), agentID, usp.Version, m)
	if err != nil {
		panic(err)
	}
	raw, err := usp.Marshal(record)
	if err != nil {
		panic(err)
	}
	d.receive(link.Inbound{Raw: raw})
}

// own answers as an Agent does: parameters are read and set, everything else succeeds without effect.
func (d *device) own(m *usppb.Msg) *usppb.Msg {
	id, request := m.GetHeader().GetMsgId(), m.GetBody().GetRequest()
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case request.GetGet() != nil:
		return usp.NewMsg(id, &usppb.GetResp{ReqPathResults: d.get(request.GetGet().GetParamPaths())})
	case request.GetSet() != nil:
		for _, o := range request.GetSet().GetUpdateObjs() {
			for _, p := range o.GetParamSettings() {
				d.params[o.GetObjPath()+p.GetParam()] = p.GetValue()
			}
		}
		return usp.NewMsg(id, &usppb.SetResp{})
	case request.GetDelete() != nil:
		return usp.NewMsg(id, &usppb.DeleteResp{})
	case request.GetOperate() != nil:
		return usp.NewMsg(id, &usppb.OperateResp{})
	}
	return nil
}

func (d *device) get(paths []string) []*usppb.GetResp_RequestedPathResult {
	var out []*usppb.GetResp_RequestedPathResult
	for _, path := range paths {
		q := &usppb.GetResp_RequestedPathResult{RequestedPath: path}
		for _, name := range d.params.Names() {
			if strings.HasPrefix(name, path) {
				at := strings.LastIndexByte(name, '.') + 1
				q.ResolvedPathResults = append(q.ResolvedPathResults, &usppb.GetResp_ResolvedPathResult{
					ResolvedPath: name[:at], ResultParams: usp.Params{name[at:]: d.params[name]},
				})
			}
		}
		if q.ResolvedPathResults == nil {
			q.ErrCode, q.ErrMsg = uint32(usp.CodeInvalidPath), "no such path"
		}
		out = append(out, q)
	}
	return out
}

// asked are the requests so far; a test may change the list.
func (d *device) asked() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.requests)
}

// newBench makes a bench with a device in memory. launch is how the lab starts it; usually not at all.
func newBench(t *testing.T, params usp.Params, launch ...string) (*Bench, *device) {
	t.Helper()
	if params == nil {
		params = usp.Params{}
	}
	j := journal.New()
	d := &device{Link: links(j)["mqtt5"], params: params}
	f := &dut.File{Waits: dut.Waits{
		Connect: 8 * time.Second, Response: 4 * time.Second, Notify: 3 * time.Second, Reconnect: 6 * time.Second, Settle: 2 * time.Second,
		Tolerance: time.Second,
	}}
	f.SetDefaults()
	if launch != nil {
		f.Lab.Launch = &dut.Launch{Exec: launch, Fresh: dut.FreshPerRun}
	}
	b := &Bench{
		Link: d, Journal: j, DUT: f, Scale: 1,
		Device: lab.NewDevice(j, f, dut.Vars{}, lab.Options{}),
		Agent: controller.New(t.Context(), j, d, controller.Options{
			ID: ownID, AgentID: agentID, Version: usp.Version, Timeout: f.Waits.Response,
		}),
	}
	t.Cleanup(func() { b.Device.Close() })
	return b, d
}

// planned is a case of the plan with some metrics.
func planned(metrics int) plan.Case {
	p := plan.Case{ID: "1.1", Title: "a case", Needs: []string{
		plan.NeedSilence, plan.NeedNotify, plan.NeedReboot, plan.NeedSecondController, plan.NeedSilentHost,
		plan.NeedTiming, plan.NeedOutage,
	}}
	for n := range metrics {
		p.Metrics = append(p.Metrics, plan.Metric{N: n + 1})
	}
	return p
}

// trying carries out a body outside of a run, as a case of one metric.
func trying(t *testing.T, b *Bench, body Body) result.Case {
	t.Helper()
	r, _ := b.Run(t.Context(), planned(1), func(c *Case) {
		body(c)
		c.Metric(1, func(*Metric) {})
	})
	return r
}
