// Package stomp has the cases of chapter 6: STOMP.
package stomp

import "github.com/usptest/usptest/harness"

// Bodies are the cases of chapter 6 by id.
func Bodies() harness.Bodies {
	return harness.Bodies{
		"6.2": sessionEstablishment,
		"6.4": requiredHeaders,
		"6.5": assignedDestination,
		"6.8": heartBeats,
	}
}
