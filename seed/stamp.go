package seed

import (
	"encoding/binary"
	"errors"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// stamp is what the file system says of a file: as long as it stays the same, so does the content.
type stamp struct {
	dev, ino     uint64
	size         int64 // bytes
	mtime, ctime int64 // ns since 1970, clamped to what fits
}

// stampSize is the length of a stamp's bytes, in bytes.
const stampSize = 40

func stampOf(st *unix.Stat_t) stamp {
	return stamp{
		dev:   uint64(st.Dev), // narrower on some systems
		ino:   uint64(st.Ino),
		size:  st.Size,
		mtime: nanos(st.Mtim),
		ctime: nanos(st.Ctim),
	}
}

// nanos clamps, because file systems can hold years beyond 2262 and before 1678.
func nanos(t unix.Timespec) int64 {
	const second = int64(1e9)
	sec := int64(t.Sec) // narrower on some systems
	switch {
	case sec >= math.MaxInt64/second:
		return math.MaxInt64
	case sec <= math.MinInt64/second:
		return math.MinInt64
	}
	return sec*second + int64(t.Nsec)
}

// same tells whether t is a stamp of the same file with the same content. The change time isn't asked: a chmod or a new
// hard link moves it, and changes no byte.
func (s stamp) same(t stamp) bool {
	return s.dev == t.dev && s.ino == t.ino && s.size == t.size && s.mtime == t.mtime
}

// append appends the stamp's cache key: five big-endian words.
func (s stamp) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, s.dev)
	b = binary.BigEndian.AppendUint64(b, s.ino)
	b = binary.BigEndian.AppendUint64(b, uint64(s.size))
	b = binary.BigEndian.AppendUint64(b, uint64(s.mtime))
	return binary.BigEndian.AppendUint64(b, uint64(s.ctime))
}

// statFile is fstat.
func statFile(f *os.File) (stamp, error) {
	var st unix.Stat_t
	if err := retry(func() error { return unix.Fstat(int(f.Fd()), &st) }); err != nil {
		return stamp{}, err
	}
	return stampOf(&st), nil
}

// statPath is lstat.
func statPath(path string) (stamp, error) {
	var st unix.Stat_t
	if err := retry(func() error { return unix.Lstat(path, &st) }); err != nil {
		return stamp{}, err
	}
	return stampOf(&st), nil
}

// openStamped is openPlain of the file that was walked, as it was. *ChangedError if it is another.
func openStamped(path string, want stamp) (*os.File, error) {
	f, err := openPlain(path)
	if err != nil {
		return nil, err
	}
	got, err := statFile(f)
	if err == nil && !got.same(want) {
		err = &ChangedError{Path: path}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// openPlain opens what was a regular file when it was walked, without following a last symlink or waiting for a fifo's writer.
// *ChangedError if it is none any more, or no longer can be opened at all.
func openPlain(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		if isGone(err) {
			return nil, &ChangedError{Path: path}
		}
		return nil, unreadable(path, cause(err))
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = &ChangedError{Path: path}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// isGone tells an error that says of the file, rather than of us, that it is no longer as it was: it could be read when it was
// walked.
func isGone(err error) bool {
	for _, no := range []unix.Errno{unix.ENOENT, unix.ENOTDIR, unix.ELOOP, unix.ESTALE, unix.EACCES, unix.EPERM, unix.ENXIO, unix.EMLINK} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

// retry repeats a system call that a signal interrupted.
func retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}
