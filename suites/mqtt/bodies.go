// Package mqtt has the cases of chapter 11: MQTT.
package mqtt

import "github.com/usptest/usptest/harness"

// Bodies are the cases of chapter 11 by id.
func Bodies() harness.Bodies {
	return harness.Bodies{
		"11.1":  requiredProfiles,
		"11.2":  connectPacket,
		"11.3":  overTLS,
		"11.4":  emptyClientID,
		"11.5":  sameClientID,
		"11.6":  connectRetry,
		"11.7":  keepAlive,
		"11.8":  subscribePacket,
		"11.9":  newSubscription,
		"11.10": noTopic,
		"11.11": refusedSubscription,
		"11.12": publishPacket,
		"11.13": qualityOfService,
		"11.14": replyTopic,
		"11.15": contentTypes,
		"11.16": connectionRetry,
		"11.17": connectRecord,
	}
}
