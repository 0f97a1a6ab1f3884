package runner

import (
	"context"
	"fmt"
	"slices"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// inspection is what the supported data model of a device says of what the DUT file declares.
type inspection struct {
	Features []result.Feature `json:"features"`
	// Elements are the substitutes that the device does not have, or not as their roles need them.
	Elements []dut.Problem `json:"elements,omitempty"`
	// Blind says why the supported data model is not known; empty when it is.
	Blind string `json:"blind,omitempty"`
	// model is what the device has; empty when it is not known. It stays in the process that asked.
	model plan.Model
}

// inspect asks the device once for its whole supported data model and for the values that rules of features need.
func (r *rig) inspect(ctx context.Context, p *plan.Plan) inspection {
	got := r.Agent.GetSupportedDM(ctx, controller.WholeModel())
	model, err := modelOf(got)
	if err != nil {
		why := "the device does not tell its supported data model: " + err.Error() +
			fmt.Sprintf("; its Role for the Controller %q must allow to read all of Device.", r.Agent.ID())
		boundTexts(r.Journal.Masker(), &why)
		return inspection{Features: unknownFeatures(p, r.DUT, why), Blind: why}
	}
	model.Values = shown(r.Agent.Get(ctx, p.DetectableValues()...))
	found := inspection{
		Features: features(p, r.DUT, func(f plan.Feature) (plan.Detected, string) { return f.DetectIn(model) }),
		Elements: r.DUT.CheckElements(model), model: model,
	}
	for i := range found.Features {
		boundTexts(r.Journal.Masker(), &found.Features[i].Why)
	}
	for i := range found.Elements {
		boundTexts(r.Journal.Masker(), &found.Elements[i].Remedy)
	}
	return found
}

// modelOf reads a GetSupportedDMResp about the root object.
func modelOf(got *controller.Reply) (plan.Model, error) {
	model := plan.Model{Elements: map[string]plan.Element{}}
	if err := expect.Type(got, usp.GetSupportedDMResp); err != nil {
		return model, err
	}
	for _, q := range got.Body().GetResponse().GetGetSupportedDmResp().GetReqObjResults() {
		if err := expect.NoError("err_code", q.GetErrCode(), q.GetErrMsg()); err != nil {
			return model, err
		}
		for _, o := range q.GetSupportedObjs() {
			addObject(model.Elements, o)
		}
	}
	if len(model.Elements) == 0 {
		return model, fmt.Errorf("the %s names no object", usp.TypeName(usp.GetSupportedDMResp))
	}
	return model, nil
}

// addObject adds an object with all it has. The zero of a protobuf enumeration stands for what the device leaves out, too.
func addObject(elements map[string]plan.Element, o *usppb.GetSupportedDMResp_SupportedObjectResult) {
	path := o.GetSupportedObjPath()
	access := o.GetAccess()
	elements[path] = plan.Element{
		Creatable: access == usppb.GetSupportedDMResp_OBJ_ADD_DELETE || access == usppb.GetSupportedDMResp_OBJ_ADD_ONLY,
		Deletable: access == usppb.GetSupportedDMResp_OBJ_ADD_DELETE || access == usppb.GetSupportedDMResp_OBJ_DELETE_ONLY,
	}
	for _, p := range o.GetSupportedParams() {
		e := plan.Element{Writable: p.GetAccess() != usppb.GetSupportedDMResp_PARAM_READ_ONLY}
		if p.GetValueType() != usp.TypeUnknown {
			e.Type = usp.ValueTypeName(p.GetValueType())
		}
		elements[path+p.GetParamName()] = e
	}
	for _, k := range o.GetSupportedCommands() {
		elements[path+k.GetCommandName()] = plan.Element{Async: k.GetCommandType() == usppb.GetSupportedDMResp_CMD_ASYNC, Arguments: k.GetInputArgNames()}
	}
	for _, e := range o.GetSupportedEvents() {
		elements[path+e.GetEventName()] = plan.Element{Arguments: e.GetArgNames()}
	}
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
			return row.DetectIn(plan.Model{})
		}
		return plan.Unknown, why
	})
}
