package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/model"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// NotRestoredError is that a device does not have the value that it had before it was tried with others.
type NotRestoredError struct {
	Path, Value string
	Err         error
}

// Error names the parameter, the value that it had, and the reason.
func (e *NotRestoredError) Error() string {
	return fmt.Sprintf("%s could not be restored: it was %q; %v", e.Path, e.Value, e.Err)
}

// maxTries is how many values that it can have, and how many that it cannot have, a parameter is set to.
const maxTries = 4

// tryWrites sets the writable parameters of an object, one after the other, to values that they can have and to values that they cannot
// have, reads back and restores each, also when ctx ends.
func (r *rig) tryWrites(ctx context.Context, device, m *model.Model, object string, report *model.Report) error {
	if err := r.sparesContact(ctx, object); err != nil {
		return err
	}
	before, err := r.valuesOf(ctx, object)
	if err != nil {
		return err
	}
	params, left := model.Writable(device, m, object)
	if len(left) > 0 {
		report.Notes = append(report.Notes, "not set in "+object+": "+strings.Join(left, ", "))
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		old, there := before[object+name]
		if !there {
			report.Notes = append(report.Notes, "not set: "+object+name+" (a Get does not show it)")
			continue
		}
		found, err := r.tryParameter(ctx, object, name, params[name], old)
		report.Findings = append(report.Findings, found...)
		if err != nil {
			return err
		}
	}
	const text = "%d parameters of %s were set to valid and invalid values and restored"
	report.Notes = append(report.Notes, fmt.Sprintf(text, len(params), object))
	return nil
}

// sparesContact refuses the row of the harness's own Controller, without which nothing could be restored.
func (r *rig) sparesContact(ctx context.Context, object string) error {
	rest, inside := strings.CutPrefix(object, harness.Controllers)
	number, _, _ := strings.Cut(rest, ".")
	if !inside || number == "" {
		return nil
	}
	row := harness.Controllers + number + "."
	if shown(r.Agent.Get(ctx, row+"EndpointID"))[row+"EndpointID"] == r.Agent.ID() {
		return fmt.Errorf("%s is the harness's own Controller, without which nothing can be restored; choose another object", row)
	}
	return nil
}

// valuesOf reads the parameters of an object, by their paths.
func (r *rig) valuesOf(ctx context.Context, path string) (usp.Params, error) {
	got := r.Agent.Do(ctx, usp.NewMsg("", &usppb.Get{ParamPaths: []string{path}, MaxDepth: 1}))
	if err := expect.Type(got, usp.GetResp); err != nil {
		return nil, fmt.Errorf("Get of %s: %w", path, err)
	}
	values := shown(got)
	if len(values) == 0 {
		return nil, fmt.Errorf("Get of %s: the device shows nothing there", path)
	}
	return values, nil
}

func (r *rig) tryParameter(ctx context.Context, object, name string, p model.Param, old string) (found []model.Finding, err error) {
	defer func() { err = errors.Join(err, r.putBack(ctx, object, name, p, old)) }()
	invalid, wants := p.Invalid()
	valid := slices.DeleteFunc(p.Valid(), func(value string) bool { return value == old })
	var attempts []model.Attempt
	for _, value := range valid[:min(maxTries, len(valid))] {
		attempts = append(attempts, model.Attempt{Value: value})
	}
	for i, value := range invalid[:min(maxTries, len(invalid))] {
		attempts = append(attempts, model.Attempt{Value: value, Want: wants[i]})
	}
	for _, a := range attempts {
		a.Path, a.Param = object+name, p
		got := r.Agent.Set(ctx, false, usp.Update(object, usp.Params{name: a.Value}, nil))
		if got.Message == nil {
			return found, fmt.Errorf("Set of %s to %q: %w", a.Path, a.Value, expect.Type(got, usp.SetResp))
		}
		a.Error, a.Event = refusal(got), uint64(got.Evidence())
		values, err := r.valuesOf(ctx, a.Path)
		if err != nil {
			return found, err
		}
		a.Shows = values[a.Path]
		if f, ok := a.Finding(); !ok {
			found = append(found, f)
		}
	}
	return found, nil
}

// refusal is the error with which a Set was refused, in words; empty when it was accepted.
func refusal(got *controller.Reply) string {
	if e := got.Body().GetError(); e != nil {
		return fmt.Sprintf("error %d %q", e.GetErrCode(), e.GetErrMsg())
	}
	for _, o := range got.Body().GetResponse().GetSetResp().GetUpdatedObjResults() {
		if e := o.GetOperStatus().GetOperFailure(); e != nil {
			return fmt.Sprintf("error %d %q", e.GetErrCode(), e.GetErrMsg())
		}
		for _, u := range o.GetOperStatus().GetOperSuccess().GetUpdatedInstResults() {
			for _, e := range u.GetParamErrs() {
				return fmt.Sprintf("error %d %q", e.GetErrCode(), e.GetErrMsg())
			}
		}
	}
	return ""
}

// putBack gives a parameter the value that it had. It works when ctx has ended, too.
func (r *rig) putBack(ctx context.Context, object, name string, p model.Param, old string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*r.Agent.Timeout())
	defer cancel()
	a := model.Attempt{Path: object + name, Param: p, Value: old}
	got := r.Agent.Set(ctx, false, usp.Update(object, usp.Params{name: old}, nil))
	err := expect.Type(got, usp.SetResp)
	if err == nil {
		var values usp.Params
		values, err = r.valuesOf(ctx, a.Path)
		a.Shows = values[a.Path]
	}
	if f, ok := a.Finding(); err == nil && !ok {
		err = fmt.Errorf("it is %s", f.Got)
	}
	if err != nil {
		return &NotRestoredError{a.Path, old, err}
	}
	return nil
}
