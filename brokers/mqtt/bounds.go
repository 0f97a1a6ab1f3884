package mqtt

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/mochi-mqtt/server/v2/packets"
)

// What a device may ask of the broker. No honest one comes near: the bounds keep a broken one from filling memory, since a
// small packet can decode into a large structure.
const (
	maxControl       = 256 << 10 // bytes of a packet other than PUBLISH, and of a PUBLISH's properties
	maxFilter        = 4096      // bytes of a Topic Filter
	maxLevels        = 128       // of a Topic Filter
	maxSubscriptions = 1024      // of one connection
	maxIndex         = 8 << 20   // bytes that the subscriptions of all sessions take together, also of those whose client is away
	maxSessions      = 1024      // that are kept for clients that went away
	maxUnacked       = 1024      // QoS 1 messages that a device has not acknowledged
	maxHeld          = 256       // packets that wait for Release on one connection
)

// withinBounds checks the size of a packet by its first bytes: its type, its Remaining Length and, for a PUBLISH, the length
// of the properties, which raw need not hold yet.
func withinBounds(kind byte, size, maxPacket int) error {
	if kind == packets.Publish {
		if size > maxPacket {
			return fmt.Errorf("a PUBLISH of %d bytes, more than the %d that this broker takes", size, maxPacket)
		}
		return nil
	}
	if size > maxControl {
		return fmt.Errorf("a %s of %d bytes, more than the %d that this broker takes", typeNames[kind], size, maxControl)
	}
	return nil
}

// propertiesWithinBounds checks a whole PUBLISH of MQTT 5.0, whose fixed header has the given size. What is cut off or
// malformed is left to decode.
func propertiesWithinBounds(raw []byte, header int) error {
	rest := raw[header:]
	if len(rest) < 2 {
		return nil
	}
	skip := 2 + int(binary.BigEndian.Uint16(rest))
	if qos := raw[0] >> 1 & 3; qos > 0 {
		skip += 2
	}
	if len(rest) <= skip {
		return nil
	}
	// a property length is encoded like a Remaining Length, which headerSize expects after one byte
	_, end, err := headerSize(rest[skip-1:])
	if err != nil || end <= maxControl {
		return nil
	}
	return fmt.Errorf("a PUBLISH with %d bytes of properties, more than the %d that this broker takes", end, maxControl)
}

// indexed is about how many bytes the library takes for a subscription: it makes a node of every level.
func indexed(filter string) int { return len(filter) + 512*(1+strings.Count(filter, "/")) }

// indexSize is what the subscriptions of all sessions take together.
func (s *Server) indexSize() (bytes int) {
	for _, cl := range s.mochi.Clients.GetAll() {
		for filter := range cl.State.Subscriptions.GetAll() {
			bytes += indexed(filter)
		}
	}
	return bytes
}

// filterWithinBounds reports whether a Topic Filter is one that the broker is ready to index.
func filterWithinBounds(filter string) bool {
	return len(filter) <= maxFilter && strings.Count(filter, "/") < maxLevels
}

// Covers reports whether a Topic Filter covers a topic (MQTT 5.0, section 4.7). A shared subscription is one like any other here,
// since a device is alone in its group.
func Covers(filter, topic string) bool {
	if group, rest, ok := strings.Cut(strings.TrimPrefix(filter, "$share/"), "/"); ok && strings.HasPrefix(filter, "$share/") && group != "" {
		filter = rest
	}
	if strings.HasPrefix(topic, "$") && !strings.HasPrefix(filter, "$") {
		return false
	}
	for {
		level, moreFilter, filterGoesOn := strings.Cut(filter, "/")
		if level == "#" {
			return true
		}
		name, moreTopic, topicGoesOn := strings.Cut(topic, "/")
		if level != "+" && level != name {
			return false
		}
		switch {
		case !topicGoesOn:
			return !filterGoesOn || moreFilter == "#" // "a/#" covers "a" too
		case !filterGoesOn:
			return false
		}
		filter, topic = moreFilter, moreTopic
	}
}
