package expect

import (
	"slices"
	"testing"

	"github.com/usptest/usptest/harness/controller"
	"github.com/usptest/usptest/harness/usp"
	"github.com/usptest/usptest/harness/usp/usppb"
)

func TestOneInstances(t *testing.T) {
	const path = "Device.LocalAgent.Controller."
	type result = usppb.GetInstancesResp_RequestedPathResult
	rows := func(paths ...string) []*usppb.GetInstancesResp_CurrInstance {
		var out []*usppb.GetInstancesResp_CurrInstance
		for _, p := range paths {
			out = append(out, &usppb.GetInstancesResp_CurrInstance{InstantiatedObjPath: p})
		}
		return out
	}
	for name, c := range map[string]struct {
		results []*result
		want    []string
		ok      bool
	}{
		"two rows":     {[]*result{{RequestedPath: path, CurrInsts: rows(path+"1.", path+"2.")}}, []string{path + "1.", path + "2."}, true},
		"no row":       {[]*result{{RequestedPath: path}}, nil, true},
		"no result":    {nil, nil, false},
		"two results":  {[]*result{{RequestedPath: path}, {RequestedPath: path}}, nil, false},
		"another path": {[]*result{{RequestedPath: path + "1."}}, nil, false},
		"an error":     {[]*result{{RequestedPath: path, ErrCode: 7016}}, nil, false},
		"a row twice":  {[]*result{{RequestedPath: path, CurrInsts: rows(path+"1.", path+"1.")}}, nil, false},
	} {
		reply := &controller.Reply{Message: &controller.Message{Msg: usp.NewMsg("1", &usppb.GetInstancesResp{ReqPathResults: c.results})}}
		got, err := OneInstances(reply, path)
		if (err == nil) != c.ok || !slices.Equal(got, c.want) {
			t.Errorf("%s: want %v, got %v, %v", name, c.want, got, err)
		}
	}
}
