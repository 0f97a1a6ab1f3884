package stomp

import (
	"slices"

	"github.com/usptest/usptest/brokers/stomp"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
)

// sessionEstablishment is 6.2. CONNECT, which STOMP 1.2 allows as well, is not what TR-369 asks for (R-STOMP.2).
func sessionEstablishment(c *harness.Case) {
	c.Step(1, "reboot the device")
	mark, isNew := reboot(c)
	c.Step(2, "wait until it connects and subscribes")
	if !c.Metric(1, func(m *harness.Metric) {
		e, err := c.Await("frame on a new connection", c.ReconnectWait(), mark, isNew.opening)
		m.Must(err)
		m.Must(expect.Equal("first frame of the connection: command", "STOMP", e.Type), e.Seq)
	}) {
		return
	}
	c.BackAfter(mark)
}

// newConn reports whether a connection was made after a reboot.
type newConn func(conn uint64) bool

// reboot makes the device restart, and returns the mark before it and how to know the connections that were opened after it. Each is looked
// for once, since a device may send many frames.
func reboot(c *harness.Case) (mark journal.Mark, isNew newConn) {
	mark = c.Reboot()
	return mark, newSince(c, mark)
}

// newSince tells the connections that were opened after mark.
func newSince(c *harness.Case, mark journal.Mark) newConn {
	known := map[uint64]bool{}
	return func(conn uint64) bool {
		opened, looked := known[conn]
		if !looked {
			opened = slices.ContainsFunc(c.Journal.Since(mark), func(e *journal.Event) bool {
				return e.Conn == conn && e.Layer == journal.LayerTCP && e.Type == "open"
			})
			known[conn] = opened
		}
		return opened
	}
}

// opening matches any frame on a new connection: the first match is the frame that begins its session.
func (isNew newConn) opening(e *journal.Event) error {
	if frame(e) == nil || !isNew(e.Conn) {
		return journal.ErrSkip
	}
	return nil
}

// subscribes matches a SUBSCRIBE to a destination, or to any when it is "", on a new connection.
func (isNew newConn) subscribes(destination string) func(*journal.Event) error {
	return func(e *journal.Event) error {
		f := frame(e)
		if f == nil || f.Command != "SUBSCRIBE" || !isNew(e.Conn) {
			return journal.ErrSkip
		}
		if destination == "" {
			return nil
		}
		return header(f, "destination", destination)
	}
}

// frame returns what an event says of a frame from the device, or nil when it is none.
func frame(e *journal.Event) *stomp.Frame {
	if e == nil || e.Dir != journal.In {
		return nil
	}
	f, _ := e.Body.(*stomp.Frame)
	return f
}

// header wants a header of a frame to have one of the values.
func header(f *stomp.Frame, name string, lawful ...string) error {
	got, ok := f.Header(name)
	if !ok {
		return &usp.Mismatch{Where: f.Command, Want: "a header " + name, Got: "none"}
	}
	where := f.Command + ": header " + name
	if len(lawful) == 1 {
		return expect.Equal(where, lawful[0], got)
	}
	return expect.OneOf(where, lawful, got)
}
