package harness

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/lab"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// bubble runs a test with a bench in a bubble, where waiting takes no time.
func bubble(t *testing.T, params usp.Params, f func(t *testing.T, b *Bench, d *device)) {
	synctest.Test(t, func(t *testing.T) {
		b, d := newBench(t, params)
		f(t, b, d)
	})
}

// TestANotifyThatWentElsewhere is named with its topic: it is what the device is to be set up with.
func TestANotifyThatWentElsewhere(t *testing.T) {
	b, _ := newBench(t, usp.Params{})
	b.Link, b.ControllerAddress = links(b.Journal)["mqtt5"], "controller"
	record, err := usp.WrapMessage(ownID, agentID, usp.Version, usp.NewMsg("1", &usppb.Notify{SubscriptionId: "s",
		Notification: &usppb.Notify_Event_{Event: &usppb.Notify_Event{ObjPath: "Device.", EventName: "Boot!"}}}))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := usp.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	p := planned(1)
	p.Needs = []string{"notify-receive"}
	b.Run(t.Context(), p, func(c *Case) {
		mark := c.Journal.Mark()
		c.Journal.Append(journal.Event{Layer: journal.LayerMQTT, Dir: journal.In, Type: mqtt.Publish,
			Body: &mqtt.Packet{Type: mqtt.Publish, Topic: "elsewhere", Payload: raw}})
		_, err := c.AwaitNotify("Notify", Wait{D: time.Millisecond}, mark, func(*usppb.Notify) error { return nil })
		const want = `a Notify went to "elsewhere" instead of "controller"`
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %s, got %v", want, err)
		}
	})
}

func TestAwaitSaysWhatItWaitedFor(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *Bench, d *device) {
		trying(t, b, func(c *Case) {
			mark := c.Journal.Mark()
			c.Journal.Append(journal.Event{Layer: journal.LayerMQTT, Dir: journal.In, Type: "SUBSCRIBE"})
			near := func(e *journal.Event) error { return errors.New("topic: want a, got b") }
			for _, test := range []struct {
				wait  Wait
				match func(*journal.Event) error
				want  string
			}{
				{c.ReconnectWait(), never, "no CONNECT within 6s (waits.reconnect); from the device meanwhile: 1 mqtt SUBSCRIBE"},
				{c.NotifyWait(), never, "no CONNECT within 3s (waits.notify); from the device meanwhile: 1 mqtt SUBSCRIBE"},
				{c.ResponseWait(), never, "no CONNECT within 4s (waits.response); from the device meanwhile: 1 mqtt SUBSCRIBE"},
				{Wait{D: time.Second}, near, "no CONNECT within 1s; from the device meanwhile: 1 mqtt SUBSCRIBE; nearest: event 1, SUBSCRIBE: topic: want a, got b"},
			} {
				began := time.Now()
				e, err := c.Await("CONNECT", test.wait, mark, test.match)
				if e != nil || err == nil || err.Error() != test.want || time.Since(began) != test.wait.D {
					t.Errorf("got %v, %v after %s", e, err, time.Since(began))
				}
			}
			over := Wait{D: time.Second, From: time.Now().Add(-time.Minute)}
			if _, err := c.Await("CONNECT", over, mark, never); err == nil || !strings.HasPrefix(err.Error(), "no CONNECT within 1s; ") {
				t.Errorf("a wait that was over when it was asked for: got %v", err)
			}
			c.Journal.Append(journal.Event{Layer: journal.LayerTCP, Dir: journal.In, Type: "close"})
			if _, err := c.Await("CONNECT", over, mark, never); err == nil || !strings.Contains(err.Error(), "; the device ended its connection meanwhile; ") {
				t.Errorf("a connection that ended: got %v", err)
			}
			if e, err := c.Await("SUBSCRIBE", Wait{D: time.Second}, mark, func(*journal.Event) error { return nil }); err != nil || e.Type != "SUBSCRIBE" {
				t.Errorf("got %v, %v", e, err)
			}
		})
	})
}

func TestAwaitNotify(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *Bench, d *device) {
		trying(t, b, func(c *Case) {
			any := func(*usppb.Notify) error { return nil }
			if m, err := c.AwaitNotify("Notify", c.NotifyWait(), 0, any); m != nil || err == nil || err.Error() != "no Notify within 3s (waits.notify); from the device meanwhile: nothing" {
				t.Errorf("got %v, %v", m, err)
			}
			time.AfterFunc(time.Second, func() { d.say(usp.NewMsg("1", &usppb.Notify{SubscriptionId: "s"})) })
			if m, err := c.AwaitNotify("Notify", c.NotifyWait(), 0, any); err != nil || m.GetHeader().GetMsgId() != "1" {
				t.Errorf("got %v, %v", m, err)
			}
		})
	})
}

func TestQuietNamesWhatBrokeTheSilence(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *Bench, d *device) {
		b.Scale = 10
		trying(t, b, func(c *Case) {
			began := time.Now()
			if e, err := c.Quiet("a packet", time.Minute, 0, never); e != nil || err != nil || time.Since(began) != 6*time.Second {
				t.Errorf("got %v, %v after %s", e, err, time.Since(began))
			}
			time.AfterFunc(time.Second, func() {
				c.Journal.Append(journal.Event{Layer: journal.LayerMQTT, Dir: journal.In, Type: "PUBLISH", Text: "to a topic"})
			})
			e, err := c.Quiet("packets", time.Minute, c.Journal.Mark(), func(*journal.Event) error { return nil })
			if e == nil || err == nil || err.Error() != "packets: want none within 6s, got mqtt PUBLISH: to a topic" {
				t.Errorf("got %v, %v", e, err)
			}
		})
	})
}

func TestEventuallyAsksAgain(t *testing.T) {
	for name, test := range map[string]struct {
		good  int // the check that succeeds, counted from 1; 0: none
		calls int
		want  string
	}{"at once": {1, 1, ""}, "later": {4, 4, ""}, "never": {0, 7, "check 7"}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, b *Bench, d *device) {
				trying(t, b, func(c *Case) {
					calls := 0
					err := c.Eventually(5*time.Second, func() error {
						if calls++; calls == test.good {
							return nil
						}
						return fmt.Errorf("check %d", calls)
					})
					if calls != test.calls || (err == nil) != (test.want == "") || err != nil && err.Error() != test.want {
						t.Errorf("got %v after %d calls", err, calls)
					}
				})
			})
		})
	}
}

func TestReading(t *testing.T) {
	params := usp.Params{"Device.X.A": "1", "Device.X.1.B": "2", "Device.Y.C": "3"}
	for name, test := range map[string]struct {
		answer func(id string) *usppb.Msg
		read   func(c *Case) (any, error)
		want   string // the values, or what the error says
	}{
		"one":         {nil, func(c *Case) (any, error) { return c.Read("Device.X.A") }, "1"},
		"an object":   {nil, func(c *Case) (any, error) { return c.ReadAll("Device.X.", "Device.Y.") }, "map[Device.X.1.B:2 Device.X.A:1 Device.Y.C:3]"},
		"nothing":     {nil, func(c *Case) (any, error) { return c.Read("Device.Z") }, `Get "Device.Z": want no error, got 7026 Invalid path: "no such path"`},
		"no reply":    {func(string) *usppb.Msg { return mute() }, func(c *Case) (any, error) { return c.Read("Device.X.A") }, "Get Device.X.A: no reply to Get within 4s"},
		"an Error":    {func(id string) *usppb.Msg { return usp.NewError(id, usp.CodeInternalError, "no") }, func(c *Case) (any, error) { return c.Read("Device.X.A") }, `Get Device.X.A: reply to Get: want GetResp, got Error 7003 Internal error: "no"`},
		"other reply": {func(id string) *usppb.Msg { return usp.NewMsg(id, &usppb.SetResp{}) }, func(c *Case) (any, error) { return c.Read("Device.X.A") }, "Get Device.X.A: reply to Get: want GetResp, got SetResp"},
		"empty reply": {func(id string) *usppb.Msg { return usp.NewMsg(id, &usppb.GetResp{}) }, func(c *Case) (any, error) { return c.Read("Device.X.A") }, "Get Device.X.A: the GetResp does not contain the parameter"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, params, func(t *testing.T, b *Bench, d *device) {
				if test.answer != nil {
					d.answer = func(m *usppb.Msg) *usppb.Msg { return test.answer(m.GetHeader().GetMsgId()) }
				}
				trying(t, b, func(c *Case) {
					got, err := test.read(c)
					text := fmt.Sprint(got)
					if err != nil {
						text = err.Error()
					}
					if !strings.HasPrefix(text, test.want) {
						t.Errorf("got %s, want %s", text, test.want)
					}
				})
			})
		})
	}
}

func TestASubscriptionIsGivenTimeToBeAdopted(t *testing.T) {
	const param = "Device.LocalAgent.MaxSubscriptionChangeAdoptionTime"
	for name, test := range map[string]struct {
		params usp.Params
		want   time.Duration
	}{
		"as the device says":            {usp.Params{param: "5"}, 5*time.Second + 1},
		"not at all":                    {usp.Params{param: "0"}, 1},
		"a minute at most":              {usp.Params{param: "86400"}, time.Minute + 1},
		"what is no number":             {usp.Params{param: "soon"}, 2 * time.Second},
		"the device is silent about it": {nil, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, test.params, func(t *testing.T, b *Bench, d *device) {
				trying(t, b, func(c *Case) {
					for range 2 {
						began := time.Now()
						c.SettleSubscription()
						if got := time.Since(began); got != test.want {
							t.Errorf("got %s", got)
						}
					}
				})
				if asked := d.asked(); len(asked) != 1 {
					t.Errorf("want it asked for once, got %q", asked)
				}
			})
		})
	}
}

func TestScaledTimes(t *testing.T) {
	b, _ := newBench(t, nil)
	b.Scale = 25
	c := newCase(t.Context(), b, planned(1))
	if got := c.Scaled(50 * time.Second); got != 2*time.Second {
		t.Errorf("got %s", got)
	}
	if got := c.ScaledTolerance(100 * time.Second); got != 4*time.Second {
		t.Errorf("got %s", got)
	}
	if got := c.ScaledTolerance(4 * time.Second); got != c.Waits().Tolerance {
		t.Errorf("got %s", got)
	}
}

const controllerTable = "Device.LocalAgent.Controller."

func TestTheRowOfTheController(t *testing.T) {
	for name, test := range map[string]struct {
		params usp.Params
		row    string
		err    string
	}{
		"second row": {usp.Params{controllerTable + "1.EndpointID": "self::other", controllerTable + "7.EndpointID": ownID}, controllerTable + "7.", ""},
		"none":       {usp.Params{controllerTable + "1.EndpointID": "self::other"}, "", `want a row whose EndpointID is "self::controller", got none`},
		"deeper":     {usp.Params{controllerTable + "1.MTP.1.EndpointID": ownID}, "", "got none"},
		"no table":   {nil, "", "7026 Invalid path"},
	} {
		t.Run(name, func(t *testing.T) {
			b, _ := newBench(t, test.params)
			trying(t, b, func(c *Case) {
				row, err := c.ControllerRow()
				if row != test.row || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
					t.Errorf("got %q, %v", row, err)
				}
			})
		})
	}
}

func TestSubstitutesAreNoted(t *testing.T) {
	b, _ := newBench(t, usp.Params{controllerTable + "3.EndpointID": ownID})
	b.DUT.Elements = map[string]string{dut.RoleReadable: "Device.DeviceInfo.ModelName"}
	r := trying(t, b, func(c *Case) {
		if got := c.Element(dut.RoleReadable); got != "Device.DeviceInfo.ModelName" {
			t.Errorf("got %q", got)
		}
		if got := c.Element(dut.RoleChanging); got != controllerTable+"3.ProvisioningCode" {
			t.Errorf("got %q", got)
		}
	})
	if want := []result.Alternate{{Role: dut.RoleReadable, Instead: "Device.LocalAgent.SoftwareVersion", Path: "Device.DeviceInfo.ModelName"}}; !slices.Equal(r.Alternates, want) {
		t.Errorf("got %q", r.Alternates)
	}
}

func TestRebooting(t *testing.T) {
	for name, test := range map[string]struct {
		by      string
		answer  func(id string) *usppb.Msg
		verdict result.Verdict
		reason  string
		asked   []string
	}{
		"over USP":          {dut.ByUSP, nil, result.Pass, "", []string{"Operate Device.Reboot()"}},
		"without an answer": {dut.ByUSP, func(string) *usppb.Msg { return mute() }, result.Pass, "", []string{"Operate Device.Reboot()"}},
		"refused": {dut.ByUSP, func(id string) *usppb.Msg { return usp.NewError(id, usp.CodeCommandFailure, "busy") }, result.Fail,
			`reply to Operate: want OperateResp, got Error 7022 Command failure: "busy"`, []string{"Operate Device.Reboot()"}},
		"by hand, nobody there": {dut.ByHand, nil, result.Error, "lab.reboot is manual, but there is nobody to ask", nil},
		"not at all":            {"", nil, result.Error, "lab.reboot is not set", nil},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, b *Bench, d *device) {
				f := *b.DUT
				f.Lab.Reboot = dut.Hook{By: test.by}
				b.DUT, b.Device = &f, lab.NewDevice(b.Journal, &f, dut.Vars{}, lab.Options{})
				if test.answer != nil {
					d.answer = func(m *usppb.Msg) *usppb.Msg { return test.answer(m.GetHeader().GetMsgId()) }
				}
				r := trying(t, b, func(c *Case) {
					before := c.Journal.Mark()
					if mark := c.Reboot(); mark != before {
						t.Errorf("want the mark before, %d, got %d", before, mark)
					}
				})
				if r.Verdict != test.verdict || !strings.HasPrefix(r.Reason, test.reason) || !slices.Equal(d.asked(), test.asked) {
					t.Errorf("got %s %q, asked %q", r.Verdict, r.Reason, d.asked())
				}
			})
		})
	}
}

// A device may reconnect because of a Set, which is not its session after the reboot.
func TestTheSessionOfASetIsNotThatAfterTheReboot(t *testing.T) {
	for _, by := range []string{dut.ByUSP, dut.ByExec} {
		t.Run(by, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, b *Bench, d *device) {
				f := *b.DUT
				f.Lab.Reboot = dut.Hook{By: by, Exec: []string{"true"}}
				b.DUT, b.Device = &f, lab.NewDevice(b.Journal, &f, dut.Vars{}, lab.Options{})
				connects := func(conn uint64) {
					b.Journal.Append(journal.Event{Layer: journal.LayerMQTT, Dir: journal.In, Type: "CONNECT", Conn: conn})
				}
				r := trying(t, b, func(c *Case) {
					c.Set("Device.X.", usp.Params{"ClientID": ""})
					time.AfterFunc(time.Second, func() { connects(2) })
					time.AfterFunc(5*time.Second, func() { connects(3) })
					if session := c.BackAfter(c.Reboot()); session.Conn != 3 {
						t.Errorf("want the session on connection 3, got %d", session.Conn)
					}
				})
				if r.Verdict != result.Pass {
					t.Errorf("got %s %q", r.Verdict, r.Reason)
				}
			})
		})
	}
}

func TestADeviceThatComesBack(t *testing.T) {
	connect := journal.Event{Layer: journal.LayerMQTT, Dir: journal.In, Type: "CONNECT"}
	for name, test := range map[string]struct {
		connects, reachable time.Duration // when; 0: never
		verdict             result.Verdict
		reason              string
	}{
		"in time":          {time.Second, 2 * time.Second, result.Pass, ""},
		"never":            {0, time.Second, result.Fail, "no new session of the device within 6s (waits.reconnect)"},
		"but not to reach": {time.Second, 0, result.Fail, "the device opened a session (event 1) but cannot be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, b *Bench, d *device) {
				d.away = make(chan struct{})
				r := trying(t, b, func(c *Case) {
					mark := c.Journal.Mark()
					if test.connects > 0 {
						time.AfterFunc(test.connects, func() { c.Journal.Append(connect) })
					}
					if test.reachable > 0 {
						time.AfterFunc(test.reachable, func() { close(d.away) })
					}
					if session := c.BackAfter(mark); session.Type != "CONNECT" {
						t.Errorf("got %+v", session)
					}
				})
				if r.Verdict != test.verdict || !strings.HasPrefix(r.Reason, test.reason) {
					t.Errorf("got %s %q", r.Verdict, r.Reason)
				}
			})
		})
	}
}

// An Agent may drop what comes before its Connect Record, and an old one sends none.
func TestTheConnectRecordIsWaitedForBriefly(t *testing.T) {
	for sent, want := range map[time.Duration]time.Duration{300 * time.Millisecond: 300 * time.Millisecond, time.Hour: time.Second} {
		bubble(t, nil, func(t *testing.T, b *Bench, d *device) {
			trying(t, b, func(c *Case) {
				mark, began := c.Journal.Mark(), time.Now()
				c.Journal.Append(journal.Event{Layer: journal.LayerRecord, Dir: journal.In, Type: "NoSessionContext"}) // of the session before
				c.Journal.Append(journal.Event{Layer: journal.LayerMQTT, Dir: journal.In, Type: "CONNECT"})
				timer := time.AfterFunc(sent, func() {
					c.Journal.Append(journal.Event{Layer: journal.LayerRecord, Dir: journal.In, Type: "MQTTConnect"})
				})
				defer timer.Stop()
				c.BackAfter(mark)
				if got := time.Since(began); got != want {
					t.Errorf("a Record after %s: waited %s", sent, got)
				}
			})
		})
	}
}

func TestANewSessionBeginsWithACut(t *testing.T) {
	bubble(t, nil, func(t *testing.T, b *Bench, d *device) {
		d.dropped = func() {
			b.Journal.Append(journal.Event{Layer: journal.LayerMQTT, Dir: journal.In, Type: mqtt.Connect})
		}
		r := trying(t, b, func(c *Case) {
			session, err := c.NewSession()
			if err != nil || session.Type != mqtt.Connect {
				t.Errorf("got %+v, %v", session, err)
			}
		})
		if r.Verdict != result.Pass {
			t.Errorf("got %s %q", r.Verdict, r.Reason)
		}
	})
}

func TestThePulseFeelsStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _ := newBench(t, nil)
		b.Pulse = StartPulse(t.Context())
		<-time.After(time.Second) // of the bubble's clock, which never stalls
		if got := b.Pulse.Worst(); got != 0 {
			t.Errorf("got %s", got)
		}
		b.Pulse.worst.Store(int64(50 * time.Millisecond))
		c := newCase(t.Context(), b, planned(1))
		if c.Lag() != 0 || c.Stall() != 0 {
			t.Error("in real time no stall counts")
		}
		b.Scale = 25
		c = newCase(t.Context(), b, planned(1))
		if c.Stall() != 100*time.Millisecond || c.Lag() != lag+100*time.Millisecond {
			t.Errorf("got %s and %s", c.Stall(), c.Lag())
		}
		b.Pulse.Reset()
		if b.Pulse.Worst() != 0 {
			t.Error("Reset begins again")
		}
	})
}

// TestAStallIsNamed in the report of a case that failed in real time, where it is longer than the tolerance.
func TestAStallIsNamed(t *testing.T) {
	for name, test := range map[string]struct {
		stall   time.Duration
		scale   float64
		passes  bool
		launch  []string
		contain string // of the note; "" for none
	}{
		"a fault":            {3 * time.Second, 1, false, nil, "stood still for as long as 3s in this case: "},
		"of a device beside": {3 * time.Second, 1, false, []string{"true"}, "in this case, and with it the device: "},
		"a pass":             {3 * time.Second, 1, true, nil, ""},
		"a simulated device": {3 * time.Second, 25, false, nil, ""},
		"a short stall":      {time.Millisecond, 1, false, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			b, _ := newBench(t, nil, test.launch...)
			b.Scale = test.scale
			b.Pulse = &Pulse{}
			r, _ := b.Run(t.Context(), planned(1), func(c *Case) {
				b.Pulse.worst.Store(int64(test.stall))
				c.Metric(1, func(m *Metric) {
					if !test.passes {
						m.Must(errors.New("late"))
					}
				})
			})
			notes := strings.Join(r.Notes, "; ")
			if strings.Contains(notes, "stood still") != (test.contain != "") || !strings.Contains(notes, test.contain) {
				t.Errorf("want %q, got %q", test.contain, notes)
			}
		})
	}
}

func TestWhatBreaksTheSilenceFailsAMetric(t *testing.T) {
	for name, test := range map[string]struct {
		match    func(*journal.Event) error
		verdict  result.Verdict
		evidence journal.Mark
	}{"silence": {never, result.Pass, 1}, "noise": {func(*journal.Event) error { return nil }, result.Fail, 2}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, b *Bench, d *device) {
				mark := b.Journal.Append(journal.Event{Type: "before"}).Seq
				r, _ := b.Run(t.Context(), planned(1), func(c *Case) {
					c.Journal.Append(journal.Event{Layer: journal.LayerMQTT, Dir: journal.In, Type: "PUBLISH"})
					c.Metric(1, func(m *Metric) { c.MustBeQuiet(m, "packets", time.Second, mark, test.match) })
				})
				if r.Verdict != test.verdict || fmt.Sprint(r.Metrics[0].Evidence) != fmt.Sprint([]journal.Mark{test.evidence}) {
					t.Errorf("got %s %q, evidence %v", r.Verdict, r.Reason, r.Metrics[0].Evidence)
				}
			})
		})
	}
}

func TestSilenceIsWatchedForAtLeastAsLongAsTheDUTFileSays(t *testing.T) {
	for name, test := range map[string]struct{ quiet, window, want time.Duration }{
		"the plan's window":       {3 * time.Second, 20 * time.Second, 20 * time.Second},
		"that of the DUT file":    {2 * time.Minute, 20 * time.Second, 2 * time.Minute},
		"none but the DUT file's": {time.Minute, 0, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, b *Bench, d *device) {
				b.DUT.Waits.Quiet = test.quiet
				r := trying(t, b, func(c *Case) {
					began := time.Now()
					_, err := c.Quiet("anything", test.window, b.Journal.Mark(), func(*journal.Event) error { return journal.ErrSkip })
					if got := time.Since(began); err != nil || got != test.want { // of the bubble's clock
						t.Errorf("watched for %s, %v; want %s", got, err, test.want)
					}
				})
				if r.Verdict != result.Pass {
					t.Errorf("got %s %q", r.Verdict, r.Reason)
				}
			})
		})
	}
}
