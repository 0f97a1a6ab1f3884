package stomp

import (
	"fmt"
	"time"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

const endpointID = harness.EndpointID

// malformedRecords is 6.9: a malformed Record is ignored or answered with an Error in a Record, and
// the session goes on. The frames of their own that USP 1.0 had for errors are for senders who ask
// for them, which the harness does not (R-STOMP.24).
func malformedRecords(c *harness.Case) {
	before := c.Agent.Get(c, endpointID)
	c.DeviceMust(expect.Type(before, usp.GetResp))
	var failed error
	var evidence []journal.Mark
	for i, record := range c.MalformedRecords() {
		c.Step(i+1, "send %s, then a Get", record.What)
		seqs, err := provoke(c, before.Conn, record)
		evidence = append(evidence, seqs...)
		if err != nil {
			failed = fmt.Errorf("%s: %w", record.What, err)
			break
		}
	}
	c.Metric(1, func(m *harness.Metric) { m.Must(failed, evidence...) })
}

// provoke sends a malformed Record and a Get behind it, and judges every frame that comes until the
// Get is answered. It returns the events that it judged.
func provoke(c *harness.Case, conn uint64, record harness.Malformed) (evidence []journal.Mark, err error) {
	mark := c.Journal.Mark()
	seq, err := c.Agent.SendRaw(c, record.Raw)
	c.LabMust(err)
	get := usp.NewGet(c.Agent.NewMsgID(), endpointID)
	_, unsent := c.Agent.Send(c, get) // where the device has gone, its end is what counts
	evidence = append(evidence, seq)
	end, err := c.Await("answer to a Get sent afterwards", c.ResponseWait(), mark, func(e *journal.Event) error {
		if m, ok := e.Body.(*controller.Message); ok && e.Dir == journal.In && m.GetHeader().GetMsgId() == get.GetHeader().GetMsgId() {
			return nil
		}
		if goesOn(conn, e) != nil {
			return nil
		}
		return journal.ErrSkip
	})
	if err != nil {
		c.LabMust(unsent)
		return evidence, err
	}
	evidence = append(evidence, end.Seq)
	for _, e := range c.Journal.Since(mark) {
		if err := goesOn(conn, e); err != nil && e.Seq <= end.Seq {
			return append(evidence, e.Seq), err
		}
	}
	for _, e := range c.Emitted(mark, end.Seq) {
		if err := e.LawfulAfterMalformed(get.GetHeader().GetMsgId()); err != nil {
			return append(evidence, e.Seq), err
		}
	}
	return evidence, nil
}

// goesOn wants an event from the device to be no end of its connection conn, of the session or
// subscription over it, and a SEND there to carry a Record.
func goesOn(conn uint64, e *journal.Event) error {
	if ends(conn, journal.In)(e) == nil {
		return &usp.Mismatch{Where: "connection", Want: "open", Got: e.Text}
	}
	f := frame(e)
	switch {
	case f == nil || e.Conn != conn: // the Agent may have other connections
		return nil
	case f.Command == "SEND":
		return header(f, "content-type", recordType)
	}
	return expect.Nothing("frame other than SEND", f.Command)
}

// connectRecord is 6.12: the first Record of a session is its Connect Record (R-MTP.6, R-MTP.8). The time is that
// from CONNECTED.
func connectRecord(c *harness.Case) {
	c.Step(1, "reboot the device")
	mark, isNew := reboot(c)
	c.Step(2, "wait until it connects and subscribes")
	subscribed, err := c.Await("SUBSCRIBE frame", c.ReconnectWait(), mark, isNew.subscribes(""))
	c.DeviceMust(err)
	session := sessionBegan(c, subscribed)

	var record *usppb.STOMPConnectRecord
	var at *journal.Event
	if !c.Metric(1, func(m *harness.Metric) {
		r, first, err := c.FirstRecord(session)
		m.Must(err, session.Seq)
		if record, at = r.GetStompConnect(), first; record == nil {
			m.Must(&usp.Mismatch{Where: "first Record of the session", Want: "a STOMPConnectRecord", Got: first.Type}, first.Seq)
		}
		m.Saw(first.Seq)
		m.Note("%s after CONNECTED", first.At.Sub(session.At).Round(time.Millisecond))
	}) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		m.Must(expect.Equal("stomp_connect: version", usppb.STOMPConnectRecord_V1_2.String(), record.GetVersion().String()), at.Seq)
	})
	c.Metric(3, func(m *harness.Metric) {
		var all []string // an Agent with several STOMP MTPs may have them on one connection
		for _, e := range c.Journal.Since(session.Seq) {
			if f := frame(e); f != nil && f.Command == "SUBSCRIBE" && e.Conn == subscribed.Conn && e.Seq <= max(at.Seq, subscribed.Seq) {
				destination, _ := f.Header("destination")
				all = append(all, destination)
			}
		}
		m.Must(expect.OneOf("stomp_connect: subscribed_destination", all, record.GetSubscribedDestination()), subscribed.Seq, at.Seq)
	})
	c.BackAfter(mark)
}

// sessionBegan is the CONNECTED frame of the connection that has subscribed.
func sessionBegan(c *harness.Case, subscribed *journal.Event) *journal.Event {
	for _, e := range c.Journal.Since(0) {
		if e.Conn == subscribed.Conn && e.Layer == journal.LayerSTOMP && e.Dir == journal.Out && e.Type == "CONNECTED" {
			return e
		}
	}
	return subscribed
}

// secured is 6.11: the connection after the reboot begins with a TLS handshake, and nothing was
// tried without. Over it the Get is answered. A device that has TLS 1.3 must have 1.2, too.
func secured(c *harness.Case) {
	c.Step(1, "reboot the device")
	mark, isNew := reboot(c)
	c.Step(2, "wait until it connects")
	c.BackAfter(mark)
	c.Step(3, "get Device.DeviceInfo.")
	got := c.Agent.Get(c, "Device.DeviceInfo.")
	if !c.Metric(1, func(m *harness.Metric) {
		m.Must(expect.Type(got, usp.GetResp), got.Evidence())
		handshakes := 0
		for _, e := range c.Journal.Since(mark) {
			switch {
			case !isNew(e.Conn):
			case e.Layer == journal.LayerTLS && e.Type == "handshake failed":
				m.Must(&usp.Mismatch{Where: "attempt to connect", Want: "a TLS handshake that succeeds", Got: e.Text}, e.Seq)
			case frame(e) != nil && c.TLSOf(e.Conn) == nil:
				m.Must(&usp.Mismatch{Where: "frame on a new connection", Want: "a TLS handshake before it", Got: "none"}, e.Seq)
			case e.Layer == journal.LayerTLS && e.Type == "handshake":
				handshakes++
				m.Saw(e.Seq)
			}
		}
		if c.TLSOf(got.Conn) == nil {
			m.Must(&usp.Mismatch{Where: "connection over which the answer came", Want: "a TLS handshake", Got: "none"}, got.Packet)
		}
		m.Note("%d connections since the reboot, each secured by TLS", handshakes)
	}) {
		return
	}
	c.Beyond("TR-369 R-STOMP.36", func(m *harness.Metric) { c.MustTakeTLS12(m, mark) })
}
