package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/usptest/usptest/fixtures/agent"
	"github.com/usptest/usptest/harness/dut"
	"github.com/usptest/usptest/harness/plan"
)

// referenceScale divides the protocol intervals of a run against the reference agent.
const referenceScale = 25

// referenceInstances is how many reference agents run for each link: most of a run is waiting, and three wait in a third of the time.
const referenceInstances = 3

// referenceLinks are the links of such a run unless --link says otherwise.
func referenceLinks() []string { return []string{"mqtt5", "mqtt3", "stomp", "websocket", "mqtt5+tls"} }

// referenceFeatures are the rows of the feature table that the reference agent has.
func referenceFeatures() []int {
	return []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 15, 17, 18, 19, 31, 32, 34, 35, 36, 37, 38, 39, 40, 42}
}

// referenceDUT describes the reference agent as any other device that the harness launches: from this very binary. An unknown defect is
// a *plan.UnknownError.
func referenceDUT(defects []string) (*dut.File, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range slices.Concat(agent.Defects(), agent.Freedoms()) {
		names = append(names, d.Name)
	}
	for _, v := range agent.Variants() {
		names = append(names, v.Name)
	}
	for _, d := range defects {
		if !slices.Contains(names, d) {
			return nil, &plan.UnknownError{Kind: "defect", Name: d, Near: plan.Near(d, names)}
		}
	}
	exec := []string{
		self, "agent", "--link={{.Link}}", "--host={{.Host}}", "--port={{.Port}}",
		"--endpoint={{.AgentID}}", "--controller={{.ControllerID}}",
		"--agent-topic={{.AgentTopic}}", "--controller-topic={{.ControllerTopic}}",
		"--username={{.Username}}", "--password={{.Password}}", "--path={{.Path}}",
		"--trust={{.CA}}", "--certificate={{.ClientCert}}", "--key={{.ClientKey}}",
		"--state=" + filepath.Join("{{.Dir}}", "state.json"), fmt.Sprintf("--timescale=%d", referenceScale),
	}
	for _, d := range defects {
		exec = append(exec, "--defect="+d)
	}
	f := &dut.File{
		Device:   dut.Identity{Vendor: "usptest", Model: "reference agent", Software: version(), Endpoint: "proto::usptest-agent-{{.Instance}}"},
		Features: referenceFeatures(),
		Lab: dut.LabSpec{
			Launch: &dut.Launch{Exec: exec, Fresh: dut.FreshPerRun},
			Reboot: dut.Hook{By: dut.ByUSP}, FactoryReset: dut.Hook{By: dut.ByLaunch}, Power: dut.Hook{By: dut.ByLaunch},
		},
		Waits: dut.Waits{Connect: 20 * time.Second, Response: 4 * time.Second, Notify: 4 * time.Second, Reconnect: 10 * time.Second, Tolerance: 150 * time.Millisecond},
	}
	for _, l := range []dut.LinkSpec{{MTP: dut.MQTT, Version: "5.0"}, {MTP: dut.MQTT, Version: "3.1.1"}, {MTP: dut.STOMP}, {MTP: dut.WebSocket}} {
		if l.MTP != dut.WebSocket {
			l.Username, l.Password = "usptest", "reference-secret"
		}
		f.Links = append(f.Links, l)
		l.TLS = true
		f.Links = append(f.Links, l)
	}
	f.SetDefaults()
	return f, nil
}
