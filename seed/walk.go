package seed

import (
	"context"
	"fmt"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"p2pcp/blocks"
)

// found is one path of a walk.
type found struct {
	stamp
	rel  string // relative to the target, slash-separated; "" is the target itself
	kind blocks.Kind
	mode uint16 // permission bits
	link string // of a symlink
}

// walk collects the paths to be sent. It looks at each directory through its descriptor, so that a directory that is swapped
// for a symlink meanwhile can't lead it elsewhere. Owned by one goroutine.
type walk struct {
	exclude []string
	warn    func(path, why string)

	found      []found
	bytes      uint64 // of all files
	left       int    // paths excluded or skipped
	unreadable trouble
	refused    trouble
}

// place is where a path lies.
type place struct {
	dir  int    // descriptor of its directory, or unix.AT_FDCWD
	name string // in that directory
	path string // for messages
	rel  string // relative to the target
}

// newWalk checks the exclude patterns, which would otherwise match nothing in silence.
func newWalk(o Options) (*walk, error) {
	for _, glob := range o.Exclude {
		if _, err := path.Match(glob, "x"); err != nil {
			return nil, fmt.Errorf("%w: %q", ErrPattern, glob)
		}
	}
	w := &walk{exclude: o.Exclude, warn: o.Warn}
	if w.warn == nil {
		w.warn = func(string, string) {}
	}
	return w, nil
}

// visit takes in one path that isn't excluded, and what lies below it. An error ends the walk; trouble with a path is noted.
func (w *walk) visit(ctx context.Context, p place) error {
	var st unix.Stat_t
	if err := retry(func() error { return unix.Fstatat(p.dir, p.name, &st, unix.AT_SYMLINK_NOFOLLOW) }); err != nil {
		w.unreadable.add(unreadable(p.path, err))
		return nil
	}
	kind, why := kindOf(uint32(st.Mode)) // narrower on some systems
	if why != "" {
		w.left++
		w.warn(p.path, why)
		return nil
	}
	if p.rel != "" {
		why := blocks.CheckName(path.Base(p.rel))
		if len(p.rel) > maxPath {
			why = fmt.Errorf("path of %d bytes, at most %d", len(p.rel), maxPath)
		}
		if why != nil {
			w.refused.add(fmt.Errorf("%q %w: %w; rename it or leave it out with --exclude", p.path, ErrRefused, why))
			return nil
		}
	}
	if len(w.found) == blocks.MaxEntries {
		return fmt.Errorf("%q %w: there are more than %d paths", p.path, ErrRefused, blocks.MaxEntries)
	}
	f := found{stamp: stampOf(&st), rel: p.rel, kind: kind, mode: uint16(st.Mode & 0o777)}
	switch kind {
	case blocks.Dir:
		return w.directory(ctx, p, f)
	case blocks.Symlink:
		w.symlink(p, f)
	default:
		w.file(p, f)
	}
	return nil
}

// kindOf tells what can be sent from what can't; why is for a warning.
func kindOf(mode uint32) (kind blocks.Kind, why string) {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return blocks.File, ""
	case unix.S_IFDIR:
		return blocks.Dir, ""
	case unix.S_IFLNK:
		return blocks.Symlink, ""
	case unix.S_IFIFO:
		return 0, "is a named pipe"
	case unix.S_IFSOCK:
		return 0, "is a socket"
	case unix.S_IFBLK, unix.S_IFCHR:
		return 0, "is a device"
	}
	return 0, "is no file, directory or symlink"
}

// file takes in a regular file. That it can be read is asked now, not after an hour of hashing.
func (w *walk) file(p place, f found) {
	if err := retry(func() error { return unix.Faccessat(p.dir, p.name, unix.R_OK, unix.AT_EACCESS) }); err != nil {
		w.unreadable.add(unreadable(p.path, err))
		return
	}
	w.bytes += uint64(f.size)
	w.found = append(w.found, f)
}

func (w *walk) symlink(p place, f found) {
	buf := make([]byte, maxLink+1)
	var n int
	err := retry(func() (err error) {
		n, err = unix.Readlinkat(p.dir, p.name, buf)
		return err
	})
	if err != nil {
		w.unreadable.add(unreadable(p.path, err))
		return
	}
	f.link = string(buf[:n])
	if why := linkTrouble(f.rel, f.link); why != "" {
		w.refused.add(fmt.Errorf("%q %w: %s; receivers would refuse it; leave it out with --exclude", p.path, ErrRefused, why))
		return
	}
	w.found = append(w.found, f)
}

// directory takes in a directory and everything below it, in the order of names.
func (w *walk) directory(ctx context.Context, p place, f found) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var fd int
	err := retry(func() (err error) {
		fd, err = unix.Openat(p.dir, p.name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		w.unreadable.add(unreadable(p.path, err))
		return nil
	}
	dir := os.NewFile(uintptr(fd), p.path)
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		w.unreadable.add(unreadable(p.path, cause(err)))
		return nil
	}
	w.found = append(w.found, f)
	slices.Sort(names)
	for _, name := range names {
		rel := path.Join(p.rel, name)
		if w.excluded(rel) {
			w.left++
			continue
		}
		// Joined by hand: path.Join would clean, and names may look odd.
		if err := w.visit(ctx, place{dir: fd, name: name, path: p.path + "/" + name, rel: rel}); err != nil {
			return err
		}
	}
	return nil
}

// excluded tells whether a pattern matches the relative path or its last name.
func (w *walk) excluded(rel string) bool {
	return slices.ContainsFunc(w.exclude, func(glob string) bool {
		whole, _ := path.Match(glob, rel)
		base, _ := path.Match(glob, path.Base(rel))
		return whole || base
	})
}

// finish puts the paths into manifest order, or tells what is wrong with them: what can't be read first.
func (w *walk) finish() error {
	if err := w.unreadable.err(); err != nil {
		return err
	}
	if err := w.refused.err(); err != nil {
		return err
	}
	onlyTop := len(w.found) == 1 && w.found[0].kind == blocks.Dir
	if len(w.found) == 0 || onlyTop && w.left > 0 {
		return fmt.Errorf("%w: all that was named is excluded or no file, directory or symlink", ErrEmpty)
	}
	slices.SortFunc(w.found, func(a, b found) int { return blocks.ComparePaths(a.rel, b.rel) })
	return nil
}
