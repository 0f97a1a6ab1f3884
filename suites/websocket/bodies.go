// Package websocket has the cases of chapter 7: WebSocket.
package websocket

import "github.com/usptest/usptest/harness"

// Bodies are the cases of chapter 7 by id.
func Bodies() harness.Bodies {
	return harness.Bodies{
		"7.1":  sessionEstablishment,
		"7.2":  oneSession,
		"7.4":  closing,
		"7.6":  unprocessable,
		"7.7":  pingAndPong,
		"7.8":  sessionRetry,
		"7.9":  secureSession,
		"7.10": connectRecord,
		"7.11": withoutExtension,
		"7.12": fragmentedRecord,
	}
}
