// Package bulkdata has the cases of chapter 10: Bulk Data Collection.
package bulkdata

import "github.com/usptest/usptest/harness"

// Bodies are the cases of chapter 10 by id.
func Bodies() harness.Bodies {
	return harness.Bodies{
		"10.1":  overHTTP,
		"10.10": pushed,
	}
}
