// Package records has the cases of chapter 3: USP Records.
package records

import "github.com/usptest/usptest/harness"

// Bodies are the cases of chapter 3 by id.
func Bodies() harness.Bodies {
	return harness.Bodies{
		"3.1": malformedRecords,
	}
}
