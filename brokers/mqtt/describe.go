package mqtt

import (
	"fmt"
	"strconv"
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

// facts collects what a packet says, as one line or as a line each. It is written for speed: every packet passes through it.
type facts struct {
	text  []byte
	lines bool // one fact on a line
	limit int  // bytes after which the rest is left out, 0 for none
	cut   bool // something was left out
}

// next begins a fact and says whether there is room for it.
func (f *facts) next(name string) bool {
	switch {
	case f.lines:
		f.text = append(f.text, "\n  "...)
	case f.limit > 0 && len(f.text) > f.limit:
		f.cut = true
		return false
	case len(f.text) > 0:
		f.text = append(f.text, ", "...)
	}
	f.text = append(f.text, name...)
	if f.lines {
		f.text = append(f.text, ':')
	}
	f.text = append(f.text, ' ')
	return true
}

func (f *facts) plain(name, value string) {
	if f.next(name) {
		f.text = append(f.text, value...)
	}
}

func (f *facts) quoted(name, value string) {
	if f.next(name) {
		if f.limit > 0 && len(value) > f.limit {
			value, f.cut = value[:f.limit], true
		}
		f.text = strconv.AppendQuote(f.text, value)
	}
}

func (f *facts) number(name string, value int, unit string) {
	if f.next(name) {
		f.text = append(strconv.AppendInt(f.text, int64(value), 10), unit...)
	}
}

func (f *facts) flag(name string, set bool) {
	if set {
		f.plain(name, "yes")
	}
}

// tell says what the packet says, the most important first.
func (p *Packet) tell(f *facts) {
	switch p.Type {
	case Connect:
		p.tellConnect(f)
	case Connack:
		f.plain("reason", p.reasonName(p.ReasonCode))
		f.flag("session present", p.SessionPresent)
		if p.AssignedClientID != "" {
			f.quoted("assigned client id", p.AssignedClientID)
		}
		if p.ResponseInfo != "" {
			f.quoted("response information", p.ResponseInfo)
		}
		if p.HasServerKeepAlive {
			f.number("server keep alive", int(p.ServerKeepAlive), " s")
		}
	case Publish:
		p.tellPublish(f)
	case Subscribe, Unsubscribe:
		for _, filter := range p.Filters {
			f.quoted("filter", filter.Topic)
			if p.Type == Subscribe {
				f.number("QoS", int(filter.QoS), "")
			}
			f.flag("no local", filter.NoLocal)
		}
	case Suback, Unsuback:
		for _, code := range p.ReasonCodes {
			f.plain("reason", p.reasonName(code))
		}
	case Pingreq, Pingresp:
	default:
		if p.Version == V5 {
			f.plain("reason", p.reasonName(p.ReasonCode))
		}
	}
	p.tellCommon(f)
}

func (p *Packet) tellConnect(f *facts) {
	f.plain("MQTT", VersionName(p.Version))
	f.quoted("client id", p.ClientID)
	f.flag("clean start", p.CleanStart)
	f.number("keep alive", int(p.KeepAlive), " s")
	if p.HasUsername {
		f.quoted("user name", p.Username)
	}
	if p.HasPassword {
		f.number("password of", len(p.Password), " bytes")
	}
	if p.Will {
		f.quoted("will topic", p.WillTopic)
	}
	f.flag("request response information", p.RequestResponseInfo)
	if p.HasSessionExpiry {
		f.number("session expiry", int(p.SessionExpiry), " s")
	}
}

func (p *Packet) tellPublish(f *facts) {
	f.quoted("topic", p.Topic)
	f.number("payload", p.PayloadSize, " bytes")
	f.number("QoS", int(p.QoS), "")
	f.flag("dup", p.Dup)
	f.flag("retain", p.Retain)
	if p.ResponseTopic != "" {
		f.quoted("response topic", p.ResponseTopic)
	}
	if p.ContentType != "" {
		f.quoted("content type", p.ContentType)
	}
	if len(p.CorrelationData) > 0 {
		f.number("correlation data", len(p.CorrelationData), " bytes")
	}
}

// tellCommon says what more than one type of packet may carry.
func (p *Packet) tellCommon(f *facts) {
	if p.MaximumPacketSize > 0 {
		f.number("maximum packet size", int(p.MaximumPacketSize), " bytes")
	}
	if p.ReceiveMaximum > 0 {
		f.number("receive maximum", int(p.ReceiveMaximum), "")
	}
	if p.PacketID > 0 {
		f.number("packet id", int(p.PacketID), "")
	}
	if p.ReasonString != "" {
		f.quoted("reason string", p.ReasonString)
	}
	for _, u := range p.UserProps {
		f.quoted("user property "+strconv.Quote(u.Name), u.Value)
	}
}

// maxSummary bounds the one line in bytes, since a device may send thousands of filters or properties.
const maxSummary = 500

// summary is the packet in one line, without its type.
func (p *Packet) summary() string {
	f := facts{text: make([]byte, 0, 160), limit: maxSummary}
	p.tell(&f)
	if f.cut {
		f.text = append(f.text, " …"...)
	}
	return string(f.text)
}

// Describe shows the packet as text, one fact on a line. The password is not among them.
func (p *Packet) Describe() string {
	f := facts{text: []byte(p.Type), lines: true}
	p.tell(&f)
	return string(f.text)
}
