package main

import (
	"bufio"
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usptest/usptest/fixtures/reference"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// agentLaunch is the reference agent as a command of a DUT file.
func agentLaunch(t *testing.T) []string {
	t.Helper()
	return []string{self(t), "agent", "--link={{.Link}}", "--host={{.Host}}", "--port={{.Port}}", "--endpoint={{.AgentID}}", "--controller={{.ControllerID}}",
		"--agent-topic={{.AgentTopic}}", "--controller-topic={{.ControllerTopic}}", "--trust={{.CA}}", "--certificate={{.ClientCert}}", "--key={{.ClientKey}}",
		"--state={{.Dir}}/state.json"}
}

// TestInitDetects writes the DUT file of the reference agent from what it says of itself, and has it checked.
func TestInitDetects(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out := filepath.Join(dir, "lab.yaml")
	args := append([]string{"init", "--detect", "--link", "mqtt5", "--link", "stomp+tls", "--endpoint", "proto::init-{{.Instance}}", "--model", "my own", "--out", out, "--"},
		agentLaunch(t)...)
	usptest(t, args...).Want(t, result.ExitPassed, out+": written\n", filepath.Join(dir, schemaFile)+": written", "features shown", "next: usptest check --dut "+out)
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	d, err := loadDUT(out, p)
	if err != nil {
		t.Fatal(err)
	}
	if d.Device.Vendor != "usptest" || d.Device.Model != "my own" {
		t.Errorf("want what the device says and what the flag says, got %+v", d.Device)
	}
	for _, number := range reference.Features() {
		feature, _ := p.Feature(number)
		if feature.Detect.None == "" && !slices.Contains(d.Features, number) {
			t.Errorf("feature %d (%s) is not declared", number, feature.Name)
		}
	}
	usptest(t, "check", "--dut", out).Want(t, result.ExitPassed, "mqtt5: contact with proto::init-1 ", "stomp+tls: contact with proto::init-1 ")

	before, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	by := []string{"init", "--link", "mqtt5+tls", "--endpoint", "os::012345-A1", "--vendor", "ACME", "--model", "X1", "--software", "4.20", "--out", out}
	usptest(t, by...).Want(t, result.ExitUsage, "lab.yaml already exists; --force replaces it")
	usptest(t, append(by, "--force")...).Want(t, result.ExitUsage, "links[0].tls: got true; ", "usptest certs makes it")
	if after, err := os.ReadFile(out); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was touched: %v", err)
	}
	usptest(t, "certs", "--out", filepath.Join(dir, "certs")).Want(t, result.ExitPassed)
	usptest(t, append(by, "--force", "--authority", "certs")...).Want(t, result.ExitPassed)
	if d, err = loadDUT(out, p); err != nil || d.Links[0].Port != 8883 || d.Links[0].AgentTopic != "usptest/agent" || d.Device.Software != "4.20" {
		t.Errorf("%v: %+v", err, d)
	}
}

func TestInitWritesHowTheDeviceIsStarted(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "lab.yaml")
	usptest(t, "init", "--link", "mqtt5", "--endpoint", "proto::x1", "--vendor", "ACME", "--model", "X1", "--software", "4.2", "--out", out, "--container", "acme/agent:4.2",
		"--env", "LEVELS=usp,mqtt=3", "--env", "HOME={{.Dir}}", "--", "--broker", "{{.Host}}:{{.Port}}").Want(t, result.ExitPassed, "written")
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	d, err := loadDUT(out, p)
	if err != nil {
		t.Fatal(err)
	}
	want := dut.Launch{Image: "acme/agent:4.2", Exec: []string{"--broker", "{{.Host}}:{{.Port}}"}, Env: map[string]string{"LEVELS": "usp,mqtt=3", "HOME": "{{.Dir}}"}}
	if l := d.Lab.Launch; l == nil || l.Image != want.Image || !slices.Equal(l.Exec, want.Exec) || !maps.Equal(l.Env, want.Env) || d.Links[0].Port != 0 {
		t.Errorf("want %+v and any free port, got %+v, %+v", want, l, d.Links)
	}
}

// needsOBUSPA skips a test where the environment variable OBUSPA does not name the real agent's program.
func needsOBUSPA(t *testing.T) {
	t.Helper()
	if os.Getenv("OBUSPA") == "" {
		t.Skip("NOT RUN: OBUSPA does not name the program of OB-USP-Agent")
	}
}

func TestInitDetectsOBUSPA(t *testing.T) {
	needsOBUSPA(t)
	t.Parallel()
	out := filepath.Join(t.TempDir(), "lab.yaml")
	conf, err := filepath.Abs("../../fixtures/duts/obuspa")
	if err != nil {
		t.Fatal(err)
	}
	usptest(t, "init", "--detect", "--link", "mqtt5", "--link", "websocket", "--endpoint", "proto::obuspa-{{.Instance}}", "--username", "obuspa", "--password", "obuspa-secret",
		"--file", "factory.txt="+conf+"/{{.MTP}}.txt", "--out", out, "--",
		os.Getenv("OBUSPA"), "-i", "lo", "-r", "{{.Dir}}/factory.txt", "-f", "{{.Dir}}/usp.db", "-s", "{{.Dir}}/cli", "-p", "-v", "3").Want(t, result.ExitPassed, "contact with proto::obuspa-1", "features shown")
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	d, err := loadDUT(out, p)
	if err != nil {
		t.Fatal(err)
	}
	if e, ok := d.Element(dut.RoleAsyncCommand); e != "Device.SelfTestDiagnostics()" || !ok {
		t.Errorf("the asynchronous command is %s", e)
	}
	if !slices.Contains(d.Features, 36) {
		t.Errorf("features %v", d.Features)
	}
	usptest(t, "check", "--dut", out).Want(t, result.ExitPassed, "websocket: contact with proto::obuspa-1")
}

func TestInitRefuses(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "lab.yaml")
	for _, c := range []struct {
		args []string
		exit int
		want string
	}{
		{nil, result.ExitUsage, "missing: --endpoint, --link, --model, --software, --vendor (or --detect instead of --vendor, --model and --software)"},
		{[]string{"--detect"}, result.ExitUsage, "missing: --link, --endpoint"},
		{[]string{"agent"}, result.ExitUsage, `argument "agent": the only argument is the command that starts the device, after --`},
		{[]string{"--detect", "--endpoint", "self::x", "--link", "coap"}, result.ExitUsage, `--link "coap": want mqtt5, mqtt5+tls,`},
		{[]string{"--detect", "--endpoint", "self::x", "--link", "mqtt5:x"}, result.ExitUsage, "want a number after the colon"},
		{[]string{"--detect", "--endpoint", "x", "--link", "mqtt5"}, result.ExitUsage, "device.endpoint: "},
		{[]string{"--detect", "--endpoint", "self::x", "--link", "mqtt5", "--env", "A=b"}, result.ExitUsage, "--file and --env are for a device that usptest starts"},
		{[]string{"--detect", "--endpoint", "self::x", "--link", "mqtt5", "--env", "A", "--", "./agent"}, result.ExitUsage, `--env "A": want NAME=VALUE, each name once`},
	} {
		usptest(t, append([]string{"init", "--out", out}, c.args...)...).Want(t, c.exit, c.want)
		if _, err := os.Stat(out); err == nil {
			t.Fatalf("%q: a file was written", c.args)
		}
	}
}

// TestInitKeepsTheAnswersWithoutContact has init detect a device that cannot be started.
func TestInitKeepsTheAnswersWithoutContact(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "lab.yaml")
	usptest(t, "init", "--detect", "--endpoint", "self::x", "--link", "mqtt5", "--username", "x1", "--password", "y2", "--out", out,
		"--", "./no-such-program").
		Want(t, result.ExitError, out+": written\n", "mqtt5: lab.launch: ", "has your settings", "usptest check --dut "+out)
	p, err := plan.Load()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	d, err := dut.Parse(out, text, p, time.Now())
	if err != nil || d.Device.Endpoint != "self::x" || d.Links[0].Username != "x1" || d.Links[0].Password != "y2" || d.Lab.Launch == nil {
		t.Errorf("want what was said, got %v\n%s", err, text)
	}
}

// TestInitWritesUnixDomainSockets names the socket of a device in both roles.
func TestInitWritesUnixDomainSockets(t *testing.T) {
	t.Parallel()
	for link, want := range map[string]dut.LinkSpec{
		"unix:/run/usp/agent":     {MTP: dut.UDS, Role: dut.RoleServer, Path: "/run/usp/agent"},
		"uds:/run/usp/controller": {MTP: dut.UDS, Role: dut.RoleClient, Path: "/run/usp/controller"},
	} {
		out := filepath.Join(t.TempDir(), "lab.yaml")
		usptest(t, "init", "--endpoint", "self::x", "--link", link, "--vendor", "ACME", "--model", "X1", "--software", "1", "--out", out).
			Want(t, 0, out+": written")
		p, err := plan.Load()
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if d, err := dut.Parse(out, text, p, time.Now()); err != nil || d.Links[0] != want {
			t.Errorf("%s: want %+v, got %+v, %v", link, want, d, err)
		}
	}
	for link, problem := range map[string]string{
		"uds":                                   "the path of the socket",
		"unix:/run/" + strings.Repeat("x", 103): "has at most 107 bytes, and",
	} {
		out := filepath.Join(t.TempDir(), "lab.yaml")
		usptest(t, "init", "--endpoint", "self::x", "--link", link, "--vendor", "ACME", "--model", "X1", "--software", "1", "--out", out).
			Want(t, result.ExitUsage, problem)
	}
}

// TestInitAsks answers what no flag says.
func TestInitAsks(t *testing.T) {
	cmd := initCommand()
	if err := cmd.ParseFlags([]string{"--vendor", "ACME"}); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	f := initFlags{vendor: "ACME"}
	answers := "nonsense\nself::a\ncoap\nmqtt5 stomp:61700\n\n\nctl/x1\nx1\nsecret\n192.0.2.1\nmaybe\nno\nX1\n\n4.2\n"
	if err := f.ask(cmd, &prompt{bufio.NewReader(strings.NewReader(answers)), &out}); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	if missing := f.missing(); len(missing) > 0 {
		t.Errorf("missing: %v", missing)
	}
	file, err := f.file()
	if err != nil {
		t.Fatal(err)
	}
	if want := (dut.Identity{Vendor: "ACME", Model: "X1", Software: "4.2", Endpoint: "self::a"}); file.Device != want {
		t.Errorf("want %+v, got %+v", want, file.Device)
	}
	if names := strings.Join(file.LinkNames(), " "); names != "mqtt5 stomp" || file.Links[1].Port != 61700 || file.Bind != "192.0.2.1" || file.Lab.Launch != nil {
		t.Errorf("got %+v", file)
	}
	l := file.Links[0]
	if l.AgentTopic != "usptest/agent" || l.ControllerTopic != "ctl/x1" || l.Username != "x1" || l.Password != "secret" ||
		file.Links[1].AgentTopic != "/queue/usptest/agent" {
		t.Errorf("want the topics and the login that were answered, and defaults by the MTP, got %+v", file.Links)
	}
	if strings.Contains(out.String(), "whose authority") {
		t.Error("no link has TLS, and init asks for an authority")
	}
	for _, text := range []string{"endpoint id: want", `--link "coap": want`, "[mqtt5]: ", "want yes or no", "it cannot be empty"} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("want %q in\n%s", text, &out)
		}
	}
	again := initFlags{}
	if err := again.ask(cmd, &prompt{bufio.NewReader(strings.NewReader("self::a\n")), &out}); err == nil || !strings.Contains(err.Error(), `no answer to "Links`) {
		t.Errorf("want an error when the answers end, got %v", err)
	}
}
