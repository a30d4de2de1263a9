package blocks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
)

// renameTries bounds the attempts at a rename while others change the target at the same time.
const renameTries = 8

// ErrGone says that the directory that holds the target isn't where it was.
var ErrGone = errors.New("the destination directory was moved or removed")

// errTurnedUp says that something got the target's name after it was looked at. errors.Is(err, fs.ErrExist).
var errTurnedUp = fmt.Errorf("made by another meanwhile, and not replaced: %w", fs.ErrExist)

// putInPlace gives the content the target's name, in one step wherever the file system can. What had the name is put aside in
// the partial directory; what got it since the Store was opened is left alone, for nobody has agreed to lose it.
func (l *Lock) putInPlace(dir bool) error {
	if err := l.parentThere(); err != nil {
		return err
	}
	parent, err := l.parent.Open(".")
	if err != nil {
		return err
	}
	defer parent.Close()
	for range renameTries {
		err = l.rename(parent, dir)
		// Without a lock the last rename wins, so what turned up or went between two steps is only another round.
		if !l.shared || !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return err
}

// parentThere tells whether the target's directory still has its path.
func (l *Lock) parentThere() error {
	now, err := os.Stat(l.parent.Name())
	if err == nil {
		var was fs.FileInfo
		if was, err = l.parent.Stat("."); err == nil && os.SameFile(now, was) {
			return nil
		}
	}
	return fmt.Errorf("%w: %s", ErrGone, l.parent.Name())
}

// rename is one attempt.
func (l *Lock) rename(parent *os.File, dir bool) error {
	fi, err := l.parent.Lstat(l.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = renameNew(l.handle, contentName, parent, l.name)
		if errors.Is(err, errors.ErrUnsupported) {
			err = l.parent.Rename(path.Join(l.partial, contentName), l.name)
		}
		return err
	case err != nil:
		return err
	case l.vacant && !l.shared:
		return fmt.Errorf("%q: %w", l.name, errTurnedUp)
	case !dir && !fi.IsDir():
		return l.parent.Rename(path.Join(l.partial, contentName), l.name)
	}
	return l.replace(parent, fi)
}

// replace swaps content and target, one of which at least is a directory.
func (l *Lock) replace(parent *os.File, old fs.FileInfo) error {
	err := l.swap(parent)
	if old.IsDir() && errors.Is(err, fs.ErrPermission) && old.Mode().Perm()&0o200 == 0 {
		// A directory must be writable to be moved: its ".." changes.
		if e := l.parent.Chmod(l.name, old.Mode().Perm()|0o700); e != nil {
			return err
		}
		if err = l.swap(parent); err != nil {
			_ = l.parent.Chmod(l.name, old.Mode().Perm())
		}
	}
	return err
}

// swap exchanges the two, in one step where the file system can.
func (l *Lock) swap(parent *os.File) error {
	err := exchange(l.handle, contentName, parent, l.name)
	if err == nil {
		_ = l.dir.Rename(contentName, discardedName) // or it goes with the partial directory under the other name
		return nil
	}
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return l.swapInTwo()
}

// swapInTwo leaves no target between its steps; restore mends what a crash there leaves.
func (l *Lock) swapInTwo() error {
	aside := path.Join(l.partial, replacedName)
	if l.shared { // what an earlier attempt put aside and couldn't put back, since another's version was there
		_ = l.dir.Rename(replacedName, discardedName+"-"+randomHex())
	}
	if err := l.parent.Rename(l.name, aside); err != nil {
		return err
	}
	if err := l.parent.Rename(path.Join(l.partial, contentName), l.name); err != nil {
		return errors.Join(err, l.parent.Rename(aside, l.name))
	}
	_ = l.dir.Rename(replacedName, discardedName) // so that it never comes back, should the new target be moved away
	return nil
}

// restore undoes a swap that was interrupted between its two steps, and removes what a Sweep should have.
func (l *Lock) restore(ctx context.Context) error {
	if err := removeTree(ctx, l.dir, discardedName); err != nil {
		return err
	}
	if _, err := l.dir.Lstat(replacedName); err != nil {
		return nil
	}
	if _, err := l.parent.Lstat(l.name); errors.Is(err, fs.ErrNotExist) {
		return l.parent.Rename(path.Join(l.partial, replacedName), l.name)
	}
	return removeTree(ctx, l.dir, replacedName)
}

// syncParent flushes the directory that holds the target.
func (l *Lock) syncParent() error {
	f, err := l.parent.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
