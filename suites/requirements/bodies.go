// Package requirements has checks of our own, for requirements of TR-369 that the plan does not test.
package requirements

import "github.com/usptest/usptest/harness"

// Bodies are the checks by id.
func Bodies() harness.Bodies {
	return harness.Bodies{
		"R-ADD.1":    unchanged,
		"R-ADD.4":    additions,
		"R-ARC.10":   following,
		"R-ARC.11":   references,
		"R-ARC.12":   singleReference,
		"R-ARC.7":    paths,
		"R-ARC.8":    instanceNumbers,
		"R-BULK.2":   reportAnswers,
		"R-BULK.5":   retriesAfterBoot,
		"R-BULK.12":  reportRows,
		"R-E2E.24":   restarts,
		"R-E2E.6a":   contextEnds,
		"R-ENC.6":    formsAndOperators,
		"R-GET.1":    restrictedController,
		"R-MQTT.26a": otherVersion,
		"R-MQTT.35":  mqttLeaves,
		"R-MQTT.5":   hasProfiles("MQTTClientExtended:1"),
		"R-MSG.0a":   carriers,
		"R-MSG.1":    senseless,
		"R-MSG.8":    incomplete,
		"R-MSG.9":    foreignAnswers,
		"R-MTP.7":    takesLeave,
		"R-NOT.2":    manyRetries,
		"R-NOT.3":    notifications,
		"R-NOT.4":    retriesAfterReboot,
		"R-OPR.1":    operations,
		"R-OPR.2":    requestEach,
		"R-SEC.10":   namesItself,
		"R-SEC.16":   challengeTries,
		"R-SEC.21":   clearsSessions,
		"R-STOMP.1":  hasProfiles("STOMPAgent:1", "STOMPHeartbeat:1"),
		"R-STOMP.5":  stompFrames,
		"R-UDS.1":    hasProfiles("UDSAgent:1", "UDSController:1"),
		"R-UDS.16":   udsHandshakes,
		"R-UDS.24":   udsFailures,
		"R-WS.12":    webSocketSessions,
		"R-WS.17":    keepsAlive,
	}
}
