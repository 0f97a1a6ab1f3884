package session

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"reflect"
	"strings"
	"time"
)

const (
	recordHeader = 5 // bytes before the content of a TLS record
	maxFragment  = 1<<14 + 2048

	typeAlert       = 21
	typeHandshake   = 22
	typeApplication = 23

	// exporterLabel and exporterLength derive the keys of a MAC (R-E2E.36, R-E2E.37). The context is empty, which is not the same as none.
	exporterLabel  = "EXPORTER-BBF-USP-Record"
	exporterLength = 64
)

// errRefused is why a handshake ends that a case does not want.
var errRefused = errors.New("the case refuses the handshake")

// TLS says how the payloads of a session context are secured (TR-369, section "TLS Payload Encapsulation").
type TLS struct {
	// Certificate is what this side shows. Its key is on P-256 (R-E2E.40b), and signs Records until the handshake is complete.
	Certificate tls.Certificate
	// Shows is what this side shows in the handshake in place of it: a lie.
	Shows *tls.Certificate
	// Version is the only version of TLS that is spoken, such as tls.VersionTLS12; 0 for 1.2 and later.
	Version uint16
	// Refuse has each handshake that the other side begins end with an alert: a lie, for a case that wants to see how it tries again.
	Refuse bool
	// Omit leaves numbers that are 0 out of what a signature or MAC covers, which R-E2E.32 leaves open. It follows what the other side
	// does.
	Omit bool
	// Unprotected says that the MTP does not protect Records, so that the other side must (R-E2E.29).
	Unprotected bool
}

// config is the TLS of one end. Whether the other side's certificate may be trusted is for the cases to judge.
func (t *TLS) config(keys io.Writer, shaken *Handshake) *tls.Config {
	shows := cmp.Or(t.Shows, &t.Certificate)
	c := &tls.Config{
		MinVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}, // R-E2E.40
		CurvePreferences: []tls.CurveID{tls.CurveP256}, // R-E2E.40a
		ClientAuth:       tls.RequireAnyClientCert,     // R-E2E.43
		Certificates:     []tls.Certificate{*shows}, InsecureSkipVerify: true, SessionTicketsDisabled: true, KeyLogWriter: keys,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			shaken.Asked = true
			return shows, nil
		},
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			for _, der := range raw {
				certificate, err := x509.ParseCertificate(der)
				if err != nil {
					return err
				}
				shaken.Certificates = append(shaken.Certificates, certificate)
			}
			return nil
		},
	}
	if t.Version != 0 {
		c.MinVersion, c.MaxVersion = t.Version, t.Version
	}
	if t.Refuse {
		c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, errRefused }
	}
	return c
}

// Alert is one that went through TLS in a session context.
type Alert struct {
	Sent bool  // by this side
	Code uint8 // such as 100 for no_renegotiation
	Text string
}

// Describe says who sent which alert.
func (a *Alert) Describe() string {
	if a.Sent {
		return "sent: " + a.Text
	}
	return "received: " + a.Text
}

// Handshake is how a TLS handshake has ended.
type Handshake struct {
	SessionID    uint64              // of the session context
	Client       bool                // this side was the client
	Certificates []*x509.Certificate // what the other side has shown, its own first
	Asked        bool                // the other side has asked for a certificate
	Version      uint16              // of TLS; 0 when the handshake has failed
	Err          error               // why it has failed
}

// Describe says how the handshake has ended.
func (h *Handshake) Describe() string {
	if h.Err != nil {
		return fmt.Sprintf("the TLS handshake in session context %d has failed: %v", h.SessionID, h.Err)
	}
	return fmt.Sprintf("%s is established in session context %d", tls.VersionName(h.Version), h.SessionID)
}

// tunnel is one end of a TLS session whose records are fed to it and taken from it. It runs as a coroutine: whoever feeds
// it gets control back when it wants more.
type tunnel struct {
	tls    *TLS
	client bool
	conn   *tls.Conn
	wire   *wire
	resume func() (struct{}, bool)
	stop   func()

	partial []byte // of a TLS record that has not come whole
	plain   []byte // what was decrypted and not taken
	alerts  []Alert
	done    bool // the handshake is complete
	err     error
	shaken  Handshake
	keyLog  bytes.Buffer
	keys    []byte   // of the exporter; nil before the handshake is complete
	layer   *layer12 // of TLS 1.2 after the handshake
}

// open begins a TLS session. A client has its first flight ready.
func (t *TLS) open(client bool) *tunnel {
	u := &tunnel{tls: t, client: client, wire: &wire{}}
	u.shaken.Client = client
	config := t.config(&u.keyLog, &u.shaken)
	if client {
		u.conn = tls.Client(u.wire, config)
	} else {
		u.conn = tls.Server(u.wire, config)
	}
	u.resume, u.stop = iter.Pull(u.run)
	u.resume()
	return u
}

// close gives up the coroutine.
func (u *tunnel) close() {
	if u != nil {
		u.stop()
	}
}

// run is the coroutine: the handshake and, with TLS 1.3, what follows. With TLS 1.2 the record layer is taken over, since
// crypto/tls neither asks for a renegotiation nor shows a warning.
func (u *tunnel) run(yield func(struct{}) bool) {
	u.wire.wait = func() bool { return yield(struct{}{}) }
	if u.fail(u.conn.Handshake()) {
		return
	}
	state := u.conn.ConnectionState()
	u.shaken.Version = state.Version
	if state.Version == tls.VersionTLS12 {
		u.done = !u.fail(u.takeOver())
		return
	}
	var err error
	if u.keys, err = state.ExportKeyingMaterial(exporterLabel, []byte{}, exporterLength); u.fail(err) {
		return
	}
	u.done = true
	buffer := make([]byte, maxFragment)
	for {
		n, err := u.conn.Read(buffer)
		if u.plain = append(u.plain, buffer[:n]...); u.fail(err) {
			return
		}
	}
}

// fail keeps an error that ends the session, and the alert that it stands for.
func (u *tunnel) fail(err error) bool {
	if err == nil || u.err != nil {
		return u.err != nil
	}
	u.err = err
	var of *net.OpError
	switch remote := errors.As(err, &of) && of.Op == "remote error"; {
	case remote && reflect.TypeOf(of.Err).Kind() == reflect.Uint8: // crypto/tls does not export the type of an alert
		u.alerts = append(u.alerts, Alert{Code: uint8(reflect.ValueOf(of.Err).Uint()), Text: of.Err.Error()})
	case len(u.wire.out) > 0:
		a := Alert{Sent: true, Text: err.Error()}
		if last := u.wire.out[max(len(u.wire.out)-recordHeader-2, 0):]; last[0] == typeAlert { // in the clear
			a.Code = last[len(last)-1]
		}
		u.alerts = append(u.alerts, a)
	}
	return true
}

// feed takes bytes of the other side. What they decrypt to is in plain, and what they bring about in the wire.
func (u *tunnel) feed(b []byte) {
	u.partial = append(u.partial, b...)
	for u.err == nil && len(u.partial) >= recordHeader {
		n := recordHeader + int(u.partial[3])<<8 + int(u.partial[4])
		if n > recordHeader+maxFragment {
			u.err = fmt.Errorf("a TLS record of %d bytes", n)
			return
		}
		if len(u.partial) < n {
			return
		}
		record := bytes.Clone(u.partial[:n])
		u.partial = u.partial[n:]
		if u.layer != nil {
			u.fail(u.layer.take(u, record))
			continue
		}
		// records go in one by one, so that none is left inside when the layer is taken over
		u.wire.in, u.wire.came = record, append(u.wire.came, record...)
		u.resume()
		if u.done || u.err != nil {
			u.wire.came = nil
		}
	}
}

// write encrypts a Message.
func (u *tunnel) write(msg []byte) error {
	if u.layer != nil {
		u.layer.write(u.wire, msg)
		return nil
	}
	_, err := u.conn.Write(msg)
	return err
}

// flush returns the TLS records that are to be sent.
func (u *tunnel) flush() (records [][]byte) {
	out := u.wire.out
	u.wire.out = nil
	for len(out) > 0 {
		n := recordHeader + int(out[3])<<8 + int(out[4])
		records = append(records, out[:n:n])
		out = out[n:]
	}
	return records
}

// key is that of the MACs of one of the two sides (R-E2E.39).
func (u *tunnel) key(client bool) []byte {
	if client {
		return u.keys[:exporterLength/2]
	}
	return u.keys[exporterLength/2:]
}

// takeOver makes the record layer of TLS 1.2 and the keys of MACs from the secrets of the handshake. crypto/tls exports keys of TLS 1.2
// only where both sides have the extended master secret, which TR-369 does not ask for.
func (u *tunnel) takeOver() error {
	const masterSecret, clientRandom, serverRandom = 2, 1, 11
	fields := strings.Fields(u.keyLog.String())
	hello := u.wire.sent
	if u.client {
		hello = u.wire.came
	}
	if len(fields) != 3 || len(hello) < serverRandom+32 {
		return errors.New("the secrets of the handshake are not there")
	}
	master, err := hex.DecodeString(fields[masterSecret])
	if err != nil {
		return err
	}
	client, err := hex.DecodeString(fields[clientRandom])
	if err != nil {
		return err
	}
	server := hello[serverRandom : serverRandom+32]
	u.keys = export12(master, client, server)
	u.layer, err = newLayer12(master, client, server, u.client, u.wire.sent)
	return err
}

// wire is the connection below TLS: bytes in memory.
type wire struct {
	wait func() bool // gives control back until more has come; false when nothing will
	in   []byte
	out  []byte
	// sent and came are the bytes of the handshake.
	sent, came []byte
}

func (w *wire) Read(p []byte) (int, error) {
	for len(w.in) == 0 {
		if !w.wait() {
			return 0, net.ErrClosed
		}
	}
	n := copy(p, w.in)
	w.in = w.in[n:]
	return n, nil
}

func (w *wire) Write(p []byte) (int, error) {
	w.out = append(w.out, p...)
	if len(w.sent) < maxFragment { // all of a handshake in which this side's part is not larger
		w.sent = append(w.sent, p...)
	}
	return len(p), nil
}

func (w *wire) Close() error                     { return nil }
func (w *wire) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (w *wire) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }
