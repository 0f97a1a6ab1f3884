package access

import (
	"crypto/tls"

	"google.golang.org/protobuf/proto"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/pki"
	"github.com/usptest/usptest/harness/session"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// invalidSignatures is 2.7: a Record whose mac_signature is not valid is ignored, however well-formed it is (R-E2E.23, R-E2E.30). Gets
// without signature show that nothing else is wrong.
func invalidSignatures(c *harness.Case) {
	const param = "Device.LocalAgent.EndpointID"
	c.DeviceMust(expect.Type(c.Agent.Get(c, param), usp.GetResp))
	mark := c.Journal.Mark()
	sent := map[string]string{} // what is wrong with the signature, by msg_id
	var evidence []uint64
	certificate := signer(c)
	for i, bad := range badSignatures() {
		get := usp.NewGet(c.Agent.NewMsgID(), param)
		sent[get.GetHeader().GetMsgId()] = bad.what
		c.Step(i+1, "send a Get with %s", bad.what)
		payload, err := usp.Marshal(get)
		c.LabMust(err)
		records, err := session.Plain{Header: session.Header{Version: usp.Version, To: c.Agent.AgentID(), From: c.Agent.ID()}}.Out(payload)
		c.LabMust(err)
		r := records[0]
		c.LabMust(session.Sign(r, certificate))
		c.LabMust(bad.spoil(r, certificate))
		seq, err := c.Agent.SendRecord(c, r)
		c.LabMust(err)
		evidence = append(evidence, seq)
	}
	c.Step(len(sent)+1, "send Gets without signature")
	// the second one gives time to an Agent that works on several requests at once
	first, second := c.Agent.Get(c, param), c.Agent.Get(c, param)
	c.Metric(1, func(m *harness.Metric) {
		m.Must(nil, evidence...)
		m.Must(expect.Type(first, usp.GetResp), first.Evidence())
		m.Must(expect.Type(second, usp.GetResp), second.Evidence())
		for _, e := range c.Emitted(mark, second.Evidence()) {
			what, ours := sent[e.MsgID()]
			if !ours || !e.Answers() {
				continue
			}
			if code := usp.ErrCode(e.Msg.GetBody().GetError().GetErrCode()); code != 0 && !c.Strict("error-for-a-bad-signature") {
				c.Note("%s was answered with an Error, %s, as R-MTP.5 allows", what, code)
				continue
			}
			m.Must(expect.Nothing("answer to the Get with "+what, e.Describe()), e.Seq)
		}
	})
}

// signer is a certificate of the Controller, from an authority that the device need not know: what is wrong is wrong for any.
func signer(c *harness.Case) tls.Certificate {
	ca, err := pki.NewCA(pki.Name)
	c.LabMust(err)
	certificate, err := ca.Issue(pki.Spec{CommonName: "usptest Controller", EndpointID: c.Agent.ID(), Client: true})
	c.LabMust(err)
	return certificate
}

// badSignature makes the valid signature of a Record a bad one.
type badSignature struct {
	what  string
	spoil func(r *usppb.Record, certificate tls.Certificate) error
}

func badSignatures() []badSignature {
	return []badSignature{
		{"the signature of another Record", func(r *usppb.Record, certificate tls.Certificate) error {
			other := proto.Clone(r).(*usppb.Record)
			other.FromId += "-"
			err := session.Sign(other, certificate)
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
