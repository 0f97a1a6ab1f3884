package harness

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/retry"
)

// attempts are connections that are refused, but for the last: the event of the harness's first act is returned.
func attempts(j *journal.Journal, waits ...time.Duration) *journal.Event {
	now := time.Now()
	first := j.Append(journal.Event{At: now, Layer: journal.LayerTCP, Dir: journal.Out, Type: "close", Conn: 1})
	for i, wait := range waits {
		now = now.Add(wait)
		conn := uint64(2 + i)
		j.Append(journal.Event{At: now, Layer: journal.LayerTCP, Dir: journal.In, Type: "open", Conn: conn})
		j.Append(journal.Event{At: now.Add(time.Second), Layer: journal.LayerTLS, Dir: journal.Out, Type: "handshake", Conn: conn})
		now = now.Add(2 * time.Second) // a slow handshake does not count
		j.Append(journal.Event{At: now, Layer: journal.LayerMQTT, Dir: journal.In, Type: "CONNECT", Conn: conn})
		j.Append(journal.Event{At: now, Layer: journal.LayerMQTT, Dir: journal.In, Type: "CONNECT", Conn: 1}) // of another client
		j.Append(journal.Event{At: now, Layer: journal.LayerMQTT, Dir: journal.Out, Type: "CONNACK", Conn: conn})
		j.Append(journal.Event{At: now, Layer: journal.LayerTCP, Dir: journal.Out, Type: "close", Conn: conn})
	}
	return first
}

func TestRetries(t *testing.T) {
	const s = time.Second
	ranged := retry.Policy{Initial: 5 * s, Multiplier: 2000}
	fromZero := retry.Policy{Initial: 5 * s, Multiplier: 2000, FromZero: true}
	tests := []struct {
		name   string
		policy retry.Policy
		waits  []time.Duration
		finds  string // what the metric says; "" for a pass
		notes  int
	}{
		{"all kept", ranged, []time.Duration{6 * s, 12 * s, 21 * s, 79 * s}, "", 4},
		{"the third is early", ranged, []time.Duration{6 * s, 12 * s, 18 * s}, "wait before retry 3: 20s to 40s (up to 1s early or 1s late), 18s after event 12", 3},
		{"at once", fromZero, make([]time.Duration, 9), "the waits before 6 retries", 6},
		{"short by chance", fromZero, []time.Duration{3 * s, 3 * s, 3 * s, 3 * s, 30 * s, 2 * s}, "", 6},
		{"never", retry.Policy{Initial: time.Millisecond, Multiplier: 1000}, nil, "wait before retry 1: 1ms (up to 1s early or 1s late), no attempt by then after event 1", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b, _ := newBench(t, nil)
			failure := attempts(b.Journal, test.waits...)
			accepted := 0
			r, _ := b.Run(t.Context(), planned(1), func(c *Case) {
				w := c.WatchRetries(test.policy, failure, c.StartsSession)
				c.Metric(1, func(m *Metric) { w.Rest(m, func() { accepted++ }) })
			})
			m := r.Metrics[0]
			got := strings.Trim(m.Where+": "+m.Want+", "+m.Got, ": ,")
			if (m.Verdict == result.Pass) != (test.finds == "") || !strings.HasPrefix(got, test.finds) {
				t.Errorf("want %q, got %s %q %s", test.finds, m.Verdict, got, r.Reason)
			}
			if len(r.Notes) != test.notes {
				t.Errorf("want %d notes, got %q", test.notes, r.Notes)
			}
			if pass := m.Verdict == result.Pass; accepted > 1 || pass && accepted == 0 {
				t.Errorf("accepted %d times", accepted)
			}
		})
	}
}

// TestTheLastAttemptButOneIsRefused: a broker may take a while to refuse an attempt that is in the journal already.
func TestTheLastAttemptButOneIsRefused(t *testing.T) {
	const s = time.Second
	b, _ := newBench(t, nil)
	failure := attempts(b.Journal, 6*s, 12*s)
	open := journal.Event{At: time.Now().Add(45 * s), Layer: journal.LayerTCP, Dir: journal.In, Type: "open", Conn: 4}
	come, refused := open, open
	come.Layer, come.Type = journal.LayerMQTT, "CONNECT"
	refused.Dir, refused.Type = journal.Out, "close"
	b.Journal.Append(open)
	b.Journal.Append(come)
	r, _ := b.Run(t.Context(), planned(1), func(c *Case) {
		w := c.WatchRetries(retry.Policy{Initial: 5 * s, Multiplier: 2000}, failure, func(e *journal.Event) error {
			if e.Type == "CONNECT" && e.Conn == 4 { // the broker is slower than whoever reads the journal
				time.AfterFunc(50*time.Millisecond, func() {
					b.Journal.Append(refused)
					last := open
					last.At, last.Conn = open.At.Add(50*s), 5
					b.Journal.Append(last)
					last.Layer, last.Type = journal.LayerMQTT, "CONNECT"
					b.Journal.Append(last)
				})
			}
			return c.StartsSession(e)
		})
		c.Metric(1, func(m *Metric) {
			w.Rest(m, func() {
				if !slices.ContainsFunc(b.Journal.Since(0), func(e *journal.Event) bool { return e.Conn == 4 && e.Dir == journal.Out }) {
					t.Error("the next attempt is let in before the one that is there is refused")
				}
			})
		})
	})
	if r.Verdict != result.Pass {
		t.Errorf("got %s: %s %+v", r.Verdict, r.Reason, r.Metrics)
	}
}

func TestRetriesThatTakeTooLong(t *testing.T) {
	b, _ := newBench(t, nil)
	r := trying(t, b, func(c *Case) {
		c.WatchRetries(retry.Policy{Initial: time.Hour, Multiplier: 65535}, attempts(b.Journal), c.StartsSession)
	})
	if r.Verdict != result.Error || !strings.Contains(r.Reason, "configure shorter intervals") {
		t.Errorf("got %s: %s", r.Verdict, r.Reason)
	}
}
