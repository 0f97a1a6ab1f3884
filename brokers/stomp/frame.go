package stomp

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-stomp/stomp/v3/frame"
)

// Pair is one header.
type Pair struct{ Name, Value string }

// Frame is one STOMP frame, decoded. Nobody changes it.
type Frame struct {
	Command string
	Headers []Pair // escapes resolved, in the order of the wire; a name may occur more than once
	Body    []byte // in the journal only its first gate.MaxRaw bytes
	Size    int    // the true length of Body
}

// Header returns the value of a header and whether it is there. Where a name is repeated, the first value counts (STOMP 1.2,
// "Repeated Header Entries").
func (f *Frame) Header(name string) (string, bool) {
	for _, h := range f.Headers {
		if h.Name == name {
			return h.Value, true
		}
	}
	return "", false
}

// header is Header for those who do not care whether it is there.
func (f *Frame) header(name string) string {
	value, _ := f.Header(name)
	return value
}

// HeartBeat reads the heart-beat header: every how long the sender of the frame can send, and every how long it wants to
// receive. Both are 0 without the header. A blank around a number is forgiven.
func (f *Frame) HeartBeat() (sends, wants time.Duration, err error) {
	value, ok := f.Header(frame.HeartBeat)
	if !ok {
		return 0, 0, nil
	}
	first, second, ok := strings.Cut(value, ",")
	if !ok {
		return 0, 0, fmt.Errorf("heart-beat: want two numbers with a comma between, got %q", value)
	}
	var milliseconds [2]time.Duration
	for i, number := range []string{first, second} {
		n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 32)
		if err != nil {
			return 0, 0, fmt.Errorf("heart-beat: want two numbers of milliseconds, got %q", value)
		}
		milliseconds[i] = time.Duration(n) * time.Millisecond
	}
	return milliseconds[0], milliseconds[1], nil
}

// Describe shows the frame as text, one header on a line. The passcode is not among them.
func (f *Frame) Describe() string {
	var b strings.Builder
	b.WriteString(f.Command + "\n")
	for _, h := range f.Headers {
		value := h.Value
		if h.Name == frame.Passcode {
			value = strings.Repeat("*", len(value))
		}
		fmt.Fprintf(&b, "  %s: %q\n", quoted(h.Name), value)
	}
	if f.Size > 0 {
		fmt.Fprintf(&b, "  body of %d bytes\n", f.Size)
		if f.Command == frame.ERROR {
			fmt.Fprintf(&b, "  %q\n", f.Body)
		}
	}
	return b.String()
}

// quoted leaves a plain header name alone and makes any other visible.
func quoted(name string) string {
	if q := strconv.Quote(name); q != `"`+name+`"` {
		return q
	}
	return name
}

// maxTrimmedHeaders is how many bytes of headers a trimmed frame keeps; those of an honest one are fewer.
const maxTrimmedHeaders = 1024

// maxSummaryValue bounds one header's value in the one-line text, since a device may send a long one.
const maxSummaryValue = 120

// summary is the frame in one line, without its command: what a reader of a time line looks for.
func (f *Frame) summary() string {
	var parts []string
	for _, name := range []string{frame.Destination, "reply-to-dest", frame.Subscription, frame.Id, frame.Host, "endpoint-id",
		frame.HeartBeat, "subscribe-dest", frame.Receipt, frame.ReceiptId, frame.Message} {
		if value, ok := f.Header(name); ok {
			if len(value) > maxSummaryValue {
				value = value[:maxSummaryValue] + "…"
			}
			parts = append(parts, fmt.Sprintf("%s %q", name, value))
		}
	}
	if f.Size > 0 {
		parts = append(parts, fmt.Sprintf("%d bytes", f.Size))
	}
	return strings.Join(parts, ", ")
}

// forJournal returns f with its body in the bytes that an event keeps of the frame, where it begins at the given offset.
func (f *Frame) forJournal(raw []byte, body int) *Frame {
	cut := *f
	cut.Body = raw[min(body, len(raw)):min(body+len(f.Body), len(raw))]
	return &cut
}

// weight is about what f takes beside the kept bytes that it was read from: its headers, which took this many bytes there.
func (f *Frame) weight(head int) int { return head + 32*len(f.Headers) }

// Trimmed returns f without what a device can make long, for a journal that is full.
func (f *Frame) Trimmed() any {
	cut := &Frame{Command: f.Command, Size: f.Size}
	size := 0
	for _, h := range f.Headers {
		if size += len(h.Name) + len(h.Value); size > maxTrimmedHeaders {
			break
		}
		cut.Headers = append(cut.Headers, h)
	}
	return cut
}

// decode reads the one frame that raw holds, as the scanner cut it out; its body begins at the given offset. The result's body
// shares memory with raw.
func decode(raw []byte, body int) (*Frame, error) {
	read, err := frame.NewReaderSize(bytes.NewReader(raw), 512).Read()
	switch {
	case err != nil && errors.Is(err, frame.ErrInvalidCommand):
		command, _, _ := bytes.Cut(raw[:min(len(raw), maxSummaryValue)], []byte("\n"))
		return nil, fmt.Errorf("%q is no STOMP command", command)
	case err != nil:
		return nil, err
	case read == nil:
		return nil, errors.New("no frame")
	}
	f := &Frame{Command: read.Command, Size: len(read.Body)}
	for i := range read.Header.Len() {
		name, value := read.Header.GetAt(i)
		f.Headers = append(f.Headers, Pair{name, value})
	}
	f.Body = raw[body : body+len(read.Body) : body+len(read.Body)]
	return f, nil
}

// notUTF8 returns the name of a header that is not valid UTF-8, which STOMP demands, or "".
func (f *Frame) notUTF8() string {
	for _, h := range f.Headers {
		if !utf8.ValidString(h.Name) || !utf8.ValidString(h.Value) {
			return h.Name
		}
	}
	return ""
}

// hidePasscode overwrites the value of every passcode header in a frame's command and headers, keeping its length.
func hidePasscode(head []byte) {
	for line := range bytes.Lines(head) {
		if value, ok := bytes.CutPrefix(line, []byte(frame.Passcode+":")); ok {
			for i := range bytes.TrimRight(value, "\r\n") {
				value[i] = '*'
			}
		}
	}
}

const toEscape = "\\\r\n:"

var escaper = strings.NewReplacer(`\`, `\\`, "\r", `\r`, "\n", `\n`, ":", `\c`)

// escape writes a header's name or value, most of which need no escapes.
func escape(b *bytes.Buffer, text string) {
	if strings.ContainsAny(text, toEscape) {
		text = escaper.Replace(text)
	}
	b.WriteString(text)
}

// encode returns the bytes of a frame and where in them the body begins. The library's writer is not used, because it escapes the headers
// of CONNECTED too, which STOMP 1.2 forbids: a device would see the escapes in a subscribe-dest.
func encode(f *Frame) (raw []byte, body int) {
	var b bytes.Buffer
	b.Grow(256 + len(f.Body))
	b.WriteString(f.Command + "\n")
	for _, h := range f.Headers {
		if f.Command == frame.CONNECTED {
			b.WriteString(h.Name + ":" + h.Value + "\n")
			continue
		}
		escape(&b, h.Name)
		b.WriteByte(':')
		escape(&b, h.Value)
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	body = b.Len()
	b.Write(f.Body)
	b.WriteByte(0)
	return b.Bytes(), body
}

// acceptsVersion reports whether an accept-version header offers STOMP 1.2.
func acceptsVersion(offered string) bool {
	for v := range strings.SplitSeq(offered, ",") {
		if strings.TrimSpace(v) == version {
			return true
		}
	}
	return false
}
