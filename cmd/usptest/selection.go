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
	selects  string
	profiles []string
	features []int
}

// define makes the flags; dutText says what --dut means.
func (s *selection) define(flags *pflag.FlagSet, dutText string) {
	flags.StringVar(&s.dut, "dut", "", dutText)
	flags.StringArrayVar(&s.links, "link", nil,
		"only over this `link`: mqtt5, mqtt3, stomp or websocket, each with or without +tls, or uds; repeatable")
	flags.StringVar(&s.selects, "select", "",
		"label `expression`, such as 'section:1 && !needs:reboot'; usptest show names the labels of a case")
	flags.StringArrayVar(&s.profiles, "profile", nil,
		"cases of this `profile`, such as mandatory or Reboot:1; repeatable; see usptest list --profiles")
	flags.IntSliceVar(&s.features, "feature", nil, "cases of this feature `number`; repeatable")
}

// completeSelection has the shell complete the flags of a selection, and cases.
func completeSelection(cmd *cobra.Command) {
	must(cmd.MarkFlagFilename("dut", "yaml", "yml"))
	must(cmd.RegisterFlagCompletionFunc("link", cobra.FixedCompletions(linkNames(), cobra.ShellCompDirectiveNoFileComp)))
	must(cmd.RegisterFlagCompletionFunc("select", completeLabels))
	must(cmd.RegisterFlagCompletionFunc("profile", completeProfiles))
	must(cmd.RegisterFlagCompletionFunc("feature", completeFeatures))
	cmd.ValidArgsFunction = completeCases
}

// chosenLinks are the links of --link, or else those of the DUT file.
func (s *selection) chosenLinks(d *dut.File, isReference bool) ([]string, error) {
	if len(s.links) == 0 {
		if isReference {
			return reference.Links(), nil
		}
		return d.LinkNames(), nil
	}
	var chosen []string
	for _, name := range s.links {
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
