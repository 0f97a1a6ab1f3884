package harness

// Paths of TR-181 that the harness and several chapters use.
const (
	LocalAgent    = "Device.LocalAgent."
	EndpointID    = LocalAgent + "EndpointID"
	Subscriptions = LocalAgent + "Subscription."
	Controllers   = LocalAgent + "Controller."
	Reboot        = "Device.Reboot()"
)
