package hostile

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/usptest/usptest/fixtures/agent"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// hostile is a device that behaves until a certain request: behind it is the reference agent, and whatever that says goes through here.
type hostile struct {
	mode         mode
	wire         wire
	harness      string // host:port of the broker
	collector    string // URL
	agent, owner string // Endpoint IDs of the agent and of its Controller
	state        string // file that outlives this process
	again        bool   // the device has started before

	over chan struct{} // closed when what the mode does about the end of its session is over

	mu      sync.Mutex
	cue     string // msg_id of the request that the mode waits for
	asker   string // the Endpoint ID of the Controller that sent it
	cued    bool   // its reply has been on its way
	hello   []byte // what the agent opens a connection with
	lost    bool   // the connection has ended since, or since the device started again
	silent  bool   // nothing goes out any more
	reports string // the URL of the first profile that was added
	deaf    bool   // nothing is read any more
	respond func(*usppb.Msg) *usppb.Msg
	altered func(*usppb.Record)
	heard   *usppb.Record // of those that the mode answers, the last
}

// hostileFlags are the command line of a hostile device, as the DUT file of the tests has it.
func hostileFlags() []string {
	return []string{"--mode=%s", "--link={{.Link}}", "--host={{.Host}}", "--port={{.Port}}", "--agent={{.AgentID}}", "--controller={{.ControllerID}}",
		"--agent-topic={{.AgentTopic}}", "--controller-topic={{.ControllerTopic}}", "--path={{.Path}}", "--dir={{.Dir}}", "--collector={{.CollectorURL}}"}
}

// hostileDevice runs one until it is killed, and returns the exit code of one that ends by itself.
func hostileDevice(args []string) int {
	flags := flag.NewFlagSet("hostile", flag.ExitOnError)
	var h hostile
	var m agent.MTP
	name, link := flags.String("mode", "", ""), flags.String("link", "", "")
	host, port, dir := flags.String("host", "", ""), flags.String("port", "", ""), flags.String("dir", "", "")
	flags.StringVar(&h.agent, "agent", "", "")
	flags.StringVar(&h.owner, "controller", "", "")
	flags.StringVar(&m.AgentTopic, "agent-topic", "", "")
	flags.StringVar(&m.ControllerTopic, "controller-topic", "", "")
	flags.StringVar(&m.Path, "path", "", "")
	flags.StringVar(&h.collector, "collector", "", "")
	flags.Parse(args)
	h.mode, h.wire, h.harness, h.state = modeOf(*name), wireOf(*link), net.JoinHostPort(*host, *port), *dir+"/state.json"
	h.over = make(chan struct{})
	switch *link {
	case "mqtt5":
		m.Protocol, m.Version = "mqtt", "5.0"
	case "mqtt3":
		m.Protocol, m.Version = "mqtt", "3.1.1"
	default:
		m.Protocol = *link
	}
	if err := h.run(m); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// run serves the reference agent, which takes the hostile device for its broker, until it reboots.
func (h *hostile) run(m agent.MTP) error {
	if h.mode.start != nil {
		h.mode.start(h)
	}
	front, err := h.listen()
	if err != nil {
		return err
	}
	defer front.Close()
	address := front.Addr().(*net.TCPAddr)
	m.Host, m.Port = address.IP.String(), address.Port
	go func() {
		for {
			c, err := front.Accept()
			if err != nil {
				return
			}
			go h.serve(c)
		}
	}()
	config := agent.Config{EndpointID: h.agent, ControllerID: h.owner, MTPs: []agent.MTP{m}, StateFile: h.state}
	if h.mode.seams != nil {
		h.mode.seams(&config.Seams)
	}
	booted := config.Seams.Booted
	config.Seams.Booted = func(a *agent.Agent) {
		version := a.Model().Value("Device.DeviceInfo.SoftwareVersion")
		if err := os.WriteFile(os.Getenv(asHostile), []byte(version), 0o600); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		if booted != nil {
			booted(a)
		}
	}
	if h.mode.secures {
		own := ownCertificate(h.agent)
		config.Certificate = &own
		config.Seams.Session.Trust = func([]*x509.Certificate, error) error { return nil }
		config.Seams.Session.Verified = func(*usppb.Record, error) error { return nil }
	}
	a, err := agent.New(config)
	if err != nil {
		return err
	}
	if err := a.Run(context.Background()); !errors.Is(err, agent.ErrReboot) {
		return err
	}
	return nil
}

// listen opens the port that the agent knows as that of its broker: the same one after a reboot.
func (h *hostile) listen() (net.Listener, error) {
	file, address := h.state+".port", "127.0.0.1:0"
	if before, err := os.ReadFile(file); err == nil {
		address, h.again = string(before), true
	}
	front, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	return front, os.WriteFile(file, []byte(front.Addr().String()), 0o600)
}

// session is one connection of the agent's with the harness.
type session struct {
	*hostile
	up   net.Conn // to the harness
	down net.Conn // to the agent
	head []byte   // what the agent sent before its first packet

	writing sync.Mutex
}

func (h *hostile) serve(down net.Conn) {
	defer down.Close()
	h.mu.Lock()
	lost := h.lost
	h.mu.Unlock()
	if lost {
		<-h.over
	}
	up, err := net.Dial("tcp", h.harness)
	if err != nil {
		return
	}
	defer up.Close()
	s := &session{hostile: h, up: up, down: down}
	go func() {
		defer down.Close()
		s.pass(up, func(p packet) bool {
			if s.hears(p) {
				return true
			}
			_, err := down.Write(p.raw)
			return err == nil
		})
		if s.mode.lost != nil && s.ended() {
			defer close(h.over)
			s.mode.lost(h)
		}
	}()
	s.pass(down, func(p packet) bool { return s.says(p) })
}

// pass reads packets until the connection ends or take returns false.
func (s *session) pass(from net.Conn, take func(packet) bool) {
	r := bufio.NewReader(from)
	head, err := s.wire.greet(r)
	if err != nil || len(head) > 0 && !take(packet{raw: head, opens: true}) {
		return
	}
	for {
		s.mu.Lock()
		deaf := s.deaf
		s.mu.Unlock()
		if deaf {
			select {} // the process is killed at the end
		}
		p, err := s.wire.read(r)
		if err != nil || !take(p) {
			return
		}
	}
}

// ended reports, once, that a connection has ended after the mode's cue, or after the device has started again.
func (s *session) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := (s.cued || s.again) && !s.lost
	s.lost = s.lost || first
	return first
}

// hears looks at a packet of the harness. It is true when the agent shall not get it.
func (s *session) hears(p packet) bool {
	msg := messageIn(p.record)
	s.mu.Lock()
	defer s.mu.Unlock()
	if url := reportURL(msg); s.reports == "" {
		s.reports = url
	}
	if s.mode.answers != nil && len(p.record) > 0 {
		if r, err := usp.ParseRecord(p.record); err == nil && s.mode.answers(r) {
			s.heard = r
		}
		return s.silent
	}
	if msg != nil && s.cue == "" && s.mode.waitsFor(msg) {
		s.cue, s.asker = msg.GetHeader().GetMsgId(), senderOf(p.record)
	}
	return s.silent
}

// says takes a packet of the agent's, and sends it or what the mode makes of it. It is false when the connection shall end.
func (s *session) says(p packet) bool {
	if p.opens {
		s.head = p.raw
	}
	msg := messageIn(p.record)
	s.mu.Lock()
	if s.hello == nil {
		s.hello = p.raw
	}
	now := msg != nil && msg.GetBody().GetRequest() == nil && !s.cued && s.cue != "" && msg.GetHeader().GetMsgId() == s.cue
	s.cued = s.cued || now
	silent, respond, altered := s.silent, s.respond, s.altered
	answer := s.heard != nil && len(p.record) > 0
	s.mu.Unlock()
	switch {
	case answer:
		defer func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.heard = nil
		}()
		return s.mode.act(s, p, msg)
	case altered != nil && len(p.record) > 0:
		r, err := usp.ParseRecord(p.record)
		if err != nil {
			panic(err)
		}
		altered(r)
		return s.records(p, r)
	case now:
		return s.mode.act(s, p, msg)
	case silent:
		return true
	case respond != nil && msg != nil && (msg.GetBody().GetRequest() == nil || s.mode.requests):
		return s.message(p, respond(msg))
	}
	return s.bytes(p.raw)
}

// bytes sends bytes to the harness.
func (s *session) bytes(raw ...[]byte) bool {
	s.writing.Lock()
	defer s.writing.Unlock()
	for _, b := range raw {
		if _, err := s.up.Write(b); err != nil {
			return false
		}
	}
	return true
}

// record sends a Record, or bytes in place of one, in a packet like p.
func (s *session) record(p packet, record []byte) bool { return s.bytes(p.wrap(record)) }

// message sends a Message in place of p's.
func (s *session) message(p packet, m *usppb.Msg) bool { return s.record(p, s.wrapped(m)) }

// wrapped is a Record of the agent's with this Message.
func (h *hostile) wrapped(m *usppb.Msg) []byte {
	return wrapBetween(h.agent, h.owner, m)
}

func wrapBetween(from, to string, m *usppb.Msg) []byte {
	record, err := usp.WrapMessage(usp.EndpointID(to), usp.EndpointID(from), usp.Version, m)
	if err != nil {
		panic(err)
	}
	raw, err := usp.Marshal(record)
	if err != nil {
		panic(err)
	}
	return raw
}

// messageIn is the Message in a Record's bytes, nil when there is none.
func messageIn(record []byte) *usppb.Msg {
	if len(record) == 0 {
		return nil
	}
	r, err := usp.ParseRecord(record)
	if err != nil {
		return nil
	}
	msg, err := usp.ParseMessage(usp.PayloadOf(r))
	if err != nil {
		return nil
	}
	return msg
}

// senderOf is the from_id in a Record's bytes.
func senderOf(record []byte) string {
	r, _ := usp.ParseRecord(record)
	return r.GetFromId()
}

// dial opens another connection to the harness that says nothing.
func (h *hostile) dial() net.Conn {
	c, err := net.Dial("tcp", h.harness)
	if err != nil {
		return nil
	}
	go io.Copy(io.Discard, c)
	return c
}

// opening is what a client of this MTP sends before anything else, for connections beside the agent's.
func (h *hostile) opening() []byte {
	switch w := h.wire.(type) {
	case mqttWire:
		raw := []byte{0x10, 0, 0, 4, 'M', 'Q', 'T', 'T', w.version, 2, 0, 0}
		if w.version == 5 {
			raw = append(raw, 0)
		}
		raw = append(raw, 0, 0)
		raw[1] = byte(len(raw) - 2)
		return raw
	case stompWire:
		return []byte("STOMP\naccept-version:1.2\nhost:h\nendpoint-id:" + strings.ReplaceAll(h.agent, ":", `\c`) + "\n\n\x00")
	}
	return []byte(strings.ReplaceAll("GET /usp/more?eid="+url.QueryEscape(h.agent)+" HTTP/1.1\nHost: h\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\n"+
		"Sec-WebSocket-Key: "+"MDEyMzQ1Njc4OWFiY2RlZg=="+"\nSec-WebSocket-Protocol: v1.usp\n\n", "\n", "\r\n"))
}

// nth is a name that differs from call to call.
func nth(prefix string, n int) string { return prefix + strconv.Itoa(n) }
