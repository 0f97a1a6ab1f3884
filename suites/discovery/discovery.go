// Package discovery carries out the cases of chapter 8: a device that finds its Controller by DHCP, DNS and multicast DNS, and makes itself
// found, in a network of its own.
package discovery

import (
	"fmt"
	"strings"
	"time"

	"github.com/usptest/usptest/brokers/discovery"
	"github.com/usptest/usptest/harness"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/plan"
)

// Bodies are those of the chapter.
func Bodies() harness.Bodies {
	bodies := harness.Bodies{
		"8.1": requestsController,
		"8.2": adoptsOptions,
		"8.3": asksDNS,
		"8.4": resolvesLocal,
		"8.5": advertises,
		"8.6": describes,
		"8.7": answersQueries,
	}
	for id, body := range bodies {
		bodies[id] = told(body)
	}
	return bodies
}

// told carries out a body, and tells the reader of the report why the device may seem not to have sent something.
func told(body harness.Body) harness.Body {
	return func(c *harness.Case) {
		mark := c.Journal.Mark()
		defer func() {
			for _, e := range c.Journal.Since(mark) {
				if e.Type == discovery.EventFlood || e.Type == discovery.EventConflict {
					c.Note("event %d: %s", e.Seq, e.Text)
				}
			}
		}()
		body(c)
	}
}

// dialled is where a device has the host that it connects to.
type dialled struct{ object, host string }

// dials finds it. A device that is itself dialled resolves no name.
func dials(c *harness.Case) dialled {
	if c.MTP.BrokerHost != "" {
		return dialled{c.BrokerRow(), c.MTP.BrokerHost}
	}
	row, err := c.ControllerRow()
	c.DeviceMust(err)
	values, err := c.ReadAll(row + "MTP.")
	c.DeviceMust(err)
	for _, path := range values.Names() {
		if object, ok := strings.CutSuffix(path, "WebSocket.Host"); ok && values[path] != "" && values[object+"Protocol"] == "WebSocket" {
			return dialled{object + "WebSocket.", "Host"}
		}
	}
	c.Unsupported("the device is dialled over this link, so that it has no name of the Controller to resolve; run the case over another link")
	return dialled{}
}

// keep puts every parameter of the way to the Controller back at the end.
func (d dialled) keep(c *harness.Case) {
	c.Uses(plan.NeedReconfiguration)
	c.Restore(d.object, d.host)
	values, err := c.ReadAll(d.object)
	c.DeviceMust(err)
	for _, other := range []string{"BrokerPort", "Port", "Path"} {
		if _, has := values[d.object+other]; has {
			c.Restore(d.object, other)
		}
	}
}

// came are the events of a layer from the device since mark.
func came(c *harness.Case, mark journal.Mark, layer journal.Layer) (events []*journal.Event) {
	for _, e := range c.Journal.Since(mark) {
		if e.Layer == layer && e.Dir == journal.In {
			events = append(events, e)
		}
	}
	return events
}

// settle waits until the device has sent nothing of a kind for some time. What it sends of its own accord would be taken for an answer.
func settle(c *harness.Case, what string, kind func(*journal.Event) bool) {
	deadline := time.Now().Add(c.Waits().Notify)
	for time.Now().Before(deadline) {
		_, err := c.Await(what, harness.Wait{D: c.Scaled(3*time.Second) + c.Lag()}, c.Journal.Mark(), func(e *journal.Event) error {
			if !kind(e) {
				return journal.ErrSkip
			}
			return nil
		})
		if err != nil {
			return
		}
	}
}

// offered are the encapsulated options for the Controller of this run, less what a case adds: its Endpoint ID and where it is. That is a
// URL where TR-369 has one, and else a name for which DNS knows the rest.
func offered(c *harness.Case) []discovery.Option {
	port, path := c.Reached()
	where := c.Discovery.Name
	c.DNS().Answer(discovery.Addresses(c.Discovery.Name, c.Discovery.IPv4, c.Discovery.IPv6)...)
	secure := strings.HasSuffix(c.Link, "+tls")
	if c.MTP.BrokerHost == "" {
		scheme := "ws"
		if secure {
			scheme = "wss"
		}
		where = fmt.Sprintf("%s://%s:%d%s", scheme, c.Discovery.Name, port, path)
	} else {
		attributes := []string{"path=" + c.ControllerAddress}
		if secure {
			attributes = append(attributes, "encrypt")
		}
		c.DNS().Answer(discovery.Service(c.Discovery.Name, "usp-ctr-"+strings.ToLower(c.MTP.Name), c.Agent.ID(), port, attributes...)...)
	}
	return []discovery.Option{{Code: discovery.OptionURL, Value: where}, {Code: discovery.OptionEndpointID, Value: c.Agent.ID()}}
}

// about matches a query of the device for a name, or for what is below it, in a layer.
func about(layer journal.Layer, name string) func(*journal.Event) error {
	return func(e *journal.Event) error {
		m, ok := e.Body.(*discovery.DNS)
		if !ok || e.Layer != layer || e.Dir != journal.In || m.Response {
			return journal.ErrSkip
		}
		for _, q := range m.Question {
			if q := strings.ToLower(strings.TrimSuffix(q.Name, ".")); q == name || strings.HasSuffix(q, "."+name) {
				return nil
			}
		}
		return journal.ErrSkip
	}
}
