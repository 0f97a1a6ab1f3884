package probes

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/usptest/usptest/fixtures/events"
	"github.com/usptest/usptest/harness/journal"
)

// TestAFloodOfProbesIsBounded has every port flooded until the host has had enough: this many probes are kept, one note reports the rest,
// and what the journal had before is still there.
func TestAFloodOfProbesIsBounded(t *testing.T) {
	h, j := host(t)
	before := j.Append(journal.Event{Layer: journal.LayerStep, Text: "the case"})
	var senders sync.WaitGroup
	var over atomic.Bool
	large := make([]byte, 60_000)
	for port := FirstPort; port <= LastPort; port++ {
		c := prober(t, h, uint16(port))
		senders.Go(func() {
			for n := 0; !over.Load(); n++ {
				c.Write(large[:n%len(large)])
			}
		})
	}
	defer senders.Wait()
	defer over.Store(true)
	events.Await(t, j, before.Seq, events.Event{Type: tooMany})
	over.Store(true)
	senders.Wait()
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	recorded, notes := 0, 0
	for _, e := range j.Since(before.Seq) {
		switch p, ok := e.Body.(*Probe); {
		case !ok:
			notes++
		case len(e.Raw) != p.Size || p.Size > maxDatagram:
			t.Errorf("a probe of %d bytes keeps %d", p.Size, len(e.Raw))
		default:
			recorded++
		}
	}
	if recorded != maxProbes || notes != 1 || j.At(before.Seq) != before {
		t.Errorf("got %d probes and %d notes, want %d and one; the case's event is %+v", recorded, notes, maxProbes, j.At(before.Seq))
	}
}
