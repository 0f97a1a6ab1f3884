package websocket

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/usptest/usptest/harness/journal"
)

// listener is a device that listens, on the library's own server.
func listener(t *testing.T, headers http.Header, serve func(*websocket.Conn, *http.Request)) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		upgrader := websocket.Upgrader{Subprotocols: []string{Subprotocol}}
		c, err := upgrader.Upgrade(w, r, headers)
		if err != nil {
			return
		}
		defer c.Close()
		serve(c, r)
	}))
	t.Cleanup(server.Close)
	return "ws" + strings.TrimPrefix(server.URL, "http")
}

func TestDial(t *testing.T) {
	requests := make(chan *http.Request, 1)
	url := listener(t, http.Header{extensionsKey: {`bbf-usp-protocol; eid="os::012345-A1"`}}, func(c *websocket.Conn, r *http.Request) {
		requests <- r
		// at once, so that it may share a segment with the response
		c.WriteMessage(websocket.BinaryMessage, []byte("connect record"))
		for {
			kind, payload, err := c.ReadMessage()
			if err != nil || c.WriteMessage(kind, append([]byte("re: "), payload...)) != nil {
				return
			}
		}
	})
	messages := make(chan string, 2)
	s, j := start(t, Options{OnMessage: func(_ uint64, _ journal.Mark, payload []byte) { messages <- string(payload) }})
	s.Fragment(4)
	c, err := s.Dial(t.Context(), DialOptions{URL: url + "/agent?x=1", EndpointID: "self::controller%21", Extension: true})
	if err != nil {
		t.Fatal(err)
	}
	r := <-requests
	if r.URL.Path != "/agent" || r.URL.RawQuery != "eid=self%3A%3Acontroller%2521&x=1" {
		t.Errorf("request for %s", r.URL)
	}
	if got := r.Header.Get("Sec-Websocket-Extensions"); got != `bbf-usp-protocol; eid="self::controller%21"` {
		t.Errorf("extension %q", got)
	}
	if c.Handshake().EID() != "self::controller%21" {
		t.Errorf("handshake %+v", c.Handshake())
	}
	if got := <-messages; got != "connect record" {
		t.Errorf("got %q", got)
	}
	c.Send([]byte("a request in parts"))
	if got := <-messages; got != "re: a request in parts" {
		t.Errorf("got %q", got)
	}
	if e := await(t, j, journal.Out, "CONTINUATION", ""); !e.Body.(*Frame).Masked {
		t.Error("a frame of the client's is not masked")
	}
	answered := await(t, j, journal.In, HandshakeEvent, "101")
	if eid, _ := answered.Body.(*Handshake).ExtensionEID(); eid != "os::012345-A1" || answered.Conn != c.ID() {
		t.Errorf("got %+v", answered)
	}
	if e := await(t, j, journal.Out, HandshakeEvent, "/agent?"); !strings.HasPrefix(string(e.Raw), "GET /agent?") {
		t.Errorf("raw %q", e.Raw)
	}
	if open, err := s.Conn(0); open != c || err != nil || !c.Dialled() {
		t.Errorf("newest connection %v, %v", open, err)
	}
	c.Close(CloseNormal, "")
	<-c.Done()
	await(t, j, journal.In, "CLOSE", "1000")
	if len(s.Conns()) != 0 {
		t.Error("still listed as open")
	}
}

func TestTheServersEndIsThatOfItsDialledConnections(t *testing.T) {
	url := listener(t, nil, func(c *websocket.Conn, _ *http.Request) { c.ReadMessage() })
	for name, end := range map[string]func(*Server){"DropAll": (*Server).DropAll, "Down": (*Server).Down, "Close": func(s *Server) { s.Close() }} {
		s, _ := start(t, Options{})
		c, err := s.Dial(t.Context(), DialOptions{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		another, _ := start(t, Options{})
		other, err := another.Dial(t.Context(), DialOptions{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		end(s)
		if len(s.Conns()) != 0 {
			t.Errorf("%s: still listed as open", name)
		}
		<-c.Done()
		if _, err := other.Ping(nil); err != nil {
			t.Errorf("%s: a connection that is not the server's: %v", name, err)
		}
		other.Abort("the test is over")
	}
}

func TestDialIsRefused(t *testing.T) {
	tests := []struct {
		name   string
		answer string // "" leaves the request unanswered
		want   string
	}{
		{"by status", "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "got 403 Forbidden"},
		{"by the end of the connection", "close", "no response to the opening request"},
		{"by garbage", "\x16\x03\x01\r\n\r\n", "malformed HTTP"},
		{"by a head without end", "HTTP/1.1 101 x\r\nx: " + strings.Repeat("y", 2*maxHead), "more than 65536 bytes"},
		{"by silence", "", "e"}, // its words depend on who gives up first, the context or the socket,
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				c, err := l.Accept()
				if err != nil {
					return
				}
				defer c.Close()
				if tc.answer != "close" {
					c.Write([]byte(tc.answer))
					readAll(c)
				}
			}()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			if tc.answer == "" {
				ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
			}
			defer cancel()
			dialler, _ := start(t, Options{})
			c, err := dialler.Dial(ctx, DialOptions{URL: "ws://" + l.Addr().String()})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, %v", c, err)
			}
		})
	}
}

func readAll(c net.Conn) {
	buffer := make([]byte, 4096)
	for {
		if _, err := c.Read(buffer); err != nil {
			return
		}
	}
}

func TestDialWantsTheSubprotocol(t *testing.T) {
	s, _ := start(t, Options{})
	dialler, _ := start(t, Options{})
	s.Subprotocol("")
	if _, err := dialler.Dial(t.Context(), DialOptions{URL: "ws://" + s.Addr()}); err == nil || !strings.Contains(err.Error(), "R-WS.12") {
		t.Errorf("got %v", err)
	}
	s.Reset()
	if _, err := dialler.Dial(t.Context(), DialOptions{URL: "ws://" + s.Addr(), NoSubprotocol: true}); err == nil || !strings.Contains(err.Error(), "got 400") {
		t.Errorf("got %v", err)
	}
}

func TestDialURLs(t *testing.T) {
	for url, want := range map[string]string{
		"ws://host/a":        "host:80",
		"wss://host/a":       "host:443",
		"ws://[::1]:9000/a":  "[::1]:9000",
		"wss://[::1]/a":      "[::1]:443",
		"http://host/a":      "",
		"ws:///a":            "",
		"ws://host:port/a":   "",
		"host:80":            "",
		"ws://host:80:80/%g": "",
	} {
		o := DialOptions{URL: url}
		target, secured, err := o.target()
		switch {
		case want == "" && err == nil:
			t.Errorf("%s: accepted as %s", url, target)
		case want != "" && err != nil:
			t.Errorf("%s: %v", url, err)
		case want != "" && (target.Host != want || secured != strings.HasPrefix(url, "wss")):
			t.Errorf("%s: got %s, %v", url, target.Host, secured)
		}
	}
}
