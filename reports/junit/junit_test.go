package junit

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/usptest/usptest/fixtures/runs"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

var update = flag.Bool("update", false, "write the golden files anew")

func render(t *testing.T, run *result.Run) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Render(&b, run, runs.Plan()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRender(t *testing.T) {
	got := render(t, runs.Example())
	path := filepath.Join("testdata", "example.xml")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; run with -update and look at the diff. got:\n%s", path, got)
	}
}

// report is JUnit XML as a pipeline reads it: written from the schema of Jenkins, not from the renderer.
type report struct {
	XMLName xml.Name `xml:"testsuites"`
	Tests   int      `xml:"tests,attr"`
	Suites  []struct {
		Name     string `xml:"name,attr"`
		Tests    int    `xml:"tests,attr"`
		Failures int    `xml:"failures,attr"`
		Errors   int    `xml:"errors,attr"`
		Skipped  int    `xml:"skipped,attr"`
		Time     string `xml:"time,attr"`
		Cases    []struct {
			Class   string   `xml:"classname,attr"`
			Name    string   `xml:"name,attr"`
			Time    string   `xml:"time,attr"`
			Failure *outcome `xml:"failure"`
			Error   *outcome `xml:"error"`
			Skipped *outcome `xml:"skipped"`
			Out     string   `xml:"system-out"`
		} `xml:"testcase"`
		Err string `xml:"system-err"`
	} `xml:"testsuite"`
}

type outcome struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

func parse(t *testing.T, data []byte) report {
	t.Helper()
	var r report
	if err := xml.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestReadBack compares what a pipeline reads with the run.
func TestReadBack(t *testing.T) {
	run := runs.Example()
	r := parse(t, render(t, run))
	if len(r.Suites) != len(run.Links) {
		t.Fatalf("want %d suites, got %d", len(run.Links), len(r.Suites))
	}
	timeForm := regexp.MustCompile(`^[0-9]{1,3}\.[0-9]{3}$`)
	for i, l := range run.Links {
		s := r.Suites[i]
		var failures, faults, skipped int
		for k, c := range l.Cases {
			got := s.Cases[k]
			if want := "TP-469." + l.Link + "." + strings.Split(c.ID, ".")[0]; got.Class != want || got.Name != c.ID+" "+c.Title {
				t.Errorf("want %s, %s, got %s, %s", want, c.ID, got.Class, got.Name)
			}
			if !timeForm.MatchString(got.Time) {
				t.Errorf("%s: time %q", c.ID, got.Time)
			}
			var o *outcome
			switch c.Verdict {
			case result.Pass:
				if got.Failure != nil || got.Error != nil || got.Skipped != nil {
					t.Errorf("%s passed, and is not shown so", c.ID)
				}
			case result.Fail:
				o, failures = got.Failure, failures+1
			case result.Error, result.Aborted:
				o, faults = got.Error, faults+1
			default:
				o, skipped = got.Skipped, skipped+1
			}
			if c.Verdict != result.Pass && (o == nil || o.Message != c.Reason || o.Type != string(c.Verdict)) {
				t.Errorf("%s over %s: want %s with %q, got %+v", c.ID, l.Link, c.Verdict, c.Reason, o)
			}
			if n := strings.Count(got.Out, "metric "); n != len(c.Metrics) {
				t.Errorf("%s over %s: %d of %d metrics to be seen", c.ID, l.Link, n, len(c.Metrics))
			}
		}
		if s.Tests != len(l.Cases) || s.Failures != failures || s.Errors != faults || s.Skipped != skipped {
			t.Errorf("%s: want %d tests, %d failures, %d errors, %d skipped, got %d, %d, %d, %d", l.Link, len(l.Cases), failures, faults, skipped,
				s.Tests, s.Failures, s.Errors, s.Skipped)
		}
	}
	if text := r.Suites[0].Cases[0].Failure.Text; !strings.Contains(text, `want "true", got "false"`) || !strings.Contains(text, "R-ADD.3") || !strings.Contains(text, "again: usptest run") {
		t.Errorf("the failure says too little: %s", text)
	}
}

// TestHostile looks for what XML forbids, for markup that came through, and for values without end.
func TestHostile(t *testing.T) {
	const size = 1 << 20
	data := render(t, runs.Hostile(size))
	r := parse(t, data)
	if len(data) > 128<<10 {
		t.Errorf("values of %d bytes made a file of %d", size, len(data))
	}
	if got := result.Visible(string(data)); got != string(data) {
		t.Error("there is something in the file that is not plain text")
	}
	allowed := []string{"testsuites", "testsuite", "properties", "property", "testcase", "failure", "error", "skipped", "system-out", "system-err"}
	d := xml.NewDecoder(bytes.NewReader(data))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && !slices.Contains(allowed, e.Name.Local) {
			t.Errorf("an element of the device's own: <%s>", e.Name.Local)
		}
	}
	text := r.Suites[0].Cases[0].Failure.Text
	for _, trap := range runs.Traps {
		if !strings.Contains(text, result.Visible(trap)) {
			t.Errorf("%q is not shown", trap)
		}
	}
}

// TestTroubleIsNeverGreen is a link that ended before its first case.
func TestTroubleIsNeverGreen(t *testing.T) {
	run := &result.Run{Links: []result.Link{{Link: "mqtt5", Trouble: "worker died", DeviceLog: []string{"segfault"}}}}
	s := parse(t, render(t, run)).Suites[0]
	if s.Errors != 1 || s.Cases[0].Error.Message != "worker died" || !strings.Contains(s.Err, "segfault") {
		t.Errorf("got %+v", s)
	}
}

// TestSchema holds the file against the schema that USPTEST_JUNIT_XSD names, with xmllint.
func TestSchema(t *testing.T) {
	xsd := os.Getenv("USPTEST_JUNIT_XSD")
	if xsd == "" {
		t.Skip("NOT CHECKED against a schema: set USPTEST_JUNIT_XSD to junit-10.xsd of Jenkins' xunit plugin")
	}
	for name, run := range map[string]*result.Run{"example": runs.Example(), "hostile": runs.Hostile(1 << 10), "empty": {Plan: result.Plan{ID: "TP-469"}}} {
		path := filepath.Join(t.TempDir(), name+".xml")
		if err := os.WriteFile(path, render(t, run), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("xmllint", "--noout", "--schema", xsd, path).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// TestNoTexts renders with a plan that has no words for any case.
func TestNoTexts(t *testing.T) {
	var b bytes.Buffer
	if err := Render(&b, runs.Example(), &plan.Plan{}); err != nil {
		t.Fatal(err)
	}
	parse(t, b.Bytes())
}
