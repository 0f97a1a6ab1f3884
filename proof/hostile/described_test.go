package hostile

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness/result"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

// described is a device that describes itself to "usptest model" in a hostile way, and what that has to say.
type described struct {
	objects func() []*usppb.GetSupportedDMResp_SupportedObjectResult
	exit    int
	says    []string
}

// describedDevices are all of them, by name.
func describedDevices() map[string]described {
	type object = usppb.GetSupportedDMResp_SupportedObjectResult
	long := strings.Repeat("a", mib)
	return map[string]described{
		"64 MiB of a model": {exit: result.ExitError,
			says: []string{"no reply to GetSupportedDM within", "more than the 16777216 that this broker takes"},
			objects: func() (all []*object) {
				for i := range 64 {
					all = append(all, &object{SupportedObjPath: nth("Device.X"+long, i) + "."})
				}
				return all
			}},
		"15 MiB of a model": {says: []string{"object that is not in the model", "Device.LocalAgent.X0.Y.aaaa"},
			objects: func() (all []*object) {
				for i := range 14 {
					all = append(all, &object{SupportedObjPath: nth("Device.LocalAgent.X", i) + ".Y." + long + "."})
				}
				return all
			}},
		"a circle of names": {
			says: []string{"Device.LocalAgent.Controller.{i}.LocalAgent.", "object that is not in the model", "1 pieces of advice"},
			objects: func() (all []*object) {
				for depth := range 1000 {
					circle := strings.Repeat("LocalAgent.Controller.{i}.", depth/2) + strings.Repeat("LocalAgent.", depth%2)
					all = append(all, &object{IsMultiInstance: true, SupportedObjPath: "Device." + circle})
				}
				return all
			}},
		"everything again and again": {says: []string{"Device.LocalAgent.", "more than once"},
			objects: func() []*object { return slices.Repeat([]*object{{SupportedObjPath: "Device.LocalAgent."}}, 200_000) }},
		"unknown elements": {says: []string{"parameter that is not in the model", "more findings are left out"},
			objects: func() []*object {
				o := &object{SupportedObjPath: "Device."}
				for i := range 400_000 {
					o.SupportedParams = append(o.SupportedParams, &usppb.GetSupportedDMResp_SupportedParamResult{ParamName: nth("P", i)})
				}
				return []*object{o}
			}},
		"more elements than a Message may have": {exit: result.ExitError, says: []string{"elements in all"},
			objects: func() []*object { return slices.Repeat([]*object{{}}, 1<<20) }},
	}
}

// mode is the device of "usptest model".
func (d described) mode() mode {
	resp := &usppb.GetSupportedDMResp{ // made before it is asked for: that takes a while
		ReqObjResults: []*usppb.GetSupportedDMResp_RequestedObjectResult{{ReqObjPath: "Device.", SupportedObjs: d.objects()}}}
	return mode{waits: func(m *usppb.Msg) bool { return m.GetBody().GetRequest().GetGetSupportedDm() != nil },
		act: func(s *session, p packet, m *usppb.Msg) bool {
			return s.message(p, usp.NewMsg(m.GetHeader().GetMsgId(), resp))
		}}
}

// TestHostileModels: whatever a device describes, usptest model says what is wrong with it, and does not grow.
func TestHostileModels(t *testing.T) {
	t.Parallel()
	all := describedDevices()
	for _, name := range program.Sample(*full, 3, slices.Sorted(maps.Keys(all))) {
		d := all[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &program.Program{}
			cmd := p.Command(t, path(t), "model", "--dut", hostileDUT(t, "mqtt5", name, mode{late: d.exit == result.ExitPassed, large: true}))
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			peakOf := watchPeaks(t, cmd.Process.Pid, 1)
			p.Wait(t, cmd)
			peak := peakOf()
			p.Want(t, d.exit, d.says...)
			for name, b := range map[string][]byte{"standard output": p.Stdout.Bytes(), "standard error": p.Stderr.Bytes()} {
				if result.Visible(string(b)) != string(b) || len(b) > mib {
					t.Errorf("%d bytes of %s, or something in them that a terminal obeys", len(b), name)
				}
			}
			t.Logf("%d MiB at the most", peak>>20)
			if peak > maxPeaks && !program.Race {
				t.Errorf("the process took %d MiB at the most, want less than %d", peak>>20, maxPeaks>>20)
			}
		})
	}
}
