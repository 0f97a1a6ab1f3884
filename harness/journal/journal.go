// Package journal is the harness's memory of a run: an append-only, numbered list of timed events. Brokers write every packet
// they see, the controller every Record and Message, the case its steps and lab acts. Verdicts are judged from it, so an event is
// recorded first and judged later.
package journal

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Layer says at which height an event was seen or done.
type Layer string

// The layers, from the harness's own acts down to the wire.
const (
	LayerStep      Layer = "step"      // a step of the procedure begins
	LayerLab       Layer = "lab"       // the harness launched, rebooted or reset the device
	LayerScript    Layer = "script"    // a broker carried out a verb of its script
	LayerNote      Layer = "note"      // something a reader should know: a cut packet, a refused connection
	LayerMessage   Layer = "message"   // a USP Message
	LayerRecord    Layer = "record"    // a USP Record
	LayerMQTT      Layer = "mqtt"      // an MQTT control packet
	LayerSTOMP     Layer = "stomp"     // a STOMP frame or heart-beat
	LayerWebSocket Layer = "websocket" // a WebSocket handshake or frame
	LayerUDS       Layer = "uds"       // a frame of a Unix domain socket, or its connection opened or closed
	LayerHTTP      Layer = "http"      // a bulk-data request or its answer
	LayerTLS       Layer = "tls"       // a handshake or an alert
	LayerUDP       Layer = "udp"       // a probe of a diagnostic
	LayerDHCP      Layer = "dhcp"      // a message of DHCPv4 or DHCPv6
	LayerDNS       Layer = "dns"       // a query to the harness's DNS server, or its answer
	LayerMDNS      Layer = "mdns"      // a message of multicast DNS
	LayerICMPv6    Layer = "icmpv6"    // a router solicitation or advertisement
	LayerTCP       Layer = "tcp"       // a connection opened or closed
)

// anyLayer stands for all of them where events are awaited.
const anyLayer Layer = ""

// Dir is the direction of an event, seen from the harness.
type Dir string

// The directions.
const (
	In  Dir = "in"  // from the device
	Out Dir = "out" // to the device
	Own Dir = "own" // the harness's own act
)

// Mark is the number of an event, and a place in the journal: right after that event. 0 is before the first.
type Mark uint64

// Event is one entry. It must not be changed after Append.
type Event struct {
	Seq    Mark      // 1, 2, 3 … in the order of Append
	At     time.Time // with the monotonic reading; set by Append when zero
	Layer  Layer
	Dir    Dir
	Type   string // CONNECT, SUBSCRIBE, GetResp, ClientHello …
	Link   string // over which it came or went, where that is not the link under test
	Conn   uint64 // number of the transport connection, from NextConn; 0 when there is none
	Local  string // host:port of the harness's end, or the path of its Unix domain socket
	Remote string // host:port of the device's end, or the path of its Unix domain socket
	Text   string // one line for a reader; Append cuts a long one
	Raw    []byte // the bytes as on the wire, TLS in the clear
	Body   any    // the decoded value; a Describer shows itself in the report
	Weight int    // about how many bytes Body takes that are not Raw's, where a device can make them many
}

// Opens reports whether e is the opening of a transport connection, by either side.
func (e *Event) Opens() bool { return (e.Layer == LayerTCP || e.Layer == LayerUDS) && e.Type == "open" }

// Closes reports whether e is the end of a transport connection, by either side.
func (e *Event) Closes() bool {
	return (e.Layer == LayerTCP || e.Layer == LayerUDS) && e.Type == "close"
}

// Describer is a decoded body that can show itself as readable text of several lines.
type Describer interface{ Describe() string }

// Trimmer is a decoded body with bulk. Trimmed returns what stays when the journal has no room for it any more.
type Trimmer interface{ Trimmed() any }

// minSecret is the shortest value that is masked: masking shorter ones would eat ordinary text.
const minSecret = 4

// Journal keeps the events of one worker. All methods are safe for concurrent use.
type Journal struct {
	*memory
	link string // of which it is the Beside; "" for the link under test
}

// memory is what a journal and those beside it share.
type memory struct {
	mu        sync.Mutex
	events    []*Event
	first     Mark // Seq of events[0], when there is one
	last      Mark
	size      int  // of all events, as Event.size counts
	whole     Mark // no event before this Seq has bytes to give up
	conns     uint64
	wakes     map[Layer]chan struct{} // of those who wait: closed at the next event of the layer, or of any
	listeners []*func(*Event)
	secrets   map[string]struct{}
	beside    bool // there are events of links that are not under test
}

// MaxBytes bounds what the journal keeps until the next Forget: packets as they were on the wire and decoded. Beyond it the oldest events
// lose their bytes. The newest one is always whole.
const MaxBytes = 48 << 20

// MaxEvents bounds how many events are kept until the next Forget: later ones are numbered and handed to the waiting, but a flood
// drops the oldest.
const MaxEvents = 60_000

const (
	maxText  = 8 << 10 // bytes of an event's Text
	bareText = 256     // what stays of it when there is no room
	ownBytes = 512     // about what an event takes when it is small
)

// New returns an empty journal.
func New() *Journal {
	return &Journal{memory: &memory{first: 1, wakes: map[Layer]chan struct{}{}, secrets: map[string]struct{}{}}}
}

// Beside returns the same journal for a link that is there besides the one under test: what is appended to it is marked with the link's
// name. Readers of the journal see of that only Records and Messages, which a device may send over any link; readers of the one beside
// see what is marked with its link.
func (j *Journal) Beside(link string) *Journal { return &Journal{j.memory, link} }

// shows reports whether readers see an event.
func (j *Journal) shows(e *Event) bool {
	return e.Link == j.link || j.link == "" && (e.Layer == LayerRecord || e.Layer == LayerMessage)
}

// Append numbers e, keeps it, calls the listeners in order and wakes whoever waits. It never waits for a reader. A listener must
// not call Append.
func (j *Journal) Append(e Event) *Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	e.Seq = j.last
	if e.Link == "" {
		e.Link = j.link
	}
	j.beside = j.beside || e.Link != ""
	if e.At.IsZero() {
		e.At = time.Now()
	}
	e.Text = shortened(e.Text, maxText)
	kept := &e
	j.events = append(j.events, kept)
	j.size += kept.size()
	if len(j.events) > MaxEvents {
		j.drop(len(j.events) / 4)
	}
	if j.size > MaxBytes {
		j.strip(MaxBytes * 3 / 4)
	}
	for _, f := range j.listeners {
		(*f)(kept)
	}
	j.wake(e.Layer)
	j.wake(anyLayer)
	return kept
}

// wake tells whoever waits for events of a layer.
func (j *memory) wake(layer Layer) {
	if wake := j.wakes[layer]; wake != nil {
		close(wake)
		delete(j.wakes, layer)
	}
}

// drop forgets the n oldest events.
func (j *memory) drop(n int) {
	for _, e := range j.events[:n] {
		j.size -= e.size()
	}
	j.events = append([]*Event(nil), j.events[n:]...)
	j.first += Mark(n)
}

// strip takes the bytes of the oldest events until the rest has the given size, or only the newest is whole.
func (j *memory) strip(size int) {
	events := append([]*Event(nil), j.events...) // readers hold the old list
	from := 0
	if j.whole > j.first {
		from = int(j.whole - j.first)
	}
	for i := from; i < len(events)-1 && j.size > size; i++ {
		if bare := events[i].bare(); bare != nil {
			j.size += bare.size() - events[i].size()
			events[i] = bare
		}
		j.whole = j.first + Mark(i) + 1
	}
	j.events = events
}

// size is about how many bytes an event takes.
func (e *Event) size() int { return ownBytes + len(e.Text) + len(e.Raw) + e.Weight }

// bare returns a copy of e without its bulk, nil when it has none.
func (e *Event) bare() *Event {
	if len(e.Raw) == 0 && e.Weight == 0 && len(e.Text) <= bareText {
		return nil
	}
	bare := *e
	bare.Raw, bare.Weight = nil, 0
	if t, ok := e.Body.(Trimmer); ok {
		bare.Body = t.Trimmed()
	} else if e.Weight > 0 {
		bare.Body = nil
	}
	bare.Text = shortened(e.Text, bareText) + " (there was no room to keep more)"
	return &bare
}

// shortened is the beginning of a text that is too long.
func shortened(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return fmt.Sprintf("%s… (%d bytes)", strings.ToValidUTF8(text[:most], ""), len(text))
}

// Mark returns the number of the newest event: take it before an act, await after it.
func (j *Journal) Mark() Mark {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.last
}

// Since returns the events after mark, oldest first.
func (j *Journal) Since(mark Mark) []*Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.after(mark)
}

// since is Since with the channel that the next event of a layer closes.
func (j *Journal) since(mark Mark, layer Layer) ([]*Event, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.wakes[layer] == nil {
		j.wakes[layer] = make(chan struct{})
	}
	return j.after(mark), j.wakes[layer]
}

// Everything returns the events of all links after mark, oldest first.
func (j *Journal) Everything(mark Mark) []*Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.all(mark)
}

// after are the events after mark that readers see. The caller holds mu.
func (j *Journal) after(mark Mark) []*Event {
	all := j.all(mark)
	if !j.beside {
		return all
	}
	var shown []*Event
	for _, e := range all {
		if j.shows(e) {
			shown = append(shown, e)
		}
	}
	return shown
}

// all are the events after mark. The caller holds mu.
func (j *memory) all(mark Mark) []*Event {
	from := 0
	if mark >= j.first {
		from = min(int(mark-j.first)+1, len(j.events))
	}
	return j.events[from:len(j.events):len(j.events)]
}

// At returns the event with that number, of whatever link, or nil when it was forgotten or does not exist yet.
func (j *Journal) At(seq Mark) *Event {
	if seq == 0 {
		return nil
	}
	if events := j.Everything(seq - 1); len(events) > 0 && events[0].Seq == seq {
		return events[0]
	}
	return nil
}

// Forget drops the events up to mark, for example when the case they belong to has been written.
func (j *Journal) Forget(mark Mark) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if mark >= j.first {
		j.drop(min(int(mark-j.first)+1, len(j.events)))
	}
}

// Listen calls f for every later event, in order, while the journal is locked: f must be quick and must not call the journal.
func (j *Journal) Listen(f func(*Event)) (stop func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	listener := &f
	j.listeners = append(j.listeners, listener)
	return func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.listeners = slices.DeleteFunc(j.listeners, func(l *func(*Event)) bool { return l == listener })
	}
}

// NextConn returns the number for a new transport connection.
func (j *Journal) NextConn() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.conns++
	return j.conns
}
