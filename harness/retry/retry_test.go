package retry

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/usptest/usptest/harness/journal"
)

func TestWindows(t *testing.T) {
	const s = time.Second
	stomp := Policy{Initial: 60 * s, Multiplier: 2000, Max: 30720 * s, FromZero: true}
	mqtt := Policy{Initial: 5 * s, Multiplier: 2000, Max: 30720 * s}
	huge := Policy{Initial: math.MaxUint32 * s, Multiplier: math.MaxUint64}
	tests := []struct {
		name   string
		policy Policy
		n      int
		want   Window
	}{
		{"STOMP, first", stomp, 1, Window{0, 60 * s}},
		{"STOMP, second", stomp, 2, Window{0, 120 * s}},
		{"STOMP, tenth", stomp, 10, Window{0, 30720 * s}},
		{"STOMP, eleventh", stomp, 11, Window{0, 30720 * s}},
		{"STOMP, a maximum", Policy{Initial: 60 * s, Multiplier: 2000, Max: 90 * s, FromZero: true}, 2, Window{0, 90 * s}},
		{"MQTT, first", mqtt, 1, Window{5 * s, 10 * s}},
		{"MQTT, second", mqtt, 2, Window{10 * s, 20 * s}},
		{"MQTT, eleventh", mqtt, 11, Window{2560 * s, 5120 * s}},
		{"a maximum within the range", Policy{Initial: 5 * s, Multiplier: 2000, Max: 15 * s}, 2, Window{10 * s, 15 * s}},
		{"a maximum below the range", Policy{Initial: 5 * s, Multiplier: 2000, Max: 8 * s}, 2, Window{8 * s, 8 * s}},
		{"no growth", Policy{Initial: 5 * s, Multiplier: 1000}, 7, Window{5 * s, 5 * s}},
		{"a multiplier that is no such", Policy{Initial: 5 * s}, 3, Window{5 * s, 5 * s}},
		{"retries count from 1", mqtt, 0, Window{5 * s, 10 * s}},
		{"UDS, fifth", Policy{Initial: s, Multiplier: 5000, Steady: true}, 5, Window{1 * s, 5 * s}},
		{"scaled", mqtt.Scaled(5), 1, Window{1 * s, 2 * s}},
		{"too much for a Duration", huge, 5, Window{1 << 61, 1 << 61}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.policy.Window(test.n); got != test.want {
				t.Errorf("want %s, got %s", test.want, got)
			}
		})
	}
	if got := mqtt.Longest(3); got != (10+20+40)*s {
		t.Errorf("three retries: got %s", got)
	}
	if got := huge.Longest(100); got < 0 {
		t.Errorf("a hundred huge retries: got %s", got)
	}
}

// watched is a series with these waits in seconds, and the first error of Add.
func watched(p Policy, g Grant, waits ...float64) (s *Series, err error) {
	s = &Series{Policy: p, Grant: g}
	now := time.Now()
	for i, wait := range waits {
		failure := Moment{now, journal.Mark(2*i + 1)}
		now = now.Add(time.Duration(wait * float64(time.Second)))
		if e := s.Add(failure, Moment{now, journal.Mark(2*i + 2)}); err == nil {
			err = e
		}
	}
	return s, err
}

func TestSingleWaits(t *testing.T) {
	stomp := Policy{Initial: 5 * time.Second, Multiplier: 2000, FromZero: true}
	mqtt := Policy{Initial: 5 * time.Second, Multiplier: 2000}
	late := Grant{Late: time.Second}
	tests := []struct {
		name   string
		policy Policy
		grant  Grant
		waits  []float64
		finds  string
	}{
		{"STOMP, all kept", stomp, late, []float64{0, 9, 20, 0.5}, ""},
		{"STOMP, a little late", stomp, late, []float64{5.9, 10.9}, ""},
		{"STOMP, the first too late", stomp, late, []float64{6.1}, "wait before retry 1: want 0s to 5s (up to 1s late), got 6.1s after event 1"},
		{"STOMP, the second too late", stomp, late, []float64{1, 11.5}, "wait before retry 2: want 0s to 10s (up to 1s late), got 11.5s after event 3"},
		{"MQTT, all kept", mqtt, late, []float64{5, 20, 20, 80}, ""},
		{"MQTT, early", mqtt, late, []float64{4.99}, "wait before retry 1: want 5s to 10s (up to 1s late), got 4.99s after event 1"},
		{"MQTT, early on a machine that stood still", mqtt, Grant{Early: 100 * time.Millisecond}, []float64{4.95}, ""},
		{"MQTT, multiplier ignored", mqtt, late, []float64{7, 7}, "wait before retry 2: want 10s to 20s (up to 1s late), got 7s after event 3"},
		{"MQTT, at once", mqtt, late, []float64{0.001}, "wait before retry 1: want 5s to 10s (up to 1s late), got 1ms after event 1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := watched(test.policy, test.grant, test.waits...)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != test.finds {
				t.Errorf("want %q, got %q", test.finds, got)
			}
		})
	}
}

func TestDoubts(t *testing.T) {
	stomp := Policy{Initial: 5 * time.Second, Multiplier: 2000, FromZero: true}
	tests := []struct {
		name   string
		policy Policy
		waits  []float64
		open   bool
		finds  string // part of it
	}{
		{"nothing seen", stomp, nil, false, ""},
		{"waits that grow", stomp, []float64{2, 7, 13, 31}, false, ""},
		{"one long wait", stomp, []float64{2, 1, 1, 31}, false, ""},
		{"four short ones are chance", stomp, []float64{2, 1, 1, 4}, true, ""},
		{"at once, four times", stomp, []float64{0, 0, 0, 0}, true, ""},
		{"at once, seven times", stomp, []float64{0, 0, 0, 0, 0, 0, 0}, false, "want random waits between 0 and the end of each window, got none longer than 0s"},
		{"never longer than the first window", stomp, []float64{5, 3, 4, 5, 2, 5, 4, 5, 5}, false, "want windows that grow with the multiplier, got none longer than 5s"},
		{"no multiplier, no growth", Policy{Initial: 5 * time.Second, Multiplier: 1000, FromZero: true}, []float64{5, 3, 4, 5}, false, ""},
		{"a short maximum", Policy{Initial: 5 * time.Second, Multiplier: 2000, Max: 5 * time.Second, FromZero: true}, []float64{5, 3, 4, 5}, false, ""},
		{"ten retries are all there is", Policy{Initial: 5 * time.Second, Multiplier: 1300, FromZero: true}, []float64{5, 5, 5, 5, 5, 5, 5, 5, 5, 5}, false, ""},
		{"another rule", Policy{Initial: 5 * time.Second, Multiplier: 2000}, []float64{5, 10, 20, 40}, false, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, err := watched(test.policy, Grant{Late: time.Second}, test.waits...)
			if err != nil {
				t.Fatal(err)
			}
			open, err := s.Doubt()
			if open != test.open {
				t.Errorf("open: want %t, got %t", test.open, open)
			}
			switch {
			case err == nil && test.finds != "":
				t.Error("no error")
			case err != nil && test.finds == "":
				t.Error(err)
			case err != nil && !strings.Contains(err.Error(), test.finds):
				t.Errorf("want %q, got %q", test.finds, err)
			}
		})
	}
}
