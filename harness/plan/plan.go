// Package plan is the test plan TP-469 as data: its cases, features, profiles and errata, and the decision which of them a run carries
// out. Titles, ids, obligations and numbers of metrics are the plan's; every other text is the project's own. Beside the cases of the
// plan there are checks of our own, for requirements of TR-369 that the plan does not test.
package plan

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

//go:embed tp469
var data embed.FS

// Plan is one version of the test plan.
type Plan struct {
	ID      string // TP-469
	Version string // of the plan, such as 1.4.0
	// Chapters and Cases are in the plan's order. The checks of our own are the last of them, in the chapter ChecksChapter.
	Chapters []Chapter
	Cases    []Case
	Features []Feature
	Profiles []Profile
	Needs    []Need
	Errata   []Erratum
	// Requirements are those of TR-369, chapter by chapter, each in the order of its ids, with the cases that name them.
	Requirements []Requirement

	hash string
}

// Chapter is one chapter of the plan.
type Chapter struct {
	Number int
	Title  string
}

// Status reports whether the plan still runs a case.
type Status string

// The statuses. Deleted and Future cases are numbers without a test.
const (
	Active     Status = "active"
	Deprecated Status = "deprecated"
	Deleted    Status = "deleted"
	Future     Status = "future"
)

// Obligation says who must pass a case, as the plan tags it.
type Obligation string

// The obligations. None is for cases that the plan tags otherwise or not at all; they are never active.
const (
	Mandatory   Obligation = "mandatory"
	Conditional Obligation = "conditional"
	None        Obligation = "none"
)

// Case is one numbered case of the plan.
type Case struct {
	ID         string // such as 1.10
	Chapter    int
	Title      string
	Status     Status
	Obligation Obligation
	Requires   Requires
	// MTPs are the MTPs a case belongs to: mqtt, mqtt5, stomp, websocket, uds or coap. None means all of them.
	MTPs []string
	TLS  TLS
	// Needs are names from Plan.Needs.
	Needs []string
	// Budget is the time that the procedure itself takes at worst: waits it prescribes, intervals it observes, a minute for a reboot. Zero
	// for most cases. What a run grants for responses, notifications and reconnects comes on top.
	Budget time.Duration
	// Takes is about how long the procedure takes on a device that conforms, a reboot counted as a minute; Budget unless the tables say
	// otherwise.
	Takes time.Duration
	// Wait is how long the plan's own text makes a tester wait, a reboot counted as a minute. It may be longer than Budget, where usptest
	// need not sit a silence out.
	Wait time.Duration
	// Metrics are as many as the plan has; their texts are empty where the project has not written them yet.
	Metrics []Metric
	// Purpose, Steps and Requirements (ids of TR-369 such as R-ADD.3) are empty where the project has not written them yet.
	Purpose      string
	Steps        []string
	Requirements []string
	// Letters are the errata in which a run by the plan's letter judges this case otherwise.
	Letters []Erratum
}

// Metric is one thing that is judged. N counts from 1.
type Metric struct {
	N    int
	Text string
	// Requirements are those that the metric of a check tests; none for a case of the plan, which has them as a whole.
	Requirements []string
	// Advice says that none of them is a MUST: a device that does otherwise is not at fault.
	Advice bool
	// Since is the version of USP with which the first of them came: a device of an earlier one is not held to the metric.
	Since string
}

// Requires names the features that make a case apply: one of Any, and every one of All. Both empty: the case always applies.
type Requires struct {
	Any []int `yaml:"any"`
	All []int `yaml:"all"`
}

// TLS reports whether a case can run over a link with or without TLS.
type TLS string

// Most cases can run over both.
const (
	TLSEither    TLS = ""
	TLSRequired  TLS = "required"
	TLSForbidden TLS = "forbidden"
)

// Profile is a selection with a name. Select is a label expression over Case.Labels. A name with a colon is that of a TR-181 profile.
type Profile struct {
	Name   string `yaml:"name"`
	Text   string `yaml:"text"`
	Select string `yaml:"select"`
}

// Need is a thing that a case needs beyond request and response, and who provides it: ByHarness or ByLab.
type Need struct {
	Name string `yaml:"name"`
	By   string `yaml:"by"`
	Text string `yaml:"text"`
}

// Who provides a need.
const (
	ByHarness = "harness"
	ByLab     = "lab"
)

// Load reads the embedded plan. An error names the file, the line and the key, and means that the data in this package is broken.
func Load() (*Plan, error) {
	sub, err := fs.Sub(data, "tp469")
	if err != nil {
		return nil, err
	}
	p, err := load(sub)
	if err != nil {
		return nil, err
	}
	return p, p.addChecks(requirementData)
}

// Hash is the SHA-256 of the plan's data, hexadecimal: two runs with the same hash judged by the same data.
func (p *Plan) Hash() string { return p.hash }

// Case finds a case by its id.
func (p *Plan) Case(id string) (Case, bool) {
	i, ok := slices.BinarySearchFunc(p.Cases, id, func(c Case, id string) int { return Compare(c.ID, id) })
	if !ok {
		return Case{}, false
	}
	return p.Cases[i], true
}

// Feature finds a row of the feature table by its number.
func (p *Plan) Feature(number int) (Feature, bool) {
	if number < 1 || number > len(p.Features) {
		return Feature{}, false
	}
	return p.Features[number-1], true
}

// Profile finds a profile by its name, whatever its case. An unknown name is an *UnknownError.
func (p *Plan) Profile(name string) (Profile, error) {
	var names []string
	for _, f := range p.Profiles {
		if strings.EqualFold(f.Name, name) {
			return f, nil
		}
		names = append(names, f.Name)
	}
	return Profile{}, &UnknownError{Kind: "profile", Name: name, Near: Near(name, names)}
}

// Need finds a need by its name.
func (p *Plan) Need(name string) (Need, bool) {
	i := slices.IndexFunc(p.Needs, func(n Need) bool { return n.Name == name })
	if i < 0 {
		return Need{}, false
	}
	return p.Needs[i], true
}

// Erratum finds an erratum by its id.
func (p *Plan) Erratum(id string) (Erratum, bool) {
	i := slices.IndexFunc(p.Errata, func(e Erratum) bool { return e.ID == id })
	if i < 0 {
		return Erratum{}, false
	}
	return p.Errata[i], true
}

// ErrataFor returns the errata that touch a metric of a case, or those that touch any of its metrics when metric is 0.
func (p *Plan) ErrataFor(id string, metric int) []Erratum {
	var found []Erratum
	for _, e := range p.Errata {
		if e.Concerns(id, metric) {
			found = append(found, e)
		}
	}
	return found
}

// Described reports whether the project has written the texts of a case: purpose, steps and metrics.
func (c Case) Described() bool { return c.Purpose != "" }

// Features are the numbers of all features that a case requires, one of them or all.
func (c Case) Features() []int {
	all := slices.Concat(c.Requires.Any, c.Requires.All)
	slices.Sort(all)
	return all
}

// Labels are what label expressions select by: case:1.1, plan:tp469, section:1, status:active, obligation:mandatory, feature:36,
// mtp:mqtt, tls:required, needs:reboot. A case that belongs to all MTPs has no mtp label. A check of our own has plan:tr369, and neither
// section nor obligation.
func (c Case) Labels() []string {
	labels := []string{"case:" + c.ID}
	if c.IsCheck() {
		labels = append(labels, "status:"+string(c.Status), LabelChecks)
	} else {
		labels = append(labels, fmt.Sprintf("section:%d", c.Chapter), "status:"+string(c.Status), "obligation:"+string(c.Obligation), LabelPlan)
	}
	for _, f := range c.Features() {
		labels = append(labels, fmt.Sprintf("feature:%d", f))
	}
	for _, m := range c.MTPs {
		if m == "mqtt5" {
			labels = append(labels, "mtp:mqtt")
		}
		labels = append(labels, "mtp:"+m)
	}
	if c.TLS != TLSEither {
		labels = append(labels, "tls:"+string(c.TLS))
	}
	for _, n := range c.Needs {
		labels = append(labels, "needs:"+n)
	}
	return labels
}

// Features of the plan about USP Records.
const (
	FeatureTLSInRecords   = 23
	FeatureSessionContext = 24
)

// sessionMark begins what the name of a link says about its session contexts.
const sessionMark = "+session"

// WithSession is the name of the link with a carrier such as mqtt5+tls on which Records go within session contexts that are plain or tls:
// mqtt5+tls+session or mqtt5+tls+session-tls. Without session it is the carrier.
func WithSession(carrier, session string) string {
	switch session {
	case "":
		return carrier
	case "plain":
		return carrier + sessionMark
	}
	return carrier + sessionMark + "-" + session
}

// CutSession returns the name of a link without what it says about session contexts, and whether it says something.
func CutSession(link string) (carrier string, within bool) {
	carrier, _, within = strings.Cut(link, sessionMark)
	return carrier, within
}

// chapterWithin is the chapter whose cases can be carried out within a session context: those about Messages, whatever carries them.
const chapterWithin = 1

// AppliesTo reports whether a case can run over a link: mqtt5, mqtt3, stomp or websocket, each with or without +tls, or uds, all of them
// also within a session context.
func (c Case) AppliesTo(link string) bool {
	carrier, within := CutSession(link)
	if within && c.Chapter != chapterWithin {
		return false
	}
	mtp, tls := strings.CutSuffix(carrier, "+tls")
	if tls && c.TLS == TLSForbidden || !tls && c.TLS == TLSRequired {
		return false
	}
	if len(c.MTPs) == 0 {
		return true
	}
	family := strings.TrimRight(mtp, "35")
	return slices.Contains(c.MTPs, mtp) || slices.Contains(c.MTPs, family)
}

// hashOf hashes the names and the contents of all files, in the order of their names.
func hashOf(fsys fs.FS) (string, error) {
	h := sha256.New()
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "%s %d\n", name, len(b))
		h.Write(b)
		return nil
	})
	return hex.EncodeToString(h.Sum(nil)), err
}
