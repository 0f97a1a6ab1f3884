package websocket

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/usptest/usptest/harness/journal"
)

func TestOpeningRequestsAreRefused(t *testing.T) {
	tests := []struct {
		name    string
		request string
		script  func(*Server)
		want    string
	}{
		{"wrong path", strings.Replace(request, "/usp", "/uspx", 1), nil, "HTTP/1.1 404 "},
		{"no subprotocol", strings.Replace(request, "Sec-WebSocket-Protocol: v1.usp\r\n", "", 1), nil, "HTTP/1.1 400 "},
		{"another subprotocol", strings.Replace(request, "v1.usp", "v2.usp", 1), nil, "HTTP/1.1 400 "},
		{"no upgrade", strings.Replace(request, "Upgrade: websocket\r\n", "", 1), nil, "HTTP/1.1 400 "},
		{"POST", strings.Replace(request, "GET", "POST", 1), nil, "HTTP/1.1 405 "},
		{"no HTTP", "STOMP\nhost:/\n\n\x00", nil, "HTTP/1.1 400 "},
		{"by script", request, func(s *Server) { s.RefuseNext(-1, http.StatusServiceUnavailable) }, "HTTP/1.1 503 "},
		{"by script, silently", request, func(s *Server) { s.RefuseNext(-1, 0) }, ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s, j := start(t, Options{Path: "/usp"})
			if tc.script != nil {
				tc.script(s)
			}
			for range 2 {
				d := dialRaw(t, s.Addr())
				d.bytes(tc.request)
				answer, _ := io.ReadAll(d)
				if got := string(answer); !strings.HasPrefix(got, tc.want) || tc.want == "" && got != "" {
					t.Fatalf("got %q", got)
				}
			}
			if tc.want != "" {
				e := await(t, j, journal.Out, HandshakeEvent, strings.Fields(tc.want)[1])
				if e.Body.(*Handshake).Status == 101 {
					t.Errorf("got %+v", e)
				}
			}
			s.Reset()
			upgraded(t, s)
		})
	}
}

func TestRefuseNextCounts(t *testing.T) {
	s, _ := start(t, Options{})
	s.RefuseNext(2, http.StatusServiceUnavailable)
	for i := range 3 {
		c, response, err := dialServer(s, nil, nil)
		if refused := err != nil; refused != (i < 2) {
			t.Errorf("attempt %d: %v", i+1, err)
		} else if refused && response.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("attempt %d: status %d", i+1, response.StatusCode)
		} else if !refused {
			c.Close()
		}
	}
}

func TestAPathForEachController(t *testing.T) {
	dial := func(t *testing.T, s *Server, path string) string {
		d := dialRaw(t, s.Addr())
		d.bytes(strings.NewReplacer("/usp?", path+"?", "Sec-WebSocket-Version", "Sec-WebSocket-Extensions: bbf-usp-protocol\r\nSec-WebSocket-Version").Replace(request))
		return d.head()
	}
	for path, controller := range map[string]string{"/usp": "self::first", "/usp/2": "self::second"} {
		t.Run(path, func(t *testing.T) {
			s, _ := start(t, Options{Path: "/usp", EndpointID: "self::first"})
			s.Assign("/usp/2", "self::second")
			if head := dial(t, s, path); !strings.HasPrefix(head, "HTTP/1.1 101 ") || !strings.Contains(head, controller) {
				t.Errorf("got %q", head)
			}
			if c := newest(t, s); c.Handshake().Path != path || c.Controller() != controller {
				t.Errorf("got %q of %s", c.Handshake().Path, c.Controller())
			}
			s.Withdraw("/usp/2")
			for _, other := range []string{"/usp/2", "/usp/3"} {
				if head := dial(t, s, other); !strings.HasPrefix(head, "HTTP/1.1 404 ") {
					t.Errorf("%s: got %q", other, head)
				}
			}
		})
	}
}

func TestSubprotocolOfTheAnswer(t *testing.T) {
	for _, name := range []string{"", "v2.usp"} {
		s, _ := start(t, Options{})
		s.Subprotocol(name)
		d := dialRaw(t, s.Addr())
		d.bytes(request)
		head := d.head()
		if !strings.HasPrefix(head, "HTTP/1.1 101 ") || strings.Contains(head, "Sec-WebSocket-Protocol: "+name) != (name != "") {
			t.Errorf("%q: got %q", name, head)
		}
	}
}

func TestPingAndPong(t *testing.T) {
	s, j := start(t, Options{})
	d := upgraded(t, s)
	c := newest(t, s)
	seq, err := c.Ping([]byte("are you there"))
	if err != nil {
		t.Fatal(err)
	}
	if f := d.expect(OpPing); string(f.Payload) != "are you there" {
		t.Errorf("got %+v", f)
	}
	d.frame(Frame{Opcode: OpPong, Fin: true, Payload: []byte("are you there")})
	if e := awaitAfter(t, j, seq, journal.In, "PONG", `"are you there"`); string(e.Body.(*Frame).Payload) != "are you there" {
		t.Errorf("got %+v", e.Body)
	}
	c.Pong([]byte("unasked"))
	if f := d.expect(OpPong); string(f.Payload) != "unasked" {
		t.Errorf("got %+v", f)
	}

	s.SuppressPong(true)
	d.frame(Frame{Opcode: OpPing, Fin: true, Payload: []byte("1")})
	await(t, j, journal.In, "PING", `"1"`)
	s.SuppressPong(false)
	d.frame(Frame{Opcode: OpPing, Fin: true, Payload: []byte("2")})
	if f := d.expect(OpPong); string(f.Payload) != "2" {
		t.Errorf("got %+v", f)
	}
}

func TestFragment(t *testing.T) {
	s, j := start(t, Options{})
	d := upgraded(t, s)
	c := newest(t, s)
	s.Fragment(3)
	c.Send([]byte("12345678"))
	want := []Frame{{Opcode: OpBinary, Payload: []byte("123")}, {Opcode: OpContinuation},
		{Opcode: OpPing, Fin: true, Payload: []byte("between fragments")}, {Opcode: OpContinuation, Payload: []byte("456")},
		{Opcode: OpContinuation, Fin: true, Payload: []byte("78")}}
	for _, w := range want {
		if f := d.expect(w.Opcode); f.Fin != w.Fin || string(f.Payload) != string(w.Payload) {
			t.Errorf("want %+v, got %+v", w, f)
		}
	}
	await(t, j, journal.Own, "Fragment", "fragments of 3 bytes")
	s.Fragment(0)
	c.Send([]byte("12345678"))
	if f := d.expect(OpBinary); !f.Fin || f.Size != 8 {
		t.Errorf("got %+v", f)
	}
	c.Send(nil) // an empty message is a frame too
	if f := d.expect(OpBinary); !f.Fin || f.Size != 0 {
		t.Errorf("got %+v", f)
	}

	// by hand: an empty fragment, and a control frame in the middle
	for _, f := range []Frame{{Opcode: OpBinary, Payload: []byte("ab")}, {Opcode: OpContinuation}, {Opcode: OpPing, Fin: true}, {Opcode: OpContinuation, Fin: true, Payload: []byte("c")}} {
		if _, err := c.WriteFrame(f); err != nil {
			t.Fatal(err)
		}
		if got := d.expect(f.Opcode); got.Fin != f.Fin || string(got.Payload) != string(f.Payload) {
			t.Errorf("want %+v, got %+v", f, got)
		}
	}
}

func TestGorillaReadsTheFragments(t *testing.T) {
	s, _ := start(t, Options{})
	d, _ := device(t, s, nil, nil)
	s.Fragment(1)
	newest(t, s).Send([]byte("one by one"))
	if kind, payload, err := d.ReadMessage(); kind != websocket.BinaryMessage || string(payload) != "one by one" || err != nil {
		t.Errorf("got %d %q, %v", kind, payload, err)
	}
}

func TestClosingHandshake(t *testing.T) {
	t.Run("the harness begins", func(t *testing.T) {
		s, j := start(t, Options{})
		d := upgraded(t, s)
		c := newest(t, s)
		if _, err := c.Close(CloseNormal, "that is all"); err != nil {
			t.Fatal(err)
		}
		if code, text := d.expect(OpClose).CloseCode(); code != CloseNormal || text != "that is all" {
			t.Errorf("got %d %q", code, text)
		}
		if _, err := c.Send(nil); !errors.Is(err, ErrClosed) {
			t.Errorf("want ErrClosed, got %v", err)
		}
		d.frame(Frame{Opcode: OpBinary, Fin: true, Payload: []byte("in flight")})
		d.frame(Frame{Opcode: OpClose, Fin: true, Payload: closePayload(CloseNormal, "")})
		d.ended()
		await(t, j, journal.In, "BINARY", "9 bytes")
		await(t, j, journal.In, "CLOSE", "1000 (normal closure)")
		await(t, j, journal.Out, "close", "the closing handshake is complete")
	})
	t.Run("the device begins", func(t *testing.T) {
		s, j := start(t, Options{})
		d := upgraded(t, s)
		d.frame(Frame{Opcode: OpClose, Fin: true, Payload: closePayload(1001, "rebooting")})
		if code, _ := d.expect(OpClose).CloseCode(); code != 1001 {
			t.Errorf("answered with %d", code)
		}
		d.ended()
		await(t, j, journal.In, "CLOSE", `1001 (going away) "rebooting"`)
	})
	t.Run("without a code", func(t *testing.T) {
		s, j := start(t, Options{})
		d := upgraded(t, s)
		d.frame(Frame{Opcode: OpClose, Fin: true})
		if f := d.expect(OpClose); f.Size != 0 {
			t.Errorf("answered with %+v", f)
		}
		await(t, j, journal.In, "CLOSE", "without a status code")
	})
	t.Run("the device does not answer", func(t *testing.T) {
		s, j := start(t, Options{Patience: 50 * time.Millisecond})
		d := upgraded(t, s)
		newest(t, s) // the device has its answer before the server has the connection
		s.CloseAll(CloseNoStatus, "")
		if f := d.expect(OpClose); f.Size != 0 {
			t.Errorf("got %+v", f)
		}
		d.ended()
		await(t, j, journal.Out, "close", "did not answer CLOSE within")
	})
}

func TestDropAfter(t *testing.T) {
	s, j := start(t, Options{OnMessage: func(uint64, journal.Mark, []byte) { t.Error("acted on the last frame") }})
	s.DropAfter(2)
	d := upgraded(t, s)
	d.frame(Frame{Opcode: OpPing, Fin: true})
	d.expect(OpPong)
	d.frame(Frame{Opcode: OpBinary, Fin: true})
	d.ended()
	await(t, j, journal.Out, "close", "DropAfter")
}

func TestDownAndUpAndDropAll(t *testing.T) {
	s, _ := start(t, Options{})
	d := upgraded(t, s)
	newest(t, s)
	s.Down()
	if len(s.Conns()) != 0 {
		t.Error("open at once after Down")
	}
	d.ended()
	if c, err := net.Dial("tcp", s.Addr()); err == nil {
		c.Close()
		t.Error("connected while down")
	}
	if err := s.Up(); err != nil {
		t.Fatal(err)
	}
	d = upgraded(t, s)
	newest(t, s)
	s.DropAll()
	d.ended()
	upgraded(t, s)
}

func TestInject(t *testing.T) {
	s, j := start(t, Options{})
	d := upgraded(t, s)
	if err := newest(t, s).Inject([]byte("\x82\x01x")); err != nil {
		t.Fatal(err)
	}
	if f := d.expect(OpBinary); string(f.Payload) != "x" {
		t.Errorf("got %+v", f)
	}
	await(t, j, journal.Out, "raw bytes", "3 bytes")
}
