package runner

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"

	"github.com/usptest/usptest/brokers/collector"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/dut"
)

// collectors starts those of bulk data: one over HTTP, one over HTTPS, and three that a device must not send anything to.
func (r *rig) collectors(ctx context.Context, vars *dut.Vars, s security) error {
	to := &r.Collectors
	for _, start := range []struct {
		collector *harness.Collector
		scheme    string
		port      int
		tls       *tls.Config
	}{
		{&to.HTTP, "http", r.DUT.Collector.HTTP, nil},
		{&to.HTTPS, "https", 0, s.collector},
		{&to.WrongName, "https", 0, s.wrongName},
		{&to.UnknownIssuer, "https", 0, s.unknownIssuer},
		{&to.Expired, "https", 0, s.expired},
	} {
		if start.scheme == "https" && start.tls == nil {
			continue
		}
		server, err := collector.Start(ctx, r.Journal, collector.Options{Addr: address(r.DUT.Bind, start.port), TLS: start.tls})
		if err != nil {
			return fmt.Errorf("%w; %s", err, listenRemedy(err, "change collector.http in the DUT file"))
		}
		_, port, err := net.SplitHostPort(server.Addr())
		if err != nil {
			return err
		}
		*start.collector = harness.Collector{Server: server, URL: start.scheme + "://" + net.JoinHostPort(vars.Host, port)}
	}
	vars.CollectorURL = to.HTTP.URL
	return nil
}
