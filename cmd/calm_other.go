//go:build !linux

package cmd

// calm does nothing here: the system has no such setting.
func calm() {}
