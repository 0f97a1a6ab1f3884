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
		{"wrong type", "04-mtp.yaml", "metrics: 1", "metrics: soon", `04-mtp.yaml:5:140: metrics: want a value of type int, got "soon"`},
		{"key twice", "04-mtp.yaml", "metrics: 1", "tls: required", "04-mtp.yaml:5:131: mapping key \"tls\" already defined"},
		{"not YAML", "needs.yaml", "needs:", "needs: [", "needs.yaml:"},
		{"unknown feature", "04-mtp.yaml", "[15]", "[43]", "04-mtp.yaml:5:103: $.cases[0].requires: there is no feature 43"},
		{"removed feature", "04-mtp.yaml", "[15]", "[14]", "$.cases[0].requires: there is no feature 14"},
		{"unknown need", "04-mtp.yaml", "metrics: 1", "metrics: 1, needs: [luck]", `needs: "luck" is not in needs.yaml`},
		{"no obligation", "04-mtp.yaml", "obligation: mandatory, ", "", "04-mtp.yaml:5:5: $.cases[0].obligation: want mandatory, conditional or none"},
		{"other chapter", "04-mtp.yaml", `"4.1"`, `"5.1"`, "$.cases[0].id: want a case of chapter 4"},
		{"no metrics", "04-mtp.yaml", "metrics: 1", "metrics: 0", "4.1 is active and must have"},
		{"conditional without feature", "06-stomp.yaml", "requires: {any: [17]}, ", "", "must require a feature"},
		{"profile with unknown label", "profiles.yaml", "feature:10", "feature:11", `label "feature:11" matches nothing`},
		{"feature with unknown profile", "features.yaml", "TraceRoute:1", "TraceRoute:9", `profile "TraceRoute:9" matches nothing`},
		{"text of no case", "texts/04-mtp.yaml", `"4.1"`, `"4.2"`, `texts/04-mtp.yaml:3:9: $.cases[0].id: there is no case "4.2"`},
		{"text with a metric too few", "texts/07-websocket.yaml", "      - the Ping is answered with a Pong\n", "", "7.7: want 2 texts, got 1"},
		{"text with an unknown key", "texts/04-mtp.yaml", "purpose:", "porpose:", `texts/04-mtp.yaml:4:5: unknown field "porpose"`},
		{"text without requirements", "texts/04-mtp.yaml", "    requirements: [R-MTP.0, R-MTP.1, R-MTP.4]", "", "4.1: purpose, steps and requirements must be given"},
		{"budget without a wait", "01-messages.yaml", "budget: 130, takes: 100, wait: 60", "budget: 130, takes: 100", ".wait: want the seconds that the plan's text makes a tester wait"},
		{"wait below zero", "01-messages.yaml", "budget: 130, takes: 100, wait: 60", "budget: 130, takes: 100, wait: -1", ".wait: want seconds, got -1"},
		{"longer than the budget", "01-messages.yaml", "takes: 100, wait: 60", "takes: 131, wait: 60", ".takes: want seconds, at most those of the budget, got 131"},
		{"negative budget", "08-discovery.yaml", "budget: 60", "budget: -1", "$.cases[0].budget: want seconds, got -1"},
		{"erratum of no case", "errata/04-mtp.yaml", `"4.1/1"`, `"4.1/2"`, "touches: there is no 4.1/2"},
		{"erratum of no metric", "errata/04-mtp.yaml", `"4.1/1"`, `"4.1/0"`, `"4.1/0": want a case, or a case and a metric`},
		{"erratum without weight", "errata/04-mtp.yaml", "weight: verdict", "adapted: true", "$.errata[0].weight: want verdict, interpretation or editorial"},
		{"erratum twice", "errata/04-mtp.yaml", "id: tls-mandatory-or-feature", "id: no-clean-up", `"no-clean-up" is given twice`},
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
