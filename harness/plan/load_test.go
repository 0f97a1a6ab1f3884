package plan

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
)

// TestBrokenData changes one place of the data and wants file, line, column, key and what is wrong.
func TestBrokenData(t *testing.T) {
	for _, test := range []struct{ name, file, old, new, want string }{
		{"unknown key", "04-mtp.yaml", "tls: required", "tsl: required", `04-mtp.yaml:5:116: unknown field "tsl"`},
		{"wrong type", "04-mtp.yaml", "budget: 60", "budget: soon", "04-mtp.yaml:5:139: cannot unmarshal string into Go struct field"},
		{"key twice", "04-mtp.yaml", "budget: 60", "tls: required", "04-mtp.yaml:5:131: mapping key \"tls\" already defined"},
		{"not YAML", "needs.yaml", "needs:", "needs: [", "needs.yaml:"},
		{"unknown feature", "04-mtp.yaml", "[15]", "[43]", "04-mtp.yaml:5:103: $.cases[0].requires: there is no feature 43"},
		{"removed feature", "04-mtp.yaml", "[15]", "[14]", "$.cases[0].requires: there is no feature 14"},
		{"unknown need", "04-mtp.yaml", "budget: 60", "budget: 60, needs: [luck]", `needs: "luck" is not in needs.yaml`},
		{"no obligation", "04-mtp.yaml", "obligation: mandatory, ", "", "04-mtp.yaml:5:5: $.cases[0].obligation: want mandatory, conditional or none"},
		{"other chapter", "04-mtp.yaml", `"4.1"`, `"5.1"`, "$.cases[0].id: want a case of chapter 4"},
		{"no metrics", "04-mtp.yaml", "metrics: 1", "metrics: 0", "4.1 is active and must have"},
		{"conditional without feature", "06-stomp.yaml", "requires: {any: [17]}, ", "", "must require a feature"},
		{"profile with unknown label", "profiles.yaml", "feature:10", "feature:11", `label "feature:11" matches nothing`},
		{"feature with unknown profile", "features.yaml", "TraceRoute:1", "TraceRoute:9", `profile "TraceRoute:9" matches nothing`},
		{"rule and none", "features.yaml", "{shows: command}", "{shows: command, none: because}", "features.yaml:"},
		{"rule with unknown access", "features.yaml", "create Device.", "make Device.", "got \"make Device."},
	} {
		t.Run(test.name, func(t *testing.T) {
			fsys := fstest.MapFS{}
			err := fs.WalkDir(data, "tp469", func(name string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				text, err := fs.ReadFile(data, name)
				fsys[strings.TrimPrefix(name, "tp469/")] = &fstest.MapFile{Data: text}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			text := string(fsys[test.file].Data)
			if !strings.Contains(text, test.old) {
				t.Fatalf("%s has no %q", test.file, test.old)
			}
			fsys[test.file].Data = []byte(strings.Replace(text, test.old, test.new, 1))
			if _, err = load(fsys); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("want %q, got %v", test.want, err)
			}
		})
	}
}
