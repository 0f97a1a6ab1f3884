package runner

import (
	"fmt"
	"slices"
	"strings"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/brokers/stomp"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
)

// approach is what a device did since some time to come to the Controller through a broker.
type approach struct {
	logins     []login
	subscribed []string // topics, filters or destinations
	connected  []string // where it sent the Records that say that it is connected
}

// login is what a device logged in with. Without a user name or a password it has none.
type login struct{ username, password *string }

// approach gathers what a device that is to be the Agent did since mark. A device may have more Controllers: what is for another is left out.
func (r *rig) approach(mark uint64) (a approach) {
	sent := func(to string, payload []byte) {
		record, err := usp.ParseRecord(payload)
		says := err == nil && (record.GetMqttConnect() != nil || record.GetStompConnect() != nil)
		if says && record.GetToId() == r.Agent.ID() && !slices.Contains(a.connected, to) {
			a.connected = append(a.connected, to)
		}
	}
	for _, e := range r.Journal.Since(mark) {
		if e.Dir != journal.In {
			continue
		}
		switch body := e.Body.(type) {
		case *mqtt.Packet:
			switch body.Type {
			case mqtt.Connect:
				var l login
				if body.HasUsername {
					l.username = &body.Username
				}
				if body.HasPassword {
					l.password = &body.Password
				}
				a.logins = append(a.logins, l)
			case mqtt.Subscribe:
				for _, f := range body.Filters {
					a.subscribed = append(a.subscribed, f.Topic)
				}
			case mqtt.Publish:
				to, _ := link.SplitReplyTo(body.Topic)
				sent(to, body.Payload)
			}
		case *stomp.Frame:
			header := func(name string) *string {
				if value, ok := body.Header(name); ok {
					return &value
				}
				return nil
			}
			switch body.Command {
			case "CONNECT", "STOMP":
				a.logins = append(a.logins, login{header("login"), header("passcode")})
			case "SUBSCRIBE":
				if to := header("destination"); to != nil {
					a.subscribed = append(a.subscribed, *to)
				}
			case "SEND":
				if to := header("destination"); to != nil {
					sent(*to, body.Body)
				}
			}
		}
	}
	return a
}

// misfit says how what a device did since mark differs from what the DUT file says of the link; empty when it does not. A device that logs in
// without what the file names is no misfit, but a matter of the plan.
func (r *rig) misfit(mark uint64) string {
	spec, _ := r.DUT.Link(r.Link)
	a := r.approach(mark)
	var differs []string
	if name := others(a.logins, spec.Username, func(l login) *string { return l.username }); name != nil {
		differs = append(differs, fmt.Sprintf("it logs in as %s, and the link's username is %q", quoted(*name), spec.Username))
	}
	if others(a.logins, spec.Password, func(l login) *string { return l.password }) != nil {
		differs = append(differs, "it logs in with another password than the link's")
	}
	if len(a.subscribed) > 0 && !slices.ContainsFunc(a.subscribed, r.reaches) {
		differs = append(differs, fmt.Sprintf("it subscribes to %s, and the link's agentTopic is %q", quoted(a.subscribed...), r.AgentAddress))
	}
	if len(a.connected) > 0 && !slices.ContainsFunc(a.connected, func(to string) bool { return link.Within(to, r.ControllerAddress) }) {
		differs = append(differs, fmt.Sprintf("it sends its Records to %s, and the link's controllerTopic is %q", quoted(a.connected...), r.ControllerAddress))
	}
	if len(differs) == 0 {
		return ""
	}
	return "the device is not set up as the DUT file says: " + strings.Join(differs, "; ") + "; make them the same, there or here"
}

// others returns what the newest login has in the place of a declared value, when none has that.
func others(logins []login, declared string, of func(login) *string) (other *string) {
	for _, l := range logins {
		switch value := of(l); {
		case declared == "" || value == nil:
		case *value == declared:
			return nil
		default:
			other = value
		}
	}
	return other
}

// reaches says whether what is sent to the Agent's topic or destination comes to one who subscribed so.
func (r *rig) reaches(subscribed string) bool {
	if r.MQTT == nil {
		return subscribed == r.AgentAddress
	}
	return mqtt.Covers(subscribed, r.AgentAddress) || mqtt.Covers(subscribed, link.JoinReplyTo(r.AgentAddress, r.ControllerAddress))
}

// quoted are texts of a device within a sentence.
func quoted(texts ...string) string {
	var all []string
	for _, text := range texts[:min(len(texts), 3)] {
		head, _ := result.Cut(text, maxIdentity)
		all = append(all, fmt.Sprintf("%q", head))
	}
	return strings.Join(all, ", ")
}
