package dut

import (
	"reflect"
	"strings"
	"testing"
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
			got.ElementPlaces, want.ElementPlaces = nil, nil
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
			if !strings.Contains(string(written), "url: ") == (name == "every key") {
				t.Errorf("a key that has no place: \n%s", written)
			}
		})
	}
}
