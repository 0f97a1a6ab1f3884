package model

import (
	"errors"
	"fmt"
	"strings"

	"github.com/usptest/usptest/harness/usp/usppb"
)

// replyObject is a shorter name for an object as a device reports it.
type replyObject = usppb.GetSupportedDMResp_SupportedObjectResult

// FromReply makes a Model of a GetSupportedDMResp about the whole of a device (TR-369, 13.6.6). The error says why it cannot be judged;
// what is wrong in the model itself is for Compare.
func FromReply(r *usppb.GetSupportedDMResp) (*Model, error) {
	m := newModel("")
	known := false
	bare := map[usppb.GetSupportedDMResp_ObjAccessType]*Object{} // those without elements are one Object for each access
	for _, q := range r.GetReqObjResults() {
		if q.GetErrCode() != 0 {
			return nil, fmt.Errorf("the device answered %s with error %d %q", q.GetReqObjPath(), q.GetErrCode(), q.GetErrMsg())
		}
		if m.Name == "" {
			m.Name = q.GetDataModelInstUri()
		}
		for _, o := range q.GetSupportedObjs() {
			known = known || len(o.GetUniqueKeySets()) > 0
			if m.Objects[o.GetSupportedObjPath()] != nil {
				m.twice = append(m.twice, o.GetSupportedObjPath())
				continue
			}
			if !isBare(o) {
				m.Objects[o.GetSupportedObjPath()] = objectOf(o)
				continue
			}
			if bare[o.GetAccess()] == nil {
				bare[o.GetAccess()] = objectOf(o)
			}
			m.Objects[o.GetSupportedObjPath()] = bare[o.GetAccess()]
		}
	}
	if len(m.Objects) == 0 {
		return nil, errors.New("the GetSupportedDMResp names no object; ask for all of Device. with commands, events and parameters")
	}
	for _, o := range m.Objects {
		o.KeysKnown = known
	}
	return m, nil
}

// isBare reports whether nothing is described of an object but its path and access.
func isBare(r *replyObject) bool {
	return len(r.GetSupportedParams())+len(r.GetSupportedCommands())+len(r.GetSupportedEvents())+
		len(r.GetUniqueKeySets())+len(r.GetDivergentPaths()) == 0
}

// objectOf makes no map where there is nothing to put into it: a device may describe many objects, and most have few kinds of elements.
func objectOf(r *replyObject) *Object {
	o := &Object{Diverging: r.GetDivergentPaths()}
	if n := len(r.GetSupportedParams()); n > 0 {
		o.Params = make(map[string]Param, n)
	}
	if n := len(r.GetSupportedCommands()); n > 0 {
		o.Commands = make(map[string]Command, n)
	}
	if n := len(r.GetSupportedEvents()); n > 0 {
		o.Events = make(map[string]Event, n)
	}
	switch r.GetAccess() {
	case usppb.GetSupportedDMResp_OBJ_ADD_DELETE:
		o.Create, o.Delete = true, true
	case usppb.GetSupportedDMResp_OBJ_ADD_ONLY:
		o.Create = true
	case usppb.GetSupportedDMResp_OBJ_DELETE_ONLY:
		o.Delete = true
	}
	for _, p := range r.GetSupportedParams() {
		put(o, o.Params, p.GetParamName(), Param{Type: typeName(p.GetValueType()), Access: accessName(p.GetAccess())})
	}
	for _, c := range r.GetSupportedCommands() {
		in, out := argumentsOf(c.GetInputArgNames()), argumentsOf(c.GetOutputArgNames())
		put(o, o.Commands, c.GetCommandName(), Command{Kind: kindName(c.GetCommandType()), In: in, Out: out})
	}
	for _, e := range r.GetSupportedEvents() {
		put(o, o.Events, e.GetEventName(), Event{Args: argumentsOf(e.GetArgNames())})
	}
	for _, k := range r.GetUniqueKeySets() {
		o.addKey(k.GetKeyNames())
	}
	return o
}

// put adds a parameter, command or event to an object. Of one that is described twice the later description counts.
func put[T any](o *Object, all map[string]T, name string, element T) {
	if _, there := all[name]; there {
		o.twice = append(o.twice, name)
	}
	all[name] = element
}

func argumentsOf(names []string) map[string]Argument {
	args := map[string]Argument{}
	for _, n := range names {
		args[n] = Argument{}
	}
	return args
}

func accessName(a usppb.GetSupportedDMResp_ParamAccessType) Access {
	switch a {
	case usppb.GetSupportedDMResp_PARAM_READ_WRITE:
		return ReadWrite
	case usppb.GetSupportedDMResp_PARAM_WRITE_ONLY:
		return WriteOnly
	}
	return ReadOnly
}

func kindName(t usppb.GetSupportedDMResp_CmdType) string {
	switch t {
	case usppb.GetSupportedDMResp_CMD_SYNC:
		return Sync
	case usppb.GetSupportedDMResp_CMD_ASYNC:
		return Async
	}
	return ""
}

// typeName is TR-106's name of a type; empty when the device does not know it.
func typeName(t usppb.GetSupportedDMResp_ParamValueType) string {
	switch t {
	case usppb.GetSupportedDMResp_PARAM_BASE_64:
		return "base64"
	case usppb.GetSupportedDMResp_PARAM_BOOLEAN:
		return "boolean"
	case usppb.GetSupportedDMResp_PARAM_DATE_TIME:
		return "dateTime"
	case usppb.GetSupportedDMResp_PARAM_DECIMAL:
		return "decimal"
	case usppb.GetSupportedDMResp_PARAM_HEX_BINARY:
		return "hexBinary"
	case usppb.GetSupportedDMResp_PARAM_INT:
		return "int"
	case usppb.GetSupportedDMResp_PARAM_LONG:
		return "long"
	case usppb.GetSupportedDMResp_PARAM_STRING:
		return "string"
	case usppb.GetSupportedDMResp_PARAM_UNSIGNED_INT:
		return "unsignedInt"
	case usppb.GetSupportedDMResp_PARAM_UNSIGNED_LONG:
		return "unsignedLong"
	}
	return ""
}

// claimed is the version of TR-181 in a data_model_inst_uri, 2.16 of urn:broadband-forum-org:tr-181-2-16-0-usp; empty when there is none.
func claimed(uri string) string {
	_, after, found := strings.Cut(uri, "tr-181-")
	parts := strings.Split(after, "-")
	if !found || len(parts) < 2 {
		return ""
	}
	version := parts[0] + "." + parts[1]
	if len(numbers(version)) != 2 {
		return ""
	}
	return version
}
