// Package websocket is the WebSocket end of one device under test: a server that the device dials, and a client that dials the
// device. gorilla/websocket does the opening handshake; the frames after it are read and written here, because a test has to
// see, and to send, each single one.
package websocket

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/harness/journal"
)

const (
	defaultMaxMessage = 16 << 20
	defaultPatience   = time.Minute
	readBuffer        = 16 << 10
)

// Options of a Server. The zero value listens on loopback without TLS and serves every path.
type Options struct {
	Addr string      // gate.DefaultAddr when empty
	TLS  *tls.Config // nil: plain TCP
	// DialTLS is for a device that is dialled at a wss URL; nil trusts what the system trusts.
	DialTLS *tls.Config
	// Path is the resource that stands for the Controller; a request for another gets 404, unless Assign has given it to a
	// further Controller. "" serves all.
	Path string
	// EndpointID is the Controller's, for the extension bbf-usp-protocol, which is sent to a device that offers it (R-WS.11a).
	EndpointID string
	MaxMessage int // the most bytes of a message; 16 MiB when 0
	// Patience is how long a device may take for its opening request, for the rest of a frame once it has begun and for its
	// answer to CLOSE; one minute when 0.
	Patience time.Duration

	// OnMessage is called for every binary message of a device, in the order of each connection, from its reader: it must not
	// wait for a later one. seq is the journal number of the message's last frame.
	OnMessage func(conn uint64, seq journal.Mark, payload []byte)
}

// Server is a running WebSocket server. All methods are safe for concurrent use; the verbs of its script are in script.go.
type Server struct {
	j      *journal.Journal
	opts   Options
	gate   *gate.Gate
	script script
	conns  gate.Roster[*Conn]

	mu       sync.Mutex
	assigned map[string]string // Endpoint IDs of further Controllers, by path
}

// Start listens. The server closes when ctx ends.
func Start(ctx context.Context, j *journal.Journal, opts Options) (*Server, error) {
	opts.MaxMessage = cmp.Or(opts.MaxMessage, defaultMaxMessage)
	opts.Patience = cmp.Or(opts.Patience, defaultPatience)
	s := &Server{j: j, opts: opts, assigned: map[string]string{}}
	s.script.reset()
	front, err := gate.Open(ctx, j, gate.Options{Addr: opts.Addr, TLS: opts.TLS}, s.serve)
	if err != nil {
		return nil, fmt.Errorf("websocket: %w", err)
	}
	s.gate = front
	return s, nil
}

// Addr returns host:port as bound.
func (s *Server) Addr() string { return s.gate.Addr() }

// Close ends every connection without a CLOSE and stops listening. It must not be called from a callback.
func (s *Server) Close() error {
	err := s.gate.Close()
	for _, c := range s.Conns() { // those that are left were dialled
		c.Abort("the server closed")
		<-c.Done()
	}
	return err
}

// Conns returns the open connections, oldest first.
func (s *Server) Conns() []*Conn { return s.conns.All() }

// Conn returns the open connection of that journal number, 0 meaning the newest.
func (s *Server) Conn(id uint64) (*Conn, error) {
	conns := s.Conns()
	for _, c := range slices.Backward(conns) {
		if id == 0 || c.ID() == id {
			return c, nil
		}
	}
	return nil, fmt.Errorf("websocket: no open connection %d", id)
}

// Changed returns a channel that is closed when Conns has another answer: take it before looking.
func (s *Server) Changed() <-chan struct{} { return s.conns.Changed() }

// Assign lets a path stand for a further Controller until Withdraw.
func (s *Server) Assign(path, endpointID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.assigned[path] = endpointID
}

// Withdraw takes a path from the further Controller that it was given to. Connections that are open stay so.
func (s *Server) Withdraw(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.assigned, path)
}

// controllerAt returns the Endpoint ID of the Controller that a path stands for, and whether there is one.
func (s *Server) controllerAt(path string) (endpointID string, served bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if further, ok := s.assigned[path]; ok {
		return further, true
	}
	return s.opts.EndpointID, s.opts.Path == "" || path == s.opts.Path
}

// serve is the life of one connection, on its own goroutine.
func (s *Server) serve(conn *gate.Conn) {
	r := bufio.NewReaderSize(conn, readBuffer)
	request, handshake := s.request(conn, r)
	if request == nil {
		return
	}
	controller, served := s.controllerAt(handshake.Path)
	status, problem := s.script.refusal()
	if problem == "" {
		status, problem = s.judge(handshake, served)
	}
	if problem != "" {
		s.respond(conn, status, problem)
		return
	}
	if !s.upgrade(conn, request, handshake, controller) {
		return
	}
	c := &Conn{conn: conn, r: r, handshake: handshake, controller: controller, done: make(chan struct{})}
	s.adopt(c)
	c.serve()
}

// adopt makes an open connection one of the server's.
func (s *Server) adopt(c *Conn) {
	c.script = &s.script
	c.limits = limits{s.opts.MaxMessage, s.opts.Patience}
	c.message = s.opts.OnMessage
	c.ended = func() { s.conns.Remove(c) }
	s.conns.Add(c)
}

// request reads and records the opening request. Without one it ends the connection and returns nil.
func (s *Server) request(conn *gate.Conn, r *bufio.Reader) (*http.Request, *Handshake) {
	conn.SetReadDeadline(time.Now().Add(s.opts.Patience))
	head, err := readHead(r)
	conn.SetReadDeadline(time.Time{})
	bad := func(reason string) {
		conn.Log(journal.Event{Layer: journal.LayerNote, Dir: journal.In, Type: "bad request", Raw: hideCredentials(head),
			Text: fmt.Sprintf("%s, %d bytes were read", reason, len(head))})
	}
	switch {
	case err == nil:
	case errors.Is(err, errHead):
		bad(err.Error())
		s.respond(conn, http.StatusRequestHeaderFieldsTooLarge, err.Error())
		return nil, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		reason := fmt.Sprintf("it sent no whole request within %s", s.opts.Patience)
		bad(reason)
		conn.End(reason)
		return nil, nil
	default:
		if len(head) > 0 {
			bad("the connection ended within a request")
		}
		return nil, nil
	}
	request, handshake, err := parseRequest(head)
	if err != nil {
		bad(err.Error())
		s.respond(conn, http.StatusBadRequest, "not a request")
		return nil, nil
	}
	conn.Log(journal.Event{Layer: journal.LayerWebSocket, Dir: journal.In, Type: HandshakeEvent, Text: handshake.summary(),
		Raw: hideCredentials(head), Body: handshake, Weight: headWeight(head)})
	return request, handshake
}

// judge reports whether a request may open a connection, given whether its path is served; problem is "" if it may.
func (s *Server) judge(h *Handshake, served bool) (status int, problem string) {
	if !served {
		return http.StatusNotFound, fmt.Sprintf("the path is %q, the Controller's is %q", cut(h.Path), s.opts.Path)
	}
	if !slices.Contains(h.Subprotocols(), Subprotocol) {
		return http.StatusBadRequest, "Sec-WebSocket-Protocol does not name " + Subprotocol + " (R-WS.12a)"
	}
	return 0, ""
}

// upgrade lets gorilla check the request, and sends the answer of a Controller.
func (s *Server) upgrade(conn *gate.Conn, request *http.Request, h *Handshake, controller string) bool {
	headers := http.Header{}
	protocol, extend := s.script.answer()
	if protocol != "" {
		headers["Sec-Websocket-Protocol"] = []string{protocol}
	}
	if _, offered := h.ExtensionEID(); offered && extend {
		headers[extensionsKey] = []string{extensionValue(controller)}
	}
	answer := &response{conn: conn, header: http.Header{}}
	upgrader := websocket.Upgrader{ReadBufferSize: 1, CheckOrigin: func(*http.Request) bool { return true }}
	if _, err := upgrader.Upgrade(answer, request, headers); err != nil {
		s.respond(conn, answer.status, err.Error())
		return false
	}
	return s.write(conn, answer.switched.Bytes()) == nil
}

// respond sends a response that opens nothing and ends the connection. Status 0 sends nothing at all.
func (s *Server) respond(conn *gate.Conn, status int, reason string) {
	if status == 0 {
		conn.End(reason)
		return
	}
	head := fmt.Sprintf("HTTP/1.1 %d %s\r\nConnection: close\r\nSec-WebSocket-Version: 13\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n\r\n%s\n",
		status, http.StatusText(status), len(reason)+1, reason)
	s.write(conn, []byte(head))
	conn.Farewell(reason)
}

// write records and sends a response.
func (s *Server) write(conn *gate.Conn, raw []byte) error {
	event := journal.Event{Layer: journal.LayerWebSocket, Dir: journal.Out, Type: HandshakeEvent, Raw: raw}
	if h, err := parseResponse(raw); err == nil {
		event.Text, event.Body = h.summary(), h
	}
	conn.Log(event)
	_, err := conn.Write(raw)
	return err
}

// response is the http.ResponseWriter that gorilla upgrades: it holds back what goes out, so that it is recorded first.
type response struct {
	conn     net.Conn
	header   http.Header
	status   int
	switched bytes.Buffer
}

func (r *response) Header() http.Header         { return r.header }
func (r *response) WriteHeader(status int)      { r.status = status }
func (r *response) Write(p []byte) (int, error) { return len(p), nil } // the reason, which respond words itself

// Hijack implements http.Hijacker.
func (r *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	held := heldConn{r.conn, &r.switched}
	return held, bufio.NewReadWriter(bufio.NewReader(held), bufio.NewWriter(held)), nil
}

// heldConn is a connection whose output goes to a buffer.
type heldConn struct {
	net.Conn
	out *bytes.Buffer
}

func (c heldConn) Write(p []byte) (int, error) { return c.out.Write(p) }
