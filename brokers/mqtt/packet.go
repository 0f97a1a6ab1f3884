package mqtt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"github.com/mochi-mqtt/server/v2/packets"
)

// Protocol levels as CONNECT carries them. Level 3, MQTT 3.1, is served too, so that a device that uses it can be told so.
const (
	V311 byte = 4 // MQTT 3.1.1
	V5   byte = 5 // MQTT 5.0
)

// Packet is one control packet, decoded. Fields that its type does not have are zero. Nobody changes it.
type Packet struct {
	Type     string // Connect, Connack, Publish …
	Version  byte   // protocol level of the connection
	PacketID uint16

	// CONNECT. A will is recorded but never published.
	ClientID            string
	CleanStart          bool   // Clean Session in MQTT 3.1.1
	KeepAlive           uint16 // seconds
	HasUsername         bool
	HasPassword         bool
	Username            string
	Password            string `json:"-"` // a secret of the journal, overwritten in Raw
	Will                bool
	WillTopic           string
	RequestResponseInfo bool
	HasSessionExpiry    bool
	SessionExpiry       uint32 // seconds
	MaximumPacketSize   uint32 // bytes, 0 for none; also in CONNACK
	ReceiveMaximum      uint16 // 0 when absent, which means 65535; also in CONNACK

	// CONNACK
	SessionPresent     bool
	AssignedClientID   string
	ResponseInfo       string
	HasServerKeepAlive bool
	ServerKeepAlive    uint16 // seconds

	// PUBLISH
	Topic           string
	QoS             byte
	Dup             bool
	Retain          bool
	ContentType     string
	ResponseTopic   string
	CorrelationData []byte
	Payload         []byte // in the journal no more of it than of the raw bytes
	PayloadSize     int    // its true length

	Filters      []Filter // SUBSCRIBE, UNSUBSCRIBE
	ReasonCode   byte     // CONNACK, DISCONNECT, AUTH and the acknowledgements of PUBLISH
	ReasonCodes  []byte   // SUBACK, UNSUBACK: one for each filter
	ReasonString string
	UserProps    []Pair // in the order of the packet; a name may occur more than once
}

// Filter is one Topic Filter of a SUBSCRIBE or UNSUBSCRIBE. UNSUBSCRIBE has the topic alone.
type Filter struct {
	Topic   string
	QoS     byte
	NoLocal bool

	id int // Subscription Identifier, 0 for none
}

// Pair is one User Property.
type Pair struct{ Name, Value string }

// UserProp returns the values of every User Property of that name. Names are case-sensitive.
func (p *Packet) UserProp(name string) []string {
	var values []string
	for _, pair := range p.UserProps {
		if pair.Name == name {
			values = append(values, pair.Value)
		}
	}
	return values
}

// The control packet types, as Packet.Type and the script name them.
const (
	Connect     = "CONNECT"
	Connack     = "CONNACK"
	Publish     = "PUBLISH"
	Puback      = "PUBACK"
	Pubrec      = "PUBREC"
	Pubrel      = "PUBREL"
	Pubcomp     = "PUBCOMP"
	Subscribe   = "SUBSCRIBE"
	Suback      = "SUBACK"
	Unsubscribe = "UNSUBSCRIBE"
	Unsuback    = "UNSUBACK"
	Pingreq     = "PINGREQ"
	Pingresp    = "PINGRESP"
	Disconnect  = "DISCONNECT"
	Auth        = "AUTH"

	// Silent begins the reason for which a connection is ended over which nothing came any more (MQTT, section 3.1.2.10).
	Silent = "no packet within one and a half times the keep alive"

	// Malformed is the type of the journal event for bytes that are no packet. It has no Body.
	Malformed = "malformed"
)

// typeNames are the control packet types by number.
var typeNames = [16]string{"RESERVED", Connect, Connack, Publish, Puback, Pubrec, Pubrel, Pubcomp, Subscribe, Suback,
	Unsubscribe, Unsuback, Pingreq, Pingresp, Disconnect, Auth}

// maxLengthBytes is the longest form of a Remaining Length.
const maxLengthBytes = 4

var errLength = errors.New("the Remaining Length has more than four bytes")

// headerSize returns the size of the fixed header at the start of b and that of the packet it begins. Both are 0 when b does
// not hold a whole header yet.
func headerSize(b []byte) (header, packet int, err error) {
	length := 0
	for i := 1; i < len(b); i++ {
		if i > maxLengthBytes {
			return 0, 0, errLength
		}
		length |= int(b[i]&0x7f) << (7 * (i - 1))
		if b[i]&0x80 == 0 {
			return i + 1, i + 1 + length, nil
		}
	}
	return 0, 0, nil
}

// decode reads a whole packet. The result shares memory with raw. The library's decoder indexes past the end of some cut-off
// packets, hence the recover.
func decode(raw []byte, version byte) (p *Packet, err error) {
	defer func() {
		if recover() != nil {
			p, err = nil, errors.New("the packet ends too early")
		}
	}()
	header, _, err := headerSize(raw)
	if err != nil {
		return nil, err
	}
	pk := packets.Packet{ProtocolVersion: version}
	if err := pk.FixedHeader.Decode(raw[0]); err != nil {
		return nil, err
	}
	pk.FixedHeader.Remaining = len(raw) - header
	if err := decodeBody(&pk, raw[header:]); err != nil {
		return nil, err
	}
	if pk.FixedHeader.Type == packets.Connect {
		if err := connectFlags(raw[header:], pk.ProtocolVersion); err != nil {
			return nil, err
		}
	}
	return convert(&pk), nil
}

// connectFlags finds what the Connect Flags of a CONNECT may not say (MQTT 3.1.1 and 5.0, section 3.1.2); the library does not look. body
// was decoded before.
func connectFlags(body []byte, version byte) error {
	flags := body[2+int(binary.BigEndian.Uint16(body))+1]
	will, willQoS, willRetain := flags&0x04 != 0, flags>>3&3, flags&0x20 != 0
	switch {
	case flags&0x01 != 0:
		return errors.New("the reserved bit of the Connect Flags is set")
	case willQoS == 3:
		return errors.New("Will QoS is 3")
	case !will && (willQoS != 0 || willRetain):
		return errors.New("Will QoS or Will Retain is set without the Will Flag")
	case version < V5 && flags&0xc0 == 0x40:
		return errors.New("the Password Flag is set without the User Name Flag")
	}
	return nil
}

// IsConnect reports whether bytes begin as a CONNECT does, malformed or not.
func IsConnect(raw []byte) bool {
	header, _, err := headerSize(raw[:min(len(raw), 1+maxLengthBytes)])
	return err == nil && header > 0 && raw[0]>>4 == packets.Connect &&
		(bytes.HasPrefix(raw[header:], []byte("\x00\x04MQTT")) || bytes.HasPrefix(raw[header:], []byte("\x00\x06MQIsdp")))
}

func decodeBody(pk *packets.Packet, body []byte) error {
	switch pk.FixedHeader.Type {
	case packets.Connect:
		return pk.ConnectDecode(body)
	case packets.Connack:
		return pk.ConnackDecode(body)
	case packets.Publish:
		return pk.PublishDecode(body)
	case packets.Puback:
		return pk.PubackDecode(body)
	case packets.Pubrec:
		return pk.PubrecDecode(body)
	case packets.Pubrel:
		return pk.PubrelDecode(body)
	case packets.Pubcomp:
		return pk.PubcompDecode(body)
	case packets.Subscribe:
		return pk.SubscribeDecode(body)
	case packets.Suback:
		return pk.SubackDecode(body)
	case packets.Unsubscribe:
		return pk.UnsubscribeDecode(body)
	case packets.Unsuback:
		return pk.UnsubackDecode(body)
	case packets.Disconnect:
		return pk.DisconnectDecode(body)
	case packets.Auth:
		return pk.AuthDecode(body)
	case packets.Pingreq, packets.Pingresp:
		return nil
	}
	return errors.New("control packet type 0 is forbidden")
}

func convert(pk *packets.Packet) *Packet {
	// the library's strings share memory with the packet, and one topic would keep megabytes alive
	properties, connect, own := &pk.Properties, &pk.Connect, strings.Clone
	p := &Packet{
		Type:                typeNames[pk.FixedHeader.Type],
		Version:             pk.ProtocolVersion,
		PacketID:            pk.PacketID,
		ClientID:            own(connect.ClientIdentifier),
		CleanStart:          connect.Clean,
		KeepAlive:           connect.Keepalive,
		HasUsername:         connect.UsernameFlag,
		HasPassword:         connect.PasswordFlag,
		Username:            string(connect.Username),
		Password:            string(connect.Password),
		Will:                connect.WillFlag,
		WillTopic:           own(connect.WillTopic),
		RequestResponseInfo: properties.RequestResponseInfo == 1,
		HasSessionExpiry:    properties.SessionExpiryIntervalFlag,
		SessionExpiry:       properties.SessionExpiryInterval,
		MaximumPacketSize:   properties.MaximumPacketSize,
		ReceiveMaximum:      properties.ReceiveMaximum,
		SessionPresent:      pk.SessionPresent,
		AssignedClientID:    own(properties.AssignedClientID),
		ResponseInfo:        own(properties.ResponseInfo),
		HasServerKeepAlive:  properties.ServerKeepAliveFlag,
		ServerKeepAlive:     properties.ServerKeepAlive,
		Topic:               own(pk.TopicName),
		ContentType:         own(properties.ContentType),
		ResponseTopic:       own(properties.ResponseTopic),
		CorrelationData:     properties.CorrelationData,
		Payload:             pk.Payload,
		PayloadSize:         len(pk.Payload),
		ReasonCode:          pk.ReasonCode,
		ReasonCodes:         pk.ReasonCodes,
		ReasonString:        own(properties.ReasonString),
	}
	if pk.FixedHeader.Type == packets.Publish {
		p.QoS, p.Dup, p.Retain = pk.FixedHeader.Qos, pk.FixedHeader.Dup, pk.FixedHeader.Retain
	}
	for _, f := range pk.Filters {
		p.Filters = append(p.Filters, Filter{Topic: own(f.Filter), QoS: f.Qos, NoLocal: f.NoLocal, id: f.Identifier})
	}
	for _, u := range properties.User {
		p.UserProps = append(p.UserProps, Pair{own(u.Key), own(u.Val)})
	}
	return p
}

// withPayload returns a copy of p with only the beginning of its payload, which is given, and nothing else of the packet's memory.
func (p *Packet) withPayload(beginning []byte) *Packet {
	cut := *p
	cut.Payload, cut.CorrelationData, cut.ReasonCodes = beginning, slices.Clone(p.CorrelationData), slices.Clone(p.ReasonCodes)
	return &cut
}

// weight is about what p takes beside the kept bytes that it was read from: its payload is among them.
func (p *Packet) weight(raw int) int {
	const each = 64 // of a filter or property beside its text
	return each*(len(p.Filters)+len(p.UserProps)) + max(0, raw-len(p.Payload))
}

// Trimmed returns p without anything that a device can make long, for a journal that is full.
func (p *Packet) Trimmed() any {
	return &Packet{Type: p.Type, Version: p.Version, PacketID: p.PacketID, PayloadSize: p.PayloadSize, QoS: p.QoS, Dup: p.Dup, Retain: p.Retain,
		CleanStart: p.CleanStart, KeepAlive: p.KeepAlive, ReasonCode: p.ReasonCode}
}
