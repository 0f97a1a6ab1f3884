package websocket

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/onsi/gomega"

	"github.com/usptest/usptest/fixtures/events"
	"github.com/usptest/usptest/harness/journal"
)

// patience is long enough for a busy machine; nothing here waits for it unless it fails.
const patience = 20 * time.Second

func start(t testing.TB, opts Options) (*Server, *journal.Journal) {
	t.Helper()
	return events.Serve(t, Start, opts)
}

// device is a client on the library's own connection.
func device(t testing.TB, s *Server, headers http.Header, config *tls.Config) (*websocket.Conn, *http.Response) {
	t.Helper()
	c, response, err := dialServer(s, headers, config)
	if err != nil {
		t.Fatal(err, response)
	}
	t.Cleanup(func() { c.Close() })
	c.SetReadDeadline(time.Now().Add(patience))
	return c, response
}

func dialServer(s *Server, headers http.Header, config *tls.Config) (*websocket.Conn, *http.Response, error) {
	dialer := websocket.Dialer{Subprotocols: []string{Subprotocol}, TLSClientConfig: config, HandshakeTimeout: patience}
	scheme := "ws"
	if config != nil {
		scheme = "wss"
	}
	return dialer.Dial(scheme+"://"+s.Addr()+"/usp?eid=os%3A%3A012345-A1", headers)
}

// raw is a device that speaks in bytes.
type raw struct {
	t testing.TB
	net.Conn
	r *bufio.Reader
}

func dialRaw(t testing.TB, addr string) *raw {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &raw{t, c, bufio.NewReader(c)}
}

const request = "GET /usp?eid=os%3A%3A012345-A1 HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Protocol: v1.usp\r\n\r\n"

// upgraded is a raw device whose opening request has been accepted.
func upgraded(t testing.TB, s *Server) *raw {
	t.Helper()
	d := dialRaw(t, s.Addr())
	d.bytes(request)
	if head := d.head(); !strings.HasPrefix(head, "HTTP/1.1 101 ") {
		t.Fatalf("got %q", head)
	}
	return d
}

func (d *raw) bytes(s string) {
	d.t.Helper()
	if _, err := io.WriteString(d, s); err != nil {
		d.t.Fatal(err)
	}
}

func (d *raw) head() string {
	d.t.Helper()
	head, err := readHead(d.r)
	if err != nil {
		d.t.Fatal(err)
	}
	return string(head)
}

// frame writes a frame as a client does.
func (d *raw) frame(f Frame) {
	d.t.Helper()
	f.Masked = true
	d.bytes(string(encode(&f)))
}

// expect reads a frame of the server's.
func (d *raw) expect(opcode Opcode) *Frame {
	d.t.Helper()
	f, _, err := readFrame(d.r, false, 64<<20, func() {}, anyRoom)
	if err != nil || f.Opcode != opcode {
		d.t.Fatalf("want %s, got %+v, %v", opcode, f, err)
	}
	return f
}

func (d *raw) ended() {
	d.t.Helper()
	if rest, err := io.ReadAll(d.r); len(rest) > 0 {
		d.t.Errorf("want the end of the connection, got %q", rest)
	} else if errors.Is(err, context.DeadlineExceeded) || err != nil && strings.Contains(err.Error(), "timeout") {
		d.t.Error("the connection did not end")
	}
}

// await returns the first event of that type whose text holds part.
func await(t testing.TB, j *journal.Journal, dir journal.Dir, kind, part string) *journal.Event {
	t.Helper()
	return awaitAfter(t, j, 0, dir, kind, part)
}

func awaitAfter(t testing.TB, j *journal.Journal, mark journal.Mark, dir journal.Dir, kind, part string) *journal.Event {
	t.Helper()
	return events.Await(t, j, mark, events.Event{Dir: dir, Type: kind, Text: part})
}

// newest waits for an open connection.
func newest(t testing.TB, s *Server) (c *Conn) {
	t.Helper()
	events.Eventually(t, func() (err error) { c, err = s.Conn(0); return err }).Should(gomega.Succeed())
	return c
}

// anyRoom is for readers that have all the memory they want.
func anyRoom(int) error { return nil }
