// Package stomp has the cases of chapter 6: STOMP.
package stomp

import "github.com/usptest/usptest/harness"

// Bodies are the cases of chapter 6 by id.
func Bodies() harness.Bodies {
	return harness.Bodies{
		"6.1":  requiredProfiles,
		"6.2":  sessionEstablishment,
		"6.3":  connectionRetry,
		"6.4":  requiredHeaders,
		"6.5":  assignedDestination,
		"6.6":  configuredDestination,
		"6.7":  noDestination,
		"6.8":  heartBeats,
		"6.9":  malformedRecords,
		"6.10": changedDestination,
		"6.11": secured,
		"6.12": connectRecord,
	}
}
