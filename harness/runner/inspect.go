package runner

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/model"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// inspection is what the supported data model of a device says about the declarations of the DUT file.
type inspection struct {
	Features []result.Feature `json:"features"`
	// Elements are the substitutes that the device does not have, or not as their roles need them.
	Elements []dut.Problem `json:"elements,omitempty"`
	// Blind says why the supported data model is not known; empty when it is.
	Blind string `json:"blind,omitempty"`
	// model is what the device has; nil when it is not known. It stays in the process that asked.
	model *model.Model
	// Compared is how the data model compares with TR-181, when the job asks for it.
	Compared *model.Report `json:"compared,omitempty"`
	// lacks is what the device does not have of the declared features, by number. It stays in the process that asked.
	lacks map[int]string
	// described is the event of the reply with the supported data model; it stays in the process that asked.
	described journal.Mark
}

// inspect asks the device once for its whole supported data model and for the values that rules of features need.
func (r *rig) inspect(ctx context.Context, p *plan.Plan) inspection {
	got := r.Agent.GetSupportedDM(ctx, controller.WholeModel())
	device, err := describedBy(got)
	if wrong := misdescribed(got); err == nil && wrong != nil { // for the cases to judge; it says nothing of the DUT file
		why := "the device's description of its data model is not valid: " + wrong.Error()
		boundTexts(r.Journal.Masker(), &why)
		return inspection{Features: unknownFeatures(p, r.DUT, why), Blind: why}
	}
	if err != nil {
		why := "the device does not tell its supported data model: " + err.Error() +
			fmt.Sprintf("; its Role for the Controller %q must allow to read all of Device.", r.Agent.ID())
		boundTexts(r.Journal.Masker(), &why)
		return inspection{Features: unknownFeatures(p, r.DUT, why), Blind: why}
	}
	values := shown(r.Agent.Get(ctx, p.DetectableValues()...))
	found := inspection{
		Features: features(p, r.DUT, func(f plan.Feature) (plan.Detected, string) { return f.DetectIn(device, values) }),
		Elements: r.DUT.CheckElements(device), model: device, described: got.Evidence(), lacks: map[int]string{},
	}
	for i := range found.Features {
		boundTexts(r.Journal.Masker(), &found.Features[i].Why)
	}
	for _, row := range p.Features {
		if why := row.LackedBy(device, values); why != "" && slices.Contains(r.DUT.Features, row.Number) {
			boundTexts(r.Journal.Masker(), &why)
			found.lacks[row.Number] = why
		}
	}
	for i := range found.Elements {
		boundTexts(r.Journal.Masker(), &found.Elements[i].Remedy)
	}
	return found
}

// misdescribed is the first element that a GetSupportedDMResp describes as TR-369 does not allow it, of those that a DUT file may name.
func misdescribed(got *controller.Reply) error {
	for _, q := range got.Body().GetResponse().GetGetSupportedDmResp().GetReqObjResults() {
		for _, o := range q.GetSupportedObjs() {
			path := o.GetSupportedObjPath()
			for _, k := range o.GetSupportedCommands() {
				switch {
				case !strings.HasSuffix(k.GetCommandName(), "()"):
					return &usp.Mismatch{Where: "command_name in " + usp.Quote(path), Want: "a name that ends with ()", Got: usp.Quote(k.GetCommandName())}
				case k.GetCommandType() == usppb.GetSupportedDMResp_CMD_UNKNOWN:
					return &usp.Mismatch{Where: "command_type of " + usp.Quote(path+k.GetCommandName()), Want: "CMD_SYNC or CMD_ASYNC", Got: "none"}
				}
			}
			for _, e := range o.GetSupportedEvents() {
				if !strings.HasSuffix(e.GetEventName(), "!") {
					return &usp.Mismatch{Where: "event_name in " + usp.Quote(path), Want: "a name that ends with !", Got: usp.Quote(e.GetEventName())}
				}
			}
		}
	}
	return nil
}

// features lists the feature rows that the plan still has, with what the DUT file says of them and what is detected.
func features(p *plan.Plan, f *dut.File, detect func(plan.Feature) (plan.Detected, string)) []result.Feature {
	var out []result.Feature
	for _, row := range p.Features {
		if row.Status == plan.FeatureRemoved {
			continue
		}
		detected, why := detect(row)
		out = append(out, result.Feature{Number: row.Number, Name: row.Name, Declared: slices.Contains(f.Features, row.Number), Detected: string(detected), Why: why})
	}
	return out
}

// unknownFeatures is features of a device whose supported data model is not known.
func unknownFeatures(p *plan.Plan, f *dut.File, why string) []result.Feature {
	return features(p, f, func(row plan.Feature) (plan.Detected, string) {
		if row.Detect.None != "" {
			return row.DetectIn(&model.Model{}, nil)
		}
		return plan.Unknown, why
	})
}
