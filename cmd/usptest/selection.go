package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/usptest/usptest/fixtures/reference"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/runner"
)

// selection is what "usptest run" and "usptest list" select cases by, besides the selectors.
type selection struct {
	dut      string
	links    []string
	session  string
	selects  string
	profiles []string
	features []int
}

// define makes the flags; dutText says what --dut means.
func (s *selection) define(flags *pflag.FlagSet, dutText string) {
	flags.StringVar(&s.dut, "dut", "", dutText)
	flags.StringArrayVar(&s.links, "link", nil,
		"only over this `link`: mqtt5, mqtt3, stomp or websocket, each with or without +tls, or uds; repeatable")
	flags.StringVar(&s.session, "session", "",
		"over the same links, but within a session context that is `plain or tls`: the cases of chapter 1")
	flags.StringVar(&s.selects, "select", "",
		"label `expression`, such as 'section:1 && !needs:reboot'; usptest show names the labels of a case")
	flags.StringArrayVar(&s.profiles, "profile", nil,
		"cases of this `profile`, such as mandatory or Reboot:1; repeatable; see usptest list --profiles")
	flags.IntSliceVar(&s.features, "feature", nil, "cases of this feature `number`; repeatable")
}

// completeSelection has the shell complete the flags of a selection, and cases.
func completeSelection(cmd *cobra.Command) {
	must(cmd.MarkFlagFilename("dut", "yaml", "yml"))
	must(cmd.RegisterFlagCompletionFunc("link", cobra.FixedCompletions(allLinkNames(), cobra.ShellCompDirectiveNoFileComp)))
	must(cmd.RegisterFlagCompletionFunc("session", cobra.FixedCompletions(sessions(), cobra.ShellCompDirectiveNoFileComp)))
	must(cmd.RegisterFlagCompletionFunc("select", completeLabels))
	must(cmd.RegisterFlagCompletionFunc("profile", completeProfiles))
	must(cmd.RegisterFlagCompletionFunc("feature", completeFeatures))
	cmd.ValidArgsFunction = completeCases
}

// chosenLinks are the links of --link, or else those of the DUT file; with --session those within such session contexts.
func (s *selection) chosenLinks(d *dut.File, isReference bool) ([]string, error) {
	names := s.links
	switch {
	case len(names) > 0:
	case isReference:
		names = reference.Links()
	default:
		for _, l := range d.Links {
			if s.session == "" || l.Session == s.session {
				names = append(names, l.Name())
			}
		}
	}
	names, err := s.withSession(names)
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("--session %s: the DUT file has no link with session: %s", s.session, s.session)
	}
	if err != nil {
		return nil, err
	}
	var chosen []string
	for _, name := range names {
		if _, ok := d.Link(name); !ok {
			return nil, fmt.Errorf("--link %q: the device has no such link; it has %s", name, strings.Join(d.LinkNames(), ", "))
		}
		if !slices.Contains(chosen, name) {
			chosen = append(chosen, name)
		}
	}
	return chosen, nil
}

// withSession returns the links within session contexts of --session in place of those without.
func (s *selection) withSession(links []string) (names []string, err error) {
	if s.session != "" && !slices.Contains(sessions(), s.session) {
		return nil, fmt.Errorf("--session %q: want %s", s.session, strings.Join(sessions(), " or "))
	}
	for _, name := range links {
		if _, within := plan.CutSession(name); !within {
			name = plan.WithSession(name, s.session)
		}
		names = append(names, name)
	}
	return names, nil
}

// isEmpty reports whether everything is selected.
func (s *selection) isEmpty() bool {
	return len(s.links) == 0 && s.session == "" && s.selects == "" && len(s.profiles) == 0 && len(s.features) == 0
}

// filters are --select, the profiles (any of them) and the features (any of them).
func (s *selection) filters(p *plan.Plan) ([]plan.Filter, error) {
	var out []plan.Filter
	add := func(name, expression string) error {
		match, err := runner.ParseFilter(expression)
		if err != nil {
			return fmt.Errorf("%s: malformed label expression: %w", name, err)
		}
		out = append(out, plan.Filter{Name: name, Match: match})
		return nil
	}
	if s.selects != "" {
		name := fmt.Sprintf("--select %q", s.selects)
		if err := add(name, s.selects); err != nil {
			return nil, err
		}
		if err := p.CheckLabels(s.selects); err != nil {
			return nil, fmt.Errorf("--select: %w", err)
		}
	}
	var anyProfile []string
	for _, name := range s.profiles {
		profile, err := p.Profile(name)
		if err != nil {
			return nil, err
		}
		anyProfile = append(anyProfile, "("+profile.Select+")")
	}
	var numbers, anyFeature []string
	for _, number := range s.features {
		if _, ok := p.Feature(number); !ok {
			return nil, fmt.Errorf("--feature %d: the plan has features 1 to %d", number, len(p.Features))
		}
		numbers = append(numbers, strconv.Itoa(number))
		anyFeature = append(anyFeature, "feature:"+strconv.Itoa(number))
	}
	for _, group := range []struct {
		flag string
		any  []string
	}{{"--profile " + strings.Join(s.profiles, ", "), anyProfile}, {"--feature " + strings.Join(numbers, ", "), anyFeature}} {
		if len(group.any) > 0 {
			if err := add(group.flag, strings.Join(group.any, " || ")); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}
