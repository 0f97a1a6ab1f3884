package runner

import (
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/result"
)

// job is the one JSON line that a worker reads first. The worker ends when its standard input does, or when the cases are done.
type job struct {
	DUT      *dut.File `json:"dut"`
	Link     string    `json:"link"`
	Beside   []string  `json:"beside,omitempty"` // the links that listen besides; see dut.File.Beside
	Cases    []string  `json:"cases"`
	Out      string    `json:"out"`
	Instance int       `json:"instance"` // 1, 2, … distinct among all workers of a run
	Scale    float64   `json:"scale"`
	Strict   bool      `json:"strict,omitempty"`  // by the letter of the plan
	Compare  bool      `json:"compare,omitempty"` // the device's data model with TR-181
	Repeat   int       `json:"repeat,omitempty"`  // how many rounds of each case; 0 is one
	Wire     bool      `json:"wire,omitempty"`    // in a network of its own
	Try      bool      `json:"try,omitempty"`     // nothing but see whether that can be had
	Lend     *loan     `json:"lend,omitempty"`    // nothing but lend a port of this computer to another worker
}

// loan is a port of this computer that a worker gets until it ends.
type loan struct {
	Port   string `json:"port"`
	Worker int    `json:"worker"` // its process
}

// report is one JSON line that a worker writes. Exactly one field is set.
type report struct {
	Started string       `json:"started,omitempty"` // a case began: its id
	Case    *result.Case `json:"case,omitempty"`    // a case ended
	Note    string       `json:"note,omitempty"`    // a line for the reader
	Device  *identity    `json:"device,omitempty"`  // what the device reports about itself
	Inspect *inspection  `json:"inspect,omitempty"` // what its supported data model says of the DUT file
	Trouble *trouble     `json:"trouble,omitempty"` // the Link as a whole cannot be run
	LeftOn  string       `json:"leftOn,omitempty"`  // the device does not run the firmware that it had
	Ask     *plea        `json:"ask,omitempty"`     // something an operator has to do; the worker waits for an answer
	Lent    bool         `json:"lent,omitempty"`    // a port is lent
	Done    bool         `json:"done,omitempty"`    // the worker ends in good order
}

// plea is what an operator has to do.
type plea struct {
	N    int    `json:"n"` // 1, 2, …
	What string `json:"what"`
}

// answer is the one JSON line that a worker reads for each plea. It may come when the worker waits no longer.
type answer struct {
	N     int    `json:"n"`               // of the plea
	Error string `json:"error,omitempty"` // why it was not done; empty when it was
}

// identity is what the device reports about itself at first contact.
type identity struct {
	Vendor, Model, Software, Endpoint string
	USP                               string // the version of USP in its Records
	Firmware                          []result.FirmwareBank
}

// trouble is why a Link cannot be run, with the last lines of the device's own log.
type trouble struct {
	Text      string
	DeviceLog []string
}
