package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usptest/usptest/harness"
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

// simple is a device in memory that shows its parameters and deletes what it is told to.
type simple struct {
	link.Link // panics where a test calls what it should not
	receive   func(link.Inbound)

	mu      sync.Mutex
	params  usp.Params
	deleted []string
	refuses bool // it answers everything with an Error
	mute    bool
	away    bool
	named   string // it answers nothing, and speaks of its own accord under this Endpoint ID
}

func (s *simple) OnRecord(f func(link.Inbound)) { s.receive = f }

func (s *simple) Name() string { return "memory" }

func (s *simple) Connected(ctx context.Context) error {
	if !s.away {
		return nil
	}
	<-ctx.Done()
	return fmt.Errorf("%w: %w", link.ErrUnreachable, ctx.Err())
}

func (s *simple) Send(_ context.Context, raw []byte) (uint64, error) {
	if s.away {
		return 0, link.ErrUnreachable
	}
	if s.named != "" {
		wrapped := must(usp.WrapMessage("self::usptest", usp.EndpointID(s.named), usp.Version, usp.NewMsg("hello", &usppb.Notify{SubscriptionId: "s"})))
		s.receive(link.Inbound{Raw: must(usp.Marshal(wrapped))})
		return 1, nil
	}
	record := must(usp.ParseRecord(raw))
	m := must(usp.ParseMessage(record.GetNoSessionContext().GetPayload()))
	if reply := s.answer(m.GetHeader().GetMsgId(), m.GetBody().GetRequest()); !s.mute {
		wrapped := must(usp.WrapMessage("self::usptest", "proto::device", usp.Version, reply))
		s.receive(link.Inbound{Raw: must(usp.Marshal(wrapped))})
	}
	return 1, nil
}

func (s *simple) answer(id string, request *usppb.Request) *usppb.Msg {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuses {
		return usp.NewError(id, usp.CodeRequestDenied, "no")
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

// simpleBench is a bench with a simple device.
func simpleBench(t *testing.T, s *simple) *bench {
	j := journal.New()
	f := &dut.File{Waits: dut.Waits{Connect: 8 * time.Second, Response: 4 * time.Second, Reconnect: 6 * time.Second}}
	f.SetDefaults()
	return &bench{link: s, Bench: &harness.Bench{
		Link: "mqtt5", Journal: j, DUT: f, Scale: 1, Device: lab.NewDevice(j, f, dut.Vars{}, lab.Options{}),
		Agent: controller.New(t.Context(), j, s, controller.Options{
			ID: "self::usptest", AgentID: "proto::device", Version: usp.Version, Timeout: f.Waits.Response,
		}),
	}}
}

func TestTheFirstContact(t *testing.T) {
	for name, test := range map[string]struct {
		device *simple
		want   string
	}{
		"answers":      {&simple{}, ""},
		"refuses":      {&simple{refuses: true}, ""}, // that is an answer, too
		"is mute":      {&simple{mute: true}, `the device is connected but does not answer within 8s (waits.connect): no reply to Get within 4s`},
		"is another":   {&simple{named: "proto::other"}, `the device calls itself "proto::other"; device.endpoint in the DUT file is "proto::device": make them the same`},
		"is not there": {&simple{away: true}, `no device within 8s (waits.connect): no Agent can be reached; seen: no TCP connection to the harness`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				err := simpleBench(t, test.device).contact(t.Context())
				if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)) {
					t.Errorf("got %v", err)
				}
				if took := time.Since(began); err != nil && took != 8*time.Second {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

func TestAnInterruptEndsTheFirstContact(t *testing.T) {
	for name, device := range map[string]*simple{"is mute": {mute: true}, "is not there": {away: true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, cancel)
				if err := simpleBench(t, device).contact(ctx); !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestWhatWasSeenIsCounted(t *testing.T) {
	for _, test := range []struct {
		link string
		seen []string // layer and type
		want string
	}{
		{"mqtt5", []string{"tcp open", "tls alert", "tcp open"}, "seen: 2 tcp open, 1 tls alert; the device refuses the broker's certificate"},
		{"mqtt5+tls", []string{"tcp open"}, "seen: 1 tcp open; the device does not begin with TLS"},
		{"mqtt5", []string{"tcp open", "mqtt malformed"}, "what came is not mqtt"},
		{"websocket", []string{"tcp open", "websocket HANDSHAKE"}, `has to ask for the path "/usp"`},
		{"mqtt5", []string{"tcp open", "mqtt CONNECT", "mqtt SUBSCRIBE"}, "agentTopic must be what it subscribes to"},
		{"stomp", []string{"tcp open", "stomp CONNECT"}, "connects but does not subscribe"},
		{"mqtt5", []string{"tcp open"}, "seen: 1 tcp open; what came is not mqtt"},
	} {
		b := simpleBench(t, &simple{})
		b.Link = test.link
		b.DUT.Links = []dut.LinkSpec{{MTP: dut.MQTT, Version: "5.0"}, {MTP: dut.MQTT, Version: "5.0", TLS: true}, {MTP: dut.STOMP}, {MTP: dut.WebSocket, Path: "/usp"}}
		for _, kind := range test.seen {
			layer, typ, _ := strings.Cut(kind, " ")
			b.Journal.Append(journal.Event{Layer: journal.Layer(layer), Dir: journal.In, Type: typ})
		}
		b.Journal.Append(journal.Event{Layer: journal.LayerTCP, Dir: journal.Out, Type: "close"})
		if got := b.seen(0); !strings.Contains(got, test.want) {
			t.Errorf("%s, %v: want %q, got %q", test.link, test.seen, test.want, got)
		}
	}
}

func TestADeviceSaysWhoItIs(t *testing.T) {
	long := strings.Repeat("x", 3*maxIdentity)
	s := &simple{params: usp.Params{"Device.DeviceInfo.Manufacturer": "ACME", "Device.DeviceInfo.SoftwareVersion": long}}
	id := simpleBench(t, s).identify(t.Context())
	if id.Vendor != "ACME" || id.Model != "" || len(id.Software) > 2*maxIdentity || id.Endpoint != "proto::device" {
		t.Errorf("got %+v", id)
	}
}

func TestADeviceShowsItsFirmwareBanks(t *testing.T) {
	const bank = "Device.DeviceInfo.FirmwareImage."
	shows := usp.Params{"Device.DeviceInfo.ActiveFirmwareImage": bank + "10", "Device.DeviceInfo.BootFirmwareImage": bank + "2.",
		bank + "10.Name": "new", bank + "10.Version": "5", bank + "10.Status": "Available", bank + "2.Name": strings.Repeat("x", 3*maxIdentity),
		bank + "none.Name": "of no instance", bank + "3": "no row"}
	want := []result.FirmwareBank{{Instance: 2, Name: strings.Repeat("x", maxIdentity), Boot: true},
		{Instance: 10, Name: "new", Version: "5", Status: "Available", Active: true}}
	if got := banks(shows); !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
	if got := banks(usp.Params{"Device.DeviceInfo.SoftwareVersion": "1"}); got != nil {
		t.Errorf("a device without banks has %+v", got)
	}
	for n := range 10_000 {
		shows[fmt.Sprintf("%s%d.Name", bank, n)] = "x"
	}
	if got := banks(shows); len(got) != maxBanks || got[0].Instance != 1 || got[1].Instance != 2 {
		t.Errorf("got %d banks: %+v", len(got), got)
	}
	s := &simple{params: usp.Params{"Device.DeviceInfo.BootFirmwareImage": bank + "1", bank + "1.Version": "4.2"}}
	if got := simpleBench(t, s).identify(t.Context()).Firmware; !slices.Equal(got, []result.FirmwareBank{{Instance: 1, Version: "4.2", Boot: true}}) {
		t.Errorf("the device is asked otherwise: got %+v", got)
	}
}

// working is a worker with a simple device and a body for each of some cases, whose reports go to the buffer.
func working(t *testing.T, s *simple, bodies harness.Bodies) (*worker, *bytes.Buffer) {
	var out bytes.Buffer
	return &worker{job: job{Link: "mqtt5", Out: t.TempDir()}, bodies: bodies, bench: simpleBench(t, s), out: json.NewEncoder(&out)}, &out
}

// told are the reports in a few words.
func told(t *testing.T, out *bytes.Buffer) string {
	t.Helper()
	var words []string
	for line := range bytes.Lines(out.Bytes()) {
		var r report
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		switch {
		case r.Started != "":
			words = append(words, "started "+r.Started)
		case r.Case != nil:
			words = append(words, fmt.Sprintf("%s %s %s", r.Case.Verdict, r.Case.ID, r.Case.Reason))
		case r.Trouble != nil:
			words = append(words, "trouble "+r.Trouble.Text)
		case r.Note != "":
			words = append(words, "note "+r.Note)
		}
	}
	return strings.Join(words, "; ")
}

func planned(id string) plan.Case { return plan.Case{ID: id, Metrics: []plan.Metric{{N: 1}}} }

func TestOneCaseAfterTheOther(t *testing.T) {
	pass := func(c *harness.Case) { c.Metric(1, func(*harness.Metric) {}) }
	fail := func(c *harness.Case) { c.DeviceMust(errors.New("refused")) }
	for name, test := range map[string]struct {
		first harness.Body
		leave func(*simple) // what becomes of the device in the first case
		want  string
	}{
		"all is well": {pass, nil, "started 1.1; pass 1.1 ; started 1.2; pass 1.2 "},
		"a failure":   {fail, nil, "started 1.1; fail 1.1 refused; started 1.2; pass 1.2 "},
		"the device is gone": {fail, func(s *simple) { s.away = true },
			"started 1.1; trouble the device did not come back after case 1.1: no device within 6s (waits.reconnect): no Agent can be reached; " +
				"seen: no TCP connection to the harness; check that the device is configured for this address; fail 1.1 refused; " +
				"error 1.2 the device did not come back after case 1.1: no device within 6s (waits.reconnect): no Agent can be reached; " +
				"seen: no TCP connection to the harness; check that the device is configured for this address"},
		"gone, but the case passed": {pass, func(s *simple) { s.away = true }, "started 1.1; pass 1.1 ; started 1.2; pass 1.2 "}, // the next case will tell
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &simple{}
				w, out := working(t, s, harness.Bodies{"1.2": pass, "1.1": func(c *harness.Case) {
					if test.leave != nil {
						test.leave(s)
					}
					test.first(c)
				}})
				w.one(t.Context(), planned("1.1"))
				if n := len(w.bench.Journal.Since(0)); name == "all is well" && n > 0 {
					t.Errorf("the journal still has %d events of the case", n)
				}
				w.one(t.Context(), planned("1.2"))
				if got := told(t, out); got != test.want {
					t.Errorf("\n got %s\nwant %s", got, test.want)
				}
				if _, err := os.Stat(filepath.Join(w.Out, "journal", "mqtt5", "1.1.jsonl")); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestADeviceThatStaysAwayIsBroughtBackByTheLab(t *testing.T) {
	for name, test := range map[string]struct {
		lab     dut.LabSpec
		returns string // what brings it back
		want    string // how, or how the error ends
		asked   int
	}{
		"by its power": {dut.LabSpec{Power: dut.Hook{By: dut.ByHand}, FactoryReset: dut.Hook{By: dut.ByHand}}, "take the power",
			"the lab took the power from the device and gave it back", 1},
		"by its reset": {dut.LabSpec{Power: dut.Hook{By: dut.ByHand}, FactoryReset: dut.Hook{By: dut.ByHand}}, "reset the device",
			"the lab reset the device to its factory settings", 2},
		"by a reset over USP, which is no way": {dut.LabSpec{FactoryReset: dut.Hook{By: dut.ByUSP}}, "reset the device",
			"check that the device is configured for this address", 0},
		"by nobody": {dut.LabSpec{Power: dut.Hook{By: dut.ByHand}}, "", "lab.power: the operator was asked to take the power from the device, and give it back: out for lunch", 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, asked := &simple{away: true}, 0
				b := simpleBench(t, s)
				f := *b.DUT
				f.Lab = test.lab
				b.DUT, b.Device = &f, lab.NewDevice(b.Journal, &f, dut.Vars{}, lab.Options{Ask: func(_ context.Context, what string) error {
					asked++
					if test.returns == "" {
						return errors.New("out for lunch")
					}
					s.away = !strings.HasPrefix(what, test.returns)
					return nil
				}})
				how, err := b.recover(t.Context())
				if err != nil {
					how = err.Error()
				}
				if !strings.HasSuffix(how, test.want) || asked != test.asked {
					t.Errorf("asked %d times, got %s", asked, how)
				}
			})
		})
	}
}

func TestAnInterruptedWorkerStartsNoCase(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w, out := working(t, &simple{}, nil)
	if r := w.one(ctx, planned("1.1")); r.Verdict != result.Aborted || told(t, out) != "aborted 1.1 "+interrupted {
		t.Errorf("got %+v, told %s", r, told(t, out))
	}
}

func TestADeviceThatCannotBePreparedIsAnErrorOfTheCase(t *testing.T) {
	w, out := working(t, &simple{}, nil)
	f := *w.bench.DUT
	f.Lab.Launch = &dut.Launch{Exec: []string{"/nowhere/agent"}, Fresh: dut.FreshPerCase}
	w.bench.DUT, w.bench.Device = &f, lab.NewDevice(w.bench.Journal, &f, dut.Vars{}, lab.Options{})
	t.Cleanup(func() { w.bench.Device.Close() })
	r := w.one(t.Context(), planned("1.1"))
	if r.Verdict != result.Error || !strings.Contains(r.Reason, "/nowhere/agent") || !strings.Contains(told(t, out), "trouble the device did not come back after case 1.1") {
		t.Errorf("got %s %q, told %s", r.Verdict, r.Reason, told(t, out))
	}
}

func TestAJournalThatCannotBeWrittenCostsNoVerdict(t *testing.T) {
	w, out := working(t, &simple{}, harness.Bodies{"1.1": func(c *harness.Case) { c.Metric(1, func(*harness.Metric) {}) }})
	if err := os.WriteFile(filepath.Join(w.Out, "journal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r := w.one(t.Context(), planned("1.1"))
	if r.Verdict != result.Pass || r.Journal != "" || len(r.Notes) != 1 || !strings.Contains(told(t, out), "trouble 1.1: the journal could not be written") {
		t.Errorf("got %+v, told %s", r, told(t, out))
	}
}
