// Package websocket has the cases of chapter 7: WebSocket.
package websocket

import "github.com/usptest/usptest/harness"

// Bodies are the cases of chapter 7 by id.
func Bodies() harness.Bodies {
	return harness.Bodies{
		"7.1":  sessionEstablishment,
		"7.7":  pingAndPong,
		"7.12": fragmentedRecord,
	}
}
