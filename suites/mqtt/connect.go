package mqtt

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// connectPacket is 11.2.
func connectPacket(c *harness.Case) {
	c.Step(1, "reboot the device")
	mark := c.Reboot()
	c.Step(2, "wait until it connects")
	var connect *mqtt.Packet
	var seq journal.Mark
	if !c.Metric(1, func(m *harness.Metric) {
		e, err := awaitConnect(c, mark)
		m.Must(err)
		m.Saw(e.Seq)
		connect, seq = packet(e, mqtt.Connect), e.Seq
	}) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		m.Saw(seq)
		if connect.Version != mqtt.V5 && connect.Version != mqtt.V311 {
			m.Must(&usp.Mismatch{Where: "CONNECT: protocol version", Want: "5.0 or 3.1.1", Got: mqtt.VersionName(connect.Version)})
		}
	})
	if connect.Version == mqtt.V5 {
		c.Metric(3, func(m *harness.Metric) {
			m.Saw(seq)
			ids := connect.UserProp("usp-endpoint-id")
			m.Must(expect.Count("CONNECT: number of user properties usp-endpoint-id", 1, len(ids)))
			m.Must(expect.Equal("CONNECT: user property usp-endpoint-id", c.Agent.AgentID(), ids[0]))
		})
	} else {
		c.NotApplicable(3, "MQTT "+mqtt.VersionName(connect.Version)+" has no user properties")
	}
	c.Metric(4, func(m *harness.Metric) {
		m.Saw(seq)
		link, _ := c.DUT.Link(c.Link)
		if !connect.HasUsername || !connect.HasPassword {
			c.LabMust(withCredentials(link))
			m.Must(&usp.Mismatch{Where: "CONNECT", Want: "user name and password",
				Got: fmt.Sprintf("user name: %v, password: %v", connect.HasUsername, connect.HasPassword)})
		}
		if link.Username != "" {
			m.Must(expect.Equal("CONNECT: user name", link.Username, connect.Username))
		}
		if link.Password != "" && link.Password != connect.Password {
			m.Must(&usp.Mismatch{Where: "CONNECT: password", Want: "the one of the DUT file", Got: "another one"})
		}
	})
	c.BackAfter(mark)
}

// withCredentials is an error for a link whose DUT file names none: the device has none to send then (R-MQTT.7).
func withCredentials(l dut.LinkSpec) error {
	if l.Username != "" && l.Password != "" {
		return nil
	}
	return fmt.Errorf("the device has no user name and password to send: give it both for this link, and set username and password of %s in the DUT file",
		l.Name())
}

// emptyClientID is 11.4: the broker assigns a client identifier, and the Agent remembers it. An Agent may reconnect as soon as its
// identifier is cleared, so that the first CONNECT after the change is judged.
func emptyClientID(c *harness.Case) {
	c.Uses(plan.NeedReconfiguration)
	const assigned = "usptest-assigned"
	connectsAnewInTheEnd(c)
	row := c.BrokerRow()
	c.Restore(row, "ClientID")
	c.Step(1, "set %sClientID to the empty string; the broker will assign %q", row, assigned)
	c.MQTT().AssignClientID(assigned)
	mark := c.Journal.Mark()
	c.Set(row, usp.Params{"ClientID": ""})
	c.Step(2, "reboot the device")
	rebooted := c.Reboot()
	if c.Strict("client-id-takes-effect") {
		mark = rebooted
	}
	if !c.Metric(1, func(m *harness.Metric) {
		e, err := awaitConnect(c, mark)
		m.Must(err)
		m.Must(expect.Equal("CONNECT: client identifier", "", packet(e, mqtt.Connect).ClientID), e.Seq)
	}) {
		return // an identifier of the Agent's own leaves the broker none to assign
	}
	c.BackAfter(rebooted)
	c.Step(5, "get %sClientID", row)
	got := c.Agent.Get(c, row+"ClientID")
	c.Metric(2, func(m *harness.Metric) {
		q, err := expect.OneResult(got, row+"ClientID")
		m.Must(err, got.Evidence())
		m.Must(expect.Equal(row+"ClientID", assigned, expect.Resolved(q)[row+"ClientID"]))
	})
}

// overTLS is 11.3: what the device sends to the broker after a reboot is inside TLS. The broker
// takes nothing below TLS 1.2, so that a device without it does not get in. A connection that is
// opened and closed in silence is no communication. A device that has TLS 1.3 must have 1.2, too.
func overTLS(c *harness.Case) {
	c.Step(1, "reboot the device")
	mark := c.Reboot()
	c.Step(2, "wait until it connects")
	session, err := awaitConnect(c, mark)
	var got *controller.Reply
	if err == nil {
		c.BackAfter(mark)
		c.Step(3, "get %s", deviceInfo)
		got = c.Agent.Get(c, deviceInfo)
	}
	if !c.Metric(1, func(m *harness.Metric) {
		for _, e := range c.Journal.Since(mark) {
			if e.Layer == journal.LayerTLS && e.Type == gate.HandshakeFailed {
				m.Must(&usp.Mismatch{Where: "connection to the broker", Want: "TLS 1.2 or later", Got: e.Text}, e.Seq)
			}
		}
		m.Must(err)
		secured := c.TLSOf(session.Conn)
		if secured == nil {
			m.Must(&usp.Mismatch{Where: "connection of the CONNECT", Want: "a TLS handshake", Got: "none"}, session.Seq)
		}
		m.Saw(secured.Seq)
		m.Must(expect.Type(got, usp.GetResp), got.Evidence())
		m.Note("%s", secured.Text)
	}) {
		return
	}
	c.Beyond("TR-369 R-MQTT.48", func(m *harness.Metric) { c.MustTakeTLS12(m, mark) })
}

// sameClientID is 11.5: after a reboot the Agent connects with the client identifier that it had
// (R-MQTT.11). Where its parameter is empty, that is the one of its CONNECT, or the one that the
// broker assigned to it. Otherwise both must agree.
func sameClientID(c *harness.Case) {
	path := c.BrokerRow() + "ClientID"
	c.Step(1, "get %s", path)
	known, err := c.Read(path)
	c.DeviceMust(err)
	if known == "" {
		session, err := c.NewSession()
		c.DeviceMust(err)
		known = clientIDOf(c, session)
		c.Note("%s is empty; in the session before the reboot the client identifier was %q", path, known)
	}
	before, _ := c.MQTT().Subscriber(publishedAt(c, usualTopic(c)))
	c.Step(2, "reboot the device")
	mark := c.Reboot()
	c.Step(3, "wait until it connects")
	c.Metric(1, func(m *harness.Metric) {
		e, err := awaitConnect(c, mark)
		m.Must(err)
		m.Must(expect.Equal("CONNECT: client identifier", known, packet(e, mqtt.Connect).ClientID), e.Seq)
		if before.ClientID != "" {
			m.Must(expect.Equal("CONNECT before the reboot: client identifier", known, before.ClientID), e.Seq)
		}
	})
	c.BackAfter(mark)
}

// clientIDOf is the client identifier that a session goes by: that of its CONNECT, else the one
// that the CONNACK assigned.
func clientIDOf(c *harness.Case, session *journal.Event) (assigned string) {
	for _, e := range c.Journal.Since(session.Seq) {
		if p, ok := e.Body.(*mqtt.Packet); ok && e.Conn == session.Conn && p.Type == mqtt.Connack {
			assigned = p.AssignedClientID
			break
		}
	}
	return cmp.Or(packet(session, mqtt.Connect).ClientID, assigned)
}

// connectRecord is 11.17: the first Record of a session is its Connect Record (R-MTP.6, R-MTP.8),
// comes within 30 s, and says truly which MQTT the Agent speaks and where it can be reached.
func connectRecord(c *harness.Case) {
	c.Step(1, "reboot the device")
	mark := c.Reboot()
	c.Step(2, "wait until it connects")
	session, err := awaitConnect(c, mark)
	c.DeviceMust(err)
	c.Metric(1, func(m *harness.Metric) {
		record, first, err := c.FirstRecord(session)
		m.Must(err, session.Seq)
		if record.GetMqttConnect() == nil {
			m.Must(&usp.Mismatch{Where: "first Record of the session", Want: "an MQTTConnectRecord", Got: first.Type}, first.Seq)
		}
		m.Saw(session.Seq, first.Seq)
		want := usppb.MQTTConnectRecord_V3_1_1
		if packet(session, mqtt.Connect).Version == mqtt.V5 {
			want = usppb.MQTTConnectRecord_V5
		}
		m.Must(expect.Equal("MQTTConnectRecord: version", want.String(), record.GetMqttConnect().GetVersion().String()))
		m.Must(isSubscribed(c, session, first, record.GetMqttConnect().GetSubscribedTopic()))
	})
	c.BackAfter(mark)
}

// publishedAt is the topic of the PUBLISH with which the Controller reaches the Agent at one of its topics.
func publishedAt(c *harness.Case, topic string) string {
	if isMQTT5(c) {
		return topic
	}
	return link.JoinReplyTo(topic, c.ControllerAddress)
}

// isSubscribed wants a filter of the device's before the Connect Record to cover a topic, which has
// no wildcards itself.
func isSubscribed(c *harness.Case, session, record *journal.Event, topic string) error {
	const where = "MQTTConnectRecord: subscribed_topic"
	var subscribed []string
	for _, e := range c.Journal.Since(session.Seq) {
		if e.Seq < record.Seq && e.Conn == session.Conn && packet(e, mqtt.Subscribe) != nil {
			subscribed = append(subscribed, filters(e)...)
		}
	}
	switch {
	case topic == "":
		return &usp.Mismatch{Where: where, Want: "a topic that the Agent is subscribed to", Got: "none"}
	case strings.ContainsAny(topic, "+#"):
		return &usp.Mismatch{Where: where, Want: "a topic without wildcards", Got: usp.Quote(topic)}
	case !slices.ContainsFunc(subscribed, func(filter string) bool { return mqtt.Covers(filter, publishedAt(c, topic)) }):
		return &usp.Mismatch{Where: where, Want: fmt.Sprintf("a topic of its filters %.200q", subscribed), Got: usp.Quote(topic)}
	}
	return nil
}
