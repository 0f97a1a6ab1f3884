package dut

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// upToDate compares a file of docs with what it is made of, or writes it again under USPTEST_UPDATE=1.
func upToDate(t *testing.T, name string, want []byte) {
	t.Helper()
	path := filepath.Join("../../docs", name)
	if os.Getenv("USPTEST_UPDATE") != "" {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the code says now (%v); USPTEST_UPDATE=1 go test ./harness/dut writes it again", path, err)
	}
}

func schemaDocument(t *testing.T) []byte {
	t.Helper()
	text, err := SchemaDocument(loadPlan(t))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTheSchemaIsUpToDate(t *testing.T) { upToDate(t, "dut.schema.json", schemaDocument(t)) }

// TestTheSchema has a foreign validator judge files by the schema.
func TestTheSchema(t *testing.T) {
	text, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemaDocument(t)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(SchemaID, text); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(SchemaID)
	if err != nil {
		t.Fatal(err)
	}
	judge := func(text string) error {
		var v any
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		return schema.Validate(v)
	}
	files, err := filepath.Glob("../../fixtures/duts/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d example files, %v", len(files), err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := judge(string(text)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if !strings.HasPrefix(string(text), "# yaml-language-server: $schema=../../docs/dut.schema.json\n") {
			t.Errorf("%s does not begin with the line that tells editors of its schema", path)
		}
	}
	if err := judge(fullFile); err != nil {
		t.Error(err)
	}
	for _, bad := range []struct{ old, new string }{
		{`vendor: ACME, `, ``},
		{`vendor: ACME`, `vendor: " "`},
		{`vendor: `, `vendr: `},
		{`software: "4.2"`, `software: 4.2`},
		{`"os::012345-A1"`, `A1`},
		{`mtp: stomp`, `mtp: coap`},
		{`mtp: stomp`, `mtp: mqtt`},
		{`mtp: stomp`, `mtp: stomp, version: "5.0"`},
		{`mtp: stomp`, `mtp: websocket, url: "ws://h/"`},
		{`mtp: stomp, port: 61613`, `mtp: websocket, role: server`},
		{`mtp: stomp`, `mtp: websocket, role: server, url: "ws://h/"`},
		{`mtp: stomp`, `mtp: uds`},
		{`mtp: stomp, port: 61613`, `mtp: uds, path: /run/usp, tls: true`},
		{`mtp: stomp, port: 61613`, `mtp: uds, path: /run/usp, url: "ws://h/"`},
		{`mtp: stomp, port: 61613`, `mtp: uds, path: run/usp`},
		{`61613`, `70000`},
		{`port: 61613`, `port: 61613, agentTopic: "a/#"`},
		{`[{mtp: stomp, port: 61613}]`, `[]`},
		{`]`, "]\nfeatures: [11]"},
		{`]`, "]\nfeatures: [1, 1]"},
		{`]`, "]\nfeatures: [99]"},
		{`]`, "]\nbind: localhost"},
		{`]`, "]\nelements: {redable: x}"},
		{`]`, "]\nlab: {power: usp}"},
		{`]`, "]\nlab: {reboot: {run: [x]}}"},
		{`]`, "]\nlab: {launch: {exec: []}}"},
		{`]`, "]\nwaits: {quiet: 30}"},
		{`]`, "]\nwaits: {quiet: soon}"},
		{`]`, "]\nwaivers: [{case: \"1.999\", reason: r, until: 2099-01-01}]"},
		{`]`, "]\nwaivers: [{case: \"1.1\", until: 2099-01-01}]"},
		{`]`, "]\nadvice: [{check: R-GET.1, reason: r}]"},
		{`]`, "]\nadvice: [{check: R-MSG.1}]"},
		{`]`, "]\ntls: {ca: x}"},
		{`]`, "]\ncollector: {http: -1}"},
		{`]`, "]\nfirmware: [{version: \"2\"}]"},
		{`]`, "]\nfirmware: [{url: \"https://h/x\"}]"},
		{`]`, "]\nfirmware: [{url: \"ftp://h/x\", version: \"2\"}]"},
		{`]`, "]\nfirmware: [{url: \"https://h/x\", version: \"2\", bank: 0}]"},
		{`]`, "]\nfileServer: {scheme: ftp}"},
		{`]`, "]\nextra: 1"},
	} {
		if !strings.Contains(shortFile, bad.old) {
			t.Fatalf("the file has no %q", bad.old)
		}
		text := strings.Replace(shortFile, bad.old, bad.new, 1)
		if err := judge(text); err == nil {
			t.Errorf("with %q for %q the schema lets it pass", bad.new, bad.old)
		}
		if _, err := Parse("lab.yaml", []byte(text), loadPlan(t), today()); err == nil {
			t.Errorf("with %q for %q the file is loaded", bad.new, bad.old)
		}
	}
	if err := judge(shortFile); err != nil {
		t.Errorf("a good file: %v", err)
	}
}

func TestTheReferenceIsUpToDate(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# DUT file reference

Every key of a DUT file and every variable of its templates. This page is generated from the table with which usptest reads the file;
[dut.schema.json](dut.schema.json) is the same for editors. [example.yaml](../fixtures/duts/example.yaml) uses all of them.

A key marked * is required. A value that is not allowed, or a key that does not exist, is reported with its line.
`)
	s := FileSchema(loadPlan(t))
	for _, k := range s.Keys {
		required := ""
		if k.Required {
			required = " Required."
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s%s\n", k.Name, k.Text, required)
		switch {
		case k.Name == "features":
			b.WriteString("\n| number | feature |\n|---|---|\n")
			for _, f := range k.Items.AnyOf {
				fmt.Fprintf(&b, "| %v | %s |\n", f.Const, f.Text)
			}
		case k.Keys == nil && k.Items == nil:
			fmt.Fprintf(&b, "\n%s.\n", strings.ToUpper(allowed(k.Schema)[:1])+allowed(k.Schema)[1:])
		default:
			if k.Items != nil {
				b.WriteString("\nA list; each item has:\n")
			}
			b.WriteString("\n| key | value | is |\n|---|---|---|\n")
			rows(&b, "", k.Schema)
		}
	}
	b.WriteString("\n## Variables\n\nThe texts under `lab`, the files that `lab.launch.files` names and the `url` of a link are templates over these.\n\n| variable | value |\n|---|---|\n")
	for _, v := range Variables() {
		fmt.Fprintf(&b, "| `{{.%s}}` | %s |\n", v.Name, v.Text)
	}
	b.WriteString("| `{{env \"NAME\"}}`, `{{env \"NAME\" \"default\"}}` | an environment variable |\n")
	upToDate(t, "dut-file.md", []byte(b.String()))
}

// rows writes a line for every key of a mapping, or of a list's items, and of the mappings in it.
func rows(b *strings.Builder, under string, s Schema) {
	if s.Items != nil {
		s = *s.Items
	}
	for _, k := range s.Keys {
		fmt.Fprintf(b, "| `%s`%s | %s | %s |\n", under+k.Name, star(k), strings.ReplaceAll(allowed(k.Schema), "|", `\|`), k.Text)
		if k.Keys != nil {
			rows(b, under+k.Name+".", k.Schema)
		}
	}
}

// star marks a required key.
func star(k Key) string {
	if k.Required {
		return " *"
	}
	return ""
}

// allowed says what a value may be, in a few words.
func allowed(s Schema) string {
	var text string
	switch {
	case len(s.Enum) > 20:
		text = "text"
	case s.Enum != nil:
		text = "`" + strings.Join(s.Enum, "`, `") + "`"
	case s.Minimum != nil:
		text = fmt.Sprintf("%d to %d", *s.Minimum, *s.Maximum)
	case s.Type == "boolean":
		text = "`true`, `false`"
	case s.AnyOf != nil:
		text = allowed(s.AnyOf[0]) + " or `{exec: [COMMAND, ARGUMENT…]}`"
	case s.Items != nil:
		text = "a list of texts"
	case s.Values != nil:
		text = "texts by name"
	case s.Keys != nil:
		text = "a mapping"
	case strings.Contains(s.Pattern, "ms|s|m|h"):
		text = "a duration such as 500ms, 30s or 2m"
	default:
		text = "text"
	}
	if s.Default != nil {
		text += fmt.Sprintf("; default `%v`", s.Default)
	}
	return text
}

func TestVariablesAreAllTold(t *testing.T) {
	var told []string
	for _, v := range Variables() {
		told = append(told, v.Name)
	}
	if got, want := fmt.Sprint(told), fmt.Sprint(varNames()); got != want {
		t.Errorf("variables: want %s, got %s", want, got)
	}
}
