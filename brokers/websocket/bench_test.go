package websocket

import (
	"bufio"
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/usptest/usptest/harness/journal"
)

// The two benchmarks carry the same bytes over the same kind of socket: a message of the device's and the one that answers it.
// Their ratio is what the broker's bookkeeping costs.
const benchBody = 300

func BenchmarkRoundTrip(b *testing.B) {
	var s *Server
	body := make([]byte, benchBody)
	s, j := start(b, Options{OnMessage: func(conn uint64, _ journal.Mark, _ []byte) {
		if c, err := s.Conn(conn); err == nil {
			c.Send(body)
		}
	}})
	d, _, err := dialServer(s, nil, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	for i := 0; b.Loop(); i++ {
		roundTrip(b, d, body)
		if i%10_000 == 0 {
			j.Forget(j.Mark())
		}
	}
}

func BenchmarkRoundTripOfTheBareLibrary(b *testing.B) {
	body := make([]byte, benchBody)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := new(websocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		for {
			if _, _, err := c.ReadMessage(); err != nil || c.WriteMessage(websocket.BinaryMessage, body) != nil {
				return
			}
		}
	}))
	defer server.Close()
	d, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http"), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	for b.Loop() {
		roundTrip(b, d, body)
	}
}

func roundTrip(b *testing.B, d *websocket.Conn, body []byte) {
	if err := d.WriteMessage(websocket.BinaryMessage, body); err != nil {
		b.Fatal(err)
	}
	if _, _, err := d.ReadMessage(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkReadFrame reads a frame of 5 MiB, which is as large as a device's description gets.
func BenchmarkReadFrame(b *testing.B) {
	raw := encode(&Frame{Opcode: OpBinary, Fin: true, Masked: true, Payload: make([]byte, 5<<20)})
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		r := bufio.NewReaderSize(bytes.NewReader(raw), readBuffer)
		if _, _, err := readFrame(r, true, defaultMaxMessage, func() {}, anyRoom); err != nil {
			b.Fatal(err)
		}
	}
}
