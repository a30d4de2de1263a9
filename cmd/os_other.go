//go:build !linux

package cmd

import "golang.org/x/sys/unix"

// calm does nothing here: the system has no such setting.
func calm() {}

// forbidDumps does nothing here: the limit is all there is.
func forbidDumps() {}

// redirect makes descriptor to another name of from.
func redirect(from, to int) error { return unix.Dup2(from, to) }
