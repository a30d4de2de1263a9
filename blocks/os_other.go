//go:build !linux

package blocks

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// freeSpace is what a user without privileges may still write to the file system of f, in bytes.
func freeSpace(f *os.File) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		return 0, os.NewSyscallError("statfs", err)
	}
	if st.Blocks == 0 {
		return 0, errors.ErrUnsupported // a file system that doesn't count
	}
	return uint64(max(st.Bavail, 0)) * uint64(st.Bsize), nil
}

// The operations below exist elsewhere only; each has a slower way that their callers take.

func punchHole(*os.File, int64, int64) error { return errors.ErrUnsupported }

func beginWriteback(*os.File) error { return errors.ErrUnsupported }

func reflink(_, _ *os.File) error { return errors.ErrUnsupported }

func renameNew(*os.File, string, *os.File, string) error { return errors.ErrUnsupported }

func exchange(*os.File, string, *os.File, string) error { return errors.ErrUnsupported }

func tellsHoles(*os.File) bool { return false }

func nextData(_ *os.File, off int64) int64 { return off }
