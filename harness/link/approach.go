package link

import (
	"fmt"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
)

// approach is how a device came to the Controller through a broker. A device may have more Controllers: what is for another is
// left out.
type approach struct {
	controllerID string
	logins       []credentials
	subscribed   []string          // topics, filters or destinations
	unasked      []string          // where it sent the Records that answer nothing
	asked        map[string]string // where the Controller wanted its answers, by the msg_id of the request
	answerRule   string            // the requirement to answer there
	breaches     []Breach
}

// credentials are what a device logged in with. Without a user name or a password it has none.
type credentials struct{ username, password *string }

// request notes a payload that goes to the device, and where the answer is wanted.
func (a *approach) request(replyTo string, payload []byte) {
	record, err := usp.ParseRecord(payload)
	if err != nil {
		return
	}
	m, err := usp.ParseMessage(usp.PayloadOf(record))
	if err != nil || m.GetBody().GetRequest() == nil {
		return
	}
	if a.asked == nil {
		a.asked = map[string]string{}
	}
	a.asked[m.GetHeader().GetMsgId()] = replyTo
}

// sent notes a payload of the device that may be a Record. An answer has to go where the Controller wants it, as the request
// said; where other Records go is a matter of how the device is set up.
func (a *approach) sent(e *journal.Event, to string, payload []byte) {
	record := readRecord(payload)
	if record == nil {
		return
	}
	m, err := usp.ParseMessage(usp.PayloadOf(record))
	if err == nil && m.GetBody() != nil && m.GetBody().GetRequest() == nil {
		if want, ok := a.asked[m.GetHeader().GetMsgId()]; ok && to != want {
			a.breaches = append(a.breaches, breach(a.answerRule, e, "where the device sends its "+usp.TypeName(usp.MsgTypeOf(m)),
				usp.Quote(want)+", as the request says", usp.Quote(to)))
		}
		return
	}
	if record.GetToId() == a.controllerID && !slices.Contains(a.unasked, to) {
		a.unasked = append(a.unasked, to)
	}
}

// explain holds the approach against the Link: what the device is to log in with, where it is to listen and to send. reaches
// reports whether what is sent to the Agent's address comes to one who subscribed so.
func (a *approach) explain(want Login, agent, controller string, reaches func(subscribed string) bool) Explanation {
	x := Explanation{Breaches: a.breaches}
	if name := other(a.logins, want.Username, func(c credentials) *string { return c.username }); name != nil {
		x.differs("it logs in as %s, and the link's username is %q", quoted(*name), want.Username)
	}
	if other(a.logins, want.Password, func(c credentials) *string { return c.password }) != nil {
		x.differs("its password is not the link's")
	}
	if len(a.subscribed) > 0 && !slices.ContainsFunc(a.subscribed, reaches) {
		x.differs("it subscribes to %s, and the link's agentTopic is %q", quoted(a.subscribed...), agent)
	}
	elsewhere := slices.ContainsFunc(a.breaches, func(b Breach) bool { return b.Rule == a.answerRule })
	if len(a.unasked) > 0 && !elsewhere && !slices.ContainsFunc(a.unasked, func(to string) bool { return Within(to, controller) }) {
		x.differs("it sends its Records to %s, and the link's controllerTopic is %q", quoted(a.unasked...), controller)
	}
	switch {
	case slices.ContainsFunc(a.subscribed, reaches): // it is the rest that is not as it should be
	case len(a.subscribed) > 0:
		x.Remedy = fmt.Sprintf("the device listens elsewhere: agentTopic must be what it subscribes to, here %q", agent)
	case len(a.logins) > 0:
		x.Remedy = "the device connects but does not subscribe: look at the login (username, password) and the topic or destination on the device"
	}
	return x
}

// other returns what the newest login has in the place of a declared value, when none has that.
func other(logins []credentials, declared string, of func(credentials) *string) (found *string) {
	for _, c := range logins {
		switch value := of(c); {
		case declared == "" || value == nil:
		case *value == declared:
			return nil
		default:
			found = value
		}
	}
	return found
}

// quoted are texts of a device within a sentence.
func quoted(texts ...string) string {
	var all []string
	for _, text := range texts[:min(len(texts), 3)] {
		all = append(all, usp.Quote(text))
	}
	return strings.Join(all, ", ")
}
