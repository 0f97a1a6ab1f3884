package websocket

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/websocket"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/harness/journal"
)

// DialOptions say how the harness dials a device that listens.
type DialOptions struct {
	URL        string      // ws://host:port/path, or wss:// for TLS
	TLS        *tls.Config // for wss; nil means that of the Options
	EndpointID string      // goes into the query as eid (R-WS.10b); "" leaves it out
	Extension  bool        // offers bbf-usp-protocol with EndpointID, as before USP 1.3
	// NoSubprotocol leaves Sec-WebSocket-Protocol out, which a device must refuse (R-WS.12a).
	NoSubprotocol bool
}

// RefusedError is the answer of a device that does not open the WebSocket.
type RefusedError struct {
	Status int // of HTTP
}

// Error implements error.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("want 101 and an upgrade, got %d %s", e.Status, http.StatusText(e.Status))
}

// Dial opens a connection to a device that listens. It is among Conns and follows the script like those that the device opens. ctx bounds
// the opening alone. When the device refuses, the error says how it answered.
func (s *Server) Dial(ctx context.Context, opts DialOptions) (*Conn, error) {
	c, err := s.dial(ctx, opts)
	if err != nil {
		return nil, err
	}
	s.adopt(c)
	go c.serve()
	return c, nil
}

// dial opens a connection, which is still to be served.
func (s *Server) dial(ctx context.Context, opts DialOptions) (*Conn, error) {
	target, secured, err := opts.target()
	if err != nil {
		return nil, fmt.Errorf("websocket: %w", err)
	}
	if _, extend := s.script.answer(); !extend {
		opts.Extension = false
	}
	if !secured {
		opts.TLS = nil
	} else if opts.TLS == nil {
		opts.TLS = cmp.Or(s.opts.DialTLS, &tls.Config{})
	}
	conn, err := gate.Dial(ctx, s.j, target.Host, opts.TLS)
	if err != nil {
		return nil, fmt.Errorf("websocket: %w", err)
	}
	c := &Conn{conn: conn, r: bufio.NewReaderSize(conn, readBuffer), client: true, dialled: opts, controller: opts.EndpointID, done: make(chan struct{})}
	giveUp := context.AfterFunc(ctx, func() { conn.End("dialling was given up") })
	err = c.open(ctx, target, opts, s.opts.Patience)
	if !giveUp() {
		err = context.Cause(ctx)
	}
	if err != nil {
		conn.Farewell(fmt.Sprintf("the device did not accept the WebSocket: %v", err))
		return nil, fmt.Errorf("websocket: %w", err)
	}
	return c, nil
}

// target returns the URL with its port and the eid, and whether TLS is wanted. The scheme is always ws, since the gate does TLS.
func (o *DialOptions) target() (target *url.URL, secured bool, err error) {
	target, err = url.Parse(o.URL)
	if err != nil {
		return nil, false, err
	}
	port := map[string]string{"ws": "80", "wss": "443"}[target.Scheme]
	if port == "" || target.Hostname() == "" {
		return nil, false, fmt.Errorf("%q: want ws://host:port/path or wss://host:port/path", o.URL)
	}
	if target.Port() == "" {
		target.Host = net.JoinHostPort(target.Hostname(), port)
	}
	secured = target.Scheme == "wss"
	target.Scheme = "ws"
	if o.EndpointID != "" {
		query := target.Query()
		query.Set("eid", o.EndpointID) // escapes a percent character too (R-WS.10c)
		target.RawQuery = query.Encode()
	}
	return target, secured, nil
}

// open does the opening handshake with gorilla, on a connection that records both halves of it.
func (c *Conn) open(ctx context.Context, target *url.URL, opts DialOptions, patience time.Duration) error {
	headers := http.Header{}
	if opts.Extension {
		headers[extensionsKey] = []string{extensionValue(opts.EndpointID)}
	}
	wire := &opening{Conn: c.conn, c: c}
	dialer := websocket.Dialer{
		NetDialContext:   func(context.Context, string, string) (net.Conn, error) { return wire, nil },
		HandshakeTimeout: patience,
	}
	if !opts.NoSubprotocol {
		dialer.Subprotocols = []string{Subprotocol}
	}
	_, response, err := dialer.DialContext(ctx, target.String(), headers)
	switch {
	case wire.problem != nil:
		return wire.problem
	case err != nil && response != nil:
		return &RefusedError{Status: response.StatusCode}
	case err != nil:
		return err
	}
	if got := response.Header.Get("Sec-Websocket-Protocol"); !opts.NoSubprotocol && got != Subprotocol {
		return fmt.Errorf("Sec-WebSocket-Protocol of the response: want %q, got %q (R-WS.12)", Subprotocol, got)
	}
	c.conn.SetReadDeadline(time.Time{})
	return nil
}

// opening is the connection as gorilla sees it while it opens. It records the request as it goes out and the head of the
// response as a whole, and hands out no byte beyond that: the frames behind it are the Conn's.
type opening struct {
	*gate.Conn
	c       *Conn
	head    bytes.Reader
	read    bool
	problem error
}

// Close leaves the end of the connection to Dial, which knows the reason.
func (o *opening) Close() error { return nil }

func (o *opening) Write(p []byte) (int, error) {
	event := journal.Event{Layer: journal.LayerWebSocket, Dir: journal.Out, Type: HandshakeEvent, Raw: bytes.Clone(p)}
	if _, h, err := parseRequest(p); err == nil {
		o.c.handshake = h
		event.Text, event.Body = h.summary(), h
	}
	o.Log(event)
	return o.Conn.Write(p)
}

func (o *opening) Read(p []byte) (int, error) {
	if !o.read {
		o.read = true
		if err := o.readHead(); err != nil {
			o.problem = err
			return 0, err
		}
	}
	return o.head.Read(p)
}

// readHead reads the head of the response and records it.
func (o *opening) readHead() error {
	head, err := readHead(o.c.r)
	event := journal.Event{Layer: journal.LayerWebSocket, Dir: journal.In, Type: HandshakeEvent, Raw: hideCredentials(head)}
	if err == nil {
		var h *Handshake
		if h, err = parseResponse(head); err == nil {
			event.Text, event.Body, event.Weight = h.summary(), h, headWeight(head)
		}
	}
	if err != nil {
		event.Layer, event.Type = journal.LayerNote, "bad response"
		event.Text = fmt.Sprintf("%v, %d bytes were read", err, len(head))
		if len(head) > 0 {
			o.Log(event)
		}
		return fmt.Errorf("no response to the opening request: %w", err)
	}
	o.Log(event)
	o.head.Reset(head)
	return nil
}
