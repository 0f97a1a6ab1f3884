package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// notWithin begins the error about a device that did not come in time.
func notWithin(patience time.Duration, wait string) string {
	return fmt.Sprintf("no device within %s (waits.%s)", patience, wait)
}

// absent says that no device came, after what, and most telling of all why.
func (r *rig) absent(err error, mark journal.Mark, after string) error {
	why := strings.TrimSuffix(err.Error(), ": "+context.DeadlineExceeded.Error())
	text, remedy := r.seen(mark)
	if errors.Is(err, context.Canceled) { // the wait ended early, which says nothing about the device
		why = remedy
	}
	nothing := strings.HasPrefix(text, unseen)
	if nothing && strings.HasSuffix(after, "(waits.connect)") && !r.Device.Launched() {
		text += "; a device that tried before usptest listened waits before it tries again, often a minute and more: restart it, or raise waits.connect"
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if beside := r.connectedBeside(ended); len(beside) > 0 {
		text += "; the device is connected over " + strings.Join(beside, " and ")
	}
	switch {
	case nothing:
		return fmt.Errorf("%s, %s; %s", after, text, why)
	case remedy != "" && why != remedy:
		return fmt.Errorf("%s: %s; %s; %s", after, remedy, why, text)
	}
	return fmt.Errorf("%s: %s; %s", after, why, text)
}

// otherDevice describes a second device on the link: a connection over which nothing but another Endpoint ID is heard, in a Record or where
// the session opens; "" when there is none.
func (r *rig) otherDevice(mark journal.Mark) string {
	var conns []uint64
	names, from := map[uint64]string{}, map[uint64]string{}
	own := map[string]bool{} // other names by which the device under test itself opens sessions
	for _, e := range r.Journal.Since(mark) {
		if e.Remote != "" {
			from[e.Conn] = e.Remote
		}
		if b := r.Link.Announced(e, r.Agent.AgentID(), usp.Version); b != nil && b.Named != "" && e.Conn != 0 {
			if r.Agent.SpokeOver(e.Conn) {
				own[b.Named] = true
				continue
			}
			if _, known := names[e.Conn]; !known {
				conns, names[e.Conn] = append(conns, e.Conn), b.Named
			}
		}
		record, ok := e.Body.(*usppb.Record)
		if !ok || e.Dir != journal.In {
			continue
		}
		if _, known := names[e.Conn]; !known {
			conns = append(conns, e.Conn)
		}
		if names[e.Conn] != r.Agent.AgentID() { // once it was right, it is our device
			names[e.Conn] = record.GetFromId()
		}
	}
	for _, conn := range conns {
		if names[conn] != r.Agent.AgentID() && !own[names[conn]] {
			return fmt.Sprintf("another device is connected over this link, from %s, with the Endpoint ID %s; the one under test is %q: disconnect the other one, "+
				"or give it another port", from[conn], usp.Quote(names[conn]), r.Agent.AgentID())
		}
	}
	return ""
}

// namedOtherwise says by which Endpoint ID a device speaks that is not the expected one; nil when no Record shows another.
func (r *rig) namedOtherwise(mark journal.Mark) error {
	for _, e := range r.Journal.Since(mark) {
		record, ok := e.Body.(*usppb.Record)
		if ok && e.Dir == journal.In && e.Link == "" && record.GetFromId() != r.Agent.AgentID() {
			return fmt.Errorf("the device calls itself %s, and device.endpoint in the DUT file is %q; make them the same, "+
				"or disconnect it if it is another device", usp.Quote(record.GetFromId()), r.Agent.AgentID())
		}
	}
	return nil
}

// announcesOther is how a device that has sent no Record names itself, if that is another Endpoint ID than the expected one; else "".
func (r *rig) announcesOther(mark journal.Mark) string {
	for _, e := range r.Journal.Since(mark) {
		if b := r.Link.Announced(e, r.Agent.AgentID(), usp.Version); b != nil {
			return b.Err.Error()
		}
	}
	return ""
}

const unseen = "seen: no TCP connection to "

// seen describes what came over the wire since mark, for a device that is not there, and what to do about it, "" when nothing tells.
func (r *rig) seen(mark journal.Mark) (text, remedy string) {
	counts, order, events := map[string]int{}, []string{}, r.Journal.Since(mark)
	for _, e := range events {
		if e.Dir != journal.In || e.Link != "" {
			continue
		}
		kind := fmt.Sprintf("%s %s", e.Layer, e.Type)
		if counts[kind] == 0 {
			order = append(order, kind)
		}
		counts[kind]++
	}
	if len(order) == 0 {
		if remedy := r.Link.Explain(events).Remedy; remedy != "" {
			return "seen: nothing", remedy
		}
		return fmt.Sprintf(unseen+"%s; check that the device is configured for this address", r.Link.Addr()), ""
	}
	remedy = r.remedy(order, counts, events)
	for i, kind := range order {
		order[i] = fmt.Sprintf("%d %s", counts[kind], kind)
	}
	return "seen: " + strings.Join(order, ", "), remedy
}

// remedy says what to do about a device, by the most telling event that was seen of it.
func (r *rig) remedy(seen []string, counts map[string]int, events []*journal.Event) string {
	spec, _ := r.DUT.Link(r.name)
	malformed := slices.ContainsFunc(events, isMalformed)
	switch {
	case counts["tls alert"] > 0:
		return fmt.Sprintf("the device refuses the broker's certificate: it must trust the issuer (tls.authority in the DUT file), "+
			"look for the name %q, and have the right time", r.host())
	case spec.TLS && counts["tls handshake"] == 0 && counts["tls ClientHello"] > 0:
		return r.brokeOff(events)
	case spec.TLS && counts["tls handshake"] == 0 && counts["tcp open"] > 0:
		return "the device does not begin with TLS, or does not finish: configure it for TLS, or remove tls: true from the link"
	case malformed, len(seen) == 1 && counts["tcp open"] > 0:
		text := fmt.Sprintf("what came is not %s: the device speaks another MTP, or TLS on one side only", r.Link.MTP().Name)
		if at := slices.IndexFunc(events, isMalformed); at >= 0 {
			text += " (" + events[at].Text + begunAs(events[at].Raw) + ")"
		}
		return text
	}
	return r.Link.Explain(events).Remedy
}

// begunAs says which other protocol bytes begin like; "" when none that is known.
func begunAs(raw []byte) string {
	begins := func(text string) bool { return strings.HasPrefix(string(raw), text) }
	switch {
	case begins("\x16\x03"):
		return ", which begins like TLS"
	case begins("\x10") && strings.Contains(string(raw[:min(len(raw), 12)]), "MQ"):
		return ", which begins like MQTT"
	case begins("STOMP\n"), begins("CONNECT\n"), begins("STOMP\r\n"), begins("CONNECT\r\n"):
		return ", which begins like STOMP"
	case begins("GET "):
		return ", which begins like HTTP, on which WebSocket is opened"
	}
	return ""
}

// isMalformed reports whether an event is about bytes of a device that are no packet, frame or request.
func isMalformed(e *journal.Event) bool {
	return e.Dir == journal.In && e.Link == "" && (e.Type == "malformed" || e.Layer == journal.LayerNote && strings.HasPrefix(e.Type, "bad "))
}

// brokeOff says why a TLS handshake that the device began did not come to its end.
func (r *rig) brokeOff(events []*journal.Event) string {
	why, hello := "", ""
	for _, e := range events {
		switch {
		case e.Layer != journal.LayerTLS:
		case e.Type == "ClientHello":
			hello = e.Text
		case e.Type == gate.HandshakeFailed || e.Type == gate.HandshakeBroken:
			why = e.Text
		}
	}
	if strings.Contains(why, "unsupported versions") || strings.Contains(why, "no cipher suite") {
		return fmt.Sprintf("the device and usptest have no version or cipher suite of TLS in common: the device begins with %s (%s); "+
			"TR-369 wants TLS 1.2 or later", hello, why)
	}
	return fmt.Sprintf("the device began TLS and broke it off (%s): most often it does not trust the issuer (tls.authority in the DUT file), "+
		"or looks for another name than those in the certificate: %s", why, r.names)
}

// host is the name by which the device reaches the broker.
func (r *rig) host() string {
	spec, _ := r.DUT.Link(r.name)
	return r.DUT.HostFor(spec)
}
