package harness

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/usptest/usptest/brokers/probes"
	"github.com/usptest/usptest/harness/plan"
)

// SilentHost opens a host on this computer that takes the probes of a diagnostic and never answers (see package probes). address is where
// the device reaches it. It closes at the end: what probes it then is answered by the system.
func (c *Case) SilentHost() (address string) {
	c.Uses(plan.NeedSilentHost)
	bind, err := netip.ParseAddr(c.DUT.Bind)
	c.LabMust(err)
	host, err := probes.Open(c.Journal, bind)
	if err != nil {
		err = fmt.Errorf("%w; probes are observed at the IPv4 address that the DUT file has as bind, UDP ports %d to %d: free them",
			err, probes.FirstPort, probes.LastPort)
	}
	c.LabMust(err)
	c.Cleanup("close the silent host", func(context.Context) error { return host.Close() })
	if bind.IsLoopback() || c.DUT.Host == "" {
		return host.Addr().String()
	}
	return c.DUT.Host
}
