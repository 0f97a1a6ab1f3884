package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/usptest/usptest/fixtures/reference"
	"github.com/usptest/usptest/harness/lab"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/runner"
	"github.com/usptest/usptest/reports/console"
	"github.com/usptest/usptest/suites"
)

// runFlags are the flags of "usptest run".
type runFlags struct {
	selection
	out      string
	junit    string
	baseline string
	failed   string
	resume   string
	shard    string
	defects  []string
	// instances is 0 when the user left the number to the tool
	instances      int
	quiet, verbose bool
	strict, dry    bool
	adviceFails    bool
	limited        bool
	repeat         int
	timeout        time.Duration
	atOnce         <-chan struct{} // closed by the second Ctrl-C
}

func runCommand(atOnce <-chan struct{}) *cobra.Command {
	f := runFlags{atOnce: atOnce}
	cmd := &cobra.Command{
		Use:   "run [SELECTOR...]",
		Short: "Run cases against a device and write the reports",
		Long: `run runs the cases that the selectors name (an id, a glob such as '1.*', or the number of a chapter; none means
all) and writes run.json, junit.xml, report.html and one journal for each case into the output folder: that of
--out, or a new one below usptest-runs, where the link latest leads to the newest. Nothing is overwritten.

Without --dut it launches the built-in reference agent, over mqtt5, mqtt3, stomp, websocket
and mqtt5+tls, with every protocol interval divided so that the run does not take long; with --link uds, over a
Unix domain socket. A run without selectors adds a sample of chapter 1 within session contexts; --session runs
the whole chapter that way.`,
		Example: `  usptest run
  usptest run --dut lab.yaml --link mqtt5 --link stomp+tls
  usptest run --dut lab.yaml --select 'section:1 && !needs:reboot'
  usptest run --dut lab.yaml --profile mandatory --out results
  usptest run --dut lab.yaml --profile tp469   # without the checks beyond the plan
  usptest run --dut lab.yaml --baseline known.json   # fail only on new failures
  usptest run --dut lab.yaml --failed before/run.json  # only what failed or could not be judged
  usptest run --resume usptest-runs/latest   # the rest of a run that was cut off
  usptest run --dut lab.yaml --timeout 45m   # then the rest is aborted; --resume continues with it
  usptest run --dut lab.yaml --dry-run       # what would run, what would not and why, and how long it takes
  usptest run --dut lab.yaml --repeat 5 1.52   # is it flaky?
  usptest run --dut lab.yaml --shard 2/4 --out part2   # on the second of four machines
  usptest run --defect add-response-without-id-key 1.1   # see what a failure looks like`,
		RunE: func(cmd *cobra.Command, selectors []string) error {
			if f.resume != "" {
				return f.goOn(cmd, selectors)
			}
			return f.run(cmd, selectors, nil, nil)
		},
	}
	f.define(cmd.Flags())
	cmd.MarkFlagsMutuallyExclusive("quiet", "verbose")
	cmd.MarkFlagsMutuallyExclusive("dut", "defect")
	must(cmd.MarkFlagFilename("baseline", "json"))
	must(cmd.MarkFlagFilename("failed", "json"))
	must(cmd.MarkFlagDirname("resume"))
	must(cmd.RegisterFlagCompletionFunc("defect", completeDefects))
	completeSelection(cmd)
	return cmd
}

// define makes the flags of "usptest run".
func (f *runFlags) define(flags *pflag.FlagSet) {
	f.selection.define(flags, "DUT `file` that describes the device (default: the reference agent)")
	flags.StringVar(&f.out, "out", "", "output `folder`, which must not hold a run (default: a new one below usptest-runs)")
	flags.StringVar(&f.junit, "junit", "", "write the JUnit `file` here as well")
	flags.StringVar(&f.baseline, "baseline", "", "run.json `file` whose failures are known: new ones fail the run, and so do known ones that pass now")
	flags.StringVar(&f.failed, "failed", "", "carry out only what failed or could not be judged in this run: its run.json `file` or its folder")
	flags.StringVar(&f.resume, "resume", "", "continue the run in this `folder`, which was interrupted or killed, with its own settings")
	flags.StringVar(&f.shard, "shard", "", "carry out the part `I/N` of the run, to spread it over N machines; usptest merge joins the parts")
	flags.IntVar(&f.instances, "instances", 0,
		"how many devices to run at once, when usptest launches them (default: one for each link, nine with the reference agent)")
	flags.StringArrayVar(&f.defects, "defect", nil, "break the reference agent in this `way`; repeatable; see usptest agent --list-defects")
	flags.IntVar(&f.repeat, "repeat", 1, "carry out each case `N` times, 1 to 100; a case whose rounds differ is flaky, which fails the run")
	flags.DurationVar(&f.timeout, "timeout", 0, "end the run after this `duration`, such as 45m; what was judged is kept (default: no limit)")
	flags.BoolVar(&f.strict, "strict-plan", false, "judge by the letter of the plan where it contradicts itself or the standard; see usptest show")
	flags.BoolVar(&f.dry, "dry-run", false, "print what would run, what would not and why, and about how long it takes; run nothing")
	flags.BoolVar(&f.adviceFails, "advice-fails", false, "let the run fail when a check beyond the plan gives advice, or a device floods usptest")
	flags.BoolVar(&f.limited, limitedFlag, false,
		"make report.html a limited report: only the failed cases and their evidence; see docs/plan-terms.md")
	flags.BoolVar(&f.quiet, "quiet", false, "print failures and the summary only")
	flags.BoolVar(&f.verbose, "verbose", false, "print every case, including those that pass or are not run")
}

// limitedFlag has a run, or usptest report, write a limited report.
const limitedFlag = "limited"

// maxRepeat bounds --repeat: the events of all rounds of a case are kept until it ends.
const maxRepeat = 100

// must is for what can only fail when this program is wrong.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// run carries out a run, or the rest of resumed in its folder.
func (f *runFlags) run(cmd *cobra.Command, selectors []string, resumed *result.Run, folder *folder) error {
	p, err := plan.Load()
	if err != nil {
		return err
	}
	o, err := f.options(p, selectors, resumed)
	if err != nil {
		return err
	}
	view := console.Detect(os.Stdout, os.Getenv)
	view.Quiet, view.Verbose = f.quiet, f.verbose
	if f.dry {
		forecast, err := runner.Foresee(o)
		if err != nil {
			return err
		}
		return console.Forecast(cmd.OutOrStdout(), forecast, view)
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
	if folder == nil {
		if folder, err = f.folder(); err != nil {
			return err
		}
		defer folder.release()
	}
	o.Out = folder.dir
	if resumed != nil {
		err := folder.awaitWorkers(cmd.Context(), runner.Grace(o.DUT), func() {
			fmt.Fprintln(cmd.ErrOrStderr(),
				"usptest: a worker of the killed run is still restoring its device; waiting until it has finished")
		})
		switch {
		case cmd.Context().Err() != nil:
			return &exitError{result.ExitInterrupted, nil}
		case err != nil:
			return fmt.Errorf("--resume: %w", err)
		}
	}
	view.Report = filepath.Join(o.Out, reportFile)
	progress := console.New(cmd.OutOrStdout(), p, view)
	o.Progress = watcher{progress, o.Links, folder}
	if term.IsTerminal(int(os.Stdin.Fd())) {
		o.Ask = lab.Console(os.Stdin, progress.Ask)
	}
	o.AtOnce = f.atOnce
	ctx, cancel := f.limit(cmd.Context())
	defer cancel()
	over := context.AfterFunc(ctx, func() {
		if cmd.Context().Err() != nil {
			progress.Note("interrupted: restoring the device; interrupt again to end at once")
			return
		}
		progress.Note(fmt.Sprintf("%v: restoring the device; interrupt twice to end at once", context.Cause(ctx)))
	})
	run, err := runner.Run(ctx, o)
	over()
	progress.Stop()
	select {
	case <-f.atOnce:
		return &exitError{result.ExitInterrupted, fmt.Errorf("ended at once: the device was not restored; %s has what was finished", filepath.Join(o.Out, casesFile))}
	default:
	}
	if run == nil {
		return err
	}
	if filepath.Base(filepath.Dir(folder.dir)) == runsDir && exists(runsDir) {
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

// limit ends ctx when the time of --timeout is over.
func (f *runFlags) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	if f.timeout == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, f.timeout, fmt.Errorf("the run reached its --timeout of %s", f.timeout))
}

// options are those of a run, or of the rest of resumed.
func (f *runFlags) options(p *plan.Plan, selectors []string, resumed *result.Run) (o runner.Options, err error) {
	o = runner.Options{
		Plan: p, Bodies: suites.Bodies(), Selectors: selectors, Scale: 1, Defects: f.defects, StrictPlan: f.strict, AdviceFails: f.adviceFails,
		Tool:  result.Tool{Name: "usptest", Version: version()},
		Again: append([]string{"usptest"}, withoutOut(os.Args[1:])...), AgainCase: f.againCase(),
	}
	if resumed != nil {
		o.Resumed, o.Again = resumed, resumed.Again
	}
	if err = f.device(&o); err != nil {
		return o, err
	}
	if err = f.loadFailed(&o); err != nil {
		return o, err
	}
	if o.Links, err = f.chosenLinks(o.DUT, o.Reference); err != nil {
		return o, err
	}
	if o.Reference && o.Failed == nil && len(selectors) == 0 && f.isEmpty() {
		o.Sampled = reference.Sampled()
		o.Links = append(o.Links, slices.Sorted(maps.Keys(o.Sampled))...)
	}
	if o.Failed != nil && len(f.links) == 0 {
		open := o.Failed.OpenLinks()
		o.Links = slices.DeleteFunc(slices.Clone(o.Links), func(link string) bool { return !slices.Contains(open, link) })
		if len(o.Links) == 0 {
			return o, fmt.Errorf("--failed: the links of %s with failures (%s) are not those of this device", o.FailedOf, strings.Join(open, ", "))
		}
	}
	if o.Filters, err = f.filters(p); err != nil {
		return o, err
	}
	if o.Shard, err = parseShard(f.shard); err != nil {
		return o, err
	}
	if o.Instances = f.instances; o.Instances <= 0 {
		o.Instances = 1
		if !o.DUT.Together() {
			o.Instances = len(o.Links)
		}
		if o.Reference {
			o.Instances *= reference.Instances
		}
	}
	if f.timeout < 0 {
		return o, fmt.Errorf("--timeout %s: want a duration such as 45m", f.timeout)
	}
	if f.repeat < 1 || f.repeat > maxRepeat {
		return o, fmt.Errorf("--repeat %d: want 1 to %d", f.repeat, maxRepeat)
	}
	if f.repeat > 1 {
		o.Repeat = f.repeat
	}
	if f.baseline != "" {
		device := result.Device{Vendor: o.DUT.Device.Vendor, Model: o.DUT.Device.Model, Reference: o.Reference}
		if o.Baseline, err = loadBaseline(f.baseline, p, device); err != nil {
			return o, err
		}
	}
	return o, nil
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
		return fmt.Errorf("--failed: every case in %s was judged and none failed; there is nothing to repeat", path)
	}
	o.Failed, o.FailedOf = run, path
	return nil
}

// goOn carries out the rest of the run of --resume, by the command line that began it.
func (f *runFlags) goOn(cmd *cobra.Command, selectors []string) error {
	others := ""
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		if !slices.Contains([]string{"resume", "timeout", "dry-run", "quiet", "verbose"}, flag.Name) {
			others = "--" + flag.Name
		}
	})
	if others != "" || len(selectors) > 0 {
		return fmt.Errorf("--resume continues a run with its own settings; leave out %s", cmp.Or(others, strings.Join(selectors, " ")))
	}
	var held *folder
	if !f.dry {
		var err error
		if held, err = retakeFolder(f.resume); err != nil {
			return fmt.Errorf("--resume: %w", err)
		}
		defer held.release()
	}
	run, err := loadUnfinished(f.resume)
	if err != nil {
		return fmt.Errorf("--resume: %w", err)
	}
	begun, words, err := begunBy(run)
	if err != nil {
		return fmt.Errorf("--resume: %s %w", f.resume, err)
	}
	begun.atOnce = f.atOnce
	if cmd.Flags().Changed("timeout") {
		begun.timeout = f.timeout
	}
	begun.dry, begun.quiet, begun.verbose = f.dry, f.quiet, f.verbose
	return begun.run(cmd, words, run, held)
}

// begunBy are the flags and selectors of the command line by which a run was begun.
func begunBy(run *result.Run) (f runFlags, selectors []string, err error) {
	if len(run.Again) < 2 || run.Again[1] != "run" {
		return f, nil, errors.New("has no command line of the run; start a new run")
	}
	words := pflag.NewFlagSet("run", pflag.ContinueOnError)
	f.define(words)
	if err := words.Parse(run.Again[2:]); err != nil {
		return f, nil, fmt.Errorf("has another command line: %w; start a new run", err)
	}
	return f, words.Args(), nil
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
	links  []string
	folder *folder
}

func (w watcher) Start(run *result.Run, cases [][]string) {
	w.folder.unseal()
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

// againCase is the command line that repeats any one case: the user's own, less selectors and filters.
func (f *runFlags) againCase() []string {
	words := []string{"usptest", "run"}
	if f.dut != "" {
		words = append(words, "--dut", f.dut)
	}
	if len(f.links) == 1 { // several are reported case by case
		words = append(words, "--link", f.links[0])
	}
	if f.session != "" {
		words = append(words, "--session", f.session)
	}
	for _, d := range f.defects {
		words = append(words, "--defect", d)
	}
	if f.strict {
		words = append(words, "--strict-plan")
	}
	if f.adviceFails {
		words = append(words, "--advice-fails")
	}
	if f.repeat > 1 {
		words = append(words, "--repeat", strconv.Itoa(f.repeat))
	}
	return words
}
