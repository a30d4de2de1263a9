//go:build !linux

package cmd

// forbidDumps does nothing here: the limit is all there is.
func forbidDumps() {}
