package mqtt

import (
	"fmt"
	"strings"
)

// VersionName returns how people call a protocol level: "5.0", "3.1.1".
func VersionName(level byte) string {
	switch level {
	case 3:
		return "3.1"
	case V311:
		return "3.1.1"
	case V5:
		return "5.0"
	}
	return fmt.Sprintf("of protocol level %d", level)
}

// reasonNames are the reason codes of MQTT 5.0, section 2.4. Those below 0x80 depend on the packet; see reasonName.
var reasonNames = map[byte]string{
	0x80: "unspecified error", 0x81: "malformed packet", 0x82: "protocol error", 0x83: "implementation specific error",
	0x84: "unsupported protocol version", 0x85: "client identifier not valid", 0x86: "bad user name or password",
	0x87: "not authorized", 0x88: "server unavailable", 0x89: "server busy", 0x8A: "banned", 0x8B: "server shutting down",
	0x8C: "bad authentication method", 0x8D: "keep alive timeout", 0x8E: "session taken over", 0x8F: "topic filter invalid",
	0x90: "topic name invalid", 0x91: "packet identifier in use", 0x92: "packet identifier not found",
	0x93: "receive maximum exceeded", 0x94: "topic alias invalid", 0x95: "packet too large", 0x96: "message rate too high",
	0x97: "quota exceeded", 0x98: "administrative action", 0x99: "payload format invalid", 0x9A: "retain not supported",
	0x9B: "QoS not supported", 0x9C: "use another server", 0x9D: "server moved", 0x9E: "shared subscriptions not supported",
	0x9F: "connection rate exceeded", 0xA0: "maximum connect time", 0xA1: "subscription identifiers not supported",
	0xA2: "wildcard subscriptions not supported",
}

// connackNames are the return codes of a CONNACK of MQTT 3.1.1, section 3.2.2.3.
var connackNames = [...]string{"accepted", "unacceptable protocol version", "identifier rejected", "server unavailable",
	"bad user name or password", "not authorized"}

// reasonName puts a code of a packet of p's type into words.
func (p *Packet) reasonName(code byte) string {
	name := ""
	switch {
	case p.Type == Connack && p.Version < V5 && int(code) < len(connackNames):
		name = connackNames[code]
	case code >= 0x80:
		name = reasonNames[code]
	case p.Type == Suback && code <= 2:
		name = fmt.Sprintf("granted QoS %d", code)
	case p.Type == Disconnect && code == 0:
		name = "normal disconnection"
	case p.Type == Disconnect && code == 4:
		name = "disconnect with will"
	case p.Type == Unsuback && code == 0x11:
		name = "no subscription existed"
	case code == 0x10:
		name = "no matching subscribers"
	case code == 0:
		name = "success"
	}
	if name == "" {
		name = "unknown code"
	}
	return fmt.Sprintf("%s (0x%02X)", name, code)
}

// field is one fact about a packet, shown when it is worth showing.
type field struct{ name, value string }

// fields lists what the packet says, in the order of its type's importance to a reader.
func (p *Packet) fields() []field {
	var f []field
	add := func(show bool, name, format string, args ...any) {
		if show {
			f = append(f, field{name, fmt.Sprintf(format, args...)})
		}
	}
	codes := func(list []byte) string {
		names := make([]string, len(list))
		for i, code := range list {
			names[i] = p.reasonName(code)
		}
		return strings.Join(names, ", ")
	}
	switch p.Type {
	case Connect:
		add(true, "MQTT", "%s", VersionName(p.Version))
		add(true, "client id", "%q", p.ClientID)
		add(true, "clean start", "%t", p.CleanStart)
		add(true, "keep alive", "%d s", p.KeepAlive)
		add(p.HasUsername, "user name", "%q", p.Username)
		add(p.HasPassword, "password", "of %d characters", len(p.Password))
		add(p.Will, "will topic", "%q", p.WillTopic)
		add(p.RequestResponseInfo, "request response information", "1")
		add(p.HasSessionExpiry, "session expiry", "%d s", p.SessionExpiry)
	case Connack:
		add(true, "reason", "%s", p.reasonName(p.ReasonCode))
		add(p.SessionPresent, "session present", "true")
		add(p.AssignedClientID != "", "assigned client id", "%q", p.AssignedClientID)
		add(p.ResponseInfo != "", "response information", "%q", p.ResponseInfo)
		add(p.HasServerKeepAlive, "server keep alive", "%d s", p.ServerKeepAlive)
	case Publish:
		add(true, "topic", "%q", p.Topic)
		add(true, "payload", "%d bytes", p.PayloadSize)
		add(true, "QoS", "%d", p.QoS)
		add(p.Dup, "dup", "true")
		add(p.Retain, "retain", "true")
		add(p.ResponseTopic != "", "response topic", "%q", p.ResponseTopic)
		add(p.ContentType != "", "content type", "%q", p.ContentType)
		add(len(p.CorrelationData) > 0, "correlation data", "%d bytes", len(p.CorrelationData))
	case Subscribe:
		for _, filter := range p.Filters {
			add(true, "filter", "%q QoS %d", filter.Topic, filter.QoS)
			add(filter.NoLocal, "no local", "true")
		}
	case Unsubscribe:
		for _, filter := range p.Filters {
			add(true, "filter", "%q", filter.Topic)
		}
	case Suback, Unsuback:
		add(len(p.ReasonCodes) > 0, "reasons", "%s", codes(p.ReasonCodes))
	case Pingreq, Pingresp:
	default:
		add(p.Version == V5, "reason", "%s", p.reasonName(p.ReasonCode))
	}
	add(p.MaximumPacketSize > 0, "maximum packet size", "%d", p.MaximumPacketSize)
	add(p.ReceiveMaximum > 0, "receive maximum", "%d", p.ReceiveMaximum)
	add(p.PacketID > 0, "packet id", "%d", p.PacketID)
	add(p.ReasonString != "", "reason string", "%q", p.ReasonString)
	for _, u := range p.UserProps {
		add(true, "user property", "%q = %q", u.Name, u.Value)
	}
	return f
}

// maxSummary bounds the one line, since a device may send thousands of filters or properties.
const maxSummary = 500

// summary is the packet in one line, without its type.
func (p *Packet) summary() string {
	var b strings.Builder
	for i, f := range p.fields() {
		if b.Len() > maxSummary {
			b.WriteString(" …")
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(f.name + " " + f.value)
	}
	return b.String()
}

// Describe shows the packet as text, one fact on a line. The password is not among them.
func (p *Packet) Describe() string {
	var b strings.Builder
	b.WriteString(p.Type + "\n")
	for _, f := range p.fields() {
		b.WriteString("  " + f.name + ": " + f.value + "\n")
	}
	return b.String()
}
