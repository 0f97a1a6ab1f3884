package journal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestAwaitSeesWhatCameBeforeAndAfterTheCall(t *testing.T) {
	j := New()
	mark := j.Mark()
	j.Append(Event{Type: "CONNECT", Dir: In})
	connect := func(want string) func(*Event) error {
		return func(e *Event) error {
			if e.Type != want {
				return ErrSkip
			}
			return nil
		}
	}
	if e, err := j.Await(t.Context(), mark, connect("CONNECT")); err != nil || e.Seq != 1 {
		t.Fatalf("want event 1, got %v, %v", e, err)
	}
	go j.Append(Event{Type: "SUBSCRIBE", Dir: In})
	if e, err := j.Await(t.Context(), mark, connect("SUBSCRIBE")); err != nil || e.Seq != 2 {
		t.Fatalf("want event 2, got %v, %v", e, err)
	}
}

func TestAwaitNamesTheNearestMiss(t *testing.T) {
	j := New()
	j.Append(Event{Layer: LayerMQTT, Type: "CONNECT", Dir: In})
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_, err := j.Await(ctx, 0, func(*Event) error { return errors.New(`ClientID: want "a", got "b"`) })
	var timeout *TimeoutError
	if !errors.As(err, &timeout) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("want a TimeoutError, got %v", err)
	}
	for _, want := range []string{"1 mqtt CONNECT", "nearest: event 1", `got "b"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in %q", want, err)
		}
	}
}

func TestAFloodIsBounded(t *testing.T) {
	j := New()
	for range MaxEvents + 10 {
		j.Append(Event{Raw: make([]byte, 1024)})
	}
	events := j.Since(0)
	raw := 0
	for _, e := range events {
		raw += len(e.Raw)
	}
	if len(events) > MaxEvents || raw > MaxRawBytes {
		t.Fatalf("want at most %d events and %d bytes, got %d and %d", MaxEvents, MaxRawBytes, len(events), raw)
	}
	if got := events[len(events)-1].Seq; got != MaxEvents+10 {
		t.Errorf("newest event: want %d, got %d", MaxEvents+10, got)
	}
}

// bulky is a body with bulk.
type bulky []byte

func (bulky) Trimmed() any { return bulky(nil) }

func TestWithoutRoomForBytesBodiesAreTrimmed(t *testing.T) {
	j := New()
	raw := make([]byte, MaxRawBytes)
	first := j.Append(Event{Raw: raw, Body: bulky(raw)})
	second := j.Append(Event{Raw: raw[:1], Body: bulky(raw[:1])})
	if len(first.Raw) == 0 || len(first.Body.(bulky)) == 0 {
		t.Error("the event that fits has lost its bytes")
	}
	if len(second.Raw) != 0 || len(second.Body.(bulky)) != 0 {
		t.Error("the event that does not fit has kept its bytes")
	}
}

func TestForgetKeepsTheNumbering(t *testing.T) {
	j := New()
	for range 5 {
		j.Append(Event{})
	}
	j.Forget(3)
	if got := j.Since(0); len(got) != 2 || got[0].Seq != 4 {
		t.Fatalf("want events 4 and 5, got %d events", len(got))
	}
	if got := j.Since(4); len(got) != 1 || got[0].Seq != 5 {
		t.Fatalf("want event 5, got %d events", len(got))
	}
	j.Forget(99)
	if got := j.Append(Event{}).Seq; got != 6 {
		t.Errorf("next event: want 6, got %d", got)
	}
	if got := j.Since(5); len(got) != 1 {
		t.Errorf("after forgetting all: want 1 event, got %d", len(got))
	}
}

func TestManyWritersGetDistinctNumbers(t *testing.T) {
	j := New()
	var heard []uint64
	stop := j.Listen(func(e *Event) { heard = append(heard, e.Seq) })
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				j.Append(Event{})
			}
		})
	}
	wg.Wait()
	stop()
	for i, seq := range heard {
		if seq != uint64(i+1) {
			t.Fatalf("event %d heard as %d", i+1, seq)
		}
	}
	if len(heard) != 800 {
		t.Fatalf("want 800 events heard, got %d", len(heard))
	}
}

func TestSecretsAreMaskedWithTheirLengthKept(t *testing.T) {
	j := New()
	j.Secret("hunter22")
	j.Secret("hunter22-longer")
	j.Secret("abc") // too short to mask
	m := j.Masker()
	if got := m.Text("a hunter22-longer b hunter22 abc"); got != "a *************** b ******** abc" {
		t.Errorf("got %q", got)
	}
	raw := []byte("xxhunter22yy")
	if got := string(m.Bytes(raw)); got != "xx********yy" || string(raw) != "xxhunter22yy" {
		t.Errorf("got %q, original %q", got, raw)
	}
}

func BenchmarkAppend(b *testing.B) {
	j := New()
	raw := make([]byte, 256)
	for i := 0; b.Loop(); i++ {
		e := j.Append(Event{Layer: LayerMQTT, Dir: In, Type: "PUBLISH", Raw: raw, Text: fmt.Sprint(i)})
		if e.Seq%10_000 == 0 {
			j.Forget(e.Seq)
		}
	}
}
