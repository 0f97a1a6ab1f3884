package harness

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/harness/journal"
	"github.com/usptest/usptest/harness/pki"
	"github.com/usptest/usptest/harness/plan"
	"github.com/usptest/usptest/harness/usp"
)

// LinkCertificate issues a certificate like the one that the Link shows, with the flaw that preset names.
func (c *Case) LinkCertificate(preset pki.Preset) *tls.Certificate {
	c.Uses(plan.NeedBadCertificate)
	return c.Certificate(preset, c.linkNames)
}

// NewAuthority makes an authority that the device has not seen, in PEM form, and a certificate of it like the one that the Link shows.
func (c *Case) NewAuthority() (authority string, certificate *tls.Certificate) {
	c.Uses(plan.NeedCertStore)
	ca, err := pki.NewCA(c.Fresh("authority"))
	c.LabMust(err)
	return string(ca.PEM()), c.issue(ca, pki.Good, c.linkNames)
}

// linkNames gives a certificate the names of the Link's own.
func (c *Case) linkNames(s *pki.Spec) {
	own, err := x509.ParseCertificate(c.bench.Identity.Certificate.Certificate[0])
	c.LabMust(err)
	s.CommonName, s.DNS, s.IPs = own.Subject.CommonName, own.DNSNames, own.IPAddresses
}

// Present has the Link show another certificate in the TLS handshakes that begin from now on, nil for its own again, and cuts the
// connections that there are. what names it in the journal. It returns the mark before. The device is put back by ConnectAnew, which has to
// be registered as clean-up.
func (c *Case) Present(certificate *tls.Certificate, what string) (mark journal.Mark) {
	c.show(certificate, what)
	mark = c.Journal.Mark()
	c.bench.Link.Drop()
	return mark
}

// PresentFromBoot is Present from a reboot on.
func (c *Case) PresentFromBoot(certificate *tls.Certificate, what string) (mark journal.Mark) {
	c.show(certificate, what)
	return c.Reboot()
}

// show is Present for the connections to come alone.
func (c *Case) show(certificate *tls.Certificate, what string) {
	c.bench.Identity.Shown.Set(certificate)
	c.Journal.Append(journal.Event{Layer: journal.LayerScript, Dir: journal.Own, Type: "Present",
		Text: "TLS: from now on the Link shows " + what})
}

// LetResume lets the device resume its sessions of TLS with the Link, until the end of the case.
func (c *Case) LetResume() {
	c.bench.Identity.Shown.Resume(true)
	c.Cleanup("let no session of TLS be resumed", func(context.Context) error {
		c.bench.Identity.Shown.Resume(false)
		return nil
	})
	c.Journal.Append(journal.Event{Layer: journal.LayerScript, Dir: journal.Own, Type: "LetResume",
		Text: "TLS: from now on sessions can be resumed"})
}

// MustTakeTLS12 wants the device, which is a client of the Link and has opened connections since mark, to speak TLS 1.2. One that offers it
// is taken at its word. Another one has to connect while the Link speaks nothing later, in three attempts, since it may come down to 1.2.
func (c *Case) MustTakeTLS12(m *Metric, mark journal.Mark) {
	offers := ""
	for _, e := range c.Journal.Since(mark) {
		hello, ok := e.Body.(*gate.ClientHello)
		switch {
		case !ok || e.Link != "":
		case slices.Contains(hello.Versions, tls.VersionTLS12):
			return
		default:
			offers = hello.Offers()
			m.Saw(e.Seq)
		}
	}
	if offers == "" {
		return // a device without TLS is another matter
	}
	c.Extend(time.Minute)
	c.Cleanup("speak every version of TLS again", func(ctx context.Context) error {
		c.bench.Identity.Shown.Newest(0)
		return c.ConnectAnew(ctx)
	})
	c.bench.Identity.Shown.Newest(tls.VersionTLS12)
	c.Journal.Append(journal.Event{Layer: journal.LayerScript, Dir: journal.Own, Type: "Newest", Text: "TLS: from now on the Link speaks 1.2 alone"})
	mark = c.Journal.Mark()
	c.bench.Link.Drop()
	last, err := c.Attempts(mark, 3)
	m.Must(err)
	if last.Session == nil {
		m.Must(&usp.Mismatch{Where: "TLS with a Link that speaks 1.2 alone, of a device that offers " + offers, Want: "a session", Got: last.Text}, last.Seq)
	}
}

// Attempt is what has become of a connection that the device or, where the device is the server, the harness has opened on the Link.
type Attempt struct {
	Session *journal.Event // how the device has opened a session; nil when it has not
	Seq     journal.Mark   // of the event that says so, or that tells most of how it has ended
	Text    string         // of that event

	opened journal.Mark // the event of its opening
}

// AwaitAttempt waits for a connection that is opened after mark, and for what becomes of it: a session, its end, or nothing for as long
// as an answer is awaited. A connection that the device closes before it has sent a byte is no attempt, if another one follows: some
// devices open two at once, and drop one of them.
func (c *Case) AwaitAttempt(mark journal.Mark) (Attempt, error) {
	var unused *Attempt
	for {
		opened, err := c.Await("attempt of the device to connect", c.ReconnectWait(), mark, func(e *journal.Event) error {
			if !c.opensLink(e) {
				return journal.ErrSkip
			}
			return nil
		})
		switch {
		case err != nil && unused != nil && c.Err() == nil:
			return *unused, nil
		case err != nil:
			return Attempt{}, err
		}
		attempt, used, err := c.outcome(opened)
		if err != nil || used || unused != nil {
			return attempt, err
		}
		unused, mark = &attempt, opened.Seq
	}
}

// outcome waits for what becomes of a connection. used reports whether it was more than opened and closed.
func (c *Case) outcome(opened *journal.Event) (_ Attempt, used bool, _ error) {
	end, err := c.Await("session or end of the connection", c.ResponseWait(), opened.Seq, func(e *journal.Event) error {
		if e.Conn == opened.Conn && (c.bench.Link.StartsSession(e) || e.Layer == journal.LayerTCP && e.Type == "close") {
			return nil
		}
		return journal.ErrSkip
	})
	switch {
	case c.Err() != nil:
		return Attempt{}, true, err
	case err != nil:
		return Attempt{Seq: opened.Seq, Text: "nothing came", opened: opened.Seq}, true, nil
	case c.bench.Link.StartsSession(end):
		return Attempt{Session: end, Seq: end.Seq, Text: end.Type, opened: opened.Seq}, true, nil
	}
	for _, e := range c.Journal.Since(opened.Seq) {
		if e.Conn != opened.Conn {
			continue
		}
		used = used || e.Dir == journal.In && e.Layer != journal.LayerTCP
		if e.Layer == journal.LayerTLS {
			end = e
		}
	}
	used = used || opened.Dir == journal.Out
	return Attempt{Seq: end.Seq, Text: fmt.Sprintf("%s: %s", end.Type, end.Text), opened: opened.Seq}, used, nil
}

// Attempts waits for attempts to connect after mark until one has become a session, up to a number of them, and returns the last one. What
// the harness tries while the device is still going down does not count. The error is for a device that has not tried.
func (c *Case) Attempts(mark journal.Mark, most int) (last Attempt, err error) {
	for n := 0; n < most; {
		attempt, err := c.AwaitAttempt(mark)
		if err != nil && last.opened != 0 {
			break
		}
		if err != nil {
			return Attempt{}, err
		}
		last, mark = attempt, attempt.opened // the next one may have been opened before this one ended
		switch {
		case c.goingDown(attempt):
		case last.Session != nil:
			return last, nil
		default:
			n++
		}
	}
	last.Session = nil // of a device that was going down
	return last, nil
}

// goingDown reports whether an attempt was one of the harness to connect to a device that it had made to restart, before the device did.
// The launch of the device shows that it has; else its session does that lasts.
func (c *Case) goingDown(a Attempt) bool {
	opened := c.Journal.At(a.opened)
	left := c.Scaled(GoingDown) - time.Since(c.restartedAt)
	if c.reboots == 0 || opened.Dir != journal.Out || left <= 0 || c.launchedSince(c.restarts, opened.Seq) {
		return false
	}
	if a.Session == nil {
		return true
	}
	end, _ := c.Await("end of the session, or start of the device", Wait{D: left}, a.Session.Seq, func(e *journal.Event) error {
		if c.Ends(opened.Conn, e) || launches(e) {
			return nil
		}
		return journal.ErrSkip
	})
	return end != nil
}

// launchedSince reports whether the lab has started the device's process after mark, and before the event of the number end.
func (c *Case) launchedSince(mark, end journal.Mark) bool {
	return slices.ContainsFunc(c.Journal.Since(mark), func(e *journal.Event) bool { return e.Seq < end && launches(e) })
}

// launches reports whether e is the start of the device's process.
func launches(e *journal.Event) bool { return e.Layer == journal.LayerLab && e.Type == "launch" }

// opensLink reports whether e opens a connection on the Link under test, and not with another server of the harness. Only a Link dials.
func (c *Case) opensLink(e *journal.Event) bool {
	if e.Layer != journal.LayerTCP || e.Type != "open" || e.Conn == 0 || e.Link != "" {
		return false
	}
	_, port, _ := net.SplitHostPort(e.Local)
	return e.Dir == journal.Out || port == c.bench.brokerPort()
}
