package messages

import (
	"regexp"
	"slices"
	"strings"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/usp"
)

// supportedProtocol is 1.80: the Agent's own list of versions. It speaks the one of the Record that carries the list.
func supportedProtocol(c *harness.Case) {
	c.Step(1, "get the supported protocol versions")
	got := c.Agent.GetSupportedProtocol(c, "1.0,1.1,1.2,1.3,1.4")
	if !c.Answered(1, got, usp.GetSupportedProtocolResp) {
		return
	}
	c.Metric(2, func(m *harness.Metric) {
		list := got.Body().GetResponse().GetGetSupportedProtocolResp().GetAgentSupportedProtocolVersions()
		versions := strings.Split(list, ",")
		for i, version := range versions {
			versions[i] = strings.TrimSpace(version)
			if !protocolVersion.MatchString(versions[i]) {
				m.Must(&usp.Mismatch{Where: "agent_supported_protocol_versions", Want: "USP versions separated by commas, such as 1.3,1.4", Got: usp.Quote(list)}, got.Evidence())
			}
		}
		m.Saw(got.Evidence(), got.Record)
		if !slices.Contains(versions, got.Version) {
			m.Must(&usp.Mismatch{Where: "agent_supported_protocol_versions", Got: usp.Quote(list),
				Want: "with the version of the Agent's own Records, " + usp.Quote(got.Version)})
		}
	})
}

var protocolVersion = regexp.MustCompile(`^[0-9]+\.[0-9]+$`)
