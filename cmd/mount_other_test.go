//go:build !linux

package cmd

import "testing"

func mountSmall(t *testing.T, _ string) {
	t.Helper()
	t.Skip("needs a file system of its own")
}
