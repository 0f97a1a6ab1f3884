// Package result is the one model of a run that every renderer reads: run.json in Go. Verdict words are the same in code, console,
// JSON and HTML.
package result

import (
	"cmp"
	"fmt"
	"time"

	"github.com/usptest/usptest/harness/model"
)

// Schema names the version of run.json. A file of another schema is refused.
const Schema = "usptest/v1"

// Run is everything one run found out. Its JSON form is run.json.
type Run struct {
	Schema     string     `json:"schema"`
	Tool       Tool       `json:"tool"`
	Plan       Plan       `json:"plan"`
	Device     Device     `json:"device"`
	Conclusion Conclusion `json:"conclusion"`
	Started    time.Time  `json:"started"`
	WallMS     int64      `json:"wallMs"`
	Waits      Waits      `json:"waits"`
	// TimeScale divides every protocol interval; 1 is real time. A scaled run is never conformant.
	TimeScale float64 `json:"timeScale"`
	// ToleranceMS is how far a measured time could be off without being a fault, in milliseconds.
	ToleranceMS int64 `json:"toleranceMs,omitempty"`
	// StrictPlan says that the run judged by the plan's letter; each case names in ByLetter the errata that it therefore did not apply.
	StrictPlan bool `json:"strictPlan,omitempty"`
	// GateChecks says that the checks beyond the plan count for the exit code: they were named, or there was nothing else to run.
	GateChecks bool `json:"gateChecks,omitempty"`
	// AdviceFails says that what is advice alone counts as a failure for the exit code.
	AdviceFails bool `json:"adviceFails,omitempty"`
	// Again is the command line that repeats this run.
	Again []string `json:"again,omitempty"`
	// AgainCase is the same without selectors and links: AgainFor appends those of one case.
	AgainCase []string `json:"againCase,omitempty"`
	// Selectors are the ids, globs and chapters of the command line, when they leave out cases of the plan. What they leave out is not in
	// Links.
	Selectors []string `json:"selectors,omitempty"`
	// FailedOf is the run of which this one repeats what failed or could not be judged; empty when it does not. The other cases are not in
	// Links.
	FailedOf string `json:"failedOf,omitempty"`
	// Shard says which part of the run this is; nil when it is the whole.
	Shard *Shard `json:"shard,omitempty"`
	// Laboratory is where the device was tested, and Tester by whom, as the DUT file says; empty where it does not.
	Laboratory string `json:"laboratory,omitempty"`
	Tester     string `json:"tester,omitempty"`
	// Filters are the selections by label of the command line, and OtherLinks the links of the DUT file that the command line left out.
	Filters    []string `json:"filters,omitempty"`
	OtherLinks []string `json:"otherLinks,omitempty"`
	// DUT is the DUT file; nil for the reference agent. Patience are its waits that are not the defaults.
	DUT      *DUTFile   `json:"dut,omitempty"`
	Patience []Patience `json:"patience,omitempty"`
	// Conditions are all that bent the run, and Coverage how much of the plan was judged; Conclude fills them in.
	Conditions []Condition `json:"conditions,omitempty"`
	Coverage   *Coverage   `json:"coverage,omitempty"`
	// Waivers and Features are what the DUT file declared and what was found, Alternates what cases used of its elements.
	Waivers    []Waiver    `json:"waivers,omitempty"`
	Alternates []Alternate `json:"alternates,omitempty"`
	Features   []Feature   `json:"features,omitempty"`
	// ExpectedAdvice is what the DUT file declared that checks beyond the plan may advise.
	ExpectedAdvice []ExpectedAdvice `json:"expectedAdvice,omitempty"`
	// Until is the last day on which a baseline that is made of this run knows its failures and advice, as 2027-12-31; who keeps the
	// baseline writes it. Empty: for good. A Case may have its own.
	Until string `json:"until,omitempty"`
	// Baseline is the run whose failures were known; nil when there was none.
	Baseline *Baseline `json:"baseline,omitempty"`
	// Repeat is how many rounds of each case were asked for; 0 when cases were not repeated.
	Repeat int    `json:"repeat,omitempty"`
	Links  []Link `json:"links"`
	// Model is how the device's data model compares with TR-181, apart from the plan; nil when no device described it.
	Model *model.Report `json:"model,omitempty"`
	// Causes are the root causes of what went wrong, those of the device first, then by how often each was seen; Conclude fills them in.
	Causes []Cause `json:"causes,omitempty"`
	// Limited says that this is what a limited report shows of a run, and not the run; see OnlyFailures. It is not part of run.json.
	Limited bool `json:"-"`
	// Dir is the folder that holds the journals; empty when there are none. It is not part of run.json.
	Dir string `json:"-"`
}

// Tolerance is how far a measured time may be off in a run that proves conformance.
const Tolerance = time.Second

// Tolerant says in a line that times were judged more leniently than conformance allows; empty when they were not.
func (r *Run) Tolerant() string {
	given := time.Duration(r.ToleranceMS) * time.Millisecond
	if given <= Tolerance {
		return ""
	}
	return fmt.Sprintf("measured times could be off by %s (waits.tolerance); conformance allows for %s", given, Tolerance)
}

// Waits are what the plan's own text makes a tester wait, in real time and one case after the other, in the cases that were carried out:
// over all links, and in the case with the longest wait. A reboot counts as a minute.
type Waits struct {
	TotalMS   int64  `json:"totalMs"`
	LongestMS int64  `json:"longestMs"`
	Longest   string `json:"longest,omitempty"` // the id of that case
}

// Tool is the program that made the run.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Plan is the test plan that was followed. Hash is the SHA-256 of its data, hexadecimal.
type Plan struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	Hash    string `json:"hash"`
}

// Device is what was tested.
type Device struct {
	Vendor   string `json:"vendor,omitempty"`
	Model    string `json:"model,omitempty"`
	Software string `json:"software,omitempty"`
	Endpoint string `json:"endpoint,omitempty"`
	// Serial is the serial number that the DUT file gives; empty without it.
	Serial string `json:"serial,omitempty"`
	// Says is what the device says of itself at first contact; nil when it was not asked. The fields beside it are the DUT file's where it
	// has them.
	Says *Identity `json:"says,omitempty"`
	// USP is the version of USP in its Records, such as 1.4; empty while there was none.
	USP string `json:"usp,omitempty"`
	// Firmware are the banks that the device showed at first contact, at most 16; none without the Firmware:1 profile.
	Firmware []FirmwareBank `json:"firmware,omitempty"`
	// Reference is true when the device is the project's own reference agent.
	Reference bool `json:"reference,omitempty"`
	// Defects are the named defects that the reference agent was given.
	Defects []string `json:"defects,omitempty"`
}

// Identity is what a device says of itself in Device.DeviceInfo., each empty where it does not.
type Identity struct {
	Vendor   string `json:"vendor,omitempty"`
	Model    string `json:"model,omitempty"`
	Software string `json:"software,omitempty"`
}

// FirmwareBank is a row of Device.DeviceInfo.FirmwareImage., as the device told it.
type FirmwareBank struct {
	Instance int    `json:"instance"`
	Name     string `json:"name,omitempty"`
	Version  string `json:"version,omitempty"`
	Status   string `json:"status,omitempty"`
	// Active is the bank that ActiveFirmwareImage names, Boot the one of BootFirmwareImage.
	Active bool `json:"active,omitempty"`
	Boot   bool `json:"boot,omitempty"`
}

// Alternate is an element the plan allows to substitute: which one, and what stood in for it.
type Alternate struct {
	Role string `json:"role"`
	// Instead is the plan's own element; empty in runs of earlier versions.
	Instead string `json:"instead,omitempty"`
	Path    string `json:"path"`
}

// String is the substitution in one line.
func (a Alternate) String() string {
	return fmt.Sprintf("%s: %s in the place of %s", a.Role, cmp.Or(a.Path, "nothing"), cmp.Or(a.Instead, "the plan's own"))
}

// Feature is one row of the plan's feature table, as declared and as detected. Why says what settled the detection: what the device lacks,
// or why nothing can be said.
type Feature struct {
	Number   int    `json:"number"`
	Name     string `json:"name"`
	Declared bool   `json:"declared"`
	Detected string `json:"detected"` // Yes, No or Unknown
	Why      string `json:"why,omitempty"`
}

// The values of Feature.Detected.
const (
	Yes     = "yes"
	No      = "no"
	Unknown = "unknown"
)

// Disagreement says how declaration and detection differ; empty when they do not.
func (f Feature) Disagreement() string {
	switch {
	case f.Detected == Yes && !f.Declared:
		return "the device shows it, but it is not declared"
	case f.Detected == No && f.Declared && f.Why != "":
		return "declared, but the device does not show it: " + f.Why
	case f.Detected == No && f.Declared:
		return "declared, but the device does not show it"
	}
	return ""
}

// Link is the run over one MTP.
type Link struct {
	Link   string `json:"link"`
	WallMS int64  `json:"wallMs"`
	// Trouble says why the link as a whole could not be run: no contact, a dead worker.
	Trouble string `json:"trouble,omitempty"`
	// DeviceLog are the last lines of the device's own output, when the harness launched it and there was trouble.
	DeviceLog []string `json:"deviceLog,omitempty"`
	// LeftOn says that the device does not run the firmware that it had before the cases replaced it, or may not; empty when it does.
	LeftOn string `json:"leftOn,omitempty"`
	Cases  []Case `json:"cases"`
}

// Case is one case of the plan, or one check beyond it, over one link.
type Case struct {
	ID      string  `json:"id"`
	Title   string  `json:"title"`
	Verdict Verdict `json:"verdict"`
	Reason  string  `json:"reason,omitempty"`
	// Refuted says of an unsupported case that the DUT file declares the features which it needs, and the device lacks one. The file or the
	// device is at fault.
	Refuted bool `json:"refuted,omitempty"`
	// ByHand are the verdicts that persons gave to a case that usptest did not judge; the last one counts.
	ByHand []ByHand `json:"byHand,omitempty"`
	// Baseline is how the case stands to Run.Baseline; empty when it neither fails nor is a known failure.
	Baseline Standing `json:"baseline,omitempty"`
	// Until is the last day on which a baseline that is made of the run knows the failure or the advice; see Run.Until.
	Until string `json:"until,omitempty"`
	// Expected says that the DUT file expects all advice of the case.
	Expected   bool      `json:"expected,omitempty"`
	Started    time.Time `json:"started,omitzero"`
	DurationMS int64     `json:"durationMs"`
	// WaitMS is how long the plan makes a tester wait in this case, when it was carried out; see Waits.
	WaitMS  int64    `json:"waitMs,omitempty"`
	Metrics []Metric `json:"metrics,omitempty"`
	// Rounds are the rounds of a case that was repeated, in order; Metrics and Steps are those of the first that did not pass, or of the
	// first.
	Rounds []Round `json:"rounds,omitempty"`
	Steps  []Step  `json:"steps,omitempty"`
	// Retries are the attempts of a device to connect, or to deliver, after the harness had refused the one before.
	Retries []Retry `json:"retries,omitempty"`
	// Notes are remarks for the reader: a procedure that was adapted, what was seen besides.
	Notes []string `json:"notes,omitempty"`
	// Alternates are the elements that stood in for the plan's own.
	Alternates []Alternate `json:"alternates,omitempty"`
	// Relaxed are the ids of those that decided: where the plan's letter judges otherwise, the case went by what the erratum accepts.
	Relaxed []string `json:"relaxed,omitempty"`
	// Errata are the ids of the plan's errata that touched a verdict of this case.
	Errata []string `json:"errata,omitempty"`
	// ByLetter are the ids of those that would have, had the run not judged by the plan's letter.
	ByLetter []string  `json:"byLetter,omitempty"`
	CleanUp  []CleanUp `json:"cleanUp,omitempty"`
	// Journal is the file of this case's events, relative to run.json, with forward slashes.
	Journal string `json:"journal,omitempty"`
	// Timeline is the content of Journal where somebody has read it; see Run.Events. It is not part of run.json.
	Timeline []Event `json:"-"`
}

// Metric is one judged metric. Where, Want and Got speak of the first check that failed; on a pass they are empty.
type Metric struct {
	N        int      `json:"n"`
	Verdict  Verdict  `json:"verdict"`
	Where    string   `json:"where,omitempty"`
	Want     string   `json:"want,omitempty"`
	Got      string   `json:"got,omitempty"`
	Note     string   `json:"note,omitempty"`
	Evidence []uint64 `json:"evidence,omitempty"` // numbers of events in the case's journal
	// Requirements are those of TR-369 that a universal metric (0) was broken in. What other metrics are about is in the plan.
	Requirements []string `json:"requirements,omitempty"`
	// Expected says that the DUT file expects this flood, or the baseline knows it.
	Expected bool `json:"expected,omitempty"`
}

// Step is a step of the procedure as it was carried out.
type Step struct {
	N    int    `json:"n"`
	Text string `json:"text"`
	Seq  uint64 `json:"seq"` // the event that marks its beginning
}

// Retry is one attempt after a failure, and the range in which its wait had to be.
type Retry struct {
	N       int     `json:"n"`       // counts from 1
	Failure uint64  `json:"failure"` // the event from which the wait counts
	Attempt uint64  `json:"attempt"` // the event with which it ended
	WaitMS  float64 `json:"waitMs"`
	LeastMS float64 `json:"leastMs"`
	MostMS  float64 `json:"mostMs"`
}

// CleanUp is one act that put the device back, and how it ended.
type CleanUp struct {
	Name  string `json:"name"`
	Error string `json:"error,omitempty"`
}

// Event is one line of a case's journal file.
type Event struct {
	Seq     uint64  `json:"seq"`
	AtMS    float64 `json:"atMs"` // since the case began
	Layer   string  `json:"layer"`
	Dir     string  `json:"dir"` // in: from the device, out: to the device, own: the harness's act
	Type    string  `json:"type,omitempty"`
	Link    string  `json:"link,omitempty"` // over which it came or went, where that is not the link under test
	Conn    uint64  `json:"conn,omitempty"`
	Local   string  `json:"local,omitempty"`
	Remote  string  `json:"remote,omitempty"`
	Text    string  `json:"text,omitempty"`
	Decoded string  `json:"decoded,omitempty"` // readable text of the decoded packet, Record or Message
	Raw     []byte  `json:"raw,omitempty"`     // base64 in JSON
	// DecodedLeft and RawLeft are how many bytes were cut off when the event was read.
	DecodedLeft int `json:"-"`
	RawLeft     int `json:"-"`
}
