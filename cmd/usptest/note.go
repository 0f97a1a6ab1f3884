package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
)

// note is a verdict by hand, as a person writes it down; manual.yaml is a list of them.
type note struct {
	Case       string `yaml:"case"`
	Link       string `yaml:"link,omitempty"` // empty where the case is open over one link alone
	Verdict    string `yaml:"verdict"`        // pass or fail
	Who        string `yaml:"who"`
	When       string `yaml:"when,omitempty"` // empty: today
	Why        string `yaml:"why"`
	Attachment string `yaml:"attachment,omitempty"` // relative to the file that names it
}

// What a note may have, in bytes.
const (
	maxNotes      = 1 << 20 // of manual.yaml
	maxNoteText   = 4 << 10
	maxAttachment = 16 << 20
)

func noteCommand() *cobra.Command {
	var n note
	var from string
	cmd := &cobra.Command{
		Use:   "note RUN CASE",
		Short: "Record a verdict by hand for a case that usptest did not judge",
		Long: `note adds to a finished run a person's verdict on a case that usptest could not judge: one that is not automated,
was left out, was aborted or ended in an error. The case becomes pass-by-hand or fail-by-hand. It never counts as a pass of usptest, and the
conclusion says so. A failure by hand makes the run not conformant.

With --from, a file has the verdicts of several cases:

  - case: "9.3"
    link: mqtt5             # only where the case is open over several links
    verdict: pass
    who: J. Doe, ACME laboratory
    when: 2026-03-02        # today, if it is missing
    why: our own server has the image; the capture shows all events
    attachment: 9.3.pcapng  # beside the file; at most 16 MiB

All reports and SHA256SUMS of the run are written again. Nothing is written if one of the verdicts is refused.`,
		Example: `  usptest note usptest-runs/latest 9.3 --verdict pass --who 'J. Doe' --why 'from our server' --attachment 9.3.pcapng
  usptest note usptest-runs/latest --from manual.yaml`,
		Args: cobra.RangeArgs(1, 2),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
			if len(args) == 0 {
				return completeRuns(cmd, args, word)
			}
			return completeCases(cmd, args, word)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				n.Case = args[1]
				return takeNotes(cmd, args[0], ".", []note{n})
			}
			if from == "" {
				return errors.New("name a case, or a file with --from")
			}
			notes, err := readNotes(from)
			if err != nil {
				return err
			}
			return takeNotes(cmd, args[0], filepath.Dir(from), notes)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&n.Verdict, "verdict", "", "`pass` or fail")
	flags.StringVar(&n.Who, "who", "", "`name` of the person who judged")
	flags.StringVar(&n.When, "when", "", "`date` on which the person judged, such as 2026-03-02 (default: today)")
	flags.StringVar(&n.Why, "why", "", "what was seen: a `text` of one or more lines")
	flags.StringVar(&n.Attachment, "attachment", "", "`file` with evidence, at most 16 MiB, which is copied into the run")
	flags.StringVar(&n.Link, "link", "", "the `link` over which the case was judged, where it is open over several")
	flags.StringVar(&from, "from", "", "YAML `file` with the verdicts of several cases")
	for _, one := range []string{"verdict", "who", "when", "why", "attachment", "link"} {
		cmd.MarkFlagsMutuallyExclusive("from", one)
	}
	must(cmd.MarkFlagFilename("from", "yaml", "yml"))
	must(cmd.RegisterFlagCompletionFunc("verdict", cobra.FixedCompletions([]string{"pass", "fail"}, cobra.ShellCompDirectiveNoFileComp)))
	must(cmd.RegisterFlagCompletionFunc("link", cobra.FixedCompletions(allLinkNames(), cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}

// readNotes reads a file with verdicts by hand. An unknown key is refused.
func readNotes(path string) (notes []note, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxNotes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	case len(data) > maxNotes:
		return nil, fmt.Errorf("%s: larger than %d KiB", path, maxNotes>>10)
	}
	if err := yaml.UnmarshalWithOptions(data, &notes, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("%s: %s", path, yaml.FormatError(err, false, false))
	}
	if len(notes) == 0 {
		return nil, fmt.Errorf("%s: it has no verdict", path)
	}
	return notes, nil
}

// takeNotes books verdicts by hand, whose attachments are named relative to beside, and writes the run again. Everything is checked before
// anything is written.
func takeNotes(cmd *cobra.Command, name, beside string, notes []note) error {
	p, err := plan.Load()
	if err != nil {
		return err
	}
	dir := runFolder(name)
	if !exists(filepath.Join(dir, runFile)) {
		return fmt.Errorf("%s has no %s; if the run was cut off, finish it with usptest run --resume first", dir, runFile)
	}
	folder, err := lockFolder(dir)
	if err != nil {
		return err
	}
	defer folder.release()
	run, err := loadEvidence(filepath.Join(dir, runFile))
	if err != nil {
		return err
	}
	var problems []error
	type booking struct {
		link string
		note
	}
	var bookings []booking
	for _, n := range notes {
		link, err := n.check(run, p, beside)
		if err != nil {
			problems = append(problems, fmt.Errorf("case %s: %w", cmp.Or(n.Case, "without an id"), err))
		}
		bookings = append(bookings, booking{link, n})
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	var judged []result.Logged
	for _, b := range bookings {
		h := result.ByHand{Verdict: result.PassByHand, Who: b.Who, When: cmp.Or(b.When, time.Now().Format(time.DateOnly)), Why: b.Why}
		if b.Verdict == "fail" {
			h.Verdict = result.FailByHand
		}
		if b.Attachment != "" {
			if h.Attachment, err = attach(dir, b.link, b.Case, inFolder(beside, b.Attachment)); err != nil {
				return err
			}
		}
		c := run.Judge(b.link, b.Case, h)
		judged = append(judged, result.Logged{Link: b.link, Case: &c})
		fmt.Fprintf(cmd.OutOrStdout(), "%s %s over %s: %s\n", h.Verdict, b.Case, b.link, result.VisibleLine(h.String()))
	}
	run.Conclude()
	if err := logNotes(filepath.Join(dir, casesFile), judged); err != nil {
		return err
	}
	os.Remove(filepath.Join(dir, sumsFile)) // of the run as it was; the new one is the last to be written
	if _, err = writeReports(dir, "", run, p); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", run.Conclusion.Value, result.VisibleLine(run.Conclusion.Reason))
	return nil
}

// inFolder is a file as it is named beside another.
func inFolder(folder, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(folder, name)
}

// check finds the link for which a verdict counts. The error says what is wrong with the verdict.
func (n note) check(run *result.Run, p *plan.Plan, beside string) (link string, err error) {
	if _, ok := p.Case(n.Case); !ok {
		_, err := p.Select([]string{n.Case})
		return "", cmp.Or(err, errors.New("want the id of one case"))
	}
	if n.Verdict != "pass" && n.Verdict != "fail" {
		return "", fmt.Errorf("verdict %q: want pass or fail", n.Verdict)
	}
	for _, text := range [][2]string{{"who", n.Who}, {"why", n.Why}} {
		switch {
		case strings.TrimSpace(text[1]) == "":
			return "", fmt.Errorf("%s is missing", text[0])
		case len(text[1]) > maxNoteText:
			return "", fmt.Errorf("%s: want %d bytes at most, got %d; put more into an attachment", text[0], maxNoteText, len(text[1]))
		}
	}
	if n.When != "" {
		if _, err := time.Parse(time.DateOnly, n.When); err != nil {
			return "", fmt.Errorf("when %q: want a date such as 2026-03-02", n.When)
		}
	}
	if n.Attachment != "" {
		file := inFolder(beside, n.Attachment)
		switch at, err := os.Stat(file); {
		case err != nil:
			return "", fmt.Errorf("attachment: %w", err)
		case !at.Mode().IsRegular():
			return "", fmt.Errorf("attachment %s: want a file", file)
		case at.Size() > maxAttachment:
			return "", fmt.Errorf("attachment %s: want %d MiB at most, got %d", file, maxAttachment>>20, at.Size()>>20)
		}
	}
	return run.ByHandOver(n.Link, n.Case)
}

// attach copies an attachment into the folder of a run and returns its name there. One of the same name is kept.
func attach(dir, link, id, file string) (name string, err error) {
	from, err := os.OpenRoot(filepath.Dir(file))
	if err != nil {
		return "", err
	}
	defer from.Close()
	harmless := strings.Map(func(r rune) rune {
		if strings.ContainsRune(`#?%\ `, r) || !strconv.IsPrint(r) {
			return '_' // it would mean something else in a link of the report
		}
		return r
	}, filepath.Base(file))
	name = result.AttachmentName(link, id, harmless)
	for i := 2; exists(filepath.Join(dir, filepath.FromSlash(name))); i++ {
		name = result.AttachmentName(link, id, fmt.Sprintf("%d-%s", i, harmless))
	}
	return name, copyFile(filepath.Join(dir, filepath.FromSlash(name)), from, filepath.Base(file))
}

// logNotes appends the cases to the file from which a run goes on, where there is one.
func logNotes(path string, judged []result.Logged) error {
	if !exists(path) {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	lines := json.NewEncoder(f)
	for _, line := range judged {
		err = errors.Join(err, lines.Encode(line))
	}
	return errors.Join(err, f.Close())
}
