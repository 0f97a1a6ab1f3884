package link

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"

	"github.com/usptest/usptest/brokers/websocket"
	"github.com/usptest/usptest/fixtures/events"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/pki"
)

const wsPatience = 20 * time.Second

func startWebSocket(t *testing.T, o WebSocketOptions) (*WebSocket, chan Inbound, *journal.Journal) {
	t.Helper()
	j := journal.New()
	o.Name = "websocket"
	l := NewWebSocket(j, o)
	arrivals := make(chan Inbound, 10)
	l.OnRecord(func(in Inbound) { arrivals <- in })
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, arrivals, j
}

// dialWebSocket is an Agent that dials the link; it returns when the link knows the connection.
func dialWebSocket(t *testing.T, l *WebSocket, path string) *gorilla.Conn {
	t.Helper()
	before := len(l.Broker().Conns())
	dialer := gorilla.Dialer{Subprotocols: []string{websocket.Subprotocol}, HandshakeTimeout: wsPatience}
	c, _, err := dialer.Dial("ws://"+l.Broker().Addr()+path+"?eid=os%3A%3A012345-A1", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetReadDeadline(time.Now().Add(wsPatience))
	for changed := l.Broker().Changed(); len(l.Broker().Conns()) == before; changed = l.Broker().Changed() {
		<-changed
	}
	return c
}

func expectMessage(t *testing.T, c *gorilla.Conn, want string) {
	t.Helper()
	if kind, payload, err := c.ReadMessage(); kind != gorilla.BinaryMessage || string(payload) != want || err != nil {
		t.Errorf("want %q, got %d %q, %v", want, kind, payload, err)
	}
}

func TestWebSocketCarriesRecords(t *testing.T) {
	l, arrivals, j := startWebSocket(t, WebSocketOptions{Broker: websocket.Options{Path: "/usp"}})
	if _, err := l.Send(t.Context(), nil); !errors.Is(err, ErrUnreachable) {
		t.Errorf("want ErrUnreachable, got %v", err)
	}
	waiting := make(chan error, 1)
	go func() { waiting <- l.Connected(t.Context()) }()
	c := dialWebSocket(t, l, "/usp")
	if err := <-waiting; err != nil {
		t.Fatal(err)
	}
	seq, err := l.Send(t.Context(), []byte("request"))
	if err != nil {
		t.Fatal(err)
	}
	expectMessage(t, c, "request")
	if e := j.Since(seq - 1)[0]; e.Type != "BINARY" || e.Dir != journal.Out {
		t.Errorf("event %d is %s %s", seq, e.Dir, e.Type)
	}
	c.WriteMessage(gorilla.BinaryMessage, []byte("reply"))
	in := <-arrivals
	if e := j.Since(in.Seq - 1)[0]; string(in.Raw) != "reply" || e.Type != "BINARY" || e.Dir != journal.In || e.Conn != in.Conn {
		t.Errorf("got %+v, event %+v", in, e)
	}
}

func TestWebSocketHasConnectionsOfEachController(t *testing.T) {
	l, _, _ := startWebSocket(t, WebSocketOptions{Broker: websocket.Options{Path: "/usp", EndpointID: "self::first"}})
	joined := l.Join("self::second")
	send := func(how func() (journal.Mark, error)) {
		t.Helper()
		if _, err := how(); err != nil {
			t.Fatal(err)
		}
	}
	first := dialWebSocket(t, l, "/usp")
	if _, err := joined.Send(t.Context(), nil); !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), `"/usp/2"`) {
		t.Errorf("got %v", err)
	}
	second := dialWebSocket(t, l, joined.Address())
	if err := joined.Connected(t.Context()); err != nil {
		t.Fatal(err)
	}
	send(func() (journal.Mark, error) { return l.Send(t.Context(), []byte("1")) })
	expectMessage(t, first, "1")
	send(func() (journal.Mark, error) { return joined.Send(t.Context(), []byte("2")) })
	expectMessage(t, second, "2")
	newer := dialWebSocket(t, l, "/usp")
	send(func() (journal.Mark, error) { return l.Send(t.Context(), []byte("4")) })
	expectMessage(t, newer, "4")
	joined.Leave()
	if _, _, err := second.ReadMessage(); err == nil {
		t.Error("the connection of a Controller that left goes on")
	}
	if _, response, err := gorilla.DefaultDialer.Dial("ws://"+l.Broker().Addr()+joined.Address(), nil); err == nil || response.StatusCode != http.StatusNotFound {
		t.Errorf("dialled the Controller that left: %v", err)
	}
	send(func() (journal.Mark, error) { return l.Send(t.Context(), []byte("5")) })
	expectMessage(t, newer, "5")
}

func TestWebSocketDialsForEachController(t *testing.T) {
	accepted := make(chan *gorilla.Conn, 3)
	ids := make(chan string, 3)
	server := httptest.NewServer(agentServer(func(r *http.Request, c *gorilla.Conn) {
		ids <- r.URL.Query().Get("eid")
		accepted <- c
	}))
	defer server.Close()
	l, arrivals, _ := startWebSocket(t, WebSocketOptions{Broker: websocket.Options{EndpointID: "self::first"},
		Dial: &websocket.DialOptions{URL: "ws" + strings.TrimPrefix(server.URL, "http") + "/agent"}})
	<-accepted
	joined := l.Join("self::second")
	second := <-accepted
	if first, further := <-ids, <-ids; first != "self::first" || further != "self::second" || joined.Address() != "" {
		t.Errorf("dialled as %q and %q, address %q", first, further, joined.Address())
	}
	if err := joined.Connected(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := joined.Send(t.Context(), []byte("request")); err != nil {
		t.Fatal(err)
	}
	expectMessage(t, second, "request")
	second.WriteMessage(gorilla.BinaryMessage, []byte("reply"))
	if in := <-arrivals; string(in.Raw) != "reply" {
		t.Errorf("got %+v", in)
	}
	joined.Leave()
	if _, _, err := second.ReadMessage(); err == nil {
		t.Error("the connection of a Controller that left goes on")
	}
	if err := l.Connected(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestWebSocketShowsWhoUsesIt: TLS names each Controller to an Agent that dials, and to one that is dialled the Controller that dials it.
func TestWebSocketShowsWhoUsesIt(t *testing.T) {
	const first, second = "urn:bbf:usp:id:self::first", "urn:bbf:usp:id:self::second"
	ca, err := pki.NewCA("test")
	if err != nil {
		t.Fatal(err)
	}
	own, err := ca.Issue(pki.Spec{CommonName: "localhost", DNS: []string{"localhost"}, EndpointIDs: []string{"self::first"}, Client: true})
	if err != nil {
		t.Fatal(err)
	}
	want := func(when string, names []*url.URL, want ...string) {
		t.Helper()
		if got := fmt.Sprint(names); got != fmt.Sprint(want) {
			t.Errorf("%s: want %s, got %s", when, want, got)
		}
	}
	t.Run("the Agent dials", func(t *testing.T) {
		shown, server := pki.Show(own, "self::first", ca), &tls.Config{}
		shown.Protects(server)
		l, _, _ := startWebSocket(t, WebSocketOptions{Shown: shown, Broker: websocket.Options{Path: "/usp", EndpointID: "self::first", TLS: server}})
		names := func() []*url.URL {
			c, err := tls.Dial("tcp", l.Broker().Addr(), &tls.Config{RootCAs: ca.Pool(), ServerName: "localhost"})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			return c.ConnectionState().PeerCertificates[0].URIs
		}
		want("before", names(), first)
		joined := l.Join("self::second")
		want("joined", names(), second, first)
		joined.Leave()
		want("after", names(), first)
	})
	t.Run("the Agent is dialled", func(t *testing.T) {
		shown := pki.Show(own, "self::first", ca)
		names := make(chan []*url.URL, 2)
		server := httptest.NewUnstartedServer(agentServer(func(r *http.Request, _ *gorilla.Conn) { names <- r.TLS.PeerCertificates[0].URIs }))
		server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool()}
		server.StartTLS()
		defer server.Close()
		l, _, _ := startWebSocket(t, WebSocketOptions{Shown: shown, Broker: websocket.Options{EndpointID: "self::first"},
			Dial: &websocket.DialOptions{URL: "wss" + strings.TrimPrefix(server.URL, "https") + "/agent",
				TLS: &tls.Config{GetClientCertificate: shown.ToServer, InsecureSkipVerify: true}}})
		want("the first", <-names, first)
		defer l.Join("self::second").Leave()
		want("the second", <-names, second)
	})
}

// agentServer is an Agent that Controllers dial.
func agentServer(opened func(*http.Request, *gorilla.Conn)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		upgrader := gorilla.Upgrader{Subprotocols: []string{websocket.Subprotocol}}
		if c, err := upgrader.Upgrade(w, r, nil); err == nil {
			opened(r, c)
		}
	})
}

func TestWebSocketDialsAndDialsAgain(t *testing.T) {
	accepted := make(chan *gorilla.Conn, 3)
	server := httptest.NewServer(agentServer(func(_ *http.Request, c *gorilla.Conn) { accepted <- c }))
	defer server.Close()
	url := "ws" + strings.TrimPrefix(server.URL, "http") + "/agent"
	l, arrivals, _ := startWebSocket(t, WebSocketOptions{Dial: &websocket.DialOptions{URL: url}})
	for _, want := range []string{"first", "second"} {
		c := <-accepted
		if err := l.Connected(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.WriteMessage(gorilla.BinaryMessage, []byte(want))
		if in := <-arrivals; string(in.Raw) != want {
			t.Errorf("got %+v", in)
		}
		if _, err := l.Send(t.Context(), []byte("re: "+want)); err != nil {
			t.Fatal(err)
		}
		expectMessage(t, c, "re: "+want)
		gone, err := l.Conn()
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		<-gone.Done()
	}
}

func TestWebSocketSaysWhyNobodyIsThere(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	l, _, _ := startWebSocket(t, WebSocketOptions{Broker: websocket.Options{Path: "/usp"}})
	if err := l.Connected(ctx); !errors.Is(err, ErrUnreachable) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), `"/usp"`) {
		t.Errorf("got %v", err)
	}
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	l, _, j := startWebSocket(t, WebSocketOptions{Dial: &websocket.DialOptions{URL: "ws" + strings.TrimPrefix(server.URL, "http")}})
	for seq, attempt := journal.Mark(0), 1; attempt <= 2; attempt++ { // with the second, the failure of the first is known
		seq = events.Await(t, j, seq, events.Event{Dir: journal.Out, Type: websocket.HandshakeEvent}).Seq
	}
	if err := l.Connected(ctx); err == nil || !strings.Contains(err.Error(), "got 404 Not Found") {
		t.Errorf("got %v", err)
	}
}

func TestWebSocketWakesASlowAgent(t *testing.T) {
	l, arrivals, j := startWebSocket(t, WebSocketOptions{KeepAwake: true})
	c := dialWebSocket(t, l, "/usp")
	pings := make(chan string, 20)
	c.SetPingHandler(func(payload string) error {
		pings <- payload
		// the Agent wakes up with the first PING
		return c.WriteMessage(gorilla.BinaryMessage, []byte("late"))
	})
	if _, err := l.Send(t.Context(), []byte("request")); err != nil {
		t.Fatal(err)
	}
	expectMessage(t, c, "request")
	go c.ReadMessage() // runs the handler
	if in := <-arrivals; string(in.Raw) != "late" {
		t.Errorf("got %+v", in)
	}
	if payload := <-pings; payload != "awake" {
		t.Errorf("PING %q", payload)
	}
	for _, e := range j.Since(0) {
		if e.Type == "PING" && e.Dir != journal.Out {
			t.Errorf("event %+v", e)
		}
	}
}

func TestWakerStopsWhenNothingIsOutstanding(t *testing.T) {
	pings := make(chan struct{}, 100)
	w := &waker{ping: func() { pings <- struct{}{} }}
	w.sent()
	if w.timer != nil {
		t.Error("armed while off")
	}
	w.set(true)
	w.sent()
	w.sent()
	w.arrived()
	<-pings // one is still missing
	w.arrived()
	if w.timer.Stop() {
		t.Error("armed with nothing outstanding")
	}
	w.arrived() // unasked
	if w.outstanding != 0 {
		t.Errorf("%d outstanding", w.outstanding)
	}
	w.sent()
	w.set(false)
	if w.timer.Stop() {
		t.Error("armed after it was switched off")
	}
	w.set(true)
	w.outstanding, w.pings = 1, maxWakes-1
	w.fire()
	if w.outstanding != 0 || w.timer.Stop() {
		t.Error("never gives up")
	}
}
