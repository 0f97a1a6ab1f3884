package dut

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/goccy/go-yaml/ast"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/harness/pki"
	"github.com/usptest/usptest/harness/plan"
)

// links are the links.
func (d *fileDecoder) links() kind {
	k := d.aList(d.link)
	k.schema.MinItems = 1
	return kind{k.schema, func(v value) {
		k.read(v)
		if len(d.f.Links) == 0 && len(d.problems) == 0 {
			d.add(v, "nothing", "at least one link, such as {mtp: mqtt, version: \"5.0\"}", "")
		}
	}}
}

// link is one link.
func (d *fileDecoder) link() kind {
	var l LinkSpec
	given := map[string]value{}
	key := func(name string, required bool, text string, k kind) field {
		return field{name, required, text, kind{k.schema, func(v value) { given[name] = v; k.read(v) }}}
	}
	k := d.aMapping(
		key("mtp", true, "the Message Transfer Protocol", d.aWord(&l.MTP, MQTT, STOMP, WebSocket, UDS)),
		key("version", false, "the version of MQTT, in quotes; each version is a link of its own", d.aWord(&l.Version, "5.0", "3.1.1")),
		key("tls", false, "whether the link has TLS", d.aSwitch(&l.TLS)),
		key("port", false, "the port on which usptest listens; a device that runs by itself needs a fixed one, for others 0 picks a "+
			"free one", d.aNumber(&l.Port, 0, maxPort)),
		key("agentTopic", false, "the MQTT topic or STOMP destination where the device listens", d.topic(&l.AgentTopic)),
		key("assignTopic", false, "whether the broker assigns agentTopic to the device: subscribe-topic and Response Information of "+
			"MQTT 5.0, subscribe-dest of STOMP",
			d.aSwitch(&l.AssignTopic)),
		key("controllerTopic", false, "the MQTT topic or STOMP destination where usptest listens", d.topic(&l.ControllerTopic)),
		key("username", false, "the user name with which the device logs in", d.credential(&l.Username)),
		key("password", false, `the password with which the device logs in; {{env "NAME"}} takes it from the environment; `+
			"it is masked in everything that usptest writes", d.credential(&l.Password)),
		key("role", false, "the Agent's role on WebSocket and Unix domain sockets: a client connects to usptest, a server waits for "+
			"usptest to connect",
			d.aWord(&l.Role, RoleClient, RoleServer)),
		key("path", false, "the path that a WebSocket client requests, "+DefaultWSPath+" without this key; or the path of a Unix "+
			"domain socket, "+
			"at most 107 bytes, which usptest chooses for a device that it launches", d.linkPath(&l.Path)),
		key("url", false, "the URL at which a WebSocket server listens", d.url(&l.URL)),
		key("session", false, "run the cases of chapter 1 within a session context, with payloads in the clear or in TLS; the device "+
			"must allow that. "+
			"It is a link of its own and may share port and path with the same link without session",
			d.aWord(&l.Session, SessionPlain, SessionTLS)),
	)
	k.schema.AllOf = linkConditions()
	return kind{k.schema, func(v value) {
		faults := len(d.problems)
		k.read(v)
		if l.MTP == "" {
			return
		}
		d.fits(v, l, given)
		if len(d.problems) > faults {
			return
		}
		if _, twice := d.f.Link(l.Name()); twice {
			d.add(v, "link "+l.Name()+" again", "each link once", "put the second into a DUT file of its own")
			return
		}
		d.f.Links = append(d.f.Links, l)
		d.later = append(d.later, func() { d.lateLink(v, l, given) })
	}}
}

// lateLink checks a link against the rest of the file.
func (d *fileDecoder) lateLink(v value, l LinkSpec, given map[string]value) {
	if l.MTP == UDS {
		d.socket(at(given, "path", v), l)
	} else {
		d.port(at(given, "port", v), l)
	}
	if missing := l.sessionFeature(); missing != 0 && !slices.Contains(d.f.Features, missing) {
		f, _ := d.plan.Feature(missing)
		d.add(given["session"], l.Session, "",
			fmt.Sprintf("it needs feature %d (%s); add the number to features if the device has it", missing, f.Name))
	}
	if l.TLS && d.f.Lab.Launch == nil && l.Role != RoleServer && d.f.TLS.Certificate == "" && d.f.TLS.Authority == "" {
		d.add(given["tls"], "true", "", "a device that the harness does not launch cannot know the harness's own CA; "+
			"set tls.authority to one that the device trusts (usptest certs makes it), or tls.certificate and tls.key to a certificate that it trusts")
	}
}

// sessionFeature is the number of the plan's feature that the device needs for the session contexts of the link; 0 for none.
func (l LinkSpec) sessionFeature() int {
	switch l.Session {
	case SessionPlain:
		return plan.FeatureSessionContext
	case SessionTLS:
		return plan.FeatureTLSInRecords
	}
	return 0
}

// linkConditions say which keys a link has no place for, and which it needs, by its MTP and role.
func linkConditions() []condition {
	var all []condition
	for _, l := range []LinkSpec{{MTP: MQTT}, {MTP: MQTT, Version: "3.1.1"}, {MTP: STOMP}, {MTP: WebSocket},
		{MTP: WebSocket, Role: RoleServer}, {MTP: UDS}} {
		var needs []string
		if l.MTP == MQTT {
			needs = []string{"version"}
		}
		is := map[string]any{"mtp": Schema{Const: l.MTP}}
		when := map[string]any{"properties": is, "required": []string{"mtp"}}
		switch {
		case l.Version != "":
			is["version"] = Schema{Const: l.Version}
		case l.Role == RoleServer:
			needs = []string{"url"}
			is["role"] = Schema{Const: RoleServer}
			when["required"] = []string{"mtp", "role"}
		case l.MTP == WebSocket:
			is["role"] = Schema{Const: RoleClient}
		}
		none := map[string]bool{}
		for key := range l.unknownKeys() {
			none[key] = false
		}
		then := map[string]any{"properties": none}
		if len(needs) > 0 {
			then["required"] = needs
		}
		all = append(all, condition{when, then})
	}
	return all
}

// at is the value of a key, or the place where it should be.
func at(given map[string]value, name string, parent value) value {
	if v, ok := given[name]; ok {
		return v
	}
	return value{under(parent.key, name), parent.node}
}

// unknownKeys are the keys that a link of this MTP and role does not have, each with the reason.
func (l LinkSpec) unknownKeys() map[string]string {
	unknown := map[string]string{}
	forbid := func(why string, keys ...string) {
		for _, k := range keys {
			unknown[k] = why
		}
	}
	switch {
	case l.MTP == UDS:
		forbid("a Unix domain socket has a path", "port", "url")
		forbid("TLS over a Unix domain socket is not tested", "tls")
	case l.MTP == WebSocket && l.Role == RoleServer:
		forbid("a device that is a WebSocket server is dialled at its url", "port", "path")
	case l.MTP == WebSocket:
		forbid("it is for role: server; the device dials the harness at host, port and path", "url")
	default:
		forbid("it is for mtp: websocket and uds", "role", "path")
		forbid("it is for mtp: websocket", "url")
	}
	if l.MTP != MQTT {
		forbid("it is for mtp: mqtt", "version")
	}
	if l.MTP == MQTT && l.Version == "3.1.1" {
		forbid("a broker of MQTT 3.1.1 tells a device nothing", "assignTopic")
	}
	if l.MTP == WebSocket || l.MTP == UDS {
		forbid("it is for mtp: mqtt and stomp", "agentTopic", "assignTopic", "controllerTopic", "username", "password")
	}
	return unknown
}

// fits checks that the keys of a link fit together.
func (d *fileDecoder) fits(v value, l LinkSpec, given map[string]value) {
	unknown := l.unknownKeys()
	for _, name := range sortedKeys(given) {
		if why, bad := unknown[name]; bad {
			d.add(given[name], "a key that does not fit", "", why+"; remove it")
		}
	}
	if _, ok := given["version"]; l.MTP == MQTT && !ok {
		d.add(at(given, "version", v), "nothing", "\"5.0\" or \"3.1.1\"", "the key is missing")
	}
	if err := gate.CheckUnixPath(l.Path); l.MTP == UDS && err != nil {
		d.add(given["path"], strconv.Quote(l.Path), "", err.Error())
	}
	if l.MTP != WebSocket || l.Role != RoleServer {
		return
	}
	switch _, ok := given["url"]; {
	case !ok:
		d.add(at(given, "url", v), "nothing", "where the device listens, such as ws://192.168.1.1:5683/usp", "the key is missing")
	case strings.HasPrefix(l.URL, "ws:") && l.TLS || strings.HasPrefix(l.URL, "wss:") && !l.TLS:
		d.add(given["url"], strconv.Quote(l.URL), "wss:// with tls: true, ws:// without", "")
	}
}

// port checks the port of a link against the rest of the file.
func (d *fileDecoder) port(v value, l LinkSpec) {
	switch {
	case d.f.Lab.Launch == nil && l.Role != RoleServer && l.Port == 0:
		d.add(v, "0", "", "a device that the harness does not launch needs a port that stays the same; set port, and the device to it")
	case l.Port != 0 && slices.ContainsFunc(d.f.Links, func(o LinkSpec) bool { return o.Port == l.Port && o.Carrier() != l.Carrier() }):
		d.add(v, strconv.Itoa(l.Port), "a port for each link", "")
	}
}

// socket checks the Unix domain socket of a link against the rest of the file.
func (d *fileDecoder) socket(v value, l LinkSpec) {
	if d.f.Lab.Launch == nil && l.Path == "" {
		d.add(v, "nothing", "the path of the socket, such as /var/run/usp/agent",
			"a device that the harness does not launch needs one that stays the same")
	}
}

// topic is an MQTT topic or a STOMP destination.
func (d *fileDecoder) topic(into *string) kind {
	return kind{Schema{Type: "string", Pattern: `^[^+#]{1,256}$`}, func(v value) {
		if d.filled(v, into) && (strings.ContainsAny(*into, "+#") || len(*into) > 256) {
			d.add(v, strconv.Quote(cut(*into)), "a topic or destination without + and #, at most 256 bytes", "")
		}
	}}
}

// credential is a username or password, which is never shown. It may be a template that takes it from the environment.
func (d *fileDecoder) credential(into *string) kind {
	return kind{Schema{Type: "string"}, func(v value) { d.readCredential(v, into) }}
}

func (d *fileDecoder) readCredential(v value, into *string) {
	const hidden = "a value that is not shown"
	if t := v.node.Type(); t != ast.StringType {
		d.add(v, hidden, "text", "put it in quotes")
		return
	}
	var s string
	d.text(v, &s)
	s, err := Render(v.key, s, nil)
	if err != nil {
		d.add(v, hidden, `text, or {{env "NAME"}} for an environment variable`, err.Error())
		return
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		d.add(v, hidden, "text without control characters", "")
		return
	}
	*into = s
}

// linkPath is the path of a WebSocket endpoint or of a Unix domain socket.
func (d *fileDecoder) linkPath(into *string) kind {
	return kind{Schema{Type: "string", Pattern: `^/[^?# ]*$`}, func(v value) {
		if d.filled(v, into) && (!strings.HasPrefix(*into, "/") || strings.ContainsAny(*into, "?# ")) {
			d.add(v, strconv.Quote(*into), "a path that begins with /, without ?, # and blanks", "")
		}
	}}
}

// url is the template of a WebSocket URL.
func (d *fileDecoder) url(into *string) kind {
	return kind{Schema{Type: "string", Pattern: `^(wss?://|\{\{).`}, func(v value) {
		if !d.filled(v, into) {
			return
		}
		if _, err := (LinkSpec{URL: *into}).Endpoint(sampleVars(LinkSpec{})); err != nil {
			d.add(v, strconv.Quote(*into), "a URL such as ws://192.168.1.1:5683/usp", err.Error())
		}
	}}
}

// Endpoint is the URL of a device that is a WebSocket server.
func (l LinkSpec) Endpoint(vars Vars) (*url.URL, error) {
	text, err := Render("url", l.URL, vars)
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

// tls are the certificates of the lab.
func (d *fileDecoder) tls() kind {
	t := &d.f.TLS
	file := func(into *string) kind { return d.then(d.aLine(into), func(v value) { d.exists(v, *into) }) }
	return d.then(d.aMapping(
		field{"authority", false, `a folder made by "usptest certs": the device must trust ca.pem in it`, d.authority()},
		field{"certificate", false, "the certificate that the brokers show instead: the device must trust its issuer, and host must " +
			"be among its names", file(&t.Certificate)},
		field{"key", false, "its key", file(&t.Key)},
		field{"trust", false, "the issuers of the certificate that the device shows; without this key any is accepted", file(&t.Trust)},
	), func(v value) {
		if (t.Certificate == "") != (t.Key == "") {
			d.add(v, "one of certificate and key", "both or none", "")
			return
		}
		switch cert, err := d.f.ServerCertificate(); {
		case err != nil:
			d.add(v, strconv.Quote(t.Certificate), "a certificate and its key, both PEM", err.Error())
		case cert != nil && d.now.After(cert.Leaf.NotAfter):
			d.add(v, strconv.Quote(t.Certificate), "a certificate that is valid today", "it expired on "+cert.Leaf.NotAfter.Format(time.DateOnly))
		case cert != nil && d.now.Before(cert.Leaf.NotBefore):
			d.add(v, strconv.Quote(t.Certificate), "a certificate that is valid today", "it is valid from "+cert.Leaf.NotBefore.Format(time.DateOnly)+" on")
		}
		if _, err := d.f.ClientAuthorities(); err != nil {
			d.add(value{v.key + ".trust", v.node}, strconv.Quote(t.Trust), "PEM certificates", err.Error())
		}
	})
}

// authority is the folder of a CA.
func (d *fileDecoder) authority() kind {
	return d.then(d.aLine(&d.f.TLS.Authority), func(v value) {
		if _, err := d.f.Authority(d.now); err != nil {
			d.add(v, strconv.Quote(d.f.TLS.Authority), fmt.Sprintf("a folder with %s and %s", pki.CertFile, pki.KeyFile), err.Error()+"; make one with usptest certs")
		}
	})
}

// exists records a problem when a file that the DUT file names is not there.
func (d *fileDecoder) exists(v value, path string) {
	if _, err := readSmall(resolve(d.root, path)); err != nil {
		d.add(v, strconv.Quote(path), "", fmt.Sprintf("%s cannot be read: %s", resolve(d.root, path), reason(err)))
	}
}

// Authority is the CA that signs what the brokers show; nil when the harness has to make one itself.
func (f *File) Authority(now time.Time) (*pki.CA, error) {
	if f.TLS.Authority == "" {
		return nil, nil
	}
	return pki.Load(f.resolve(f.TLS.Authority), now)
}

// ServerCertificate is what the brokers show on a TLS link; nil when the CA has to sign one.
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

// WrongNames says of the certificate that the brokers show over a link, if the file names one, that the device looks for another name in
// it.
func (f *File) WrongNames(l LinkSpec) error {
	cert, err := f.ServerCertificate()
	if cert == nil || err != nil || !l.TLS || l.Role == RoleServer {
		return err
	}
	if err := cert.Leaf.VerifyHostname(f.HostFor(l)); err != nil {
		return fmt.Errorf("tls.certificate: %w; set host to a name in the certificate that leads the device here", err)
	}
	return nil
}

// ClientAuthorities are those whose client certificates the brokers accept; nil when the file names none.
func (f *File) ClientAuthorities() (*x509.CertPool, error) {
	if f.TLS.Trust == "" {
		return nil, nil
	}
	text, err := f.Read(f.TLS.Trust)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", f.TLS.Trust)
	}
	return pool, nil
}
