// Package access has the cases of chapter 2: Authentication and Access Control.
package access

import "github.com/usptest/usptest/harness"

// Bodies are the cases of chapter 2 by id.
func Bodies() harness.Bodies {
	return harness.Bodies{
		"2.1":  fromItself,
		"2.2":  toSomebodyElse,
		"2.11": creationAllowed,
		"2.12": creationNotAllowed,
		"2.13": deletionAllowed,
		"2.14": deletionNotAllowed,
		"2.16": updateNotAllowed,
	}
}
