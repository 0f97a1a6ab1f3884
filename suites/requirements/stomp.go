package requirements

import (
	"context"
	"slices"
	"strings"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/brokers/stomp"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
)

// stompFrames is R-STOMP.5 and what else TR-369 says of the frames of an Agent in an ordinary session.
func stompFrames(c *harness.Case) {
	c.Uses(plan.NeedReconfiguration)
	const host, beats, interval, login = "VirtualHost", "EnableHeartbeats", "ServerRetryInitialInterval", "Username"
	row, began := c.BrokerRow(), c.Journal.Mark()
	c.Cleanup("connect as configured before", c.ConnectAnew)
	wanted := usp.Params{host: c.Fresh("host"), beats: "false", interval: "3"}
	c.Step(1, "set %s of %s to %s, %s to false, and %s to %s", host, row, wanted[host], beats, interval, wanted[interval])
	had := setWhatIsThere(c, row, wanted)
	c.Step(2, "end the connection, and wait for the next one")
	c.SettleConnection()
	opening, err := c.NewSession()
	c.DeviceMust(err)
	asked, ok := opening.Body.(*stomp.Frame)
	if !ok {
		c.DeviceMust(&usp.Mismatch{Where: "first frame of the connection", Want: "one that can be read", Got: opening.Type})
	}
	values, err := c.ReadAll(row)
	c.DeviceMust(err)

	if virtual := values[row+host]; virtual == "" {
		c.NotApplicable(1, "the device has no "+host+", or leaves it empty")
	} else {
		c.Metric(1, func(m *harness.Metric) {
			got, _ := asked.Header("host")
			if !strings.Contains(got, virtual) { // TR-369 says that the header contains the value
				m.Must(&usp.Mismatch{Where: asked.Command + ": header host", Want: usp.Quote(virtual), Got: usp.Quote(got)}, opening.Seq)
			}
			m.Saw(opening.Seq)
		})
	}
	if on, err := usp.ParseBool(values[row+beats]); err == nil && on {
		c.NotApplicable(2, "the device does not let "+beats+" be set to false")
	} else {
		if !slices.Contains(had, beats) {
			c.Note("the device has no %s, which counts as false", beats)
		}
		c.Metric(2, func(m *harness.Metric) {
			if value, there := asked.Header("heart-beat"); there {
				m.Must(expect.Equal(asked.Command+": header heart-beat", "0,0", strings.ReplaceAll(value, " ", "")), opening.Seq)
			}
			m.Saw(opening.Seq)
		})
	}
	switch secured := c.TLSOf(opening.Conn); {
	case secured != nil && len(secured.Body.(*gate.TLS).Peer) > 0:
		c.NotApplicable(7, "the device shows a client certificate")
	case values[row+login] == "":
		c.NotApplicable(7, "the device has no "+login+", or leaves it empty")
	default:
		c.Metric(7, func(m *harness.Metric) {
			m.Saw(opening.Seq)
			got, there := asked.Header("login")
			if !there {
				m.Must(&usp.Mismatch{Where: asked.Command, Want: "a header login", Got: "none"}, opening.Seq)
			}
			m.Must(expect.Equal(asked.Command+": header login", values[row+login], got), opening.Seq)
			if _, there := asked.Header("passcode"); !there {
				m.Must(&usp.Mismatch{Where: asked.Command, Want: "a header passcode", Got: "none"}, opening.Seq)
			}
			m.Note("the value of passcode is not judged: no device shows its Password")
		})
	}

	end := stompEnd{c, c.ControllerAddress + "/r-stomp-23"}
	c.Step(3, "get %s and ask for the answer at %q", endpointID, end.replyTo)
	got := c.Agent.Via(end).Get(c, endpointID)
	c.Metric(3, func(m *harness.Metric) {
		m.Must(answeredAt(c, got.Request.GetHeader().GetMsgId(), end.replyTo, got.Sent))
		m.Must(expect.Type(got, usp.GetResp), got.Evidence())
	})

	c.Step(4, "send an ERROR frame, and wait for the next connection")
	mark := c.Journal.Mark()
	c.STOMP().Error("the check sends an ERROR frame")
	failure, err := c.Await("end of the connection", c.ResponseWait(), mark, closesTCP(got.Conn))
	c.LabMust(err)
	if c.Metric(6, c.WatchRetries(c.STOMPRetryPolicy(row, values), failure, c.StartsSession).Next) {
		c.BackAfter(failure.Seq)
	}

	c.Step(5, "look at every frame of the Agent")
	for n, commands := range map[int][]string{4: {"BEGIN", "COMMIT", "ABORT"}, 5: {"ACK", "NACK"}} {
		c.Metric(n, func(m *harness.Metric) {
			for _, e := range c.Journal.Since(began) {
				if e.Dir == journal.In && e.Layer == journal.LayerSTOMP && slices.Contains(commands, e.Type) {
					m.Must(expect.Nothing("frames "+strings.Join(commands, ", ")+" of the Agent", e.Type), e.Seq)
				}
			}
		})
	}
	c.Metric(8, func(m *harness.Metric) {
		for _, e := range c.Journal.Since(began) {
			f, ok := e.Body.(*stomp.Frame)
			if !ok || e.Dir != journal.In || f.Command != "SUBSCRIBE" {
				continue
			}
			m.Saw(e.Seq)
			if ack, there := f.Header("ack"); there { // STOMP 1.2: without it, it is auto
				m.Must(expect.Equal("SUBSCRIBE: header ack", "auto", ack), e.Seq)
			}
		}
	})
}

// setWhatIsThere sets those of some parameters of an object that the device has and lets be set, and puts them back at the end. It returns
// the names of those that the device has.
func setWhatIsThere(c *harness.Case, object string, params usp.Params) (there []string) {
	wanted := usp.Params{}
	for _, name := range params.Names() {
		if _, err := c.Read(object + name); err == nil {
			c.Restore(object, name)
			wanted[name] = params[name]
		}
	}
	if len(wanted) > 0 {
		c.DeviceMust(expect.Type(c.Agent.Set(c, false, usp.Update(object, nil, wanted)), usp.SetResp))
	}
	return wanted.Names()
}

// answeredAt wants the answer to a request, wherever it was sent, to go to one address alone.
func answeredAt(c *harness.Case, msgID, address string, mark journal.Mark) error {
	for _, e := range c.Emitted(mark, c.Journal.Mark()) {
		if e.Answers() && e.MsgID() == msgID && e.To != address {
			want := usp.Quote(address) + ", which the request names"
			return &usp.Mismatch{Where: "destination of the answer", Want: want, Got: usp.Quote(e.To)}
		}
	}
	return nil
}

// stompEnd is the Controller with another reply-to-dest. It implements link.End.
type stompEnd struct {
	c       *harness.Case
	replyTo string
}

var _ link.End = stompEnd{}

// ReplyTo implements link.End.
func (e stompEnd) ReplyTo() string { return e.replyTo }

// Connected implements link.End.
func (e stompEnd) Connected(ctx context.Context) error { return e.c.Agent.Connected(ctx) }

// Send implements link.End.
func (e stompEnd) Send(_ context.Context, record []byte) (journal.Mark, error) {
	destination := e.c.AgentAddress
	if all := e.c.STOMP().Subscriptions(); len(all) > 0 {
		destination = all[len(all)-1].Destination
	}
	return e.c.STOMP().Send(destination, []stomp.Pair{
		{Name: "content-type", Value: "application/vnd.bbf.usp.msg"}, {Name: "reply-to-dest", Value: e.replyTo},
	}, record)
}
