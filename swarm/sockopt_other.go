//go:build !linux

package swarm

import "net"

// setUnsent does nothing here: the system has no such option that we use.
func setUnsent(net.Conn, int) {}

// setWake does nothing here either.
func setWake(net.Conn, int) bool { return false }
