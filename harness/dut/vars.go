package dut

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"text/template"
)

// Vars are what the templates of a DUT file can name: {{.Host}}, {{.Port}} and so on. Anything else is an error that says what there is.
type Vars struct {
	Link     string // mqtt5, mqtt3, stomp, websocket, uds, all but the last with or without +tls
	MTP      string // mqtt, stomp, websocket, uds
	Version  string // of MQTT: 5.0 or 3.1.1
	TLS      bool
	Session  string // of the link: plain, tls or empty
	Role     string // the Agent's on WebSocket and Unix domain sockets: client or server
	Instance int    // of the run, counted from 1

	Host string // of the brokers, as the device reaches them
	Port int    // on which the broker of the link listens
	// Path is the path that a WebSocket client requests, or the Unix domain socket at which the Agent connects or listens.
	Path string
	// AgentPort is a free port for a device that is a WebSocket server itself.
	AgentPort int
	// Interface is that of a device in a network of its own, on which it acquires its addresses; empty elsewhere.
	Interface string
	// NoTime says that the device is to be started without the time, where lab.time leaves that to its launch.
	NoTime bool

	AgentID, ControllerID       string // Endpoint IDs
	AgentTopic, ControllerTopic string // MQTT topics or STOMP destinations
	Username, Password          string

	CollectorURL string // of the bulk data collector, without a path

	// Set by the lab, for a device that it launches.

	Dir        string // the device's own directory
	CA         string // PEM file: the CA that signs the certificates of brokers and collectors
	ClientCert string // PEM file: the device's certificate
	ClientKey  string // PEM file: its key
	ClientPEM  string // PEM file: both
}

// The files that the lab puts into the device's directory by itself.
const (
	FileCA         = "ca.pem"
	FileClientCert = "client-cert.pem"
	FileClientKey  = "client-key.pem"
	FileClientPEM  = "client.pem"
)

// reservedFiles are names that Launch.Files cannot have.
func reservedFiles() []string { return []string{FileCA, FileClientCert, FileClientKey, FileClientPEM} }

// Variable is a field of Vars, for the reference of DUT files.
type Variable struct{ Name, Text string }

// Variables are all fields of Vars, with what they hold.
func Variables() []Variable {
	return []Variable{
		{"Link", "`mqtt5`, `mqtt3`, `stomp`, `websocket` or `uds`, with `+tls` on a link with TLS"},
		{"MTP", "`mqtt`, `stomp`, `websocket` or `uds`"},
		{"Version", "the version of MQTT: `5.0` or `3.1.1`"},
		{"TLS", "`true` on a link with TLS, else `false`"},
		{"Session", "`plain` or `tls` on a link whose Records go within a session context, else empty"},
		{"Role", "the Agent's role on WebSocket and Unix domain sockets: `client` or `server`"},
		{"Instance", "1, 2, … when several instances of the device run at once"},
		{"Host", "the broker's address, as the device reaches it"},
		{"Port", "the broker's port"},
		{"Path", "the path that a WebSocket client requests, or the path of a Unix domain socket"},
		{"AgentPort", "a free port for a device that is a WebSocket server"},
		{"Interface", "the network interface of a device whose network usptest makes, for the cases of chapter 8; empty for any other case"},
		{"NoTime", "`true` while the device is to have no time, where `lab.time` is `launch`; else `false`"},
		{"AgentID", "the Endpoint ID of the device's Agent"},
		{"ControllerID", "the Endpoint ID of the Controller"},
		{"AgentTopic", "the MQTT topic or STOMP destination where the device listens"},
		{"ControllerTopic", "the MQTT topic or STOMP destination where usptest listens"},
		{"Username", "the user name with which the device logs in; empty when it logs in without one"},
		{"Password", "the password with which the device logs in"},
		{"CollectorURL", "the bulk data collector, without a path"},
		{"Dir", "the device's own directory"},
		{"CA", "a PEM file: the authority to trust, which signs what the brokers and the collector over HTTPS show"},
		{"ClientCert", "a PEM file: the device's own certificate, for links with TLS and for TLS in USP Records"},
		{"ClientKey", "a PEM file: its key"},
		{"ClientPEM", "a PEM file: both"},
	}
}

// TemplateError is a fault in a template: which text, where in it (0 is unknown), and what is wrong.
type TemplateError struct {
	Name         string
	Line, Column int
	Text         string
}

// Error is "name:line:column: text", without what is not known.
func (e *TemplateError) Error() string {
	at := e.Name
	if e.Line > 0 {
		at += ":" + strconv.Itoa(e.Line)
	}
	if e.Column > 0 {
		at += ":" + strconv.Itoa(e.Column)
	}
	return at + ": " + e.Text
}

// maxRendered bounds what a template can grow to.
const maxRendered = 1 << 20

// Render renders a text over data, as a rule Vars; name is what errors call it. The error is a *TemplateError.
func Render(name, text string, data any) (string, error) {
	if !strings.Contains(text, "{{") {
		return text, nil
	}
	t, err := template.New("t").Option("missingkey=error").Funcs(template.FuncMap{"env": env}).Parse(text)
	if err != nil {
		return "", templateError(name, err)
	}
	var out limitedBuilder
	if err := t.Execute(&out, data); err != nil {
		return "", templateError(name, err)
	}
	return out.String(), nil
}

// env is the function of that name in templates: the value of an environment variable, or the default given after its name.
func env(name string, def ...string) (string, error) {
	if v, ok := os.LookupEnv(name); ok {
		return v, nil
	}
	if len(def) == 0 {
		return "", fmt.Errorf("environment variable %s is not set; set it, or give a default: {{env %q \"default\"}}", name, name)
	}
	return def[0], nil
}

// inTemplate takes apart what text/template says: line, column, the place, the fault.
var inTemplate = regexp.MustCompile(`^template: t:(\d+)(?::(\d+))?: (?:executing "t" at <.*?>: )?((?s).*)$`)

// noField is how text/template speaks of an unknown variable.
var noField = regexp.MustCompile(`can't evaluate field (\w+) in type`)

// templateError makes a *TemplateError of an error of text/template.
func templateError(name string, err error) error {
	e := &TemplateError{Name: name, Text: err.Error()}
	if m := inTemplate.FindStringSubmatch(err.Error()); m != nil {
		e.Line, _ = strconv.Atoi(m[1])
		e.Column, _ = strconv.Atoi(m[2])
		e.Text = strings.TrimPrefix(m[3], "error calling env: ")
	}
	if m := noField.FindStringSubmatch(e.Text); m != nil {
		e.Text = "there is no variable {{." + m[1] + "}}" + suggest(m[1], varNames())
	}
	if errors.Is(err, errTooLong) {
		e.Text = errTooLong.Error()
	}
	return e
}

// varNames are the names of all variables.
func varNames() []string {
	var names []string
	for f := range reflect.TypeFor[Vars]().Fields() {
		names = append(names, f.Name)
	}
	return names
}

var errTooLong = fmt.Errorf("the template yields more than %d bytes", maxRendered)

// limitedBuilder collects at most maxRendered bytes.
type limitedBuilder struct{ strings.Builder }

func (b *limitedBuilder) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxRendered {
		return 0, errTooLong
	}
	return b.Builder.Write(p)
}
