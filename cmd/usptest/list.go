package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/suites"
)

// listedCase is one element of "usptest list --format json", a contract that other tools rely on.
type listedCase struct {
	Plan       string `json:"plan"`
	ID         string `json:"id"`
	Title      string `json:"title"`
	Status     string `json:"status"`
	Obligation string `json:"obligation"`
	Features   []int  `json:"features"`
	Metrics    int    `json:"metrics"`
	Automated  bool   `json:"automated"`
	// Links are those over which the case can be carried out, where the selection has a DUT file or links.
	Links []string `json:"links,omitempty"`
}

func listCommand() *cobra.Command {
	var format string
	var s selection
	var profiles bool
	cmd := &cobra.Command{
		Use:   "list [SELECTOR...]",
		Short: "List the cases of the plan and the checks beyond it, or those that apply to a device",
		Long: `list names the cases that the selectors and flags select; both work as for usptest run.

With --dut, these are the cases that apply to the device by the links and features of its DUT file, each with the links over which it can be
carried out. With --profiles, list names the profiles instead.`,
		Example: `  usptest list
  usptest list '1.*' 11.2
  usptest list --dut lab.yaml                # what applies to the device
  usptest list --select 'needs:reboot'
  usptest list --profiles
  usptest list --format json`,
		RunE: func(cmd *cobra.Command, selectors []string) error {
			p, err := plan.Load()
			if err != nil {
				return err
			}
			if err := knownFormat(format, listFormats); err != nil {
				return err
			}
			if profiles {
				return writeProfiles(cmd.OutOrStdout(), format, p)
			}
			cases, err := s.cases(p, selectors)
			if err != nil {
				return err
			}
			return s.write(cmd.OutOrStdout(), format, cases)
		},
	}
	s.define(cmd.Flags(), "DUT `file`: only the cases that apply to the device")
	cmd.Flags().BoolVar(&profiles, "profiles", false, "list the profiles that --profile knows")
	cmd.Flags().StringVar(&format, "format", formatTable, "table, json or markdown")
	for _, other := range []string{"dut", "link", "session", "select", "profile", "feature"} {
		cmd.MarkFlagsMutuallyExclusive("profiles", other)
	}
	completeSelection(cmd)
	must(cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(listFormats, cobra.ShellCompDirectiveNoFileComp)))
	return cmd
}

// cases are the selected ones; with a DUT file or links, those that can be carried out over one of them.
func (s *selection) cases(p *plan.Plan, selectors []string) ([]listedCase, error) {
	cases, err := p.Select(selectors)
	if err != nil {
		return nil, err
	}
	filters, err := s.filters(p)
	if err != nil {
		return nil, err
	}
	links, err := s.withSession(s.links)
	if err != nil {
		return nil, err
	}
	setup := plan.Setup{}
	if s.dut != "" {
		device, err := loadDUT(s.dut, p)
		if err != nil {
			return nil, err
		}
		if links, err = s.chosenLinks(device, false); err != nil {
			return nil, err
		}
		setup.Features = device.Features
	} else if s.session != "" && len(links) == 0 {
		links, _ = s.withSession(linkNames())
	}
	for _, link := range links {
		if names := allLinkNames(); !slices.Contains(names, link) {
			return nil, fmt.Errorf("--link: %w", &plan.UnknownError{Kind: "link", Name: link, Near: plan.Near(link, names)})
		}
	}
	bodies := suites.Bodies()
	listed := []listedCase{}
	for _, c := range cases {
		if !slices.ContainsFunc(filters, func(f plan.Filter) bool { return !f.Match(c.Labels()) }) {
			l := listedCase{
				Plan: p.Source(c), ID: c.ID, Title: c.Title, Status: string(c.Status), Obligation: string(c.Obligation),
				Features: append([]int{}, c.Features()...), Metrics: len(c.Metrics), Automated: bodies[c.ID] != nil,
			}
			if l.Links = over(p, c, setup, links, s.dut != ""); len(links) == 0 || len(l.Links) > 0 {
				listed = append(listed, l)
			}
		}
	}
	return listed, nil
}

// over are those of the links over which a case can be carried out; for a device, only a case that the plan still runs, and whose features
// it has.
func over(p *plan.Plan, c plan.Case, setup plan.Setup, links []string, device bool) (names []string) {
	for _, setup.Link = range links {
		if device && p.Decide(c, setup).Applies() || !device && c.AppliesTo(setup.Link) {
			names = append(names, setup.Link)
		}
	}
	return names
}

// write writes the cases in a format, with their links where the selection has some.
func (s *selection) write(w io.Writer, format string, cases []listedCase) error {
	if format == formatJSON {
		return writeJSON(w, cases)
	}
	head := []string{"id", "obligation", "features", "metrics", "automated", "title"}
	withLinks := s.dut != "" || len(s.links) > 0
	if withLinks {
		head = slices.Insert(head, 5, "links")
	}
	var rows [][]string
	for _, c := range cases {
		row := []string{c.ID, c.kind(), c.featureList(), fmt.Sprint(c.Metrics), yesNo(c.Automated), c.Title}
		if withLinks {
			row = slices.Insert(row, 5, strings.Join(c.Links, ","))
		}
		rows = append(rows, row)
	}
	return writeTable(w, format, head, rows)
}

// planProfile is one element of "usptest list --profiles --format json".
type planProfile struct {
	Name   string `json:"name"`
	Text   string `json:"text"`
	Select string `json:"select"`
	Cases  int    `json:"cases"`
}

// writeProfiles names the profiles of the plan, each with the number of its cases.
func writeProfiles(w io.Writer, format string, p *plan.Plan) error {
	var all []planProfile
	var rows [][]string
	for _, f := range p.Profiles {
		s := selection{profiles: []string{f.Name}}
		cases, err := s.cases(p, nil)
		if err != nil {
			return err
		}
		all = append(all, planProfile{f.Name, f.Text, f.Select, len(cases)})
		rows = append(rows, []string{f.Name, fmt.Sprint(len(cases)), f.Text, f.Select})
	}
	if format == formatJSON {
		return writeJSON(w, all)
	}
	return writeTable(w, format, []string{"profile", "cases", "is", "selects"}, rows)
}

// kind is the obligation of a case, or its status when the plan no longer runs it.
func (c listedCase) kind() string {
	if c.Status != string(plan.Active) {
		return c.Status
	}
	return c.Obligation
}

func (c listedCase) featureList() string {
	if len(c.Features) == 0 {
		return "-"
	}
	var words []string
	for _, f := range slices.Sorted(slices.Values(c.Features)) {
		words = append(words, fmt.Sprint(f))
	}
	return strings.Join(words, ",")
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
