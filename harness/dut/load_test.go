package dut

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/usptest/usptest/harness/pki"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
)

// today is the day of these tests.
func today() time.Time { return time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC) }

func loadPlan(t testing.TB) *plan.Plan {
	t.Helper()
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// write puts files into a new folder, with a certificate, and returns the folder.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	ca, err := pki.NewCA("lab")
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := ca.Issue(pki.Spec{CommonName: "lab", NotBefore: today().AddDate(0, 0, -1), NotAfter: today().AddDate(1, 0, 0)})
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := pki.PEM(leaf)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"server.pem": string(cert), "server.key": string(key), "ca.pem": string(ca.PEM())}
	for name, text := range files {
		all[name] = text
	}
	for name, text := range all {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const fullFile = `device: {vendor: ACME, model: X1, software: "4.2", endpoint: "os::012345-A{{.Instance}}"}
controller: {endpoint: "self::lab"}
bind: 192.0.2.1
host: lab.example
links:
  - {mtp: mqtt, version: "5.0", tls: true, port: 8883, agentTopic: "a/os::012345-A1", controllerTopic: "c:1", username: '{{env "USPTEST_USER"}}', password: "p:w"}
  - {mtp: mqtt, version: "3.1.1"}
  - {mtp: stomp, port: 61613}
  - {mtp: websocket, path: /x}
  - {mtp: websocket, role: server, tls: true, url: "wss://{{.Host}}:{{.AgentPort}}/usp"}
tls: {certificate: server.pem, key: server.key, trust: ca.pem}
collector: {http: 8080}
features: [1, 36]
profiles: ["LocalAgent:1", "Reboot:1"]
firmware: [{file: server.pem, version: "4.2"}, {url: "https://h.example/5.bin", version: "5.0", bank: 2}]
fileServer: {scheme: http, port: 8081}
elements: {readable: Device.DeviceInfo.ModelName, async-command: Device.X(), async-arguments: "A=1,B=x=y"}
lab:
  launch:
    exec: [./agent, "{{.Dir}}/db"]
    env: {HOME: "{{.Dir}}"}
    files: {agent.conf: "{{.MTP}}.conf"}
    fresh: per-run
  reboot: {exec: [./power.sh, cycle]}
  factoryReset: usp
  power: manual
waits: {connect: 1m, response: 5s, notify: 6s, reconnect: 7s, settle: 8s, quiet: 9s, firmware: 10s, tolerance: 500ms}
waivers:
  - {case: "1.10", reason: rounds TTL, issue: "https://tracker.example/17", until: 2026-06-01}
advice:
  - {check: R-MSG.1, metrics: [2, 4], reason: by design, issue: T-9, until: 2026-06-01}
  - {check: R-NOT.3, reason: polls}
`

func TestLoadReadsEveryKey(t *testing.T) {
	t.Setenv("USPTEST_USER", "usr")
	dir := write(t, map[string]string{"lab.yaml": fullFile, "mqtt.conf": "{{.Host}}", "stomp.conf": "x", "websocket.conf": "{{if .TLS}}{{.CA}}{{end}}"})
	path := filepath.Join(dir, "lab.yaml")
	got, err := Load(path, loadPlan(t), today())
	if err != nil {
		t.Fatal(err)
	}
	want := &File{
		Path:       path,
		Device:     Identity{"ACME", "X1", "4.2", "", "os::012345-A{{.Instance}}"},
		Controller: "self::lab", Bind: "192.0.2.1", Host: "lab.example",
		Links: []LinkSpec{
			{MTP: MQTT, Version: "5.0", TLS: true, Port: 8883, AgentTopic: "a/os::012345-A1", ControllerTopic: "c:1", Username: "usr", Password: "p:w"},
			{MTP: MQTT, Version: "3.1.1"},
			{MTP: STOMP, Port: 61613},
			{MTP: WebSocket, Role: RoleClient, Path: "/x"},
			{MTP: WebSocket, Role: RoleServer, TLS: true, URL: "wss://{{.Host}}:{{.AgentPort}}/usp"},
		},
		TLS: TLSSpec{Certificate: "server.pem", Key: "server.key", Trust: "ca.pem"}, Collector: CollectorSpec{8080}, Features: []int{1, 36},
		Profiles:      []string{"LocalAgent:1", "Reboot:1"},
		Firmware:      []FirmwareImage{{File: "server.pem", Version: "4.2"}, {URL: "https://h.example/5.bin", Version: "5.0", Bank: 2}},
		FileServer:    FileServerSpec{HTTP, 8081},
		Elements:      map[string]string{RoleReadable: "Device.DeviceInfo.ModelName", RoleAsyncCommand: "Device.X()", RoleAsyncArguments: "A=1,B=x=y"},
		ElementPlaces: map[string]Place{RoleReadable: {17, 22}, RoleAsyncCommand: {17, 66}, RoleAsyncArguments: {17, 95}},
		Lab: LabSpec{
			Launch: &Launch{Exec: []string{"./agent", "{{.Dir}}/db"}, Env: map[string]string{"HOME": "{{.Dir}}"},
				Files: map[string]string{"agent.conf": "{{.MTP}}.conf"}, Fresh: FreshPerRun},
			Reboot: Hook{ByExec, []string{"./power.sh", "cycle"}}, FactoryReset: Hook{By: ByUSP}, Power: Hook{By: ByHand},
		},
		Waits:   Waits{time.Minute, 5 * time.Second, 6 * time.Second, 7 * time.Second, 8 * time.Second, 9 * time.Second, 10 * time.Second, 500 * time.Millisecond},
		Waivers: []Waiver{{"1.10", "rounds TTL", "https://tracker.example/17", time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}},
		Advice: []Advice{{"R-MSG.1", []int{2, 4}, "by design", "T-9", time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)},
			{Check: "R-NOT.3", Reason: "polls"}},
		SHA256: hash([]byte(fullFile)),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if names := strings.Join(got.LinkNames(), " "); names != "mqtt5+tls mqtt3 stomp websocket websocket+tls" {
		t.Errorf("links %s", names)
	}
	// A worker gets the file as JSON.
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var back File
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(&back, want) {
		t.Errorf("through JSON: %v\n%+v", err, back)
	}
	if cert, err := got.ServerCertificate(); err != nil || cert == nil {
		t.Errorf("server certificate: %v", err)
	}
	if pool, err := got.ClientAuthorities(); err != nil || pool == nil {
		t.Errorf("authorities: %v", err)
	}
	if missing := got.MissingPrograms(); len(missing) != 1 || !strings.Contains(missing[0].Error(), "lab.reboot.exec: ") {
		t.Errorf("missing programs: %v", missing)
	}
}

const shortFile = `device: {vendor: ACME, model: X1, software: "4.2", endpoint: "os::012345-A1"}
links: [{mtp: stomp, port: 61613}]
`

func TestWhatAFileDoesNotSay(t *testing.T) {
	f, err := Parse("lab.yaml", []byte(shortFile), loadPlan(t), today())
	if err != nil {
		t.Fatal(err)
	}
	var waits Waits
	waits.setDefaults()
	if f.Waits != waits || f.Bind != "127.0.0.1" || f.Controller != DefaultController {
		t.Errorf("defaults: %+v", f)
	}
	if _, err := usp.ParseEndpointID(string(DefaultController)); err != nil {
		t.Error(err)
	}
	for need, want := range map[string]bool{"reboot": false, "oob-recovery": false, "l2-network": false} {
		if f.Offers(need) != want {
			t.Errorf("offers %s: %t", need, !want)
		}
	}
	f.Lab.Reboot, f.Lab.FactoryReset = Hook{By: ByUSP}, Hook{By: ByHand}
	if !f.Offers("reboot") || !f.Offers("oob-recovery") {
		t.Error("the hooks offer nothing")
	}
	if e, substitute := f.Element(RoleReadable); e != "Device.LocalAgent.SoftwareVersion" || substitute {
		t.Errorf("element %s %t", e, substitute)
	}
}

func TestEveryProblemIsNamedAtOnce(t *testing.T) {
	const text = `device: {vendor: "", modle: X1, software: 4.2, endpoint: "A1"}
controller: {endpoint: lab}
bind: localhost
links:
  - {mtp: mqqt}
  - {mtp: mqtt, port: 1}
  - {mtp: mqtt, version: 5.0, port: 70000}
  - {mtp: stomp, version: "5.0", port: 1, agentTopic: "a#", path: /x}
  - {mtp: stomp}
  - {mtp: stomp}
  - {mtp: websocket, role: server}
  - {mtp: websocket, role: server, tls: true, url: "ws://h/x"}
  - {mtp: websocket, role: server, url: "http://h/x"}
tls: {certificate: none.pem, key: server.pem}
features: [1, 1, 99, 11, x]
elements: {readable: Device.DeviceInfo., redable: x, async-arguments: y, nested-table: Device.X., nested-values: "a,b,a", controller-key: A.B, subscription-flag: Device.LocalAgent.Subscription.1.Enable, event: Device.Boot, subscription-number: "Device.LocalAgent.Subscription.{i}.TimeToLive"}
lab:
  launch: {exec: [], files: {../x: agent.conf, ca.pem: agent.conf, a: "none-{{.MTP}}", b: bad.conf}, env: {A: 1}}
  reboot: sup
  power: usp
  factoryReset: {run: x}
waits: {response: 30, notify: 2h, quiet: soon, tolerance: 10m}
waivers:
  - {case: "1.999", reason: r, until: 2026-05-31}
  - {case: "1.1", until: 31.5.2026}
  - {case: "1.1", reason: x, until: 2027-01-01}
advice:
  - {check: R-MSG.11, reason: r, until: 2026-05-31}
  - {check: R-GET.1, reason: r}
  - {check: R-MSG.1, metrics: [2, 1, x], until: soon}
  - {check: R-MSG.1, reason: r}
extra:
`
	dir := write(t, map[string]string{"lab.yaml": text, "bad.conf": "one\n{{.Hst}}\n"})
	path := filepath.Join(dir, "lab.yaml")
	_, err := Load(path, loadPlan(t), today())
	var problems *Problems
	if !errors.As(err, &problems) {
		t.Fatalf("got %v; want *Problems", err)
	}
	got := strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), "")
	want, err := os.ReadFile("testdata/problems.txt")
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("USPTEST_UPDATE") != "" {
		if err := os.WriteFile("testdata/problems.txt", []byte(got+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got+"\n" != string(want) {
		t.Errorf("got:\n%s\n\nwant:\n%s", got, want)
	}
}

func TestASingleProblem(t *testing.T) {
	p := loadPlan(t)
	for _, c := range []struct{ name, text, want string }{
		{"not YAML", "device: [", "lab.yaml:1:9: not YAML"},
		{"empty", "# nothing\n", "lab.yaml: allowed: a mapping"},
		{"two documents", shortFile + "---\na: b\n", "a second document"},
		{"a list", "- a\n", "lab.yaml:1:1: got a list; allowed: a mapping"},
		{"key twice", shortFile + "host: a\nhost: b\n", `lab.yaml:4:1: `},
		{"anchor", shortFile + "features: &f [1]\n", "anchors, aliases and tags"},
		{"merge", shortFile + "lab: {<<: {reboot: usp}}\n", "lab"},
		{"no links", "device: {vendor: a, model: b, software: c, endpoint: \"self::d\"}\nlinks: []\n", "lab.yaml:2:8: links: got nothing; allowed: at least one link"},
		{"port of a device that runs by itself", strings.Replace(shortFile, ", port: 61613", "", 1), "links[0].port: got 0; a device that the harness does not launch needs a port"},
		{"one port twice", strings.Replace(shortFile, "61613}", "61613}, {mtp: websocket, port: 61613}", 1), "links[0].port: got 61613; allowed: a port for each link"},
		{"session context without its feature", strings.Replace(shortFile, "61613}", "61613, session: plain}", 1),
			"links[0].session: got plain; it needs feature 24"},
		{"TLS in payloads without its feature", strings.Replace(shortFile, "61613}", "61613, session: tls}", 1) + "features: [24]\n",
			"links[0].session: got tls; it needs feature 23"},
		{"another session context", strings.Replace(shortFile, "61613}", "61613, session: dtls}", 1), "links[0].session: got \"dtls\""},
		{"TLS of a device that runs by itself", strings.Replace(shortFile, "port:", "tls: true, port:", 1), "links[0].tls: got true; a device that the harness does not launch"},
		{"launch without launch", shortFile + "lab: {reboot: launch}\n", "there is no lab.launch"},
		{"bind to all, without a launch", shortFile + "bind: 0.0.0.0\n", "set host as well"},
		{"bind to all, of IPv6", shortFile + "bind: \"::\"\n", "set host as well"},
		{"bind to all", shortFile + "bind: 0.0.0.0\nlab: {launch: {exec: [x]}}\n", "set host as well"},
		{"an authority that is not there", shortFile + "tls: {authority: nowhere}\n", "tls.authority: got \"nowhere\"; allowed: a folder with ca.pem and ca.key; open nowhere/ca.pem: no such file or directory; make one with usptest certs"},
		{"key without certificate", shortFile + "tls: {key: server.key}\n", "tls"},
		{"password is not shown", strings.Replace(shortFile, "port:", "password: 12345678, port:", 1), "links[0].password: got a value that is not shown; allowed: text"},
		{"unset variable", strings.Replace(shortFile, "port:", "username: '{{env \"USPTEST_NONE\"}}', port:", 1), "USPTEST_NONE is not set"},
		{"line break in a password", strings.Replace(shortFile, "port:", `password: "a\nb", port:`, 1), "links[0].password: got a value that is not shown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("lab.yaml", []byte(c.text), p, today())
			expectError(t, err, c.want)
			if err != nil && strings.Contains(err.Error(), "12345678") {
				t.Errorf("a password is shown: %v", err)
			}
		})
	}
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"), p, today())
	expectError(t, err, "none.yaml: cannot be read: no such file")
	big := filepath.Join(write(t, map[string]string{"big.yaml": strings.Repeat("#\n", maxFile)}), "big.yaml")
	_, err = Load(big, p, today())
	expectError(t, err, "big.yaml", "more than")
}

// TestAuthority loads a device that runs by itself and trusts a CA of the lab.
func TestAuthority(t *testing.T) {
	ca, err := pki.NewCA(pki.Name)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := ca.Save(dir); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(shortFile, "port:", "tls: true, port:", 1) + fmt.Sprintf("tls: {authority: %q}\n", dir)
	f, err := Parse("lab.yaml", []byte(text), loadPlan(t), today())
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Authority(today())
	if err != nil || !bytes.Equal(got.PEM(), ca.PEM()) {
		t.Errorf("want the CA of the folder, got %v", err)
	}
	_, err = Parse("lab.yaml", []byte(text), loadPlan(t), ca.Until().AddDate(0, 0, 1))
	expectError(t, err, "tls.authority", "expired on")
}

// TestLinksWithinSessionContexts: such a link is one of its own, which shares what carries it with the same one without session contexts.
func TestLinksWithinSessionContexts(t *testing.T) {
	text := strings.Replace(shortFile, "{mtp: stomp, port: 61613}", `{mtp: stomp, port: 61613}, {mtp: stomp, port: 61613, session: plain},
  {mtp: stomp, port: 61613, session: tls}, {mtp: websocket, port: 80}`, 1) + "features: [17, 19, 23, 24]\n"
	f, err := Parse("lab.yaml", []byte(text), loadPlan(t), today())
	if err != nil {
		t.Fatal(err)
	}
	if names := strings.Join(f.LinkNames(), " "); names != "stomp stomp+session stomp+session-tls websocket" {
		t.Errorf("links %s", names)
	}
	for link, want := range map[string]string{"stomp": "websocket", "stomp+session-tls": "websocket", "websocket": "stomp"} {
		if got := strings.Join(f.Beside(link), " "); got != want {
			t.Errorf("beside %s: got %s", link, got)
		}
	}
	v, err := f.Vars(f.Links[2], 1)
	if err != nil || v.Link != "stomp" || v.Session != SessionTLS {
		t.Errorf("got the link %q and the session %q, %v", v.Link, v.Session, err)
	}
	if back, err := Parse("lab.yaml", f.Write(loadPlan(t), "s", nil), loadPlan(t), today()); err != nil || back.Links[2] != f.Links[2] {
		t.Errorf("written and read: %v", err)
	}
}

func TestVars(t *testing.T) {
	f := &File{Device: Identity{Endpoint: "self::a-{{.Instance}}"}, Links: []LinkSpec{{MTP: MQTT, Version: "5.0", TLS: true}, {MTP: MQTT, Version: "5.0"}}}
	f.SetDefaults()
	v, err := f.Vars(f.Links[0], 2)
	if err != nil {
		t.Fatal(err)
	}
	want := Vars{Link: "mqtt5+tls", MTP: "mqtt", Version: "5.0", TLS: true, Instance: 2, Host: "localhost", AgentID: "self::a-2", ControllerID: "self::usptest",
		AgentTopic: "usptest/2/agent", ControllerTopic: "usptest/2/controller"}
	if v != want {
		t.Errorf("got  %+v\nwant %+v", v, want)
	}
	for _, c := range []struct {
		bind, host string
		link       int
		want       string
	}{{"127.0.0.1", "", 1, "127.0.0.1"}, {"192.0.2.1", "", 0, "192.0.2.1"}, {"192.0.2.1", "lab.example", 1, "lab.example"}} {
		f.Bind, f.Host = c.bind, c.host
		if v, err := f.Vars(f.Links[c.link], 1); err != nil || v.Host != c.want {
			t.Errorf("bind %s, host %q, link %d: got %s %v; want %s", c.bind, c.host, c.link, v.Host, err, c.want)
		}
	}
	f.Device.Endpoint = "nonsense"
	if _, err := f.Vars(f.Links[0], 1); err == nil {
		t.Error("a wrong Endpoint ID is accepted")
	}
}

func TestTemplatesCannotGrowWithoutBound(t *testing.T) {
	_, err := Render("t", `{{range 1000000}}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{{end}}`, nil)
	expectError(t, err, "t: ", "more than")
}

func TestTheExampleFilesAreValid(t *testing.T) {
	files, err := filepath.Glob("../../fixtures/duts/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d example files, %v", len(files), err)
	}
	t.Setenv("LAB_PASSWORD", "secret")
	for _, path := range files {
		if _, err := Load(path, loadPlan(t), today()); err != nil {
			t.Error(err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(fullFile))
	f.Add([]byte(shortFile))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("? [a]\n: b\n--- |\n x\n"))
	p := loadPlan(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 4<<10 {
			return
		}
		file, err := Parse("lab.yaml", text, p, today())
		if (file == nil) == (err == nil) {
			t.Fatalf("file %v with error %v", file, err)
		}
		if file != nil {
			for _, l := range file.Links {
				if _, err := file.Vars(l, 1); err != nil {
					t.Fatalf("a file that was accepted has no variables: %v", err)
				}
			}
		}
	})
}

// expectError wants an error with every one of some parts.
func expectError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error; want one with %q", parts)
		return
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error lacks %q: %v", p, err)
		}
	}
}
