package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usptest/usptest/harness/model"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/runner"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// modelFlags are the flags of usptest model.
type modelFlags struct {
	dut, link, gsdm, format string
	models, profiles        []string
	list                    bool
}

func modelCommand() *cobra.Command {
	var f modelFlags
	cmd := &cobra.Command{
		Use:   "model {--dut FILE | --gsdm FILE | --list}",
		Short: "Compare a device's supported data model with TR-181",
		Long: `model asks a device once for its whole supported data model, or takes a saved reply, and compares it with TR-181: which
profiles are there in whole, in part or not at all, and what differs in types, access, commands, events and unique keys. With
--profile the device claims a profile: whatever it lacks of it, or allows less than it asks, is a fault.

Without --model it knows what belongs to USP and the profiles of TP-469's feature table. --model takes the XML files of the Broadband
Forum (a tr-181-…-usp-full.xml, or a folder with all files of a version) and XML of vendors that extends them.

A saved reply is a USP Record or Message with a GetSupportedDMResp as on the wire, the same in protobuf's JSON, or a run of usptest, whose
journals have one when a case asked for all of Device.

Exit codes: 0 compared, and the claimed profiles are there; 1 a claimed profile lacks something; 2 usage or configuration; 3 no contact.`,
		Example: `  usptest model --dut lab.yaml
  usptest model --dut lab.yaml --profile LocalAgent:1 --profile Subscriptions:1
  usptest model --gsdm usptest-runs/latest --model tr-181-2-16-0-usp-full.xml --model vendor.xml
  usptest model --list`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	cmd.Flags().StringVar(&f.dut, "dut", "", "ask the device that this DUT `file` describes")
	cmd.Flags().StringVar(&f.link, "link", "", "ask over this `link` of the DUT file; its first one by default")
	cmd.Flags().StringVar(&f.gsdm, "gsdm", "", "take a saved reply or a run from this `file` or folder, without a device")
	cmd.Flags().StringArrayVar(&f.models, "model", nil, "compare with this XML `file` or folder; repeatable")
	cmd.Flags().StringArrayVar(&f.profiles, "profile", nil, "the device claims this `profile`, such as LocalAgent:1; repeatable")
	cmd.Flags().BoolVar(&f.list, "list", false, "list the profiles of the model and end")
	cmd.Flags().StringVar(&f.format, "format", "table", "table, json or markdown")
	must(cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(listFormats, cobra.ShellCompDirectiveNoFileComp)))
	cmd.MarkFlagsOneRequired("dut", "gsdm", "list")
	cmd.MarkFlagsMutuallyExclusive("dut", "gsdm", "list")
	return cmd
}

func (f *modelFlags) run(cmd *cobra.Command) error {
	if !slices.Contains(listFormats, f.format) {
		return fmt.Errorf("--format %q: want one of %s", f.format, strings.Join(listFormats, ", "))
	}
	m, notes, err := f.model()
	if err != nil {
		return err
	}
	if f.list {
		return listProfiles(cmd.OutOrStdout(), f.format, m)
	}
	for _, name := range f.profiles { // before a device is asked
		if p := m.Profiles[name]; p == nil || !p.Visible() {
			return fmt.Errorf("--profile %q: %s has none of this name; want one that usptest model --list shows", name, m.Name)
		}
	}
	reply, err := f.reply(cmd.Context())
	if err != nil {
		return err
	}
	device, err := model.FromReply(reply)
	if err != nil {
		return err
	}
	report, err := model.Compare(device, m, f.profiles...)
	if err != nil {
		return err
	}
	report.Notes = append(report.Notes, notes...)
	if err := writeModel(cmd.OutOrStdout(), f.format, report); err != nil {
		return err
	}
	if report.Faults() > 0 {
		return &exitError{result.ExitDeviceFault, nil}
	}
	return nil
}

// model is what to compare with.
func (f *modelFlags) model() (m *model.Model, notes []string, err error) {
	if len(f.models) == 0 {
		m, err = model.Facts()
		return m, nil, err
	}
	m, notes, err = model.Load(f.models...)
	if err != nil {
		return nil, nil, fmt.Errorf("--model: %w", err)
	}
	return m, notes, nil
}

// reply is the device's supported data model.
func (f *modelFlags) reply(ctx context.Context) (*usppb.GetSupportedDMResp, error) {
	if f.gsdm != "" {
		r, err := savedReply(f.gsdm)
		if err != nil {
			return nil, fmt.Errorf("--gsdm: %w", err)
		}
		return r, nil
	}
	p, err := plan.Load()
	if err != nil {
		return nil, err
	}
	d, err := loadDUT(f.dut, p)
	if err != nil {
		return nil, err
	}
	link := f.link
	if link == "" {
		link = d.LinkNames()[0]
	}
	if _, ok := d.Link(link); !ok {
		return nil, fmt.Errorf("--link %q: the device has no such link; it has %s", link, strings.Join(d.LinkNames(), ", "))
	}
	r, err := runner.Supported(ctx, d, link)
	switch {
	case err == nil:
		return r, nil
	case ctx.Err() != nil:
		return nil, &exitError{result.ExitInterrupted, nil}
	}
	return nil, &exitError{result.ExitError, errors.New(result.Visible(fmt.Sprintf("%s: %v", link, err)))}
}
