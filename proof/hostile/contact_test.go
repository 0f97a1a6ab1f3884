package hostile

import (
	"bufio"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/usptest/usptest/brokers/gate"
	"github.com/usptest/usptest/fixtures/program"
	"github.com/usptest/usptest/harness/result"
)

// peer is a device of which the bytes of the first contact are all that there is.
type peer func(c net.Conn)

// says writes bytes and then only reads.
func says(parts ...string) peer {
	return func(c net.Conn) { _, _ = io.WriteString(c, strings.Join(parts, "")) }
}

// mqttPacket is one of MQTT; its length is below 128.
func mqttPacket(first byte, parts ...string) string {
	body := strings.Join(parts, "")
	return string([]byte{first, byte(len(body))}) + body
}

// text is a string of MQTT, with its length.
func text(s string) string { return string([]byte{byte(len(s) >> 8), byte(len(s))}) + s }

// mqttConnect is a CONNECT with these flags and this keep alive.
func mqttConnect(version, flags, keepAlive byte, payload string) string {
	properties := ""
	if version == 5 {
		properties = "\x00"
	}
	return mqttPacket(0x10, text("MQTT"), string([]byte{version, flags, 0, keepAlive}), properties, text("x1"), payload)
}

// stompFrame is a frame with its headers.
func stompFrame(command, body string, headers ...string) string {
	return command + "\n" + strings.Join(headers, "\n") + "\n\n" + body + "\x00"
}

// opened is the opening request of a WebSocket client, and what it sends when it has an answer.
func opened(request string, then ...string) peer {
	return func(c net.Conn) {
		_, _ = io.WriteString(c, request)
		if response, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil && response.StatusCode == http.StatusSwitchingProtocols {
			_, _ = io.WriteString(c, strings.Join(then, ""))
		}
	}
}

// opening is such a request with further headers.
func opening(version string, headers ...string) string {
	return "GET /usp?eid=proto::x1 HTTP/1.1\r\nHost: lab\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: " + version + "\r\n" +
		strings.Join(append(headers, "", ""), "\r\n")
}

// serves is a WebSocket server with this status and these headers; accept is the value of Sec-WebSocket-Accept, "" for the right one.
func serves(status int, accept, protocol string, then ...string) peer {
	return func(c net.Conn) {
		request, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			return
		}
		if accept == "" {
			sum := sha1.Sum([]byte(request.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
			accept = base64.StdEncoding.EncodeToString(sum[:])
		}
		fmt.Fprintf(c, "HTTP/1.1 %d x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n%s\r\n%s",
			status, accept, protocol, strings.Join(then, ""))
	}
}

const (
	mqttSubscribe = "\x82\x0b\x00\x01\x00\x00\x05there\x00"
	stompOpening  = "STOMP\naccept-version:1.2\nhost:lab\nendpoint-id:proto\\c\\cx1\n\n\x00"
	protocol      = "Sec-WebSocket-Protocol: v1.usp"
)

// TestTheWireOfTheFirstContact is what check says of all that can be wrong in the bytes of a first contact, over each MTP: what breaks a
// rule of the MTP is the device's fault, and what another set-up would mend is not.
func TestTheWireOfTheFirstContact(t *testing.T) {
	t.Parallel()
	const (
		mqtt5     = `{mtp: mqtt, version: "5.0", port: PORT, agentTopic: there, controllerTopic: here}`
		mqtt3     = `{mtp: mqtt, version: "3.1.1", port: PORT, agentTopic: there, controllerTopic: here}`
		stomp     = `{mtp: stomp, port: PORT, agentTopic: there, controllerTopic: here}`
		webSocket = `{mtp: websocket, port: PORT}`
		server    = `{mtp: websocket, role: server, url: "ws://127.0.0.1:PORT/usp"}`
		secure    = `{mtp: mqtt, version: "5.0", port: PORT, tls: true, agentTopic: there, controllerTopic: here}`
	)
	tests := map[string]struct {
		link string
		peer peer
		exit int
		says string
	}{
		"MQTT 3.1": {mqtt3, says(mqttPacket(0x10, text("MQIsdp"), "\x03\x02\x00\x3c", text("x1"))), result.ExitError,
			`it connects with MQTT 3.1, and the link's version is 3.1.1`},
		"MQTT 4.2": {mqtt3, says(mqttPacket(0x10, text("MQTT"), "\x09\x02\x00\x3c", text("x1"))), result.ExitError,
			`it connects with MQTT of protocol level 9, and the link's version is 3.1.1`},
		"MQTT will qos 3": {mqtt5, says(mqttConnect(5, 0x1e, 60, "\x00"+text("w")+text("w"))), result.ExitDeviceFault,
			`the CONNECT of the device: want a well-formed one, got Will QoS is 3 (MQTT 5.0); it did the same again`},
		"MQTT will retain": {mqtt3, says(mqttConnect(4, 0x22, 60, "")), result.ExitDeviceFault,
			`got Will QoS or Will Retain is set without the Will Flag (MQTT 3.1.1)`},
		"MQTT will missing": {mqtt3, says(mqttConnect(4, 0x06, 60, "")), result.ExitDeviceFault,
			`the CONNECT of the device: want a well-formed one, got `},
		"MQTT reserved flag": {mqtt3, says(mqttConnect(4, 0x03, 60, "")), result.ExitDeviceFault,
			`got the reserved bit of the Connect Flags is set (MQTT 3.1.1)`},
		"MQTT password only": {mqtt3, says(mqttConnect(4, 0x42, 60, text("p"))), result.ExitDeviceFault,
			`got the Password Flag is set without the User Name Flag (MQTT 3.1.1)`},
		"MQTT keep alive": {mqtt5, says(mqttConnect(5, 2, 1, ""), mqttSubscribe), result.ExitDeviceFault,
			`want one within each Keep Alive that its CONNECT announces, got no packet within one and a half times the keep alive of 1s (MQTT 5.0)`},
		"MQTT subscribe first": {mqtt5, says(mqttSubscribe), result.ExitError,
			`what came is not MQTT: the device speaks another MTP, or TLS on one side only (SUBSCRIBE: SUBSCRIBE comes before CONNECT)`},
		"MQTT filter qos 3": {mqtt5, says(mqttConnect(5, 2, 60, ""), mqttSubscribe[:12]+"\x03"), result.ExitDeviceFault,
			`a packet after the CONNECT: want a well-formed one, got SUBSCRIBE: protocol violation: qos out of range (MQTT 5.0)`},
		"MQTT two connects": {mqtt5, says(mqttConnect(5, 2, 60, ""), mqttConnect(5, 2, 60, "")), result.ExitDeviceFault,
			`want any but a further CONNECT, got a further CONNECT (MQTT 5.0)`},
		"MQTT no subscribe": {mqtt5, says(mqttConnect(5, 2, 60, "")), result.ExitError,
			`the device connects but does not subscribe`},
		"STOMP no host": {stomp, says(stompFrame("STOMP", "", "accept-version:1.2")), result.ExitError,
			`the device connects but does not subscribe`},
		"STOMP length small": {stomp, says(stompOpening, stompFrame("SUBSCRIBE", "", "id:0", "destination:there", "ack:auto"),
			stompFrame("SEND", "123456789", "destination:here", "content-length:3")), result.ExitDeviceFault,
			`a frame of the device is not valid: want a NUL after the 3 bytes that content-length promises, got 0x34`},
		"STOMP length large": {stomp, says(stompOpening, stompFrame("SUBSCRIBE", "", "id:0", "destination:there", "ack:auto"),
			stompFrame("SEND", "123456789", "destination:here", "content-length:300")), result.ExitDeviceFault,
			`a frame of the device is not valid: a frame did not end within 2s of its first byte`},
		"STOMP length text": {stomp, says(stompOpening, stompFrame("SEND", "1", "destination:here", "content-length:abc")),
			result.ExitDeviceFault,
			`a frame of the device is not valid: `},
		"STOMP no length": {stomp, says(stompOpening, stompFrame("SEND", "1234\x005678", "destination:here")), result.ExitDeviceFault,
			`the device is at fault before the first case: `}, // for the Record that is cut, or for the frame behind it that never ends
		"STOMP first length": {stomp, says(stompFrame("STOMP", "", "accept-version:1.2", "content-length:x")), result.ExitDeviceFault,
			`a frame of the device is not valid: `},
		"STOMP bad header": {stomp, says(stompFrame("STOMP", "", "accept-version")), result.ExitDeviceFault,
			`a frame of the device is not valid: `},
		"STOMP subscribe first": {stomp, says(stompFrame("SUBSCRIBE", "", "id:0", "destination:there")), result.ExitDeviceFault,
			`the first frame of the device: want STOMP, got SUBSCRIBE (R-STOMP.2)`},
		"STOMP subscribe no id": {stomp, says(stompOpening, stompFrame("SUBSCRIBE", "", "destination:there")), result.ExitDeviceFault,
			`the SUBSCRIBE frame of the device is not valid: SUBSCRIBE needs an id and a destination (R-STOMP.13)`},
		"STOMP two connects": {stomp, says(stompOpening, stompOpening), result.ExitDeviceFault,
			`the STOMP frame of the device is not valid: the connection has been opened already (STOMP 1.2)`},
		"WS not masked": {webSocket, opened(opening("13", protocol), "\x82\x01x"), result.ExitDeviceFault,
			`a BINARY frame of the client's that is not masked (RFC 6455); it did the same again`},
		"WS reserved bits": {webSocket, opened(opening("13", protocol), "\xf2\x81\x00\x00\x00\x00x"), result.ExitDeviceFault,
			`got a BINARY frame with reserved bits`},
		"WS opcode": {webSocket, opened(opening("13", protocol), "\x83\x81\x00\x00\x00\x00x"), result.ExitDeviceFault,
			`got a frame with the unknown opcode 3 (RFC 6455)`},
		"WS text": {webSocket, opened(opening("13", protocol), "\x81\x81\x00\x00\x00\x00x"), result.ExitDeviceFault,
			`the device's messages: want binary ones, got a text message (R-WS.14)`},
		"WS garbage": {webSocket, opened(opening("13", protocol), "\x82\x81\x00\x00\x00\x00x"), result.ExitDeviceFault,
			`Record: want the protobuf encoding of a Record`},
		"WS version 8": {webSocket, opened(opening("8", protocol)), result.ExitDeviceFault,
			`one that is answered with 400 Bad Request: `},
		"WS no upgrade": {webSocket, opened(strings.Replace(opening("13", protocol), "Upgrade: websocket\r\n", "", 1)), result.ExitDeviceFault,
			`'websocket' token not found in 'Upgrade' header (R-WS.7)`},
		"WS no key": {webSocket, opened(strings.Replace(opening("13", protocol), "Sec-WebSocket-Key: ", "X: ", 1)), result.ExitDeviceFault,
			`one that is answered with 400 Bad Request: `},
		"WS post": {webSocket, opened(strings.Replace(opening("13", protocol), "GET", "POST", 1)), result.ExitDeviceFault,
			`one that is answered with 405 Method Not Allowed: `},
		"WS deflate": {webSocket, opened(opening("13", protocol, "Sec-WebSocket-Extensions: permessage-deflate")), result.ExitError,
			`is connected but does not answer`},
		"WS not HTTP": {webSocket, says("hello\r\n\r\n"), result.ExitError,
			`what came is not WebSocket: `},
		"WS plain HTTP": {webSocket, opened("GET /usp HTTP/1.1\r\nHost: lab\r\n\r\n"), result.ExitDeviceFault,
			`got no such header (R-WS.10)`},
		"server 404": {server, serves(404, "", protocol+"\r\n"), result.ExitError,
			`its WebSocket server answers the opening request with 404 Not Found`},
		"server 401": {server, serves(401, "", protocol+"\r\n"), result.ExitError,
			`its WebSocket server answers the opening request with 401 Unauthorized`},
		"server 200": {server, serves(200, "", protocol+"\r\n"), result.ExitError,
			`its WebSocket server answers the opening request with 200 OK`},
		"server 503": {server, serves(503, "", protocol+"\r\n"), result.ExitError,
			`its WebSocket server answers the opening request with 503 Service Unavailable`},
		"server accept": {server, serves(101, "nonsense", protocol+"\r\n"), result.ExitDeviceFault,
			`Sec-WebSocket-Accept of the device's response: want `},
		"server no protocol": {server, serves(101, "", ""), result.ExitDeviceFault,
			`got no such header (R-WS.11)`},
		"server other protocol": {server, serves(101, "", "Sec-WebSocket-Protocol: v2.usp\r\n"), result.ExitDeviceFault,
			`want "v1.usp", got "v2.usp" (R-WS.11)`},
		"server masked": {server, serves(101, "", protocol+"\r\n", "\x82\x81\x00\x00\x00\x00x"), result.ExitDeviceFault,
			`got a BINARY frame of the server's that is masked (RFC 6455)`},
		"server extension": {server, serves(101, "", protocol+"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"), result.ExitDeviceFault,
			`want none that was not asked for, got "permessage-deflate" (R-WS.7)`},
		"server eid": {server, serves(101, "", protocol+"\r\n"+`Sec-WebSocket-Extensions: bbf-usp-protocol; eid="proto::other"`+"\r\n"),
			result.ExitError,
			`names itself otherwise: eid of bbf-usp-protocol in the device's response: want "proto::x1", got "proto::other"`},
		"server not HTTP": {server, says("220 smtp\r\n"), result.ExitError,
			`the device's WebSocket server must listen at `},
		"server silent": {server, says(""), result.ExitError,
			`the device's WebSocket server must listen at `},
		"TLS 1.1": {secure, overTLS(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }),
			result.ExitDeviceFault,
			`versions in the ClientHello of the device: want TLS 1.2 or later among them, got TLS 1.1, TLS 1.0 (R-MQTT.48)`},
		"TLS other name": {secure, overTLS(func(c *tls.Config) { c.ServerName = "lab.example" }), result.ExitError,
			`the device does not get in, and it did the same again, so usptest waited no longer: ` +
				`the device refuses the broker's certificate: ` +
				`it must trust the issuer (tls.authority in the DUT file), look for the name "localhost", and have the right time`},
		"TLS no trust": {secure, overTLS(func(c *tls.Config) { c.RootCAs = x509.NewCertPool() }), result.ExitError,
			`the device refuses the broker's certificate: it must trust the issuer`},
		"TLS breaks off": {secure, brokenOff, result.ExitError,
			`the device began TLS and broke it off (EOF)`},
		"TLS clear": {secure, says(mqttConnect(5, 2, 60, "")), result.ExitError,
			`the device does not begin with TLS, or does not finish`},
	}
	for _, name := range program.Sample(*full, 5, slices.Sorted(maps.Keys(tests))) {
		test := tests[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			free, err := gate.FreePort("127.0.0.1")
			if err != nil {
				t.Fatal(err)
			}
			port := strconv.Itoa(free)
			dir, addr := t.TempDir(), net.JoinHostPort("127.0.0.1", port)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if strings.Contains(test.link, "server") {
				l, err := net.Listen("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				go accepts(ctx, l, test.peer)
			} else {
				go dials(ctx, addr, dir, test.peer)
			}
			file := "device: {vendor: ACME, model: X1, software: \"1.0\", endpoint: \"proto::x1\"}\nfeatures: [1]\n" +
				"waits: {connect: 4s, response: 1s}\nlinks: [" + strings.ReplaceAll(test.link, "PORT", port) + "]\n"
			if test.link == secure {
				program.Run(t, path(t), "certs", "--out", filepath.Join(dir, "certs")).Want(t, result.ExitPassed)
				file += "tls: {authority: certs}\n"
			}
			lab := filepath.Join(dir, "lab.yaml")
			if err := os.WriteFile(lab, []byte(file), 0o644); err != nil {
				t.Fatal(err)
			}
			program.Run(t, path(t), "check", "--dut", lab, "--out", filepath.Join(dir, "kept")).Want(t, test.exit, test.says)
		})
	}
}

func accepts(ctx context.Context, l net.Listener, p peer) {
	context.AfterFunc(ctx, func() { l.Close() })
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			p(c)
			_, _ = io.Copy(io.Discard, c)
		}()
	}
}

func dials(ctx context.Context, addr, dir string, p peer) {
	for ctx.Err() == nil {
		if c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr); err == nil {
			stop := context.AfterFunc(ctx, func() { c.Close() })
			p(&known{c, dir})
			_, _ = io.Copy(io.Discard, c)
			c.Close()
			stop()
		}
		select {
		case <-ctx.Done():
		case <-time.After(300 * time.Millisecond):
		}
	}
}

type known struct {
	net.Conn
	dir string
}

func overTLS(change func(c *tls.Config)) peer {
	return func(c net.Conn) {
		pem, _ := os.ReadFile(filepath.Join(c.(*known).dir, "certs", "ca.pem"))
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		config := &tls.Config{RootCAs: pool, ServerName: "localhost"}
		change(config)
		if s := tls.Client(c, config); s.Handshake() == nil {
			says(mqttConnect(5, 2, 60, ""), mqttSubscribe)(s)
		}
		c.Close()
	}
}

// brokenOff ends the connection within the handshake, without an alert.
func brokenOff(c net.Conn) {
	s := tls.Client(&mute{Conn: c}, &tls.Config{ServerName: "localhost"})
	_ = s.Handshake()
	c.Close()
}

type mute struct {
	net.Conn
	written bool
}

func (m *mute) Write(b []byte) (int, error) {
	if m.written {
		return 0, io.ErrClosedPipe
	}
	m.written = true
	return m.Conn.Write(b)
}
