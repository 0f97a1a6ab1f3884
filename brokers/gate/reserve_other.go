//go:build !linux

package gate

// reserve keeps nothing on this system: the port of a Gate that is down may be taken.
func reserve(string) (free func()) { return func() {} }
