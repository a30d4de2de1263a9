package blocks

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// unsupported are a file system's answers to an operation that it doesn't have.
var unsupported = []error{unix.EOPNOTSUPP, unix.ENOTSUP, unix.ENOSYS, unix.EINVAL, unix.ENOTTY, unix.EXDEV}

// asUnsupported turns these answers into errors.ErrUnsupported.
func asUnsupported(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case isAny(err, unsupported):
		return errors.ErrUnsupported
	}
	return os.NewSyscallError(op, err)
}

// retry calls f again while a signal interrupts it.
func retry(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// freeSpace is what a user without privileges may still write to the file system of f, in bytes.
func freeSpace(f *os.File) (uint64, error) {
	var st unix.Statfs_t
	if err := retry(func() error { return unix.Fstatfs(int(f.Fd()), &st) }); err != nil {
		return 0, asUnsupported("statfs", err)
	}
	if st.Blocks == 0 {
		return 0, errors.ErrUnsupported // a file system that doesn't count
	}
	unit := st.Frsize
	if unit <= 0 {
		unit = st.Bsize
	}
	return st.Bavail * uint64(unit), nil
}

// punchHole makes a range of f zeros that take no space.
func punchHole(f *os.File, off, n int64) error {
	return asUnsupported("fallocate", retry(func() error {
		return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	}))
}

// beginWriteback has the kernel begin to write what is new in f to the disk. It waits for room in the disk's queue, not for the end.
func beginWriteback(f *os.File) error {
	return asUnsupported("sync_file_range", retry(func() error {
		return unix.SyncFileRange(int(f.Fd()), 0, 0, unix.SYNC_FILE_RANGE_WRITE)
	}))
}

// reflink makes dst share all of src's disk blocks.
func reflink(dst, src *os.File) error {
	return asUnsupported("clone", retry(func() error {
		return unix.IoctlFileClone(int(dst.Fd()), int(src.Fd()))
	}))
}

// renameNew renames a to b, which must not exist (fs.ErrExist).
func renameNew(fromDir *os.File, from string, toDir *os.File, to string) error {
	return renameat2(fromDir, from, toDir, to, unix.RENAME_NOREPLACE)
}

// exchange swaps two existing names in one step.
func exchange(fromDir *os.File, from string, toDir *os.File, to string) error {
	return renameat2(fromDir, from, toDir, to, unix.RENAME_EXCHANGE)
}

func renameat2(fromDir *os.File, from string, toDir *os.File, to string, flags uint) error {
	err := retry(func() error {
		return unix.Renameat2(int(fromDir.Fd()), from, int(toDir.Fd()), to, flags)
	})
	if err = asUnsupported("renameat2", err); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return &os.LinkError{Op: "renameat2", Old: from, New: to, Err: errors.Unwrap(err)}
	}
	return err
}

// tellsHoles tells whether f's file system can be believed about its holes. ZFS before 2.2.2 called a hole what was only dirty
// (openzfs/zfs#15526), and a seed would send zeros in its place.
func tellsHoles(f *os.File) bool {
	const zfs = 0x2fc12fc1
	var st unix.Statfs_t
	err := retry(func() error { return unix.Fstatfs(int(f.Fd()), &st) })
	return err == nil && st.Type != zfs
}

// nextData is where f's next byte from off on lies that isn't in a hole: the file's end if there is none, off if it can't be told.
func nextData(f *os.File, off int64) int64 {
	at, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
	if err == unix.ENXIO {
		if fi, err := f.Stat(); err == nil {
			return fi.Size()
		}
	}
	if err != nil {
		return off
	}
	return at
}
