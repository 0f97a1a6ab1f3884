// Package access has the cases of chapter 2: Authentication and Access Control.
package access

import "github.com/usptest/usptest/harness"

// Bodies are the cases of chapter 2 by id.
func Bodies() harness.Bodies {
	return harness.Bodies{
		"2.1":  fromItself,
		"2.2":  toSomebodyElse,
		"2.6":  withoutTime,
		"2.7":  invalidSignatures,
		"2.8":  badDates,
		"2.9":  untrustedRole,
		"2.10": addingRole,
		"2.11": creationAllowed,
		"2.12": creationNotAllowed,
		"2.13": deletionAllowed,
		"2.14": deletionNotAllowed,
		"2.15": updateAllowed,
		"2.16": updateNotAllowed,
		"2.17": operationAllowed,
		"2.18": operationNotAllowed,
		"2.19": valueChangeAllowed,
		"2.20": valueChangeNotAllowed,
		"2.21": overlappingPermissions,
		"2.22": someParametersHidden,
		"2.23": partlyDenied,
		"2.24": whollyDenied,
		"2.25": unwritableParameterOmitted,
		"2.26": unwritableParameterIncluded,
		"2.27": securedRole,
	}
}
