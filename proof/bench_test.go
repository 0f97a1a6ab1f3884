package proof

import (
	"testing"

	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/runner"
)

// BenchmarkGet is a Get of one parameter from the reference agent: outside session contexts, within one, and with TLS in payloads.
func BenchmarkGet(b *testing.B) {
	p, err := plan.Load()
	if err != nil {
		b.Fatal(err)
	}
	c, _ := p.Case("3.4")
	for name, begin := range map[string]func(c *harness.Case){
		"outside": func(*harness.Case) {},
		"plain":   func(c *harness.Case) { c.OpenSession() },
		"tls":     func(c *harness.Case) { c.OpenSecureSession(0).Secure() },
	} {
		b.Run(name, func(b *testing.B) {
			s := open(b.Context(), b, runner.SessionOptions{DUT: device(b), Link: "mqtt5"})
			defer s.Close()
			if _, err := s.Run(b.Context(), c, func(c *harness.Case) {
				begin(c)
				for b.Loop() {
					if got := c.Agent.Get(c, "Device.LocalAgent.EndpointID"); got.Err != nil {
						b.Error(got.Err)
						return
					}
				}
			}); err != nil {
				b.Fatal(err)
			}
		})
	}
}
