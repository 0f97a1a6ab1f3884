package expect

import (
	"fmt"

	"github.com/usptest/usptest/brokers/mqtt"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/usp"
)

// HasFilter matches an MQTT packet of the device that has a topic filter. packetType is mqtt.Subscribe or mqtt.Unsubscribe.
func HasFilter(packetType, filter string) func(*journal.Event) error {
	return func(e *journal.Event) error {
		p, ok := e.Body.(*mqtt.Packet)
		if !ok || e.Dir != journal.In || p.Type != packetType {
			return journal.ErrSkip
		}
		var got []string
		for _, f := range p.Filters {
			if f.Topic == filter {
				return nil
			}
			got = append(got, f.Topic)
		}
		return &usp.Mismatch{Where: packetType + ": filters", Want: filter + " among them", Got: fmt.Sprintf("%.200q", got)}
	}
}
