package blocks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"
)

// walkTree calls visit for everything below the directory at (relative to root; "." is root itself), each directory before its
// content, names in order, symlinks not followed. An error of visit ends the walk, but fs.SkipDir leaves out that directory.
func walkTree(ctx context.Context, root *os.Root, at string, visit func(name string, fi fs.FileInfo) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	found, err := listDir(root, at)
	if err != nil {
		return err
	}
	for _, fi := range found {
		name := path.Join(at, fi.Name())
		err := visit(name, fi)
		if err != nil && !(errors.Is(err, fs.SkipDir) && fi.IsDir()) {
			return err
		}
		if fi.IsDir() && err == nil {
			if err := walkTree(ctx, root, name, visit); err != nil {
				return err
			}
		}
	}
	return nil
}

// listDir looks at everything in one directory. It holds no file open when it returns, so that depth costs no descriptors.
func listDir(root *os.Root, at string) ([]fs.FileInfo, error) {
	dir, err := root.OpenRoot(at)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := namesIn(dir)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	found := make([]fs.FileInfo, 0, len(names))
	for _, name := range names {
		fi, err := dir.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since it was listed
		}
		if err != nil {
			return nil, err
		}
		found = append(found, fi)
	}
	return found, nil
}

// openRegular opens a file if it is a regular one: never through a last symlink, never waiting for a pipe. flag is how.
func openRegular(root *os.Root, name string, flag int) (*os.File, fs.FileInfo, error) {
	fi, err := root.Lstat(name)
	if err != nil {
		return nil, nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("open %q: %w", name, errNotRegular)
	}
	f, err := root.OpenFile(name, flag|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	now, err := f.Stat()
	if err == nil && !os.SameFile(fi, now) {
		err = fmt.Errorf("open %q: %w", name, errNotRegular)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, now, nil
}

// errNotRegular marks what isn't a regular file, or was exchanged while it was opened.
var errNotRegular = errors.New("not a regular file")

// removeTree removes name below root with all that is in it, directories without permissions included. It ends with ctx; what is
// gone by then is gone. Nothing outside of root is reached, whoever changes the tree meanwhile.
func removeTree(ctx context.Context, root *os.Root, name string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	fi, err := root.Lstat(name)
	if err == nil && fi.IsDir() {
		err = emptyDir(ctx, root, name, fi)
	}
	if err == nil {
		err = root.Remove(name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// emptyDir removes all that is in a directory.
func emptyDir(ctx context.Context, root *os.Root, name string, fi fs.FileInfo) error {
	if fi.Mode().Perm()&0o700 != 0o700 {
		_ = root.Chmod(name, 0o700) // what that forbids us is told below
	}
	dir, err := root.OpenRoot(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := namesIn(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := removeTree(ctx, dir, name); err != nil {
			return err
		}
	}
	return nil
}

// namesIn lists a directory.
func namesIn(dir *os.Root) ([]string, error) {
	f, err := dir.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}
