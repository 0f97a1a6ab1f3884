//go:build !linux

package discovery

// watchARP does nothing: only Linux has a network of its own for a case.
func (s *Server) watchARP() (stop func() error, err error) { return func() error { return nil }, nil }
