package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is long enough for a busy machine; nothing here waits for it unless it fails.
const patience = 20 * time.Second

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

func TestAwaitOnSeesOneLayerAndCountsAll(t *testing.T) {
	j := New()
	of := func(layers ...Layer) (seen []Layer, event *Event, err error) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		mark := j.Mark()
		go func() {
			for _, l := range layers {
				j.Append(Event{Layer: l, Type: "one", Dir: In})
			}
			if layers[len(layers)-1] != LayerMessage {
				cancel()
			}
		}()
		event, err = j.AwaitOn(ctx, LayerMessage, mark, func(e *Event) error {
			seen = append(seen, e.Layer)
			return nil
		})
		return seen, event, err
	}
	if seen, e, err := of(LayerMQTT, LayerRecord, LayerMessage); err != nil || len(seen) != 1 || e.Layer != LayerMessage {
		t.Errorf("want the Message alone, got %v, %v, %v", seen, e, err)
	}
	if seen, _, err := of(LayerMQTT, LayerRecord); len(seen) > 0 || err == nil || !strings.Contains(err.Error(), "1 mqtt one, 1 record one") {
		t.Errorf("want a time-out that counts packet and Record, got %v, %v", seen, err)
	}
}

func TestAFloodIsBounded(t *testing.T) {
	for name, flood := range map[string]Event{
		"raw":    {Raw: make([]byte, 4096)},
		"bodies": {Body: "decoded", Weight: 4096},
		"texts":  {Text: strings.Repeat("x", 2*maxText)},
		"many":   {},
	} {
		j := New()
		for range MaxEvents + 10 {
			j.Append(flood)
		}
		events, size := j.Since(0), 0
		for _, e := range events {
			size += e.size()
		}
		if len(events) > MaxEvents || size > MaxBytes || size != j.size {
			t.Fatalf("%s: want at most %d events and %d bytes, got %d and %d, counted as %d", name, MaxEvents, MaxBytes, len(events), size, j.size)
		}
		newest := events[len(events)-1]
		if newest.Seq != MaxEvents+10 || len(newest.Raw) != len(flood.Raw) || newest.Body != flood.Body {
			t.Errorf("%s: the newest event is not whole: %d", name, newest.Seq)
		}
		j.Forget(j.Mark())
		if j.size != 0 {
			t.Errorf("%s: %d bytes are counted for nothing", name, j.size)
		}
	}
}

// bulky is a body with bulk.
type bulky []byte

func (bulky) Trimmed() any { return bulky(nil) }

func TestWithoutRoomTheOldestEventsLoseTheirBytes(t *testing.T) {
	j := New()
	light := j.Append(Event{Body: "light"})
	seen := j.Since(0)
	raw := make([]byte, MaxBytes/3)
	for range 3 {
		j.Append(Event{Raw: raw, Body: bulky(raw)})
	}
	heavy := j.Append(Event{Body: "heavy", Weight: MaxBytes})
	for i, e := range j.Since(0) {
		switch {
		case i == 0 && e != light:
			t.Error("an event without bulk was touched")
		case i > 0 && e != heavy && (len(e.Raw) != 0 || len(e.Body.(bulky)) != 0 || !strings.Contains(e.Text, "no room")):
			t.Errorf("event %d has kept its bytes", e.Seq)
		}
	}
	j.Append(Event{})
	if newest := j.Since(heavy.Seq - 1)[0]; newest.Body != nil {
		t.Error("an event that is larger than all the room is kept when it is no longer the newest")
	}
	if seen[0] != light {
		t.Error("a list that was handed out has changed")
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
	var heard []Mark
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
		if seq != Mark(i+1) {
			t.Fatalf("event %d heard as %d", i+1, seq)
		}
	}
	if len(heard) != 800 {
		t.Fatalf("want 800 events heard, got %d", len(heard))
	}
}

func TestSecretsAreBounded(t *testing.T) {
	j := New()
	j.Secret("the harness's own")
	j.Secret(strings.Repeat("long", 1<<20))
	for i := range 2 * maxSecrets {
		j.Secret(fmt.Sprintf("made up %d", i))
	}
	if len(j.secrets) > maxSecrets {
		t.Errorf("%d secrets are remembered, want at most %d", len(j.secrets), maxSecrets)
	}
	m := j.Masker()
	if got := m.Text("the harness's own made up 7"); strings.Trim(got, "* ") != "" {
		t.Errorf("got %q", got)
	}
	if got := m.Text(strings.Repeat("long", maxSecret/4+1)); got != strings.Repeat("*", maxSecret)+"long" {
		t.Errorf("of the long one %d bytes are masked", strings.Count(got, "*"))
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

// TestLinksBeside: readers see Records and Messages of every link, and packets of their own; what is written has all.
func TestLinksBeside(t *testing.T) {
	j := New()
	beside := j.Beside("stomp")
	j.Append(Event{Layer: LayerMQTT, Type: "CONNECT"})
	beside.Append(Event{Layer: LayerSTOMP, Type: "CONNECT"})
	j.Append(Event{Layer: LayerRecord, Type: "NoSessionContext", Link: "stomp"})
	for _, test := range []struct {
		name string
		got  []*Event
		want []Mark
	}{
		{"the link under test", j.Since(0), []Mark{1, 3}}, {"the one beside", beside.Since(0), []Mark{2, 3}},
		{"everything", j.Everything(0), []Mark{1, 2, 3}},
	} {
		var got []Mark
		for _, e := range test.got {
			got = append(got, e.Seq)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: want %v, got %v", test.name, test.want, got)
		}
	}
	if e := j.At(2); e == nil || e.Link != "stomp" {
		t.Errorf("want the event with its link, got %+v", e)
	}
}

// TestATimeoutSaysWhatCouldNotBeRead: a packet that is too large explains why nothing else came.
func TestATimeoutSaysWhatCouldNotBeRead(t *testing.T) {
	j := New()
	j.Append(Event{Layer: LayerMQTT, Dir: In, Type: "malformed", Text: "a PUBLISH of 64 MB"})
	j.Append(Event{Layer: LayerMQTT, Dir: In, Type: "malformed", Text: "another"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := j.Await(ctx, 0, func(*Event) error { return ErrSkip })
	if want := "from the device meanwhile: 2 mqtt malformed (a PUBLISH of 64 MB)"; err == nil || err.Error() != want {
		t.Errorf("want %q, got %v", want, err)
	}
	mark := j.Append(Event{Layer: LayerRecord, Dir: In, Type: "SessionContext"}).Seq - 1
	j.Append(Event{Layer: LayerNote, Dir: Own, Type: "Record not taken", Text: "SessionContext of event 3: it is not for now"})
	_, err = j.Await(ctx, mark, func(*Event) error { return ErrSkip })
	if want := "from the device meanwhile: 1 record SessionContext (SessionContext of event 3: it is not for now)"; err == nil || err.Error() != want {
		t.Errorf("want %q, got %v", want, err)
	}
}
