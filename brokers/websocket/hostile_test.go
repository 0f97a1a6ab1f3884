package websocket

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/harness/journal"
)

// masked is the head of a client's frame with a key of zeros, so that the payload can be read in the test.
func masked(first byte, length uint64) string {
	switch {
	case length < 126:
		return string([]byte{first, 0x80 | byte(length), 0, 0, 0, 0})
	case length < 1<<16:
		return string(binary.BigEndian.AppendUint16([]byte{first, 0x80 | 126}, uint16(length))) + "\x00\x00\x00\x00"
	}
	return string(binary.BigEndian.AppendUint64([]byte{first, 0x80 | 127}, length)) + "\x00\x00\x00\x00"
}

// endless writes a pattern until the other side gives up.
func endless(d *raw, pattern string) {
	chunk := []byte(strings.Repeat(pattern, 1+(64<<10)/len(pattern)))
	for {
		if _, err := d.Write(chunk); err != nil {
			return
		}
	}
}

func TestBadFramesAreAnsweredWithTheRightCode(t *testing.T) {
	tests := []struct {
		name  string
		input string
		code  int
		note  string
	}{
		{"not masked", "\x82\x01x", CloseProtocolError, "not masked"},
		{"reserved bits", masked(0xC2, 0), CloseProtocolError, "reserved bits"},
		{"unknown opcode", masked(0x83, 0), CloseProtocolError, "unknown opcode 3"},
		{"unknown control opcode", masked(0x8F, 0), CloseProtocolError, "unknown opcode 15"},
		{"a long ping", masked(0x89, 126), CloseProtocolError, "more than 125 bytes"},
		{"a fragmented ping", masked(0x09, 0), CloseProtocolError, "PING frame that is fragmented"},
		{"a continuation of nothing", masked(0x80, 0), CloseProtocolError, "where no message has begun"},
		{"a message within a message", masked(0x02, 0) + masked(0x82, 0), CloseProtocolError, "within a fragmented message"},
		{"text", masked(0x81, 5) + "hello", CloseUnsupported, "R-WS.14"},
		{"a frame of 64 MiB", masked(0x82, 64<<20), CloseTooBig, "a BINARY frame of 67108864 bytes"},
		{"a frame of 2^63 bytes", masked(0x82, 1<<63), CloseTooBig, "9223372036854775808"},
		{"too many fragments", masked(0x02, 1<<16) + strings.Repeat("x", 1<<16) +
			strings.Repeat(masked(0x00, 1<<16)+strings.Repeat("x", 1<<16), 4), CloseTooBig, "a message of more than"},
		{"half a close code", masked(0x88, 1) + "x", CloseProtocolError, "half a status code"},
		{"a close code that must not be sent", masked(0x88, 2) + "\x03\xed", CloseProtocolError, "status code 1005"},
		{"a close text that is not UTF-8", masked(0x88, 3) + "\x03\xe8\xff", CloseProtocolError, "not valid UTF-8"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s, j := start(t, Options{MaxMessage: 256 << 10})
			d := upgraded(t, s)
			d.bytes(tc.input)
			if code, text := d.expect(OpClose).CloseCode(); code != tc.code {
				t.Errorf("want code %d, got %d %q", tc.code, code, text)
			}
			d.ended()
			found := false
			for _, e := range j.Since(0) {
				found = found || e.Layer == journal.LayerNote && strings.Contains(e.Text, tc.note)
			}
			if !found {
				t.Errorf("no note %q", tc.note)
			}
			upgraded(t, s) // the server lives on
		})
	}
}

func TestBadRequests(t *testing.T) {
	tests := []struct {
		name, input, flood string
		status             string
		note               string
	}{
		{"garbage", "\x16\x03\x01\x02\x00\r\n\r\n", "", "400", "malformed HTTP"},
		{"a header without end", "GET / HTTP/1.1\r\nx: ", "0123456789", "431", "more than 65536 bytes"},
		{"headers without end", "GET / HTTP/1.1\r\n", "x: y\r\n", "431", "more than 65536 bytes"},
		{"a line without end", "", "A", "431", "more than 65536 bytes"},
		{"an end within", "GET / HTT", "", "", "ended within a request"},
		{"nothing", "", "", "", ""}, // a device that only looks whether somebody listens
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s, j := start(t, Options{})
			d := dialRaw(t, s.Addr())
			d.bytes(tc.input)
			switch {
			case tc.flood != "":
				endless(d, tc.flood)
			case tc.status == "":
				d.Close()
			default:
				io.Copy(io.Discard, d)
			}
			if tc.note != "" {
				await(t, j, journal.In, "bad request", tc.note)
			} else {
				await(t, j, journal.In, "close", "")
			}
			if tc.status != "" {
				await(t, j, journal.Out, HandshakeEvent, tc.status)
			}
			upgraded(t, s)
		})
	}
}

func TestASlowPeerIsGivenUp(t *testing.T) {
	tests := []struct{ name, input, dir, kind, note string }{
		{"no request", "", "out", "close", "sent no whole request within"},
		{"half a request", request[:30], "out", "close", "sent no whole request within"},
		{"half a head", request + "\x82", "in", "bad frame", "did not end within"},
		{"half a frame", request + masked(0x82, 100) + "abc", "in", "bad frame", "did not end within"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s, j := start(t, Options{Patience: 30 * time.Millisecond})
			d := dialRaw(t, s.Addr())
			d.bytes(tc.input)
			io.Copy(io.Discard, d)
			await(t, j, journal.Dir(tc.dir), tc.kind, tc.note)
		})
	}
}

func TestAnIdleConnectionIsNotASlowPeer(t *testing.T) {
	s, j := start(t, Options{Patience: 50 * time.Millisecond})
	d := upgraded(t, s)
	slow := dialRaw(t, s.Addr()) // given up after the patience that d has survived then
	io.Copy(io.Discard, slow)
	await(t, j, journal.Out, "close", "sent no whole request within")
	d.frame(Frame{Opcode: OpPing, Fin: true})
	d.expect(OpPong)
}

func TestCredentialsAreNowhereToBeRead(t *testing.T) {
	s, j := start(t, Options{})
	d := dialRaw(t, s.Addr())
	d.bytes(strings.Replace(request, "Host: bench\r\n", "Host: bench\r\nauthorization: Basic c2VzYW1l\r\n", 1))
	d.head()
	e := await(t, j, journal.In, HandshakeEvent, "")
	if text := string(e.Raw) + e.Text + e.Body.(*Handshake).Describe(); strings.Contains(text, "c2VzYW1l") || !strings.Contains(text, "bench") {
		t.Errorf("got %q", text)
	}
}

func TestABurstArrivesWholeAndInOrder(t *testing.T) {
	const n = 10_000
	got := make(chan string, n)
	s, _ := start(t, Options{OnMessage: func(_ uint64, _ journal.Mark, payload []byte) { got <- string(payload) }})
	d := upgraded(t, s)
	var b bytes.Buffer
	for i := range n {
		b.Write(encode(&Frame{Opcode: OpBinary, Fin: true, Masked: true, Payload: fmt.Append(nil, i)}))
	}
	d.Write(b.Bytes())
	for i := range n {
		if payload := <-got; payload != fmt.Sprint(i) {
			t.Fatalf("message %d is %q", i, payload)
		}
	}
}

func heap() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

func TestOfALargeFrameLittleIsKept(t *testing.T) {
	s, j := start(t, Options{})
	payload := bytes.Repeat([]byte("z"), 4<<20)
	d := upgraded(t, s)
	before := heap()
	for range 6 {
		d.frame(Frame{Opcode: OpBinary, Fin: true, Payload: payload})
		d.frame(Frame{Opcode: OpPing, Fin: true})
		d.expect(OpPong)
	}
	if grown := heap() - before; grown > 16<<20 {
		t.Errorf("the heap has grown by %d MiB after 24 MiB of frames", grown>>20)
	}
	for _, e := range j.Since(0) {
		if f, ok := e.Body.(*Frame); len(e.Raw) > gate.MaxRaw || ok && len(f.Payload) > keptPayload {
			t.Errorf("event %d, %s, keeps %d bytes", e.Seq, e.Type, len(e.Raw))
		}
	}
}

func TestAMessageWithoutEndIsCutOff(t *testing.T) {
	s, j := start(t, Options{MaxMessage: 2 << 20})
	d := upgraded(t, s)
	d.bytes(masked(0x02, 0))
	before := heap()
	endless(d, masked(0x00, 1000)+strings.Repeat("x", 1000))
	await(t, j, journal.Own, "note", "a message of more than the 2097152 bytes")
	if grown := heap() - before; grown > 32<<20 {
		t.Errorf("the heap has grown by %d MiB", grown>>20)
	}
}

func FuzzReadFrame(f *testing.F) {
	for _, seed := range []string{"\x82\x05hello", masked(0x82, 5) + "hello", masked(0x89, 0), "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff", "\x82\x7e\x00", masked(0x88, 2) + "\x03\xe8"} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, input []byte, fromClient bool) {
		const limit = 1 << 12
		r := bufio.NewReader(bytes.NewReader(input))
		for at := 0; ; {
			frame, raw, err := readFrame(r, fromClient, limit, func() {}, anyRoom)
			if !bytes.HasPrefix(input[at:], raw) || len(raw) > limit+14 {
				t.Fatalf("%q is not what stands at %d of %q", raw, at, input)
			}
			if err != nil {
				return
			}
			at += len(raw)
			frame.Describe()
			frame.CloseProblem()
			if frame.Size != len(frame.Payload) || frame.Masked != fromClient {
				t.Fatalf("got %+v", frame)
			}
			if !fromClient && len(encode(frame)) > len(raw) {
				t.Fatalf("%q became longer", raw)
			}
		}
	})
}
