package blocks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// maxPlacers bounds the workers that finish files: they wait for a disk's directory more than for a core.
const maxPlacers = 8

// errLacking says that Place came too early.
var errLacking = errors.New("blocks are lacking")

// Place, which comes when every Block is held, finishes: empty files, copies of equal files, symlinks last, modes and mtimes; then
// the rename into place (RENAME_EXCHANGE over a directory). It replaces what has the target's name, but not if that name was free
// when the Store was opened (fs.ErrExist). ReadBlock goes on working. What was replaced, and the lock, stay until Sweep, unless
// there is nothing to sweep. After an error the target is as it was and Place may be called again, unless the message says that
// all is in place.
func (s *Store) Place(ctx context.Context) error {
	s.stages.Lock()
	defer s.stages.Unlock()
	if err := s.readyToPlace(); err != nil {
		return fmt.Errorf("place %q: %w", s.cfg.Target, err)
	}
	p := placer{store: s, entries: s.content.Manifest().Entries, layout: s.content.Layout()}
	for _, step := range []func(context.Context) error{p.unlock, p.complete, p.links, p.files, p.dirs, p.rename} {
		if err := step(ctx); err != nil {
			s.openToWrite()
			return fmt.Errorf("place %q: %w", s.cfg.Target, err)
		}
	}
	err := p.afterRename()
	if err != nil {
		err = fmt.Errorf("finish %q, which is in place: %w", s.cfg.Target, err)
	}
	s.unswept = true
	if s.lock.swept() {
		s.leavePartial(context.Background())
	}
	return err
}

// readyToPlace checks that nothing is lacking, and opens the files anew: for reading only, because an executable can't be
// started while it is open for writing, and under modes that still allow it.
func (s *Store) readyToPlace() error {
	s.io.Lock()
	defer s.io.Unlock()
	if s.phase != receiving {
		return errPhase
	}
	if n := s.lacking(); n > 0 {
		return fmt.Errorf("%d %w", n, errLacking)
	}
	s.files.close()
	s.files = newOpenFiles(s.at.root, os.O_RDONLY)
	if !s.single || s.content.Manifest().Entries[0].Size == 0 {
		return nil
	}
	return s.files.use(contentName, func(*os.File) error { return nil }) // opened under the name that it will lose
}

// lacking is the number of Blocks that aren't held.
func (s *Store) lacking() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wanted.Count() - s.have.Count()
}

// openToWrite undoes readyToPlace.
func (s *Store) openToWrite() {
	s.io.Lock()
	defer s.io.Unlock()
	s.files.close()
	s.files = newOpenFiles(s.at.root, os.O_RDWR)
}

// placer is one Place.
type placer struct {
	store   *Store
	entries []Entry
	layout  *Layout
}

// unlock makes directories writable that an earlier Place, which met an error, had finished.
func (p *placer) unlock(ctx context.Context) error {
	for i := range p.entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if e := &p.entries[i]; e.Kind == Dir && e.Path != "" {
			if err := makeDir(p.store.at.root, e.Path); err != nil {
				return err
			}
		}
	}
	return nil
}

// complete makes the files that own no Blocks: empty ones and copies.
func (p *placer) complete(ctx context.Context) error {
	return each(ctx, len(p.entries), maxPlacers, func(ctx context.Context, i int) error {
		e, original := &p.entries[i], p.layout.Original(i)
		if e.Kind != File || original == i {
			return nil
		}
		f, err := createNew(p.store.at.root, p.store.at.name(e.Path))
		if err != nil {
			return err
		}
		if original >= 0 {
			err = p.copyFile(ctx, f, original)
		}
		if e := f.Close(); err == nil {
			err = e
		}
		return err
	})
}

// copyFile fills dst with the bytes of another Entry: by sharing disk blocks where the file system can, and with the same holes.
func (p *placer) copyFile(ctx context.Context, dst *os.File, original int) error {
	e := &p.entries[original]
	src, err := openOwn(p.store.at.root, p.store.at.name(e.Path), os.O_RDWR)
	if err != nil {
		return err
	}
	defer src.Close()
	if err := reflink(dst, src); err == nil {
		return nil
	}
	if err := dst.Truncate(int64(e.Size)); err != nil {
		return err
	}
	const step = 64 << 20 // bytes between two looks at ctx
	return eachFilled(e, p.store.content.Header().BlockSize, func(off, n int64) error {
		for _, f := range []*os.File{dst, src} {
			if _, err := f.Seek(off, io.SeekStart); err != nil {
				return err
			}
		}
		for n > 0 && ctx.Err() == nil {
			done, err := io.CopyN(dst, src, min(n, step)) // copy_file_range
			if err != nil {
				return &fs.PathError{Op: "copy to", Path: dst.Name(), Err: err}
			}
			n -= done
		}
		return ctx.Err()
	})
}

// links makes the symlinks, when nothing is written below them any more.
func (p *placer) links(ctx context.Context) error {
	root := p.store.at.root
	for i := range p.entries {
		e := &p.entries[i]
		if e.Kind != Symlink {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := root.Lstat(e.Path); err == nil {
			if err := removeTree(ctx, root, e.Path); err != nil {
				return err
			}
		}
		if err := root.Symlink(e.Link, e.Path); err != nil {
			return err
		}
		if err := setModTime(root, e.Path, e.ModTime); err != nil {
			return err
		}
	}
	return nil
}

// files sets the modes and times of files.
func (p *placer) files(ctx context.Context) error {
	return each(ctx, len(p.entries), maxPlacers, func(_ context.Context, i int) error {
		if p.entries[i].Kind != File {
			return nil
		}
		return p.finish(&p.entries[i])
	})
}

// dirs sets those of directories, the deepest first, since changing what is inside changes the time, and may need the mode.
func (p *placer) dirs(ctx context.Context) error {
	for i := len(p.entries) - 1; i >= 0; i-- {
		e := &p.entries[i]
		if e.Kind != Dir || e.Path == "" && !p.movable(e) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := p.finish(e); err != nil {
			return err
		}
	}
	return nil
}

// mode is an Entry's final mode.
func (p *placer) mode(e *Entry) os.FileMode {
	return os.FileMode(e.Mode&^p.store.cfg.Umask) & 0o777
}

// movable tells whether the target directory can be renamed under its final mode: that changes its "..", and so needs the
// permission to write. Otherwise the mode is set after the rename.
func (p *placer) movable(e *Entry) bool { return p.mode(e)&0o700 == 0o700 }

// finish sets the mode and time of a file or directory, and flushes it if asked to.
func (p *placer) finish(e *Entry) error {
	root, name := p.store.at.root, p.store.at.name(e.Path)
	open := func() (*os.File, error) { return openOwn(root, name, os.O_RDWR) }
	if e.Kind == Dir {
		open = func() (*os.File, error) { return root.Open(name) }
	}
	f, err := open()
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Chmod(p.mode(e)); err != nil {
		return err
	}
	if err := p.setTime(root, name, e); err != nil {
		return err
	}
	if p.store.cfg.Fsync {
		return f.Sync()
	}
	return nil
}

// setTime sets a modification time; the content's own directory has no name below itself.
func (p *placer) setTime(root *os.Root, name string, e *Entry) error {
	if name == "." {
		return setModTime(p.store.lock.dir, contentName, e.ModTime)
	}
	return setModTime(root, name, e.ModTime)
}

// rename puts all in place, if it is still right: meanwhile a Block may have been forgotten. None is from now on.
func (p *placer) rename(context.Context) error {
	s := p.store
	s.io.Lock()
	defer s.io.Unlock()
	if n := s.lacking(); n > 0 {
		return fmt.Errorf("%d %w", n, errLacking)
	}
	if err := s.lock.putInPlace(!s.single); err != nil {
		return err
	}
	s.phase = placed
	return nil
}

// afterRename finishes what can only be done in place.
func (p *placer) afterRename() error {
	top := &p.entries[0]
	if top.Kind == Dir && !p.movable(top) {
		if err := p.finishTop(top); err != nil {
			return err
		}
	}
	if p.store.cfg.Fsync {
		return p.store.lock.syncParent()
	}
	return nil
}

// finishTop sets what dirs left.
func (p *placer) finishTop(e *Entry) error {
	f, err := p.store.at.root.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := setModTime(p.store.lock.parent, p.store.lock.name, e.ModTime); err != nil {
		return err
	}
	if err := f.Chmod(p.mode(e)); err != nil {
		return err
	}
	if p.store.cfg.Fsync {
		return f.Sync()
	}
	return nil
}
