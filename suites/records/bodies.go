// Package records has the cases of chapter 3: USP Records.
package records

import "github.com/usptest/usptest/harness"

// Bodies are the cases of chapter 3 by id.
func Bodies() harness.Bodies {
	return harness.Bodies{
		"3.1":  malformedRecords,
		"3.2":  integrity,
		"3.3":  badHello,
		"3.4":  macs,
		"3.5":  handshakes,
		"3.6":  renegotiation,
		"3.7":  certificates,
		"3.8":  establishContext,
		"3.9":  anotherContext,
		"3.10": expiration,
		"3.11": sequence,
		"3.12": preservation,
		"3.13": mixedSecurity,
		"3.14": retransmissions,
		"3.15": duplicates,
	}
}
