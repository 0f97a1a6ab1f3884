package dut

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// links reads the links.
func (d *fileDecoder) links(v value) {
	d.list(v, d.link)
	if len(d.f.Links) == 0 && len(d.problems) == 0 {
		d.add(v, "nothing", "at least one link, such as {mtp: mqtt, version: \"5.0\"}", "")
	}
}

// link reads one link.
func (d *fileDecoder) link(v value) {
	var l LinkSpec
	var mtp, version, role, port value
	// only keeps a key to the MTPs that know it.
	type limited struct {
		value
		mtps []string
	}
	var given []limited
	only := func(read func(value), mtps ...string) func(value) {
		return func(v value) { given = append(given, limited{v, mtps}); read(v) }
	}
	faults := len(d.problems)
	d.mapping(v,
		field{"mtp", true, func(v value) { mtp = v; d.oneOf(v, &l.MTP, MQTT, STOMP, WebSocket) }},
		field{"version", false, only(func(v value) { version = v; d.oneOf(v, &l.Version, "5.0", "3.1.1") }, MQTT)},
		field{"tls", false, func(v value) { d.boolean(v, &l.TLS) }},
		field{"port", false, func(v value) { port = v; d.number(v, &l.Port, 0, maxPort) }},
		field{"agentTopic", false, only(func(v value) { d.topic(v, &l.AgentTopic) }, MQTT, STOMP)},
		field{"controllerTopic", false, only(func(v value) { d.topic(v, &l.ControllerTopic) }, MQTT, STOMP)},
		field{"username", false, only(func(v value) { d.credential(v, &l.Username) }, MQTT, STOMP)},
		field{"password", false, only(func(v value) { d.credential(v, &l.Password) }, MQTT, STOMP)},
		field{"role", false, only(func(v value) { role = v; d.oneOf(v, &l.Role, RoleClient, RoleServer) }, WebSocket)},
		field{"path", false, only(func(v value) { d.wsPath(v, &l.Path) }, WebSocket)},
		field{"url", false, only(func(v value) { d.url(v, &l.URL) }, WebSocket)},
	)
	if l.MTP == "" || len(d.problems) > faults {
		return
	}
	for _, g := range given {
		if !slices.Contains(g.mtps, l.MTP) {
			d.add(g.value, describe(g.node), "", fmt.Sprintf("a link with mtp %s has no such key; remove it", l.MTP))
		}
	}
	switch {
	case l.MTP == MQTT && version.node == nil:
		d.add(value{v.key + ".version", mtp.node}, "nothing", "\"5.0\" or \"3.1.1\"", "the key is missing")
	case l.Role == RoleServer && l.URL == "":
		d.add(value{v.key + ".url", role.node}, "nothing", "where the device listens, such as ws://192.168.1.1:5683/usp", "the key is missing")
	case l.Role == RoleServer && (l.Port != 0 || l.Path != ""):
		d.add(value{v.key, role.node}, "port or path", "", "a device that listens itself is dialled at its url; remove port and path")
	case l.Role != RoleServer && l.URL != "":
		d.add(value{v.key + ".url", v.node}, strconv.Quote(l.URL), "", "url is for role: server; the device dials the harness at host, port and path")
	case l.Role == RoleServer && strings.HasPrefix(l.URL, "wss:") != l.TLS:
		d.add(value{v.key + ".url", role.node}, strconv.Quote(l.URL), "wss:// with tls: true, ws:// without", "")
	}
	if len(d.problems) > faults {
		return
	}
	if _, twice := d.f.Link(l.Name()); twice {
		d.add(v, "link "+l.Name()+" again", "each link once", "put the second into a DUT file of its own")
		return
	}
	d.f.Links = append(d.f.Links, l)
	d.later = append(d.later, func() {
		at := port
		if at.node == nil {
			at = value{v.key + ".port", mtp.node}
		}
		switch {
		case d.f.Lab.Launch == nil && l.Role != RoleServer && l.Port == 0:
			d.add(at, "0", "", "a device that the harness does not launch needs a port that stays the same; set port, and the device to it")
		case l.Port != 0 && slices.ContainsFunc(d.f.Links, func(o LinkSpec) bool { return o.Port == l.Port && o.Name() != l.Name() }):
			d.add(at, strconv.Itoa(l.Port), "a port for each link", "")
		}
	})
}

// topic reads an MQTT topic or a STOMP destination.
func (d *fileDecoder) topic(v value, into *string) {
	if d.filled(v, into) && (strings.ContainsAny(*into, "+#:") || len(*into) > 256) {
		d.add(v, strconv.Quote(cut(*into)), "a topic or destination without +, # and colon, at most 256 bytes", "")
	}
}

// credential reads a username or password, never showing it. It may be a template that takes it from the environment.
func (d *fileDecoder) credential(v value, into *string) {
	var s string
	if !d.text(v, &s) {
		return
	}
	s, err := renderText(v.key, s, nil)
	if err != nil {
		d.add(v, "a template", "text, or {{env \"NAME\"}}", err.Error())
		return
	}
	*into = s
}

// wsPath reads the path of a WebSocket endpoint.
func (d *fileDecoder) wsPath(v value, into *string) {
	if d.filled(v, into) && (!strings.HasPrefix(*into, "/") || strings.ContainsAny(*into, "?# ")) {
		d.add(v, strconv.Quote(*into), "a path that begins with /, without query", "")
	}
}

// url reads the template of a WebSocket URL.
func (d *fileDecoder) url(v value, into *string) {
	if !d.filled(v, into) {
		return
	}
	if _, err := (LinkSpec{URL: *into}).Endpoint(sampleVars(LinkSpec{})); err != nil {
		d.add(v, strconv.Quote(*into), "a URL such as ws://192.168.1.1:5683/usp", err.Error())
	}
}

// Endpoint is the URL of a device that is a WebSocket server.
func (l LinkSpec) Endpoint(vars Vars) (*url.URL, error) {
	text, err := renderText("url", l.URL, vars)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "ws" && u.Scheme != "wss" || u.Hostname() == "" {
		return nil, fmt.Errorf("%q does not begin with ws:// or wss:// and a host", text)
	}
	return u, nil
}

// tls reads the certificates of the lab.
func (d *fileDecoder) tls(v value) {
	t := &d.f.TLS
	file := func(into *string) func(value) {
		return func(v value) {
			if d.filled(v, into) {
				d.exists(v, *into)
			}
		}
	}
	faults := len(d.problems)
	d.mapping(v,
		field{"certificate", false, file(&t.Certificate)},
		field{"key", false, file(&t.Key)},
		field{"trust", false, file(&t.Trust)},
	)
	if len(d.problems) > faults {
		return
	}
	if (t.Certificate == "") != (t.Key == "") {
		d.add(v, "one of certificate and key", "both or none", "")
		return
	}
	if _, err := d.f.ServerCertificate(); err != nil {
		d.add(v, strconv.Quote(t.Certificate), "a certificate and its key, both PEM", err.Error())
	}
	if _, err := d.f.ClientAuthorities(); err != nil {
		d.add(value{v.key + ".trust", v.node}, strconv.Quote(t.Trust), "PEM certificates", err.Error())
	}
}

// exists records a problem when a file that the DUT file names is not there.
func (d *fileDecoder) exists(v value, path string) bool {
	if _, err := readSmall(resolve(d.root, path)); err != nil {
		d.add(v, strconv.Quote(path), "", fmt.Sprintf("%s cannot be read: %s", resolve(d.root, path), reason(err)))
		return false
	}
	return true
}

// ServerCertificate is what the brokers show on a TLS link; nil when the harness has to make one itself.
func (f *File) ServerCertificate() (*tls.Certificate, error) {
	if f.TLS.Certificate == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(f.resolve(f.TLS.Certificate), f.resolve(f.TLS.Key))
	if err != nil {
		return nil, err
	}
	return &cert, nil
}

// ClientAuthorities are those whose client certificates the brokers accept; nil when the file names none.
func (f *File) ClientAuthorities() (*x509.CertPool, error) {
	if f.TLS.Trust == "" {
		return nil, nil
	}
	text, err := readSmall(f.resolve(f.TLS.Trust))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", f.TLS.Trust)
	}
	return pool, nil
}
