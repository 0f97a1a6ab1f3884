package usp

import (
	"fmt"
	"regexp"
	"strings"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/usptest/usptest/harness/usp/usppb"
)

// ValidateRecord checks a Record against TR-369, section "Record Definition": required fields are there, enumeration
// values are known, there is a record type (R-ENC.3) and a payload (R-E2E.26). It returns the first Mismatch. The
// Endpoint IDs are only required; ParseEndpointID judges them. The payload is not looked into.
func ValidateRecord(r *usppb.Record) error {
	if !versionForm.MatchString(r.GetVersion()) {
		return Differs("version of the Record", Quote(r.GetVersion()), "<major>.<minor>")
	}
	if err := wellFormed(r.ProtoReflect()); err != nil {
		return err
	}
	switch record := r.RecordType.(type) {
	case *usppb.Record_NoSessionContext:
		if r.PayloadSecurity != usppb.Record_PLAINTEXT { // R-E2E.41
			return &Mismatch{"payload_security", "PLAINTEXT without a session context", r.PayloadSecurity.String()}
		}
	case *usppb.Record_SessionContext:
		if id := record.SessionContext.SessionId; id < 2 { // R-E2E.3
			return &Mismatch{"session_context.session_id", "a number greater than 1", fmt.Sprint(id)}
		}
	case *usppb.Record_MqttConnect:
		if topic := record.MqttConnect.SubscribedTopic; strings.ContainsAny(topic, "+#") {
			return Differs("mqtt_connect.subscribed_topic", Quote(topic), "a topic without wildcards")
		}
	}
	return nil
}

// ValidateMessage checks a Message against TR-369, sections "Message Structure" and "Message Encoding": header and body
// are there (R-MSG.6, R-MSG.7) with a msg_id (R-MSG.8) and a msg_type that is the body's (R-MSG.10), every
// oneof has its member (R-ENC.3), enumeration values are known (R-ENC.2), and no field that a Message means nothing
// without is empty. It returns the first Mismatch. Paths are judged by ValidatePaths.
func ValidateMessage(m *usppb.Msg) error {
	if err := wellFormed(m.ProtoReflect()); err != nil {
		return err
	}
	if real := MsgTypeOf(m); m.Header.MsgType != real {
		return &Mismatch{"header.msg_type", TypeName(real) + " as the body", TypeName(m.Header.MsgType)}
	}
	return nil
}

var versionForm = regexp.MustCompile(`^[0-9]{1,3}\.[0-9]{1,3}$`)

// required lists the scalar fields that must not be empty or zero. What echoes a request is not among them.
var required = map[protoreflect.FullName]bool{
	"usp_record.Record.to_id":                              true,
	"usp_record.Record.from_id":                            true,
	"usp_record.NoSessionContextRecord.payload":            true,
	"usp_record.SessionContextRecord.sequence_id":          true,
	"usp_record.SessionContextRecord.expected_id":          true,
	"usp_record.MQTTConnectRecord.subscribed_topic":        true,
	"usp_record.STOMPConnectRecord.subscribed_destination": true,

	"usp.Header.msg_id":                                                                  true,
	"usp.Error.err_code":                                                                 true,
	"usp.Error.ParamError.err_code":                                                      true,
	"usp.GetResp.ResolvedPathResult.resolved_path":                                       true,
	"usp.GetInstancesResp.CurrInstance.instantiated_obj_path":                            true,
	"usp.GetSupportedDMResp.SupportedObjectResult.supported_obj_path":                    true,
	"usp.GetSupportedDMResp.SupportedParamResult.param_name":                             true,
	"usp.GetSupportedDMResp.SupportedCommandResult.command_name":                         true,
	"usp.GetSupportedDMResp.SupportedEventResult.event_name":                             true,
	"usp.GetSupportedProtocolResp.agent_supported_protocol_versions":                     true,
	"usp.AddResp.CreatedObjectResult.OperationStatus.OperationFailure.err_code":          true,
	"usp.AddResp.CreatedObjectResult.OperationStatus.OperationSuccess.instantiated_path": true,
	"usp.AddResp.ParameterError.err_code":                                                true,
	"usp.SetResp.UpdatedObjectResult.OperationStatus.OperationFailure.err_code":          true,
	"usp.SetResp.UpdatedInstanceFailure.affected_path":                                   true,
	"usp.SetResp.UpdatedInstanceResult.affected_path":                                    true,
	"usp.SetResp.ParameterError.err_code":                                                true,
	"usp.DeleteResp.DeletedObjectResult.OperationStatus.OperationFailure.err_code":       true,
	"usp.DeleteResp.UnaffectedPathError.unaffected_path":                                 true,
	"usp.DeleteResp.UnaffectedPathError.err_code":                                        true,
	"usp.OperateResp.OperationResult.req_obj_path":                                       true,
	"usp.OperateResp.OperationResult.CommandFailure.err_code":                            true,
	"usp.Notify.Event.obj_path":                                                          true,
	"usp.Notify.Event.event_name":                                                        true,
	"usp.Notify.ValueChange.param_path":                                                  true,
	"usp.Notify.ObjectCreation.obj_path":                                                 true,
	"usp.Notify.ObjectDeletion.obj_path":                                                 true,
	"usp.Notify.OperationComplete.obj_path":                                              true,
	"usp.Notify.OperationComplete.command_name":                                          true,
	"usp.Notify.OperationComplete.CommandFailure.err_code":                               true,
	"usp.Notify.OnBoardRequest.agent_supported_protocol_versions":                        true,
}

// shape is what wellFormed looks at in messages of one type.
type shape struct {
	oneofs []protoreflect.OneofDescriptor
	lists  []protoreflect.FieldDescriptor // of messages
	fields []protoreflect.FieldDescriptor // that are no lists, and may be wrong
}

// shapes are those of all messages of USP, by name.
var shapes = sync.OnceValue(func() map[protoreflect.FullName]*shape {
	found := map[protoreflect.FullName]*shape{}
	var add func(messages protoreflect.MessageDescriptors)
	add = func(messages protoreflect.MessageDescriptors) {
		for i := range messages.Len() {
			found[messages.Get(i).FullName()] = shapeOf(messages.Get(i))
			add(messages.Get(i).Messages())
		}
	}
	add((*usppb.Record)(nil).ProtoReflect().Descriptor().ParentFile().Messages())
	add((*usppb.Msg)(nil).ProtoReflect().Descriptor().ParentFile().Messages())
	return found
})

func shapeOf(md protoreflect.MessageDescriptor) *shape {
	s := &shape{}
	for i := range md.Oneofs().Len() {
		s.oneofs = append(s.oneofs, md.Oneofs().Get(i))
	}
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		switch {
		case fd.IsMap():
		case fd.IsList() && fd.Message() != nil:
			s.lists = append(s.lists, fd)
		case !fd.IsList() && (fd.Message() != nil || fd.Enum() != nil || required[fd.FullName()]):
			s.fields = append(s.fields, fd)
		}
	}
	return s
}

// wellFormed checks a message and all that it holds. A single message outside a oneof is required wherever USP has
// one: header, body and oper_status.
func wellFormed(m protoreflect.Message) error {
	s := shapes()[m.Descriptor().FullName()]
	for _, oneof := range s.oneofs {
		if m.WhichOneof(oneof) == nil {
			return &Mismatch{string(oneof.Name()), "one member", "none"}
		}
	}
	for _, fd := range s.fields {
		if fd.ContainingOneof() != nil && !m.Has(fd) {
			continue
		}
		if err := wellFormedField(m, fd); err != nil {
			return at(string(fd.Name()), err)
		}
	}
	for _, fd := range s.lists {
		list := m.Get(fd).List()
		for i := range list.Len() {
			if err := wellFormed(list.Get(i).Message()); err != nil {
				return at(fmt.Sprintf("%s[%d]", fd.Name(), i), err)
			}
		}
	}
	return nil
}

// wellFormedField checks a field that is no list.
func wellFormedField(m protoreflect.Message, fd protoreflect.FieldDescriptor) error {
	v := m.Get(fd)
	switch {
	case fd.Message() != nil && !m.Has(fd):
		return &Mismatch{"", string(fd.Message().Name()), "none"}
	case fd.Message() != nil:
		return wellFormed(v.Message())
	case fd.Enum() != nil && fd.Enum().Values().ByNumber(v.Enum()) == nil:
		return &Mismatch{"", "a known " + string(fd.Enum().Name()), enumName(fd, v.Enum())}
	case required[fd.FullName()] && isEmpty(fd, v):
		return &Mismatch{"", "a value", emptyText(fd)}
	}
	return nil
}

func isEmpty(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return v.String() == ""
	case protoreflect.BytesKind:
		return len(v.Bytes()) == 0
	}
	return v.Uint() == 0
}

func emptyText(fd protoreflect.FieldDescriptor) string {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return `""`
	case protoreflect.BytesKind:
		return "no bytes"
	}
	return "0"
}
