package blocks

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrForeignLink marks a path that another user's symlink leads to a place that isn't that user's: who made it chooses where we would
// write.
var ErrForeignLink = errors.New("another user's symlink leads to what isn't that user's")

// MakeDestination makes the directory at an absolute path, with those above it, where they are missing. On Linux it isn't led astray by
// other users' symlinks: ErrForeignLink.
func MakeDestination(dir string) error {
	at, err := wayTo(filepath.Clean(dir), true)
	if errors.Is(err, errors.ErrUnsupported) {
		return os.MkdirAll(dir, 0o777)
	}
	if err != nil {
		return err
	}
	return at.Close()
}

// openDestination opens the directory at an absolute path, on Linux never led astray by other users' symlinks, whoever changes
// directories to symlinks and back meanwhile.
func openDestination(dir string) (*os.Root, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	// The system has walked the path in its own way. What counts is whether ours leads to the same place.
	at, err := wayTo(filepath.Clean(dir), false)
	if errors.Is(err, errors.ErrUnsupported) {
		return root, nil
	}
	if err == nil {
		defer at.Close()
		err = sameDir(root, at)
	}
	if err != nil {
		root.Close()
		return nil, err
	}
	return root, nil
}

// sameDir tells whether a root and an open directory are one.
func sameDir(root *os.Root, at *os.File) error {
	a, err := root.Stat(".")
	if err != nil {
		return err
	}
	b, err := at.Stat()
	if err != nil {
		return err
	}
	if !os.SameFile(a, b) {
		return fmt.Errorf("%w: %s", ErrGone, root.Name())
	}
	return nil
}
