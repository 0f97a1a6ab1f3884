// Package functionality has the cases of chapter 9: Functionality.
package functionality

import "github.com/usptest/usptest/harness"

// Bodies are the cases of chapter 9 by id.
func Bodies() harness.Bodies {
	return harness.Bodies{
		"9.9":  newController,
		"9.10": booted,
		"9.11": scheduleTimer,
	}
}
