package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usptest/usptest/fixtures/agent/defects"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/plan"
)

// linkNames are the names of all links there can be, without session contexts.
func linkNames() []string {
	var names []string
	for _, mtp := range []string{"mqtt5", "mqtt3", "stomp", "websocket"} {
		names = append(names, mtp, mtp+"+tls")
	}
	return append(names, "uds")
}

// sessions are what the session contexts of a link can be.
func sessions() []string { return []string{dut.SessionPlain, dut.SessionTLS} }

// allLinkNames are the names of all links there can be, also within session contexts.
func allLinkNames() []string {
	names := linkNames()
	for _, session := range sessions() {
		for _, carrier := range linkNames() {
			names = append(names, plan.WithSession(carrier, session))
		}
	}
	return names
}

func completeCases(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	p, err := plan.Load()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var out []string
	for _, c := range p.Cases {
		out = append(out, c.ID+"\t"+c.Title)
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

func completeProfiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	p, err := plan.Load()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var out []string
	for _, f := range p.Profiles {
		out = append(out, f.Name+"\t"+f.Text)
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// completeLabels completes the last label of a label expression.
func completeLabels(_ *cobra.Command, _ []string, expression string) ([]string, cobra.ShellCompDirective) {
	p, err := plan.Load()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	before := expression[:strings.LastIndexAny(expression, "&|!,( ")+1]
	var out []string
	for _, label := range p.Labels() {
		out = append(out, before+label)
	}
	return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

func completeFeatures(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	p, err := plan.Load()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var out []string
	for _, f := range p.Features {
		out = append(out, fmt.Sprintf("%d\t%s", f.Number, f.Name))
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

func completeDefects(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var out []string
	for _, d := range defects.All() {
		out = append(out, d.Name+"\t"+d.Text)
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
