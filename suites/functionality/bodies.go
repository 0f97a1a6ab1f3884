// Package functionality has the cases of chapter 9: Functionality.
package functionality

import "github.com/usptest/usptest/harness"

// Bodies are the cases of chapter 9 by id.
func Bodies() harness.Bodies {
	return harness.Bodies{
		"9.2":  certificateAdded,
		"9.3":  autoActivated,
		"9.4":  immediately,
		"9.5":  anyTime,
		"9.6":  validated,
		"9.7":  activeBank,
		"9.8":  canceled,
		"9.9":  newController,
		"9.10": booted,
		"9.11": scheduleTimer,
	}
}
