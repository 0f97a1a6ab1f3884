package session

import (
	"errors"

	"github.com/usptest/usptest/harness/usp/usppb"
)

// Errors of In for Records that no Session can take, and that a Plain one cannot.
var (
	ErrNoType    = errors.New("the Record has no record type and must be discarded (R-ENC.4)")
	ErrNoContext = errors.New("this side has no session context with the sender and has not asked for one")
)

// Plain is the exchange of Records without a session context: each Record carries one Message, whole and in the clear.
type Plain struct{ Header }

// Out implements Session.
func (p Plain) Out(msg []byte) ([]*usppb.Record, error) {
	r := p.record()
	r.RecordType = &usppb.Record_NoSessionContext{NoSessionContext: &usppb.NoSessionContextRecord{Payload: msg}}
	return []*usppb.Record{r}, nil
}

// In implements Session.
func (p Plain) In(r *usppb.Record) (Taken, error) {
	switch body := r.GetRecordType().(type) {
	case nil:
		return Taken{}, ErrNoType
	case *usppb.Record_NoSessionContext:
		return Taken{Msgs: [][]byte{body.NoSessionContext.GetPayload()}}, nil
	case *usppb.Record_SessionContext:
		return Taken{}, ErrNoContext
	}
	return Taken{}, nil
}
