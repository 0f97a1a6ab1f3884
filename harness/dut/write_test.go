package dut

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestAFileThatIsWrittenIsReadAgain writes Files and reads them.
func TestAFileThatIsWrittenIsReadAgain(t *testing.T) {
	t.Setenv("USPTEST_USER", "usr")
	p := loadPlan(t)
	dir := write(t, map[string]string{"mqtt.conf": "", "stomp.conf": "", "websocket.conf": ""})
	odd := strings.NewReplacer("ACME", `a: \"b\" # 'c' \\`, "X1", "yes", "61613", `61613, username: "{{env \"USPTEST_USER\"}}-{", password: "- 1"`).Replace(strings.ReplaceAll(shortFile, "vendor: ACME", `vendor: "ACME"`))
	for name, text := range map[string]string{"every key": fullFile, "few keys": shortFile, "odd texts": odd} {
		t.Run(name, func(t *testing.T) {
			want, err := Parse(dir+"/lab.yaml", []byte(text), p, today())
			if err != nil {
				t.Fatal(err)
			}
			written := want.Write(p, "s.json", map[int]string{7: "a reason\nin two lines"})
			got, err := Parse(dir+"/lab.yaml", written, p, today())
			if err != nil {
				t.Fatalf("%v\n%s", err, written)
			}
			got.ElementPlaces, want.ElementPlaces, got.SHA256, want.SHA256 = nil, nil, "", ""
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v\n%s", got, want, written)
			}
			for _, text := range []string{"# yaml-language-server: $schema=s.json\n", "quiet: "} {
				if !strings.Contains(string(written), text) {
					t.Errorf("want %q in\n%s", text, written)
				}
			}
			if told := strings.Contains(string(written), "\n  # - 7 # Controllers:1, creatable: a reason in two lines\n"); told != (len(want.Features) > 0) {
				t.Errorf("the feature that is unsure:\n%s", written)
			}
			if !strings.Contains(string(written), "the URL at which a WebSocket server listens") == (name == "every key") {
				t.Errorf("a key that has no place: \n%s", written)
			}
		})
	}
}

func TestAMaskedFileHasNoSecret(t *testing.T) {
	p := loadPlan(t)
	text := `device: {vendor: ACME, model: X1, software: "4.2", endpoint: "os::012345-A1"}
links:
  - {mtp: mqtt, version: "5.0", username: lab, password: hush-1}
  - {mtp: websocket, role: server, url: "wss://lab:hush-2@127.0.0.1/usp", tls: true}
lab:
  launch: {exec: [agent, --token=hush-3, --password, hush-4, "http://u:hush-5@h/"], env: {API_KEY: hush-6, LEVEL: debug}}
  reboot: {exec: [ssh, PASS=hush-7, box]}
waits: {notify: 40s} # hush-8
`
	f, err := Parse("lab.yaml", []byte(text), p, today())
	if err != nil {
		t.Fatal(err)
	}
	got := f.Masked(p)
	for _, part := range []string{"vendor: ACME", "username: lab", "password: \"********\"", "--token=********", "LEVEL: debug", "notify: 40s", "- box"} {
		if !strings.Contains(got, part) {
			t.Errorf("want %q in\n%s", part, got)
		}
	}
	if strings.Contains(got, "hush") || strings.Contains(got, "#") {
		t.Errorf("a secret or a comment:\n%s", got)
	}
	if f.Links[0].Password != "hush-1" || f.Lab.Launch.Env["API_KEY"] != "hush-6" || f.Lab.Launch.Exec[1] != "--token=hush-3" {
		t.Error("the file itself was masked")
	}
	if len(f.SHA256) != 64 {
		t.Errorf("SHA-256: got %q", f.SHA256)
	}
}

func TestPatienceIsWhatDiffersFromTheDefaults(t *testing.T) {
	f := &File{Waits: Waits{Connect: 2 * time.Minute, Response: 5 * time.Second, Notify: time.Minute, Quiet: time.Second}}
	f.SetDefaults()
	var got []string
	for _, p := range f.Waits.Patience() {
		got = append(got, fmt.Sprintf("%s %s %t", p.Name, p.Value, p.Lenient))
	}
	if want := "connect 2m0s false; response 5s false; notify 1m0s true; quiet 1s true"; strings.Join(got, "; ") != want {
		t.Errorf("want %s, got %s", want, strings.Join(got, "; "))
	}
}
