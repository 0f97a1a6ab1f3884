// Package lab handles the device under test as its DUT file says: it launches it as a process or a container, supervises it, stops,
// reboots and resets it. It never speaks USP; a reboot over USP is the harness's own act.
package lab
