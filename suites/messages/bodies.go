// Package messages has the cases of chapter 1: Messages and Path Names.
package messages

import (
	"maps"

	"github.com/usptest/usptest/harness"
)

// Bodies are the cases of chapter 1 by id.
func Bodies() harness.Bodies {
	return merged(instanceBodies(), notifyBodies(), supportedBodies(), harness.Bodies{
		"1.1":  addOneObject(false),
		"1.2":  addOneObject(true),
		"1.3":  addRequiredParameterFails,
		"1.4":  addInvalidObject,
		"1.5":  addTwoObjects,
		"1.6":  addSecondObjectInvalid,
		"1.7":  addFirstOfTwoFails,
		"1.8":  addTolerantlyFails,
		"1.9":  addSecondOfTwoFails,
		"1.10": addByUniqueKey,
		"1.11": setOneObject(false),
		"1.12": setOneObject(true),
		"1.13": setTwoObjects,
		"1.14": setUnknownParameter,
		"1.15": setSecondObjectFailsWhole,
		"1.16": setSecondObjectFails,
		"1.17": setOptionalParameterFails,
		"1.18": setByUniqueKey,
		"1.19": setWildcard,
		"1.20": setWildcardUnknownParameter,
		"1.21": setWildcardInvalidValue,
		"1.22": setBySearch,
		"1.23": setNoMatch,
		"1.24": deleteObjects(1),
		"1.25": deleteAbsent(false),
		"1.26": deleteInvalidObject,
		"1.27": deleteObjects(2),
		"1.28": deleteSecondObjectInvalid,
		"1.29": deleteAbsent(true),
		"1.30": deleteInvalidObjectPartly,
		"1.31": deleteFirstOfTwo(false),
		"1.32": deleteFirstOfTwo(true),
		"1.33": deleteByUniqueKey,
		"1.34": deleteWildcard,
		"1.35": deleteByExpression,
		"1.36": getParameter,
		"1.37": getTwoParameters(true),
		"1.38": getTwoParameters(false),
		"1.39": getObject,
		"1.40": getInstance,
		"1.41": getUnknownParameter(false),
		"1.42": getUnknownParameter(true),
		"1.43": getByUniqueKey,
		"1.44": getParameterByWildcard,
		"1.45": getByWildcard,
		"1.46": getByExpression(enable, "==true", "true", "false"),
		"1.47": getByExpression(enable, "!=true", "true", "false"),
		"1.48": getByExpression(number, ">10", "9", "10", "20"),
		"1.49": getByExpression(number, "<10", "5", "10", "20"),
		"1.50": getByExpression(number, ">=10", "5", "10", "20"),
		"1.51": getByExpression(number, "<=10", "5", "10", "20"),
		"1.52": notifyValueChange,
		"1.54": notifyRetry,
		"1.57": notifyObjectCreation,
		"1.59": notifyPeriodic,
		"1.61": operateReboot,
		"1.64": operateAsync,
		"1.78": deleteControllerOfSubscription,
		"1.79": operateWithArguments,
		"1.80": supportedProtocol,
		"1.81": addWithoutKeys,
		"1.88": addInvalidKey,
		"1.82": getUnmatched,
		"1.86": getWithoutEnabledRow,
		"1.87": getEmptyTable,
		"1.89": getWithMaxDepth,
		"1.90": deleteUnmatched,
		"1.95": addBySearch,
		"1.96": changeKey,

		"1.104": changeWriteOnce,
	})
}

// merged puts the bodies of several themes together. Ids are distinct: a test of the plan counts them.
func merged(themes ...harness.Bodies) harness.Bodies {
	all := harness.Bodies{}
	for _, theme := range themes {
		maps.Copy(all, theme)
	}
	return all
}
