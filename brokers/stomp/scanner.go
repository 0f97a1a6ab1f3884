package stomp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/go-stomp/stomp/v3/frame"

	"github.com/usptest/usptest/brokers/gate"
)

const (
	readBuffer = 16 << 10
	// typicalFrame is what is reserved for a frame before anything is known of it.
	typicalFrame = 1 << 10
	// maxHead bounds a frame's command and headers together.
	maxHead = 64 << 10
	// maxBeats bounds how many line ends make one event.
	maxBeats = 256
)

// badFrame is an error of the device's, not of the connection.
type badFrame struct{ reason string }

func (e badFrame) Error() string { return e.reason }

// scanner cuts a stream into frames and heart-beats without believing anything that it reads: the library's own reader
// reserves whatever content-length says and has no limit for a line.
type scanner struct {
	r       *bufio.Reader
	max     int                   // most bytes of a body
	started func()                // called when the first byte of a frame is there
	hold    func(bytes int) error // asked before memory for a frame is taken
}

// token is a frame's bytes, with the line ends that came along, or a burst of line ends alone.
type token struct {
	raw   []byte
	body  int // where in raw the body begins
	beats int // how many line ends, when it is a heart-beat and no frame
}

func newScanner(r io.Reader, maxBody int, started func(), hold func(bytes int) error) *scanner {
	return &scanner{r: bufio.NewReaderSize(r, readBuffer), max: maxBody, started: started, hold: hold}
}

// next waits for a frame or a heart-beat. With an error it returns the part of a frame that was there; a badFrame leaves the
// stream at an unknown place.
func (s *scanner) next() (token, error) {
	_ = s.hold(0) // the frame before is done with
	first, err := s.r.ReadByte()
	if err != nil {
		return token{}, err
	}
	if isEOL(first) {
		raw, more := s.lineEnds([]byte{first})
		return token{raw: raw, beats: 1 + more}, nil
	}
	s.started()
	s.r.UnreadByte()
	var b bytes.Buffer
	b.Grow(typicalFrame)
	length, err := s.head(&b)
	if err != nil {
		return token{raw: b.Bytes(), body: b.Len()}, err
	}
	t := token{body: b.Len()}
	if length < 0 {
		err = s.untilNUL(&b)
	} else {
		err = s.counted(&b, length)
	}
	if err != nil {
		t.raw = b.Bytes()
		return t, err
	}
	// Line ends in the same burst are the frame's own, which some clients write after the NUL; a heart-beat comes alone.
	t.raw, _ = s.lineEnds(b.Bytes())
	return t, nil
}

// head reads up to and including the empty line and returns the first content-length, or -1.
func (s *scanner) head(b *bytes.Buffer) (length int, err error) {
	length = -1
	counted := false
	for line := 0; ; {
		part, err := s.r.ReadSlice('\n')
		b.Write(part)
		if b.Len() > maxHead {
			return 0, badFrame{fmt.Sprintf("command and headers are longer than the %d bytes that this broker takes", maxHead)}
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return 0, err
		}
		text := bytes.TrimSuffix(bytes.TrimSuffix(b.Bytes()[line:], []byte("\n")), []byte("\r"))
		if len(text) == 0 {
			return length, nil
		}
		if name, value, ok := bytes.Cut(text, []byte(":")); ok && !counted && string(name) == frame.ContentLength {
			counted = true
			n, err := strconv.ParseUint(string(value), 10, 63)
			if err != nil {
				return 0, badFrame{fmt.Sprintf("content-length: want a number, got %q", value[:min(len(value), maxSummaryValue)])}
			}
			if n > uint64(s.max) {
				return 0, badFrame{fmt.Sprintf("content-length is %d, more than the %d bytes that this broker takes", n, s.max)}
			}
			length = int(n)
		}
		line = b.Len()
	}
}

// counted reads a body of known length and the NUL behind it.
func (s *scanner) counted(b *bytes.Buffer, length int) error {
	had := 0
	for _, stage := range gate.Stages(length) {
		if err := s.hold(stage); err != nil {
			return badFrame{err.Error()}
		}
		part := stage - had
		had = stage
		b.Grow(part + 1) // and the NUL
		space := b.AvailableBuffer()[:part]
		n, err := io.ReadFull(s.r, space)
		b.Write(space[:n])
		if err != nil {
			return err
		}
	}
	end, err := s.r.ReadByte()
	if err != nil {
		return err
	}
	if end != 0 {
		return badFrame{fmt.Sprintf("want a NUL after the %d bytes that content-length promises, got 0x%02x", length, end)}
	}
	return b.WriteByte(end)
}

// untilNUL reads a body that ends at its first NUL.
func (s *scanner) untilNUL(b *bytes.Buffer) error {
	limit := b.Len() + s.max
	for {
		part, err := s.r.ReadSlice(0)
		b.Write(part)
		if b.Len() > limit+1 {
			return badFrame{fmt.Sprintf("a body without content-length is longer than the %d bytes that this broker takes", s.max)}
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		if err := s.hold(b.Cap()); err != nil {
			return badFrame{err.Error()}
		}
	}
}

// lineEnds appends to raw the line ends that have arrived already, up to a bound, and tells how many there were.
func (s *scanner) lineEnds(raw []byte) ([]byte, int) {
	n := 0
	for s.r.Buffered() > 0 && n < maxBeats {
		b, _ := s.r.ReadByte() // cannot fail: it is buffered
		if !isEOL(b) {
			s.r.UnreadByte()
			break
		}
		raw = append(raw, b)
		n++
	}
	return raw, n
}

func isEOL(b byte) bool { return b == '\n' || b == '\r' }
