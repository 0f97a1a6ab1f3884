package controller

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-stomp/stomp/v3/frame"
	"github.com/gorilla/websocket"
	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/link"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// connected is a Controller that its device has reached.
func connected(b *testing.B, start func(*journal.Journal) (link.Link, func() string), device func(b *testing.B, addr string)) (*Controller, *journal.Journal) {
	b.Helper()
	j := journal.New()
	l, addr := start(j)
	c := New(b.Context(), j, l, Options{ID: ownID, AgentID: agentID, Version: usp.Version, Timeout: timeout})
	if err := l.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	device(b, addr())
	if err := l.Connected(b.Context()); err != nil {
		b.Fatal(err)
	}
	return c, j
}

// BenchmarkGet reads one parameter from a device that answers at once: through Controller, link and broker, and with the bare library of
// the MTP, which carries the same bytes over the same kind of socket to the same device. Both read on a goroutine of their own and hand
// over to who asked, as a Controller has to, since Notifies come unasked. "journal" is what the first appends to its journal.
func BenchmarkGet(b *testing.B) {
	for _, m := range []struct {
		name    string
		link    func(*journal.Journal) (link.Link, func() string)
		device  func(b *testing.B, addr string)
		library func(b *testing.B) (addr string, ask func(record []byte))
	}{
		{"mqtt5", mqttLink, mqttDevice, mqttLibrary},
		{"stomp", stompLink, stompDevice, stompLibrary},
		{"websocket", webSocketLink, webSocketDevice, webSocketLibrary},
	} {
		b.Run(m.name+"/harness", func(b *testing.B) {
			c, j := connected(b, m.link, m.device)
			mark := j.Mark()
			for n := 0; b.Loop(); n++ {
				if reply := c.Get(b.Context(), benchPath); reply.Err != nil {
					b.Fatal(reply.Err)
				}
				if n%100 == 99 {
					mark = j.Mark()
					j.Forget(mark) // as between cases
				}
			}
			if found := c.Violations(mark); len(found) > 0 {
				b.Fatal(found[0].Describe())
			}
		})
		b.Run(m.name+"/bare", func(b *testing.B) {
			addr, ask := m.library(b)
			m.device(b, addr)
			record := encode(b, usp.NewGet("usptest-1000", benchPath), ownID, agentID)
			for b.Loop() {
				ask(record)
			}
		})
		b.Run(m.name+"/journal", func(b *testing.B) {
			c, j := connected(b, m.link, m.device)
			mark := j.Mark()
			if reply := c.Get(b.Context(), benchPath); reply.Err != nil {
				b.Fatal(reply.Err)
			}
			events, again := j.Since(mark), journal.New()
			for n := 0; b.Loop(); n++ {
				for _, e := range events {
					again.Append(*e)
				}
				if n%100 == 99 {
					again.Forget(again.Mark())
				}
			}
		})
	}
}

const (
	benchPath       = "Device.LocalAgent.EndpointID"
	agentTopic      = "usptest/1/agent"
	controllerTopic = "usptest/1/controller"
)

func encode(b *testing.B, m *usppb.Msg, from, to string) []byte {
	record, err := usp.WrapMessage(usp.EndpointID(to), usp.EndpointID(from), usp.Version, m)
	if err != nil {
		b.Fatal(err)
	}
	raw, err := usp.Marshal(record)
	if err != nil {
		b.Fatal(err)
	}
	return raw
}

// replies makes the GetResp to a Get as cheaply as can be: it puts the msg_id into one that was encoded before.
func replies(b *testing.B) func(get []byte) []byte {
	mark := []byte("usptest-")
	ready := map[int][]byte{} // by the length of the msg_id
	return func(get []byte) []byte {
		id := get[bytes.Index(get, mark):]
		end := len(mark)
		for id[end] >= '0' && id[end] <= '9' {
			end++
		}
		if ready[end] == nil {
			ready[end] = encode(b, usp.NewMsg(string(id[:end]), &usppb.GetResp{ReqPathResults: []*usppb.GetResp_RequestedPathResult{{
				RequestedPath: benchPath, ResolvedPathResults: []*usppb.GetResp_ResolvedPathResult{{
					ResolvedPath: "Device.LocalAgent.", ResultParams: usp.Params{"EndpointID": agentID}}}}}}), agentID, ownID)
		}
		reply := bytes.Clone(ready[end])
		copy(reply[bytes.Index(reply, mark):], id[:end])
		return reply
	}
}

func dial(b *testing.B, addr string) net.Conn {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	return c
}

func mqttLink(j *journal.Journal) (link.Link, func() string) {
	l := link.NewMQTT(j, link.MQTTOptions{Name: "mqtt5", Version: mqtt.V5, AgentTopic: agentTopic, ControllerTopic: controllerTopic})
	return l, func() string { return l.Broker().Addr() }
}

func mqttEncode(b *testing.B, pk packets.Packet, f func(*packets.Packet, *bytes.Buffer) error) []byte {
	pk.ProtocolVersion, pk.Mods.AllowResponseInfo = mqtt.V5, true
	var buffer bytes.Buffer
	if err := f(&pk, &buffer); err != nil {
		b.Fatal(err)
	}
	return buffer.Bytes()
}

// mqttDevice connects, subscribes and answers until the connection ends. It returns when it can be reached.
func mqttDevice(b *testing.B, addr string) {
	conn := dial(b, addr)
	in := bufio.NewReaderSize(conn, 1<<16)
	read := func() ([]byte, error) {
		if _, err := in.ReadByte(); err != nil {
			return nil, err
		}
		n, err := binary.ReadUvarint(in)
		if err != nil {
			return nil, err
		}
		body := make([]byte, n)
		_, err = io.ReadFull(in, body)
		return body, err
	}
	for _, first := range [][]byte{
		mqttEncode(b, packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connect}, Connect: packets.ConnectParams{
			ProtocolName: []byte("MQTT"), Clean: true, ClientIdentifier: "agent", Keepalive: 600}}, (*packets.Packet).ConnectEncode),
		mqttEncode(b, packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Subscribe, Qos: 1}, PacketID: 1,
			Filters: packets.Subscriptions{{Filter: agentTopic}}}, (*packets.Packet).SubscribeEncode),
	} {
		if _, err := conn.Write(first); err != nil {
			b.Fatal(err)
		}
		if _, err := read(); err != nil {
			b.Fatal(err)
		}
	}
	reply := replies(b)
	go func() {
		for {
			get, err := read()
			if err != nil {
				return
			}
			conn.Write(mqttEncode(b, packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish}, TopicName: controllerTopic, Payload: reply(get),
				Properties: packets.Properties{ContentType: "usp.msg", ResponseTopic: agentTopic}}, (*packets.Packet).PublishEncode))
		}
	}()
}

// allowAll lets every client do everything.
type allowAll struct{ mochi.HookBase }

func (allowAll) ID() string { return "allow all" }
func (allowAll) Provides(h byte) bool {
	return h == mochi.OnACLCheck || h == mochi.OnConnectAuthenticate
}
func (allowAll) OnACLCheck(*mochi.Client, string, bool) bool              { return true }
func (allowAll) OnConnectAuthenticate(*mochi.Client, packets.Packet) bool { return true }

func mqttLibrary(b *testing.B) (string, func([]byte)) {
	server := mochi.New(&mochi.Options{InlineClient: true, Logger: slog.New(slog.DiscardHandler)})
	if err := server.AddHook(new(allowAll), nil); err != nil {
		b.Fatal(err)
	}
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	if err := server.AddListener(listeners.NewNet("bench", socket)); err != nil {
		b.Fatal(err)
	}
	if err := server.Serve(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { server.Close() })
	answered := make(chan struct{}, 1)
	if err := server.Subscribe(controllerTopic, 1, func(*mochi.Client, packets.Subscription, packets.Packet) { answered <- struct{}{} }); err != nil {
		b.Fatal(err)
	}
	inline := server.NewClient(nil, "local", "bench", true)
	return socket.Addr().String(), func(record []byte) {
		if err := server.InjectPacket(inline, packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish}, TopicName: agentTopic, Payload: record,
			Properties: packets.Properties{ContentType: "usp.msg", ResponseTopic: controllerTopic}}); err != nil {
			b.Fatal(err)
		}
		<-answered
	}
}

func stompLink(j *journal.Journal) (link.Link, func() string) {
	l := link.NewSTOMP(j, link.STOMPOptions{Name: "stomp", ControllerDestination: controllerTopic})
	return l, func() string { return l.Broker().Addr() }
}

const uspFrame = "application/vnd.bbf.usp.msg"

func stompDevice(b *testing.B, addr string) {
	conn := dial(b, addr)
	r, w := frame.NewReader(conn), frame.NewWriter(conn)
	for _, first := range []*frame.Frame{
		frame.New(frame.STOMP, "accept-version", "1.2", "host", "h"),
		frame.New(frame.SUBSCRIBE, "id", "0", "destination", agentTopic, "receipt", "r"),
	} {
		if err := w.Write(first); err != nil {
			b.Fatal(err)
		}
		if _, err := r.Read(); err != nil {
			b.Fatal(err)
		}
	}
	reply := replies(b)
	go func() {
		for {
			get, err := r.Read()
			if err != nil {
				return
			}
			body := reply(get.Body)
			send := frame.New(frame.SEND, "content-length", fmt.Sprint(len(body)), "content-type", uspFrame, "reply-to-dest", agentTopic, "destination", controllerTopic)
			send.Body = body
			w.Write(send)
		}
	}()
}

func stompLibrary(b *testing.B) (string, func([]byte)) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { listener.Close() })
	ready, answered := make(chan struct{}), make(chan struct{}, 1)
	var r *frame.Reader
	var w *frame.Writer
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		b.Cleanup(func() { conn.Close() })
		r, w = frame.NewReader(conn), frame.NewWriter(conn)
		for _, answer := range []string{frame.CONNECTED, frame.RECEIPT} {
			r.Read()
			w.Write(frame.New(answer))
		}
		close(ready)
		for {
			if _, err := r.Read(); err != nil {
				return
			}
			answered <- struct{}{}
		}
	}()
	return listener.Addr().String(), func(record []byte) {
		<-ready
		message := frame.New(frame.MESSAGE, "subscription", "0", "message-id", "1", "destination", agentTopic, "content-type", uspFrame,
			"reply-to-dest", controllerTopic, "content-length", fmt.Sprint(len(record)))
		message.Body = record
		if err := w.Write(message); err != nil {
			b.Fatal(err)
		}
		<-answered
	}
}

func webSocketLink(j *journal.Journal) (link.Link, func() string) {
	l := link.NewWebSocket(j, link.WebSocketOptions{Name: "websocket", KeepAwake: true})
	return l, func() string { return l.Broker().Addr() }
}

func webSocketDevice(b *testing.B, addr string) {
	dialer := websocket.Dialer{Subprotocols: []string{"v1.usp"}}
	conn, _, err := dialer.Dial("ws://"+addr+"/usp", nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	reply := replies(b)
	go func() {
		for {
			_, get, err := conn.ReadMessage()
			if err != nil {
				return
			}
			conn.WriteMessage(websocket.BinaryMessage, reply(get))
		}
	}()
}

func webSocketLibrary(b *testing.B) (string, func([]byte)) {
	opened, answered := make(chan *websocket.Conn), make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		upgrader := websocket.Upgrader{Subprotocols: []string{"v1.usp"}}
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		opened <- c
		for {
			if _, _, err := c.ReadMessage(); err != nil {
				return
			}
			answered <- struct{}{}
		}
	}))
	b.Cleanup(server.Close)
	var conn *websocket.Conn
	return strings.TrimPrefix(server.URL, "http://"), func(record []byte) {
		if conn == nil {
			conn = <-opened
		}
		if err := conn.WriteMessage(websocket.BinaryMessage, record); err != nil {
			b.Fatal(err)
		}
		<-answered
	}
}

// BenchmarkSupportedModel takes in a GetSupportedDMResp of 5 MB: journal, decoding, and every universal metric.
func BenchmarkSupportedModel(b *testing.B) {
	result := &usppb.GetSupportedDMResp_RequestedObjectResult{ReqObjPath: "Device."}
	for n := range 2500 {
		object := &usppb.GetSupportedDMResp_SupportedObjectResult{SupportedObjPath: fmt.Sprintf("Device.Services.Service.{i}.Part%d.", n)}
		for i := range 50 {
			object.SupportedParams = append(object.SupportedParams, &usppb.GetSupportedDMResp_SupportedParamResult{ParamName: fmt.Sprintf("ParameterOfThePart%02d", i),
				Access: usppb.GetSupportedDMResp_PARAM_READ_WRITE, ValueType: usppb.GetSupportedDMResp_PARAM_STRING,
				ValueChange: usppb.GetSupportedDMResp_VALUE_CHANGE_ALLOWED})
		}
		result.SupportedObjs = append(result.SupportedObjs, object)
	}
	raw := encode(b, usp.NewMsg("1", &usppb.GetSupportedDMResp{ReqObjResults: []*usppb.GetSupportedDMResp_RequestedObjectResult{result}}), agentID, ownID)
	j := journal.New()
	l := &fakeLink{}
	c := New(b.Context(), j, l, Options{ID: ownID, AgentID: agentID, Version: usp.Version, Timeout: timeout})
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Send(b.Context(), usp.NewMsg("1", &usppb.GetSupportedDM{ObjPaths: []string{"Device."}})); err != nil {
			b.Fatal(err)
		}
		l.receive(link.Inbound{Raw: raw})
		if found := c.Violations(0); len(found) > 0 {
			b.Fatal(found[0].Describe())
		}
		j.Forget(j.Mark())
	}
}
