package expect_test

import (
	"errors"
	"testing"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
)

func TestHasFilter(t *testing.T) {
	packet := &mqtt.Packet{Type: mqtt.Unsubscribe, Filters: []mqtt.Filter{{Topic: "a"}, {Topic: "b/#"}}}
	match := func(packetType, filter string, dir journal.Dir) error {
		return expect.HasFilter(packetType, filter)(&journal.Event{Dir: dir, Layer: journal.LayerMQTT, Type: packet.Type, Body: packet})
	}
	if err := match(mqtt.Unsubscribe, "b/#", journal.In); err != nil {
		t.Error(err)
	}
	const want = `UNSUBSCRIBE: filters: want b among them, got ["a" "b/#"]`
	if err := match(mqtt.Unsubscribe, "b", journal.In); err == nil || err.Error() != want {
		t.Errorf("want %s, got %v", want, err)
	}
	for _, err := range []error{match(mqtt.Subscribe, "a", journal.In), match(mqtt.Unsubscribe, "a", journal.Out)} {
		if !errors.Is(err, journal.ErrSkip) {
			t.Errorf("want a packet of another kind skipped, got %v", err)
		}
	}
}
