package main

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/pki"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/runner"
)

// TestCheckSaysWhatToDo checks benches on which something is amiss.
func TestCheckSaysWhatToDo(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	dir := t.TempDir()
	ca, err := pki.NewCA("lab")
	if err != nil {
		t.Fatal(err)
	}
	cert := func(name string, s pki.Spec) string {
		leaf, err := ca.Issue(s)
		if err != nil {
			t.Fatal(err)
		}
		text, key, err := pki.PEM(leaf)
		if err != nil {
			t.Fatal(err)
		}
		if err := pki.SavePair(filepath.Join(dir, name+".pem"), text, filepath.Join(dir, name+".key"), key); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("tls: {certificate: %s.pem, key: %s.key}\n", name, name)
	}
	old := time.Now().AddDate(-1, 0, 0)
	const plain, secure = `{mtp: mqtt, version: "5.0"}`, `{mtp: mqtt, version: "5.0", tls: true}`
	agent := agentLaunch(t)
	with := func(flags ...string) []string { return append(append([]string{}, agent...), flags...) }
	const mqttLogin = `{mtp: mqtt, version: "5.0", username: x1, password: x1-secret}`
	const stompLogin = `{mtp: stomp, username: x1, password: x1-secret}`
	login := func(user, password string) []string { return with("--username="+user, "--password="+password) }
	otherLogin := []string{`it logs in as "x2", and the link's username is "x1"; `, "its password is not the link's; make them the same"}
	tests := map[string]struct {
		link, more string
		launch     []string
		exit       int
		want       []string
	}{
		"ready": {plain, "", agent, result.ExitPassed, []string{
			`vendor: the DUT file says "ACME", the device says "usptest"; correct device in the DUT file`,
			"feature 36 (MQTT 5.0): the device shows it, but it is not declared; add 36 to features", "ready; next: usptest run --dut "}},
		"a feature too many": {plain, "features: [4]\n", with("--defect=without-expiration"), result.ExitPassed,
			[]string{"remove 4 from features, or fix the device"}},
		"a port in use":           {fmt.Sprintf(`{mtp: stomp, port: %d}`, l.Addr().(*net.TCPAddr).Port), "", agent, result.ExitError, []string{"stomp: listen ", "free the port or change it"}},
		"an address of others":    {plain, "bind: 192.0.2.1\n", agent, result.ExitError, []string{"mqtt5: listen ", "collector.http: listen ", "bind is no address of this machine"}},
		"a program that is away":  {plain, "", []string{"./away"}, result.ExitError, []string{"lab.launch: ", "name an executable program"}},
		"an expired certificate":  {secure, cert("expired", pki.Spec{CommonName: "localhost", NotBefore: old, NotAfter: old.AddDate(0, 1, 0)}), agent, result.ExitUsage, []string{"it expired on "}},
		"a certificate to come":   {secure, cert("early", pki.Spec{CommonName: "localhost", NotBefore: time.Now().AddDate(0, 1, 0), NotAfter: time.Now().AddDate(1, 0, 0)}), agent, result.ExitUsage, []string{"it is valid from "}},
		"a name of others":        {secure, cert("other", pki.Spec{CommonName: "lab.example", DNS: []string{"lab.example"}}), agent, result.ExitError, []string{"tls.certificate: ", "set host to a name in the certificate"}},
		"TLS on the device alone": {plain, "", with("--link=mqtt5+tls"), result.ExitError, []string{"what came is not MQTT"}},
		"TLS on the link alone":   {secure, "", with("--link=mqtt5"), result.ExitError, []string{"the device does not begin with TLS"}},
		"another topic":           {plain, "", with("--agent-topic=else/where"), result.ExitError, []string{`it subscribes to "else/where", and the link's agentTopic is "usptest/1/agent"`}},
		"another topic of MQTT 3": {`{mtp: mqtt, version: "3.1.1", agentTopic: here}`, "", with("--agent-topic=else/where"), result.ExitError, []string{`it subscribes to "else/where`, `and the link's agentTopic is "here"`}},
		"another destination":     {`{mtp: stomp, agentTopic: here}`, "", with("--agent-topic=elsewhere"), result.ExitError, []string{`it subscribes to "elsewhere", and the link's agentTopic is "here"`}},
		"another's topic":         {`{mtp: mqtt, version: "5.0", controllerTopic: here}`, "", with("--controller-topic=elsewhere"), result.ExitError, []string{`it sends its Records to "elsewhere", and the link's controllerTopic is "here"`}},
		"another's destination":   {`{mtp: stomp, controllerTopic: here}`, "", with("--controller-topic=elsewhere"), result.ExitError, []string{`it sends its Records to "elsewhere", and the link's controllerTopic is "here"`}},
		"another login":           {mqttLogin, "", login("x2", "x2-secret"), result.ExitError, otherLogin},
		"another password":        {stompLogin, "", login("x1", "x2-secret"), result.ExitError, otherLogin[1:]},
		"the right login":         {stompLogin, "", login("x1", "x1-secret"), result.ExitPassed, []string{"ready; next:"}},
		"another path":            {`{mtp: websocket}`, "", with("--path=/else"), result.ExitError, []string{`it asks for the path "/else", and the link's path is "/usp"`}},
		"another MTP":             {`{mtp: stomp}`, "", with("--link=mqtt5"), result.ExitError, []string{"what came is not STOMP"}},
	}
	for _, name := range program.Sample(*full, 4, slices.Sorted(maps.Keys(tests))) {
		c := tests[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".yaml")
			text := "device: {vendor: ACME, model: X1, software: \"1.0\", endpoint: \"proto::x1\"}\nlinks: [" + c.link + "]\nlab:\n  launch:\n    fresh: per-run\n    exec:\n"
			for _, word := range c.launch {
				text += fmt.Sprintf("      - %q\n", word)
			}
			patience := "10s"
			if c.exit == result.ExitPassed {
				patience = "1m"
			}
			text += "waits: {connect: " + patience + ", response: 20s}\n" + c.more
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			usptest(t, "check", "--dut", path, "--out", filepath.Join(dir, "kept-"+filepath.Base(path))).Want(t, c.exit, c.want...)
		})
	}
}

// TestCheckSaysOnceWhatHoldsForAllLinks: the device's features are the same over every link.
func TestCheckSaysOnceWhatHoldsForAllLinks(t *testing.T) {
	t.Parallel()
	found := runner.Found{Features: []result.Feature{{Number: 36, Name: "MQTT 5.0", Detected: result.Yes}}}
	var out strings.Builder
	said := map[string]bool{}
	for _, link := range []string{"mqtt5", "stomp"} {
		tell(&out, said, &dut.File{}, link, found, nil)
	}
	if n := strings.Count(out.String(), "add 36 to features"); n != 1 || strings.Count(out.String(), "contact with") != 2 {
		t.Errorf("want both contacts, and the feature once, got\n%s", out.String())
	}
}

// TestUnknownDefect: both commands that take a defect say what was probably meant.
func TestUnknownDefect(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"agent", "run"} {
		usptest(t, command, "--defect=add-response-without-id-kex").Want(t, result.ExitUsage, "did you mean add-response-without-id-key, ")
	}
}
