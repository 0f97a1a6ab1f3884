package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/usptest/usptest/fixtures/reference"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/lab"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/runner"
	"github.com/usptest/usptest/reports/console"
	"github.com/usptest/usptest/suites"
)

// runFlags are the flags of "usptest run".
type runFlags struct {
	dut      string
	links    []string
	selects  string
	profiles []string
	features []int
	out      string
	junit    string
	baseline string
	failed   string
	shard    string
	defects  []string
	// instances is 0 when the user left the number to the tool
	instances      int
	quiet, verbose bool
	strict         bool
	repeat         int
	atOnce         <-chan struct{} // closed by the second Ctrl-C
}

func runCommand(atOnce <-chan struct{}) *cobra.Command {
	f := runFlags{atOnce: atOnce}
	cmd := &cobra.Command{
		Use:   "run [SELECTOR...]",
		Short: "Run cases against a device and write the reports",
		Long: `run carries out the cases that the selectors name (an id, a glob such as '1.*', or the number of a chapter; none
means all) and writes run.json, junit.xml, report.html and one journal for each case into the output folder: a new one below usptest-runs, where latest is the newest, or that of --out.
Nothing is overwritten.

Without --dut it launches the reference agent that is built into usptest, over mqtt5, mqtt3, stomp, websocket
and mqtt5+tls, with every protocol interval divided so that the run takes seconds.`,
		Example: `  usptest run
  usptest run --dut lab.yaml --link mqtt5 --link stomp+tls
  usptest run --dut lab.yaml --select 'section:1 && !needs:reboot'
  usptest run --dut lab.yaml --profile mandatory --out results
  usptest run --dut lab.yaml --baseline known.json   # fail on what is new alone
  usptest run --dut lab.yaml --failed before/run.json  # only what failed or could not be judged
  usptest run --dut lab.yaml --repeat 5 1.52   # is it flaky?
  usptest run --dut lab.yaml --shard 2/4 --out part2   # on the second of four machines
  usptest run --defect add-response-without-id-key 1.1   # see what a failure looks like`,
		RunE: func(cmd *cobra.Command, selectors []string) error { return f.run(cmd, selectors) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.dut, "dut", "", "DUT `file` that describes the device (default: the reference agent)")
	flags.StringArrayVar(&f.links, "link", nil, "run over this `link` only: mqtt5, mqtt3, stomp or websocket, each with or without +tls; repeatable")
	flags.StringVar(&f.selects, "select", "", "label `expression`, such as 'section:1 && !needs:reboot'")
	flags.StringArrayVar(&f.profiles, "profile", nil, "cases of this `profile`, such as mandatory or Reboot:1; repeatable")
	flags.IntSliceVar(&f.features, "feature", nil, "cases of this feature `number`; repeatable")
	flags.StringVar(&f.out, "out", "", "output `folder`, which must not hold a run (default: a new one below usptest-runs)")
	flags.StringVar(&f.junit, "junit", "", "write the JUnit `file` here as well")
	flags.StringVar(&f.baseline, "baseline", "", "run.json `file` whose failures are known: new ones fail the run, and so do known ones that pass now")
	flags.StringVar(&f.failed, "failed", "", "carry out only what failed or could not be judged in this run: its run.json `file` or its folder")
	flags.StringVar(&f.shard, "shard", "", "carry out the part `I/N` of the run, to spread it over N machines; usptest merge joins the parts")
	flags.IntVar(&f.instances, "instances", 0, "how many devices to run at once, when usptest launches them (default: one for each link, of the reference agent three)")
	flags.StringArrayVar(&f.defects, "defect", nil, "break the reference agent in this `way`; repeatable; see usptest agent --list-defects")
	flags.IntVar(&f.repeat, "repeat", 1, "carry out each case `N` times, 1 to 100; a case whose rounds differ is flaky, which fails the run")
	flags.BoolVar(&f.strict, "strict-plan", false, "judge by the letter of the plan where it contradicts itself or the standard; see usptest show")
	flags.BoolVar(&f.quiet, "quiet", false, "print failures and the summary only")
	flags.BoolVar(&f.verbose, "verbose", false, "print every case, also those that pass or are not run")
	cmd.MarkFlagsMutuallyExclusive("quiet", "verbose")
	cmd.MarkFlagsMutuallyExclusive("dut", "defect")
	must(cmd.MarkFlagFilename("baseline", "json"))
	must(cmd.MarkFlagFilename("failed", "json"))
	must(cmd.RegisterFlagCompletionFunc("link", cobra.FixedCompletions(linkNames(), cobra.ShellCompDirectiveNoFileComp)))
	must(cmd.RegisterFlagCompletionFunc("profile", completeProfiles))
	must(cmd.RegisterFlagCompletionFunc("defect", completeDefects))
	cmd.ValidArgsFunction = completeCases
	return cmd
}

// maxRepeat bounds --repeat: the events of all rounds of a case are kept until it ends.
const maxRepeat = 100

// must is for what can only fail when this program is wrong.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func (f *runFlags) run(cmd *cobra.Command, selectors []string) error {
	p, err := plan.Load()
	if err != nil {
		return err
	}
	o := runner.Options{
		Plan: p, Bodies: suites.Bodies(), Selectors: selectors, Scale: 1, Defects: f.defects, StrictPlan: f.strict,
		Tool: result.Tool{Name: "usptest", Version: version()}, Again: append([]string{"usptest"}, withoutOut(os.Args[1:])...), AgainCase: f.againCase(),
	}
	if err := f.device(&o); err != nil {
		return err
	}
	if err := f.loadFailed(&o); err != nil {
		return err
	}
	if o.Links, err = f.chosenLinks(o.DUT, o.Reference); err != nil {
		return err
	}
	if o.Failed != nil && len(f.links) == 0 {
		open := o.Failed.OpenLinks()
		o.Links = slices.DeleteFunc(slices.Clone(o.Links), func(link string) bool { return !slices.Contains(open, link) })
		if len(o.Links) == 0 {
			return fmt.Errorf("--failed: the links of %s with failures (%s) are not those of this device", o.FailedOf, strings.Join(open, ", "))
		}
	}
	if o.Filters, err = f.filters(p); err != nil {
		return err
	}
	if o.Shard, err = parseShard(f.shard); err != nil {
		return err
	}
	if o.Instances = f.instances; o.Instances <= 0 {
		o.Instances = 1
		if o.DUT.Lab.Launch != nil {
			o.Instances = len(o.Links)
		}
		if o.Reference {
			o.Instances *= reference.Instances
		}
	}
	if f.repeat < 1 || f.repeat > maxRepeat {
		return fmt.Errorf("--repeat %d: want 1 to %d", f.repeat, maxRepeat)
	}
	if f.repeat > 1 {
		o.Repeat = f.repeat
	}
	if f.baseline != "" {
		device := result.Device{Vendor: o.DUT.Device.Vendor, Model: o.DUT.Device.Model, Reference: o.Reference}
		if o.Baseline, err = loadBaseline(f.baseline, p, device); err != nil {
			return err
		}
	}
	if f.junit != "" {
		if err := mayReplace(f.junit, formatJUnit); err != nil {
			return fmt.Errorf("--junit: %w", err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	o.Worker = []string{self, "worker"}
	folder, err := f.folder()
	if err != nil {
		return err
	}
	defer folder.release()
	o.Out = folder.dir
	view := console.Detect(os.Stdout, os.Getenv)
	view.Quiet, view.Verbose, view.Report = f.quiet, f.verbose, filepath.Join(o.Out, reportFile)
	progress := console.New(cmd.OutOrStdout(), p, view)
	o.Progress = watcher{progress, o.Links}
	if term.IsTerminal(int(os.Stdin.Fd())) {
		o.Ask = lab.Console(os.Stdin, cmd.OutOrStdout())
	}
	o.AtOnce = f.atOnce
	over := context.AfterFunc(cmd.Context(), func() {
		progress.Note("interrupted: the device is put back as it was; interrupt again to end at once")
	})
	run, err := runner.Run(cmd.Context(), o)
	over()
	progress.Stop()
	select {
	case <-f.atOnce:
		return &exitError{result.ExitInterrupted, fmt.Errorf("ended at once: the device was not put back; %s has what was finished", filepath.Join(o.Out, casesFile))}
	default:
	}
	if run == nil {
		return err
	}
	if f.out == "" {
		folder.latest()
	}
	files, writeErr := writeReports(o.Out, f.junit, run, p)
	code := run.ExitCode()
	if cmd.Context().Err() != nil {
		code = result.ExitInterrupted
	}
	if err = errors.Join(err, writeErr); err != nil && code == result.ExitPassed {
		code = result.ExitError
	}
	progress.Done(run, code, files)
	if code == result.ExitPassed {
		return nil
	}
	return &exitError{code, err}
}

// loadFailed reads the run of --failed. One of another device is refused, and so is one in which nothing failed.
func (f *runFlags) loadFailed(o *runner.Options) error {
	if f.failed == "" {
		return nil
	}
	path := runPath(f.failed)
	run, err := loadRun(path)
	if err != nil {
		return fmt.Errorf("--failed: %w", err)
	}
	device := result.Device{Vendor: o.DUT.Device.Vendor, Model: o.DUT.Device.Model, Reference: o.Reference}
	if err := sameDevice("--failed", path, run, device); err != nil {
		return err
	}
	if len(run.OpenLinks()) == 0 {
		return fmt.Errorf("--failed: in %s no case failed and none could not be judged; there is nothing to repeat", path)
	}
	o.Failed, o.FailedOf = run, path
	return nil
}

// folder is the one of --out, or a new one.
func (f *runFlags) folder() (*folder, error) {
	if f.out == "" {
		return newFolder(time.Now())
	}
	return takeFolder(f.out)
}

// withoutOut are the words of a command line less --out: who repeats a run does not want it in the folder that is there.
func withoutOut(words []string) []string {
	var kept []string
	for i, w := range words {
		if value := i > 0 && words[i-1] == "--out"; !value && w != "--out" && !strings.HasPrefix(w, "--out=") {
			kept = append(kept, w)
		}
	}
	return kept
}

// parseShard reads --shard; nil is the whole run.
func parseShard(text string) (*result.Shard, error) {
	if text == "" {
		return nil, nil
	}
	index, of, ok := strings.Cut(text, "/")
	i, errI := strconv.Atoi(index)
	n, errN := strconv.Atoi(of)
	if !ok || errI != nil || errN != nil || i < 1 || i > n {
		return nil, fmt.Errorf("--shard %q: want I/N with I from 1 to N, such as 2/4", text)
	}
	return &result.Shard{Index: i, Of: n}, nil
}

// watcher shows a run on the console.
type watcher struct {
	*console.Progress
	links []string
}

func (w watcher) Start(run *result.Run, cases [][]string) {
	var totals []console.Total
	for i, l := range w.links {
		totals = append(totals, console.Total{Link: l, Cases: cases[i]})
	}
	w.Progress.Start(run, totals)
}

func (w watcher) Note(link, text string) { w.Progress.Note(link + ": " + text) }

// device loads the DUT file, or makes that of the reference agent.
func (f *runFlags) device(o *runner.Options) error {
	if f.dut != "" {
		file, err := loadDUT(f.dut, o.Plan)
		o.DUT = file
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	file, err := reference.File(self, version(), f.defects)
	o.DUT, o.Reference, o.Scale = file, true, reference.Scale
	return err
}

// chosenLinks are the links of --link, or else those of the DUT file.
func (f *runFlags) chosenLinks(d *dut.File, isReference bool) ([]string, error) {
	if len(f.links) == 0 {
		if isReference {
			return reference.Links(), nil
		}
		return d.LinkNames(), nil
	}
	var chosen []string
	for _, name := range f.links {
		if _, ok := d.Link(name); !ok {
			return nil, fmt.Errorf("--link %q: the device has no such link; it has %s", name, strings.Join(d.LinkNames(), ", "))
		}
		if !slices.Contains(chosen, name) {
			chosen = append(chosen, name)
		}
	}
	return chosen, nil
}

// filters are --select, the profiles (any of them) and the features (any of them).
func (f *runFlags) filters(p *plan.Plan) ([]plan.Filter, error) {
	var out []plan.Filter
	add := func(name, expression string) error {
		match, err := runner.ParseFilter(expression)
		if err != nil {
			return fmt.Errorf("%s: malformed label expression: %w", name, err)
		}
		out = append(out, plan.Filter{Name: name, Match: match})
		return nil
	}
	if f.selects != "" {
		name := fmt.Sprintf("--select %q", f.selects)
		if err := add(name, f.selects); err != nil {
			return nil, err
		}
		if err := p.CheckLabels(f.selects); err != nil {
			return nil, fmt.Errorf("--select: %w", err)
		}
	}
	var anyProfile []string
	for _, name := range f.profiles {
		profile, err := p.Profile(name)
		if err != nil {
			return nil, err
		}
		anyProfile = append(anyProfile, "("+profile.Select+")")
	}
	var numbers, anyFeature []string
	for _, number := range f.features {
		if _, ok := p.Feature(number); !ok {
			return nil, fmt.Errorf("--feature %d: the plan has features 1 to %d", number, len(p.Features))
		}
		numbers = append(numbers, strconv.Itoa(number))
		anyFeature = append(anyFeature, "feature:"+strconv.Itoa(number))
	}
	for _, group := range []struct {
		flag string
		any  []string
	}{{"--profile " + strings.Join(f.profiles, ", "), anyProfile}, {"--feature " + strings.Join(numbers, ", "), anyFeature}} {
		if len(group.any) > 0 {
			if err := add(group.flag, strings.Join(group.any, " || ")); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// againCase is the command line that repeats any one case: the user's own, less selectors and filters.
func (f *runFlags) againCase() []string {
	words := []string{"usptest", "run"}
	if f.dut != "" {
		words = append(words, "--dut", f.dut)
	}
	if len(f.links) == 1 { // several are told case by case
		words = append(words, "--link", f.links[0])
	}
	for _, d := range f.defects {
		words = append(words, "--defect", d)
	}
	if f.strict {
		words = append(words, "--strict-plan")
	}
	if f.repeat > 1 {
		words = append(words, "--repeat", strconv.Itoa(f.repeat))
	}
	return words
}
