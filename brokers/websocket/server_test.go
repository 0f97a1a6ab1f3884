package websocket

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"github.com/usptest/usptest/fixtures/events"
	"github.com/usptest/usptest/harness/journal"
)

func TestARecordGoesBothWays(t *testing.T) {
	type arrival struct {
		conn    uint64
		seq     journal.Mark
		payload []byte
	}
	arrivals := make(chan arrival, 1)
	s, j := start(t, Options{Path: "/usp", OnMessage: func(conn uint64, seq journal.Mark, payload []byte) {
		arrivals <- arrival{conn, seq, payload}
	}})
	d, response := device(t, s, nil, nil)
	if got := response.Header.Get("Sec-Websocket-Protocol"); got != "v1.usp" {
		t.Errorf("subprotocol %q", got)
	}
	if got, ok := response.Header["Sec-Websocket-Extensions"]; ok {
		t.Errorf("an extension that was not offered: %q", got)
	}
	asked := await(t, j, journal.In, HandshakeEvent, `"/usp?eid=os%3A%3A012345-A1", subprotocol "v1.usp"`)
	if h := asked.Body.(*Handshake); h.EID() != "os::012345-A1" || h.Path != "/usp" || h.Method != "GET" || h.Status != 0 {
		t.Errorf("got %+v", h)
	}
	answered := await(t, j, journal.Out, HandshakeEvent, "101 Switching Protocols")
	if !strings.HasPrefix(string(answered.Raw), "HTTP/1.1 101 ") || answered.Body.(*Handshake).Status != 101 {
		t.Errorf("got %q", answered.Raw)
	}

	c := newest(t, s)
	if c.ID() != asked.Conn || c.Handshake().EID() != "os::012345-A1" {
		t.Errorf("connection %d, %+v", c.ID(), c.Handshake())
	}
	seq, err := c.Send([]byte("request"))
	if err != nil {
		t.Fatal(err)
	}
	if kind, payload, err := d.ReadMessage(); kind != websocket.BinaryMessage || string(payload) != "request" || err != nil {
		t.Errorf("got %d %q, %v", kind, payload, err)
	}
	if e := await(t, j, journal.Out, "BINARY", "7 bytes"); e.Seq != seq || string(e.Raw) != "\x82\x07request" {
		t.Errorf("event %d is %q, Send said %d", e.Seq, e.Raw, seq)
	}
	d.WriteMessage(websocket.BinaryMessage, []byte("reply"))
	got := <-arrivals
	e := await(t, j, journal.In, "BINARY", "5 bytes")
	if string(got.payload) != "reply" || got.conn != e.Conn || got.seq != e.Seq {
		t.Errorf("got %+v, event %+v", got, e)
	}
	if f := e.Body.(*Frame); !f.Masked || !f.Fin || string(f.Payload) != "reply" || bytes.Contains(e.Raw, []byte("reply")) {
		t.Errorf("frame %+v, raw %q", f, e.Raw)
	}
}

// TestTheExtensionGoesOut guards the way round gorilla's refusal of the header.
func TestTheExtensionGoesOut(t *testing.T) {
	offer := http.Header{extensionsKey: {`bbf-usp-protocol; eid="os::012345-A1"`}}
	s, j := start(t, Options{EndpointID: "self::controller"})
	_, response := device(t, s, offer, nil)
	if got := response.Header.Get("Sec-Websocket-Extensions"); got != `bbf-usp-protocol; eid="self::controller"` {
		t.Errorf("got %q", got)
	}
	if eid, ok := await(t, j, journal.In, HandshakeEvent, "").Body.(*Handshake).ExtensionEID(); eid != "os::012345-A1" || !ok {
		t.Errorf("got %q, %v", eid, ok)
	}
	s.NoExtension()
	if _, response = device(t, s, offer, nil); len(response.Header["Sec-Websocket-Extensions"]) > 0 {
		t.Errorf("got %q after NoExtension", response.Header)
	}
	s.Reset()
	if _, response = device(t, s, offer, nil); len(response.Header["Sec-Websocket-Extensions"]) == 0 {
		t.Error("none after Reset")
	}
}

func TestExtensionEID(t *testing.T) {
	tests := []struct {
		header []string
		eid    string
		ok     bool
	}{
		{nil, "", false},
		{[]string{"permessage-deflate"}, "", false},
		{[]string{"bbf-usp-protocol"}, "", true},
		{[]string{`permessage-deflate, bbf-usp-protocol; eid="a::b"`}, "a::b", true},
		{[]string{"permessage-deflate", "bbf-usp-protocol;x=y; eid = a::b"}, "a::b", true},
	}
	for _, tc := range tests {
		h := &Handshake{Header: http.Header{"Sec-Websocket-Extensions": tc.header}}
		if eid, ok := h.ExtensionEID(); eid != tc.eid || ok != tc.ok {
			t.Errorf("%q: got %q, %v", tc.header, eid, ok)
		}
	}
}

func TestFragmentsOfTheDeviceAreJoined(t *testing.T) {
	arrivals := make(chan string, 2)
	var last journal.Mark
	s, j := start(t, Options{OnMessage: func(_ uint64, seq journal.Mark, payload []byte) { last = seq; arrivals <- string(payload) }})
	d := upgraded(t, s)
	d.frame(Frame{Opcode: OpBinary, Payload: []byte("one ")})
	d.frame(Frame{Opcode: OpPing, Fin: true, Payload: []byte("now")})
	d.frame(Frame{Opcode: OpContinuation})
	d.frame(Frame{Opcode: OpContinuation, Payload: []byte("two ")})
	d.frame(Frame{Opcode: OpContinuation, Fin: true, Payload: []byte("three")})
	d.frame(Frame{Opcode: OpBinary, Fin: true, Payload: []byte("next")})
	if got := <-arrivals; got != "one two three" {
		t.Errorf("got %q", got)
	}
	if got := <-arrivals; got != "next" {
		t.Errorf("got %q", got)
	}
	if e := await(t, j, journal.In, "BINARY", "4 bytes, more follows"); e.Body.(*Frame).Fin {
		t.Error("the first fragment is final")
	}
	if e := await(t, j, journal.In, "CONTINUATION", "5 bytes"); e.Seq >= last {
		t.Errorf("event %d", e.Seq)
	}
	if f := d.expect(OpPong); string(f.Payload) != "now" {
		t.Errorf("got %+v", f)
	}
}

func TestTLS(t *testing.T) {
	secure, trusting := events.TLS(t)
	s, j := start(t, Options{TLS: secure})
	device(t, s, nil, trusting)
	hands := await(t, j, journal.In, "handshake", "TLS 1.3")
	if asked := await(t, j, journal.In, HandshakeEvent, ""); asked.Conn != hands.Conn || !strings.HasPrefix(string(asked.Raw), "GET /usp") {
		t.Errorf("request %+v after handshake %+v", asked, hands)
	}
	dialler, _ := start(t, Options{})
	c, err := dialler.Dial(t.Context(), DialOptions{URL: "wss://" + s.Addr() + "/usp", TLS: trusting})
	if err != nil {
		t.Fatal(err)
	}
	c.Abort("a test")
	if _, err := dialler.Dial(t.Context(), DialOptions{URL: "wss://" + s.Addr() + "/usp"}); err == nil {
		t.Error("an unknown CA was trusted")
	}
}

func TestAnEndedConnectionIsNotListed(t *testing.T) {
	s, _ := start(t, Options{})
	d, _ := device(t, s, nil, nil)
	c := newest(t, s)
	d.Close()
	<-c.Done()
	if _, err := s.Conn(0); err == nil {
		t.Error("still listed as open")
	}
	if _, err := c.Send(nil); err == nil {
		t.Error("sent on a closed connection")
	}
}

func TestAPortInUseIsAnError(t *testing.T) {
	s, j := start(t, Options{})
	if _, err := Start(t.Context(), j, Options{Addr: s.Addr()}); err == nil || !strings.Contains(err.Error(), "websocket: ") {
		t.Errorf("got %v", err)
	}
}
