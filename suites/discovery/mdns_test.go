package discovery

import (
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// An Endpoint ID is one label of a name, whatever is in it.
func TestInstance(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ endpointID, record string }{
		{"proto::x1", `_usp-agt-mqtt._tcp.local. 10 IN PTR proto::x1._usp-agt-mqtt._tcp.local.`},
		{"fqdn::x1.example.com", `_usp-agt-mqtt._tcp.local. 10 IN PTR fqdn::x1\.example\.com._usp-agt-mqtt._tcp.local.`},
		{"ops::00D09E-a%20b-7", `_USP-AGT-MQTT._TCP.LOCAL. 10 IN PTR ops::00D09E-a%20b-7._Usp-Agt-Mqtt._Tcp.Local.`},
		{"proto::x1", `_usp-agt-mqtt._tcp.local. 10 IN PTR \112\114\111\116\111\058\058x1._usp-agt-mqtt._tcp.local.`},
	} {
		one := mtp{service: "_usp-agt-mqtt._tcp"}
		rr, err := dns.NewRR(test.record)
		if err != nil {
			t.Fatal(err)
		}
		wire := make([]byte, 512) // as it comes from a device
		n, err := dns.PackRR(rr, wire, 0, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		if rr, _, err = dns.UnpackRR(wire[:n], 0); err != nil {
			t.Fatal(err)
		}
		if _, err := one.instance([]dns.RR{rr}, test.endpointID); err != nil {
			t.Errorf("%s: %v", test.record, err)
		}
		if _, err := one.instance([]dns.RR{rr}, "proto::x2"); err == nil {
			t.Errorf("%s: want an error for another Endpoint ID", test.record)
		}
	}
}

func TestDescribes(t *testing.T) {
	t.Parallel()
	plain, secure := mtp{path: "/usp"}, mtp{path: "/usp", secure: true}
	for _, test := range []struct {
		one    mtp
		txt    string
		speaks string
		want   bool
	}{
		{plain, `path=usp name=Box`, "1.4", true},
		{plain, `path=other name=Box`, "1.4", false},
		{plain, `path=usp name=Other`, "1.4", false},
		{secure, `path=usp name=Box encrypt`, "1.4", true},
		{secure, `path=usp name=Box`, "1.2", false},
		{secure, `path=usp name=Box`, "1.1", true},
	} {
		record := &dns.TXT{Txt: strings.Fields(test.txt)}
		if err := test.one.describes(record, "Box", true, test.speaks); (err == nil) != test.want {
			t.Errorf("%s of USP %s: %v", test.txt, test.speaks, err)
		}
	}
}
