package cmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"p2pcp/blocks"
)

// place is where the content goes.
type place struct {
	target string // its final path, absolute and clean
	make   bool   // --to ends with a slash: the directory around the target is made where it is missing
}

// findPlace reads --to: DIR/ means inside; else the path is exact, but for one file and an existing directory.
func findPlace(to string, c *blocks.Content) (place, error) {
	slash := strings.HasSuffix(to, "/")
	inside := slash
	if !inside && !c.Header().Dir {
		st, err := os.Stat(to)
		inside = err == nil && st.IsDir()
	}
	abs, err := filepath.Abs(to)
	if err != nil {
		return place{}, fmt.Errorf("find the path of %s: %w", quoteArg(to), err)
	}
	if inside {
		abs = filepath.Join(abs, c.Manifest().Name)
	}
	if abs == "/" {
		return place{}, usagef("write -o / for a place inside", "the content can't replace /")
	}
	return place{abs, slash}, nil
}

// prepare makes sure that the directory around the target is there.
func (p place) prepare() error {
	if p.make {
		if err := blocks.MakeDestination(filepath.Dir(p.target)); err != nil {
			return exitf(exitLocal, elsewhere, "can't make the directory %s: %w", quoteName(filepath.Dir(p.target)), bare(err))
		}
	}
	return p.check()
}

// check is prepare without making anything: a directory that would be made counts as there.
func (p place) check() error {
	dir := filepath.Dir(p.target)
	st, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && p.make:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return exitf(exitLocal, "make the directory first, or write -o DIR/", "there is no directory %s", quoteName(dir))
	case err != nil:
		return exitf(exitLocal, elsewhere, "can't look at %s: %w", quoteName(dir), bare(err))
	case !st.IsDir():
		return exitf(exitLocal, elsewhere, "%s is no directory", quoteName(dir))
	}
	return nil
}

// elsewhere is the hint for a place that can't be used.
const elsewhere = "choose another place with -o"

// unwritable tells whether an error says that a place can't be written.
func unwritable(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// cannotWrite says that something around the target can't be made or written, without naming our own files and steps.
func cannotWrite(target string, err error) error {
	e := classify(err)
	hint := e.hint
	switch {
	case e.code == exitInterrupt || e.code == exitTimeout: // it was only the end of waiting
		return err
	case unwritable(err):
		hint = "make the directory writable, or " + elsewhere
	case hint == "":
		hint = elsewhere
	}
	return exitf(e.code, hint, "can't write in %s: %w", quoteName(filepath.Dir(target)), bare(err))
}

// cannotRead says that what lies at the target can't be compared.
func cannotRead(target string, err error) error {
	e := classify(err)
	if e.code != exitLocal {
		return err
	}
	name := target
	var at *fs.PathError
	if errors.As(err, &at) && !filepath.IsAbs(at.Path) && at.Path != "." && at.Path != filepath.Base(target) {
		name = filepath.Join(target, at.Path)
	}
	return exitf(e.code, "make it readable, or "+elsewhere, "can't read %s: %w", quoteName(name), bare(err))
}

// bare is what the system says, if it is the cause of err, else err without its first step.
func bare(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	if inner := errors.Unwrap(err); inner != nil {
		return inner
	}
	return err
}

// umask reads the process's umask. The only way is to set it, so nothing may create files meanwhile.
func umask() uint16 {
	old := unix.Umask(0o077)
	unix.Umask(old)
	return uint16(old)
}
