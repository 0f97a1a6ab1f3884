// Package dut knows the device under test: the DUT file in which a vendor describes it, and the lab that starts it, stops it and reboots
// it. It never speaks USP; a reboot over USP is the harness's own act.
package dut
