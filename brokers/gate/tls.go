package gate

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/usptest/usptest/harness/journal"
)

// Types of the events for a TLS handshake that did not come to its end. HandshakeFailed is for one that this end gave up, since what the
// device sent is no TLS that is taken here; its Text says why. HandshakeBroken is for a device that ended the connection, or said nothing.
const (
	HandshakeFailed = "handshake failed"
	HandshakeBroken = "handshake broken off"
)

// TLS is what a handshake agreed on; it is the Body of the "handshake" event.
type TLS struct {
	Version     string // "TLS 1.3"
	CipherSuite string
	ServerName  string              // SNI
	Protocol    string              // ALPN
	Peer        []*x509.Certificate // what the device showed, leaf first
	Resumed     bool
}

// Describe tells the handshake in lines.
func (t *TLS) Describe() string {
	var b strings.Builder
	fmt.Fprintf(&b, "version      %s\ncipher suite %s\nserver name  %q\n", t.Version, t.CipherSuite, t.ServerName)
	if t.Protocol != "" {
		fmt.Fprintf(&b, "protocol     %q\n", t.Protocol)
	}
	if t.Resumed {
		b.WriteString("resumed      yes\n")
	}
	for i, cert := range t.Peer {
		fmt.Fprintf(&b, "certificate %d of the device\n  subject  %s\n  issuer   %s\n  serial   %s\n  validity %s to %s\n", i+1, cert.Subject,
			cert.Issuer, cert.SerialNumber, cert.NotBefore.UTC().Format("2006-01-02 15:04:05Z"), cert.NotAfter.UTC().Format("2006-01-02 15:04:05Z"))
		for _, name := range alternativeNames(cert) {
			fmt.Fprintf(&b, "  name     %s\n", name)
		}
	}
	return b.String()
}

func (t *TLS) text() string {
	text := fmt.Sprintf("%s, %s, server name %q", t.Version, t.CipherSuite, t.ServerName)
	if len(t.Peer) == 0 {
		return text + ", the device showed no certificate"
	}
	return fmt.Sprintf("%s, the device showed the certificate of %s", text, t.Peer[0].Subject)
}

func alternativeNames(cert *x509.Certificate) []string {
	var names []string
	for _, name := range cert.DNSNames {
		names = append(names, "DNS:"+name)
	}
	for _, ip := range cert.IPAddresses {
		names = append(names, "IP:"+ip.String())
	}
	for _, uri := range cert.URIs {
		names = append(names, "URI:"+uri.String())
	}
	return names
}

// handshake does the TLS handshake, if there is TLS, and records how it went. On failure the connection has ended.
func (c *Conn) handshake(ctx context.Context) error {
	secured, ok := c.inner.(*tls.Conn)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	// recordHello finds the connection in the context
	err := secured.HandshakeContext(context.WithValue(ctx, connKey{}, c))
	if err != nil {
		event := journal.Event{Layer: journal.LayerTLS, Dir: journal.Own, Type: HandshakeFailed, Text: err.Error()}
		if alert := remoteAlert(err); alert != "" {
			event.Dir, event.Type, event.Text = journal.In, "alert", alert
		} else if isBroken(err) {
			event.Type = HandshakeBroken
		}
		c.Log(event)
		c.ended(journal.Out, "closed by the harness: the TLS handshake failed")
		c.socket.Close()
		return err
	}
	state := secured.ConnectionState()
	agreed := &TLS{
		Version:     tls.VersionName(state.Version),
		CipherSuite: tls.CipherSuiteName(state.CipherSuite),
		ServerName:  state.ServerName,
		Protocol:    state.NegotiatedProtocol,
		Peer:        state.PeerCertificates,
		Resumed:     state.DidResume,
	}
	c.Log(journal.Event{Layer: journal.LayerTLS, Dir: journal.In, Type: "handshake", Text: agreed.text(), Body: agreed})
	return nil
}

// isBroken reports whether a handshake ended for want of bytes from the device, and not for what they are.
func isBroken(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded)
}

type connKey struct{}

// ClientHello is what a device offers when it begins TLS.
type ClientHello struct{ Versions []uint16 }

// Newest is the newest version of TLS that is offered.
func (h *ClientHello) Newest() uint16 {
	return slices.Max(append(h.Versions[:len(h.Versions):len(h.Versions)], 0))
}

// Offers names the versions of TLS that are offered.
func (h *ClientHello) Offers() string {
	names := make([]string, len(h.Versions))
	for i, v := range h.Versions {
		names[i] = tls.VersionName(v)
	}
	return strings.Join(names, ", ")
}

// recordHello returns a copy of config that records every ClientHello before anything is decided about it.
func recordHello(config *tls.Config) *tls.Config {
	recorded := config.Clone()
	recorded.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if c, ok := hello.Context().Value(connKey{}).(*Conn); ok {
			said := &ClientHello{Versions: slices.Clone(hello.SupportedVersions)}
			c.Log(journal.Event{Layer: journal.LayerTLS, Dir: journal.In, Type: "ClientHello", Body: said,
				Text: fmt.Sprintf("server name %q, offers %s", hello.ServerName, said.Offers())})
		}
		if config.GetConfigForClient != nil {
			return config.GetConfigForClient(hello)
		}
		return nil, nil
	}
	return recorded
}

// remoteAlert returns the text of the TLS alert that the device sent, or "" when err is another failure.
func remoteAlert(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "remote error" {
		return strings.TrimPrefix(op.Err.Error(), "tls: ")
	}
	return ""
}
