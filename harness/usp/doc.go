// Package usp is the wire of the User Services Platform (TR-369 1.4): Records and Messages, Endpoint IDs, path
// names, error codes and parameter values. It parses, checks, builds and describes; it never sends.
//
// Everything that comes from a device is hostile: sizes and counts are bounded, and what is wrong is returned
// as an error that names the place, what is wanted there and what was found (Mismatch).
package usp

// Version is the USP version that this package speaks, as it is in Record.version.
const Version = "1.4"
