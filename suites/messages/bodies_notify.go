package messages

import "github.com/usptest/usptest/harness"

// notifyBodies are the cases about subscriptions, commands and on-boarding.
func notifyBodies() harness.Bodies {
	return harness.Bodies{
		"1.53":  deletedSubscriptionIsSilent,
		"1.55":  subscriptionExpires,
		"1.56":  notifyRetryExpires,
		"1.58":  notifyObjectDeletion,
		"1.60":  onBoardRequest,
		"1.62":  operateRebootSilently,
		"1.65":  operateAsyncSilently,
		"1.84":  notifySearchPath,
		"1.91":  operateUnknownArgument,
		"1.92":  operateWithDefaults,
		"1.93":  triggerConfig,
		"1.94":  triggerNotifyAndConfig,
		"1.100": operateMissingArgument,
		"1.101": onBoardingBegins,
		"1.102": onBoardingRestarts,
		"1.103": onBoardingDoesNotRestart,
	}
}
