package blocks

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
)

// prepare makes the directories, 0700, and the large files at their full size, with space for all but their zero ranges.
func (s *Store) prepare(ctx context.Context) error {
	dir, left := s.lock.dir, false
	if s.single {
		s.at = shelf{root: dir, only: contentName}
	} else {
		_, err := dir.Lstat(contentName)
		left = err == nil
		if err := makeDir(dir, contentName); err != nil {
			return err
		}
		root, err := dir.OpenRoot(contentName)
		if err != nil {
			return err
		}
		s.at = shelf{root: root}
	}
	s.files = newOpenFiles(s.at.root, os.O_RDWR)
	if err := s.checkFolding(); err != nil {
		return err
	}
	entries := s.content.Manifest().Entries
	for e := range entries {
		if entries[e].Kind != Dir || entries[e].Path == "" {
			continue
		}
		if err := makeDir(s.at.root, entries[e].Path); err != nil {
			return err
		}
	}
	if left {
		if err := s.weed(ctx); err != nil {
			return err
		}
	}
	for _, g := range s.content.Layout().Larges() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.prepareLarge(&entries[g.Entry]); err != nil {
			return err
		}
	}
	return nil
}

// weed removes what an earlier run left and the Manifest doesn't name: all that lies in the content gets its final name.
func (s *Store) weed(ctx context.Context) error {
	entries := s.content.Manifest().Entries
	return walkTree(ctx, s.at.root, ".", func(name string, fi fs.FileInfo) error {
		_, named := slices.BinarySearchFunc(entries, name, func(e Entry, name string) int { return ComparePaths(e.Path, name) })
		if named {
			return nil
		}
		if err := removeTree(ctx, s.at.root, name); err != nil {
			return err
		}
		if fi.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
}

// makeDir makes a directory that only we can use, or makes it so.
func makeDir(root *os.Root, name string) error {
	err := root.Mkdir(name, 0o700)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	fi, err := root.Lstat(name)
	if err != nil {
		return err
	}
	if !fi.IsDir() {
		if err := removeTree(context.Background(), root, name); err != nil {
			return err
		}
		return root.Mkdir(name, 0o700)
	}
	if fi.Mode().Perm()&0o700 != 0o700 {
		return root.Chmod(name, 0o700)
	}
	return nil
}

// prepareLarge makes a large file, or brings one that an earlier run left to its size and its holes. Its space isn't reserved:
// Blocks come in random order, and on ext4 writing them into reserved (unwritten) extents was measured at 2.3 s/GiB once
// writeback had begun, into a hole at 0.3 to 0.7. The space was checked before.
func (s *Store) prepareLarge(e *Entry) (err error) {
	name := s.at.name(e.Path)
	fresh := false
	f, err := openOwn(s.at.root, name, os.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotRegular) {
		f, err = createNew(s.at.root, name)
		fresh = true
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(int64(e.Size)); err != nil {
		return err
	}
	blockSize := s.content.Header().BlockSize
	if !fresh {
		for _, z := range e.Zeros {
			begin, end := zeroBytes(e, z, blockSize)
			if err := zeroRange(f, int64(begin), int64(end-begin)); err != nil {
				return err
			}
		}
	}
	return nil
}

// zeroRange makes sure that a range of f is zeros: no Block is ever checked or written there, and what an earlier run left is
// not to be trusted. A hole stays a hole.
func zeroRange(f *os.File, off, n int64) error {
	err := punchHole(f, off, n)
	if !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	var buf, zeros [16 << 10]byte
	for n > 0 {
		p := buf[:min(n, int64(len(buf)))]
		if err := readFullAt(f, p, off); err != nil {
			return err
		}
		if !bytes.Equal(p, zeros[:len(p)]) {
			if _, err := f.WriteAt(zeros[:len(p)], off); err != nil {
				return err
			}
		}
		off, n = off+int64(len(p)), n-int64(len(p))
	}
	return nil
}
