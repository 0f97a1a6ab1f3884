package controller

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/model"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

type supportedObject = usppb.GetSupportedDMResp_SupportedObjectResult

// description is what the Agent said of its whole supported data model, at first contact. Rows come and go and are no part of it; whatever
// else the Agent says later must agree with it.
type description struct {
	seq      journal.Mark // the event of its GetSupportedDMResp
	objects  map[string]*supportedObject
	elements map[string]bool // paths of parameters, commands and events; of commands, whether they are asynchronous
}

// WholeModel is the request for the whole supported data model. The first answer to it is the description that the Agent is held to.
func WholeModel() *usppb.GetSupportedDM {
	return &usppb.GetSupportedDM{ObjPaths: []string{"Device."},
		ReturnCommands: true, ReturnEvents: true, ReturnParams: true, ReturnUniqueKeySets: true}
}

// isWhole reports whether a request is WholeModel.
func isWhole(r *usppb.GetSupportedDM) bool {
	return slices.Equal(r.GetObjPaths(), []string{"Device."}) && !r.GetFirstLevelOnly() &&
		r.GetReturnCommands() && r.GetReturnEvents() && r.GetReturnParams() && r.GetReturnUniqueKeySets()
}

// newDescription reads an answer to WholeModel; nil when it tells nothing.
func newDescription(seq journal.Mark, resp *usppb.GetSupportedDMResp) *description {
	d := &description{seq: seq, objects: map[string]*supportedObject{}, elements: map[string]bool{}}
	for _, q := range resp.GetReqObjResults() {
		for _, o := range q.GetSupportedObjs() {
			path := o.GetSupportedObjPath()
			d.objects[path] = o
			for _, p := range o.GetSupportedParams() {
				d.elements[path+p.GetParamName()] = false
			}
			for _, c := range o.GetSupportedCommands() {
				d.elements[path+c.GetCommandName()] = c.GetCommandType() == usppb.GetSupportedDMResp_CMD_ASYNC
			}
			for _, e := range o.GetSupportedEvents() {
				d.elements[path+e.GetEventName()] = false
			}
		}
	}
	if len(d.objects) == 0 {
		return nil
	}
	return d
}

// judgeDescribed holds a Message to a Controller against what the Agent said of its supported data model. asked is the request that it
// answers, if it does.
func (c *Controller) judgeDescribed(seq journal.Mark, to string, asked request, m *usppb.Msg) {
	c.mu.Lock()
	d := c.described
	hidden := c.controllers[to] != nil && c.controllers[to].restricted
	resp := m.GetBody().GetResponse().GetGetSupportedDmResp()
	if d == nil && resp != nil && isWhole(asked.supported) {
		c.described = newDescription(seq, resp)
	}
	if updatesFirmware(m) {
		c.described = nil
	}
	c.mu.Unlock()
	if d == nil || hidden && resp != nil {
		return
	}
	if err := d.judge(asked, m); err != nil {
		c.report(&Violation{Rule: sameModel, Seq: seq, Before: c.recall(d, err), Err: err})
	}
}

// recall repeats in the journal what the Agent said at first contact, since the journal of a case does not reach back to it.
func (c *Controller) recall(d *description, contradicted error) journal.Mark {
	var m *usp.Mismatch
	if !errors.As(contradicted, &m) {
		return 0
	}
	return c.journal.Append(journal.Event{Layer: journal.LayerNote, Dir: journal.Own, Type: "described at first contact",
		Text: fmt.Sprintf("the GetSupportedDMResp in event %d: %s: %s", d.seq, m.Where, m.Want)}).Seq
}

// Restrict says that the Agent may hide a part of its data model from this Controller from now on: what is not shown to it contradicts
// nothing.
func (c *Controller) Restrict() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.restricted = true
}

// updatesFirmware reports whether a Message reports a boot with another firmware, after which the device may be another one.
func updatesFirmware(m *usppb.Msg) bool {
	e := m.GetBody().GetRequest().GetNotify().GetEvent()
	updated, err := usp.ParseBool(e.GetParams()["FirmwareUpdated"])
	return e.GetEventName() == "Boot!" && err == nil && updated
}

// judge returns the first contradiction in a Message.
func (d *description) judge(asked request, m *usppb.Msg) error {
	resp, notify := m.GetBody().GetResponse(), m.GetBody().GetRequest().GetNotify()
	switch {
	case resp.GetGetSupportedDmResp() != nil && asked.supported != nil:
		return d.judgeSupported(asked.supported, resp.GetGetSupportedDmResp())
	case resp.GetGetResp() != nil:
		for _, q := range resp.GetGetResp().GetReqPathResults() {
			for _, r := range q.GetResolvedPathResults() {
				if err := d.has("GetResp", r.GetResolvedPath(), keysOf(r.GetResultParams())...); err != nil {
					return err
				}
			}
		}
	case resp.GetGetInstancesResp() != nil:
		for _, q := range resp.GetGetInstancesResp().GetReqPathResults() {
			for _, i := range q.GetCurrInsts() {
				if err := d.has("GetInstancesResp", i.GetInstantiatedObjPath(), keysOf(i.GetUniqueKeys())...); err != nil {
					return err
				}
			}
		}
	case resp.GetAddResp() != nil:
		for _, r := range resp.GetAddResp().GetCreatedObjResults() {
			s := r.GetOperStatus().GetOperSuccess()
			if err := d.has("AddResp", s.GetInstantiatedPath(), keysOf(s.GetUniqueKeys())...); s != nil && err != nil {
				return err
			}
		}
	case resp.GetOperateResp() != nil:
		for _, r := range resp.GetOperateResp().GetOperationResults() {
			if err := d.ran("OperateResp", r.GetExecutedCommand(), r.GetReqObjPath() != "", r.GetReqOutputArgs() != nil); err != nil {
				return err
			}
		}
	case notify.GetValueChange() != nil:
		return d.has("Notify", "", notify.GetValueChange().GetParamPath())
	case notify.GetEvent() != nil:
		return d.has("Notify", notify.GetEvent().GetObjPath(), notify.GetEvent().GetEventName())
	case notify.GetObjCreation() != nil:
		return d.has("Notify", notify.GetObjCreation().GetObjPath(), keysOf(notify.GetObjCreation().GetUniqueKeys())...)
	case notify.GetOperComplete() != nil:
		done := notify.GetOperComplete()
		return d.ran("Notify", done.GetObjPath()+done.GetCommandName(), true, false)
	}
	return nil
}

func keysOf(m map[string]string) []string { return usp.Params(m).Names() }

// has wants elements of an object to have been described. Nothing is known of what diverges.
func (d *description) has(where, object string, names ...string) error {
	for _, name := range names {
		path := model.SchemaPath(object + name)
		if _, ok := d.elements[path]; !ok && !d.diverges(path) {
			return d.contradicts(where, "only elements of the supported data model", path)
		}
	}
	if path := model.SchemaPath(object); object != "" && d.objects[path] == nil && !d.diverges(path) {
		return d.contradicts(where, "only objects of the supported data model", path)
	}
	return nil
}

// ran wants a command to have been described, and to run as that said.
func (d *description) ran(where, command string, asynchronously, synchronously bool) error {
	path := model.SchemaPath(command)
	async, ok := d.elements[path]
	switch {
	case !strings.HasSuffix(path, "()") || d.diverges(path): // another rule is broken, or nothing is known
		return nil
	case !ok:
		return d.contradicts(where, "only commands of the supported data model", path)
	case async && synchronously:
		return d.contradicts(where, path+" as an asynchronous command", "output arguments at once")
	case !async && asynchronously:
		return d.contradicts(where, path+" as a synchronous command", "that it runs asynchronously")
	}
	return nil
}

// contradicts is the finding of a contradiction.
func (d *description) contradicts(where, want, got string) error {
	return &usp.Mismatch{Where: where, Want: fmt.Sprintf("%s, as described at first contact (event %d)", want, d.seq), Got: got}
}

// diverges reports whether rows on the way to an element differ in what they have, so that the description cannot tell.
func (d *description) diverges(path string) bool {
	for i := range path {
		if path[i] == '.' && len(d.objects[path[:i+1]].GetDivergentPaths()) > 0 {
			return true
		}
	}
	return false
}

// judgeSupported compares a further GetSupportedDMResp with the description.
func (d *description) judgeSupported(asked *usppb.GetSupportedDM, resp *usppb.GetSupportedDMResp) error {
	for _, q := range resp.GetReqObjResults() {
		path := q.GetReqObjPath()
		if table := path + "{i}."; d.objects[table] != nil {
			path = table
		}
		if q.GetErrCode() != 0 || d.objects[path] == nil || d.diverges(path) { // of a row, or of what was not described
			continue
		}
		seen := map[string]bool{}
		for _, o := range q.GetSupportedObjs() {
			seen[o.GetSupportedObjPath()] = true
			if err := d.judgeObject(asked, path, o); err != nil {
				return err
			}
		}
		for _, known := range slices.Sorted(maps.Keys(d.objects)) {
			below, ok := strings.CutPrefix(known, path)
			if ok && !seen[known] && !d.diverges(known) && (!asked.GetFirstLevelOnly() || isChild(below)) {
				return d.contradicts("GetSupportedDMResp for "+path, known, "nothing of it")
			}
		}
	}
	return nil
}

// isChild reports whether the rest of a path is that of the object itself or of one directly in it.
func isChild(below string) bool {
	return !strings.Contains(strings.TrimSuffix(strings.TrimSuffix(below, "{i}."), "."), ".")
}

// judgeObject compares what an answer about path says of one object. With first_level_only an object below path has no elements.
func (d *description) judgeObject(asked *usppb.GetSupportedDM, path string, now *supportedObject) error {
	object := now.GetSupportedObjPath()
	before := d.objects[object]
	switch {
	case d.diverges(object) || len(now.GetDivergentPaths()) > 0:
		return nil
	case before == nil:
		return d.contradicts("GetSupportedDMResp", "only objects of the supported data model", object)
	case before.GetAccess() != now.GetAccess():
		return d.contradicts("GetSupportedDMResp: access of "+object, before.GetAccess().String(), now.GetAccess().String())
	case asked.GetFirstLevelOnly() && object != path:
		return nil
	}
	compare := func(returned bool, facts func(*supportedObject) map[string]string) error {
		if !returned {
			return nil
		}
		then, told := facts(before), facts(now)
		for _, name := range slices.Sorted(maps.Keys(then)) {
			switch fact, ok := told[name]; {
			case !ok:
				return d.contradicts("GetSupportedDMResp: "+object, name, "nothing of it")
			case fact != then[name]:
				return d.contradicts("GetSupportedDMResp: "+object+name, then[name], fact)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(told)) {
			if _, ok := then[name]; !ok {
				return d.contradicts("GetSupportedDMResp: "+object, "nothing of "+name, told[name])
			}
		}
		return nil
	}
	return cmp.Or(
		compare(asked.GetReturnParams(), parameters),
		compare(asked.GetReturnCommands(), commands),
		compare(asked.GetReturnEvents(), events),
		compare(asked.GetReturnUniqueKeySets(), uniqueKeys),
	)
}

// The functions below tell what an object has, by name, in words that can be compared.

func parameters(o *supportedObject) map[string]string {
	facts := map[string]string{}
	for _, p := range o.GetSupportedParams() {
		facts[p.GetParamName()] = fmt.Sprintf("%s %s %s", p.GetAccess(), p.GetValueType(), p.GetValueChange())
	}
	return facts
}

func commands(o *supportedObject) map[string]string {
	facts := map[string]string{}
	for _, c := range o.GetSupportedCommands() {
		facts[c.GetCommandName()] = fmt.Sprintf("%s, input arguments %q, output arguments %q", c.GetCommandType(),
			sorted(c.GetInputArgNames()), sorted(c.GetOutputArgNames()))
	}
	return facts
}

func events(o *supportedObject) map[string]string {
	facts := map[string]string{}
	for _, e := range o.GetSupportedEvents() {
		facts[e.GetEventName()] = fmt.Sprintf("arguments %q", sorted(e.GetArgNames()))
	}
	return facts
}

func uniqueKeys(o *supportedObject) map[string]string {
	facts := map[string]string{}
	for _, k := range o.GetUniqueKeySets() {
		facts[fmt.Sprintf("unique key %q", sorted(k.GetKeyNames()))] = "is one"
	}
	return facts
}

func sorted(names []string) []string { return slices.Sorted(slices.Values(names)) }
