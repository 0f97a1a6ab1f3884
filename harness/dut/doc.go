// Package dut is the DUT file, in which a vendor describes the device under test: read, checked, written, with its schema. What the lab
// does to the device is in package lab.
package dut
