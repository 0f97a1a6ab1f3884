package stomp

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-stomp/stomp/v3/frame"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/harness/journal"
)

const hello = "STOMP\naccept-version:1.2\nhost:/\n\n\x00"

// endless writes a pattern until the other side gives up.
func endless(d *device, pattern string) {
	chunk := []byte(strings.Repeat(pattern, 1+(64<<10)/len(pattern)))
	for {
		if _, err := d.Write(chunk); err != nil {
			return
		}
	}
}

func TestBadInputEndsTheConnectionWithANote(t *testing.T) {
	tests := []struct {
		name  string
		input string
		flood string // written without end after input
		note  string // of the bad frame, or of the closing
	}{
		{name: "garbage", input: "\x16\x03\x01\x02\x00\x01\xfe\xfc\n\n\x00", note: "is no STOMP command"},
		{name: "unknown command", input: hello + "PUBLISH\n\n\x00", note: `"PUBLISH" is no STOMP command`},
		{name: "a server's command", input: hello + "MESSAGE\n\n\x00", note: "MESSAGE is not for a client to send"},
		{name: "a header without a colon", input: hello + "SEND\ndestination\n\n\x00", note: "invalid frame format"},
		{name: "no NUL where it should be", input: hello + "SEND\ndestination:a\ncontent-length:2\n\nabc\x00", note: "want a NUL after the 2 bytes"},
		{name: "a content-length that is no number", input: hello + "SEND\ncontent-length:-1\n\nabc\x00", note: `want a number, got "-1"`},
		{name: "a content-length of 64 MiB", input: hello + "SEND\ndestination:a\ncontent-length:67108864\n\n", note: "content-length is 67108864"},
		{name: "a content-length beyond 64 bits", input: hello + "SEND\ncontent-length:99999999999999999999\n\n", note: "want a number"},
		{name: "a body without end", input: hello + "SEND\ndestination:a\n\n", flood: "0123456789", note: "a body without content-length is longer"},
		{name: "a header without end", input: "STOMP\nx:", flood: "0123456789", note: "command and headers are longer"},
		{name: "headers without end", input: "STOMP\n", flood: "x:y\n", note: "command and headers are longer"},
		{name: "a command without end", flood: "A", note: "command and headers are longer"},
		{name: "no greeting", input: "SUBSCRIBE\nid:0\ndestination:a\n\n\x00", note: "the first frame must be"},
		{name: "two greetings", input: hello + hello, note: "opened already"},
		{name: "SUBSCRIBE without an id", input: hello + "SUBSCRIBE\ndestination:a\n\n\x00", note: "needs an id"},
		{name: "SEND without a destination", input: hello + "SEND\n\nx\x00", note: "without a destination"},
		{name: "too many subscriptions", input: hello + manySubscriptions(), note: "64 subscriptions are enough"},
		{name: "an end within a frame", input: hello + "SEND\ndestin", note: "the connection ended within a frame"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s, j := start(t, Options{MaxBody: 256 << 10})
			d := dial(t, s, nil)
			d.bytes(tc.input)
			switch {
			case tc.flood != "":
				endless(d, tc.flood)
			case strings.Contains(tc.note, "ended within"):
				d.Close()
			default:
				if _, err := io.Copy(io.Discard, d); err != nil {
					t.Logf("the connection ended with %v", err)
				}
			}
			if tc.flood != "" || tc.note == "the connection ended within a frame" || strings.HasPrefix(tc.note, "want") ||
				strings.HasPrefix(tc.note, "content-length") || strings.Contains(tc.note, "no STOMP command") {
				await(t, j, journal.In, "bad frame", tc.note)
			} else {
				await(t, j, journal.Out, "close", tc.note)
			}
			connected(t, s) // the server lives on
		})
	}
}

func manySubscriptions() string {
	var b strings.Builder
	for i := range maxSubscriptions + 1 {
		fmt.Fprintf(&b, "SUBSCRIBE\nid:%d\ndestination:a\n\n\x00", i)
	}
	return b.String()
}

func TestASlowPeerIsGivenUp(t *testing.T) {
	tests := []struct{ name, input, dir, kind, note string }{
		{"nothing at all", "", "out", "close", "sent no frame within"},
		{"line ends alone", "\n", "out", "close", "sent no frame within"},
		{"half a greeting", "STOMP\naccept-ver", "in", "bad frame", "did not end within"},
		{"half a body", hello + "SEND\ndestination:a\ncontent-length:100\n\nabc", "in", "bad frame", "did not end within"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			s, j := start(t, Options{Patience: 30 * time.Millisecond})
			d := dial(t, s, nil)
			d.bytes(tc.input)
			io.Copy(io.Discard, d)
			await(t, j, journal.Dir(tc.dir), tc.kind, tc.note)
		})
	}
}

// TestAFrameThatTheHarnessCutsIsNoBadOne: where the harness ends a connection, what had come of a frame is no fault of the device.
func TestAFrameThatTheHarnessCutsIsNoBadOne(t *testing.T) {
	s, j := start(t, Options{})
	d, _ := connected(t, s)
	d.bytes("SUBSCRIBE\nid:0\ndestination:a\nreceipt:r\n\n\x00SEND\ndestin")
	d.expect(frame.RECEIPT)
	s.DropAll()
	d.ended()
	s.Close()
	for _, e := range j.Since(0) {
		if e.Type == BadFrame {
			t.Errorf("want no bad frame, got %s", e.Text)
		}
	}
}

func TestAnIdleSessionIsNotASlowPeer(t *testing.T) {
	s, j := start(t, Options{Patience: 50 * time.Millisecond})
	d, _ := connected(t, s)
	slow := dial(t, s, nil) // given up after the patience that d has survived then
	io.Copy(io.Discard, slow)
	await(t, j, journal.Out, "close", "sent no frame within")
	d.write(frame.SUBSCRIBE, "id", "0", "destination", "a", "receipt", "r")
	d.expect(frame.RECEIPT)
}

func TestInvalidUTF8IsNotedAndHarmless(t *testing.T) {
	s, j := start(t, Options{})
	d, _ := connected(t, s)
	d.bytes("SUBSCRIBE\nid:0\ndestination:\xff\xfe\nreceipt:<script>\n\n\x00")
	if r := d.expect(frame.RECEIPT); r.Header.Get("receipt-id") != "<script>" {
		t.Errorf("got %v", r)
	}
	await(t, j, journal.Own, "note", `header "destination" of the SUBSCRIBE is not valid UTF-8`)
	if e := await(t, j, journal.In, frame.SUBSCRIBE, ""); !strings.Contains(e.Text, `\xff\xfe`) {
		t.Errorf("text %q", e.Text)
	}
}

func TestABurstArrivesWholeAndInOrder(t *testing.T) {
	const n = 10_000
	got := make(chan string, n)
	s, _ := start(t, Options{OnFrame: func(_ uint64, _ journal.Mark, f *Frame) {
		if f.Command == frame.SEND {
			got <- string(f.Body)
		}
	}})
	d, _ := connected(t, s)
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, "SEND\ndestination:usptest/1/controller\n\n%d\x00\n", i)
	}
	d.Write(b.Bytes())
	for i := range n {
		if body := <-got; body != fmt.Sprint(i) {
			t.Fatalf("body %d is %q", i, body)
		}
	}
}

func TestAFloodOfLineEndsIsFewEvents(t *testing.T) {
	s, j := start(t, Options{})
	d, _ := connected(t, s)
	mark := j.Mark()
	d.bytes(strings.Repeat("\n", 1<<20))
	d.write(frame.SUBSCRIBE, "id", "0", "destination", "a", "receipt", "r")
	d.expect(frame.RECEIPT)
	// one event for each read of the socket at most, unless the sender's writes trickle in
	if n := len(j.Since(mark)); n > 1<<20/100 {
		t.Errorf("%d events for 1 MiB of line ends", n)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	s, j := start(t, Options{MaxBody: 4 << 20})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 2 {
		d, _ := connected(t, s)
		d.bytes("SEND\ndestination:a\n\n")
		endless(d, "0123456789")
		d.Close()
	}
	for range 5 {
		d, _ := connected(t, s)
		whole := &frame.Frame{Command: frame.SEND, Header: frame.NewHeader("destination", "a", "receipt", "r"), Body: bytes.Repeat([]byte("z"), 4<<20)}
		if err := d.w.Write(whole); err != nil {
			t.Fatal(err)
		}
		d.expect(frame.RECEIPT)
		d.Close()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	// 28 MiB came; of a frame the journal keeps one
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 16<<20 {
		t.Errorf("the heap has grown by %d MiB", grown>>20)
	}
	for _, e := range j.Since(0) {
		if f, ok := e.Body.(*Frame); len(e.Raw) > gate.MaxRaw || ok && len(f.Body) > gate.MaxRaw {
			t.Errorf("event %d, %s, keeps %d bytes", e.Seq, e.Type, len(e.Raw))
		}
	}
}

func FuzzScanner(f *testing.F) {
	for _, seed := range []string{hello, "\n\n", hello + "SEND\ndestination:a\ncontent-length:3\n\nabc\x00\n", "SEND\r\na:b\r\n\r\nx\x00",
		"SEND\ncontent-length:4000000000\n\n", "MESSAGE\n\\c:\\\\\n\n\x00", ":\n\n\x00", "\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		const maxBody = 1 << 12
		scanner := newScanner(bytes.NewReader(input), maxBody, func() {}, anyRoom)
		read := 0
		for {
			token, err := scanner.next()
			if !bytes.HasPrefix(input[read:], token.raw) {
				t.Fatalf("token %q is not what stands at %d of %q", token.raw, read, input)
			}
			if len(token.raw) > maxBody+maxHead+readBuffer {
				t.Fatalf("a token of %d bytes", len(token.raw))
			}
			if err != nil {
				return
			}
			read += len(token.raw)
			if token.beats > 0 {
				continue
			}
			got, err := decode(token.raw, token.body)
			if err != nil {
				return
			}
			if !bytes.Contains(token.raw, got.Body) {
				t.Fatalf("body %q is not in %q", got.Body, token.raw)
			}
			got.Describe()
			hidePasscode(token.raw[:token.body])
		}
	})
}
