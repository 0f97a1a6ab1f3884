package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/usptest/usptest/harness/model"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/runner"
	"github.com/usptest/usptest/harness/usp"
)

// modelFlags are the flags of usptest model.
type modelFlags struct {
	dut, link, gsdm, format, out, write string
	models, profiles                    []string
	list, values                        bool
}

func modelCommand() *cobra.Command {
	var f modelFlags
	cmd := &cobra.Command{
		Use:   "model {--dut FILE | --gsdm FILE | --list}",
		Short: "Compare a device's supported data model with TR-181",
		Long: `model asks a device once for its whole supported data model, or takes a saved reply, and compares it with TR-181: which
profiles the device has fully, partly or not at all, and what differs in types, access, commands, events and unique keys. With
--profile the device claims a profile: anything in it that is missing, or allows less than the profile requires, is a fault.

With --values it reads the values of all objects, a few objects with each Get, and checks each value against its type, size, range,
enumeration, pattern and the limits of lists; references must lead to existing rows, numbers of entries must agree with the rows, and
unique keys must be unique. A wrong value is a fault. For elements that the model does not have, only the type is checked.

With --write OBJECT, and only then, it changes the device: it sets each writable parameter of this one object, such as
Device.DeviceInfo. or Device.WiFi.Radio.1., to values that the parameter can have and to values that it cannot have, reads back, and
restores it, also when interrupted. A value that was accepted and is not kept, and an invalid one that is accepted, are faults. Unique
keys, references and what cannot be read are left alone. Choose an object whose values the device does not need to stay in contact.

Without --model it uses built-in facts about USP and the profiles of TP-469's feature table. --model takes the XML files of the Broadband
Forum (a tr-181-…-usp-full.xml, or a folder with all files of a version) and XML of vendors that extends them.

A saved reply is a USP Record or Message with a GetSupportedDMResp as on the wire, the same in protobuf's JSON, or a run of usptest, whose
journals have one when a case asked for all of Device.

Exit codes: 0 compared, and nothing fails; 1 a claimed profile lacks something, or a value is wrong or not kept; 2 usage or configuration;
3 no contact, or a value that could not be read or restored; what was found until then is shown.`,
		Example: `  usptest model --dut lab.yaml
  usptest model --dut lab.yaml --profile LocalAgent:1 --profile Subscriptions:1
  usptest model --dut lab.yaml --write Device.DeviceInfo.
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
	cmd.Flags().BoolVar(&f.values, "values", false, "read the device's values, too, and check each against its type, range and the like")
	cmd.Flags().StringVar(&f.write, "write", "", "set the parameters of this `object` to valid and invalid values, and restore them")
	cmd.Flags().StringVar(&f.out, "out", "", "keep the journal of what was asked in this `folder`")
	cmd.Flags().BoolVar(&f.list, "list", false, "list the profiles of the model and exit")
	cmd.Flags().StringVar(&f.format, "format", formatTable, "table, json or markdown")
	must(cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(listFormats, cobra.ShellCompDirectiveNoFileComp)))
	cmd.MarkFlagsOneRequired("dut", "gsdm", "list")
	cmd.MarkFlagsMutuallyExclusive("dut", "gsdm", "list")
	for _, asks := range []string{"values", "write", "out", "link"} {
		cmd.MarkFlagsMutuallyExclusive("gsdm", asks)
		cmd.MarkFlagsMutuallyExclusive("list", asks)
	}
	return cmd
}

func (f *modelFlags) run(cmd *cobra.Command) error {
	if err := knownFormat(f.format, listFormats); err != nil {
		return err
	}
	if path, err := usp.ParsePath(f.write); f.write != "" &&
		(err != nil || path.Kind != usp.ObjectPath && path.Kind != usp.InstancePath || path.HasWildcard() || path.IsSearch()) {
		return fmt.Errorf("--write %q: want one object, with the numbers of rows, such as Device.DeviceInfo.", f.write)
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
	report, err := f.compare(cmd.Context(), m)
	if report != nil {
		report.Notes = append(report.Notes, notes...)
		if failed := writeModel(cmd.OutOrStdout(), f.format, report); failed != nil {
			return failed
		}
	}
	switch {
	case err != nil:
		return err
	case report.Faults() > 0:
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

// maxPath is how much of a path from a saved reply is shown, in bytes; those of TR-181 have at most 256.
const maxPath = 1000

// compare asks a device, or takes a saved reply, and holds it against the model. With a report, an error says why that is not complete.
func (f *modelFlags) compare(ctx context.Context, m *model.Model) (*model.Report, error) {
	if f.gsdm != "" {
		r, err := savedReply(f.gsdm)
		if err != nil {
			return nil, fmt.Errorf("--gsdm: %w", err)
		}
		device, err := model.FromReply(r)
		if err != nil {
			return nil, err
		}
		report, err := model.Compare(device, m, f.profiles...)
		if err != nil {
			return nil, err
		}
		report.Shorten()
		for i := range report.Findings {
			report.Findings[i].Path, _ = result.Cut(report.Findings[i].Path, maxPath)
		}
		return report, nil
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
	check := runner.ModelCheck{Model: m, Profiles: append(f.profiles, d.Profiles...), Values: f.values, Write: f.write, Out: f.out}
	r, err := runner.CheckModel(ctx, d, link, check)
	switch {
	case err == nil:
		return r, nil
	case ctx.Err() != nil:
		var left *runner.NotRestoredError
		if errors.As(err, &left) {
			return r, &exitError{result.ExitInterrupted, errors.New(result.Visible(left.Error()))}
		}
		return r, &exitError{result.ExitInterrupted, nil}
	}
	return r, &exitError{result.ExitError, errors.New(result.Visible(fmt.Sprintf("%s: %v", link, err)))}
}
