package stomp

import (
	"bytes"
	"net"
	"testing"

	"github.com/go-stomp/stomp/v3/frame"
	"github.com/usptest/usptest/harness/journal"
)

// The two benchmarks carry the same bytes over the same kind of socket: a SEND of the device's and the MESSAGE that answers
// it. Their ratio is what the broker's bookkeeping costs.
const benchBody = 300

func BenchmarkRoundTrip(b *testing.B) {
	var s *Server
	body := make([]byte, benchBody)
	headers := []Pair{{"content-type", "application/vnd.bbf.usp.msg"}, {"reply-to-dest", "usptest/1/controller"}}
	s, j := start(b, Options{OnFrame: func(_ uint64, seq journal.Mark, f *Frame) {
		if f.Command == frame.SEND {
			s.Send("usptest/1/agent", headers, body)
		}
	}})
	d, _ := connected(b, s)
	d.write(frame.SUBSCRIBE, "id", "0", "destination", "usptest/1/agent", "receipt", "r")
	d.expect(frame.RECEIPT)
	send := sendFrame()
	for i := 0; b.Loop(); i++ {
		roundTrip(b, d, send)
		if i%10_000 == 0 {
			j.Forget(j.Mark())
		}
	}
}

func BenchmarkRoundTripOfTheBareLibrary(b *testing.B) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	message := frame.New(frame.MESSAGE, "subscription", "0", "message-id", "1", "destination", "usptest/1/agent",
		"content-type", "application/vnd.bbf.usp.msg", "reply-to-dest", "usptest/1/controller", "content-length", "300")
	message.Body = make([]byte, benchBody)
	go func() {
		c, err := listener.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		r, w := frame.NewReader(c), frame.NewWriter(c)
		for {
			if f, err := r.Read(); err != nil || f != nil && w.Write(message) != nil {
				return
			}
		}
	}()
	c, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	d := &device{t: b, Conn: c, r: frame.NewReader(c), w: frame.NewWriter(c)}
	send := sendFrame()
	for b.Loop() {
		roundTrip(b, d, send)
	}
}

func sendFrame() *frame.Frame {
	f := frame.New(frame.SEND, "content-length", "300", "content-type", "application/vnd.bbf.usp.msg",
		"reply-to-dest", "usptest/1/agent", "destination", "usptest/1/controller")
	f.Body = make([]byte, benchBody)
	return f
}

func roundTrip(b *testing.B, d *device, send *frame.Frame) {
	if err := d.w.Write(send); err != nil {
		b.Fatal(err)
	}
	if f, err := d.read(); err != nil || f.Command != frame.MESSAGE {
		b.Fatal(f, err)
	}
}

// BenchmarkScan reads a frame of 5 MiB, which is as large as a device's description gets.
func BenchmarkScan(b *testing.B) {
	raw, _ := encode(&Frame{Command: frame.SEND, Headers: []Pair{{"destination", "a"}, {"content-length", "5242880"}}, Body: make([]byte, 5<<20)})
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		scanner := newScanner(bytes.NewReader(raw), 16<<20, func() {}, anyRoom)
		t, err := scanner.next()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := decode(t.raw, t.body); err != nil {
			b.Fatal(err)
		}
	}
}
