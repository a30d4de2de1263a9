package blocks

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// errLockUnsupported says that this file system has no locks on directories.
var errLockUnsupported = errors.New("no locks on this file system")

// lockless are the answers to flock of file systems without it; NFS gives EBADF for a directory, which can't be opened for
// writing.
var lockless = []error{unix.ENOTSUP, unix.EOPNOTSUPP, unix.ENOLCK, unix.EBADF, unix.ENOSYS, unix.EINVAL, unix.EISDIR}

// tryLock takes the exclusive lock of an open file without waiting: false if another holds it.
func tryLock(f *os.File) (bool, error) {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		case isAny(err, lockless):
			return false, errLockUnsupported
		}
		return false, os.NewSyscallError("flock", err)
	}
}

// isAny tells whether err is one of list.
func isAny(err error, list []error) bool {
	for _, e := range list {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// ownerOf is the user that owns a file.
func ownerOf(fi fs.FileInfo) (uid int, ok bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}

// allocated is the space that a file takes on its disk, in bytes. A hole takes none.
func allocated(fi fs.FileInfo) uint64 {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || st.Blocks < 0 {
		return 0
	}
	return uint64(st.Blocks) * 512 // st_blocks is in 512 bytes whatever the file system's block
}

// setModTime sets the modification time of name below root, of the link itself if it is one.
func setModTime(root *os.Root, name string, ns int64) error {
	dir, err := root.Open(path.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	ts := []unix.Timespec{unix.NsecToTimespec(time.Now().UnixNano()), unix.NsecToTimespec(ns)}
	if err := unix.UtimesNanoAt(int(dir.Fd()), path.Base(name), ts, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &fs.PathError{Op: "utimensat", Path: name, Err: err}
	}
	return nil
}
