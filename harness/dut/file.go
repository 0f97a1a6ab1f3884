package dut

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
)

// File is a DUT file. Load makes it from YAML; the runner makes one in Go for the reference agent. Whoever makes one by hand calls
// SetDefaults.
type File struct {
	// Path is where it was read from; the paths in it are relative to its folder. Empty for one made in Go.
	Path string
	// SHA256 is that of the text it was read from, hexadecimal; empty for one made in Go.
	SHA256 string
	// Device says what is tested.
	Device Identity
	// Controller is the Endpoint ID the harness has as the device's Controller.
	Controller usp.EndpointID
	// Bind is the IP address on which the brokers listen, loopback unless the file says otherwise.
	Bind string
	// Host is the name or address by which the device reaches the brokers.
	Host      string
	Links     []LinkSpec
	TLS       TLSSpec
	Collector CollectorSpec
	// Firmware are images that the device can run, and FileServer says how it gets them.
	Firmware   []FirmwareImage
	FileServer FileServerSpec
	// Features are the numbers of the plan's features that the vendor declares.
	Features []int
	// Profiles are the profiles of TR-181 that the vendor claims, such as LocalAgent:1.
	Profiles []string
	// Elements are the substitutes for elements of the plan's procedures, by role (see Roles).
	Elements map[string]string
	// ElementPlaces are where Elements are in the file, so that one that the device lacks can be reported with its line.
	ElementPlaces map[string]Place
	Lab           LabSpec
	Waits         Waits
	Waivers       []Waiver
	Advice        []Advice
	// Laboratory and Tester are what the first page of a report says of who tested; both may be empty.
	Laboratory, Tester string
}

// Place is a line and a column of the file, counted from 1.
type Place struct{ Line, Column int }

// Identity is what the report says of the device.
type Identity struct {
	Vendor, Model, Software string
	// Serial is the device's serial number; it may be empty.
	Serial string
	// Endpoint is the Agent's Endpoint ID. It may be a template over Instance; see File.AgentID.
	Endpoint string
}

// The MTPs of a LinkSpec.
const (
	MQTT      = "mqtt"
	STOMP     = "stomp"
	WebSocket = "websocket"
	UDS       = "uds" // Unix domain sockets
)

// The roles an Agent can have on a link over WebSocket or a Unix domain socket.
const (
	RoleClient = "client" // it dials the harness
	RoleServer = "server" // the harness dials it
)

// LinkSpec is one way to reach the device.
type LinkSpec struct {
	MTP     string // MQTT, STOMP, WebSocket or UDS
	Version string // "5.0" or "3.1.1" for MQTT, else empty
	TLS     bool
	// Port is the one the harness listens on; 0 lets the system choose, which serves only a device that is launched by template.
	Port int
	// AgentTopic and ControllerTopic are the MQTT topics or STOMP destinations. Empty: the harness chooses.
	AgentTopic, ControllerTopic string
	// AssignTopic has the broker tell the device its AgentTopic: in subscribe-topic and Response Information of MQTT 5.0 (R-MQTT.15), or in
	// subscribe-dest of STOMP (R-STOMP.6).
	AssignTopic bool
	// Username and Password are what the device logs in with; empty: it need not.
	Username, Password string
	// Role is the Agent's on a link over WebSocket or a Unix domain socket, else empty.
	Role string
	// Path is the path that a WebSocket client asks for, or that of the Unix domain socket. Of a socket it may be empty for a device that
	// is launched: the harness chooses.
	Path string
	// URL is the URL at which a WebSocket server listens, a template over Vars.
	URL string
	// Session says that all Records go within a session context, and what it is like: SessionPlain or SessionTLS; empty: they do not.
	Session string
}

// The session contexts of a LinkSpec.
const (
	SessionPlain = "plain" // payloads are in the clear
	SessionTLS   = "tls"   // payloads are in TLS
)

// Name is that of the Carrier, followed by +session or +session-tls on a link within a session context.
func (l LinkSpec) Name() string { return plan.WithSession(l.Carrier(), l.Session) }

// Carrier is what carries the Records of the link: mqtt5, mqtt3, stomp, websocket or uds, followed by +tls on a link with TLS.
func (l LinkSpec) Carrier() string {
	name := l.MTP
	switch {
	case l.MTP == MQTT && l.Version == "3.1.1":
		name += "3"
	case l.MTP == MQTT:
		name += "5"
	}
	if l.TLS {
		name += "+tls"
	}
	return name
}

// Listens returns where the harness listens for the device, given its address. It is false where that is not known beforehand: the harness
// dials a device that is a server, and chooses the path of a socket that the file does not name.
func (l LinkSpec) Listens(bind string) (at gate.Options, ok bool) {
	if l.MTP == UDS {
		return gate.Options{Addr: l.Path, Unix: true}, l.Role != RoleServer && l.Path != ""
	}
	return gate.Options{Addr: net.JoinHostPort(bind, strconv.Itoa(l.Port))}, l.Role != RoleServer
}

// TLSSpec says which certificates are on a TLS link. A launched device needs none of it: it is given those of the harness's own CA.
type TLSSpec struct {
	// Authority is the folder of the CA that signs what the brokers show; see pki.Load. Empty: the harness makes one for each link.
	Authority string
	// Certificate and Key are the PEM files of what the brokers show. Empty: the CA signs one.
	Certificate, Key string
	// Trust is a PEM file with the authorities whose client certificates are accepted. Empty: any certificate is, and none is, too.
	Trust string
}

// CollectorSpec is the bulk data collector: its port, or 0 to let the system choose.
type CollectorSpec struct {
	HTTP int
}

// LabSpec says what the lab can do with the device.
type LabSpec struct {
	// Launch is nil for a device that runs by itself.
	Launch                      *Launch
	Reboot, FactoryReset, Power Hook
	Network                     NetworkSpec
	Time                        TimeSpec
}

// TimeSpec is how the lab takes from the device whatever tells it the time, and gives it back. ByLaunch starts it with Vars.NoTime.
type TimeSpec struct{ Block, Allow Hook }

// NetworkSpec is the network in which discovery is tested.
type NetworkSpec struct {
	// Interface is the port of this computer that leads to the device and to nothing else; empty: a network is made for a launched device.
	Interface string
	// IP is the version of IP by which the device reaches the Controller before it has discovered anything: 4 or 6; 0 is 4.
	IP int
}

// The values of Launch.Fresh.
const (
	FreshPerCase = "per-case" // every case begins with an empty directory
	FreshPerRun  = "per-run"  // one directory for a link
)

// Launch says how to start the device as a process or as a container. Image, Exec, Env and the paths in Files are templates over Vars.
type Launch struct {
	// Image is that of the container; empty: the device is a process. A container shares network, user and directory with the harness, and
	// nothing else.
	Image string
	// Build is the folder with the Dockerfile from which Image is built before the first start; empty: the image is there.
	Build string
	// Exec is the command and its arguments; of a container, what follows its image. An argument whose template yields nothing is
	// left out.
	Exec []string
	// Env is added to the environment of the harness, or to that of the image.
	Env map[string]string
	// Files are written into the device's directory before its first start: name there -> path of a template.
	Files map[string]string
	Fresh string // FreshPerCase or FreshPerRun
}

// How a Hook is carried out.
const (
	ByUSP    = "usp"    // the harness sends the USP command
	ByHand   = "manual" // the operator is asked
	ByLaunch = "launch" // the process is killed and started again; for a factory reset in an empty directory
	ByExec   = "exec"   // a command of the lab
)

// Hook is something the lab can do to the device. The zero value: it cannot.
type Hook struct {
	By   string
	Exec []string // when By is ByExec: a command and its arguments, templates over Vars
}

// Waits bound how long the harness waits for the device. They are time-outs, never sleeps, but for Settle and Quiet.
type Waits struct {
	Connect   time.Duration // the first contact over a link
	Response  time.Duration // a response to a request
	Notify    time.Duration // a Notify after its cause
	Reconnect time.Duration // the next contact after a reboot or an outage
	Settle    time.Duration // until a subscription or another setting has taken effect
	Quiet     time.Duration // how long nothing must come to count as silence
	Firmware  time.Duration // the transfer of a firmware image, its installation and the boot into it
	Tolerance time.Duration // how far a measured time may be off
}

// setDefaults fills in the waits that are zero.
func (w *Waits) setDefaults() {
	for _, k := range w.keys() {
		setDefault(k.into, k.def)
	}
}

// waitKey is a key of the file's waits.
type waitKey struct {
	name string
	into *time.Duration
	def  time.Duration
	text string
}

// high is the longest wait that the file may give.
func (k waitKey) high() time.Duration {
	if k.name == "tolerance" {
		return maxTolerance
	}
	return maxWait
}

// Patience is a wait of the file that is not the default.
type Patience struct {
	Name           string
	Default, Value time.Duration
	Text           string // what is waited for
	// Lenient says that a device can pass with it that would fail by default: what comes late counts, or silence is held shorter.
	Lenient bool
}

// Patience are the waits that are not the defaults.
func (w Waits) Patience() (all []Patience) {
	for _, k := range w.keys() {
		if *k.into == k.def || *k.into == 0 {
			continue
		}
		lenient := *k.into > k.def && k.name != "connect" // which is over before the first case
		if k.name == "quiet" {
			lenient = *k.into < k.def
		}
		what, _, _ := strings.Cut(k.text, ";")
		all = append(all, Patience{k.name, k.def, *k.into, what, lenient})
	}
	return all
}

// keys are all waits there are, in the order of the reference.
func (w *Waits) keys() []waitKey {
	return []waitKey{
		{"connect", &w.Connect, time.Minute, "the first contact"},
		{"response", &w.Response, 30 * time.Second, "a response to a request"},
		{"notify", &w.Notify, 30 * time.Second, "a Notify after its cause; longer than the interval at which the device looks for changed values"},
		{"reconnect", &w.Reconnect, 2 * time.Minute, "the contact after a reboot or an outage"},
		{"settle", &w.Settle, time.Second, "always waited in full: until a setting has taken effect"},
		{"quiet", &w.Quiet, 10 * time.Second, "always waited in full: the shortest time without a message that counts as silence; a " +
			"longer time in the plan takes precedence"},
		{"firmware", &w.Firmware, 10 * time.Minute, "each of these: the transfer of a firmware image, its installation, and the boot " +
			"into it"},
		{"tolerance", &w.Tolerance, result.Tolerance, "how far a measured time may be off; more than the default makes a run partial"},
	}
}

// Waiver excuses a case until the end of a day.
type Waiver struct {
	Case, Reason, Issue string
	Until               time.Time // midnight UTC at the beginning of the last day
}

// Advice is what checks beyond the plan advise, or any case about a flood, and the device's owner expects, until the end of a day or for
// good.
type Advice struct {
	Check string
	// Metrics are those that may give advice; none: all of the check.
	Metrics       []int
	Reason, Issue string
	Until         time.Time // as of a Waiver; zero: for good
}

// The defaults of a DUT file.
const (
	DefaultController = usp.EndpointID("self::usptest")
	DefaultWSPath     = "/usp"
	loopback          = "127.0.0.1"
)

// SetDefaults fills in what was left empty.
func (f *File) SetDefaults() {
	setDefault(&f.Controller, DefaultController)
	setDefault(&f.Bind, loopback)
	setDefault(&f.FileServer.Scheme, HTTPS)
	for i := range f.Links {
		l := &f.Links[i]
		if l.MTP != WebSocket && l.MTP != UDS {
			continue
		}
		setDefault(&l.Role, RoleClient)
		if l.MTP == WebSocket && l.Role == RoleClient {
			setDefault(&l.Path, DefaultWSPath)
		}
	}
	if f.Lab.Launch != nil {
		setDefault(&f.Lab.Launch.Fresh, FreshPerCase)
	}
	f.Waits.setDefaults()
}

// setDefault sets *have to def when it is the zero value.
func setDefault[T comparable](have *T, def T) {
	var zero T
	if *have == zero {
		*have = def
	}
}

// LinkNames are the names of the links in the order of the file.
func (f *File) LinkNames() []string {
	names := make([]string, 0, len(f.Links))
	for _, l := range f.Links {
		names = append(names, l.Name())
	}
	return names
}

// Link finds a link by its name.
func (f *File) Link(name string) (LinkSpec, bool) {
	i := slices.IndexFunc(f.Links, func(l LinkSpec) bool { return l.Name() == name })
	if i < 0 {
		return LinkSpec{}, false
	}
	return f.Links[i], true
}

// Beside are the further links over which the device may send while it is tested over one, since it is set up for all of them at once:
// every other link of a device that runs by itself, and those with a port or a socket of their own where the harness launches it. Of links
// that differ only in their session contexts it is the first.
func (f *File) Beside(name string) []string {
	var names []string
	tested, _ := f.Link(name)
	carriers := []string{tested.Carrier()}
	for _, l := range f.Links {
		if !slices.Contains(carriers, l.Carrier()) && (f.Lab.Launch == nil || l.Port != 0 || l.MTP == UDS && l.Path != "") {
			names, carriers = append(names, l.Name()), append(carriers, l.Carrier())
		}
	}
	return names
}

// Together reports whether the links lead to one device at the same time, so that they cannot be tested side by side.
func (f *File) Together() bool {
	return f.Lab.Launch == nil || slices.ContainsFunc(f.LinkNames(), func(name string) bool { return len(f.Beside(name)) > 0 })
}

// Offers reports whether the lab provides a need of the plan.
func (f *File) Offers(need string) bool {
	switch need {
	case plan.NeedReboot:
		return f.Lab.Reboot.By != ""
	case plan.NeedRecovery, plan.NeedCertStore:
		return f.Lab.Launch != nil || f.Lab.FactoryReset.By != "" && f.Lab.FactoryReset.By != ByUSP
	case plan.NeedNoTime:
		return f.Lab.Time.Block.By != "" && f.Lab.Time.Allow.By != ""
	case plan.NeedNetwork:
		return f.Lab.Network.Interface != "" || f.Lab.Launch != nil && f.Lab.Launch.Image == ""
	case plan.NeedFirmware:
		return len(f.Firmware) > 0
	}
	return false
}

// AgentID is the device's Endpoint ID in an instance of the run, counted from 1.
func (f *File) AgentID(instance int) (usp.EndpointID, error) {
	text, err := Render("device.endpoint", f.Device.Endpoint, struct{ Instance int }{instance})
	if err != nil {
		return "", err
	}
	return usp.ParseEndpointID(text)
}

// Vars gives the values of a link that the file knows: everything but Port, AgentPort and CollectorURL, which the runner learns when its
// servers listen, and the paths, which the Device sets.
func (f *File) Vars(l LinkSpec, instance int) (Vars, error) {
	id, err := f.AgentID(instance)
	if err != nil {
		return Vars{}, fmt.Errorf("device.endpoint: %w", err)
	}
	v := Vars{
		Link: l.Carrier(), MTP: l.MTP, Version: l.Version, TLS: l.TLS, Session: l.Session, Role: l.Role, Instance: instance,
		Host: f.HostFor(l), Port: l.Port, Path: l.Path,
		AgentID: string(id), ControllerID: string(f.Controller),
		AgentTopic: l.AgentTopic, ControllerTopic: l.ControllerTopic, Username: l.Username, Password: l.Password,
	}
	setDefault(&v.AgentTopic, "usptest/"+strconv.Itoa(instance)+"/agent")
	setDefault(&v.ControllerTopic, "usptest/"+strconv.Itoa(instance)+"/controller")
	return v, nil
}

// HostFor is the name of the brokers for the device. Over TLS on loopback it is localhost, since many TLS stacks compare names only and
// do not look at addresses in a certificate.
func (f *File) HostFor(l LinkSpec) string {
	switch ip := net.ParseIP(f.Bind); {
	case f.Host != "":
		return f.Host
	case l.TLS && ip.IsLoopback():
		return "localhost"
	}
	return f.Bind
}

// Folder is where the file's paths start.
func (f *File) Folder() string { return filepath.Dir(f.Path) }

// resolve makes a path of the file one of the file system.
func (f *File) resolve(path string) string { return resolve(f.Folder(), path) }
