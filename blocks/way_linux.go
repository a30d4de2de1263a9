package blocks

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symlinks a path may go through: as many as the kernel takes.
const maxLinks = 40

// wayTo walks to the directory at an absolute path as the system would, one name at a time and never through a name that could
// have changed since it was looked at. mkdir makes what is missing. The result is good for its identity only (O_PATH).
func wayTo(path string, mkdir bool) (*os.File, error) {
	at, err := openAt(nil, "/", unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	w := way{at: at, mkdir: mkdir}
	if err := w.walk(strings.Split(path, "/")); err != nil {
		w.at.Close()
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return w.at, nil
}

// way is a walk under way.
type way struct {
	at    *os.File // where we are
	mkdir bool     // what is missing
	links int      // gone through so far
}

// walk goes on from where we are.
func (w *way) walk(names []string) error {
	for _, name := range names {
		if name == "" || name == "." {
			continue
		}
		next, err := w.step(name)
		if err != nil {
			return err
		}
		if next != nil {
			w.at.Close()
			w.at = next
		}
	}
	return nil
}

// step opens the next directory. Nil: it was a symlink, and we are where that leads. O_DIRECTORY has what is mounted on demand mounted.
func (w *way) step(name string) (*os.File, error) {
	next, err := openAt(w.at, name, unix.O_DIRECTORY)
	if errors.Is(err, fs.ErrNotExist) && w.mkdir {
		if err := unix.Mkdirat(int(w.at.Fd()), name, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		next, err = openAt(w.at, name, unix.O_DIRECTORY)
	}
	if !errors.Is(err, unix.ENOTDIR) && !errors.Is(err, unix.ELOOP) {
		return next, err
	}
	link, err := openAt(w.at, name, 0)
	if err != nil {
		return nil, err
	}
	fi, err := link.Stat()
	switch {
	case err != nil:
	case fi.IsDir(): // it wasn't a moment ago
		return link, nil
	case fi.Mode()&fs.ModeSymlink == 0:
		err = unix.ENOTDIR
	default:
		err = w.follow(link, fi, name)
	}
	link.Close()
	return nil, err
}

// follow goes where an open symlink leads. One of another user's may only lead to a directory of that user's, who could have written
// there without us. Ours, root's and those of who owns / (root, as it looks in a container that doesn't know it) may lead anywhere.
func (w *way) follow(link *os.File, fi fs.FileInfo, name string) error {
	if w.links++; w.links > maxLinks {
		return unix.ELOOP
	}
	b := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(link.Fd()), "", b)
	if err != nil {
		return err
	}
	to := string(b[:n])
	top, err := openAt(nil, "/", unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	owner, _ := ownerOf(fi)
	trusted := owner == 0 || owner == os.Geteuid() || owns(owner, top)
	if strings.HasPrefix(to, "/") {
		w.at, top = top, w.at
	}
	top.Close()
	mkdir := w.mkdir
	w.mkdir = false // nobody makes what a symlink only promises
	err = w.walk(strings.Split(to, "/"))
	w.mkdir = mkdir
	if err == nil && !trusted && !owns(owner, w.at) {
		return fmt.Errorf("%w: %q", ErrForeignLink, name)
	}
	return err
}

// owns tells whether an open directory is a user's.
func owns(uid int, dir *os.File) bool {
	fi, err := dir.Stat()
	if err != nil {
		return false
	}
	owner, ok := ownerOf(fi)
	return ok && owner == uid
}

// openAt opens what has a name in a directory, a symlink itself, for looking at it.
func openAt(dir *os.File, name string, flag int) (*os.File, error) {
	fd, at := -1, unix.AT_FDCWD
	if dir != nil {
		at = int(dir.Fd())
	}
	err := retry(func() (err error) {
		fd, err = unix.Openat(at, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC|flag, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}
