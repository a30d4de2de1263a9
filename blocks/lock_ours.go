package blocks

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// checkOurs refuses a directory that another user owns or could have written to, and closes it to readers.
func (l *Lock) checkOurs(fi fs.FileInfo) error {
	uid, ok := ownerOf(fi)
	if (!ok || uid != os.Geteuid() || fi.Mode().Perm()&0o022 != 0) && !l.alike(fi) {
		if ok && uid != os.Geteuid() {
			return l.notOurs("another user owns it")
		}
		return l.notOurs("others can write to it")
	}
	if fi.Mode().Perm()&0o077 != 0 {
		_ = l.handle.Chmod(0o700) // a file system without modes keeps its own
	}
	return nil
}

// alike tells whether a directory that we make now gets the same owner and mode: some file systems give all files one owner
// (NFS) or one mode (FAT), and then they say nothing about who made them.
func (l *Lock) alike(fi fs.FileInfo) bool {
	file, err := l.probe(func(name string) (*os.File, error) {
		return l.dir.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	})
	if err != nil {
		return false
	}
	dir, err := l.probe(func(name string) (*os.File, error) {
		if err := l.dir.Mkdir(name, 0o700); err != nil {
			return nil, err
		}
		return l.dir.Open(name)
	})
	if err != nil {
		return false
	}
	// Whoever may write here could put a directory of his own in the place of ours. The file was opened as it was made.
	want, okWant := ownerOf(file)
	a, okA := ownerOf(fi)
	b, okB := ownerOf(dir)
	return okWant && okA && okB && a == want && b == want && fi.Mode().Perm()&0o022 == dir.Mode().Perm()&0o022
}

// probe looks at something that is made for that, and removes it.
func (l *Lock) probe(create func(name string) (*os.File, error)) (fs.FileInfo, error) {
	name := "probe-" + randomHex()
	f, err := create(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	return fi, errors.Join(err, l.dir.Remove(name))
}

// notOurs is ErrNotOurs with the path, the reason and what to do.
func (l *Lock) notOurs(why string) error {
	return fmt.Errorf("%w: %s: %s; remove it", ErrNotOurs, filepath.Join(l.parent.Name(), l.partial), why)
}
