package harness

import (
	"crypto/tls"

	"google.golang.org/protobuf/proto"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/pki"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/session"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// Forgery makes the valid signature of a Record a bad one.
type Forgery struct {
	What  string
	spoil func(r *usppb.Record, with tls.Certificate) error
}

// Forgeries are the signatures that no Endpoint may take (R-E2E.30).
func Forgeries() []Forgery {
	return []Forgery{
		{"the signature of another Record", func(r *usppb.Record, with tls.Certificate) error {
			other := proto.Clone(r).(*usppb.Record)
			other.FromId += "-"
			err := session.Sign(other, with, false)
			r.MacSignature = other.MacSignature
			return err
		}},
		{"a signature that is cut short", func(r *usppb.Record, _ tls.Certificate) error {
			r.MacSignature = r.MacSignature[:len(r.MacSignature)/2]
			return nil
		}},
		{"bytes that are no signature", func(r *usppb.Record, _ tls.Certificate) error {
			r.MacSignature = []byte("signed by the Controller")
			return nil
		}},
	}
}

// Impostures are the forgeries that are signatures, but not of the Record or not of its sender.
func (c *Case) Impostures() []Forgery {
	stranger := c.Certificate(pki.Good, func(s *pki.Spec) { s.EndpointIDs = []string{"self::usptest-stranger"} })
	return []Forgery{
		{"a version that was changed after it was signed", func(r *usppb.Record, _ tls.Certificate) error { r.Version = "1.3"; return nil }},
		{"the certificate and signature of another Endpoint", func(r *usppb.Record, _ tls.Certificate) error {
			return session.Sign(r, *stranger, false)
		}},
	}
}

// UnknownAuthority is the forgery whose certificate names the sender, but comes from an authority that the device does not know.
func (c *Case) UnknownAuthority() Forgery {
	own := c.Certificate(pki.UnknownCA, nil)
	return Forgery{"a signature by a certificate of another authority", func(r *usppb.Record, _ tls.Certificate) error {
		return session.Sign(r, *own, false)
	}}
}

// Forged are Gets with signatures that are not valid, and what the device has made of them.
type Forged struct {
	c        *Case
	mark     journal.Mark
	what     map[string]string // by msg_id
	Evidence []journal.Mark    // the numbers of their packets' events
}

// SendForged sends a Get of a parameter, outside a session context, with each of the forgeries.
func (c *Case) SendForged(param string, forgeries []Forgery) *Forged {
	c.Uses(plan.NeedSignature, plan.NeedInvalidRecord)
	f := &Forged{c: c, mark: c.Journal.Mark(), what: map[string]string{}}
	for i, forgery := range forgeries {
		c.Step(i+1, "send a Get with %s", forgery.What)
		get := usp.NewGet(c.Agent.NewMsgID(), param)
		f.what[get.GetHeader().GetMsgId()] = forgery.What
		payload, err := usp.Marshal(get)
		c.LabMust(err)
		records, err := session.Plain{Header: session.Header{Version: usp.Version, To: c.Agent.AgentID(), From: c.Agent.ID()}}.Out(payload)
		c.LabMust(err)
		r, with := records[0], c.bench.Identity.Certificate
		c.LabMust(session.Sign(r, with, false))
		c.LabMust(forgery.spoil(r, with))
		seq, err := c.Agent.SendRecord(c, r)
		c.LabMust(err)
		f.Evidence = append(f.Evidence, seq)
	}
	return f
}

// MustBeIgnored wants none of the Gets to have been answered up to an event. lenient: an Error is accepted.
func (f *Forged) MustBeIgnored(m *Metric, until journal.Mark, lenient bool) {
	for _, e := range f.c.Emitted(f.mark, until) {
		what, ours := f.what[e.MsgID()]
		if !ours || !e.Answers() {
			continue
		}
		if code := usp.ErrCode(e.Msg.GetBody().GetError().GetErrCode()); code != 0 && lenient {
			f.c.Note("%s was answered with an Error, %s, as R-MTP.5 allows", what, code)
			continue
		}
		m.Must(expect.Nothing("answer to the Get with "+what, e.Describe()), e.Seq)
	}
}

// GetSigned gets a parameter, outside a session context, in a Record whose signature is valid. TR-369 does not say whether
// numbers that are not set count: one of the two readings must be answered with a GetResp.
func (c *Case) GetSigned(m *Metric, param string) {
	c.Uses(plan.NeedSignature)
	var failed error
	var sent journal.Mark
	for _, omit := range []bool{false, true} {
		get := usp.NewGet(c.Agent.NewMsgID(), param)
		mark := c.Journal.Mark()
		_, records, err := c.Agent.PrepareOutside(get)
		c.LabMust(err)
		c.LabMust(session.Sign(records[0], c.bench.Identity.Certificate, omit))
		sent, err = c.Agent.SendPrepared(c, records[0])
		c.LabMust(err)
		e, err := c.Await("answer to a Get whose signature is valid", c.ResponseWait(), mark, func(e *journal.Event) error {
			got, ok := e.Body.(*controller.Message)
			if !ok || e.Dir != journal.In || got.GetBody().GetRequest() != nil || got.GetHeader().GetMsgId() != get.GetHeader().GetMsgId() {
				return journal.ErrSkip
			}
			if got.GetBody().GetResponse().GetGetResp() == nil {
				return &usp.Mismatch{Where: "answer to a Get whose signature is valid", Want: "GetResp", Got: controller.Summary(got.Msg)}
			}
			return nil
		})
		if err == nil {
			m.Saw(sent, e.Seq)
			return
		}
		failed = err
	}
	m.Must(failed, sent)
}
