package usp

import (
	"fmt"
	"slices"
	"strings"
)

// ErrCode is an error code of TR-369, sections "Error Codes" and "USP Record Errors". Zero means no error.
type ErrCode uint32

// The error codes with a meaning of their own.
const (
	CodeMessageFailed           ErrCode = 7000
	CodeMessageNotSupported     ErrCode = 7001
	CodeRequestDenied           ErrCode = 7002
	CodeInternalError           ErrCode = 7003
	CodeInvalidArguments        ErrCode = 7004
	CodeResourcesExceeded       ErrCode = 7005
	CodePermissionDenied        ErrCode = 7006
	CodeInvalidConfiguration    ErrCode = 7007
	CodeInvalidPathSyntax       ErrCode = 7008
	CodeParameterActionFailed   ErrCode = 7009
	CodeUnsupportedParameter    ErrCode = 7010
	CodeInvalidType             ErrCode = 7011
	CodeInvalidValue            ErrCode = 7012
	CodeNonWriteableParameter   ErrCode = 7013
	CodeValueConflict           ErrCode = 7014
	CodeOperationError          ErrCode = 7015
	CodeObjectDoesNotExist      ErrCode = 7016
	CodeObjectNotCreated        ErrCode = 7017
	CodeNotATable               ErrCode = 7018
	CodeNonCreatableObject      ErrCode = 7019
	CodeObjectNotUpdated        ErrCode = 7020
	CodeRequiredParameterFailed ErrCode = 7021
	CodeCommandFailure          ErrCode = 7022
	CodeCommandCanceled         ErrCode = 7023
	CodeDeleteFailure           ErrCode = 7024
	CodeDuplicateKey            ErrCode = 7025
	CodeInvalidPath             ErrCode = 7026
	CodeInvalidCommandArguments ErrCode = 7027
	CodeRegisterFailure         ErrCode = 7028
	CodeAlreadyInUse            ErrCode = 7029
	CodeDeregisterFailure       ErrCode = 7030
	CodePathAlreadyRegistered   ErrCode = 7031

	CodeRecordNotParsed           ErrCode = 7100
	CodeSecureSessionRequired     ErrCode = 7101
	CodeSecureSessionNotSupported ErrCode = 7102
	CodeSegmentationNotSupported  ErrCode = 7103
	CodeInvalidRecordValue        ErrCode = 7104
	CodeSessionContextTerminated  ErrCode = 7105
	CodeSessionContextNotAllowed  ErrCode = 7106
)

// codeRange is a run of codes, both ends included.
type codeRange struct{ first, last ErrCode }

// codes lists every code with its name and the requests whose "Applicability" column (TR-369, "Error Codes") names
// it. No request means any.
var codes = map[ErrCode]struct {
	name     string
	requests []MsgType
}{
	CodeMessageFailed:           {"Message failed", nil},
	CodeMessageNotSupported:     {"Message not supported", nil},
	CodeRequestDenied:           {"Request denied", nil},
	CodeInternalError:           {"Internal error", nil},
	CodeInvalidArguments:        {"Invalid arguments", nil},
	CodeResourcesExceeded:       {"Resources exceeded", nil},
	CodePermissionDenied:        {"Permission denied", nil},
	CodeInvalidConfiguration:    {"Invalid configuration", nil},
	CodeInvalidPathSyntax:       {"Invalid path syntax", nil},
	CodeParameterActionFailed:   {"Parameter action failed", []MsgType{Set}},
	CodeUnsupportedParameter:    {"Unsupported parameter", []MsgType{Add, Set}},
	CodeInvalidType:             {"Invalid type", []MsgType{Add, Set}},
	CodeInvalidValue:            {"Invalid value", []MsgType{Add, Set}},
	CodeNonWriteableParameter:   {"Attempt to update non-writeable parameter", []MsgType{Add, Set}},
	CodeValueConflict:           {"Value conflict", []MsgType{Add, Set}},
	CodeOperationError:          {"Operation error", []MsgType{Add, Set, Delete}},
	CodeObjectDoesNotExist:      {"Object does not exist", nil},
	CodeObjectNotCreated:        {"Object could not be created", []MsgType{Add}},
	CodeNotATable:               {"Object is not a table", []MsgType{Add, GetInstances}},
	CodeNonCreatableObject:      {"Attempt to create non-creatable object", []MsgType{Add}},
	CodeObjectNotUpdated:        {"Object could not be updated", []MsgType{Set}},
	CodeRequiredParameterFailed: {"Required parameter failed", []MsgType{Add, Set}},
	CodeCommandFailure:          {"Command failure", []MsgType{Operate}},
	CodeCommandCanceled:         {"Command canceled", []MsgType{Operate}},
	CodeDeleteFailure:           {"Delete failure", []MsgType{Delete}},
	CodeDuplicateKey:            {"Object exists with duplicate key", []MsgType{Add, Set}},
	CodeInvalidPath:             {"Invalid path", nil},
	CodeInvalidCommandArguments: {"Invalid command arguments", []MsgType{Operate}},
	CodeRegisterFailure:         {"Register failure", []MsgType{Register}},
	CodeAlreadyInUse:            {"Already in use", []MsgType{Register}},
	CodeDeregisterFailure:       {"Deregister failure", []MsgType{Deregister}},
	CodePathAlreadyRegistered:   {"Path already registered", []MsgType{Deregister}},

	CodeRecordNotParsed:           {"Record could not be parsed", []MsgType{Error}},
	CodeSecureSessionRequired:     {"Secure session required", []MsgType{Error}},
	CodeSecureSessionNotSupported: {"Secure session not supported", []MsgType{Error}},
	CodeSegmentationNotSupported:  {"Segmentation and reassembly not supported", []MsgType{Error}},
	CodeInvalidRecordValue:        {"Invalid Record value", []MsgType{Error}},
	CodeSessionContextTerminated:  {"Session Context terminated", []MsgType{Error}},
	CodeSessionContextNotAllowed:  {"Session Context not allowed", []MsgType{Error}},
}

// sectionCodes lists what the section of each request calls appropriate, beyond the vendors' range.
var sectionCodes = map[MsgType][]codeRange{
	Add:            {{7000, 7019}, {7026, 7026}},
	Set:            {{7000, 7016}, {7020, 7021}, {7026, 7026}},
	Delete:         {{7000, 7008}, {7015, 7016}, {7018, 7018}, {7024, 7024}, {7026, 7026}},
	Get:            {{7000, 7006}, {7008, 7008}, {7010, 7010}, {7016, 7016}, {7026, 7026}},
	GetInstances:   {{7000, 7006}, {7008, 7008}, {7016, 7016}, {7018, 7018}, {7026, 7026}},
	GetSupportedDM: {{7000, 7006}, {7008, 7008}, {7016, 7016}, {7026, 7026}},
	Register:       {{7000, 7008}, {7016, 7016}, {7028, 7029}},
	Deregister:     {{7000, 7008}, {7016, 7016}, {7030, 7030}},
	Notify:         {{7000, 7006}},
	Operate:        {{7000, 7008}, {7016, 7016}, {7022, 7022}, {7026, 7027}},
}

// Name is the standard's name of the code: "Invalid path". Codes of a range have the name of the range.
func (c ErrCode) Name() string {
	if known, ok := codes[c]; ok {
		return known.name
	}
	switch {
	case c == 0:
		return "no error"
	case c.IsRecordError():
		return "unknown Record error"
	case c.IsModelDefined():
		return "data model defined error"
	case c.IsVendorDefined():
		return "vendor defined error"
	}
	return "unknown error code"
}

// String is the code as a person reads it: "7026 Invalid path".
func (c ErrCode) String() string { return fmt.Sprintf("%d %s", uint32(c), c.Name()) }

// Known reports whether TR-369 defines the code or gives its range away.
func (c ErrCode) Known() bool {
	_, ok := codes[c]
	return ok || c.IsModelDefined() || c.IsVendorDefined()
}

// IsRecordError reports whether the code speaks of Records and not of Messages (7100 to 7199). Such a code is in a
// DisconnectRecord, or in an Error Message that answers a Record.
func (c ErrCode) IsRecordError() bool { return c >= 7100 && c <= 7199 }

// IsModelDefined reports whether the meaning of the code is in the data model (7200 to 7299).
func (c ErrCode) IsModelDefined() bool { return c >= 7200 && c <= 7299 }

// IsVendorDefined reports whether the code is the vendor's own (7800 to 7999).
func (c ErrCode) IsVendorDefined() bool { return c >= 7800 && c <= 7999 }

// AllowedCodes lists the codes that may answer a request of type t, "7000-7008, 7010", see AllowedIn, without the vendors' range.
func AllowedCodes(t MsgType) string {
	var runs []string
	for code := ErrCode(7000); code < 7800; code++ {
		first := code
		for code.Known() && code.AllowedIn(t) {
			code++
		}
		switch code - first {
		case 0:
		case 1:
			runs = append(runs, fmt.Sprint(uint32(first)))
		default:
			runs = append(runs, fmt.Sprintf("%d-%d", first, code-1))
		}
	}
	return strings.Join(runs, ", ")
}

// AllowedIn reports whether the code may answer a request of type t, be it in the response or in an Error; t is the
// request or its response. An OperationComplete notification counts as Operate. For Error, of which nothing more is
// known, every known code will do. The section of each request and the Applicability column of the code table
// differ: what either allows is allowed.
func (c ErrCode) AllowedIn(t MsgType) bool {
	if t == Error {
		return c.Known()
	}
	if IsResponse(t) {
		t = requestOf(t)
	}
	if !IsRequest(t) {
		return false
	}
	if c.IsVendorDefined() || c.IsModelDefined() && t == Operate {
		return true
	}
	for _, r := range sectionCodes[t] {
		if c >= r.first && c <= r.last {
			return true
		}
	}
	known, ok := codes[c]
	return ok && (known.requests == nil || slices.Contains(known.requests, t))
}
