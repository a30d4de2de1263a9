package cmd

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// mountSmall makes dir a file system of 2 MiB, until the test ends.
func mountSmall(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=2M"); err != nil {
		t.Skip("needs a file system of its own: ", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
}
