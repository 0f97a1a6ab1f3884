package mqtt

import (
	"errors"
	"slices"
	"strings"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// hook lets the script into the library's broker. Its methods run on the reader of the connection they concern, except that a
// client which is taken over is unsubscribed and told so by the one that takes over.
type hook struct {
	mochi.HookBase
	s *Server
}

// connOf returns our end of a client, nil for the library's own.
func connOf(cl *mochi.Client) *conn {
	c, _ := cl.Net.Conn.(*conn)
	return c
}

// ID implements mochi.Hook.
func (h *hook) ID() string { return "usptest" }

// Provides implements mochi.Hook.
func (h *hook) Provides(b byte) bool {
	switch b {
	case mochi.OnPacketRead, mochi.OnConnect, mochi.OnConnectAuthenticate, mochi.OnPacketEncode, mochi.OnSessionEstablished,
		mochi.OnSubscribe, mochi.OnACLCheck, mochi.OnSubscribed, mochi.OnUnsubscribed, mochi.OnPacketProcessed,
		mochi.OnPublish, mochi.OnPublished, mochi.OnDisconnect:
		return true
	}
	return false
}

// OnPacketRead hides the will from the library, which would queue it past the journal.
func (h *hook) OnPacketRead(_ *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	pk.Connect.WillFlag, pk.Connect.WillRetain = false, false
	return pk, nil
}

// OnConnectAuthenticate lets everybody in: the case looks at the credentials.
func (h *hook) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }

// OnConnect refuses, or sets what CONNACK will say.
func (h *hook) OnConnect(cl *mochi.Client, pk packets.Packet) error {
	c := connOf(cl)
	code, refused := h.s.script.refuse()
	if !refused && h.s.mochi.Clients.Len() >= maxSessions {
		code, refused = packets.ErrQuotaExceeded.Code, true
	}
	if refused {
		if code != 0 {
			cl.WritePacket(packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connack}, ReasonCode: code})
		}
		h.s.forget(c)
		c.Farewell("the CONNECT was refused")
		return errEnded
	}
	if pk.ProtocolVersion != V5 {
		return nil
	}
	rules := h.s.script.get()
	if rules.keepAliveGiven {
		cl.State.Keepalive, cl.State.ServerKeepalive = rules.serverKeepAlive, true
		c.keepAlive = time.Duration(rules.serverKeepAlive) * time.Second
	}
	if pk.Connect.ClientIdentifier == "" && rules.assignedClientID != "" {
		cl.ID, cl.Properties.Props.AssignedClientID = rules.assignedClientID, rules.assignedClientID
	}
	return nil
}

// OnPacketEncode puts the script into CONNACK and SUBACK and mends what the library gets wrong in them.
func (h *hook) OnPacketEncode(cl *mochi.Client, pk packets.Packet) packets.Packet {
	c := connOf(cl)
	if c == nil {
		return pk
	}
	switch pk.FixedHeader.Type {
	case packets.Connack:
		if pk.ProtocolVersion < V5 {
			pk.ReasonCode = connackCode(pk.ReasonCode)
		} else if pk.ReasonCode == 0 {
			h.completeConnack(&pk)
		}
	case packets.Suback:
		pk.Properties.User = nil // the library sends the device's own properties back
		pk.ReasonCodes = c.subackCodes(pk.ReasonCodes, pk.ProtocolVersion)
	case packets.Unsuback:
		pk.Properties.User = nil
	}
	return pk
}

func (h *hook) completeConnack(pk *packets.Packet) {
	rules := h.s.script.get()
	pk.Properties.ResponseInfo = rules.responseInfo
	pk.Properties.MaximumPacketSize = uint32(h.s.maxPacket)
	for _, topic := range rules.subscribeTopics {
		pk.Properties.User = append(pk.Properties.User, packets.UserProperty{Key: "subscribe-topic", Val: topic})
	}
	pk.Mods.DisallowProblemInfo = false // Request Problem Information does not concern CONNACK (MQTT 5.0, section 3.1.2.11.7)
}

// connackCode translates a reason code of MQTT 5.0 to a return code of MQTT 3.1.1.
func connackCode(code byte) byte {
	switch {
	case code < 0x80:
		return code
	case code == packets.ErrUnsupportedProtocolVersion.Code:
		return 1
	case code == packets.ErrClientIdentifierNotValid.Code:
		return 2
	case code == packets.ErrBadUsernameOrPassword.Code:
		return 4
	case code == packets.ErrNotAuthorized.Code, code == packets.ErrBanned.Code:
		return 5
	}
	return 3 // server unavailable
}

// OnSessionEstablished takes over the subscriptions of a session that goes on.
func (h *hook) OnSessionEstablished(cl *mochi.Client, _ packets.Packet) {
	var filters []Filter
	for topic, sub := range cl.State.Subscriptions.GetAll() {
		filters = append(filters, Filter{Topic: topic, QoS: sub.Qos, NoLocal: sub.NoLocal, id: sub.Identifier})
	}
	h.s.subscribed(connOf(cl), filters)
}

// OnSubscribe begins a SUBSCRIBE.
func (h *hook) OnSubscribe(cl *mochi.Client, pk packets.Packet) packets.Packet {
	c := connOf(cl)
	c.denied, c.room = map[string]byte{}, maxIndex-h.s.indexSize()
	return pk
}

// OnACLCheck is asked for each filter of a SUBSCRIBE. Publishing is always allowed.
func (h *hook) OnACLCheck(cl *mochi.Client, filter string, write bool) bool {
	c := connOf(cl)
	if write || c == nil {
		return true
	}
	code := h.s.script.reject(filter)
	if code == 0 && (!filterWithinBounds(filter) || cl.State.Subscriptions.Len() >= maxSubscriptions || indexed(filter) > c.room) {
		code = packets.ErrQuotaExceeded.Code
	}
	if code == 0 {
		c.room -= indexed(filter)
	} else {
		c.denied[filter] = code
	}
	return code == 0
}

// subackCodes puts the codes of the refused filters of the current SUBSCRIBE in place of the library's.
func (c *conn) subackCodes(codes []byte, version byte) []byte {
	codes = slices.Clone(codes)
	for i, filter := range c.current.Filters {
		if code := c.denied[filter.Topic]; code != 0 && i < len(codes) {
			codes[i] = code
			if version < V5 {
				codes[i] = packets.ErrUnspecifiedError.Code
			}
		}
	}
	return codes
}

// OnSubscribed comes before the SUBACK is sent.
func (h *hook) OnSubscribed(cl *mochi.Client, pk packets.Packet, codes []byte) {
	c := connOf(cl)
	c.granted = nil
	for i, f := range pk.Filters {
		if codes[i] <= packets.CodeGrantedQos2.Code {
			c.granted = append(c.granted, Filter{Topic: strings.Clone(f.Filter), QoS: codes[i], NoLocal: f.NoLocal, id: f.Identifier})
		}
	}
}

// OnPacketProcessed comes after the SUBACK was sent: now the device can expect messages.
func (h *hook) OnPacketProcessed(cl *mochi.Client, pk packets.Packet, err error) {
	if c := connOf(cl); c != nil && pk.FixedHeader.Type == packets.Subscribe && err == nil {
		h.s.subscribed(c, c.granted)
	}
}

// OnUnsubscribed comes before the UNSUBACK is sent, and when a session ends.
func (h *hook) OnUnsubscribed(cl *mochi.Client, pk packets.Packet) {
	if c := connOf(cl); c != nil {
		h.s.unsubscribed(c, pk.Filters)
	}
}

// OnPublish keeps the library from queueing the message: OnPublished delivers it.
func (h *hook) OnPublish(_ *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	return pk, packets.CodeSuccessIgnore
}

// OnPublished comes when the library has accepted and acknowledged a PUBLISH.
func (h *hook) OnPublished(cl *mochi.Client, _ packets.Packet) {
	if c := connOf(cl); c != nil {
		h.s.published(c)
	}
}

// OnDisconnect records a protocol error, of which the library tells nobody but a device that speaks MQTT 5.0.
func (h *hook) OnDisconnect(cl *mochi.Client, err error, _ bool) {
	var code packets.Code
	if c := connOf(cl); errors.As(err, &code) && code.Code >= packets.ErrUnspecifiedError.Code {
		c.Note("the broker ended the session: %s", code.Reason)
	}
}
