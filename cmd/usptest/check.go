package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/runner"
	"github.com/usptest/usptest/reports/pcap"
)

// loadDUT reads a DUT file. Its error names every problem with line, key, value and remedy.
func loadDUT(path string, p *plan.Plan) (*dut.File, error) { return dut.Load(path, p, time.Now()) }

func checkCommand() *cobra.Command {
	var file, out string
	var links []string
	cmd := &cobra.Command{
		Use:   "check --dut FILE",
		Short: "Validate a DUT file and try the first contact over every link",
		Long: `check reads the DUT file and names every problem in it; then it listens on every link, launches the device if the
file says how, waits for it, asks for its identity and compares the features and elements of the file with its supported data model.
Nothing on the device is changed. Every problem is reported with its remedy.

Exit codes: 0 ready; 1 the device breaks a rule; 2 the file does not fit the device or this computer; 3 no contact, or a
lab that cannot do its part.`,
		Example: "  usptest check --dut lab.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := plan.Load()
			if err != nil {
				return err
			}
			d, err := loadDUT(file, p)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: no problems\n", file)
			chosen := selection{links: links}
			names, err := chosen.chosenLinks(d, false)
			if err != nil {
				return err
			}
			code := result.ExitPassed
			for _, missing := range d.MissingPrograms() {
				code = result.ExitError
				fmt.Fprintln(cmd.OutOrStdout(), result.VisibleLine(missing.Error()))
			}
			taken := runner.Listenable(d, names)
			for _, err := range taken {
				code = result.ExitError
				fmt.Fprintln(cmd.OutOrStdout(), result.VisibleLine(err.Error()))
			}
			if len(taken) > 0 {
				return &exitError{code, nil}
			}
			said := map[string]bool{}
			for _, name := range names {
				l, _ := d.Link(name)
				if err := d.WrongNames(l); err != nil {
					code = max(code, result.ExitUsage)
					fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", name, result.VisibleLine(err.Error()))
				}
				found, err := runner.Preflight(cmd.Context(), p, d, name, out)
				if errors.Is(err, cmd.Context().Err()) && cmd.Context().Err() != nil {
					return &exitError{result.ExitInterrupted, nil}
				}
				code = worse(code, tell(cmd.OutOrStdout(), said, d, name, found, err))
				if found.Journal != "" {
					if err := keepContact(cmd.OutOrStdout(), out, name, found); err != nil {
						return err
					}
				}
			}
			if code != result.ExitPassed {
				return &exitError{code, nil}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "ready; next: usptest run --dut %s\n", file)
			return nil
		},
	}
	cmd.Flags().StringVar(&file, "dut", "", "DUT `file` that describes the device")
	cmd.Flags().StringVar(&out, "out", defaultCheckOut, "`folder` for journal and capture of a contact that failed")
	cmd.Flags().StringArrayVar(&links, "link", nil, "try this `link` only; repeatable")
	must(cmd.MarkFlagRequired("dut"))
	return cmd
}

const defaultCheckOut = "usptest-check"

// keepContact makes a capture beside the journal of a contact that failed, and says where both are.
func keepContact(w io.Writer, dir, link string, found runner.Found) error {
	capture := filepath.Join(dir, captureDir, link, runner.ContactID+".pcapng")
	if err := os.MkdirAll(filepath.Dir(capture), 0o755); err != nil {
		return fmt.Errorf("--out: %w; choose a folder that can be written", err)
	}
	err := writeFile(capture, func(to io.Writer) error {
		return pcap.Render(to, link, found.Began, result.WholeJournal(dir, found.Journal))
	})
	if err == nil {
		fmt.Fprintf(w, "%s: what was seen is in %s and %s\n", link, filepath.Join(dir, filepath.FromSlash(found.Journal)), capture)
	}
	return err
}

// worse is the exit code of two links together: as of a run, a fault of the device comes before everything else.
func worse(a, b int) int {
	if a == result.ExitDeviceFault || b == result.ExitDeviceFault {
		return result.ExitDeviceFault
	}
	return max(a, b)
}

// tell writes the result of the first contact over a link and returns the exit code for it. What it says of the device's identity and
// features, whatever the link, is kept in said and written once.
func tell(w io.Writer, said map[string]bool, file *dut.File, link string, found runner.Found, err error) int {
	say := func(text string) { fmt.Fprintf(w, "%s: %s\n", link, result.VisibleLine(text)) }
	once := func(text string) {
		if !said[text] {
			said[text] = true
			say(text)
		}
	}
	var wrong *dut.Problems
	if err != nil && !errors.As(err, &wrong) {
		for line := range strings.Lines(err.Error()) { // the device's last lines may follow
			say(strings.TrimSuffix(line, "\n"))
		}
		if runner.DeviceFault(err) {
			return result.ExitDeviceFault
		}
		return result.ExitError
	}
	d := found.Device
	say(fmt.Sprintf("contact with %s (%s %s, software %q)", d.Endpoint, d.Vendor, d.Model, d.Software))
	described := result.Device{Vendor: file.Device.Vendor, Model: file.Device.Model, Software: file.Device.Software, Says: d.Says}
	for _, m := range described.Mismatches() {
		once(m.Mismatch() + "; correct device in the DUT file, or a run is partial at best")
	}
	if len(found.Beside) > 0 {
		say(fmt.Sprintf("the device is connected over %s at the same time; a Notify may come over either", strings.Join(found.Beside, " and ")))
	}
	if found.Blind != "" {
		say(found.Blind + "; features and elements of the DUT file could not be checked")
	}
	for _, f := range found.Features {
		if differs := f.Disagreement(); differs != "" {
			remedy := fmt.Sprintf("add %d to features", f.Number)
			if f.Declared {
				remedy = fmt.Sprintf("remove %d from features, or fix the device", f.Number)
			}
			once(fmt.Sprintf("feature %d (%s): %s; %s", f.Number, f.Name, differs, remedy))
		}
	}
	for _, broken := range found.Broken {
		say("the device is at fault: " + broken + "; the first case of a run fails")
	}
	if wrong != nil {
		for _, p := range wrong.List {
			say(p.String())
		}
		return result.ExitUsage
	}
	if len(found.Broken) > 0 {
		return result.ExitDeviceFault
	}
	return result.ExitPassed
}
