package blocks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
)

// maxNamed is the number of paths that a Compare names.
const maxNamed = 20

// Compare tells how a target differs from the Manifest. Modes aren't compared, since a umask may have changed them, nor are the
// times of directories and symlinks.
type Compare struct {
	Absent  bool     // nothing there
	Same    bool     // nothing differs and nothing is extra
	Differs []string // quoted paths (at most 20 kept) that are missing or differ; the target itself by its name
	NDiffer int
	Files   int      // of those that differ, the files
	Bytes   uint64   // their sizes in the Manifest
	Extra   []string // quoted paths that the Manifest lacks (at most 20 kept); what is below one isn't counted
	NExtra  int
}

// CompareTarget looks at target: equal size and mtime are taken as equal, equal size and another mtime is hashed; checksum
// hashes all. Special files and symlinks are compared without following. Files are hashed by as many workers as there are cores, from
// which progress (may be nil) is called with the bytes hashed so far.
func CompareTarget(ctx context.Context, m *Manifest, target string, checksum bool, progress func(bytes uint64)) (Compare, error) {
	for tries := compareTries; ; tries-- {
		cmp := comparer{manifest: m, checksum: checksum, progress: progress, name: filepath.Base(target)}
		res, err := cmp.run(ctx, filepath.Clean(target))
		if !res.Same && ctx.Err() == nil && tries > 1 && cmp.replaced(target) {
			continue
		}
		if err != nil {
			return Compare{}, fmt.Errorf("compare %q: %w", target, err)
		}
		return res, nil
	}
}

// compareTries bounds how often a target is looked at that others replace meanwhile: gets without locks do so, once each.
const compareTries = 8

// comparer is one CompareTarget.
type comparer struct {
	manifest *Manifest
	name     string      // of the target
	top      fs.FileInfo // the target as it was found; nil if it wasn't
	checksum bool
	progress func(uint64)
	hashed   atomic.Uint64 // bytes
	byPath   map[string]int
	state    []verdict // per Entry; written by the walk, then by the worker that hashes it
	res      Compare
	onExtra  func(name string) // also told of each extra path; may be nil
}

// verdict is what is known of an Entry.
type verdict uint8

const (
	missing verdict = iota
	differs
	unsure // to be hashed
	equal
)

// run compares everything.
func (c *comparer) run(ctx context.Context, target string) (Compare, error) {
	parent, err := os.OpenRoot(filepath.Dir(target))
	if errors.Is(err, fs.ErrNotExist) {
		return Compare{Absent: true}, nil
	}
	if err != nil {
		return Compare{}, err
	}
	defer parent.Close()
	top, err := parent.Lstat(c.name)
	if errors.Is(err, fs.ErrNotExist) {
		return Compare{Absent: true}, nil
	}
	if err != nil {
		return Compare{}, err
	}
	c.top = top
	entries := c.manifest.Entries
	c.state = make([]verdict, len(entries))
	c.state[0] = c.look(&entries[0], top, func() (string, error) { return parent.Readlink(c.name) })
	at := shelf{root: parent, only: c.name}
	if entries[0].Kind == Dir && top.IsDir() {
		root, err := parent.OpenRoot(c.name)
		if err != nil {
			return Compare{}, err
		}
		defer root.Close()
		at = shelf{root: root}
		if err := c.walk(ctx, root); err != nil {
			return Compare{}, err
		}
	}
	if err := c.hash(ctx, at); err != nil {
		return Compare{}, err
	}
	return c.result(), nil
}

// replaced tells whether what was compared isn't the target any more.
func (c *comparer) replaced(target string) bool {
	if c.top == nil {
		return false
	}
	now, err := os.Lstat(target)
	return err != nil || !os.SameFile(c.top, now)
}

// walk looks at everything in a directory.
func (c *comparer) walk(ctx context.Context, root *os.Root) error {
	entries := c.manifest.Entries
	c.byPath = make(map[string]int, len(entries))
	for i := range entries {
		c.byPath[entries[i].Path] = i
	}
	return walkTree(ctx, root, ".", func(name string, fi fs.FileInfo) error {
		i, ok := c.byPath[name]
		if ok {
			c.state[i] = c.look(&entries[i], fi, func() (string, error) { return root.Readlink(name) })
			if fi.IsDir() && entries[i].Kind != Dir {
				return fs.SkipDir
			}
			return nil
		}
		c.extra(name)
		if fi.IsDir() {
			return fs.SkipDir
		}
		return nil
	})
}

// look compares without reading a file.
func (c *comparer) look(e *Entry, fi fs.FileInfo, readlink func() (string, error)) verdict {
	mode := fi.Mode()
	switch {
	case e.Kind == Dir && mode.IsDir():
		return equal
	case e.Kind == Symlink && mode.Type() == fs.ModeSymlink:
		if link, err := readlink(); err == nil && link == e.Link {
			return equal
		}
	case e.Kind == File && mode.IsRegular() && uint64(fi.Size()) == e.Size:
		if e.Size == 0 || !c.checksum && fi.ModTime().UnixNano() == e.ModTime {
			return equal
		}
		return unsure
	}
	return differs
}

// hash settles what look left unsure.
func (c *comparer) hash(ctx context.Context, at shelf) error {
	var todo []int
	for i, v := range c.state {
		if v == unsure {
			todo = append(todo, i)
		}
	}
	bufs := sync.Pool{New: func() any { return new([hashStep]byte) }}
	return each(ctx, len(todo), runtime.NumCPU(), func(ctx context.Context, n int) error {
		e := &c.manifest.Entries[todo[n]]
		f, _, err := openRegular(at.root, at.name(e.Path), os.O_RDONLY)
		if err != nil {
			return err
		}
		defer f.Close()
		buf := bufs.Get().(*[hashStep]byte)
		defer bufs.Put(buf)
		root, size, err := hashReader(ctx, NewFileReader(ctx, f), buf[:], c.count)
		if err != nil {
			return err
		}
		c.state[todo[n]] = differs
		if root == e.Root && size == e.Size {
			c.state[todo[n]] = equal
		}
		return nil
	})
}

// count reports bytes that were hashed.
func (c *comparer) count(n int) {
	sum := c.hashed.Add(uint64(n))
	if c.progress != nil {
		c.progress(sum)
	}
}

// extra notes a path that the Manifest lacks.
func (c *comparer) extra(name string) {
	c.res.NExtra++
	if c.onExtra != nil {
		c.onExtra(name)
	}
	if len(c.res.Extra) < maxNamed {
		c.res.Extra = append(c.res.Extra, strconv.Quote(name))
	}
}

// result sums up.
func (c *comparer) result() Compare {
	for i, v := range c.state {
		if v == equal {
			continue
		}
		c.res.NDiffer++
		if e := &c.manifest.Entries[i]; e.Kind == File {
			c.res.Files++
			c.res.Bytes += e.Size
		}
		if len(c.res.Differs) < maxNamed {
			name := c.manifest.Entries[i].Path
			if name == "" {
				name = c.name
			}
			c.res.Differs = append(c.res.Differs, strconv.Quote(name))
		}
	}
	c.res.Same = c.res.NDiffer == 0 && c.res.NExtra == 0
	return c.res
}
