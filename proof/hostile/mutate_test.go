package hostile

import (
	"math/rand/v2"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// mutating begins the name of a mode whose device changes something in every second Message of the agent; the rest of the name seeds what.
const mutating = "mutating "

// mutation is the mode of that name. What becomes of a Message depends on its msg_id, so that a device that was started afresh does not
// begin from the start.
func mutation(name string) mode {
	change := func(m *usppb.Msg) *usppb.Msg {
		var seed [32]byte
		copy(seed[copy(seed[:], name):], m.GetHeader().GetMsgId())
		dice := rand.New(rand.NewChaCha8(seed))
		if dice.IntN(2) == 0 {
			return m
		}
		m = proto.Clone(m).(*usppb.Msg)
		for range 1 + dice.IntN(3) {
			mutate(dice, m.ProtoReflect())
		}
		return m
	}
	return mode{
		verdict: result.Fail, requests: true,
		waits: func(m *usppb.Msg) bool { // for a case: first contact must not fail
			paths := m.GetBody().GetRequest().GetGet().GetParamPaths()
			return !slices.Contains(paths, "Device.LocalAgent.EndpointID") && !slices.Contains(paths, "Device.DeviceInfo.Manufacturer") &&
				!slices.Contains(paths, "Device.LocalAgent.Subscription.*.ID")
		},
		act: func(s *session, reply packet, m *usppb.Msg) bool {
			s.replies(change)
			return s.message(reply, change(m))
		},
	}
}

// mutate changes one thing in m or in what it holds.
func mutate(dice *rand.Rand, m protoreflect.Message) {
	var there []protoreflect.FieldDescriptor
	m.Range(func(fd protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		if fd.Name() != "msg_id" && fd.Name() != "header" || dice.IntN(20) == 0 {
			there = append(there, fd)
		}
		return true
	})
	fields := m.Descriptor().Fields()
	if len(there) == 0 || dice.IntN(10) == 0 {
		fd := fields.Get(dice.IntN(fields.Len()))
		if fd.Message() != nil && !fd.IsMap() && !fd.IsList() {
			m.Set(fd, m.NewField(fd)) // another member of the oneof, or an empty message
		}
		return
	}
	fd := there[dice.IntN(len(there))]
	switch v := m.Get(fd); {
	case fd.IsMap():
		mutateMap(dice, v.Map())
	case fd.IsList():
		mutateList(dice, m, fd)
	case fd.Message() != nil && dice.IntN(6) > 0:
		mutate(dice, v.Message())
	case fd.Kind() == protoreflect.StringKind:
		m.Set(fd, protoreflect.ValueOfString(mutated(dice, v.String())))
	case fd.Kind() == protoreflect.Fixed32Kind:
		m.Set(fd, protoreflect.ValueOfUint32([]uint32{0, 7000, 7016, 1<<32 - 1}[dice.IntN(4)]))
	default:
		m.Clear(fd)
	}
}

func mutateMap(dice *rand.Rand, entries protoreflect.Map) {
	var keys []protoreflect.MapKey
	entries.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
		keys = append(keys, k)
		return true
	})
	if len(keys) == 0 {
		return
	}
	key := keys[dice.IntN(len(keys))]
	value := entries.Get(key).String()
	switch dice.IntN(4) {
	case 0:
		entries.Clear(key)
	case 1:
		for _, k := range keys {
			entries.Clear(k)
		}
	case 2:
		entries.Set(protoreflect.ValueOfString(mutated(dice, key.String())).MapKey(), protoreflect.ValueOfString(value))
	default:
		entries.Set(key, protoreflect.ValueOfString(mutated(dice, value)))
	}
}

func mutateList(dice *rand.Rand, m protoreflect.Message, fd protoreflect.FieldDescriptor) {
	list := m.Mutable(fd).List()
	n := dice.IntN(list.Len())
	switch kind := dice.IntN(6); {
	case kind == 0:
		m.Clear(fd)
	case kind == 1:
		list.Truncate(n)
	case kind == 2:
		list.Append(list.Get(n))
	case kind == 3 && fd.Message() != nil:
		list.Append(list.NewElement())
	case fd.Message() != nil:
		mutate(dice, list.Get(n).Message())
	default:
		list.Set(n, protoreflect.ValueOfString(mutated(dice, list.Get(n).String())))
	}
}

// mutated is another string.
func mutated(dice *rand.Rand, s string) string {
	half := strings.ToValidUTF8(s[:len(s)/2], "")
	others := []string{"", ".", half, s + ".", s + s, strings.TrimSuffix(s, "."), "Device.", "Device.LocalAgent.", "-1", "99999999999999999999", "true", evilText,
		strings.ReplaceAll(s, ".", ""), strings.ToUpper(s), "1." + s}
	return others[dice.IntN(len(others))]
}
