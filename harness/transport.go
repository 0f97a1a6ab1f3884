package harness

import (
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// NewSession makes the device open another session and waits for it: the link cuts the one there is.
func (c *Case) NewSession() (*journal.Event, error) {
	mark := c.Journal.Mark()
	c.bench.Link.Drop()
	return c.Reconnected(mark)
}

// Ended returns the first event after mark in which the device ended a connection, of which the number is given, and nil while it has not.
func (c *Case) Ended(conn uint64, mark journal.Mark) *journal.Event {
	for _, e := range c.Journal.Since(mark) {
		if c.Ends(conn, e) {
			return e
		}
	}
	return nil
}

// Ends reports whether e is the device ending the connection of that number.
func (c *Case) Ends(conn uint64, e *journal.Event) bool {
	return e.Conn == conn && c.bench.Link.EndsSession(e)
}

// StaysConnected wants the device not to have ended the connection of that number since mark: to end it is no way to ignore a Record
// (R-MTP.5). It returns the event of the end, 0 when there is none.
func (c *Case) StaysConnected(conn uint64, mark journal.Mark) (seq journal.Mark, err error) {
	e := c.Ended(conn, mark)
	if e == nil {
		return 0, nil
	}
	return e.Seq, &usp.Mismatch{Where: "connection", Want: "to stay open, as the Record has to be ignored (R-MTP.5)",
		Got: fmt.Sprintf("%s %s: %s", e.Layer, e.Type, e.Text)}
}

// FirstRecord returns the first Record of the device in a session, which comes within 30 s of its beginning: its Connect Record (R-MTP.6,
// R-MTP.8). The Record is nil where it cannot be read.
func (c *Case) FirstRecord(session *journal.Event) (*usppb.Record, *journal.Event, error) {
	const longest = 30 * time.Second
	wait := Wait{D: c.Scaled(longest) + c.Waits().Tolerance + c.Lag(), From: session.At}
	first, err := c.Await("Connect Record", wait, session.Seq, func(e *journal.Event) error {
		if e.Layer != journal.LayerRecord || e.Dir != journal.In || e.Conn != session.Conn {
			return journal.ErrSkip
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	record, _ := first.Body.(*usppb.Record)
	return record, first, nil
}

// TLSOf returns the event of the TLS handshake that secured a connection, or nil when this case's journal has none.
func (c *Case) TLSOf(conn uint64) *journal.Event {
	for _, e := range c.Journal.Since(0) {
		if _, ok := e.Body.(*gate.TLS); ok && e.Conn == conn {
			return e
		}
	}
	return nil
}

// ResetBrokers ends every script of the link and the collector.
func (b *Bench) ResetBrokers() {
	b.Link.Reset()
	if b.Identity.Shown != nil {
		b.Identity.Shown.Set(nil)
	}
	if b.Discovery != nil {
		b.Discovery.Server.Reset()
	}
	for _, c := range []Collector{b.Collectors.HTTP, b.Collectors.HTTPS} {
		if c.Server != nil {
			c.Reset()
		}
	}
	if b.Files.Server != nil {
		b.Files.Reset()
	}
}

// BrokerRow returns the row that the device has for its connection with the broker of the Link, such as "Device.MQTT.Client.1.". Of those
// that an enabled row of its MTP table refers to it is the one that most signs point at, and the first when none does: another one may lead
// to the operator's own broker.
func (c *Case) BrokerRow() string {
	const table = "Device.LocalAgent.MTP."
	mtp := c.MTP
	mtps, err := c.ReadAll(table)
	c.DeviceMust(err)
	var rows, carriers []string // of the table, and what each refers to
	for _, row := range expect.Snapshot(mtps).Rows() {
		reference := expect.WithoutDot(mtps[row+mtp.Name+".Reference"])
		if on, err := usp.ParseBool(mtps[row+"Enable"]); err == nil && on && mtps[row+"Protocol"] == mtp.Name && reference != "" {
			rows, carriers = append(rows, row), append(carriers, reference+".")
		}
	}
	switch len(rows) {
	case 0:
		c.DeviceMust(fmt.Errorf("%s: want an enabled row of protocol %s whose %s.Reference names a row, got none", table, mtp.Name, mtp.Name))
	case 1:
		return carriers[0]
	}
	named := c.controllerReferences()
	best, most := "", -1
	for i, carrier := range carriers {
		values, _ := c.ReadAll(carrier) // what cannot be read is no sign
		signs := 0
		for _, sign := range []bool{
			named[rows[i]] || named[carrier],
			mtps[rows[i]+mtp.Name+"."+mtp.AgentAddress] == c.AgentAddress,
			values[carrier+mtp.BrokerHost] == c.bench.brokerHost(),
			values[carrier+mtp.BrokerPort] == c.bench.brokerPort(),
		} {
			if sign {
				signs++
			}
		}
		if signs > most {
			best, most = carrier, signs
		}
	}
	return best
}

// controllerReferences are the rows that the MTPs of the harness's Controller refer to.
func (c *Case) controllerReferences() map[string]bool {
	named := map[string]bool{}
	row, err := c.ControllerRow()
	c.DeviceMust(err)
	values, _ := c.ReadAll(row + "MTP.")
	for path, value := range values {
		if strings.HasSuffix(path, "Reference") && value != "" {
			named[expect.WithoutDot(value)+"."] = true
		}
	}
	return named
}

// brokerHost is the name or address by which the device reaches the broker.
func (b *Bench) brokerHost() string {
	spec, _ := b.DUT.Link(b.Link.Name())
	return b.DUT.HostFor(spec)
}

// brokerPort is the port on which the broker listens.
func (b *Bench) brokerPort() string {
	_, port, _ := net.SplitHostPort(b.Link.Addr())
	return port
}
