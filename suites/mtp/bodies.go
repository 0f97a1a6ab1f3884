// Package mtp has the cases of chapter 4: MTPs in general.
package mtp

import "github.com/usptest/usptest/harness"

// Bodies are the cases of chapter 4 by id.
func Bodies() harness.Bodies {
	return harness.Bodies{
		"4.1": certificates,
	}
}
