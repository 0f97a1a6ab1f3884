package link

import (
	"strings"

	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
)

// MTP is what the standards call the Message Transfer Protocol of a Link and its elements of the data model (TR-181), and what they let an
// Agent do over it.
type MTP struct {
	Name    string // "MQTT", "STOMP", "WebSocket" or "UDS": the value of MTP.{i}.Protocol, and the object below that row
	Version string // of the protocol, where links of several versions differ: "5.0" or "3.1.1" of MQTT

	// ControllerAddress is the parameter of Controller.{i}.MTP.{i}.<Name>. that tells Controllers apart.
	ControllerAddress string

	// BrokerHost and BrokerPort are parameters of the row that LocalAgent.MTP.{i}.<Name>.Reference names, and AgentAddress is
	// the one of LocalAgent.MTP.{i}.<Name>. with the Agent's topic or destination. All are "" without a broker.
	BrokerHost, BrokerPort, AgentAddress string

	// Ping is what keeps a connection alive and serves nothing else, and PingInterval what says how often it is due; both are "" where an
	// Agent sends none.
	Ping, PingInterval string

	// TLSRule is the requirement to speak TLS 1.2 or later.
	TLSRule string

	// EndsOnBadRecord says that an Agent may end the connection over a Record that it cannot take (R-WS.16).
	EndsOnBadRecord bool

	// AgentDials says that the Agent opens a connection to each Controller that it knows, so that no other one can reach it.
	AgentDials bool
}

// Login is the user name and the password that the Agent is to log in with at a broker; "" where it may be any.
type Login struct{ Username, Password string }

// Explanation is what a Link makes of the way in which a device came to it, or did not.
type Explanation struct {
	// Breaches are the rules that the device broke on its way, oldest first. Each explains why a device did not get in, whatever
	// it is set up with. They say nothing of a device that did get in: its cases judge it.
	Breaches []Breach
	// Mismatches say how the device is set up otherwise than the Link. What the device leaves out is none: that is a matter of
	// the plan.
	Mismatches []string
	// Remedy says what to do about a device that came so far and no further; "" when the Link cannot tell.
	Remedy string
	// Final says that no longer wait can help: the device is there, and the mismatches keep it from being reached.
	Final bool
}

// Breach is a rule that a device broke.
type Breach struct {
	Rule string // the requirement of TR-369, such as "R-WS.10", the part of another standard, or what is a rule of several
	// Requirements are those of TR-369 where Rule names none.
	Requirements []string
	Seq          journal.Mark // the event that shows it
	Err          error        // what was wanted and what came, most often a *usp.Mismatch
	// Named is the other Endpoint ID by which a device opened a session; "" where it is about something else.
	Named string
}

// endedBy returns why the harness has ended each connection that it ended, by its number.
func endedBy(events []*journal.Event) map[uint64]string {
	why := map[uint64]string{}
	for _, e := range events {
		if e.Dir == journal.Out && e.Closes() {
			why[e.Conn] = strings.TrimPrefix(e.Text, "closed by the harness: ")
		}
	}
	return why
}

// breach is a Breach of which both sides can be named.
func breach(rule string, e *journal.Event, where, want, got string) Breach {
	return Breach{Rule: rule, Seq: e.Seq, Err: &usp.Mismatch{Where: where, Want: want, Got: got}}
}
