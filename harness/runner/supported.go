package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/expect"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/model"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// ModelCheck says how a device's data model is compared with another one.
type ModelCheck struct {
	Model    *model.Model
	Profiles []string // that the device claims
	Values   bool     // its values are read and checked, too
	Write    string   // the object whose parameters are set and restored; empty: nothing is
	Out      string   // the folder for the journal; empty: none is kept
}

// CheckModel makes the first contact over one link, asks the device for its whole supported data model, and compares. Nothing on the
// device is changed unless Write asks for it. The error says why there is nothing to compare: no contact, or a reply that describes
// nothing. With a report it says why that is not complete, and is or wraps a *NotRestoredError when the device does not have a value that
// it had before.
func CheckModel(ctx context.Context, f *dut.File, link string, o ModelCheck) (*model.Report, error) {
	r, err := newRig(ctx, job{DUT: f, Link: link, Beside: f.Beside(link), Instance: 1, Scale: 1}, nil)
	if err != nil {
		return nil, err
	}
	defer r.close()
	began := time.Now()
	if err := r.contact(ctx); err != nil {
		return nil, err
	}
	mark := r.Journal.Mark()
	report, err := r.compareAnswer(ctx, r.Agent.GetSupportedDM(ctx, controller.WholeModel()), o)
	if broken := r.broken(mark); report == nil && len(broken) > 0 {
		err = fmt.Errorf("%w; the device broke a rule (%s): %w", err, broken[0].Rule, broken[0].Err)
	}
	if report == nil || o.Out == "" {
		return report, err
	}
	var failed error
	report.Journal, failed = writeJournal(o.Out, link, result.ModelJournal, began, r.Journal.Since(0), r.Journal.Masker())
	return report, errors.Join(err, failed)
}

// compareAnswer is compare for an answer to WholeModel.
func (r *rig) compareAnswer(ctx context.Context, got *controller.Reply, o ModelCheck) (*model.Report, error) {
	device, err := describedBy(got)
	if err != nil {
		return nil, err
	}
	return r.compare(ctx, device, got.Evidence(), o)
}

// compare compares what the device described in an event with a model. With a report, an error says what of Values and Write is not in it.
func (r *rig) compare(ctx context.Context, device *model.Model, described journal.Mark, o ModelCheck) (*model.Report, error) {
	report, err := model.Compare(device, o.Model, o.Profiles...)
	if err != nil {
		return nil, err
	}
	for i := range report.Findings {
		report.Findings[i].Event = uint64(described)
	}
	if o.Values {
		err = r.checkValues(ctx, device, o.Model, report)
	}
	if o.Write != "" && err == nil {
		err = r.tryWrites(ctx, device, o.Model, o.Write, report)
	}
	if err != nil {
		report.Notes = append(report.Notes, "not complete: "+err.Error())
	}
	r.bound(report)
	return report, err
}

// bound cuts what a device can make long, and overwrites its secrets.
func (r *rig) bound(report *model.Report) {
	report.Shorten()
	mask := r.Journal.Masker()
	boundTexts(mask, &report.Device)
	for i := range report.Findings {
		f := &report.Findings[i]
		boundTexts(mask, &f.Path, &f.Want, &f.Got)
	}
	for i := range report.Notes {
		boundTexts(mask, &report.Notes[i])
	}
}

// describedBy is the data model that a device describes.
func describedBy(got *controller.Reply) (*model.Model, error) {
	if err := expect.Type(got, usp.GetSupportedDMResp); err != nil {
		return nil, err
	}
	return model.FromReply(got.Body().GetResponse().GetGetSupportedDmResp())
}

// compareEarly is compare for a run: the data model of the first contact, compared with the built-in facts about TR-181. A profile that it
// does not know is a note.
func (r *rig) compareEarly(ctx context.Context, found inspection, out string, began time.Time) (*model.Report, error) {
	facts, err := model.Facts()
	if err != nil {
		return nil, err
	}
	check := ModelCheck{Model: facts}
	var notes []string
	for _, name := range r.DUT.Profiles {
		if p := facts.Profiles[name]; p == nil || !p.Visible() {
			notes = append(notes, fmt.Sprintf("the profile %s of the DUT file was not compared: a run knows those that usptest model --list shows; "+
				"usptest model --model takes TR-181's XML for the others", name))
			continue
		}
		check.Profiles = append(check.Profiles, name)
	}
	report, err := r.compare(ctx, found.model, found.described, check)
	if err != nil {
		return nil, err
	}
	report.Notes = append(report.Notes, notes...)
	report.Journal, err = writeJournal(out, r.name, result.ModelJournal, began, r.Journal.Since(0), r.Journal.Masker())
	return report, err
}

// checkValues adds what is wrong with the values of the device.
func (r *rig) checkValues(ctx context.Context, device, m *model.Model, report *model.Report) error {
	shown, err := r.readAll(ctx, device)
	if err != nil {
		return err
	}
	found := model.CheckValues(device, m, shown)
	if len(found) > 0 {
		again, err := r.readAll(ctx, device)
		if err != nil {
			return err
		}
		found = model.Lasting(found, model.CheckValues(device, m, again))
	}
	report.Findings = append(report.Findings, found...)
	for _, o := range shown {
		report.Values += len(o.Params)
	}
	return nil
}

// Bounds of reading a device's values.
const (
	chunkParams = 100       // described parameters in one Get, rows not counted
	maxValues   = 1_000_000 // values of a device
	maxBytes    = 256 << 20 // all of them, in bytes
)

// readAll reads the values of all objects that the device describes, a few objects with each Get.
func (r *rig) readAll(ctx context.Context, device *model.Model) ([]model.Shown, error) {
	all := map[string]model.Shown{}
	count, size := 0, 0
	for _, paths := range chunks(device) {
		got := r.Agent.Do(ctx, usp.NewMsg("", &usppb.Get{ParamPaths: paths, MaxDepth: 1}))
		if err := expect.Type(got, usp.GetResp); err != nil {
			return nil, fmt.Errorf("Get of %s: %w", strings.Join(paths, ", "), err)
		}
		for path, value := range shown(got) {
			object, name := path[:strings.LastIndexByte(path, '.')+1], path[strings.LastIndexByte(path, '.')+1:]
			o, there := all[object]
			if !there {
				o = model.Shown{Path: object, Params: map[string]string{}, Event: uint64(got.Evidence())}
				all[object] = o
			}
			o.Params[name] = value
			count, size = count+1, size+len(path)+len(value)
		}
		if count > maxValues || size > maxBytes {
			return nil, fmt.Errorf("the device shows more than %d values or %d MB of them, which is more than usptest compares", maxValues, maxBytes>>20)
		}
	}
	return slices.Collect(maps.Values(all)), nil
}

// chunks are the paths of the objects that have parameters, some for each Get. A table has a Get of its own, because its number of rows is
// unknown.
func chunks(device *model.Model) [][]string {
	var all [][]string
	var some []string
	params := 0
	for _, path := range slices.Sorted(maps.Keys(device.Objects)) {
		n := len(device.Objects[path].Params)
		if n == 0 {
			continue
		}
		if strings.Contains(path, "{i}") {
			all = append(all, []string{strings.ReplaceAll(path, "{i}", "*")})
			continue
		}
		if params += n; params > chunkParams && len(some) > 0 {
			all, some, params = append(all, some), nil, n
		}
		some = append(some, path)
	}
	if len(some) > 0 {
		all = append(all, some)
	}
	return all
}
