package link

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp/usppb"
)

const (
	// contentType marks a PUBLISH of MQTT 5.0 that carries a Record (R-MQTT.27).
	contentType = "usp.msg"
	// replyMark begins the reply-to topic at the end of a topic of MQTT 3.1.1 (R-MQTT.24).
	replyMark = "/reply-to="
)

// MQTTOptions describe a link over MQTT.
type MQTTOptions struct {
	Name            string // the link's name in results
	Version         byte   // mqtt.V5 or mqtt.V311: how the link addresses the Agent
	AgentTopic      string // where the Agent listens as long as it has not said otherwise
	ControllerTopic string // where the Agent's Records come in; topics below it belong to the link too, for further Controllers
	ControllerID    string // the Endpoint ID of the first Controller
	Login           Login
	QoS             byte // of the Records to the Agent, 0 or 1
	Broker          mqtt.Options
}

// MQTT is a link through a broker of its own.
type MQTT struct {
	journal *journal.Journal
	o       MQTTOptions
	receive func(Inbound)
	broker  *mqtt.Server // set by Start
	further further

	mu      sync.Mutex
	topic   string        // the Agent's, "" when it has not said
	conn    uint64        // the connection by which it said so, 0 for none
	last    uint64        // the connection of its newest Record
	learned chan struct{} // closed when topic changes
}

// NewMQTT makes a link that listens once it is started. Options.Broker.OnPublish is the link's own.
func NewMQTT(j *journal.Journal, o MQTTOptions) *MQTT {
	return &MQTT{journal: j, o: o, receive: func(Inbound) {}, learned: make(chan struct{})}
}

// Name implements Link.
func (l *MQTT) Name() string { return l.o.Name }

// MTP implements Link.
func (l *MQTT) MTP() MTP {
	return MTP{Name: "MQTT", Version: mqtt.VersionName(l.o.Version), ControllerAddress: "Topic",
		BrokerHost: "BrokerAddress", BrokerPort: "BrokerPort", AgentAddress: "ResponseTopicConfigured",
		Ping: "PINGREQ", PingInterval: "Keep Alive", TLSRule: "R-MQTT.48"}
}

// Broker returns the broker, to be scripted, once the link is started.
func (l *MQTT) Broker() *mqtt.Server { return l.broker }

// OnRecord implements Link.
func (l *MQTT) OnRecord(f func(Inbound)) { l.receive = f }

// Start implements Link.
func (l *MQTT) Start(ctx context.Context) error {
	if l.o.Version != mqtt.V5 && l.o.Version != mqtt.V311 {
		return fmt.Errorf("link %s: MQTT version %s, want 5.0 or 3.1.1", l.o.Name, mqtt.VersionName(l.o.Version))
	}
	o := l.o.Broker
	o.OnPublish = l.published
	broker, err := mqtt.Start(ctx, l.journal, o)
	if err != nil {
		return fmt.Errorf("link %s: %w", l.o.Name, err)
	}
	l.broker = broker
	return nil
}

// Close implements Link.
func (l *MQTT) Close() error {
	if l.broker == nil {
		return nil
	}
	return l.broker.Close()
}

// Addr implements Link.
func (l *MQTT) Addr() string {
	if l.broker == nil {
		return ""
	}
	return l.broker.Addr()
}

// Drop implements Link.
func (l *MQTT) Drop() { l.broker.DropAll() }

// Reset implements Link.
func (l *MQTT) Reset() { l.broker.Reset() }

// StartsSession implements Link.
func (l *MQTT) StartsSession(e *journal.Event) bool {
	return e.Dir == journal.In && e.Layer == journal.LayerMQTT && e.Type == mqtt.Connect
}

// Pings implements Link.
func (l *MQTT) Pings(e *journal.Event) bool {
	return e.Dir == journal.In && e.Layer == journal.LayerMQTT && e.Type == mqtt.Pingreq
}

// PingInterval implements Link. The broker's Keep Alive takes the place of the device's own.
func (l *MQTT) PingInterval(e *journal.Event, now time.Duration) time.Duration {
	p, ok := e.Body.(*mqtt.Packet)
	switch {
	case ok && p.Type == mqtt.Connect:
		return time.Duration(p.KeepAlive) * time.Second
	case ok && p.Type == mqtt.Connack && p.HasServerKeepAlive:
		return time.Duration(p.ServerKeepAlive) * time.Second
	}
	return now
}

// Announced implements Link. That the property is there is for a case of the plan to judge (11.2).
func (l *MQTT) Announced(e *journal.Event, agent, _ string) *Breach {
	p, ok := e.Body.(*mqtt.Packet)
	if !ok || !l.StartsSession(e) {
		return nil
	}
	ids := p.UserProp("usp-endpoint-id")
	if len(ids) == 0 {
		return nil
	}
	return announced("R-MQTT.6", e, "usp-endpoint-id of the CONNECT", ids[0], agent)
}

// EndsSession implements Link.
func (l *MQTT) EndsSession(e *journal.Event) bool {
	return closes(e) || e.Dir == journal.In && e.Layer == journal.LayerMQTT && e.Type == mqtt.Disconnect
}

// Emitted implements Link.
func (l *MQTT) Emitted(e *journal.Event) (string, *usppb.Record) {
	p, ok := e.Body.(*mqtt.Packet)
	if !ok || e.Dir != journal.In || p.Type != mqtt.Publish {
		return "", nil
	}
	return p.Topic, readRecord(p.Payload)
}

// Explain implements Link.
func (l *MQTT) Explain(events []*journal.Event) Explanation {
	a := approach{controllerID: l.o.ControllerID, answerRule: "R-MQTT.26"}
	if l.o.Version < mqtt.V5 {
		a.answerRule = "R-MQTT.25"
	}
	var sessions []subscribed
	greeted, spoken, ended := map[uint64]bool{}, byte(0), endedBy(events)
	broke := func(e *journal.Event, where, want, got string) {
		a.breaches = append(a.breaches, breach("MQTT "+mqtt.VersionName(l.o.Version), e, where, want, got))
	}
	for _, e := range events {
		p, ok := e.Body.(*mqtt.Packet)
		switch {
		case e.Dir == journal.In && e.Layer == journal.LayerMQTT && e.Type == mqtt.Malformed && greeted[e.Conn]:
			broke(e, "a packet after the CONNECT", "a well-formed one", e.Text)
		case e.Dir == journal.In && e.Layer == journal.LayerMQTT && e.Type == mqtt.Malformed && mqtt.IsConnect(e.Raw):
			broke(e, "the CONNECT of the device", "a well-formed one", strings.TrimPrefix(e.Text, mqtt.Connect+": "))
		case e.Layer == journal.LayerTCP && strings.HasPrefix(ended[e.Conn], mqtt.Silent) && e.Type == "close":
			broke(e, "the packets of the device", "one within each Keep Alive that its CONNECT announces", ended[e.Conn])
		case !ok:
		case e.Dir == journal.Out && p.Type == mqtt.Publish:
			if l.o.Version >= mqtt.V5 {
				a.request(p.ResponseTopic, p.Payload)
			} else {
				_, replyTo := SplitReplyTo(p.Topic)
				a.request(replyTo, p.Payload)
			}
		case e.Dir != journal.In:
		case p.Type == mqtt.Connect:
			if greeted[e.Conn] {
				broke(e, "a packet after the CONNECT", "any but a further CONNECT", "a further CONNECT")
			}
			greeted[e.Conn], spoken = true, p.Version
			var c credentials
			if p.HasUsername {
				c.username = &p.Username
			}
			if p.HasPassword {
				c.password = &p.Password
			}
			a.logins = append(a.logins, c)
		case p.Type == mqtt.Subscribe:
			at := slices.IndexFunc(sessions, func(s subscribed) bool { return s.newest.Conn == e.Conn })
			if at < 0 {
				at, sessions = len(sessions), append(sessions, subscribed{})
			}
			sessions[at].newest = e
			for _, f := range p.Filters {
				a.subscribed = append(a.subscribed, f.Topic)
				sessions[at].filters = append(sessions[at].filters, f.Topic)
			}
		case p.Type == mqtt.Publish:
			to, _ := SplitReplyTo(p.Topic)
			a.sent(e, to, p.Payload)
		}
	}
	for _, s := range sessions {
		if l.o.Version < mqtt.V5 {
			a.takesReplyTo(s.newest, s.filters, l.o.AgentTopic, JoinReplyTo(l.o.AgentTopic, l.o.ControllerTopic))
		}
	}
	x := a.explain(l.o.Login, l.o.AgentTopic, l.o.ControllerTopic, func(filter string) bool {
		return mqtt.Covers(filter, l.o.AgentTopic) || mqtt.Covers(filter, JoinReplyTo(l.o.AgentTopic, l.o.ControllerTopic))
	})
	if spoken != 0 && spoken != l.o.Version {
		x.Breaches, x.Final = nil, true // what it says is that of another version
		x.Mismatches = append([]string{fmt.Sprintf("it connects with MQTT %s, and the link's version is %s",
			mqtt.VersionName(spoken), mqtt.VersionName(l.o.Version))}, x.Mismatches...)
	}
	return x
}

// takesReplyTo finds a device that listens at its topic, and not at what a Controller of MQTT 3.1.1 publishes to: its topic with the
// reply-to topic at the end (R-MQTT.24).
func (a *approach) takesReplyTo(subscribe *journal.Event, filters []string, topic, published string) {
	covers := func(topic string) bool {
		return slices.ContainsFunc(filters, func(filter string) bool { return mqtt.Covers(filter, topic) })
	}
	if covers(topic) && !covers(published) {
		a.breaches = append(a.breaches, breach("R-MQTT.24", subscribe, "what the device subscribes to",
			fmt.Sprintf("%q with a reply-to topic behind it too, such as %q: a Controller publishes there with MQTT 3.1.1", topic, published),
			quoted(filters...)))
	}
}

// subscribed is what a device subscribed to over one connection, and the newest SUBSCRIBE of it.
type subscribed struct {
	newest  *journal.Event
	filters []string
}

// SetAgentTopic implements Link.
func (l *MQTT) SetAgentTopic(topic string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.setTopic(topic, l.last)
}

// setTopic keeps where the Agent listens. The caller holds mu.
func (l *MQTT) setTopic(topic string, conn uint64) {
	if topic == l.topic && conn == l.conn {
		return
	}
	l.topic, l.conn = topic, conn
	close(l.learned)
	l.learned = make(chan struct{})
}

// topics returns where the Agent may listen, the likeliest first, and a channel that is closed when that changes. What an Agent
// said ends with the connection by which it said it: after a reboot it may listen elsewhere.
func (l *MQTT) topics() ([]string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.topic == "" || l.topic == l.o.AgentTopic || l.conn != 0 && !l.broker.Open(l.conn) {
		return []string{l.o.AgentTopic}, l.learned
	}
	return []string{l.topic, l.o.AgentTopic}, l.learned
}

// published takes what the Agent publishes on a topic of the link.
func (l *MQTT) published(p mqtt.Publication) {
	to, replyTo := p.Topic, p.ResponseTopic
	if p.Version < mqtt.V5 {
		to, replyTo = SplitReplyTo(p.Topic)
	}
	if !Within(to, l.o.ControllerTopic) {
		return
	}
	l.mu.Lock()
	l.last = p.Conn
	if replyTo != "" {
		l.setTopic(replyTo, p.Conn)
	}
	l.mu.Unlock()
	l.receive(Inbound{Raw: p.Payload, Seq: p.Seq, Conn: p.Conn, To: to, ReplyTo: replyTo, Again: p.Dup})
}

// Connected implements Link.
func (l *MQTT) Connected(ctx context.Context) error {
	for {
		changed := l.broker.Changed()
		topics, learned := l.topics()
		_, err := l.reachable(topics)
		if err == nil {
			return nil
		}
		select {
		case <-changed:
		case <-learned:
		case <-ctx.Done():
			return fmt.Errorf("link %s: %w: %w", l.o.Name, err, ctx.Err())
		}
	}
}

// reachable returns the first of the topics on which a Record sent now would arrive, or why there is none: an Agent may name a
// topic before it has subscribed to it.
func (l *MQTT) reachable(topics []string) (topic string, err error) {
	var failures []string
	for _, topic := range topics {
		published, _ := l.address(topic, l.o.ControllerTopic)
		subscriber, ok := l.broker.Subscriber(published)
		switch {
		case !ok:
			failures = append(failures, fmt.Sprintf("nobody has subscribed to %q", published))
		case (subscriber.Version == mqtt.V5) != (l.o.Version == mqtt.V5):
			failures = append(failures, fmt.Sprintf("the subscriber of %q speaks MQTT %s, this link speaks %s", published,
				mqtt.VersionName(subscriber.Version), mqtt.VersionName(l.o.Version)))
		default:
			return topic, nil
		}
	}
	return "", fmt.Errorf("%w: %s", ErrUnreachable, strings.Join(failures, "; "))
}

// address returns the topic and the options of a PUBLISH to the Agent that asks for answers at replyTo.
func (l *MQTT) address(topic, replyTo string) (string, mqtt.PublishOpts) {
	if l.o.Version < mqtt.V5 {
		return JoinReplyTo(topic, replyTo), mqtt.PublishOpts{QoS: l.o.QoS}
	}
	return topic, mqtt.PublishOpts{QoS: l.o.QoS, ContentType: contentType, ResponseTopic: replyTo}
}

// ReplyTo implements End.
func (l *MQTT) ReplyTo() string { return l.o.ControllerTopic }

// Send implements Link.
func (l *MQTT) Send(ctx context.Context, record []byte) (journal.Mark, error) {
	return l.send(ctx, l.o.ControllerTopic, record)
}

// Join implements Link.
func (l *MQTT) Join(string) Joined {
	return brokerEnd{l, l.further.address(l.o.ControllerTopic), l.send}
}

func (l *MQTT) send(ctx context.Context, replyTo string, record []byte) (journal.Mark, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	topics, _ := l.topics()
	topic, err := l.reachable(topics)
	if err != nil {
		return 0, fmt.Errorf("link %s: %w", l.o.Name, err)
	}
	published, o := l.address(topic, replyTo)
	seq, err := l.broker.Publish(published, record, o)
	switch {
	case errors.Is(err, mqtt.ErrNoSubscriber): // it has gone since
		err = fmt.Errorf("%w: nobody has subscribed to %q", ErrUnreachable, published)
	case errors.Is(err, mqtt.ErrEnding):
		err = fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if err != nil {
		return 0, fmt.Errorf("link %s: %w", l.o.Name, err)
	}
	return seq, nil
}

// JoinReplyTo returns the topic of a PUBLISH of MQTT 3.1.1 that says where to answer (R-MQTT.24).
func JoinReplyTo(topic, replyTo string) string {
	return topic + replyMark + strings.ReplaceAll(replyTo, "/", "%2F")
}

// SplitReplyTo takes such a topic apart at its last mark (R-MQTT.25). Without a mark replyTo is "".
func SplitReplyTo(published string) (topic, replyTo string) {
	at := strings.LastIndex(published, replyMark)
	if at < 0 {
		return published, ""
	}
	return published[:at], strings.ReplaceAll(published[at+len(replyMark):], "%2F", "/")
}
