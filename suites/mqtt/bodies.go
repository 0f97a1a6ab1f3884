// Package mqtt has the cases of chapter 11: MQTT.
package mqtt

import "github.com/usptest/usptest/harness"

// Bodies are the cases of chapter 11 by id.
func Bodies() harness.Bodies {
	return harness.Bodies{
		"11.2":  connectPacket,
		"11.4":  emptyClientID,
		"11.8":  subscribePacket,
		"11.11": refusedSubscription,
		"11.12": publishPacket,
	}
}
