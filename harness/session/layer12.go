package session

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// layer12 is the record layer of TLS 1.2 with AES-128-GCM (RFC 5246, RFC 5288), after a handshake that crypto/tls has done.
type layer12 struct {
	out, in  *half
	finished []byte // verify_data of this side's Finished (RFC 5746)
}

// half is one direction.
type half struct {
	aead   cipher.AEAD
	salt   []byte
	number uint64
}

// explicitNonce is how many bytes of the nonce are in each record.
const explicitNonce = 8

// newLayer12 derives the keys. sent are the bytes that this side sent in the handshake.
func newLayer12(master, clientRandom, serverRandom []byte, client bool, sent []byte) (*layer12, error) {
	const key, salt = 16, 4
	block := prf12(master, "key expansion", append(bytes.Clone(serverRandom), clientRandom...), 2*key+2*salt)
	var halves [2]*half // of client and server
	for i := range halves {
		b, err := aes.NewCipher(block[i*key : (i+1)*key])
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCM(b)
		if err != nil {
			return nil, err
		}
		halves[i] = &half{aead: aead, salt: block[2*key+i*salt : 2*key+(i+1)*salt]}
	}
	l := &layer12{out: halves[0], in: halves[1]}
	if !client {
		l.out, l.in = l.in, l.out
	}
	// the first record after the last ChangeCipherSpec is Finished
	last := recordHeader + explicitNonce + 16 + l.out.aead.Overhead()
	if len(sent) < last {
		return nil, errors.New("no Finished was sent")
	}
	own := *l.out
	finished, err := own.open(sent[len(sent)-last:])
	if err != nil {
		return nil, fmt.Errorf("Finished: %w", err)
	}
	l.finished = finished[4:]
	l.out.number, l.in.number = 1, 1
	return l, nil
}

// prf12 is the PRF of TLS 1.2 with SHA-256 (RFC 5246, section 5).
func prf12(secret []byte, label string, seed []byte, n int) (out []byte) {
	seed = append([]byte(label), seed...)
	for a := hmac256(secret, seed); len(out) < n; a = hmac256(secret, a) {
		out = append(out, hmac256(secret, a, seed)...)
	}
	return out[:n]
}

// export12 derives the keys of MACs with TLS 1.2 (RFC 5705, section 4). The context is empty and counts with its length.
func export12(master, clientRandom, serverRandom []byte) []byte {
	return prf12(master, exporterLabel, slices.Concat(clientRandom, serverRandom, []byte{0, 0}), exporterLength)
}

func hmac256(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// next returns the explicit nonce of the next record, the whole nonce, and what is authenticated besides n bytes of its content.
func (h *half) next(kind byte, n int) (explicit, nonce, besides []byte) {
	explicit = binary.BigEndian.AppendUint64(nil, h.number)
	h.number++
	besides = append(bytes.Clone(explicit), kind, 3, 3, byte(n>>8), byte(n))
	return explicit, append(bytes.Clone(h.salt), explicit...), besides
}

// seal makes a record.
func (h *half) seal(kind byte, content []byte) []byte {
	explicit, nonce, besides := h.next(kind, len(content))
	body := h.aead.Seal(explicit, nonce, content, besides)
	return append([]byte{kind, 3, 3, byte(len(body) >> 8), byte(len(body))}, body...)
}

// open returns the content of a record.
func (h *half) open(record []byte) ([]byte, error) {
	body := record[recordHeader:]
	n := len(body) - explicitNonce - h.aead.Overhead()
	if n < 0 {
		return nil, errors.New("a TLS record is too short to be one of AES-GCM")
	}
	_, _, besides := h.next(record[0], n)
	nonce := append(bytes.Clone(h.salt), body[:explicitNonce]...)
	return h.aead.Open(nil, nonce, body[explicitNonce:], besides)
}

// write encrypts a Message.
func (l *layer12) write(w *wire, msg []byte) {
	const most = 1 << 14
	for first := true; first || len(msg) > 0; first = false {
		n := min(len(msg), most)
		w.out = append(w.out, l.out.seal(typeApplication, msg[:n])...)
		msg = msg[n:]
	}
}

// take decrypts a record.
func (l *layer12) take(u *tunnel, record []byte) error {
	content, err := l.in.open(record)
	if err != nil {
		return err
	}
	switch record[0] {
	case typeApplication:
		u.plain = append(u.plain, content...)
	case typeAlert:
		const warning, closeNotify = 1, 0
		if len(content) != 2 {
			return errors.New("an alert has two bytes")
		}
		a := Alert{Code: content[1], Text: alertText(content[1])}
		u.alerts = append(u.alerts, a)
		if content[0] != warning || content[1] == closeNotify {
			return fmt.Errorf("alert: %s", a.Text)
		}
	case typeHandshake:
		u.alerts = append(u.alerts, Alert{Text: "a TLS handshake message, but renegotiation is forbidden (R-E2E.42)"})
	default:
		return fmt.Errorf("a TLS record of type %d", record[0])
	}
	return nil
}

// alertText names the alerts that the cases are about.
func alertText(code uint8) string {
	if name, ok := map[uint8]string{0: "close_notify", 10: "unexpected_message", 40: "handshake_failure", 42: "bad_certificate",
		45: "certificate_expired", 46: "certificate_unknown", 48: "unknown_ca", 80: "internal_error", 100: "no_renegotiation"}[code]; ok {
		return name
	}
	return fmt.Sprintf("alert %d", code)
}

// renegotiate asks for a renegotiation, as a client does: with a ClientHello within the session (RFC 5746).
func (l *layer12) renegotiate() []byte {
	hello := append([]byte{3, 3}, bytes.Repeat([]byte{0x5a}, 32)...)                                          // version and random
	hello = append(hello, 0, 0, 2, 0xc0, 0x2b, 1, 0)                                                          // no session, one cipher, no compression
	extensions := append([]byte{0xff, 1, 0, byte(1 + len(l.finished)), byte(len(l.finished))}, l.finished...) // renegotiation_info
	extensions = append(extensions,
		0, 10, 0, 4, 0, 2, 0, 23, // supported_groups: secp256r1
		0, 13, 0, 4, 0, 2, 4, 3, // signature_algorithms: ecdsa_secp256r1_sha256
		0, 11, 0, 2, 1, 0, // ec_point_formats: uncompressed
		0, 23, 0, 0) // extended_master_secret
	hello = append(append(hello, byte(len(extensions)>>8), byte(len(extensions))), extensions...)
	const clientHello = 1
	return l.out.seal(typeHandshake, append([]byte{clientHello, 0, byte(len(hello) >> 8), byte(len(hello))}, hello...))
}
